"""The design's definitions, held for every task that is found, every kind of tokenizer, and any cell."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import itertools
import json
import random
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import small_tokenizers
from faker import Faker
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from longctx.content import cache_folder
from longctx.corpus import Corpora, Corpus
from longctx.errors import ImpossibleSample
from longctx.scorers import occurrences
from longctx.tasks import find_tasks, load_maker
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

DEPTHS = (0.0, 0.2, 0.5, 0.8, 1.0)
NAME = "for-haystacks"
TASKS = find_tasks()
IN_DETAIL = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


@cache
def folder() -> Path:
    """Documents of several languages and habits of spacing, made by the shipped makers and by hand."""
    root = cache_folder("test-documents") / NAME
    root.mkdir(exist_ok=True)
    contract, filing = load_maker("contracts"), load_maker("disclosures")
    for index in range(4):
        (root / f"contract-{index}.md").write_text(contract(index, 5).text, "utf-8")
        (root / f"filing-{index}.md").write_text(filing(index, 5).text, "utf-8")
    rng = random.Random(3)
    for name, text in (("deutsch.txt", small_tokenizers.GERMAN), ("chinese.txt", small_tokenizers.CHINESE)):
        paragraphs = [f"{text}{rng.randint(1, 10**6)} {text}" for _ in range(30)]
        (root / name).write_text("\n\n".join(paragraphs), "utf-8")
    for locale in ("ja_JP", "ru_RU", "ar_EG", "hi_IN"):
        fake = Faker(locale)
        fake.seed_instance(5)
        lines = [f"{fake.text(300)} {fake.name()}, {fake.address()}" for _ in range(12)]
        (root / f"{locale}.txt").write_text("\n\n".join(lines), "utf-8")
    (root / "parser.py").write_text(inspect.getsource(argparse), "utf-8")
    control = "He wrote <|im_end|> and </s> and [SEP] into the form.\r\n   \r\n\tIt   was\u00a0kept 🙂 as it was.  \n"
    (root / "ugly.txt").write_text("\n".join(f"{control} Row {n}: {n * 7919:,}" for n in range(60)), "utf-8")
    return root


@cache
def tokenizer(kind: str) -> Tokenizer:
    return Tokenizer(small_tokenizers.KINDS[kind](), kind)


@cache
def corpus(kind: str, voice: str) -> Corpus:
    return Corpora(tokenizer(kind), voice=voice, repeat=True).get(str(folder()), 1)


def cells(tasks: list[str] | None = None) -> st.SearchStrategy[Cell]:
    return st.builds(
        lambda task, length, depth, density, seed, together: Cell(
            task,
            NAME,
            length,
            depth,
            density if TASKS[task].density else 0.0,
            seed,
            DEPTHS if together and depth is not None and TASKS[task].shares_haystack else (),
        ),
        st.sampled_from(tasks or sorted(TASKS)),
        st.one_of(st.integers(150, 1200), st.integers(1200, 20_000)),
        st.sampled_from([*DEPTHS, None]),
        st.sampled_from([0.0, 0.0, 2.0, 10.0]),
        st.integers(0, 10_000),
        st.booleans(),
    )


def build(kind: str, voice: str, cell: Cell) -> Sample:
    try:
        return TASKS[cell.task].build(corpus(kind, voice), cell, tokenizer(kind))
    except ImpossibleSample:
        assume(False)
        raise


def bytes_of(sample: Sample, kind: str, first: int, last: int) -> bytes:
    """The prompt's text that tokens `first` to `last` (exclusive) of the haystack hold."""
    encoding = tokenizer(kind).encode(sample.prompt)
    at = sample.metadata["haystack_at"] - tokenizer(kind).affix_counts[0]
    if last <= first:
        return b""
    return sample.prompt.encode()[encoding.starts[at + first] : encoding.ends[at + first : at + last].max()]


def haystack_of(sample: Sample, kind: str) -> str:
    """The haystack's text, and what its first and last token hold of what stands around it."""
    return bytes_of(sample, kind, 0, sample.metadata["haystack_tokens"]).decode("utf-8", "replace")


kinds = st.sampled_from(sorted(small_tokenizers.KINDS))
CLOSING = 300  # tokens that the closing sentence may take
LAST = 1000  # tokens that the last passages of a haystack and its closing take: others than in a longer one
SPANS = ("needles", "co_needles", "distractors")
FACTS = [name for name, task in TASKS.items() if task.file.stem in ("niah", "latent", "mined")]


