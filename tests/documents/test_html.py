from __future__ import annotations

import pytest

from longctx.documents import html as reader
from longctx.documents.base import Unreadable
from longctx.documents.clean import tidy


def text(source: str | bytes) -> str:
    return tidy(reader.read(source if isinstance(source, bytes) else source.encode()).text)


def test_blocks_are_separated_and_inline_text_is_not() -> None:
    assert text("<h1>Lease</h1><p>The <b>ten</b>ant\n  pays<br>monthly.</p>tail") == (
        "Lease\n\nThe tenant pays\nmonthly.\n\ntail"
    )
    assert text("<div>Main Street 1</div><div>10115 Berlin</div>") == "Main Street 1\n10115 Berlin"
    long = "A paragraph in a division, as filings have it, is long enough to be told from a line of an address."
    assert text(f"<div>{long}</div><div>Next</div>") == f"{long}\n\nNext"


def test_what_a_browser_hides_is_dropped() -> None:
    source = (
        "<head><title>T</title><style>p{}</style></head><nav><p>Home</nav><script>if (a<b) x('</p>')</script>"
        "<ix:header><ix:hidden>0001</ix:hidden></ix:header><div style='Display : NONE'>a<div>b</div></div>"
        "<p hidden>c</p><select><option>one</select><template>t</template><!-- comment --><p>seen</p>"
    )
    assert text(source) == "seen"


def test_unclosed_hidden_elements_do_not_swallow_the_rest() -> None:
    assert text("<nav><ul><li>menu</nav><p>text<p>more") == "text\n\nmore"


def test_financial_table() -> None:
    rows = (
        "<tr><th></th><th colspan=2>2024</th><th></th></tr>"
        "<tr><td>Net sales</td><td>$</td><td>1,234</td><td>&nbsp;</td></tr>"
        "<tr><td>Loss</td><td>(</td><td>56</td><td>)</td></tr>"
        "<tr><td>Share</td><td></td><td>7.5</td><td>%</td></tr>"
        "<tr><td>Owed<br>since</td><td></td><td>&#8212;</td><td></td></tr>"
    )
    assert text(f"<p>In millions<table>{rows}</table><p>After") == (
        "In millions\n\n2024\nNet sales | $1,234\nLoss | (56)\nShare | 7.5%\nOwed since | —\n\nAfter"
    )


def test_layout_tables_give_their_blocks_one_after_the_other() -> None:
    menu = "<td><p>one<p>two<p>three<p>four<p>five</td>"
    assert text(f"<table><tr>{menu}<td>content</td></tr></table>") == "one\n\ntwo\n\nthree\n\nfour\n\nfive\ncontent"
    assert text("<table><tr><td>(a)</td><td>the first item</td></tr></table>") == "(a) the first item"


def test_nested_table_stays_in_its_cell() -> None:
    inner = "<table><tr><td>x<td>1</table>"
    assert text(f"<table><tr><td>{inner}</td><td>right</td></tr></table>") == "x | 1 | right"


def test_lists_are_numbered() -> None:
    assert text("<ul><li>a<li>b</ul>") == "- a\n- b"
    assert text('<ol type="a" start="2"><li>x<li>y</ol><ol type="I"><li>z</ol>') == "b. x\nc. y\n\nI. z"


def test_preformatted_text_keeps_its_columns() -> None:
    assert text("<pre>a    1\n\n  b  2</pre>") == "a    1\n\n  b  2"
    wrapped = "<html><body><div>\n" + "\n".join(f"item {n}        {n * 10}" for n in range(30)) + "\n</div>"
    assert text(wrapped).splitlines()[3] == "item 3        30"


def test_division_markup_is_no_preformatted_text() -> None:
    page = "<html>\n  <body>\n" + "    <div>\n      <span>line</span>\n    </div>\n" * 20
    assert text(page) == "\n".join(["line"] * 20)


def test_raised_digits_and_symbol_fonts() -> None:
    styled = '<span style="position:relative;top:-3pt">1</span>'
    assert text(f"<p>1,234<sup>2</sup> Bonus{styled} 20<sup>th</sup>") == "1,234² Bonus¹ 20th"
    assert text("<p>Yes <font style='font:10pt Wingdings'>&#254;</font> No <font face=Wingdings>o</font> &#254;") == (
        "Yes ☑ No ☐ þ"
    )


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [("utf-8", "utf-8"), ("gb2312", "gb18030"), ("Shift_JIS", "cp932"), ("iso-8859-1", "cp1252"), ("big5", "big5")],
)
def test_charset_from_meta(declared: str, encoding: str) -> None:
    word = {"gb2312": "合同镕", "big5": "契約", "Shift_JIS": "契約①", "iso-8859-1": "“naïve”"}.get(declared, "Größe")
    source = f'<meta http-equiv="Content-Type" content="text/html; charset={declared}"><p>{word}'
    assert text(source.encode(encoding)) == word


def test_wrong_or_missing_charset_does_no_harm() -> None:
    assert text('<meta charset="utf-8"><p>Größe und Öl'.encode("cp1252")) == "Größe und Öl"
    assert text('<meta charset="latin-1"><p>Größe'.encode()) == "Größe"
    assert text('<?xml version="1.0" encoding="UTF-16"?><html><p>Größe'.encode("utf-16")) == "Größe"


def test_depth_size_and_rubbish() -> None:
    assert text("<div>" * 50_000 + "deep" + "</div>" * 50_000) == "deep"
    assert text("<table><tr><td>" * 3_000 + "deep") == "deep"
    assert text("<b>" * 50_000 + "end") == "end"
    assert text('</td></tr></ul></p>&#0;&#xD800;&bogus;<p x="<">ok') == "��&bogus;\n\nok"


def test_no_text_is_a_reason() -> None:
    for source in (b"", b" \n", b"\x89\x00\x01\x02" * 99):
        with pytest.raises(Unreadable):
            reader.read(source)
