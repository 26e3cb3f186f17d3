using Commander.Judging.Evidence;
using Commander.Judging.Statistics;
using Commander.Judging.Tests.Simulated;
using CsCheck;

namespace Commander.Judging.Tests.Statistics;

/// <summary>Each running sum against its definition, written down plainly over the whole list of ticks.</summary>
public class DefinitionTests
{
    private static readonly Gen<(double Bad, double Total)[]> Ticks =
        Gen.Select(Gen.Int[0, 60], Gen.Int[0, 40]).Select((one, other) => ((double)Math.Min(one, other), (double)one)).Array[0, 80];

    // Some ticks are all bad, some are all good: neither tells of scatter.
    private static readonly (double Bad, double Total)[] Extremes = [(0, 40), (0, 30), (7, 7), (9, 9), (0, 5), (3, 8), (0, 0), (8, 8), (0, 9)];

    private static bool Near(double one, double other, double relative = 1e-4) =>
        Math.Abs(one - other) <= relative * (1 + Math.Abs(other));

    private sealed record Scatter(List<double> Squares, List<double> Bounded)
    {
        public static Scatter Of((double Bad, double Total)[] ticks)
        {
            var found = new Scatter([], []);
            var served = ticks.Where(static tick => tick.Total > 0).ToArray();
            for (var at = 1; at < served.Length; at++)
            {
                var ((bad, total), (lastBad, lastTotal)) = (served[at], served[at - 1]);
                var rate = (bad + lastBad) / (total + lastTotal);
                if (rate is <= 0 or >= 1)
                {
                    continue;
                }
                // Drawn without putting back: so many failed in both together.
                var both = total + lastTotal;
                // One event alone can be no burst: 1, its mean.
                var square = bad + lastBad <= 1 ? 1 : Math.Pow((bad / total) - (lastBad / lastTotal), 2) / (rate * (1 - rate) * ((1 / total) + (1 / lastTotal)) * both / (both - 1));
                var most = 6 * Math.Max(1, (2 + found.Bounded.Sum()) / (2 + found.Bounded.Count));
                found.Squares.Add(square);
                found.Bounded.Add(Math.Min(square, most));
            }
            return found;
        }

        public List<double> Counted(bool beside) => beside ? Bounded : Squares;
    }

    private static Dispersion Fold((double Bad, double Total)[] ticks)
    {
        var arm = new Dispersion();
        foreach (var (bad, total) in ticks)
        {
            arm.Add(bad, total);
        }
        return arm;
    }

    [Fact]
    public void The_dispersion_is_the_mean_square_of_neighbours_differences_and_two_pairs_of_one() =>
        Gen.Select(Ticks, Gen.Bool).Sample((ticks, beside) =>
        {
            var (arm, plain) = (Fold(ticks), Scatter.Of(ticks));
            var squares = plain.Counted(beside);
            return Near(arm.Value(beside), (2 + squares.Sum()) / (2 + squares.Count))
                && arm.Ticks == ticks.Count(static tick => tick.Total > 0)
                && arm.Bad == ticks.Where(static tick => tick.Total > 0).Sum(static tick => tick.Bad)
                && arm.Total == ticks.Sum(static tick => tick.Total);
        });

    [Fact]
    public void Ticks_all_good_or_all_bad_and_a_silent_one_between_tell_only_where_they_differ()
    {
        var (arm, plain) = (Fold(Extremes), Scatter.Of(Extremes));
        plain.Squares.Count.ShouldBe(5);
        arm.Value(beside: false).ShouldBe((2 + plain.Squares.Sum()) / 7, 1e-5);
        arm.Value(beside: true).ShouldBe((2 + plain.Bounded.Sum()) / 7, 1e-5);
    }

    [Fact]
    public void The_upper_limit_of_two_arms_is_that_of_chi_square_or_of_the_mean_s_own_error() =>
        Gen.Select(Ticks, Ticks, Gen.Bool).Sample((one, other, beside) =>
        {
            var (first, second) = (Fold(one), Fold(other));
            var squares = Scatter.Of(one).Counted(beside).Concat(Scatter.Of(other).Counted(beside)).ToArray();
            var mean = squares.Length == 0 ? 1 : Math.Max(1, squares.Average());
            if (!Near(Dispersion.Mean(first, second, beside), mean))
            {
                return false;
            }
            var upper = Dispersion.Upper(first, second, beside);
            if (first.Ticks + second.Ticks < 10)
            {
                return Near(upper, Math.Max(first.Ticks + second.Ticks < 5 ? 3.5 : 2.5, mean));
            }
            double freedom = Math.Max(0, first.Ticks - 1) + Math.Max(0, second.Ticks - 1);
            var z = Math.Min(1.6448536269514722, 1.2815515655446004 * 60 / freedom);
            var error = squares.Length == 0 ? 0 : Math.Sqrt(squares.Select(square => Math.Pow(square - squares.Average(), 2)).Average() / squares.Length);
            var limit = mean * freedom / (freedom * Math.Pow(1 - (2 / (9 * freedom)) - (z * Math.Sqrt(2 / (9 * freedom))), 3));
            return Near(upper, Math.Max(limit, mean + (z * error)), 1e-3);
        });

