"""What `longctx synth` writes is what the readers read back, in every format; and folders are not overwritten."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from small_tokenizers import gpt2_like

from longctx.cli.synth import command
from longctx.documents import read_folder
from longctx.errors import CorpusError, UsageError
from longctx.sources import find_source
from longctx.tasks import load_maker
from longctx.tokens import load_tokenizer
from longctx.types import Document, FileReport
from longctx.writers import FORMATS, target, write
from longctx.writers.blocks import Code, Heading, Paragraph, Run, Table, blocks
from longctx.writers.folder import MARKER, deal
from longctx.writers.txt import plain

MAKERS = {
    "contracts": (4, 7),
    "disclosures": (3,),
    "support": (1, 6),
    "policies": (2, 9),
    "codebases": (0, 1, 3, 5, 13),
}
FOUND = {"source": {}, "txt": "text", "md": "markdown", "html": "html", "docx": "docx", "pdf": "pdf"}


def documents(maker: str) -> list[Document]:
    make = load_maker(maker)
    return [make(index, 7) for index in MAKERS[maker]]


@pytest.fixture(scope="module")
def read_back(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    """MAKER/FORMAT/path → what was read: everything written into one folder, which is read once."""
    folder = tmp_path_factory.mktemp("written")
    for maker in MAKERS:
        for form in FORMATS.values():
            for document in documents(maker):
                write(document, form, folder / maker / form.name)
    found, reports = read_folder(folder)
    assert [report for report in reports if report.status != "read"] == []
    return {document.path: document for document in found}


def words(document: Document) -> list[str]:
    """The words of a document as it was made, without marks; told apart by another way than the writers'."""
    if document.format != "markdown":
        return document.text.split()
    lines = []
    fenced = False
    for line in document.text.split("\n"):
        if line.startswith("```"):
            fenced = not fenced
        elif fenced:
            lines.append(line)
        elif not re.fullmatch(r"[| :-]*-{3}[| :-]*", line):
            line = line.replace("|", " ") if line.startswith("|") else re.sub("^#+ ", "", line)
            lines.append(line.replace("**", "").replace("`", "").strip("*"))
    return " ".join(lines).split()


def rows(document: Document) -> list[list[str]]:
    """Rows of all tables, without empty cells."""
    lines = re.findall(r"^\|(.*)\|$", document.text, re.MULTILINE)
    cells = [[cell.strip() for cell in line.split("|")] for line in lines if "---" not in line]
    return [kept for row in cells if len(kept := [cell for cell in row if cell]) > 1]


def words_read(text: str, document: Document) -> list[str]:
    if document.format == "markdown":
        text = text.replace(" | ", " ")  # what stands between two cells
    return text.split()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("maker", MAKERS)
def test_what_is_read_is_what_was_written(maker: str, form: str, read_back: dict[str, Document]) -> None:
    for document in documents(maker):
        found = read_back[f"{maker}/{form}/{target(document, FORMATS[form])}"]
        if form == "source":
            assert (found.text, found.format) == (document.text, document.format)
            continue
        assert found.format == FOUND[form]
        if form == "md":
            assert words(found) == words(document)
            continue
        assert words_read(found.text, document) == words(document)


@pytest.mark.parametrize("form", ["html", "docx"])
@pytest.mark.parametrize("maker", ["contracts", "disclosures", "policies", "codebases"])
def test_cells_stay_cells(maker: str, form: str, read_back: dict[str, Document]) -> None:
    for document in documents(maker):
        found = read_back[f"{maker}/{form}/{target(document, FORMATS[form])}"].text.split("\n")
        wanted = [" | ".join(row) for row in rows(document)] if document.format == "markdown" else []
        at = 0
        for row in wanted:
            assert row in found[at:], row
            at = found.index(row, at) + 1


