namespace Commander.Charts;

/// <summary>The charts' style sheet: one for the pages, the report and everything else they are drawn into. Both themes by light-dark().</summary>
public static class ChartStyle
{
    /// <summary>Variables and rules. The pages add their own after it.</summary>
    public const string Css = """
        :root{color-scheme:light dark;--paper:light-dark(#faf9f6,#121417);--card:light-dark(#fff,#191c20);--ink:light-dark(#1b1d22,#ebe9e4);--soft:light-dark(#575b65,#a9adb6);--rule:light-dark(#e3e0d8,#2c3036);--cand:light-dark(#b84a00,#ff9f52);--ref:light-dark(#1d5fb0,#79b4f7);--band:light-dark(#1d5fb01f,#79b4f726);--harm:light-dark(#b3261e12,#ff8f851c);--bad:light-dark(#a8201a,#ff938a);--good:light-dark(#12663d,#74d3a0);--ask:light-dark(#765400,#e8c252);--calm:light-dark(#3d4b66,#b3c0d9)}
        .m{margin:0}.m svg{display:block;width:100%;max-width:540px;height:auto;overflow:visible}
        .m text{font:11px/1 system-ui,sans-serif;fill:var(--soft);font-variant-numeric:tabular-nums}
        .m .h{font-weight:600;fill:var(--ink)}
        .m path,.m line{fill:none;stroke-linejoin:round;stroke-linecap:round;vector-effect:non-scaling-stroke}
        .m .g{stroke:var(--rule)}.m .z{stroke:var(--soft)}
        .m .c{stroke:var(--cand);stroke-width:2}.m .r{stroke:var(--ref);stroke-width:1.75;stroke-dasharray:5 3}.m .p{stroke:var(--ref);stroke-width:1.25;stroke-dasharray:1 3}
        .m .b{fill:var(--band)}.m .w{fill:var(--harm)}
        .m .t{stroke:var(--bad);stroke-dasharray:7 4;stroke-width:1.25}.m .e{stroke:var(--cand);stroke-width:3;opacity:.55}
        .m .d{stroke:var(--ink);stroke-dasharray:2 2}.m .v{stroke:var(--bad)}.m .k{stroke:var(--good)}
        .m .dc{fill:var(--cand);stroke:var(--card)}.m .dr{fill:var(--ref);stroke:var(--card)}
        .m text.c{fill:var(--cand);stroke:none}.m text.r{fill:var(--ref);stroke:none}.m text.t{fill:var(--bad);stroke:none}
        .m .x{stroke:var(--soft);visibility:hidden}
        .pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:4px 28px}
        .m table{border-collapse:collapse;font-variant-numeric:tabular-nums}.m td,.m th{text-align:right;padding:1px 10px 1px 0;font-weight:400}
        @media print{:root{color-scheme:light}}
        """;
}
