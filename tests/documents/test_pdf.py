from __future__ import annotations

import io
import math
import sys

import pytest
from document_files import pdf, shown, stream
from pypdf import PdfReader, PdfWriter

from longctx.documents import pdf as reader
from longctx.documents.base import Extract, Limits, OutOfTime, Unreadable
from longctx.documents.pdf_lines import page_text
from longctx.documents.pdf_runs import Run

PICTURE = stream(b"\x00", "/Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8")


def read(data: bytes, limits: Limits | None = None) -> Extract:
    return reader.read(data, limits or Limits())


def encrypted(data: bytes, user: str) -> bytes:
    writer = PdfWriter(PdfReader(io.BytesIO(data)))
    writer.encrypt(user, "owner", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_pages_have_offsets() -> None:
    extract = read(pdf(shown("First page", 72, 700), "", shown("Third page", 72, 700)))
    assert extract.text == "First page\n\nThird page"
    assert [extract.text[start:][:5] for start in extract.pages] == ["First", "\n\nThi", "Third"]
    assert extract.notes == ()


def test_words_are_joined_by_place_whatever_they_are_drawn_with() -> None:
    kerned = "BT /F 10 Tf 72 700 Td [(spec) 20 (ified in) -600 (its charac) 10 (ter)] TJ ET "
    matrices = (
        "q 0.1 0 0 0.1 72 660 cm BT /F 100 Tf (Tiny) Tj ET Q q 0.1 0 0 0.1 94 660 cm BT /F 100 Tf (units) Tj ET Q "
    )
    words = "q 1 0 0 -1 72 180 cm BT /F 10 Tf (Up) Tj ET Q q 1 0 0 -1 88 180 cm BT /F 10 Tf (side) Tj ET Q"
    flipped = f"q 1 0 0 -1 0 800 cm {words} Q"
    lines = read(pdf(kerned + matrices + flipped)).text.split()
    assert lines == ["specified", "in", "its", "character", "Tiny", "units", "Up", "side"]


def test_words_drawn_apart_without_a_blank_are_separate_and_a_drawn_blank_is_kept() -> None:
    text = read(
        pdf("BT /F 10 Tf 72 700 Td (1,234) Tj 60 0 Td (5,678) Tj 0 -14 Td (tight ) Tj 20 0 Td (words) Tj ET")
    ).text
    assert text == "1,234  5,678\ntight words"


@pytest.mark.parametrize("order", ["rows", "columns", "backwards"])
def test_table_rows_survive_every_order_of_drawing(order: str) -> None:
    cells = [
        (f"{name} {row}", x, 700 - 14 * row)
        for row in range(9)
        for name, x in (("part", 72), ("sum", 250), ("due", 400))
    ]
    if order == "columns":
        cells.sort(key=lambda cell: cell[1])
    if order == "backwards":
        cells.reverse()
    text = read(pdf("".join(shown(*cell) for cell in cells))).text
    assert text.splitlines() == [f"part {row}  sum {row}  due {row}" for row in range(9)]


def test_columns_of_prose_are_read_one_after_the_other() -> None:
    left = [f"the left column goes on with line {number}" for number in range(20)]
    right = [f"the right one then follows with line {number}" for number in range(20)]
    drawn = [shown(text, 50, 700 - 12 * n, 8) for n, text in enumerate(left)]
    drawn += [shown(text, 320, 700 - 12 * n, 8) for n, text in enumerate(right)]
    assert read(pdf("".join(drawn))).text.split("\n\n") == ["\n".join(left), "\n".join(right)]


def test_wider_steps_between_lines_are_paragraphs() -> None:
    places = [700, 688, 676, 650, 638, 626]
    text = read(pdf("".join(shown(f"line {y}", 72, y) for y in places))).text
    assert text == "line 700\nline 688\nline 676\n\nline 650\nline 638\nline 626"


def test_footnote_mark_does_not_lengthen_the_number_before_it() -> None:
    text = read(pdf(shown("Revenue 1,234", 72, 700) + shown("5", 136, 704, 6) + shown("Costs", 72, 686))).text
    assert text == "Revenue 1,234⁵\nCosts"


def test_bold_drawn_twice_is_one() -> None:
    assert read(pdf(shown("NOTICE", 72, 700) + shown("NOTICE", 72.3, 700))).text == "NOTICE"


def test_currency_sign_and_list_marker_stay_with_what_follows() -> None:
    amount = shown("Net", 72, 700) + shown("$", 150, 700) + shown("12", 200, 700)
    assert read(pdf(amount + shown("\\(a\\)", 72, 688) + shown("first", 120, 688))).text == "Net  $12\n(a) first"


def test_rotated_page_and_margin() -> None:
    sideways = "BT /F 10 Tf 0 1 -1 0 100 100 Tm (Along the side) Tj 0 1 -1 0 114 100 Tm (second line) Tj ET"
    assert read(pdf(sideways)).text == "Along the side\nsecond line"
    margin = "BT /F 10 Tf 0 1 -1 0 20 100 Tm (stamp) Tj ET "
    assert read(pdf(margin + shown("The main text of the page", 72, 700))).text == "The main text of the page\n\nstamp"


def test_forms_are_followed_once_and_never_into_themselves() -> None:
    inner = stream(b"BT /F 10 Tf 72 700 Td (letterhead) Tj ET /X Do", "/Type/XObject/Subtype/Form/BBox[0 0 600 800]")
    assert read(pdf("/X Do", objects=[inner], resources="/XObject<</X 10 0 R>>")).text.split()[0] == "letterhead"
    many = stream(b"/X Do " * 9 + b"BT /F 10 Tf (a) Tj ET", "/Type/XObject/Subtype/Form/BBox[0 0 600 800]")
    extract = read(pdf("/X Do", objects=[many], resources="/XObject<</X 10 0 R>>"))
    assert extract.text and extract.notes == ("page 1: draws more than 5,000 forms",)


def test_damaged_form_costs_its_own_text_only() -> None:
    form = stream(b"BT (unclosed Tj ET", "/Type/XObject/Subtype/Form/BBox[0 0 600 800]")
    extract = read(pdf("/X Do " + shown("kept", 72, 700), objects=[form], resources="/XObject<</X 10 0 R>>"))
    assert extract.text == "kept" and extract.notes[0].startswith("page 1: damaged part: ")


def test_font_that_does_not_say_what_it_shows_is_noted() -> None:
    glyphs = b"<</Type/Font/Subtype/Type0/BaseFont/G/Encoding/Identity-H/DescendantFonts[11 0 R]>>"
    descendant = (
        b"<</Type/Font/Subtype/CIDFontType2/BaseFont/G/CIDSystemInfo<</Registry(A)/Ordering(I)/Supplement 0>>>>"
    )
    content = "BT /G 10 Tf 72 720 Td <00210022> Tj ET "
    reason = "text in a font that does not say which characters it shows"
    extract = read(pdf(content + shown("kept", 72, 700), content, objects=[glyphs, descendant], fonts="/G 10 0 R"))
    assert extract.text == "kept" and extract.notes == (f"pages 1, 2: {reason}",)
    with pytest.raises(Unreadable, match=f"no text in 1 page; page 1: {reason}"):
        read(pdf(content, objects=[glyphs, descendant], fonts="/G 10 0 R"))
    with pytest.raises(Unreadable, match="does not say which characters"):
        read(pdf("BT /Missing 10 Tf (x) Tj ET"))


def test_form_fields_are_part_of_the_text() -> None:
    field = b"<</Type/Annot/Subtype/Widget/FT/Tx/T(tenant)/V(Ada Lovelace)/Rect[0 0 1 1]>>"
    shared = b"<</T(rent)/V(1,200)/Kids[11 0 R]>>"
    widget = b"<</Type/Annot/Subtype/Widget/Parent 12 0 R/Rect[0 0 1 1]>>"
    button = b"<</Type/Annot/Subtype/Widget/FT/Btn/T(agreed)/V/Yes/Rect[0 0 1 1]>>"
    objects = [field, widget, shared, button, b"[10 0 R 11 0 R 13 0 R]"]
    text = read(pdf(shown("Lease", 72, 700), objects=objects, page="/Annots 14 0 R")).text
    assert text == "Lease\ntenant: Ada Lovelace\nrent: 1,200"


def test_symbols_of_check_boxes() -> None:
    dings = b"<</Type/Font/Subtype/TrueType/BaseFont/ABCDEF+Wingdings/Encoding/WinAnsiEncoding>>"
    content = "BT /W 10 Tf 72 700 Td (\\376) Tj /F 10 Tf 20 0 Td (Yes) Tj ET"
    assert read(pdf(content, objects=[dings], fonts="/W 10 0 R")).text == "☑ Yes"


def test_damaged_page_costs_that_page_only() -> None:
    extract = read(pdf(shown("One", 72, 700), b"BT (unclosed Tj ET", shown("Three", 72, 700)))
    assert extract.text == "One\n\nThree"
    assert len(extract.notes) == 1 and extract.notes[0].startswith("page 2: damaged: ")


def test_many_damaged_pages_are_named_in_part() -> None:
    extract = read(pdf(*[b"BT (unclosed Tj ET"] * 9, shown("last", 72, 700)))
    assert len(extract.notes) == 1 and extract.notes[0].startswith("pages 1, 2, 3, 4, 5, …: damaged: ")


def test_scan_says_so() -> None:
    with pytest.raises(Unreadable, match=r"no text layer in 2 pages: seems scanned"):
        read(pdf("/P Do", "/P Do", objects=[PICTURE], resources="/XObject<</P 10 0 R>>"))
    extract = read(pdf("/P Do", shown("typed", 72, 700), objects=[PICTURE], resources="/XObject<</P 10 0 R>>"))
    assert extract.notes == ("page 1: only a picture, no text layer",)


def test_blank_pages_are_no_scan() -> None:
    with pytest.raises(Unreadable, match="^no text in 2 pages$"):
        read(pdf("", "0 0 m 10 10 l S"))


def test_empty_password_opens_and_another_does_not() -> None:
    data = pdf(shown("Confidential", 72, 700))
    assert read(encrypted(data, "")).text == "Confidential"
    with pytest.raises(Unreadable, match="encrypted: a password is needed"):
        read(encrypted(data, "secret"))


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7",
        b"%PDF-1.7\n" + bytes(range(256)) * 50,
        pdf(shown("cut", 72, 700))[:-300],
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[2 0 R]/Count 1>>endobj\n"
        b"trailer<</Root 1 0 R>>",
    ],
)
def test_damage_is_a_reason(data: bytes) -> None:
    with pytest.raises(Unreadable, match="damaged|no pages|no text"):
        read(data)


