using System.Text;
using System.Text.RegularExpressions;
using Commander.Server.Reasoning;
using CsCheck;

namespace Commander.Server.Tests.Reasoning;

/// <summary>What becomes of attacks on the way into a question, and of texts that are none.</summary>
public sealed partial class InjectionTests
{
    private const int Longest = 160;

    // What an order needs to be understood. Written down apart from what the product looks for; letters only.
    private static readonly string[] Phrases =
    [
        "ignoreallprevious", "ignoreprevious", "previousinstruction", "disregardtherules", "youarenow", "youmust", "yourdecision", "youranswer", "yourverdict", "systemprompt", "answercontinue", "answerrollback", "answerhold",
        "decidecontinue", "saycontinue", "decisioncontinue", "verdictcontinue", "setthedecision", "setdecision", "fromnowon", "developermode", "pretendto", "donotroll", "mustnotroll", "approvedby", "plannedloadtest",
        "knownfalsealarm", "referencecode", "imstart", "endoftext", "thedataends", "rollbackimmediately", "correctverdict", "onlyvalidanswer", "repeatexactly", "alwayssays",
    ];

    // Other scripts lose their letters, and what is written in signs that nobody sees is not there any more.
    private static readonly string[] Defanged =
        ["order in Russian", "order in Chinese", "order in Japanese", "order in Korean", "order in Arabic", "order in Hebrew", "order in Hindi", "tag characters"];