    [Fact]
    public void A_trend_s_dispersion_counts_how_far_the_middle_of_three_lies_off_their_line() =>
        Ticks.Where(static ticks => !Level(ticks)).Sample(ticks =>
        {
            var trend = new Trend();
            foreach (var (bad, total) in ticks)
            {
                trend.Add(bad, total);
            }
            return Near(trend.Value, Bent(ticks), 1e-3);
        });

    [Fact]
    public void A_trend_through_ticks_all_good_or_all_bad_is_counted_as_defined()
    {
        foreach (var ticks in new[] { Extremes, [(2, 100), (4, 100), (9, 100), (30, 100)], [(90, 100), (60, 100), (50, 100)], [(1, 10), (2, 10), (2, 10), (3, 10), (0, 0), (5, 10)] })
        {
            var trend = new Trend();
            foreach (var (bad, total) in ticks)
            {
                trend.Add(bad, total);
            }
            trend.Value.ShouldBe(Bent(ticks), 1e-4);
        }
    }

    // Where two neighbours' rates are equal, rounding alone says whether the second goes on in the direction of the first.
    private static bool Level((double Bad, double Total)[] ticks)
    {
        var rates = ticks.Where(static tick => tick.Total > 0).Select(static tick => tick.Bad / tick.Total).ToArray();
        return rates.Zip(rates.Skip(1)).Any(static pair => pair.First is > 0 and < 1 && Math.Abs(pair.First - pair.Second) < 1e-6);
    }

    // Of each pair its square; where a pair goes on in the direction of the one before, both count as the bend at the tick between them, if that is less.
    private static double Bent((double Bad, double Total)[] ticks)
    {
        var served = ticks.Where(static tick => tick.Total > 0).ToArray();
        var squares = new double?[served.Length];
        var differences = new double[served.Length];
        for (var at = 1; at < served.Length; at++)
        {
            var ((bad, total), (lastBad, lastTotal)) = (served[at], served[at - 1]);
            var rate = (bad + lastBad) / (total + lastTotal);
            if (rate is <= 0 or >= 1)
            {
                continue;
            }
            differences[at] = (bad / total) - (lastBad / lastTotal);
            squares[at] = differences[at] * differences[at] / (rate * (1 - rate) * ((1 / total) + (1 / lastTotal)));
            if (squares[at - 1] is { } before && differences[at] * differences[at - 1] > 0)
            {
                var off = Math.Pow((differences[at] - differences[at - 1]) / 2, 2) / (rate * (1 - rate) * ((0.25 / total) + (1.25 / lastTotal)));
                squares[at - 1] = Math.Min(before, off);
                squares[at] = Math.Min(squares[at]!.Value, off);
            }
        }
        return (2 + squares.Sum(static square => square ?? 0)) / (2 + squares.Count(static square => square is not null));
    }

    [Fact]
    public void Wandering_is_the_variance_of_blocks_of_eight_ticks_over_a_binomial_s() =>
        Gen.Select(Gen.Int[1, 60], Gen.Int[0, 40]).Select((one, other) => (Bad: (double)Math.Min(one, other), Total: (double)one)).Array[0, 120].Sample(ticks =>
        {
            var past = new Wandering();
            foreach (var (bad, total) in ticks)
            {
                past.Add(bad, total);
                past.Add(3, 0);
            }
            var blocks = ticks.Chunk(8).Where(static block => block.Length == 8).Select(static block => (Bad: block.Sum(static tick => tick.Bad), Total: block.Sum(static tick => tick.Total))).ToArray();
            var worst = blocks.Length == 0 ? 0 : blocks.Max(static block => block.Bad / block.Total);
            if (!Near(past.Highest, worst))
            {
                return false;
            }
            var rate = blocks.Sum(static block => block.Bad) / blocks.Sum(static block => block.Total);
            var expected = blocks.Length < 4 || rate is <= 0 or >= 1
                ? 0
                : blocks.Sum(block => block.Total * Math.Pow((block.Bad / block.Total) - rate, 2)) / (rate * (1 - rate) * (blocks.Length - 1));
            return Near(past.Value, expected);
        });

