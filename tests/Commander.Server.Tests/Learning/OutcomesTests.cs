using Commander.Judging.Verdicts;
using Commander.Server.Learning;

namespace Commander.Server.Tests.Learning;

public sealed class OutcomesTests
{
    // One of each trust.
    private static readonly string[] Ranked =
        [OutcomeSources.QuietPeriod, OutcomeSources.Recovered, OutcomeSources.RedeployedFine, OutcomeSources.Revert, OutcomeSources.Incident, OutcomeSources.Person];

    private static readonly DateTimeOffset Start = new(2026, 11, 23, 10, 30, 0, TimeSpan.Zero);

    private static OutcomeLabel Label(string label, string source, string? by = null, string? note = null, int at = 0) =>
        new(label, source, Outcomes.Trust(source), Start.AddMinutes(at), by, note, false);

    private static (string?, string?) Stands(params OutcomeLabel[] labels) => Outcomes.Standing(labels) is { } stands ? (stands.Label, stands.Source) : (null, null);

    [Fact]
    public void Among_different_trusts_the_highest_stands_in_whatever_order_they_come()
    {
        // Every choice of sources, every choice of GOOD and BAD among them, every order.
        var orders = 0;
        for (var chosen = 1; chosen < 1 << Ranked.Length; chosen++)
        {
            var sources = Ranked.Where((_, n) => (chosen & (1 << n)) != 0).ToList();
            if (sources.Count > 4)
                continue;
            for (var bad = 0; bad < 1 << sources.Count; bad++)
            {
                var labels = sources.Select((source, n) => Label((bad & (1 << n)) != 0 ? "BAD" : "GOOD", source)).ToArray();
                var contested = labels.Select(label => label.Label).Distinct().Count() == 2;
                foreach (var order in Orders(labels))
                {
                    orders++;
                    Outcomes.Standing(order).ShouldBe(labels[^1], string.Join(", ", order.Select(label => label.Source)));
                    Outcomes.Contested(order).ShouldBe(contested);
                    Outcomes.Marked(order).Count(label => label.Standing).ShouldBe(1);
                }
            }
        }

        orders.ShouldBeGreaterThan(5000);
    }

    [Fact]
    public void A_person_who_is_sure_stands_whatever_else_is_said_before_or_after()
    {
        string[] sources = [.. Ranked[..^1], OutcomeSources.Fix, OutcomeSources.Unverified, OutcomeSources.Superseded, "of-a-later-version"];
        foreach (var source in sources)
        {
            foreach (var said in (string[])["GOOD", "BAD", "UNKNOWN"])
            {
                Stands(Label("GOOD", OutcomeSources.Person), Label(said, source)).ShouldBe(("GOOD", OutcomeSources.Person));
                Stands(Label(said, source), Label("BAD", OutcomeSources.Person)).ShouldBe(("BAD", OutcomeSources.Person));
            }
        }
    }

    [Fact]
    public void Among_equals_the_newest_stands()
    {
        Stands(Label("BAD", OutcomeSources.Fix), Label("GOOD", OutcomeSources.Revert)).ShouldBe(("GOOD", OutcomeSources.Revert));
        Stands(Label("BAD", OutcomeSources.Person, "ada"), Label("GOOD", OutcomeSources.Person, "grace"), Label("BAD", OutcomeSources.QuietPeriod)).ShouldBe(("GOOD", OutcomeSources.Person));
    }

    [Fact]
    public void A_person_who_is_unsure_takes_back_what_persons_said_and_nothing_else()
    {
        var (quiet, incident, good, unsure) = (Label("GOOD", OutcomeSources.QuietPeriod), Label("BAD", OutcomeSources.Incident), Label("GOOD", OutcomeSources.Person, "ada"), Label("UNKNOWN", OutcomeSources.Person, "grace"));
        Stands(quiet, incident, good).ShouldBe(("GOOD", OutcomeSources.Person));
        Stands(quiet, incident, good, unsure).ShouldBe(("BAD", OutcomeSources.Incident));
        Stands(good, unsure).ShouldBe(("UNKNOWN", OutcomeSources.Person));
        Stands(good, unsure, good).ShouldBe(("GOOD", OutcomeSources.Person));
        Stands(Label("UNKNOWN", OutcomeSources.Unverified), unsure).ShouldBe(("UNKNOWN", OutcomeSources.Person));
        Stands(unsure, Label("UNKNOWN", OutcomeSources.Superseded)).ShouldBe(("UNKNOWN", OutcomeSources.Person));
        Outcomes.Contested([incident, good, unsure]).ShouldBeFalse("what was taken back contests nothing");
    }

