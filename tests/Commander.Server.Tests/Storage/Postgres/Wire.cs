using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Commander.Server.Tests.Storage.Postgres;

/// <summary>A way to a server that can be cut at a word the server says, which then never arrives.</summary>
internal sealed class Wire : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly int _port;
    private readonly Task _accepting;
    private int _cuts;
    private byte[]? _word;

    public Wire(int port)
    {
        _port = port;
        _listener.Start();
        _accepting = Accept();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>How often it was cut.</summary>
    public int Cuts => Volatile.Read(ref _cuts);

    /// <summary>Cuts the connection on which the server next says the word.</summary>
    public void CutAt(string word) => Volatile.Write(ref _word, Encoding.ASCII.GetBytes(word));

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Stop();
        await _accepting;
        _end.Dispose();
    }

    private async Task Accept()
    {
        List<Task> pairs = [];
        try
        {
            while (true)
            {
                pairs.Add(Carry(await _listener.AcceptTcpClientAsync(_end.Token)));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            await Task.WhenAll(pairs);
        }
    }

    private async Task Carry(TcpClient client)
    {
        using var server = new TcpClient();
        using (client)
        {
            try
            {
                await server.ConnectAsync(IPAddress.Loopback, _port, _end.Token);
                var asking = client.GetStream().CopyToAsync(server.GetStream(), _end.Token);
                var answering = Answer(server.GetStream(), client.GetStream());
                await Task.WhenAny(asking, answering);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or IOException)
            {
                // Closed like the others.
            }
        }
    }

    private async Task Answer(NetworkStream from, NetworkStream to)
    {
        var buffer = new byte[64 * 1024];
        while (await from.ReadAsync(buffer, _end.Token) is > 0 and var length)
        {
            var word = Volatile.Read(ref _word);
            if (word is not null && buffer.AsSpan(0, length).IndexOf(word) >= 0 && Interlocked.CompareExchange(ref _word, null, word) == word)
            {
                Interlocked.Increment(ref _cuts);
                return;
            }

            await to.WriteAsync(buffer.AsMemory(0, length), _end.Token);
        }
    }
}