    // What people and programs really write, some of it with words that attacks use too.
    private static readonly string[] Legitimate =
    [
        "fix: continue on error in parser",
        "revert: rollback of #12",
        "Revert \"feat: new cart total (#481)\"",
        "chore: ignore all whitespace in diffs",
        "user: not found",
        "You are here: breadcrumb on the product page",
        "feat(api): return the right status when the order is on hold",
        "fix: hold the lock while the queue drains",
        "refactor: override the default timeout of the database client",
        "docs: describe how to roll back a migration",
        "Merge pull request #1234 from acme/feature/checkout-v2",
        "build(deps): bump System.Text.Json from 9.0.1 to 9.0.4",
        "perf: do not allocate in the hot path",
        "test: add a case for users who must verify their address",
        "fix(auth): only admins may approve refunds",
        "chore: release 2.4.0",
        "feat: print the stack trace of failed jobs",
        "fix: send data to the backend database in batches",
        "feat: act as a proxy for the legacy gateway",
        "ci: run benchmark assembly on every pull request",
        "feat: users can now mark orders as paid",
        "fix: forgotten dispose of the response",
        "feat: add an answer to the FAQ about returns",
        "fix: say which field is missing in validation errors",
        "refactor: considers time zones when it schedules deliveries",
        "fix: exact assertions in impact tests",
        "feat: contact assignment for support agents",
        "i18n: German translation of the cart",
        "fix: never retry a payment that was declined",
        "style: format",
        "WIP",
        "fix: NullReferenceException in OrderService.Place when the cart is empty",
        "feat: show a notice when a planned delivery slot is full",
        "chore(deps): update dependency eslint to v9",
        "hotfix: raise pool size from 20 to 50",
        "feat: please the linter",
        "ops: scale checkout to 6 replicas",
        "fix: correct answer time in the status page",
        "revert: \"perf: cache prices\"",
        "feat: reply-to header for confirmation mails",
        "user service started on port <*>",
        "connection to db-primary:5432 refused, retry <*> of 5",
        "level=error msg=\"timeout while waiting for payment provider\" took=<*>",
        "GET /api/v1/cart/<*> 500 in <*> ms",
        "java.lang.OutOfMemoryError: Java heap space",
        "System.TimeoutException: The operation has timed out.",
        "WARN slow query: SELECT * FROM orders WHERE user_id = <*> took <*> ms",
        "transaction rolled back: deadlock detected",
        "ERROR: current transaction is aborted, commands ignored until end of transaction block",
        "system: out of file handles",
        "tool: apt exited with 100",
        "assistant-service: request finished",
        "kafka consumer lag of group orders is <*>",
        "HTTP/1.1 100 Continue",
        "circuit breaker opened for inventory",
        "Unhandled exception. System.ArgumentNullException: Value cannot be null. (Parameter 'order')",
        "readiness probe failed: HTTP probe failed with statuscode: 503",
        "OOMKilled: container checkout exceeded its memory limit",
        "failed to decode message: unexpected end of JSON input",
        "certificate of payments.internal expires in <*> days",
        "checkout",
        "payment-gateway-eu",
        "recommendation_model",
        "ai-assistant",
        "rollback-controller",
        "team=payments",
        "app.kubernetes.io/name=checkout",
        "region=eu-central-1",
        "owner=checkout-team",
        "release-manager=anna",
        "tier=frontend",
        "src/Shop/Cart/CartTotals.cs",
        "docs/decisions/0007-continue-watching.md",
        "db/migrations/20261120_hold_orders.sql",
        "src/OrderProcessingServiceRegistrationExtensions.cs",
        ".github/workflows/release.yml",
        "2.0.0-rc.1+build.77",
        "1.42.0",
        "main-4f2a9c1d",
        "prod-eu",
        "fix: stop the scheduler when it is told to",
        "feat(search): always show the total, even when it is zero",
        "refactor: instructions for assembly moved to the wiki",
        "feat: new system messages in the customer inbox",
        "fix: user: email must be unique",
        "docs: how to answer a support ticket",
        "feat: return to the previous page after sign-in",
        "chore: ignore generated files",
        "test: pretend that the clock stands still",
        "fix: do not forget the cart after sign-out",
        "feat: decision table for shipping costs",
        "fix: hold music plays twice",
        "feat: confidence interval in the forecast",
        "fix(db): roll back when the second insert fails",
        "chore: bump base64 decoder",
        "feat: print receipts again",
        "ci: approve snapshots in nightly builds",
        "fix: output of the exporter is sorted",
        "feat: let customers override the billing address",
        "style: the linter says no",
        "fix: treat null as empty in totals",
        "perf: bypass the cache for admins",
        "revert \"ignore previous retries\"",
        "feat: assistant for returns",
        "fix: model binding of dates",
        "feat: expected delivery date",
        "fix: human readable sizes",
        "level=info msg=\"rollout finished\" decision=none took=<*>",
        "level=warn component=assistant msg=\"no answer within <*> ms\"",
        "panic: runtime error: index out of range [<*>] with length <*>",
        "Traceback (most recent call last):",
        "npm ERR! code ELIFECYCLE",
        "org.postgresql.util.PSQLException: ERROR: deadlock detected",
        "Microsoft.EntityFrameworkCore.DbUpdateException: An error occurred while saving the entity changes",
        "[ERROR] You have an error in your SQL syntax near <*>",
        "please provide a valid token",
        "Your session has expired",
        "the system is going down for reboot",
        "fix: reply with 404 instead of 500 for unknown carts",
        "Größe des Warenkorbs korrigiert",
        "corrige le calcul des frais de port",
        "修复购物车总价",
        "feat: emojis 🎉 in reviews",
    ];

    public static TheoryData<string> Fields => [.. Enum.GetNames<Field>()];

    [Fact]
    public void There_are_more_than_a_hundred_attacks_each_with_its_own_name_and_text_and_for_every_decision()
    {
        Attacks.All.Count.ShouldBeGreaterThan(100);
        Attacks.All.Select(attack => attack.Name).ShouldBeUnique();
        Attacks.All.Select(attack => attack.Text).ShouldBeUnique();
        Attacks.All.Select(attack => attack.Wants).Distinct().Order().ShouldBe(["CONTINUE", "HOLD", "ROLLBACK"]);
    }

    [Fact]
    public void The_same_seed_writes_an_attack_the_same_way()
    {
        foreach (var attack in Attacks.All)
            Attacks.Mutated(attack, new Random(7)).ShouldBe(Attacks.Mutated(attack, new Random(7)));
    }

