from __future__ import annotations

import dataclasses
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import small_tokenizers

from generators._reading import read_stated
from longctx.corpus import Corpora, Corpus
from longctx.cuts import OPEN_PARAGRAPH, find_cuts
from longctx.errors import CorpusError, ImpossibleSample, UsageError
from longctx.scorers import score
from longctx.tasks import find_task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Document, Response, Sample
from longctx.voice import Voice

DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
DOMAINS = ("contracts", "disclosures", "support", "policies", "code")


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3), "llama3-like")


@cache
def corpus(name: str) -> Corpus:
    return Corpora(tokenizer()).get(name, 4096)


def build(task: str, name: str = "contracts", **cell: object) -> Sample:
    wanted = Cell(task, name, 4096, 0.5)
    return find_task(task).build(corpus(name), dataclasses.replace(wanted, **cell), tokenizer())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", DOMAINS)
def test_a_needle_stands_between_whole_sentences_of_its_corpus(name: str) -> None:
    for seed in range(4):
        sample = build("niah_single", name, seed=seed)
        [needle] = sample.metadata["needles"]
        before, after = sample.prompt.split(needle["text"])
        assert before.endswith("\n\n") and after.startswith("\n\n")
        assert not before.rstrip().endswith((",", ":", ";", "("))
        if before.rstrip().endswith("|"):  # behind a table, never inside one
            assert not after.lstrip().startswith("|")
        assert needle["file"] and needle["line"]
        if name == "code":  # before a definition, not inside one
            assert not after.strip("\n").startswith((" ", ")", "}", "]"))


def test_the_same_facts_are_asked_at_every_length_depth_and_density() -> None:
    asked = {
        build("niah_single", length=length, depth=depth, density=density, seed=7).metadata["question"]
        for length in (3000, 9000)
        for depth in (0.0, 0.5)
        for density in (0.0, 5.0)
    }
    assert len(asked) == 1
    assert build("niah_single", seed=8).metadata["question"] not in asked


def test_questions_of_one_haystack_are_about_facts_of_different_forms() -> None:
    samples = [build("niah_single", depths_together=DEPTHS, depth=depth) for depth in DEPTHS]
    assert len({sample.metadata["question"] for sample in samples}) == 5
    for index, sample in enumerate(samples):
        [needle] = sample.metadata["needles"]
        others = sample.metadata["co_needles"]
        assert [span["tier"] for span in others] == ["co-needle"] * 4
        assert needle["text"] not in [span["text"] for span in others]
        assert sorted([needle["start"], *(span["start"] for span in others)])[index] == needle["start"]
        assert needle["value"] == sample.target


def test_every_question_of_a_haystack_has_its_own_distractors() -> None:
    sample = build("niah_single", depths_together=DEPTHS, density=5.0, length=8000)
    asked, others = sample.metadata["distractors"], sample.metadata["co_needles"]
    assert len(asked) == 4 and {span["tier"] for span in asked} == {"template"}
    assert sum(span["tier"] == "co-distractor" for span in others) == 4 * 4
    [needle] = sample.metadata["needles"]
    opening = needle["text"][:12]
    assert all(span["text"][:12] == opening or needle["value"] not in span["text"] for span in asked)


def test_absent_keeps_filler_and_distractors_and_leaves_the_needle_out() -> None:
    there, gone = build("niah_single", density=10.0), build("niah_absent", density=10.0)
    assert gone.metadata["needles"] == [] and gone.metadata["depth"] is None
    assert gone.target == corpus("contracts").voice.absent_answer
    assert len(gone.metadata["distractors"]) == len(there.metadata["distractors"])
    assert corpus("contracts").voice.escape in gone.prompt and corpus("contracts").voice.escape not in there.prompt
    escaping = build("niah_single", variant=(("escape", True),))
    assert corpus("contracts").voice.escape in escaping.prompt