def test_impossible_numbers_do_no_harm() -> None:
    content = (
        "BT /F 1e400 Tf (a) Tj /F 10 Tf 0 0 0 0 0 0 Tm (b) Tj 1e308 0 0 1e308 1e308 1e308 Tm (c) Tj 1 Tf 5 Td Tj ET "
    )
    assert read(pdf(content + shown("still here", 72, 700))).text == "still here"


def test_what_was_read_when_time_ends_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    real = reader._page_text
    seen: list[object] = []

    def slow(page: object, fonts: dict[int, object]) -> tuple[str, list[str]]:
        seen.append(page)
        if len(seen) == 3:
            raise OutOfTime
        return real(page, fonts)

    monkeypatch.setattr(reader, "_page_text", slow)
    extract = read(pdf(*[shown(f"page {n}", 72, 700) for n in range(1, 6)]), Limits(seconds=7))
    assert extract.text == "page 1\n\npage 2"
    assert extract.notes == ("7 seconds were over on page 3 of 5",) and not extract.lasting


def test_text_limit_ends_reading() -> None:
    extract = read(pdf(*[shown("x" * 50, 72, 700)] * 9), Limits(characters=120))
    assert len(extract.pages) == 3 and extract.notes == ("text limit reached on page 3 of 9",)


def test_right_to_left_text_is_put_in_order() -> None:
    letters = b"/CIDInit/ProcSet findresource begin begincmap 2 beginbfchar <41> <05D0> <42> <05D1> endbfchar endcmap"
    hebrew = b"<</Type/Font/Subtype/Type1/BaseFont/Hebrew/Encoding/WinAnsiEncoding/ToUnicode 11 0 R>>"
    data = pdf("BT /H 10 Tf 72 700 Td (BA) Tj ET", objects=[hebrew, stream(letters)], fonts="/H 10 0 R")
    assert read(data).text == "אב"  # drawn from the left: the last letter first


def test_another_pypdf_still_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "longctx.documents.pdf_runs", None)
    assert read(pdf(shown("plain", 72, 700), shown("pages", 72, 700))).text == "plain\n\npages"


def test_nothing_drawn_is_no_text() -> None:
    assert page_text([]) == ""
    run = Run("a", False, 0.0, 5.0, 0.0, 10.0, 2.5, 0)
    assert page_text([run]) == "a" and math.isfinite(run.base)
