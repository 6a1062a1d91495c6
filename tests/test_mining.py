"""Mining: what is found, what is not, what a question says, how a value is changed, how the table comes back."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from longctx.cli.mine import command
from longctx.documents import read_file
from longctx.errors import UsageError
from longctx.mining import COLUMNS, MinedFact, edit, mine, read_csv, to_csv
from longctx.mining.index import Index
from longctx.mining.prose import PROSE_KINDS
from longctx.scorers import normalise, occurrences
from longctx.tasks import _load
from longctx.types import Document

CONTRACT = """SUPPLY AGREEMENT

1. Term

This Agreement commences on March 4, 2031 and remains in force until either party ends it in writing as set out below.

2. Price

The annual fee for the maintenance of the pumping station at the northern weir shall not exceed $412,750 in any year.
Interest accrues on overdue invoices of the Supplier at a rate of 4.75% a year from the day after the invoice fell due.

3. Notices

A notice of defects in the delivered valves must reach the Supplier's workshop within 45 days after their delivery.
The Buyer shall return every leaking valve at its own cost within thirty (30) days after such a notice was confirmed.

"Wetland Works" means all work on the embankment, the sluices and the footbridge that the drawings show in blue ink.

The parties have appointed Harrow Marine Surveyors, Inc. to settle what they dispute about the state of the embankment.

Any claim for lost revenue is excluded to the extent that Section 14.3(b) of the Framework Terms does not save it.

Net sales   $113,666   $110,212   $102,870
By: ______________________   Name: March 9, 2030
Payments of $500 are made monthly. Payments of $500 are made monthly.
"""
GERMAN = """Die Kündigung der Wartung an den Pumpen des nördlichen Wehrs ist frühestens zum 30. September 2032 möglich.

Der Auftraggeber behält von jeder Rechnung über die Arbeiten am Deich bis zur Abnahme einen Betrag von 12.500 Euro ein.
"""
CHINESE = "承租人应当在交付房屋钥匙之前向出租人一次性支付履约保证金人民币2,853万元，逾期不付的视为放弃承租。\n"
TICKET = """Pump controller restarts after every update

Ticket id: 88123
Status: Closed
Opened: 04/Mar/31 10:15
Closed: 19/Mar/31 16:40