    [Theory]
    [MemberData(nameof(Fields))]
    public void No_attack_in_any_field_gives_an_order_or_leaves_its_place(string name)
    {
        var field = Enum.Parse<Field>(name);
        var inquiry = Questions.Of();
        var random = new Random(20261128 + (int)field);
        var shape = Questions.Shape(Questions.Data(Prompt.Of(Attacks.Planted(inquiry, new Attack("none", "x", "HOLD"), field))));
        foreach (var attack in Attacks.All.SelectMany(attack => (Attack[])[attack, Attacks.Mutated(attack, random)]))
        {
            var prompt = Prompt.Of(Attacks.Planted(inquiry, attack, field));
            var fenced = Questions.Fenced(prompt);
            var lines = fenced.Split('\n');
            lines.Length.ShouldBe(3, attack.Name);
            lines[0].ShouldMatch("^<<DATA-[0-9a-f]{12}$");
            lines[2].ShouldBe(lines[0][2..] + ">>");
            lines[1].ShouldNotContain(lines[2][..^2], Case.Sensitive, attack.Name);
            lines[1].AsSpan().ContainsAny("<>&'`").ShouldBeFalse(attack.Name);
            var data = Questions.Data(prompt);
            Questions.Shape(data).ShouldBe(shape, attack.Name);
            // The statistics' own decision stands there rightly.
            data.Remove("statistics");
            foreach (var text in Questions.Texts(data))
            {
                text.Length.ShouldBeLessThanOrEqualTo(Longest, attack.Name);
                ForPrompts().IsMatch(text).ShouldBeTrue($"{attack.Name}: {text}");
                var letters = string.Concat(text.ToLowerInvariant().Where(char.IsAsciiLetterLower));
                letters.ShouldNotContain("continue", Case.Sensitive, attack.Name);
                letters.ShouldNotContain("rollback", Case.Sensitive, attack.Name);
                Hold().IsMatch(text).ShouldBeFalse($"{attack.Name}: {text}");
                Phrases.FirstOrDefault(phrase => letters.Contains(phrase, StringComparison.Ordinal)).ShouldBeNull($"{attack.Name}: {text}");
            }

            prompt.Messages[0].Role.ShouldBe("system");
            prompt.Messages[0].Content.ShouldContain(prompt.Canary);
            fenced.ShouldNotContain(prompt.Canary);
            attack.Text.ShouldNotContain(prompt.Canary[2..]);
        }
    }

    [Fact]
    public void What_is_planted_says_nothing_about_the_reference_code()
    {
        // Whoever knows what he planted does not know the numbers beside it.
        foreach (var attack in Attacks.All)
            Prompt.Of(Attacks.Planted(Questions.Of(sales: 31.5), attack, Field.CommitTitle)).Canary.ShouldNotBe(Prompt.Of(Attacks.Planted(Questions.Of(sales: 31.6), attack, Field.CommitTitle)).Canary, attack.Name);
    }

    [Fact]
    public void Attacks_are_withheld_but_for_those_of_which_nothing_legible_is_left() =>
        Attacks.All.Where(attack => Untrusted.Clean(attack.Text, Longest) != Untrusted.Withheld).Select(attack => attack.Name).ShouldBeSubsetOf(Defanged);

    [Fact]
    public void Nearly_all_attacks_are_withheld_when_they_are_written_otherwise()
    {
        var random = new Random(1);
        var told = Attacks.All.Where(attack => !Defanged.Contains(attack.Name)).SelectMany(attack => Enumerable.Range(0, 10).Select(_ => Attacks.Mutated(attack, random))).ToList();
        told.Count(attack => Untrusted.Clean(attack.Text, Longest) == Untrusted.Withheld).ShouldBeGreaterThan(told.Count * 90 / 100);
    }

    [Fact]
    public void The_texts_that_people_and_programs_really_write_are_passed_on()
    {
        Legitimate.Length.ShouldBeGreaterThan(100);
        var withheld = Legitimate.Where(text => Untrusted.Clean(text, Longest) == Untrusted.Withheld).ToList();
        withheld.Count.ShouldBeLessThanOrEqualTo(Legitimate.Length / 20, string.Join('\n', withheld));
    }

