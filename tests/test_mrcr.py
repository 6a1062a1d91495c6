from __future__ import annotations

import copy
import gc
import itertools
import re
import sys
import weakref
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_tokenizers
from faker import Faker

from longctx.content import cache_folder
from longctx.corpus import Corpora, Corpus
from longctx.errors import CorpusError, ImpossibleSample, TokenizerError, UsageError
from longctx.scorers import find_scorer, score
from longctx.tasks import find_task, load_maker
from longctx.tokens import Tokenizer
from longctx.types import Cell, Response, Sample

TASK = find_task("mrcr")
ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]
DEPTHS = (0.0, 0.3, 0.7, 1.0)

# As families of models write conversations.
DEFAULT_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}"
    + small_tokenizers.CHATML
)
HEADERS = (
    "<|bos|>{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n{{ m['content'] | trim }}"
    "<|eot_id|>{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
STRICT = (
    "<|bos|>{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{% if m['role'] == 'user' %}[INST] "
    "{{ m['content'].strip() }} [/INST]{% else %} {{ m['content'].strip() }} </s>{% endif %}{% endfor %}"
)
TURNS = (
    "<|bos|>{% for m in messages %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else 'user' }}\n"
    "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}<start_of_turn>model\n"
)
THINKS = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'].split('</think>')[-1].lstrip('\n') }}"
    "<|im_end|>\n{% endfor %}<|im_start|>assistant\n<think>\n\n</think>\n\n"
)
TEMPLATES = {"default system": DEFAULT_SYSTEM, "headers": HEADERS, "strict": STRICT, "turns": TURNS, "thinks": THINKS}
KINDS = sorted([*small_tokenizers.KINDS, *TEMPLATES])


@cache
def folder() -> Path:
    root = cache_folder("test-documents") / "for-conversations"
    root.mkdir(exist_ok=True)
    make = load_maker("contracts")
    for index in range(4):
        (root / f"contract-{index}.md").write_text(make(index, 7).text, "utf-8")
    return root


@cache
def tokenizer(kind: str) -> Tokenizer:
    if kind not in TEMPLATES:
        return Tokenizer(small_tokenizers.KINDS[kind](), kind)
    hf = copy.deepcopy(tokenizer("llama3-like").hf)
    hf.chat_template = TEMPLATES[kind]
    return Tokenizer(hf, kind)


@cache
def corpus(kind: str, repeat: bool = True) -> Corpus:
    return Corpora(tokenizer(kind), voice="contracts", repeat=repeat).get(str(folder()), 1)


def build(kind: str = "llama3-like", length: int = 4096, depth: float = 0.5, seed: int = 0, **variant: Any) -> Sample:
    cell = Cell("mrcr", "contracts", length, depth, seed=seed, variant=tuple(sorted(variant.items())))
    return TASK.build(corpus(kind), cell, tokenizer(kind))


def messages_of(sample: Sample) -> list[str]:
    """Requests and answers in turn, and the question: read from the input alone."""
    if isinstance(sample.input, list) and len(sample.input) > 1:
        assert [message["role"] for message in sample.input] == ["user", "assistant"] * (len(sample.input) // 2) + [
            "user"
        ]
        return [message["content"] for message in sample.input]
    text = sample.input if isinstance(sample.input, str) else sample.input[0]["content"]
    assert text.count("\n\nUser: ") > 3
    parts = re.split(r"(?:^|\n\n)(?:User|Assistant): ", text.removesuffix("\n\nAssistant:"))
    return parts[1:]


def solve(sample: Sample) -> str:
    *messages, question = messages_of(sample)
    _, request, instruction = question.split("\n\n")
    ordinal, prefix = re.search(r"the (\w+) of your.* Put (\w+) directly", instruction).groups()  # type: ignore[union-attr]
    answers = [answer for asked, answer in zip(messages[::2], messages[1::2], strict=True) if asked == request]
    return str(prefix + answers[ORDINALS.index(ordinal)])


@pytest.mark.parametrize("kind", KINDS)
def test_two_readers_find_every_answer(kind: str) -> None:
    combinations = list(itertools.product((2, 4, 8), (False, True), ("openai", "deepmind"), DEPTHS))
    own = KINDS.index(kind)
    for seed, (needles, flat, grader, depth) in enumerate(combinations[own::16]):  # each pair with some kind
        spread = ("even", "near")[seed % 2]
        sample = build(kind, 4096, depth, seed, needles=needles, flat=flat, grader=grader, spread=spread)
        about = sample.metadata
        assert len(sample.prompt_ids) == 4096
        np.testing.assert_array_equal(sample.prompt_ids, tokenizer(kind).prompt_ids(sample.prompt))
        assert about["scorer"] == f"mrcr_{grader}" and len(about["distractors"]) == needles - 1
        for answer in (solve(sample), TASK.reader(sample.prompt, about["question"]) if TASK.reader else ""):
            assert find_scorer(about["scorer"])(sample.target, answer, about)[0] == 1
            assert score(sample, Response(sample.id, answer)).outcome == "right"
        for span in about["needles"] + about["distractors"]:
            assert sample.prompt.count(span["text"]) == 1