    [Fact]
    public void The_autocorrelation_is_the_covariance_of_neighbours_over_the_variance() =>
        Gen.Select(Gen.Double[-1, 1], Gen.Double[0, 1.2]).SelectMany((start, lean) => Gen.Double[-1, 1].Array[0, 40].Select(steps => (start, lean, steps))).Sample(drawn =>
        {
            var (values, value, series) = (new List<double>(), drawn.start, new Autocorrelation());
            foreach (var step in drawn.steps)
            {
                value = (drawn.lean * value) + step;
                values.Add(value);
                series.Add(value);
            }
            if (values.Count < 4 || values.All(entry => entry == values[0]))
            {
                return series.Value == 0;
            }
            var (mean, first) = (values.Average() - values[0], values[0]);
            var variance = values.Average(entry => Math.Pow(entry - first - mean, 2));
            var covariance = values.Zip(values.Skip(1), (one, next) => (one - first) * (next - first)).Average() - (mean * mean);
            return Near(series.Value, Math.Clamp(covariance / variance, 0, 0.8), 1e-9);
        });

    [Fact]
    public void Four_values_are_enough_for_an_autocorrelation()
    {
        var series = new Autocorrelation();
        foreach (var value in (double[])[0, 0, 3, 3])
        {
            series.Add(value);
        }
        // Mean 1.5, variance 2.25; neighbours' products 0, 0, 9: 3 - 2.25.
        series.Value.ShouldBe(0.75 / 2.25, 1e-12);
    }

    [Theory]
    [InlineData(Direction.Up)]
    [InlineData(Direction.Down)]
    [InlineData(Direction.Either)]
    public void The_rate_ratio_s_evidence_is_the_mean_of_fourteen_likelihood_ratios(Direction direction)
    {
        double[] grid = [1.4, 1.75, 2.15, 2.55, 3, 3.55, 4.4, 5.8, 8, 11.5, 18, 30, 65, 180];
        var ratios = direction switch
        {
            Direction.Up => grid,
            Direction.Down => [.. grid.Select(static ratio => 1 / ratio)],
            _ => [.. grid.Where(static (_, at) => at % 2 == 1).SelectMany(static ratio => (double[])[ratio, 1 / ratio])],
        };
        Gen.Select(Gen.Select(Gen.Int[0, 30], Gen.Int[0, 200], Gen.Int[0, 30], Gen.Int[0, 200]).Array[1, 6], Gen.Double[1, 8]).Sample((ticks, dispersion) =>
        {
            var found = new RateRatio();
            var logs = new double[ratios.Length];
            (double Bad, double Total, double OtherBad, double Other) block = default;
            for (var at = 0; at < ticks.Length; at++)
            {
                var (bad, good, referenceBad, referenceGood) = ticks[at];
                found.Add(bad, bad + good, referenceBad, referenceBad + referenceGood, direction);
                block = (block.Bad + bad, block.Total + bad + good, block.OtherBad + referenceBad, block.Other + referenceBad + referenceGood);
                // A block ends with thirty requests of both, or with the last tick.
                if (at < ticks.Length - 1 && (block.Total < 30 || block.Other < 30))
                {
                    continue;
                }
                var share = block.Total / (block.Total + block.Other);
                for (var of = 0; of < ratios.Length && share is > 0 and < 1; of++)
                {
                    // Given an error, it is the candidate's with probability r s / (r s + 1 - s); under "no worse" with s.
                    var hit = ratios[of] * share / ((ratios[of] * share) + 1 - share);
                    logs[of] += (block.Bad * Math.Log(hit / share)) + (block.OtherBad * Math.Log((1 - hit) / (1 - share)));
                }
                block = default;
            }
            var largest = logs.Max();
            return Near(found.LogE(dispersion), (largest / dispersion) + Math.Log(logs.Average(log => Math.Exp((log - largest) / dispersion))), 1e-9);
        });
    }

    [Fact]
    public void The_shares_of_the_same_seconds_are_the_mean_over_blocks_weighed_by_both_arms_requests() =>
        Gen.Select(Gen.Int[0, 30], Gen.Int[0, 200], Gen.Int[0, 30], Gen.Int[0, 200]).Array[1, 8].Sample(ticks =>
        {
            var found = new RateRatio();
            double weights = 0, own = 0, reference = 0;
            (double Bad, double Total, double OtherBad, double Other) block = default;
            for (var at = 0; at < ticks.Length; at++)
            {
                var (bad, good, otherBad, otherGood) = ticks[at];
                found.Add(bad, bad + good, otherBad, otherBad + otherGood, Direction.Up);
                block = (block.Bad + bad, block.Total + bad + good, block.OtherBad + otherBad, block.Other + otherBad + otherGood);
                if ((at < ticks.Length - 1 && (block.Total < 30 || block.Other < 30)) || block.Total <= 0 || block.Other <= 0)
                {
                    continue;
                }
                var weight = block.Total * block.Other / (block.Total + block.Other);
                weights += weight;
                own += weight * block.Bad / block.Total;
                reference += weight * block.OtherBad / block.Other;
                block = default;
            }
            return found.TryShares(out var share, out var referenceShare) == weights > 0
                && (weights <= 0 || (Near(share, own / weights) && Near(referenceShare, reference / weights)));
        });

