using BenchmarkDotNet.Running;
using Commander.Benchmarks;

return args switch
{
    ["access"] => await AccessBenchmark.Run(),
    ["backtest"] => BacktestBenchmark.Run(),
    ["decision", .. var rest] => Decision(rest),
    ["intake", .. var rest] => await OwnDatabase.For(() => IntakeBenchmark.Run(rest)),
    ["demo", .. var rest] => await OwnDatabase.For(() => DemoBenchmark.Run(rest)),
    ["error-split", .. var rest] => ErrorSplitBenchmark.Run(rest),
    ["leave-one-out", .. var rest] => ModelBenchmark.LeaveOneOut(rest),
    ["train-shipped", .. var rest] => ModelBenchmark.Train(rest),
    ["server"] => await OwnDatabase.For(ServerBenchmark.Run),
    ["webhook", .. var rest] => await OwnDatabase.For(() => WebhookBenchmark.Run(rest)),
    ["load", .. var rest] => WebhookBenchmark.Send(rest),
    ["watches", .. var rest] => await OwnDatabase.For(() => WatchesBenchmark.Run(rest)),
    ["prometheus", var url] => await StandInPrometheus.Run(url),
    ["simulate"] => SimulateBenchmark.Run(),
    _ => Usage(),
};

static int Decision(string[] rest)
{
    BenchmarkRunner.Run<DecisionBenchmark>(args: rest);
    return 0;
}

static int Usage()
{
    Console.Error.WriteLine(
        """
        usage: Commander.Benchmarks VERB
          access    the check of a token and of its caller's limit, and whether the limit holds
          backtest  one-hour cases of five metrics a second on one core, reading the file included, and where the time goes
          decision [OPTIONS OF BENCHMARKDOTNET]
                    the decision step alone: time and memory of one tick of 5 metrics
          demo [KIND,KIND] [--each 10] [--good 10] [--servers 1] [--page]
                    the demo's bars: request to verdict, to the old version serving and, with --page, to an open page saying so
          error-split [DEPLOYMENTS]
                    how often and how soon the literature's test of two arms' errors, to which the count test is compared, finds what
          intake [SECONDS]
                    announcements a second that are durably stored, 64 callers at once, against a bare loop;
                    with COMMANDER_CLUSTER in PostgreSQL too
          leave-one-out [FOLDER]
                    the verdicts on each of the four data sets by a model that was trained on the other sources, beside the shipped one
          train-shipped [FOLDER] [--out src/Commander.Judging/Models/ShippedModel.cs]
                    the shipped model from the data sets in FOLDER (../shared/data) and the simulator: its calibration, and its file
          watches NUMBER [NODES]
                    so many watches at once in one process, ticks of a second, five metrics: how much later than due, processor, memory;
                    with COMMANDER_CLUSTER on PostgreSQL, over so many nodes
          server    the start of the process to its first answer; the verdict page's size and time
          webhook [SECONDS]
                    announcements a second that the server accepts over HTTP, 64 connections, durable before the answer, beside a bare
                    loop; on PostgreSQL with COMMANDER_CLUSTER
          simulate  simulated ticks of five metrics a second on one core, alone and with the judge watching
        """);
    return 2;
}