@pytest.mark.parametrize("grader", ["openai", "deepmind"])
def test_a_wrong_twin_gets_the_noise_floor(grader: str) -> None:
    for seed in range(3):
        sample = build(seed=seed, needles=4, grader=grader)
        about = sample.metadata
        prefix = about["random_string_to_prepend"]
        assert len(prefix) == {"openai": 10, "deepmind": 12}[grader] and str(sample.target).startswith(prefix)
        scores = [
            find_scorer(about["scorer"])(sample.target, prefix + twin["text"], about)[0]
            for twin in about["distractors"]
        ]
        assert about["noise_floor"] == pytest.approx(sum(scores) / 3) and about["noise_floor_max"] == max(scores) < 0.9
        assert 0 < about["similarity"] <= about["similarity_max"] <= 0.9


def test_the_request_is_made_as_often_as_there_are_needles_and_each_answer_differs() -> None:
    for seed in range(3):
        sample = build(length=8000, seed=seed, needles=8)
        *messages, question = messages_of(sample)
        request = question.split("\n\n")[1]
        answers = [answer for asked, answer in zip(messages[::2], messages[1::2], strict=True) if asked == request]
        assert len(answers) == len(set(answers)) == 8
        assert all(message == message.strip() and message for message in messages)
        assert sample.metadata["total_messages"] == len(messages) + 1
        asked = sample.metadata["desired_msg_index"]
        assert sample.target == sample.metadata["random_string_to_prepend"] + messages[asked]
        assert answers.index(messages[asked]) == sample.metadata["asked_number"] - 1


@pytest.mark.parametrize("flat", [False, True])
def test_the_asked_round_is_the_first_at_depth_0_and_the_last_at_depth_1(flat: bool) -> None:
    for kind in ("llama3-like", "unigram"):
        first, last = (build(kind, depth=depth, flat=flat, needles=4) for depth in (0.0, 1.0))
        assert str(first.target).endswith(messages_of(first)[1]) and first.metadata["asked_number"] == 1
        assert str(last.target).endswith(messages_of(last)[-2]) and last.metadata["asked_number"] == 4
        assert last.metadata["depth"] == 1 and first.metadata["needles"][0]["start"] < 60
        assert first.metadata["needles"][0]["text"] == last.metadata["needles"][0]["text"]


def test_between_them_the_depth_is_met_within_a_round() -> None:
    for depth, seed in ((0.2, 0), (0.5, 1), (0.5, 2), (0.8, 3)):
        sample = build(length=12_000, depth=depth, seed=seed)
        assert abs(sample.metadata["depth"] - depth) < 500 / 12_000


def test_the_same_is_asked_at_every_length_and_by_every_grader() -> None:
    asked = {
        str(build(**changed, needles=4).target)[10:]  # type: ignore[arg-type]
        for changed in ({}, {"length": 9000}, {"depth": 0.1}, {"flat": True}, {"spread": "near"})
    }
    assert asked == {str(build(needles=4, grader="deepmind").target)[12:]}


def test_near_twins_stand_next_to_the_asked_round() -> None:
    sample = build(length=12_000, needles=4, spread="near")
    spans = sorted((span["start"], span["end"]) for key in ("needles", "distractors") for span in sample.metadata[key])
    assert all(begin - end < 60 for (_, end), (begin, _) in itertools.pairwise(spans))
    even = build(length=12_000, needles=4)
    starts = sorted(span["start"] for key in ("needles", "distractors") for span in even.metadata[key])
    assert max(np.diff(starts)) > 1500


def test_the_shortest_length_is_named_and_possible() -> None:
    for needles, flat in ((2, False), (8, True)):
        with pytest.raises(ImpossibleSample, match="shortest possible length") as caught:
            build(length=300, needles=needles, flat=flat)
        shortest = int(str(caught.value).rsplit(" ", 1)[1].rstrip(".").replace(",", ""))
        assert len(build(length=shortest, needles=needles, flat=flat).prompt_ids) == shortest
        with pytest.raises(ImpossibleSample):
            build(length=shortest - 1, needles=needles, flat=flat)


def test_eight_needles_fit_into_4096_tokens() -> None:
    for seed in range(4):
        assert build(length=4096, seed=seed, needles=8).metadata["length"] == 4096


@pytest.mark.parametrize(
    "wrong", [{"needles": 3}, {"grader": "mine"}, {"spread": "far"}, {"flat": "yes"}, {"needles": True}]
)
def test_a_variant_that_cannot_be_is_refused_with_what_can(wrong: dict[str, Any]) -> None:
    [(name, value)] = wrong.items()
    with pytest.raises(UsageError, match=f"{name} = {value!r}; possible are"):
        build(**wrong)


