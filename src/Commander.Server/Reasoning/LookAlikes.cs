using System.Globalization;
using System.Text;

namespace Commander.Server.Reasoning;

/// <summary>
/// Letters as they look: accents, other widths, circles, mathematical styles, letters of other scripts, all brought back to the Latin ones; what joins
/// and hides is dropped. By tables of its own, because a process of invariant culture normalises nothing, and a question must be the same everywhere.
/// </summary>
internal static class LookAlikes
{
    private const string Alike =
        "аαɑᴀеεєᴇоοᴏσрρᴘсϲᴄуυγʏхχіιɪıѕꜱԁᴅνᴠᴋмᴍнʜтτᴛɢɡʀʟƖꞮгɴпηʙвϐԛᴊјᴜʋԝᴡᴢłøđħŧАΑВΒЕΕКΚМΜНΗОΟРΡСϹТΤΝІΙЅЈХΧҮΥΖÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖÙÚÛÜÝàáâãäå"
        + "çèéêëìíîïñòóôõöùúûüýÿĀāĂăĄąĆćĈĉĊċČčĎďĒēĔĕĖėĘęĚěĜĝĞğĠġĢģĤĥĨĩĪīĬĭĮįİĴĵĶķĹĺĻļĽľŃńŅņŇňŌōŎŏŐőŔŕŖŗŘřŚśŜŝŞşŠšŢţŤťŨũŪūŬŭŮůŰűŲųŴŵŶŷŸŹźŻżŽžſ"
        + "ƠơƯưǍǎǏǐǑǒǓǔǕǖǗǘǙǚǛǜǞǟǠǡǦǧǨǩǪǫǬǭǰǴǵǸǹǺǻȀȁȂȃȄȅȆȇȈȉȊȋȌȍȎȏȐȑȒȓȔȕȖȗȘșȚțȞȟȦȧȨȩȪȫȬȭȮȯȰȱȲȳḀḁḂḃḄḅḆḇḈḉḊḋḌḍḎḏḐḑḒḓḔḕḖḗḘḙḚḛḜḝḞḟḠḡḢḣḤḥḦḧḨḩḪḫḬḭḮ"
        + "ḯḰḱḲḳḴḵḶḷḸḹḺḻḼḽḾḿṀṁṂṃṄṅṆṇṈṉṊṋṌṍṎṏṐṑṒṓṔṕṖṗṘṙṚṛṜṝṞṟṠṡṢṣṤṥṦṧṨṩṪṫṬṭṮṯṰṱṲṳṴṵṶṷṸṹṺṻṼṽṾṿẀẁẂẃẄẅẆẇẈẉẊẋẌẍẎẏẐẑẒẓẔẕẖẗẘẙẛẠạẢảẤấẦầẨẩẪẫẬậẮắẰằẲẳẴẵ"
        + "ẶặẸẹẺẻẼẽẾếỀềỂểỄễỆệỈỉỊịỌọỎỏỐốỒồỔổỖỗỘộỚớỜờỞởỠỡỢợỤụỦủỨứỪừỬửỮữỰựỲỳỴỵỶỷỸỹΆΈΉΊΌΎΐΪΫάέήίΰϊϋόύ";

    private const string Latin =
        "aaaaeeeeoooopppcccyyyyxxiiiissddvvkmmhhtttggrllirnnnbbbqjjuuwwzlodhtAABBEEKKMMHHOOPPCCTTNIISJXXYYZAAAAAACEEEEIIIINOOOOOUUUUYaaaaaa"
        + "ceeeeiiiinooooouuuuyyAaAaAaCcCcCcCcDdEeEeEeEeEeGgGgGgGgHhIiIiIiIiIJjKkLlLlLlNnNnNnOoOoOoRrRrRrSsSsSsSsTtTtUuUuUuUuUuUuWwYyYZzZzZzs"
        + "OoUuAaIiOoUuUuUuUuUuAaAaGgKkOoOojGgNnAaAaAaEeEeIiIiOoOoRrRrUuUuSsTtHhAaEeOoOoOoOoYyAaBbBbBbCcDdDdDdDdDdEeEeEeEeEeFfGgHhHhHhHhHhIiI"
        + "iKkKkKkLlLlLlLlMmMmMmNnNnNnNnOoOoOoOoPpPpRrRrRrRrSsSsSsSsSsTtTtTtTtUuUuUuUuUuVvVvWwWwWwWwWwXxXxYyZzZzZzhtwysAaAaAaAaAaAaAaAaAaAaAa"
        + "AaEeEeEeEeEeEeEeEeIiIiOoOoOoOoOoOoOoOoOoOoOoOoUuUuUuUuUuUuUuYyYyYyYyAEHIOYiIYaeniyiyoy";

    /// <summary>The text with Latin letters for all that look like them; ends of lines stay, what is no letter and is not seen goes.</summary>
    public static string Latinised(string text)
    {
        var latin = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            var c = rune.IsBmp ? Basic((char)rune.Value) : Supplementary(rune.Value);
            if (c != '\0')
                latin.Append(c);
        }

        return latin.ToString();
    }

    private static char Basic(char c) => c switch
    {
        >= ' ' and <= '~' => c,
        '\n' or '\r' or '\u0085' or '\u2028' or '\u2029' => '\n',
        >= '\uFF01' and <= '\uFF5E' => (char)(c - 0xFEE0),
        >= 'Ⓐ' and <= 'Ⓩ' => (char)('A' + c - 'Ⓐ'),
        >= 'ⓐ' and <= 'ⓩ' => (char)('a' + c - 'ⓐ'),
        >= '⒜' and <= '⒵' => (char)('a' + c - '⒜'),
        // Of a half pair only this is left.
        '\uFFFD' or '\uFFFE' or '\uFFFF' => '\0',
        _ when Alike.IndexOf(c, StringComparison.Ordinal) is >= 0 and var at => Latin[at],
        _ when char.GetUnicodeCategory(c) is UnicodeCategory.Format or UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark => '\0',
        _ when char.IsControl(c) || char.IsWhiteSpace(c) => ' ',
        _ => c,
    };

    // Mathematical styles come as 52 letters each, squared and circled ones as 26; all else beyond the basic plane is no letter that anybody needs here.
    private static char Supplementary(int value) => value switch
    {
        >= 0x1D400 and <= 0x1D6A3 => (value - 0x1D400) % 52 is var letter && letter < 26 ? (char)('A' + letter) : (char)('a' + letter - 26),
        >= 0x1D7CE and <= 0x1D7FF => (char)('0' + ((value - 0x1D7CE) % 10)),
        >= 0x1F110 and <= 0x1F129 => (char)('A' + value - 0x1F110),
        >= 0x1F130 and <= 0x1F149 => (char)('A' + value - 0x1F130),
        >= 0x1F150 and <= 0x1F169 => (char)('A' + value - 0x1F150),
        >= 0x1F170 and <= 0x1F189 => (char)('A' + value - 0x1F170),
        _ => '\0',
    };
}