def test_absent_asks_something_else_at_each_depth() -> None:
    assert len({build("niah_absent", depth=depth).metadata["sha256"] for depth in DEPTHS}) == len(DEPTHS)
    together = {build("niah_absent", depth=depth, depths_together=DEPTHS).metadata["question"] for depth in DEPTHS}
    assert len(together) == len(DEPTHS)


def test_a_fact_can_be_named() -> None:
    name = corpus("contracts").voice.facts[3].name
    for seed in range(3):
        sample = build("niah_single", seed=seed, variant=(("fact", name),))
        stem = corpus("contracts").voice.facts[3].question.split("{key}")[0]
        assert sample.metadata["question"].startswith(stem)
    with pytest.raises(CorpusError, match="Unknown fact 'late-fee'"):
        build("niah_single", variant=(("fact", "late-fee"),))


def test_more_distractors_than_the_length_holds_are_refused() -> None:
    with pytest.raises(ImpossibleSample, match=r"at most about \d+\.\d per 10,000 tokens fit") as caught:
        build("niah_single", density=5000.0)
    possible = float(str(caught.value).split("at most about ")[1].split()[0])
    assert len(build("niah_single", density=possible / 2).metadata["distractors"]) > 10


def spans_of(sample: Sample, tier: str) -> list[dict[str, object]]:
    return [span for span in sample.metadata["distractors"] if span["tier"] == tier]


@pytest.mark.parametrize("name", DOMAINS)
def test_tiers_say_how_a_distractor_is_like_the_needle(name: str) -> None:
    for seed in range(3):
        made = {
            tier: build("niah_single", name, density=10.0, seed=seed, variant=(("tier", tier),))
            for tier in ("template", "entity", "superseded")
        }
        assert len({sample.metadata["question"] for sample in made.values()}) == 1
        for tier, sample in made.items():
            spans = spans_of(sample, tier)
            assert len(spans) == len(sample.metadata["distractors"]) == 4
            assert len({span["value"] for span in spans} | {sample.target}) == 5
            key = key_of(corpus(name).voice, sample.metadata["question"])
            assert key in sample.metadata["needles"][0]["text"]
            assert {key in str(span["text"]) for span in spans} == {tier != "template"}


def key_of(voice: Voice, question: str) -> str:
    """What a question fills into its form."""
    for fact in voice.facts:
        before, after = (re.escape(part) for part in fact.question.split("{key}"))
        if found := re.fullmatch(f"{before}(.+){after}", question):
            return found[1]
    raise AssertionError(question)


@pytest.mark.parametrize("depth", [0.0, 0.4, 1.0])
def test_near_distractors_stand_within_512_tokens_and_far_ones_in_the_farther_half(depth: float) -> None:
    for seed in range(4):
        near, far = (
            build("niah_single", length=12_000, depth=depth, density=2.0, seed=seed, variant=(("distance", rule),))
            for rule in ("near", "far")
        )
        for sample, rule in ((near, "near"), (far, "far")):
            [needle] = sample.metadata["needles"]
            assert len(sample.metadata["distractors"]) == 2
            for span in sample.metadata["distractors"]:
                gap = (
                    span["start"] - needle["end"] if span["start"] > needle["start"] else needle["start"] - span["end"]
                )
                # The closing sentence stands between a needle at the end and what is before it.
                assert gap <= 512 + (200 if depth == 1 else 0) if rule == "near" else gap > 12_000 * 0.15
        assert abs(near.metadata["depth"] - depth) < 0.08
    with pytest.raises(ImpossibleSample, match=r"within 512 tokens of the needle.*about \d+ fit"):
        build("niah_single", density=60.0, variant=(("distance", "near"),))


def test_many_values_and_many_questions_have_a_needle_each() -> None:
    values = build("niah_multivalue", density=5.0, variant=(("values", 6),))
    assert len(values.metadata["needles"]) == len(set(values.target)) == 6
    assert [span["value"] for span in values.metadata["needles"]] == values.target
    queries = build("niah_multiquery", variant=(("queries", 3),))
    assert len(queries.target) == 3 and "(3)" in queries.metadata["question"]
    assert len(build("niah_multikey", variant=(("keys", 9),)).metadata["distractors"]) == 8
    for wrong in (0, True, "four", 65):
        with pytest.raises(UsageError, match="whole numbers from 1 to 64"):
            build("niah_multiquery", variant=(("queries", wrong),))


