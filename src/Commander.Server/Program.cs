using Commander.Server.Demo;

// The demo's shop is a mode of this executable: decided before anything else is loaded.
if (args is ["shop", .. var shop])
{
    return await ShopProcess.Run(shop);
}

var builder = WebApplication.CreateBuilder(args);
var app = builder.Build();
app.Run();
return 0;
