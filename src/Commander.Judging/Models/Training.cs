using Commander.Judging.Evidence;

namespace Commander.Judging.Models;

/// <summary>A deployment whose truth is known, as the judge saw it when it decided.</summary>
/// <param name="Features">At the tick of its first alarm, else at its end.</param>
/// <param name="Bad">Whether it was BAD.</param>
/// <param name="Source">Where it comes from: every source has the same weight, however many cases it has.</param>
public sealed record Labelled(Features Features, bool Bad, string Source);

/// <summary>What training made.</summary>
/// <param name="Model">The model; null when refused.</param>
/// <param name="Refused">Why there is none, in a sentence; null when there is one.</param>
public readonly record struct Trained(Model? Model, string? Refused);

/// <summary>
/// Logistic regression of BAD on the judge's features by Newton's method, shrunk towards a prior model, with no weight below 0: more evidence never makes P(BAD) smaller.
/// The same rows in the same order give the same bits on the same machine architecture.
/// </summary>
public static class Training
{
    /// <summary>With fewer cases of either class nothing is trained.</summary>
    public const int FewestOfAClass = 20;

    private const int Size = Features.Count + 1;
    private const int MostSteps = 100;
    private const int MostHalvings = 40;
    private const double Settled = 1e-12;

    /// <summary>Trains a model.</summary>
    /// <param name="rows">Labelled cases. Each class is weighted to <paramref name="baseRate"/> and shared evenly among the sources that have it; the weights add up to the number of rows.</param>
    /// <param name="prior">What is believed without data. The log odds with no evidence and those with one score of 1 alone are drawn to what this model gives.</param>
    /// <param name="version">The name of the new model.</param>
    /// <param name="baseRate">The share of BAD among real deployments, above 0 and below 1: data sets hold far more. The intercept follows from it.</param>
    /// <param name="strength">How strongly the prior draws, above 0: the factor of half the squared distance, beside the rows' log-likelihood.</param>
    public static Trained Fit(IReadOnlyList<Labelled> rows, Model prior, string version, double baseRate, double strength)
    {
        if (!(baseRate is > 0 and < 1))
        {
            return new(null, $"the base rate is {baseRate}: give a share of BAD deployments above 0 and below 1");
        }
        if (!(strength > 0 && double.IsFinite(strength)))
        {
            return new(null, $"the strength of the prior is {strength}: give a number above 0");
        }
        var bad = rows.Count(static row => row.Bad);
        var good = rows.Count - bad;
        if (bad < FewestOfAClass || good < FewestOfAClass)
        {
            return new(null, $"{bad} BAD and {good} GOOD cases are too few to train on: {FewestOfAClass} of each are needed");
        }
        for (var at = 0; at < rows.Count; at++)
        {
            for (var feature = 0; feature < Features.Count; feature++)
            {
                if (!(rows[at].Features[feature] is >= 0 and <= 2))
                {
                    return new(null, $"case {at + 1} of {rows[at].Source} has {rows[at].Features[feature]} as feature {feature + 1}: scores lie between 0 and 2");
                }
            }
        }
        var weights = Weights(rows, baseRate);
        double[] centre = [prior.Intercept, .. prior.Weights, prior.NoData, prior.Guard];
        var coefficients = (double[])centre.Clone();
        var loss = Loss(rows, weights, coefficients, centre, strength);
        var (gradient, curvature) = (new double[Size], new double[Size, Size]);
        for (var step = 0; step < MostSteps; step++)
        {
            Slope(rows, weights, coefficients, centre, strength, gradient, curvature);
            var direction = Direction(coefficients, gradient, curvature);
            var (moved, length) = (false, 1.0);
            for (var halving = 0; halving < MostHalvings && !moved; halving++, length /= 2)
            {
                var next = new double[Size];
                for (var at = 0; at < Size; at++)
                {
                    var value = coefficients[at] - (length * direction[at]);
                    next[at] = at == 0 ? value : Math.Max(0, value);
                }
                var smaller = Loss(rows, weights, next, centre, strength);
                if (smaller < loss)
                {
                    moved = loss - smaller > Settled * loss;
                    (coefficients, loss) = (next, smaller);
                    break;
                }
            }
            if (!moved)
            {
                break;
            }
        }
        return new(new Model(version, coefficients[0], coefficients[1..(1 + Words.FamilyCount)], coefficients[1 + Features.NoData], coefficients[1 + Features.Guard]), null);
    }

