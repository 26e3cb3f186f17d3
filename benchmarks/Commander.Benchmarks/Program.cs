using Commander.Benchmarks;

return args switch
{
    ["intake", .. var rest] => await IntakeBenchmark.Run(rest),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine(
        """
        usage: Commander.Benchmarks intake [SECONDS]
          intake    announcements a second that are durably stored, 64 callers at once, against a bare loop
        """);
    return 2;
}
