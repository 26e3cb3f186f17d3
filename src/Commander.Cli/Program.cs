using Commander.Cli;

return await CommandLine.Run(args, Terminal.OfProcess(), TimeProvider.System, CancellationToken.None);
