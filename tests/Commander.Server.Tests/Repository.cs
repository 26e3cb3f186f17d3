namespace Commander.Server.Tests;

/// <summary>Files of the repository that tests read where they lie.</summary>
internal static class Repository
{
    private static readonly string Root = Find();

    /// <summary>A path below the repository's root, written with slashes.</summary>
    public static string At(string path) => System.IO.Path.Combine(Root, path);

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "Commander.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException($"No folder above {AppContext.BaseDirectory} holds Commander.slnx: the tests run from the repository they were built in.");
    }
}
