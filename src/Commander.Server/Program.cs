using Commander.Server.Hosting;

return await CommandLine.Run(args, Application.Serve);