@pytest.mark.parametrize("depth", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("gap", [1, 400, 2000])
def test_halves_stand_as_near_to_the_asked_distance_as_paragraphs_permit(depth: float, gap: int) -> None:
    sample = build("niah_split", length=8000, depth=depth, density=5.0, variant=(("gap", gap),))
    first, second = sample.metadata["needles"]
    assert first["value"] == "" and second["value"] == sample.target not in first["text"]
    room = sample.metadata["haystack_tokens"]
    behind = second["start"] > first["start"]
    assert behind == (depth * room + max(gap, first["end"] - first["start"]) < room - 40)
    off = abs(abs(second["start"] - first["start"]) - gap)
    # Independently: the haystack without the second half, every border of paragraphs in it, and how far each is.
    before, after = haystack_text(sample).split(second["text"])
    without = before.rstrip("\n") + "\n\n" + after.lstrip("\n")
    encoding, cuts = tokenizer().encode(without), find_cuts(Document("all.md", without, "markdown"))
    at = int(np.searchsorted(encoding.starts, without.index(first["text"])))
    own, size = first["end"] - first["start"], second["end"] - second["start"] + 1
    closing = len(without) - 1800  # the closing sentences are no place for a needle
    borders = [
        int(np.searchsorted(encoding.starts, begin))
        for begin, rank in zip(cuts.begin.tolist(), cuts.rank.tolist(), strict=True)
        if rank == OPEN_PARAGRAPH and begin < closing
    ]
    possible = [token - at if behind else at + size - token for token in borders]
    possible.append(room - size - at if behind else at + size)  # the very end, the very beginning
    possible = [distance for distance in possible if distance >= (own if behind else size)]
    assert off <= min(abs(distance - gap) for distance in possible) + 8  # seams: a token or two for each distractor


def test_halves_farther_apart_than_the_haystack_is_long_are_refused() -> None:
    for depth in (0.0, 0.3, 0.9):
        with pytest.raises(ImpossibleSample, match=r"from that depth at most [\d,]+ are possible") as caught:
            build("niah_split", depth=depth, variant=(("gap", 4000),))
        possible = int(re.search(r"at most ([\d,]+)", str(caught.value))[1].replace(",", ""))  # type: ignore[index]
        build("niah_split", depth=depth, variant=(("gap", possible),))
        with pytest.raises(ImpossibleSample):
            build("niah_split", depth=depth, variant=(("gap", possible + 1),))


def haystack_text(sample: Sample) -> str:
    """The haystack alone."""
    encoding = tokenizer().encode(sample.prompt)
    first = sample.metadata["haystack_at"]
    last = first + sample.metadata["haystack_tokens"] - 1
    return sample.prompt.encode()[encoding.starts[first] : encoding.ends[last]].decode()


@pytest.mark.parametrize("kind", ["words", "numbers", "uuids"])
def test_generic_needles_have_values_of_their_kind(kind: str) -> None:
    sample = build("niah_multivalue", density=5.0, variant=(("needle", kind),))
    shape = {
        "words": r"[a-z]+-[a-z]+",
        "numbers": r"\d{7}",
        "uuids": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f-]{17}",
    }
    spans = sample.metadata["needles"] + sample.metadata["distractors"]
    assert len(spans) == 6 and all(re.fullmatch(shape[kind], span["value"]) for span in spans)
    with pytest.raises(UsageError, match="tier=entity"):
        build("niah_single", variant=(("needle", kind), ("tier", "entity")))