The controller restarts whenever the firmware of the sensors is updated, which nobody noticed before the winter.
"""
CODE = '''"""Valves."""

# Bar at which the relief valve opens.
RELIEF_PRESSURE = 8713
VENDOR_LABEL = "harrow-marine"
LIMITS = [1, 2]
DEBUG = True


class Sluice:
    """A gate."""

    GATE_WIDTH = 2.75


def open_valve(name, pressure=6120, *, unit="kilopascal"):
    """Open one."""
    return name, pressure, unit
'''
HEADER = "#define MAX_SLUICES 4711\nexport const WEIR_TIMEOUT = 90210;\nint main() { return 0; }\n"


def documents() -> list[Document]:
    return [
        Document("contract.txt", CONTRACT, "text"),
        Document("deutsch.txt", GERMAN, "text"),
        Document("zh.txt", CHINESE, "text"),
        Document("ticket.txt", TICKET, "text"),
        Document("valves.py", CODE, "code"),
        Document("weir.h", HEADER, "code"),
    ]


@pytest.fixture(scope="module")
def facts() -> dict[str, MinedFact]:
    return {fact.value: fact for fact in mine(documents(), edit=True)}


@pytest.mark.parametrize(
    ("value", "kind", "question"),
    [
        ("March 4, 2031", "date", "Which date stands in the blank: “This Agreement commences on ____ and remains"),
        ("$412,750", "amount", "shall not exceed ____ in any year"),
        ("4.75%", "percentage", "at a rate of ____ a year"),
        ("45 days", "duration", "workshop within ____ after their delivery"),
        ("thirty (30) days", "duration", "at its own cost within ____ after such"),
        ("Wetland Works", "term", "Which term is defined in these words: “all work on the embankment, the sluices"),
        ("Harrow Marine Surveyors, Inc", "party", "The parties have appointed ____ to settle"),
        ("Section 14.3(b)", "section", "to the extent that ____ of the Framework Terms"),
        ("30. September 2032", "date", "Welches Datum steht in der Lücke: „Die Kündigung"),
        ("12.500 Euro", "amount", "Welcher Betrag steht in der Lücke"),
        ("人民币2,853万元", "amount", "空白处是多少金额：“承租人应当"),
        (
            "04/Mar/31 10:15",
            "date",
            "What does the record “Pump controller restarts after every update” give under “Opened”?",
        ),
        ("8713", "constant", "To which value is `RELIEF_PRESSURE` set?"),
        ("harrow-marine", "constant", "To which value is `VENDOR_LABEL` set?"),
        ("2.75", "constant", "To which value is `GATE_WIDTH` of class `Sluice` set?"),
        ("6120", "signature", "Which default value does parameter `pressure` of function `open_valve` have?"),
        ("kilopascal", "signature", "parameter `unit` of function `open_valve`"),
        ("4711", "constant", "To which value is `MAX_SLUICES` set?"),
        ("90210", "constant", "To which value is `WEIR_TIMEOUT` set?"),
    ],
)
def test_facts_are_found_and_asked_about(facts: dict[str, MinedFact], value: str, kind: str, question: str) -> None:
    fact = facts[value]
    assert fact.kind == kind and question in fact.question
    text = {document.path: document.text for document in documents()}[fact.file]
    assert text.encode()[fact.begin : fact.end].decode() == fact.passage
    assert fact.passage.count(value) == 1 and value not in fact.question
    assert fact.line == text[: text.index(fact.passage)].count("\n") + 1 and fact.page is None


def test_what_no_person_would_ask_is_left_out(facts: dict[str, MinedFact]) -> None:
    assert not {"$113,666", "March 9, 2030", "$500", "True", "1", "0"} & set(facts)
    assert len(facts) == 20  # the ones above, and the day on which the ticket was closed


def test_a_fact_that_two_documents_state_is_not_asked_about() -> None:
    twice = [*documents(), Document("copy.txt", CONTRACT.replace("4, 2031", "9, 2033"), "text")]
    found = mine(twice, ["date"], edit=True)
    assert {fact.file for fact in found} == {"deutsch.txt", "ticket.txt"}


def test_a_value_that_stands_elsewhere_needs_an_edit() -> None:
    more = [*documents(), Document("other.txt", "Pay within 45 days. The fee is $412,750.00.", "text")]
    plain, changed = ({fact.value for fact in mine(more, edit=edit)} for edit in (False, True))
    assert {"45 days", "$412,750"} & plain == set() and {"45 days", "$412,750"} <= changed
    assert "thirty (30) days" not in plain  # "30 days" would be right, and no scorer would know it


def test_pages_are_kept() -> None:
    pages = (0, CONTRACT.index("2. Price"), CONTRACT.index("3. Notices"))
    found = {f.value: f for f in mine([Document("contract.pdf", CONTRACT, "pdf", pages)])}
    assert [found[value].page for value in ("March 4, 2031", "$412,750", "45 days")] == [1, 2, 3]
    assert found["45 days"].line is None


def test_counting_by_the_index_is_counting_in_the_text() -> None:
    texts = [document.text for document in documents()] + ["The fee is 412750. 37, 37.5 and 1937 at 12.500 Euro each"]
    index, text = Index(texts), "\n".join(normalise(text) for text in texts)
    for phrase in ("37", "$412,750", "412750", "the", "Section 14.3(b)", "within", "Euro", "保证金", "no such", "(30)"):
        assert index.count(phrase, 99) == min(99, occurrences(normalise(phrase), text)), phrase


@pytest.mark.parametrize("seed", range(5))
def test_an_edited_fact_has_another_value_of_the_same_form(facts: dict[str, MinedFact], seed: int) -> None:
    index = Index(document.text for document in documents())
    for fact in facts.values():
        changed = edit(fact, str(seed), lambda value: index.count(value) > 0)
        assert changed is not None and changed == edit(fact, str(seed), lambda value: index.count(value) > 0)
        assert changed.passage == fact.passage.replace(fact.value, changed.value) != fact.passage
        assert index.count(changed.value) == 0 and changed.id == fact.id
        assert occurrences(normalise(changed.value), normalise(changed.passage)) == 1
        if fact.kind in ("date", "amount", "percentage", "party"):
            assert list(PROSE_KINDS[fact.kind].find(f"so {changed.value} so")) == [(3, 3 + len(changed.value))]
        if fact.file == "valves.py":
            ast.parse(changed.passage)
    assert edit(facts["$412,750"], "1", lambda value: True) is None


@pytest.mark.parametrize(
    ("kind", "value", "language", "form"),
    [
        ("date", "3/14/2013", "en", r"\d{1,2}/\d{1,2}/\d{4}"),
        ("date", "03/04/2013", "en", r"\d\d/\d\d/\d{4}"),
        ("date", "2013-03-04", "en", r"\d{4}-\d\d-\d\d"),
        ("date", "May 1st, 2013", "en", r"[A-Z][a-z]+ \d{1,2}(st|nd|rd|th), \d{4}"),
        ("date", "06/May/24 08:50", "en", r"\d\d/[A-Z][a-z]{2}/\d\d \d\d:\d\d"),
        (
            "date",
            "1. November 2013",
            "de",
            r"\d{1,2}\. (Januar|Februar|März|April|Mai|Juni|Juli|August|[A-Z]\w+er) \d{4}",
        ),
        ("date", "1er mars 2012", "fr", r"(1er|\d{1,2}) [a-zéû]+ \d{4}"),
        ("date", "29 de abril de 2014", "es", r"\d{1,2} de [a-z]+ de \d{4}"),
        ("date", "2017年9月17日", "zh", r"\d{4}年\d{1,2}月\d{1,2}日"),
        ("amount", "US$1,250,000.00", "en", r"US\$\d,\d{3},\d{3}\.00"),
        ("amount", "$4.2 billion", "en", r"\$\d\.\d billion"),
        ("percentage", "100%", "en", r"\d\d%"),
        ("duration", "thirty (30) business days", "en", r"\d+ business days"),
        ("duration", "6 Monate", "de", r"\d+ Monate"),
        ("section", "15 U.S.C. § 78m(a)", "en", r"15 U\.S\.C\. § \d\dm\(a\)"),
        ("party", "Kestrel Optics GmbH", "de", r"[\wäöüß -]+ GmbH"),
    ],
)
def test_values_keep_their_form(kind: str, value: str, language: str, form: str) -> None:
    for seed in range(30):
        new = PROSE_KINDS[kind].change(value, Random(seed), language)
        assert new is not None and re.fullmatch(form, new), new


def test_the_table_comes_back_unharmed(tmp_path: Path, facts: dict[str, MinedFact]) -> None:
    nasty = [Document("n.py", 'HOLE_MARK = "=cmd|calc"\nMINUS_ONE_LEVEL = -471133\nAT_LEVEL_NAME = "@weir"\n', "code")]
    found = [*facts.values(), *mine(nasty)]
    assert len(found) == len(facts) + 3
    text = to_csv(found)
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert tuple(rows[0]) == COLUMNS and text.startswith("\ufeff")
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    path = tmp_path / "facts.csv"
    path.write_text(text, "utf-8", newline="")
    back = read_csv(path, [*documents(), *nasty])
    assert [(f.id, f.question, f.value, f.passage, f.begin, f.end, f.language) for f in back] == [
        (f.id, f.question, f.value, f.passage, f.begin, f.end, f.language) for f in found
    ]


def test_a_person_strikes_out_and_rewords(tmp_path: Path) -> None:
    found = mine(documents())
    rows = list(csv.DictReader(io.StringIO(to_csv(found).removeprefix("\ufeff"), newline="")))
    rows[0]["keep"], rows[1]["question"] = "0", "What does it come to?"
    # What a spreadsheet does: semicolons, its own way to write dates and percentages, its own line ends.
    rows[2]["value"] = {"4.75%": "0,0475", "March 4, 2031": "04.03.2031", "$412,750": "412750"}[rows[2]["value"]]
    for row in rows:
        row["passage"] = row["passage"].replace("\n", "\r\n")
    path = tmp_path / "facts.csv"
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, delimiter=";")
    writer.writeheader()
    writer.writerows(rows[:-1])
    path.write_text("\ufeff" + out.getvalue(), "utf-8", newline="")
    back = read_csv(path, documents())
    assert [fact.id for fact in back] == [fact.id for fact in found[1:-1]]
    assert back[0].question == "What does it come to?"
    assert [fact.value for fact in back] == [fact.value for fact in found[1:-1]]


def _broken(name: str) -> str:
    text = to_csv(mine(documents(), ["amount"])).removeprefix("\ufeff")
    lines = text.split("\r\n")
    return {
        "empty": "",
        "struck": lines[0],
        "column": text.replace(",passage", ",words", 1),
        "twice": "\r\n".join([*lines[:2], lines[1]]),
        "gone": text.replace("northern weir", "southern weir"),
        "file": text.replace("contract.txt", "lease.txt"),
        "kind": text.replace(",amount,", ",sum,"),
        "told": text.replace("____", "$412750"),
        "keep": text.replace("\n1,", "\nmaybe,", 1),
    }[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", r"is empty; `longctx mine DOCS --out facts.csv` writes one"),
        ("struck", "has a header and no rows"),
        ("column", "lacks the column passage; it has keep, id"),
        ("twice", r"id 'f\w+' stands in row 2 and in row 3"),
        ("gone", r"row 2 \(id f\w+\): its passage is no longer in contract.txt"),
        ("file", "lease.txt is not among the documents"),
        ("kind", "Unknown kind of fact 'sum'.*Available: amount"),
        ("told", r"the question tells its answer, '\$412,750'"),
        ("keep", "keep is 'maybe'; possible are 1 and 0"),
    ],
)
def test_a_table_that_cannot_be_says_what_is_wrong(tmp_path: Path, name: str, message: str) -> None:
    path = tmp_path / "facts.csv"
    path.write_text(_broken(name), "utf-8", newline="")
    with pytest.raises(UsageError, match=message):
        read_csv(path, documents())


@pytest.mark.slow
def test_real_documents_give_questions_that_one_place_answers(shared_corpora: Path) -> None:
    paths = [*sorted((shared_corpora / "contracts").glob("*.txt"))[:12], *(shared_corpora / "mixed").glob("german*")]
    read = [document for path in paths if (document := read_file(path)[0])]
    found = mine(read, edit=True)
    assert len(found) > 100 and {"de", "en"} <= {fact.language for fact in found}
    texts = [normalise(document.text) for document in read]

    def times(words: str) -> int:
        return sum(occurrences(words, text) for text in texts if words in text)

    for fact in found[::3]:
        assert not re.search(r"_{5}|\.{4}|\|| {3}|\[\W*\]", fact.question), fact.question
        if (
            cloze := re.search(r"[“„](?:… )?(.*?)____(.*?)(?: …)?[”“]\?$", fact.question)
        ) and "\xad" not in fact.passage:
            sides = [normalise(side).strip(' ,;:()"“„') for side in cloze.groups()]
            assert min(times(side) for side in sides if len(side) > 20) <= 1
        if fact.unique:
            assert times(normalise(fact.value)) == 1


def test_a_missing_table_and_an_unknown_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: no such file"):
        read_csv(tmp_path / "none.csv", documents())
    with pytest.raises(UsageError, match="Unknown kind of fact 'dates'. Did you mean 'date'"):
        mine(documents(), ["dates"])


def test_the_command_writes_and_checks_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGCTX_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "docs"
    folder.mkdir()
    for document in documents():
        (folder / document.path).write_text(document.text, "utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n")
    out = tmp_path / "facts.csv"
    result = CliRunner().invoke(command, [str(folder), "--out", str(out), "--json"], catch_exceptions=False)
    said = json.loads(result.stdout)
    assert {"amount", "date", "constant"} <= {fact["kind"] for fact in said["facts"]}
    assert [file["path"] for file in said["files"] if file["status"] == "skipped"] == ["picture.png"]
    assert "picture.png: skipped (" in result.stderr and "3 amount, " in result.stderr
    checked = CliRunner().invoke(command, [str(folder), "--facts", str(out), "--json"], catch_exceptions=False)
    assert [f["id"] for f in json.loads(checked.stdout)["facts"]] == [fact["id"] for fact in said["facts"]]
    few = CliRunner().invoke(command, [str(folder), "--limit", "4", "--kinds", "date,amount"], catch_exceptions=False)
    assert "4 of 7 facts: 2 amount, 2 date." in few.stderr and few.stdout.count("\n\n") == 4
    assert "To which value" not in few.stdout


SOURCES = {
    "a.go": "package a\n\n// Longest.\nconst MaxWait = 9077\n\nconst (\n\tretryLimit int = 4711\n\tother = iota\n)\n",
    "b.ts": "// Pause.\nexport const pauseMillis = 2531;\n",
    "c.mjs": 'export function openGate(gate, delay = 7331, unit = "bar") {\n  const inner = 5551;\n  run(gate);\n}\n',
    "c.toml": "[gate]\nmax-sluices = 4812  # at most\nactive = true\n",
    "d.yaml": "server:\n  portNumber: 8099\n  host_name: gate-07.example\n",
    "e.json": '{\n  "compilerTarget": "es2031",\n  "list": [1, 2]\n}\n',
    "f.properties": "server.sluice_port=9911\n",
    "G.java": "class G {\n    public static final int WEIR_COUNT = 4242;\n}\n",
    "h.rs": "pub const MAX_GATES: usize = 1624;\n",
    "i.php": "<?php\nfunction closeGate($gate, int $pause = 3112)\n{\n    return 1;\n}\n",
}
VALUES = "9077 4711 2531 7331 bar 4812 8099 gate-07.example es2031 9911 4242 1624 3112"


def test_constants_and_default_values_of_many_languages_are_found_and_read(tmp_path: Path) -> None:
    read = _load(Path(__file__).parents[1] / "generators", "_mined_reading").read_mined
    found = []
    for name, text in SOURCES.items():
        (tmp_path / name).write_text(text, "utf-8")
        document = read_file(tmp_path / name)[0]
        assert document is not None
        found.append(document)
    facts = mine(found)
    assert {fact.value for fact in facts} == set(VALUES.split())
    everything = "\n\n".join(SOURCES.values())
    for fact in facts:
        assert fact.passage in everything and fact.value in read(everything, fact.question)
        changed = edit(fact, "1", lambda value: False)
        assert changed is not None and changed.value in read(
            everything.replace(fact.passage, changed.passage), fact.question
        )