    /// <summary>What each row counts: BAD ones together the base rate, each class shared evenly among the sources that have it; in all the number of rows.</summary>
    /// <param name="rows">The rows, with both classes among them.</param>
    /// <param name="baseRate">The share of BAD among real deployments.</param>
    public static double[] Weights(IReadOnlyList<Labelled> rows, double baseRate)
    {
        var cases = rows.GroupBy(static row => (row.Source, row.Bad)).ToDictionary(static group => group.Key, static group => group.Count());
        var sources = cases.Keys.ToLookup(static key => key.Bad);
        var weights = new double[rows.Count];
        for (var at = 0; at < weights.Length; at++)
        {
            var row = rows[at];
            weights[at] = rows.Count * (row.Bad ? baseRate : 1 - baseRate) / sources[row.Bad].Count() / cases[(row.Source, row.Bad)];
        }
        return weights;
    }

    private static double Odds(double[] coefficients, in Features features)
    {
        var odds = coefficients[0];
        for (var at = 0; at < Features.Count; at++)
        {
            odds += coefficients[at + 1] * features[at];
        }
        return odds;
    }

    // How far a coefficient's log odds at a score of 1 alone (for the intercept: with no evidence) lie from the prior's.
    private static double Distance(double[] coefficients, double[] centre, int at) =>
        coefficients[0] - centre[0] + (at == 0 ? 0 : coefficients[at] - centre[at]);

    private static double Loss(IReadOnlyList<Labelled> rows, double[] weights, double[] coefficients, double[] centre, double strength)
    {
        double loss = 0;
        for (var at = 0; at < rows.Count; at++)
        {
            var odds = Odds(coefficients, rows[at].Features) * (rows[at].Bad ? -1 : 1);
            loss += weights[at] * (Math.Max(0, odds) + Math.Log(1 + Math.Exp(-Math.Abs(odds))));
        }
        for (var at = 0; at < Size; at++)
        {
            var distance = Distance(coefficients, centre, at);
            loss += 0.5 * strength * distance * distance;
        }
        return loss;
    }

    private static void Slope(IReadOnlyList<Labelled> rows, double[] weights, double[] coefficients, double[] centre, double strength, double[] gradient, double[,] curvature)
    {
        Array.Clear(gradient);
        Array.Clear(curvature);
        Span<double> row = stackalloc double[Size];
        for (var at = 0; at < rows.Count; at++)
        {
            row[0] = 1;
            for (var feature = 0; feature < Features.Count; feature++)
            {
                row[feature + 1] = rows[at].Features[feature];
            }
            var p = 1 / (1 + Math.Exp(-Odds(coefficients, rows[at].Features)));
            var (pull, bend) = (weights[at] * (p - (rows[at].Bad ? 1 : 0)), weights[at] * p * (1 - p));
            for (var one = 0; one < Size; one++)
            {
                gradient[one] += pull * row[one];
                for (var other = 0; other < Size; other++)
                {
                    curvature[one, other] += bend * row[one] * row[other];
                }
            }
        }
        for (var at = 0; at < Size; at++)
        {
            var pull = strength * Distance(coefficients, centre, at);
            gradient[0] += pull;
            curvature[0, 0] += strength;
            if (at > 0)
            {
                gradient[at] += pull;
                curvature[at, at] += strength;
                curvature[0, at] += strength;
                curvature[at, 0] += strength;
            }
        }
    }

    /// <summary>Newton's direction among the coefficients that are free: a weight that stands at 0 and would go below stays (projected Newton, Bertsekas 1982).</summary>
    private static double[] Direction(double[] coefficients, double[] gradient, double[,] curvature)
    {
        var free = new List<int>(Size);
        for (var at = 0; at < Size; at++)
        {
            if (at == 0 || coefficients[at] > 0 || gradient[at] < 0)
            {
                free.Add(at);
            }
        }
        // Cholesky: the prior makes the curvature positive definite.
        var lower = new double[free.Count, free.Count];
        var solved = new double[free.Count];
        for (var row = 0; row < free.Count; row++)
        {
            for (var column = 0; column <= row; column++)
            {
                var sum = curvature[free[row], free[column]];
                for (var at = 0; at < column; at++)
                {
                    sum -= lower[row, at] * lower[column, at];
                }
                lower[row, column] = row == column ? Math.Sqrt(sum) : sum / lower[column, column];
            }
            solved[row] = gradient[free[row]];
            for (var at = 0; at < row; at++)
            {
                solved[row] -= lower[row, at] * solved[at];
            }
            solved[row] /= lower[row, row];
        }
        var direction = new double[Size];
        for (var row = free.Count - 1; row >= 0; row--)
        {
            for (var at = row + 1; at < free.Count; at++)
            {
                solved[row] -= lower[at, row] * solved[at];
            }
            solved[row] /= lower[row, row];
            direction[free[row]] = solved[row];
        }
        return direction;
    }
}