def test_columns_of_a_pdf_are_columns(read_back: dict[str, Document]) -> None:
    [report] = documents("disclosures")
    lines = [
        re.split(r" {2,}", line.strip())
        for line in read_back[f"disclosures/pdf/{report.path[:-3]}.pdf"].text.split("\n")
    ]
    statements = [row for row in rows(report) if len(row) == 4 and re.fullmatch(r"[\d,()—]+", row[1])]
    assert len(statements) > 60
    assert all(row in lines for row in statements)


def test_a_row_that_is_too_wide_for_a_page_keeps_its_order(tmp_path: Path) -> None:
    long = [" ".join(f"{place}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz") for place in range(3)]
    text = "\n".join(
        ["| one | two | three |", "| --- | --- | ---: |", f"| {' | '.join(long)} |", f"| {long[0]} | x | 7 |"]
    )
    document = Document("wide.md", f"# Wide\n\n{text}\n\nThe end.\n", "markdown")
    write(document, FORMATS["pdf"], tmp_path)
    [found], _ = read_folder(tmp_path)
    assert found.text.split() == words(document)


def test_pdf_pages_are_numbered_outside_of_the_text(tmp_path: Path) -> None:
    document = Document("long.md", "\n\n".join(f"Sentence {word} of it." for word in ["again"] * 200), "markdown")
    path = write(document, FORMATS["pdf"], tmp_path)
    [found], _ = read_folder(tmp_path)
    assert len(found.pages) > 4
    assert not re.search(r"\d", found.text)
    assert path.read_bytes() == write(document, FORMATS["pdf"], tmp_path / "again").read_bytes()


