from __future__ import annotations

import io
import re
import struct
import zipfile

import pytest
from document_files import cell, docx, line, paragraph, run, table, zipped

from longctx.documents import docx as reader
from longctx.documents.base import Limits, Unreadable


def text(body: str, parts: dict[str, str] | None = None) -> str:
    return reader.read(docx(body, parts), Limits()).text


def reference(kind: str, number: int) -> str:
    return f'<w:r><w:{kind}Reference w:id="{number}"/></w:r>'


def note(kind: str, number: int, content: str) -> str:
    return f'<w:{kind} w:id="{number}">{paragraph(content)}</w:{kind}>'


def numbered(content: str, level: int = 0, number: int = 1) -> str:
    return paragraph(content, f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>')


def level(index: int, form: str, shown: str, more: str = "", start: int = 1) -> str:
    return (
        f'<w:lvl w:ilvl="{index}"><w:start w:val="{start}"/><w:numFmt w:val="{form}"/>{more}'
        f'<w:lvlText w:val="{shown}"/></w:lvl>'
    )


def numbering(*levels: str, more: str = "") -> dict[str, str]:
    return {
        "numbering": f'<w:abstractNum w:abstractNumId="0">{"".join(levels)}</w:abstractNum>'
        f'<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>{more}'
    }


def test_paragraphs_and_tables_in_reading_order() -> None:
    body = paragraph("Before") + table(["Rent", "1,200"], ["Deposit", "2,400"]) + paragraph("After")
    assert text(body) == "Before\n\nRent | 1,200\nDeposit | 2,400\n\nAfter"


def test_tracked_insertions_stay_and_deletions_go() -> None:
    body = (
        f"<w:p>{run('The term is ')}<w:del><w:r><w:delText>two</w:delText></w:r></w:del>"
        f"<w:ins>{run('three')}</w:ins>{run(' years.')}</w:p>"
        f"<w:p><w:moveFrom>{run('moved ')}</w:moveFrom><w:moveTo>{run('here')}</w:moveTo></w:p>"
        f"<w:ins>{paragraph('A new clause.')}</w:ins>"
    )
    assert text(body) == "The term is three years.\n\nhere\n\nA new clause."


def test_deleted_paragraph_end_joins_and_deleted_row_goes() -> None:
    deleted = '<w:rPr><w:del w:id="1"/></w:rPr>'
    assert text(paragraph("one ", deleted) + paragraph("sentence")) == "one sentence"
    row = f'<w:tr><w:trPr><w:del w:id="1"/></w:trPr>{cell("old")}</w:tr><w:tr>{cell("new")}</w:tr>'
    assert text(f"<w:tbl>{row}</w:tbl>") == "new"


def test_merged_cells_once_and_incomplete_rows_survive() -> None:
    restart, go_on = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    rows = [[cell("both", restart), "b1"], [cell("ghost", go_on), "b2"], [cell("wide", '<w:gridSpan w:val="2"/>')], []]
    assert text(table(*rows)) == "both | b1\nb2\nwide"


def test_nested_tables_and_tall_cells() -> None:
    inner = table(["x", "1"], ["y", "2"])
    assert text(table([inner + paragraph(""), "note"])) == "x | 1 y | 2 | note"
    form = "".join(paragraph(line) for line in ("Customer:", "Name:", "Title:", "Date:", "Place:"))
    assert text(table([form, "Supplier"])).startswith("Customer:\nName:\nTitle:")


def test_headers_first_footers_last_each_once() -> None:
    sections = "".join(
        f'<w:p><w:pPr><w:sectPr><w:headerReference w:type="default" r:id="r{header}"/>'
        '<w:footerReference w:type="default" r:id="rfooter"/></w:sectPr></w:pPr></w:p>'
        for header in ("header", "header1", "header2")
    )
    parts = {"header": paragraph("DRAFT"), "header1": paragraph("DRAFT"), "header2": paragraph("Annex")}
    body = paragraph("Text") + sections
    assert text(body, parts | {"footer": paragraph("Page 1")}) == "DRAFT\n\nAnnex\n\nText\n\nPage 1"


def test_footnotes_follow_their_paragraph_and_endnotes_come_last() -> None:
    body = (
        f"<w:p>{run('Liability')}{reference('footnote', 2)}{run(' is capped')}{reference('endnote', 2)}</w:p>"
        + table([f"<w:p>{run('in a cell')}{reference('footnote', 3)}</w:p>", "b"])
        + paragraph("Next")
    )
    parts = {
        "footnotes": note("footnote", 2, "Except fraud.") + note("footnote", 3, "Second."),
        "endnotes": note("endnote", 2, "At the end."),
    }
    assert text(body, parts) == (
        "Liability[1] is capped[i]\n\n[1] Except fraud.\n\nin a cell[2] | b\n\n[2] Second.\n\nNext\n\n[i] At the end."
    )


def test_text_box_once_after_its_paragraph() -> None:
    box = f"<w:txbxContent>{paragraph('In the box')}</w:txbxContent>"
    both = (
        f"<mc:AlternateContent><mc:Choice Requires='wps'><w:drawing>{box}</w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict><v:textbox>{box}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent>"
    )
    assert text(f"<w:p>{run('Anchor')}<w:r>{both}</w:r></w:p>" + paragraph("Next")) == "Anchor\n\nIn the box\n\nNext"
    old = f"<w:p><w:r><w:pict><v:textbox>{box}</v:textbox></w:pict></w:r></w:p>"
    assert text(old) == "In the box"


def test_automatic_numbers() -> None:
    levels = [level(0, "decimal", "%1."), level(1, "decimal", "%1.%2"), level(2, "lowerLetter", "(%3)")]
    steps = [("Definitions", 0), ("Rent", 1), ("Deposit", 1), ("cash", 2), ("bond", 2), ("Term", 0), ("Start", 1)]
    lines = text("".join(numbered(*step) for step in steps), numbering(*levels)).split("\n")
    assert lines == [
        "1. Definitions",
        "1.1 Rent",
        "1.2 Deposit",
        "(a) cash",
        "(b) bond",
        "2. Term",
        "2.1 Start",
    ]


@pytest.mark.parametrize(
    ("form", "shown", "expected"),
    [
        ("upperRoman", "Article %1", "Article IV x"),
        ("upperLetter", "%1)", "D) x"),
        ("decimalZero", "%1", "04 x"),
        ("chineseCounting", "第%1条", "第四条 x"),
        ("bullet", "\uf0b7", "- x"),
        ("none", "", "x"),
    ],
)
def test_forms_of_numbers(form: str, shown: str, expected: str) -> None:
    assert text(numbered("x"), numbering(level(0, form, shown, start=4))) == expected


def test_numbers_by_style_restarted_lists_and_unnumbered_paragraphs() -> None:
    styles = (
        '<w:style w:styleId="Base"><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
        '<w:style w:styleId="Clause"><w:basedOn w:val="Base"/></w:style>'
    )
    restarted = (
        '<w:num w:numId="2"><w:abstractNumId w:val="0"/>'
        '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride></w:num>'
    )
    parts = numbering(level(0, "decimal", "%1.", '<w:pStyle w:val="Base"/>'), more=restarted) | {"styles": styles}
    by_style = paragraph("by style", '<w:pStyle w:val="Clause"/>')
    body = by_style + by_style + numbered("other", number=2) + numbered("none", number=0) + numbered("odd", number=99)
    assert text(body, parts) == "1. by style\n2. by style\n7. other\n\nnone\n\nodd"


def test_hidden_text_instructions_and_soft_hyphens_go() -> None:
    body = line(
        run("shown") + run("hidden", "<w:vanish/>") + run(" not", '<w:vanish w:val="0"/>'),
        "<w:r><w:instrText>PAGE</w:instrText></w:r><w:r><w:tab/></w:r>",
        run("in\u00addivid") + "<w:r><w:softHyphen/></w:r>" + run("ual") + "<w:r><w:noBreakHyphen/></w:r>" + run("x"),
    )
    assert text(body) == "shown not\tindividual-x"


def test_raised_digits_symbols_and_form_fields() -> None:
    box = '<w:r><w:fldChar><w:ffData><w:checkBox><w:default w:val="{}"/></w:checkBox></w:ffData></w:fldChar></w:r>'
    choice = (
        '<w:r><w:fldChar><w:ffData><w:ddList><w:result w:val="1"/><w:listEntry w:val="no"/><w:listEntry w:val="yes"/>'
        "</w:ddList></w:ffData></w:fldChar></w:r>"
    )
    raised = run("1,234") + run("2", '<w:vertAlign w:val="superscript"/>')
    symbols = '<w:r><w:sym w:font="Wingdings" w:char="F0FE"/></w:r>' + run("\uf0a8")
    assert text(line(raised, symbols, box.format(1), box.format(0), choice)) == "1,234²☑☐☒☐yes"


def test_content_controls_links_and_comments() -> None:
    control = "<w:sdt><w:sdtPr><w:alias w:val='x'/></w:sdtPr><w:sdtContent>{}</w:sdtContent></w:sdt>"
    inline = line(control.format(run("also")), f"<w:hyperlink>{run(' linked')}</w:hyperlink>")
    assert text(control.format(paragraph("inside")) + "<!-- no text -->" + inline) == "inside\n\nalso linked"


def test_imported_part_is_noted() -> None:
    extract = reader.read(docx(paragraph("x") + '<w:altChunk r:id="r9"/>'), Limits())
    assert extract.text == "x" and "altChunk" in extract.notes[0]


def test_macro_enabled_and_moved_main_part() -> None:
    files = dict(_files(docx(paragraph("Macro"))))
    files["word/document2.xml"] = files.pop("word/document.xml")
    files["[Content_Types].xml"] = re.sub(
        b'/word/document.xml" ContentType="[^"]*',
        b'/word/document2.xml" ContentType="application/vnd.ms-word.document.macroEnabled.main+xml',
        files["[Content_Types].xml"],
    )
    files["_rels/.rels"] = files["_rels/.rels"].replace(b"document.xml", b"document2.xml")
    assert reader.read(zipped(files.items()), Limits()).text == "Macro"


def _files(data: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def test_bomb_is_refused_before_it_is_unpacked() -> None:
    data = docx(paragraph("x") + " " * 30_000_000)
    with pytest.raises(Unreadable, match="unpacks to 28.6 MiB, more than the limit of 16 MiB"):
        reader.read(data, Limits(file_bytes=16 * 1024**2))


def test_declared_size_that_lies_does_no_harm() -> None:
    data = bytearray(docx(paragraph("x") + " " * 3_000_000))
    for mark, offset, name in ((b"PK\x01\x02", 24, 46), (b"PK\x03\x04", 22, 30)):
        place = -1
        while (place := data.find(mark, place + 1)) >= 0:
            if data[place + name : place + name + 17] == b"word/document.xml":
                data[place + offset : place + offset + 4] = struct.pack("<I", 500)
    with pytest.raises(Unreadable, match="^damaged"):
        reader.read(bytes(data), Limits())


def test_entities_are_not_expanded() -> None:
    laughs = "<!DOCTYPE d [<!ENTITY a 'ha'>" + "".join(
        f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9)
    )
    outside = "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>"
    with pytest.raises(Unreadable, match="^(damaged|no text)"):
        reader.read(docx("<w:p><w:r><w:t>&j;</w:t></w:r></w:p>", settings=laughs + "]>"), Limits())
    body = "<w:p><w:r><w:t>only this&x;</w:t></w:r></w:p>"
    assert reader.read(docx(body, settings=outside + "]>"), Limits()).text == "only this"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (docx(paragraph("cut off"))[:400], "damaged or truncated"),
        (zipped([("word/document.xml", "<a/>")]), "damaged"),
        (docx("<w:p>"), "damaged"),
        (docx("<w:tbl><w:tr><w:tc>" * 2000), "damaged"),
        (docx("<w:p/>"), "^no text in it$"),
        (docx(paragraph("x")).replace(b"x", b"y"), "damaged"),
    ],
)
def test_damage_is_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        reader.read(data, Limits())


def test_strict_open_xml_says_what_to_do() -> None:
    files = dict(_files(docx(paragraph("x"))))
    strict = b"http://purl.oclc.org/ooxml/officeDocument/relationships/officeDocument"
    files["_rels/.rels"] = re.sub(b'Type="[^"]*"', b'Type="' + strict + b'"', files["_rels/.rels"])
    with pytest.raises(Unreadable, match="save it as an ordinary Word document"):
        reader.read(zipped(files.items()), Limits())
