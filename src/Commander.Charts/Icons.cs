namespace Commander.Charts;

/// <summary>One shape per tone, so that no meaning hangs on a colour.</summary>
public static class Icons
{
    /// <summary>The shape as an inline SVG, drawn in the text's colour and hidden from screen readers: the word stands beside it.</summary>
    /// <param name="tone">The tone.</param>
    public static string Inline(Tone tone) =>
        $"<svg class=\"i\" viewBox=\"0 0 24 24\" aria-hidden=\"true\" focusable=\"false\"><path fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\" stroke-linecap=\"round\" stroke-linejoin=\"round\" d=\"{Shape(tone)}\"/></svg>";

    /// <summary>The shape as a favicon: white on the tone's colour.</summary>
    /// <param name="tone">The tone.</param>
    public static string File(Tone tone) =>
        $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-4 -4 32 32\"><rect x=\"-4\" y=\"-4\" width=\"32\" height=\"32\" rx=\"8\" fill=\"{Colour(tone)}\"/><path fill=\"none\" stroke=\"#fff\" stroke-width=\"3\" stroke-linecap=\"round\" stroke-linejoin=\"round\" d=\"{Shape(tone)}\"/></svg>";

    private static string Colour(Tone tone) => tone switch
    {
        Tone.Good => "#17784a",
        Tone.Bad => "#b3261e",
        Tone.Ask => "#8a6300",
        _ => "#4a5a7a",
    };

    private static string Shape(Tone tone) => tone switch
    {
        Tone.Good => "M4 12.5l5.5 5.5L20 6.5",
        Tone.Bad => "M9 5L4 10l5 5M4 10h10a6 6 0 0 1 0 12h-3",
        Tone.Ask => "M12 3v11M12 20v.01",
        _ => "M12 3a9 9 0 1 0 .01 0M12 7v5l3.5 2",
    };
}