@IN_DETAIL
@given(kind=kinds, cell=cells())
def test_length_is_exact_and_ids_are_those_of_the_whole_prompt(kind: str, cell: Cell) -> None:
    sample = build(kind, "contracts", cell)
    assert len(sample.prompt_ids) == cell.length == sample.metadata["length"]
    np.testing.assert_array_equal(sample.prompt_ids, tokenizer(kind).prompt_ids(sample.prompt))
    assert tokenizer(kind).render(sample.input) == sample.prompt


@IN_DETAIL
@given(
    kind=kinds, task=st.sampled_from(["niah_single", "niah_multikey", "niah_multivalue", "niah_split", "mined"]),
    shorter=st.integers(900, 6000), longer=st.integers(900, 20_000), depths=st.tuples(*[st.sampled_from(DEPTHS)] * 2),
    density=st.sampled_from([0.0, 2.0, 10.0]), seed=st.integers(0, 1000),
)  # fmt: skip
def test_nested_haystacks_begin_alike_up_to_what_is_asked_about(
    kind: str, task: str, shorter: int, longer: int, depths: tuple[float, float], density: float, seed: int
) -> None:
    shorter, longer = sorted((shorter, longer))
    density = density if TASKS[task].density else 0.0
    samples = [
        build(kind, "contracts", Cell(task, NAME, length, depth, density, seed, nested=20_000))
        for length, depth in zip((shorter, longer), depths, strict=True)
    ]
    for sample, length in zip(samples, (shorter, longer), strict=True):
        assert len(sample.prompt_ids) == length and sample.metadata["nested"] == 20_000
        np.testing.assert_array_equal(sample.prompt_ids, tokenizer(kind).prompt_ids(sample.prompt))
    assert samples[0].metadata["haystack"] != samples[1].metadata["haystack"] or shorter == longer
    alike = next(
        (k for k, pair in enumerate(zip(*(s.prompt_ids for s in samples), strict=False)) if len({*pair}) > 1), shorter
    )
    spans = [[span for key in SPANS for span in sample.metadata[key]] for sample in samples]
    # Look-alikes at a density stand where they do in the longer one, but where a text has no good place for them for
    # long (`test_placement`); a fixed number of them is spread over all of it.
    starts = [{span["start"] for span in own} for own in spans]
    moved = [span["start"] for span in itertools.chain(*spans) if not density or span["tier"] in ("", "co-needle")]
    moved += starts[0] ^ {start for start in starts[1] if start <= max(starts[0])}
    end = samples[0].metadata["haystack_tokens"] - sum(span["end"] - span["start"] for span in spans[0]) - LAST
    assert alike >= samples[0].metadata["haystack_at"] + min([*moved, end]) - 20


@pytest.mark.slow
@IN_DETAIL
@given(kind=kinds, cell=cells())
def test_spans_are_where_the_inserted_text_is(kind: str, cell: Cell) -> None:
    sample = build(kind, "contracts", cell)
    for span in [s for key in SPANS for s in sample.metadata[key]]:
        start, end, text = span["start"], span["end"], span["text"].encode()
        assert 0 <= start < end <= sample.metadata["haystack_tokens"]
        assert text in bytes_of(sample, kind, start, end)
        # The span's tokens are those that hold a byte of the text, no more and no fewer.
        held = bytes_of(sample, kind, start, end).index(text)
        assert held < len(bytes_of(sample, kind, start, start + 1))
        assert text not in bytes_of(sample, kind, start, end - 1)


@IN_DETAIL
@given(kind=kinds, cell=cells([name for name in TASKS if TASKS[name].depth]))
def test_the_ends_are_reached_exactly_and_depth_is_what_was_measured(kind: str, cell: Cell) -> None:
    sample = build(kind, "contracts", cell)
    if not sample.metadata["needles"]:
        return
    needle = sample.metadata["needles"][0]
    room = sample.metadata["haystack_tokens"] - (needle["end"] - needle["start"])
    assert sample.metadata["depth"] == needle["start"] / room
    asked = sample.metadata["depth_asked"]
    assert 0 <= asked <= 1 and (cell.depth is None or asked == cell.depth)
    if cell.task in FACTS and asked in (0, 1):
        assert sample.metadata["depth"] == asked
    if cell.length >= 8000 and "    def " not in sample.prompt:  # a class is never divided, however long
        assert abs(sample.metadata["depth"] - asked) < 0.08


@IN_DETAIL
@given(kind=kinds, cell=cells(FACTS))
def test_distractors_are_as_many_as_asked_and_none_has_the_answer(kind: str, cell: Cell) -> None:
    sample = build(kind, "contracts", cell)
    distractors, target = sample.metadata["distractors"], sample.target
    asked = cell.density * sample.metadata["haystack_tokens"] / 10_000
    asked += 3 if cell.task == "niah_multikey" else 0
    assert abs(len(distractors) - asked) <= 0.5 + cell.density * 100 / 10_000  # questions differ by some tokens
    assert sample.metadata["density"] == 10_000 * len(distractors) / sample.metadata["haystack_tokens"]
    targets = [target] if isinstance(target, str) else target
    assert all(span["value"] not in targets for span in distractors)
    assert len({span["text"] for span in distractors}) == len(distractors)


