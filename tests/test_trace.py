from __future__ import annotations

import ast
import dataclasses
import re
from functools import cache
from typing import Any

import pytest
import small_tokenizers

from longctx.corpus import Corpora, Corpus
from longctx.errors import CorpusError, ImpossibleSample, UsageError
from longctx.scorers import SCORERS
from longctx.tasks import find_task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

VOICES = (
    "contracts",
    "disclosures",
    "support",
    "policies",
    "code",
    "neutral-en",
    "neutral-de",
    "neutral-zh",
)
LENGTH = 6000


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer(small_tokenizers.byte_level(small_tokenizers.LLAMA3), "llama3-like")


@cache
def corpus(voice: str) -> Corpus:
    """Contracts with any voice: the wordings are the voice's, whatever the documents are."""
    return Corpora(tokenizer(), voice=voice).get("contracts", 20_000)


def build(voice: str = "contracts", depth: float = 0.5, density: float = 0.0, seed: int = 0, **variant: Any) -> Sample:
    cell = Cell("trace", "contracts", LENGTH, depth, density, seed, variant=tuple(sorted(variant.items())))
    return find_task("trace").build(corpus(voice), cell, tokenizer())


def score(sample: Sample, prompt: str) -> float:
    reader = find_task("trace").reader
    assert reader is not None
    answer = reader(prompt, sample.metadata["question"])
    return SCORERS[sample.metadata["scorer"]](sample.target, answer, sample.metadata)[0]


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("variant", [{}, {"hops": 1, "ask": "all"}, {"hops": 9, "chains": 4, "ask": "all"}])
def test_a_reader_of_the_text_follows_every_chain_and_finds_nothing_without_its_links(
    voice: str, variant: dict[str, Any]
) -> None:
    for seed in range(2):
        sample = build(voice, density=8.0 * (seed % 2), seed=seed, **variant)
        assert len(sample.prompt_ids) == LENGTH
        assert score(sample, sample.prompt) == 1
        blind = sample.prompt
        for needle in sample.metadata["needles"]:
            assert blind.count(needle["text"]) == 1
            blind = blind.replace(needle["text"], "")
        assert score(sample, blind) == 0
        without_one = sample.prompt.replace(sample.metadata["needles"][-1]["text"], "")
        assert score(sample, without_one) == 0  # the first link is the only one that names what is asked about


def test_links_are_recorded_from_the_end_back_and_each_leads_to_the_next() -> None:
    sample = build(hops=6, ask="all", form="assignment")
    values = [needle["value"] for needle in sample.metadata["needles"]]
    assert values[::-1] == sample.target
    for needle, before in zip(sample.metadata["needles"], values[1:], strict=False):
        assert needle["value"] in needle["text"] and before in needle["text"]
    years = [int(re.findall(r"\b20\d\d\b", needle["text"])[0]) for needle in sample.metadata["needles"]]
    assert years == sorted(years, reverse=True)  # nobody passes on what they do not have yet


@pytest.mark.parametrize("depth", [0.0, 0.3, 1.0])
def test_the_last_link_stands_at_the_depth_and_the_others_stay_where_they_are(depth: float) -> None:
    sample, other = build(depth=depth, seed=4), build(depth=0.7, seed=4)
    assert abs(sample.metadata["depth"] - depth) < (0.05 if 0 < depth < 1 else 1e-9)
    assert [n["text"] for n in sample.metadata["needles"]] == [n["text"] for n in other.metadata["needles"]]
    for one, two in zip(sample.metadata["needles"][1:], other.metadata["needles"][1:], strict=True):
        assert abs(one["start"] - two["start"]) < LENGTH * 0.05


def test_links_stand_in_the_order_that_is_asked_for() -> None:
    for order, depth in (("forward", 0.8), ("reverse", 0.2), ("forward", 1.0), ("reverse", 0.0)):
        starts = [n["start"] for n in build(depth=depth, order=order, hops=5).metadata["needles"]]
        assert starts == sorted(starts, reverse=order == "forward")
        assert abs(starts[0] / LENGTH - depth) < 0.1
    for order, depth in (("forward", 0.0), ("reverse", 1.0)):
        with pytest.raises(ImpossibleSample, match="order=shuffled"):
            build(depth=depth, order=order)
        assert build(depth=depth, order=order, hops=1).metadata["depth"] == depth


def test_links_that_cannot_keep_their_order_are_refused() -> None:
    with pytest.raises(ImpossibleSample, match="16 links do not fit in forward order"):
        build(depth=0.01, order="forward", hops=16)


def test_other_chains_share_no_name_with_the_one_asked_about() -> None:
    sample = build("neutral-zh", density=20.0, chains=3, hops=3)
    assert len(sample.metadata["co_needles"]) == 6 and len(sample.metadata["distractors"]) > 8
    own = [needle["value"] for needle in sample.metadata["needles"]]
    assert set(sample.metadata["choices"]) == {*own, *(span["value"] for span in sample.metadata["co_needles"])}
    for span in [*sample.metadata["co_needles"], *sample.metadata["distractors"]]:
        assert not any(name in span["text"] for name in own)


def test_the_same_chain_is_asked_at_every_depth_and_density() -> None:
    questions = {build(depth=depth, density=density).metadata["question"] for depth in (0, 1) for density in (0, 9)}
    assert len(questions) == 1 and build(seed=1).metadata["question"] not in questions


def test_links_in_code_are_valid_python() -> None:
    for form in ("constant", "alias"):
        for hops in (1, 3):
            for needle in build("code", form=form, hops=hops).metadata["needles"]:
                ast.parse(needle["text"])


@pytest.mark.parametrize(
    "variant", [{"hops": 17}, {"hops": "4"}, {"chains": 0}, {"ask": "both"}, {"order": "random"}, {"form": "gift"}]
)
def test_what_a_variant_cannot_be_is_an_error_that_says_what_is_possible(variant: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="possible are|Available"):
        build(**variant)


def test_a_voice_without_wordings_takes_those_of_its_language_or_says_which_have_some() -> None:
    given = corpus("contracts")
    voice = dataclasses.replace(given.voice, name="my-leases")
    assert "handovers" in _with(voice).metadata["question"]
    with pytest.raises(CorpusError, match="language 'fr'.*contracts"):
        _with(dataclasses.replace(voice, language="fr"))


def _with(voice: Any) -> Sample:
    made = Corpora(tokenizer(), voice="contracts").get("contracts", 20_000)
    made.voice = voice
    return find_task("trace").build(made, Cell("trace", "contracts", LENGTH, 0.5), tokenizer())


def test_a_constant_stands_in_the_module_that_the_link_before_imports_from() -> None:
    needles = build("code", form="constant", hops=16).metadata["needles"][::-1]
    imported = [re.findall(r"from config import (\w+)", needle["text"]) for needle in needles]
    own = [re.findall(r"# config/(\w+)\.py", needle["text"]) for needle in needles]
    assert own[1:] == imported[:-1] and not own[0] and not imported[-1]
    assert len({module for [module] in own[1:]}) == 15


def test_the_depth_asked_of_every_link_is_recorded() -> None:
    about = build(depth=0.8, hops=5, order="forward").metadata
    assert about["link_depths_asked"][0] == 0.8 and about["link_depths_asked"] == pytest.approx(
        [0.8, 0.7, 0.5, 0.3, 0.1]
    )
    for needle, asked in zip(about["needles"], about["link_depths_asked"], strict=True):
        assert abs(needle["start"] / about["haystack_tokens"] - asked) < 0.06