def test_documents_without_twins_and_documents_that_end_say_how_much_there_is(tmp_path: Path) -> None:
    paragraphs = [f"{word} was counted in the harbour office on that day by {word} and the clerk. " * 8 for word in
                  ("Amber", "Barley", "Copper")]  # fmt: skip
    (tmp_path / "few.txt").write_text("\n\n".join(paragraphs), "utf-8")
    few = Corpora(tokenizer("llama3-like")).get(str(tmp_path), 1)
    with pytest.raises(
        ImpossibleSample, match=r"8 different answers to one request .* more than [0-3] that can be told apart"
    ):
        TASK.build(few, Cell("mrcr", "few", 4096, 0.5, variant=(("needles", 8),)), tokenizer("llama3-like"))
    whole = corpus("llama3-like", repeat=False)
    with pytest.raises(CorpusError, match="gives conversations of .* or allow rounds to recur"):
        TASK.build(whole, Cell("mrcr", "contracts", 400_000, 0.5), tokenizer("llama3-like"))
    repeated = build(length=200_000)
    assert repeated.metadata["repeated"] and len(repeated.prompt_ids) == 200_000


def test_a_template_that_loses_messages_is_refused_and_flat_still_works() -> None:
    last_only = "<|im_start|>user\n{{ messages[-1]['content'] }}<|im_end|>\n<|im_start|>assistant\n"
    hf = copy.deepcopy(tokenizer("llama3-like").hf)
    hf.chat_template = last_only
    narrow = Tokenizer(hf, "narrow")
    small = Corpora(narrow, voice="contracts").get(str(folder()), 1)
    with pytest.raises(TokenizerError, match="every message .* flat = true"):
        TASK.build(small, Cell("mrcr", "contracts", 5000, 0.5), narrow)
    flat = TASK.build(small, Cell("mrcr", "contracts", 5000, 0.5, variant=(("flat", True),)), narrow)
    assert find_scorer("mrcr_openai")(flat.target, solve(flat), flat.metadata)[0] == 1


@pytest.mark.parametrize("language", ["de", "zh"])
def test_people_ask_in_the_language_of_the_documents(tmp_path: Path, language: str) -> None:
    fake = Faker({"de": "de_DE", "zh": "zh_CN"}[language])
    fake.seed_instance(1)
    heads = {"de": ("# Haftung", "# Gewährleistung"), "zh": ("# 违约责任", "# 交付期限")}[language]
    joints = {"de": "Der Käufer und der Verkäufer haben das mit der Lieferung zu tun. ", "zh": "买受人应当检验标的物。"}
    lines = [f"{head}\n\n{joints[language]}{fake.text(300)}" for _ in range(20) for head in heads]
    (tmp_path / "text.md").write_text("\n\n".join(lines), "utf-8")
    small = Corpora(tokenizer("llama3-like"), voice=f"neutral-{language}", repeat=True).get(str(tmp_path), 1)
    sample = TASK.build(small, Cell("mrcr", "text", 3000, 0.5), tokenizer("llama3-like"))
    question = sample.metadata["question"]
    assert {"de": "Weiter oben habe ich dir", "zh": "前面我多次发过"}[language] in question
    assert TASK.reader is not None
    assert TASK.reader(sample.prompt, question) == sample.target


def test_answers_hold_the_term_that_they_are_asked_for() -> None:
    [requests] = [module for name, module in sys.modules.items() if name.endswith("._mrcr_requests")]
    pool = requests.pool_of(corpus("llama3-like"))
    asked = r".*(?:deals with|mentions|refers to|speaks of|about|language on) the (.+?)(?: for the agreement)?\."
    for tier, times in ((1, 2), (2, 1)):
        assert len(pool.tiers[tier]) > 20
        for request, members in pool.tiers[tier].items():
            match = re.fullmatch(asked, request)
            assert match, request
            for index in members:
                assert pool.passages[index].text.casefold().count(match[1].casefold()) >= times


def test_a_small_folder_says_how_long_its_conversations_get(tmp_path: Path) -> None:
    make = load_maker("contracts")
    (tmp_path / "one.md").write_text(make(0, 7).text[:14_000], "utf-8")
    small = Corpora(tokenizer("llama3-like"), voice="contracts").get(str(tmp_path), 1)
    with pytest.raises(CorpusError, match="gives conversations of"):
        TASK.build(small, Cell("mrcr", "one", 30_000, 0.5), tokenizer("llama3-like"))


@pytest.mark.slow
def test_a_corpus_that_grows_is_cut_as_far_as_the_length_needs() -> None:
    [requests] = [module for name, module in sys.modules.items() if name.endswith("._mrcr_requests")]
    kind = "llama3-like"
    own, other = (Corpora(tokenizer(kind)).get("contracts", 150_000) for _ in range(2))
    pool = requests.pool_of(own)
    first = len(pool.passages)
    assert max(pool.base) == len(pool.base) - 1 < first < 0.6 * sum(map(len, requests.find_passages(own)))
    cell = Cell("mrcr", "contracts", 8192, 0.5)
    sample = TASK.build(own, cell, tokenizer(kind))
    assert pool.reach(10**6) > first >= pool.reach(1) == len(pool.base)
    assert TASK.build(own, cell, tokenizer(kind)).prompt == sample.prompt  # though there are more passages now
    assert TASK.build(other, cell, tokenizer(kind)).prompt == sample.prompt
    held = weakref.ref(own)
    del own, pool
    gc.collect()
    assert held() is None