def test_grounded_asks_for_the_file_above_the_needle() -> None:
    mix = "contracts=0.5+support=0.5"
    mixed = Corpora(tokenizer()).get(mix, 6000)
    hosts = set()
    for seed in range(6):
        for depth in (0.0, 0.5, 1.0):
            sample = find_task("grounded").build(mixed, Cell("grounded", mix, 6000, depth, 2.0, seed), tokenizer())
            answer, file = sample.target
            before = sample.prompt.split(sample.metadata["needles"][0]["text"])[0]
            assert re.findall(r"===== (.+) =====", before)[-1] == file
            assert answer in sample.metadata["needles"][0]["text"]
            host = sample.metadata["host"]
            assert file.startswith(host + "/") and sample.metadata["host_format"] == "markdown"
            hosts.add(host)
            if depth in (0.0, 1.0):
                assert sample.metadata["depth"] == depth
    assert hosts == {"contracts", "support"}


def test_a_mix_keeps_its_shares() -> None:
    shares = {"contracts": 0.5, "code": 0.3, "support": 0.2}
    mix = "+".join(f"{name}={share}" for name, share in shares.items())
    mixed = Corpora(tokenizer()).get(mix, 60_000)
    sample = find_task("niah_single").build(mixed, Cell("niah_single", mix, 60_000, 0.5), tokenizer())
    parts = re.split(r"(?m)^(?:# )?===== (\w+)/.* =====$", sample.prompt)
    counted: dict[str, int] = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        counted[name] = counted.get(name, 0) + tokenizer().count(text)
    for name, share in shares.items():
        assert abs(counted[name] / sum(counted.values()) - share) < 0.02


def test_a_fact_that_the_filler_holds_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from longctx import samples

    first = build("niah_single", seed=11)
    real, refused = samples.is_unique, []

    def once(*given: object) -> bool:
        if not refused:
            refused.append(given)
            return False
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(samples, "is_unique", once)
    assert build("niah_single", seed=11).target != first.target
    monkeypatch.setattr(samples, "is_unique", lambda *given: False)
    with pytest.raises(ImpossibleSample, match="wider range"):
        build("niah_single", seed=11)


def test_a_corpus_that_is_too_small_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(corpus("contracts").text[:12_000].tobytes().decode(errors="ignore"))
    small = Corpora(tokenizer()).get(str(tmp_path), 4096)
    for length in (small.tokens + 700, 2 * small.tokens):
        with pytest.raises(CorpusError, match=f"has {small.tokens:,} tokens; [\\d,]+ tokens of filler were asked for"):
            find_task("niah_single").build(small, Cell("niah_single", small.name, length, 0.5), tokenizer())


@pytest.mark.parametrize("name", [*DOMAINS, "neutral"])
def test_an_absent_fact_is_told_from_what_is_only_said_of_its_subject(name: str) -> None:
    voice = name if name != "neutral" else "neutral-en"
    opened = Corpora(tokenizer(), voice=voice).get("contracts" if name == "neutral" else name, 4096)
    for seed, tier in enumerate(("template", "entity", "superseded") * 2):
        variant = (("escape", True), ("tier", tier))
        for task in ("niah_single", "niah_absent"):
            cell = Cell(task, name, 4096, 0.5, 10.0, seed, variant=variant)
            sample = find_task(task).build(opened, cell, tokenizer())
            answer = read_stated(sample.prompt, sample.metadata["question"])
            assert (sample.target in answer) if task == "niah_single" else answer == "", sample.metadata["question"]


def test_a_base_name_that_two_files_share_names_neither(tmp_path: Path) -> None:
    text = corpus("contracts").text[:40_000].tobytes().decode(errors="ignore")
    for folder, part in (("a", text[:20_000]), ("b", text[20_000:])):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "terms.md").write_text(part)
    both = Corpora(tokenizer()).get(str(tmp_path), 4096)
    sample = find_task("grounded").build(both, Cell("grounded", both.name, 4096, 0.5), tokenizer())
    answer, file = sample.target
    other = {"a/terms.md": "b/terms.md", "b/terms.md": "a/terms.md"}[file]
    scores = [score(sample, Response(sample.id, f"{answer}, {name}")).value for name in (file, "terms.md", other)]
    assert scores == [1.0, 0.5, 0.5]
