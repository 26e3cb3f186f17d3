using System.Net;
using Microsoft.AspNetCore.HttpOverrides;

namespace Commander.Server.Hosting;

/// <summary>What a proxy before the server changes: who the caller is, and below which path the pages lie.</summary>
internal static class ProxyHosting
{
    /// <summary>Before everything else.</summary>
    public static void UseProxy(this WebApplication app, CommanderOptions options)
    {
        // Only of a proxy that is named; anybody else's word for who they are is nobody's.
        if (options.TrustedProxies.Count > 0)
        {
            var forwarded = new ForwardedHeadersOptions { ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto | ForwardedHeaders.XForwardedHost, ForwardLimit = null };
            forwarded.KnownProxies.Clear();
            forwarded.KnownIPNetworks.Clear();
            foreach (var network in options.TrustedProxies)
                forwarded.KnownIPNetworks.Add(network);
            app.UseForwardedHeaders(forwarded);
        }

        if (options.PublicUrl?.AbsolutePath.TrimEnd('/') is not { Length: > 0 } below)
            return;
        // Some proxies pass the path on as it is, others without what they know it by: the pages' links begin with it in both.
        app.UsePathBase(below);
        app.Use(next => context =>
        {
            context.Request.PathBase = below;
            return next(context);
        });
    }

    /// <summary>One address, or a network as ADDRESS/LENGTH.</summary>
    public static bool TryRead(string text, out System.Net.IPNetwork network)
    {
        if (IPAddress.TryParse(text, out var one))
        {
            network = new System.Net.IPNetwork(one, one.GetAddressBytes().Length * 8);
            return true;
        }

        return System.Net.IPNetwork.TryParse(text, out network);
    }
}
