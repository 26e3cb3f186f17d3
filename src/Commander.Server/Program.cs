using Commander.Server.Demo;
using Commander.Server.Hosting;

// The demo's shop is a mode of this executable: decided before anything else is loaded.
return args is ["shop", .. var shop]
    ? await ShopProcess.Run(shop)
    : await CommandLine.Run(args, Application.Serve, Application.Examine);
