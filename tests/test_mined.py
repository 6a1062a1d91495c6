"""The task `mined`: a fact of the documents is moved to its depth, stands nowhere else, and is asked about."""

from __future__ import annotations

import ast
import csv
import dataclasses
import io
from functools import cache
from pathlib import Path

import pytest
import small_tokenizers

from longctx.content import cache_folder
from longctx.corpus import Corpora, Corpus
from longctx.errors import ImpossibleSample, UsageError
from longctx.mining import to_csv
from longctx.mining.pool import pool
from longctx.scorers import includes, normalise, occurrences
from longctx.tasks import find_task, load_maker
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

DEPTHS = (0.0, 0.5, 1.0)
EDITS = ("none", "edited")


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3), "llama3-like")


@cache
def corpus() -> Corpus:
    folder = cache_folder("test-documents") / "mined"
    folder.mkdir(exist_ok=True)
    contract, filing = load_maker("contracts"), load_maker("disclosures")
    for index in range(4):
        (folder / f"contract-{index}.md").write_text(contract(index, 5).text, "utf-8")
        (folder / f"filing-{index}.md").write_text(filing(index, 5).text, "utf-8")
    lines = [f"# Rung {n} of the ladder.\nLADDER_RUNG_{n:02} = {n * 7919}" for n in range(12, 30)]
    members = "".join(f"    HATCH_{n:02} = {n * 6133}\n" for n in range(12, 30))
    lines.append(f'class Hatch:\n    """A hatch."""\n\n{members}')
    lines.append('def climb(rung, *, pace="unhurried"):\n    """Climb."""\n    return rung, pace\n')
    (folder / "ladder.py").write_text("\n\n".join(lines), "utf-8")
    return Corpora(tokenizer()).get(str(folder), 1)


def build(**fields: object) -> Sample:
    wanted = Cell("mined", "mined", 3000, 0.5)
    return find_task("mined").build(corpus(), dataclasses.replace(wanted, **fields), tokenizer())  # type: ignore[arg-type]


def body(sample: Sample) -> str:
    return sample.prompt[: sample.prompt.rindex(sample.metadata["question"])]


@pytest.mark.parametrize("edit", EDITS)
def test_the_fact_stands_at_its_depth_and_nowhere_else(edit: str) -> None:
    by_id = {fact.id: fact for fact in pool(corpus())}
    texts = {s.path: corpus().text[s.begin : s.end].tobytes() for s in corpus().documents}
    kinds = set()
    for seed in range(12):
        sample = build(seed=seed, depth=DEPTHS[seed % 3], variant=(("edit", edit),))
        [needle], mined = sample.metadata["needles"], sample.metadata["mined"]
        fact = by_id[mined["id"]]
        kinds.add(mined["kind"])
        assert sample.prompt.count(needle["text"]) == 1 and sample.target == needle["value"]
        elsewhere = body(sample).replace(needle["text"], "\n")
        assert occurrences(normalise(needle["value"]), normalise(elsewhere)) == 0
        assert occurrences(normalise(needle["value"]), normalise(sample.metadata["question"])) == 0
        assert fact.passage not in elsewhere and texts[mined["file"]][fact.begin : fact.end].decode() == fact.passage
        assert (mined["file"], mined["line"], mined["original"]) == (fact.file, fact.line, fact.value)
        assert mined["edited"] == (edit == "edited") == (needle["text"] != fact.passage)
        assert abs(sample.metadata["depth"] - sample.metadata["depth_asked"]) < 0.25
        if fact.file == "ladder.py":
            ast.parse(needle["text"])
    assert len(kinds) > 3


@pytest.mark.parametrize("edit", EDITS)
def test_an_independent_reader_answers_and_without_the_needle_it_cannot(edit: str) -> None:
    reader = find_task("mined").reader
    assert reader is not None
    for seed in range(20):
        sample = build(seed=seed, variant=(("edit", edit),))
        question, needle = sample.metadata["question"], sample.metadata["needles"][0]["text"]
        assert includes(sample.target, reader(sample.prompt, question), {})[0] == 1, question
        assert includes(sample.target, reader(sample.prompt.replace(needle, ""), question), {})[0] == 0


def test_an_independent_reader_reads_code() -> None:
    reader = find_task("mined").reader
    assert reader is not None
    found = [build(seed=seed, variant=(("kind", kind),)) for kind in ("constant", "signature") for seed in range(9)]
    assert {"LADDER", "HATCH", "climb"} == {
        name for name in ("LADDER", "HATCH", "climb") for sample in found if name in sample.metadata["question"]
    }
    for sample in found:
        assert includes(sample.target, reader(sample.prompt, sample.metadata["question"]), {})[0] == 1