@IN_DETAIL
@given(kind=kinds, cell=cells(FACTS))
def test_the_answer_stands_only_in_the_needle(kind: str, cell: Cell) -> None:
    sample = build(kind, "contracts", cell)
    haystack = haystack_of(sample, kind)
    for needle in sample.metadata["needles"]:
        if needle["value"]:
            rest = haystack.replace(needle["text"], "\n").casefold()
            assert occurrences(needle["value"].casefold(), rest) == 0
    if not sample.metadata["needles"]:
        assert str(sample.target) not in haystack


@IN_DETAIL
@given(kind=kinds, cell=cells(["niah_single"]), other=st.sampled_from(DEPTHS))
def test_another_depth_moves_the_needle_alone(kind: str, cell: Cell, other: float) -> None:
    cell = dataclasses.replace(cell, depths_together=())
    one, two = build(kind, "contracts", cell), build(kind, "contracts", dataclasses.replace(cell, depth=other))
    assert one.target == two.target and one.metadata["haystack"] == two.metadata["haystack"]
    without = [
        "".join(haystack_of(sample, kind).replace(sample.metadata["needles"][0]["text"], "").split())
        for sample in (one, two)
    ]
    shared = next((i for i, (a, b) in enumerate(zip(*without, strict=False)) if a != b), min(map(len, without)))
    # All but the closing sentence, which fills the last tokens: its room is about 32 to 200 of them.
    assert min(map(len, without)) - shared < 1600
    asked = [[span["text"] for span in sample.metadata["distractors"]] for sample in (one, two)]
    assert asked[0] == asked[1]


@IN_DETAIL
@given(kind=kinds, cell=cells())
def test_questions_over_one_haystack_share_their_prefix(kind: str, cell: Cell) -> None:
    assume(cell.length >= 1500)
    cell = dataclasses.replace(cell, depths_together=DEPTHS, task="niah_single", density=0.0)
    samples = [build(kind, "contracts", dataclasses.replace(cell, depth=depth)) for depth in (0.2, 0.8)]
    one, two = (sample.prompt_ids for sample in samples)
    assert samples[0].metadata["haystack"] == samples[1].metadata["haystack"]
    different = np.flatnonzero(one != two)
    assert len(different) == 0 or different[0] > cell.length - 700
    assert {len(sample.metadata["co_needles"]) for sample in samples} == {len(DEPTHS) - 1}


@pytest.mark.parametrize("kind", ["llama3-like", "unigram"])
def test_the_shortest_length_that_an_error_names_is_possible_and_one_less_is_not(kind: str) -> None:
    for task in sorted(TASKS):
        cell = Cell(task, NAME, 8, 0.5, seed=3)
        with pytest.raises(ImpossibleSample, match="shortest possible length with these is") as caught:
            TASKS[task].build(corpus(kind, "contracts"), cell, tokenizer(kind))
        shortest = int(str(caught.value).rsplit(" ", 1)[1].rstrip(".").replace(",", ""))
        for length in (shortest, shortest + 1, shortest + 2, shortest + 17):
            at = dataclasses.replace(cell, length=length)
            sample = TASKS[task].build(corpus(kind, "contracts"), at, tokenizer(kind))
            assert len(tokenizer(kind).prompt_ids(sample.prompt)) == length
        with pytest.raises(ImpossibleSample):
            TASKS[task].build(
                corpus(kind, "contracts"), dataclasses.replace(cell, length=shortest - 1), tokenizer(kind)
            )


def built_anew(backwards: bool) -> str:
    cells = [Cell(name, NAME, 5000, 0.5, 5.0 * task.density, seed) for seed in (1, 2) for name, task in TASKS.items()]
    made = [build("gpt2-like", "contracts", cell) for cell in (cells[::-1] if backwards else cells)]
    assert len(made) == 2 * len(TASKS)
    return json.dumps(sorted((s.id, s.metadata["sha256"], s.prompt_ids.tobytes().hex()) for s in made))


@pytest.mark.slow
def test_another_process_builds_the_same_bytes() -> None:
    """One that has built nothing else before, and in another order."""
    command = [sys.executable, "-c", "import test_properties as t; print(t.built_anew(backwards=True))"]
    done = subprocess.run(command, cwd=Path(__file__).parent, check=True, capture_output=True, text=True)
    assert done.stdout == built_anew(backwards=False) + "\n"