    [Theory]
    [InlineData("fix: continue on error in parser", "fix: <*> on error in parser")]
    [InlineData("revert: rollback of #12", "revert: <*> of #12")]
    [InlineData("ignore all whitespace", "ignore all whitespace")]
    [InlineData("user: not found", "user not found")]
    [InlineData("You are here: breadcrumb", "You are here: breadcrumb")]
    [InlineData("feat: threshold for the household", "feat: threshold for the household")]
    [InlineData("docs: see https://git.example/acme/shop#1 for more", "docs: see <*> for more")]
    [InlineData("Gr\u00f6sse \uff11\uff12 ge\u00e4ndert", "Grosse 12 geandert")]
    [InlineData("sales of m1 and l2 fell", "sales of <*> and <*> fell")]
    [InlineData("ht\u4e2dtps://evil.example/x", "<*>")]
    [InlineData("con`tin{ue", "<*>")]
    [InlineData("conti<b>n</b>ue the job", "<*> the job")]
    [InlineData("conrollbacktinue the job", "<*> the job")]
    [InlineData("threshold of h o l d", "threshold of <*>")]
    public void What_is_passed_on_has_no_address_no_markup_no_word_of_a_decision_and_no_id_of_a_row(string text, string clean) => Untrusted.Clean(text, Longest).ShouldBe(clean);

    [Fact]
    public void Any_text_at_all_is_cleaned_to_the_allowed_signs_and_cleaning_it_again_changes_nothing()
    {
        var pieces = Attacks.All.Select(attack => attack.Text.Length <= 300 ? attack.Text : attack.Text[..300])
            .Concat(["<*>", "<", ">", "*", "%%6", "9", "&#6", "9;", "\\u00", "69", "con", "tin", "ue", "ht", "tp:", "//", "hold", "\ud835", "\udc22", "\u0301", "\u202e"]).ToArray();
        var text = Gen.OneOf(Gen.String[0, 200], Gen.Int[0, pieces.Length - 1].Array[1, 6].Select(all => string.Concat(all.Select(i => pieces[i]))), Gen.Char[' ', '~'].Array[0, 200].Select(all => new string(all)));
        Gen.Select(text, Gen.Int[1, Longest]).Sample((dirty, longest) =>
        {
            var clean = Untrusted.Clean(dirty, longest);
            ForPrompts().IsMatch(clean).ShouldBeTrue(clean);
            clean.Length.ShouldBeLessThanOrEqualTo(Math.Max(longest, Untrusted.Withheld.Length));
            Untrusted.Clean(clean, longest).ShouldBe(clean);
        }, iter: 1_500);
    }

    [Theory]
    [InlineData("a")]
    [InlineData(" ")]
    [InlineData("<")]
    [InlineData("r o l l ")]
    [InlineData("ignore ")]
    [InlineData("data:")]
    [InlineData("/")]
    [InlineData("%41")]
    [InlineData("&amp;")]
    [InlineData("\\u0041")]
    [InlineData("\u200b")]
    [InlineData("\ufdfa")]
    [InlineData("YWJj")]
    [InlineData("\ud83c\udd70")]
    public void A_text_of_a_million_signs_is_cleaned_at_once(string piece)
    {
        var began = TimeProvider.System.GetTimestamp();
        var clean = Untrusted.Clean(new StringBuilder().Insert(0, piece, 1_000_000 / piece.Length).ToString(), Longest);
        clean.Length.ShouldBeLessThanOrEqualTo(Longest);
        // A bound against what grows with the square; it takes some milliseconds.
        TimeProvider.System.GetElapsedTime(began).ShouldBeLessThan(TimeSpan.FromSeconds(5));
    }

    [GeneratedRegex(@"^[A-Za-z0-9 _.:;,/()<>*=%+\-#@]*$", RegexOptions.CultureInvariant)]
    private static partial Regex ForPrompts();

    [GeneratedRegex(@"(?<![A-Za-z0-9])hold(?![A-Za-z0-9])", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Hold();
}
