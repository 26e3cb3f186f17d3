using System.Globalization;

namespace Commander.Server.Storage;

/// <summary>Another process works in the folder already.</summary>
internal sealed class DataFolderInUseException(string message, Exception inner) : Exception(message, inner);

/// <summary>
/// A data folder that this process alone works in. What keeps others out is a lock of the operating system's on an open
/// file: it ends with the process however that ends. Who holds it stands in a second file, because a locked file cannot
/// be read by others on every platform.
/// </summary>
internal sealed class DataFolder : IDisposable
{
    private const string LockName = "commander.lock";
    private const string OwnerName = "commander.owner";

    private readonly FileStream _held;

    private DataFolder(string path, FileStream held)
    {
        Path = path;
        _held = held;
    }

    /// <summary>The folder's full path.</summary>
    public string Path { get; }

    /// <summary>Takes the folder, making it when there is none.</summary>
    /// <exception cref="DataFolderInUseException">Another process has it; the message names its id and, when it serves already, its address.</exception>
    public static DataFolder Take(string path)
    {
        path = System.IO.Path.GetFullPath(path);
        Make(path);
        FileStream file;
        try
        {
            file = new FileStream(System.IO.Path.Combine(path, LockName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or PathTooLongException))
        {
            throw new DataFolderInUseException(
                $"The data folder {path} is in use by {Owner(path)}. Stop that process, or give this one another folder with --data.", e);
        }

        var folder = new DataFolder(path, file);
        folder.WriteOwner(address: null);
        return folder;
    }

    /// <summary>Makes the folder where there is none, for this user alone: what was measured and said in it is nobody else's.</summary>
    public static string Make(string path)
    {
        path = System.IO.Path.GetFullPath(path);
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(path);
        else if (!Directory.Exists(path))
            Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    /// <summary>Notes the address this process serves, for the error of a second one.</summary>
    public void Serves(string address) => WriteOwner(address);

    public void Dispose()
    {
        // The name goes before the lock: afterwards it may be another's.
        File.Delete(System.IO.Path.Combine(Path, OwnerName));
        _held.Dispose();
    }

    private static string Owner(string path)
    {
        try
        {
            var lines = File.ReadAllLines(System.IO.Path.Combine(path, OwnerName));
            return lines.Length > 1 ? $"process {lines[0]}, which serves {lines[1]}" : $"process {lines[0]}";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or IndexOutOfRangeException)
        {
            // It has the lock and has not yet written its name, or is just ending.
            return "another process";
        }
    }

    private void WriteOwner(string? address)
    {
        var name = System.IO.Path.Combine(Path, OwnerName);
        var next = name + ".next";
        string[] lines = address is null ? [Pid()] : [Pid(), address];
        File.WriteAllLines(next, lines);
        File.Move(next, name, overwrite: true);
    }

    private static string Pid() => Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
}