def test_a_pdf_says_which_character_it_cannot_show(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.md holds '合'.*html"):
        write(Document("a.md", "合同", "markdown"), FORMATS["pdf"], tmp_path)


def test_markdown_is_taken_apart() -> None:
    text = "# Title\n\nOne **bold** and `code`.\n\n*all of it*\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n"
    text += "```\nx  =\n\n  y\n```\n\n(a) item"
    assert blocks(Document("a.md", text, "markdown")) == [
        Heading(1, "Title"),
        Paragraph((Run("One "), Run("bold", "bold"), Run(" and "), Run("code", "code"), Run("."))),
        Paragraph((Run("all of it", "italic"),)),
        Table((("a", "b"), ("1", "2")), (False, True)),
        Code("x  =\n\n  y"),
        Paragraph((Run("(a) item"),)),
    ]
    assert blocks(Document("a.py", "# x\n\ny = 1\n", "code")) == [Code("# x\n\ny = 1", "python")]
    assert blocks(Document("a.txt", "# x\n\n**y**", "text")) == [Paragraph((Run("# x"),)), Paragraph((Run("**y**"),))]


def test_documents_are_dealt_in_equal_shares_that_follow_no_turn() -> None:
    dealt = [(Document(f"{index}.md", "x", "markdown"), 1) for index in range(600)]
    forms = [FORMATS["docx"], FORMATS["pdf"]]
    jobs = deal(dealt, forms, 1, each=False)
    assert [job.document for job in jobs] == [document for document, _ in dealt]
    assert sum(job.form.name == "pdf" for job in jobs) == 300
    for turn in range(10):  # makers repeat their kinds in turn
        share = sum(job.form.name == "pdf" for job in jobs[turn::10]) / 60
        assert 0.25 < share < 0.75
    assert jobs == deal(dealt, forms, 1, each=False) != deal(dealt, forms, 2, each=False)
    both = deal(dealt, forms, 1, each=True)
    assert len({job.path for job in both}) == 1200


# The command


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tokenizer")
    gpt2_like().save_pretrained(folder)
    return str(folder)


def synth(tokenizer: str, out: Path, *arguments: str, **options: Any) -> Result:
    given = [*arguments, "--out", str(out), "--tokenizer", tokenizer]
    return CliRunner().invoke(command, given, catch_exceptions=False, **options)


def listing(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and path.name not in (MARKER, "corpus.toml")
    }


def test_enough_tokens_and_no_document_more(tokenizer: str, tmp_path: Path) -> None:
    result = synth(tokenizer, tmp_path / "out", "support", "--tokens", "20K", "--format", "md,html", "--json")
    described = json.loads(result.stdout)
    counter, make = load_tokenizer(tokenizer), load_maker("support")
    counts = [counter.count(plain(make(index, 1))) for index in range(described["documents"])]
    assert [file["tokens"] for file in described["files"]] == counts
    assert sum(counts) == described["tokens"] >= 20 * 1024 > sum(counts[:-1])
    assert described["tokens_asked"] == 20 * 1024
    assert abs(described["formats"]["md"] - described["formats"]["html"]) <= 1
    assert {file["path"] for file in described["files"]} == listing(tmp_path / "out").keys()


def test_a_written_folder_is_a_corpus_with_its_voice(tokenizer: str, tmp_path: Path) -> None:
    out = tmp_path / "ours"
    synth(tokenizer, out, "codebases", "--tokens", "3K")
    source = find_source(str(out))
    assert (source.name, source.voice_name, source.language, source.maker) == ("ours", "code", "en", "")
    found, reports = read_folder(out)
    make = load_maker("codebases")
    assert {document.path: document.text for document in found} == {
        made.path: made.text for made in (make(index, 1) for index in range(len(found)))
    }
    assert FileReport(MARKER, "skipped", "hidden file") in reports


def test_the_same_command_fills_the_folder_again_and_another_is_refused(tokenizer: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("contracts", "--tokens", "9000", "--format", "txt,docx", "--seed", "5")
    synth(tokenizer, out, *arguments)
    before = listing(out)
    (out / "notes.txt").write_text("mine")
    next(out.glob("*.docx")).unlink()
    synth(tokenizer, out, *arguments)
    assert listing(out).keys() == before.keys() | {"notes.txt"}
    assert all(listing(out)[name] == data for name, data in before.items() if name.endswith("txt"))
    with pytest.raises(UsageError, match=r"seed 5, not 6; tokens 9000, not 8000\. Name another folder"):
        synth(tokenizer, out, "contracts", "--tokens", "8000", "--format", "txt,docx", "--seed", "6")
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty and was not made by"):
        synth(tokenizer, other, *arguments)
    with pytest.raises(UsageError, match="is a file"):
        synth(tokenizer, other / "a.txt", *arguments)
    assert (other / "a.txt").read_text() == "mine"


def test_each_document_in_every_format(tokenizer: str, tmp_path: Path) -> None:
    result = synth(tokenizer, tmp_path, "policies", "--tokens", "6K", "--format", "md,txt,html", "--each")
    names = {path.rpartition(".")[0] for path in listing(tmp_path)}
    stems = {name.split("/")[1] for name in names}
    assert names == {f"{form}/{stem}" for form in ("md", "txt", "html") for stem in stems}
    assert result.stdout.startswith(f"{len(stems)} documents, ")


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("contract", "--tokens", "1K"), CorpusError, "Did you mean 'contracts'.*codebases, contracts, disclosures"),
        (("contracts", "--tokens", "1K", "--format", "doc"), UsageError, "Did you mean 'docx'.*html, md, pdf, source"),
        (("contracts", "--tokens", "1K", "--format", ","), UsageError, "names none; possible: source"),
        (("contracts", "--tokens", "0"), UsageError, "1 or more"),
        (("contracts", "--tokens", "many"), UsageError, "'many' is not a number"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_made(
    arguments: tuple[str, ...], error: type[Exception], said: str, tokenizer: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        synth(tokenizer, tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_many_files_are_written_on_all_cores(tokenizer: str, tmp_path: Path) -> None:
    result = synth(tokenizer, tmp_path / "out", "support", "--tokens", "150K", "--format", "docx,pdf", "--json")
    files = json.loads(result.stdout)["files"]
    assert len(files) > 30
    assert {file["path"] for file in files} == listing(tmp_path / "out").keys()