    [Fact]
    public void What_says_nothing_stands_only_alone()
    {
        Stands().ShouldBe((null, null));
        Stands(Label("GOOD", OutcomeSources.QuietPeriod), Label("UNKNOWN", OutcomeSources.Unverified)).ShouldBe(("GOOD", OutcomeSources.QuietPeriod));
        Stands(Label("BAD", "of-a-later-version"), Label("GOOD", OutcomeSources.QuietPeriod)).ShouldBe(("GOOD", OutcomeSources.QuietPeriod));
        Outcomes.Contested([Label("BAD", "of-a-later-version"), Label("GOOD", OutcomeSources.QuietPeriod)]).ShouldBeFalse();
    }

    [Fact]
    public void Two_persons_who_disagree_contest_and_one_who_corrects_himself_does_not()
    {
        Outcomes.Contested([Label("GOOD", OutcomeSources.Person, "ada"), Label("BAD", OutcomeSources.Person, "grace")]).ShouldBeTrue();
        Outcomes.Contested([Label("GOOD", OutcomeSources.Person, "ada"), Label("BAD", OutcomeSources.Person, "ada")]).ShouldBeFalse();
    }

    [Fact]
    public void The_same_again_adds_nothing_unless_it_changes_what_stands_or_a_person_adds_a_note()
    {
        OutcomeLabel[] said = [Label("BAD", OutcomeSources.Incident, "pagerduty:1"), Label("GOOD", OutcomeSources.Person, "ada"), Label("BAD", OutcomeSources.Person, "grace")];
        Outcomes.Adds(said, Label("BAD", OutcomeSources.Incident, "pagerduty:1", "again")).ShouldBeFalse();
        Outcomes.Adds(said, Label("BAD", OutcomeSources.Incident, "pagerduty:2")).ShouldBeTrue();
        Outcomes.Adds(said, Label("BAD", OutcomeSources.Person, "grace")).ShouldBeFalse();
        Outcomes.Adds(said, Label("BAD", OutcomeSources.Person, "grace", "a customer called")).ShouldBeTrue();
        Outcomes.Adds(said, Label("GOOD", OutcomeSources.Person, "ada")).ShouldBeTrue("grace has spoken since, so it stands again");
    }

    [Fact]
    public void So_many_labels_are_taken_of_programs_and_more_of_persons()
    {
        OutcomeLabel[] said = [.. Enumerable.Range(0, Outcomes.Most).Select(n => Label("BAD", OutcomeSources.Incident, "pagerduty:" + n))];
        Outcomes.Full(said[1..], OutcomeSources.Incident).ShouldBeNull();
        Outcomes.Full(said, OutcomeSources.Incident).ShouldNotBeNull();
        Outcomes.Full(said, OutcomeSources.Person).ShouldBeNull();
        Outcomes.Full([.. said, .. said], OutcomeSources.Person).ShouldNotBeNull();
    }

    [Fact]
    public void Text_by_others_is_one_line_and_no_longer_than_it_may_be()
    {
        Outcomes.Kept("a\nb\u0007", 10).ShouldBe("a b");
        Outcomes.Kept(" \r\n", 10).ShouldBeNull();
        Outcomes.Kept(null, 10).ShouldBeNull();
        Outcomes.Kept("abcdefgh😀xyz", 10).ShouldBe("abcdefgh…");
        Outcomes.Kept(new string('x', 11), 10)!.Length.ShouldBe(10);
    }

    private static IEnumerable<OutcomeLabel[]> Orders(OutcomeLabel[] labels) => labels.Length == 1
        ? [labels]
        : labels.SelectMany((first, n) => Orders([.. labels[..n], .. labels[(n + 1)..]]).Select(rest => (OutcomeLabel[])[first, .. rest]));
}