def test_depth_and_length_leave_the_fact_and_the_edit() -> None:
    samples = [
        build(seed=3, depth=depth, length=length, variant=(("edit", "edited"),))
        for depth in DEPTHS
        for length in (1500, 6000)
    ]
    assert len({(sample.metadata["question"], sample.target) for sample in samples}) == 1
    other = build(seed=4, variant=(("edit", "edited"),))
    assert other.metadata["question"] != samples[0].metadata["question"]


def test_questions_can_share_a_haystack() -> None:
    samples = [build(depth=depth, depths_together=DEPTHS) for depth in DEPTHS]
    assert len({sample.metadata["question"] for sample in samples}) == 3
    assert {len(sample.metadata["co_needles"]) for sample in samples} == {2}
    assert len({sample.metadata["haystack"] for sample in samples}) == 1


def test_a_kind_can_be_asked_for() -> None:
    for kind in ("constant", "date"):
        assert {build(seed=s, variant=(("kind", kind),)).metadata["mined"]["kind"] for s in range(5)} == {kind}
    with pytest.raises(UsageError, match="Unknown kind of fact 'dates'. Did you mean 'date'"):
        build(variant=(("kind", "dates"),))
    with pytest.raises(UsageError, match="Unknown edit 'both'. .*Available: edited, none"):
        build(variant=(("edit", "both"),))


def test_where_nothing_can_be_asked_it_says_what_was_looked_for() -> None:
    with pytest.raises(ImpossibleSample, match=r"1 fact is needed.*have 0 .*\(section; edit=none\).*another kind"):
        build(variant=(("kind", "section"),))


def test_a_table_says_what_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    rows = list(csv.DictReader(io.StringIO(to_csv(f for f in pool(corpus()) if f.unique).lstrip("\ufeff"), newline="")))
    for row in rows:
        row["keep"] = "1" if row["value"] == str(15 * 7919) else "0"
        row["question"] = "How long is that rung?" if row["keep"] == "1" else row["question"]

    def write() -> None:
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        path.write_text(out.getvalue(), "utf-8", newline="")

    write()
    for seed in range(3):
        sample = build(seed=seed, variant=(("facts", str(path)),))
        assert (sample.target, sample.metadata["question"]) == (str(15 * 7919), "How long is that rung?")
    first = sample.metadata["mined"]["facts"]
    for row in rows:
        row["keep"] = "1" if row["value"] == str(16 * 7919) else "0"
    write()
    again = build(seed=2, variant=(("facts", str(path)),))
    assert again.target == str(16 * 7919) and again.metadata["mined"]["facts"] != first
    with pytest.raises(UsageError, match="cannot be read"):
        build(variant=(("facts", str(tmp_path / "none.csv")),))


def test_passages_may_recur_but_not_the_facts() -> None:
    small = Corpora(tokenizer(), repeat=True).get(str(cache_folder("test-documents") / "mined"), 1)
    for seed in range(4):
        cell = Cell("mined", "mined", small.tokens + 9000, 0.5, seed=seed, variant=(("edit", EDITS[seed % 2]),))
        sample = find_task("mined").build(small, cell, tokenizer())
        [needle] = sample.metadata["needles"]
        assert sample.metadata["repeated"] and sample.prompt.count(needle["text"]) == 1
        assert occurrences(normalise(needle["value"]), normalise(body(sample).replace(needle["text"], ""))) == 0


@pytest.mark.parametrize("edit", EDITS)
def test_real_documents_have_facts_to_ask_about(shared_corpora: Path, edit: str) -> None:
    folder = cache_folder("test-documents") / "real"
    folder.mkdir(exist_ok=True)
    contracts = sorted((shared_corpora / "contracts").glob("*.txt"), key=lambda path: path.stat().st_size)[:12]
    tickets = sorted((shared_corpora / "support").rglob("*.txt"))[:25]
    for path in [*contracts, *tickets, shared_corpora / "mixed" / "german-product-liability-act-latin1.txt"]:
        (folder / path.name).write_bytes(path.read_bytes())
    real = Corpora(tokenizer(), repeat=True).get(str(folder), 1)
    reader = find_task("mined").reader
    assert reader is not None
    for seed in range(8):
        cell = Cell("mined", "real", 6000, 0.5, seed=seed, variant=(("edit", edit),))
        sample = find_task("mined").build(real, cell, tokenizer())
        assert includes(sample.target, reader(sample.prompt, sample.metadata["question"]), {})[0] == 1
    assert len([fact for fact in pool(real) if fact.unique]) > 40
