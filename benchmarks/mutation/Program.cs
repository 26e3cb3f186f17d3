using System.Globalization;
using Commander.Judging.Mutation;

// What run.sh starts in the folder that was handed over: the score of a report's changes, or one of the processes that try them.
return args switch
{
    ["worker", var changed] => Worker.Run(int.Parse(changed, CultureInfo.InvariantCulture)),
    ["score", var report, .. var scopes] => await Score.Of(report, scopes),
    _ => Misused(),
};

static int Misused()
{
    Console.Error.WriteLine("usage: score REPORT.json [FOLDER or FOLDER/FILE.cs ...]");
    return 2;
}
