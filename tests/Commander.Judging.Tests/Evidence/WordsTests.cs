using Commander.Judging.Evidence;

namespace Commander.Judging.Tests.Evidence;

/// <summary>The words stand in policies, in stored facts and in answers: none of them may ever change.</summary>
public class WordsTests
{
    private delegate bool Reading<T>(string? word, out T value);

    [Fact]
    public void Qualities_have_these_words() =>
        Hold<Quality>(Words.Word, Words.TryQuality, "empty", "value", "partial", "stale", "nan", "denied", "timeout", "error");

    [Fact]
    public void Arms_have_these_words() => Hold<Arm>(Words.Word, Words.TryArm, "candidate", "control", "before", "seasonal");

    [Fact]
    public void Kinds_have_these_words() => Hold<MetricKind>(Words.Word, Words.TryKind, "ratio", "histogram", "gauge", "count");

    [Fact]
    public void Families_have_these_words() =>
        Hold<Family>(Words.Word, Words.TryFamily, "error", "latency", "cpu", "memory", "traffic", "downstream", "service", "kpi");

    private static void Hold<T>(Func<T, string> write, Reading<T> read, params string[] words)
        where T : struct, Enum
    {
        Enum.GetValues<T>().Select(write).ShouldBe(words);
        foreach (var value in Enum.GetValues<T>())
        {
            read(write(value), out var found).ShouldBeTrue();
            found.ShouldBe(value);
        }
        foreach (var other in (string?[])[null, "", "ERROR", "0", "errors"])
        {
            read(other, out _).ShouldBeFalse();
        }
    }
}