    [Fact]
    public void Between_the_grid_s_ratios_a_ramp_s_correction_goes_over_evenly()
    {
        var ratio = new RateRatio();
        (double Bad, double Total, double OtherBad, double Other)[] ticks = [(4, 30, 2, 180), (9, 50, 3, 150), (12, 100, 2, 100)];
        foreach (var (bad, total, otherBad, other) in ticks)
        {
            ratio.Add(bad, total, otherBad, other, Direction.Up);
        }
        double own = ticks.Sum(static tick => tick.Bad), events = own + ticks.Sum(static tick => tick.OtherBad);
        var share = ticks.Sum(static tick => tick.Total) / ticks.Sum(static tick => tick.Total + tick.Other);

        double Likelihood(double log, double at) => (own * log) - (events * Math.Log(1 + ((Math.Exp(log) - 1) * at)));
        double Off(double log) => ticks.Sum(tick => (tick.Bad * log) - ((tick.Bad + tick.OtherBad) * Math.Log(1 + ((Math.Exp(log) - 1) * tick.Total / (tick.Total + tick.Other))))) - Likelihood(log, share);
        double Expected(double log, double off) => ratio.LogE(2) - ((Likelihood(log, share) + off) / 2);
        double At(double log) => ratio.LogE(2, log, Direction.Up, own, events, share);

        var (low, high) = (Math.Log(2.15), Math.Log(2.55));
        At(low + (0.25 * (high - low))).ShouldBe(Expected(low + (0.25 * (high - low)), (0.75 * Off(low)) + (0.25 * Off(high))), 1e-9);
        // Below the first the correction fades to none at ratio 1, beyond the last it stays, and on the other side there is none.
        At(0.5 * Math.Log(1.4)).ShouldBe(Expected(0.5 * Math.Log(1.4), 0.5 * Off(Math.Log(1.4))), 1e-9);
        At(Math.Log(900)).ShouldBe(Expected(Math.Log(900), Off(Math.Log(180))), 1e-9);
        At(-0.4).ShouldBe(Expected(-0.4, 0), 1e-9);
    }

    [Fact]
    public void The_error_split_is_the_likelihood_ratio_averaged_over_the_prior_above_the_share() =>
        Gen.Select(Gen.Int[0, 12], Gen.Int[0, 12], Gen.Double[0.1, 0.8], Gen.Select(Gen.Double[1, 4], Gen.Double[1, 4])).Sample((candidate, reference, share, prior) =>
        {
            const int steps = 4000;
            double averaged = 0, weight = 0;
            for (var step = 0; step < steps; step++)
            {
                var p = share + ((1 - share) * (step + 0.5) / steps);
                var density = Math.Pow(p, prior.Item1 - 1) * Math.Pow(1 - p, prior.Item2 - 1);
                averaged += density * Math.Pow(p / share, candidate) * Math.Pow((1 - p) / (1 - share), reference);
                weight += density;
            }
            return Near(ErrorSplit.LogE(candidate, reference, share, prior.Item1, prior.Item2), Math.Log(averaged / weight));
        }, iter: 50);

    [Fact]
    public void The_scatter_is_the_larger_of_the_median_s_and_the_bounded_mean_square_s() =>
        Gen.Double[-3, 3].Array[1, 30].Sample(residuals =>
        {
            residuals[0] *= 40;
            var absolute = residuals.Select(Math.Abs).Order().ToArray();
            var deviation = 1.4826 * (0.5 * (absolute[(absolute.Length - 1) / 2] + absolute[absolute.Length / 2]));
            var most = deviation > 0 ? 8 * deviation : double.PositiveInfinity;
            var squares = absolute.Sum(value => Math.Pow(Math.Min(value, most), 2));
            return Near(Robust.Scatter(residuals), Math.Max(deviation, 0.6 * Math.Sqrt(squares / Math.Max(1, absolute.Length - 1))), 1e-9);
        });

    [Fact]
    public void A_scatter_of_mostly_nothing_is_taken_from_the_mean_square_and_of_none_is_none()
    {
        Robust.Scatter([0, 0, 0, 0, 100]).ShouldBe(0.6 * 50, 1e-12);
        Robust.Scatter([]).ShouldBe(0);
        Robust.Median([]).ShouldBe(double.NaN);
    }
}
