"""The vLLM backend: its parts without an engine, then the embedded model in real engines on this CPU."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from longctx.backends import vllm_engine
from longctx.backends.vllm import VllmBackend, response_of
from longctx.backends.vllm_engine import kv_bytes_per_token, verify_rotary
from longctx.errors import BackendError, ContractError, UsageError
from longctx.types import Response, Sample, Sampling
from longctx.yarn import YarnPlan, plan_window

NATIVE = {"class": "RotaryEmbedding", "rows": 8192, "theta": 1e5, "factor": None, "stretch": 1.0, "layers": 30}
STRETCHED = NATIVE | {"class": "YaRNScalingRotaryEmbedding", "rows": 16384, "factor": 2.0, "stretch": 2.0}
SMOLLM2 = {
    "model_type": "llama",
    "max_position_embeddings": 8192,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "hidden_size": 576,
    "rope_parameters": {"rope_theta": 1e5, "rope_type": "default"},
}


def finished(ids: list[int], corrupted: bool = False) -> SimpleNamespace:
    """As much of a vllm.RequestOutput as is read."""
    return SimpleNamespace(
        prompt_token_ids=ids,
        num_cached_tokens=2,
        outputs=[SimpleNamespace(text="4817263", token_ids=[7, 8], finish_reason="stop")],
        metrics=SimpleNamespace(scheduled_ts=10.0, first_token_ts=10.5, last_token_ts=12.0, is_corrupted=corrupted),
    )


def sample_of(ids: list[int], name: str = "s1") -> Sample:
    return Sample(name, "", "", {}, prompt_ids=np.array(ids, np.uint32))


def test_a_finished_request_becomes_a_response() -> None:
    assert response_of(sample_of([1, 2, 3]), finished([1, 2, 3])) == Response(
        id="s1",
        text="4817263",
        prompt_tokens=3,
        cached_tokens=2,
        output_tokens=2,
        finish_reason="stop",
        ttft_s=0.5,
        total_s=2.0,
    )


@pytest.mark.parametrize(
    ("held", "said"), [([0, 1, 2, 3], "vLLM holds 4"), ([1, 2, 4], "vLLM holds as many, but others")]
)
def test_other_prompt_tokens_than_were_built_stop_the_run(held: list[int], said: str) -> None:
    with pytest.raises(ContractError, match=f"Sample s1 was built with 3 prompt tokens; {said}"):
        response_of(sample_of([1, 2, 3]), finished(held))


def test_nan_in_the_logits_is_an_error_and_no_answer() -> None:
    assert response_of(sample_of([1, 2, 3]), finished([1, 2, 3], corrupted=True)).error.startswith("NaN in the logits")


def test_rotary_embeddings_as_planned_pass() -> None:
    verify_rotary([NATIVE], plan_window(SMOLLM2, 8000, 32))
    verify_rotary([STRETCHED], plan_window(SMOLLM2, 12000, 32, "auto"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"factor": None, "stretch": 1.0},  # a factor that was dropped
        {"factor": 4.0},
        {"theta": 10000.0},  # what vLLM falls back to where an override leaves theta out
        {"rows": 12000},
        {"stretch": 1.001},  # a table that was never stretched
    ],
)
def test_yarn_that_is_not_in_effect_is_an_error(wrong: dict[str, Any]) -> None:
    plan = plan_window(SMOLLM2, 12000, 32, "auto")
    with pytest.raises(BackendError, match="the loaded model has YaRNScalingRotaryEmbedding"):
        verify_rotary([STRETCHED, STRETCHED | wrong], plan)


def test_yarn_that_cannot_be_seen_or_was_not_asked_for_is_an_error() -> None:
    with pytest.raises(BackendError, match="cannot be verified"):
        verify_rotary([], plan_window(SMOLLM2, 12000, 32, "auto"))
    with pytest.raises(BackendError, match="No YaRN was asked for"):
        verify_rotary([STRETCHED], plan_window(SMOLLM2, 8000, 32))
    own = YarnPlan(None, 16384, 8032, 16384, scaling="yarn")
    verify_rotary([STRETCHED], own)  # the model's own scaling is none of the plan's


def test_positions_beyond_the_table_are_an_error() -> None:
    with pytest.raises(BackendError, match="The window is 12,032 tokens, but the loaded model has .* 8,192 positions"):
        verify_rotary([NATIVE], YarnPlan(None, 16384, 12032, 16384))


def test_memory_of_a_token_in_the_cache() -> None:
    assert kv_bytes_per_token(SMOLLM2, 4) == 2 * 30 * 3 * 64 * 4
    assert kv_bytes_per_token({"text_config": SMOLLM2 | {"head_dim": 128}}, 2) == 2 * 30 * 3 * 128 * 2
    assert kv_bytes_per_token({"model_type": "unknown"}, 2) == 0


def test_without_vllm_the_error_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_engine.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendError, match=r"package vllm, which is not installed\. Type `make setup`"):
        VllmBackend("anything", plan=plan_window(SMOLLM2, 100, 32), sampling=Sampling())


def test_a_broken_vllm_is_reported_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(BackendError, match="installed but cannot be imported"):
        VllmBackend("anything", plan=plan_window(SMOLLM2, 100, 32), sampling=Sampling())


FILES = ("Halvorsen", "Brandvold", "Castellano", "Dufresne", "Eriksson")
NUMBERS = ("4817263", "9302815", "1175046", "6048391", "2593710")
PARAGRAPH = (
    "The parties meet in the first week of each quarter to review deliveries, complaints and open invoices. "
    "Minutes are kept by the party that hosts the meeting and sent to the other within five working days. "
)


def prompt_samples(model: Path, length: int) -> Iterator[Sample]:
    """Five questions over one haystack of about `length` tokens, a needle for each at depths 0 to 1."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    paragraphs = max(5, length // len(tokenizer.encode(PARAGRAPH)))
    pieces = [PARAGRAPH] * paragraphs
    for index, (name, number) in enumerate(zip(FILES, NUMBERS, strict=True)):
        pieces.insert(index * (paragraphs + 4) // 4, f"The archive number of the {name} file is {number}. ")
    for name in FILES:
        question = f"\n\nAnswer from the documents above. Question: What is the archive number of the {name} file?"
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": "Read the documents.\n\n" + "".join(pieces) + question}],
            tokenize=False,
            add_generation_prompt=True,
        )
        yield sample_of(tokenizer.encode(text, add_special_tokens=False), name)


def config_of(model: Path) -> dict[str, Any]:
    return dict(json.loads((model / "config.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def engine(smollm2: Path) -> Iterator[VllmBackend]:
    plan = plan_window(config_of(smollm2), 2300, 24)
    backend = VllmBackend(str(smollm2), config=config_of(smollm2), plan=plan, sampling=Sampling(max_tokens=24))
    yield backend
    backend.close()
    backend.close()
    with pytest.raises(BackendError, match="closed"):
        next(backend.generate([]))


@pytest.mark.model
def test_counts_reuse_and_times_are_the_engines_own(engine: VllmBackend, smollm2: Path) -> None:
    samples = {sample.id: sample for sample in prompt_samples(smollm2, 2000)}
    answers = list(engine.generate(iter(samples.values())))
    assert {answer.id for answer in answers} == set(samples)
    block = engine.describe()["block_size"]
    for answer in answers:
        assert answer.error == ""
        assert answer.prompt_tokens == len(samples[answer.id].prompt_ids)
        shared = 0 if answer.id == FILES[0] else (len(samples[answer.id].prompt_ids) - 40) // block * block
        assert answer.cached_tokens is not None and answer.cached_tokens >= shared
        assert answer.output_tokens is not None and 0 < answer.output_tokens <= 24
        assert answer.ttft_s is not None and answer.total_s is not None and 0 < answer.ttft_s <= answer.total_s
        assert (answer.finish_reason == "length") == (answer.output_tokens == 24)
    found = sum(NUMBERS[FILES.index(answer.id)] in answer.text for answer in answers)
    assert found >= 3, [answer.text for answer in answers]


@pytest.mark.model
def test_the_same_prompts_get_the_same_answers(engine: VllmBackend, smollm2: Path) -> None:
    samples = list(prompt_samples(smollm2, 600))
    runs = [{answer.id: answer.text for answer in engine.generate(samples)} for _ in range(2)]
    assert runs[0] == runs[1]
    assert len(set(runs[0].values())) > 1


@pytest.mark.model
def test_the_engine_goes_on_while_there_is_no_next_sample_yet(engine: VllmBackend, smollm2: Path) -> None:
    first, *others = prompt_samples(smollm2, 600)
    answered: list[str] = []

    def supply() -> Iterator[Sample | None]:
        yield first
        while not answered:  # would go on for ever in an engine that waits for its next sample
            yield None
        yield from others

    for answer in engine.generate(supply()):
        answered.append(answer.id)
    assert answered[0] == first.id
    assert set(answered) == {first.id, *(sample.id for sample in others)}


@pytest.mark.model
def test_an_answer_can_never_be_cut_short_by_the_window(engine: VllmBackend) -> None:
    window = engine.describe()["max_model_len"]
    fits, too_long = sample_of([5] * (window - 24), "fits"), sample_of([5] * (window - 23), "too long")
    with pytest.raises(BackendError, match="Sample too long has .* more than the engine's window of 2,324"):
        list(engine.generate([too_long]))
    [answer] = engine.generate([fits])
    assert (answer.prompt_tokens, answer.error) == (window - 24, "")


@pytest.mark.model
def test_a_refused_prompt_is_an_error_of_its_own(engine: VllmBackend) -> None:
    samples = [sample_of([], "empty"), sample_of([10**7] * 5, "no such token"), sample_of([5] * 20, "right")]
    answers = {answer.id: answer for answer in engine.generate(samples)}
    assert [bool(answers[name].error) for name in ("empty", "no such token", "right")] == [True, True, False]


@pytest.mark.model
def test_an_abandoned_run_leaves_nothing_behind(engine: VllmBackend, smollm2: Path) -> None:
    responses = engine.generate(prompt_samples(smollm2, 600))
    next(responses)
    responses.close()
    assert not engine._llm.llm_engine.has_unfinished_requests()
    [answer] = engine.generate([sample_of([5] * 20)])
    assert answer.error == ""


@pytest.mark.model
def test_what_an_engine_is_goes_into_a_manifest(engine: VllmBackend, smollm2: Path) -> None:
    about = engine.describe()
    assert json.loads(json.dumps(about)) == about
    assert (about["max_model_len"], about["prefix_caching"], about["yarn_in_effect"]) == (2324, True, False)
    assert about["kv_cache_tokens"] >= 2324
    [rotary] = about["rotary"]
    assert (rotary["class"], rotary["rows"], rotary["layers"]) == ("RotaryEmbedding", 8192, 30)


@pytest.mark.model
def test_an_unknown_engine_argument_is_refused_before_anything_loads() -> None:
    plan = plan_window(SMOLLM2, 2000, 24)

    def start(**arguments: object) -> None:
        VllmBackend("/nowhere", plan=plan, sampling=Sampling(max_tokens=24), engine_args=arguments)

    with pytest.raises(UsageError, match="Unknown engine argument 'max_num_seq'. Did you mean .*max_num_seqs"):
        start(max_num_seq=4)
    with pytest.raises(UsageError, match="'model' is given by --model"):
        start(model="other")
    with pytest.raises(UsageError, match="max_model_len is 1,024; the longest prompt and its output need 2,024"):
        start(max_model_len=1024)
    with pytest.raises(BackendError, match="vLLM failed to start /nowhere"):
        start()


@pytest.mark.model
def test_nan_shows_as_an_error(engine: VllmBackend) -> None:
    """Last with this engine: its weights are spoilt."""
    engine._llm.apply_model(spoil)
    [answer] = engine.generate([sample_of([5] * 300)])
    assert answer.error.startswith("NaN in the logits")


def spoil(model: Any) -> None:
    model.model.norm.weight.data.fill_(float("nan"))


STRETCH = """
import json, sys
from dataclasses import asdict
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[2])))
import test_vllm as here
from longctx.backends.vllm import VllmBackend
from longctx.errors import BackendError
from longctx.types import Sampling
from longctx.yarn import plan_window

model = Path(sys.argv[1])
config = here.config_of(model)
plan = plan_window(config, 12_300, 24, "auto")
lost = {"rope_parameters": {key: value for key, value in plan.hf_overrides["rope_parameters"].items()
                            if key != "rope_theta"}}
try:
    VllmBackend(str(model), config=config, plan=plan, sampling=Sampling(max_tokens=24),
                engine_args={"hf_overrides": lost, "load_format": "dummy"})
    refused = ""
except BackendError as error:
    refused = str(error)
backend = VllmBackend(str(model), config=config, plan=plan, sampling=Sampling(max_tokens=24))
answers = list(backend.generate(here.prompt_samples(model, 12_000)))
print(json.dumps({"refused": refused, "about": backend.describe(), "answers": [asdict(answer) for answer in answers]}))
"""


@pytest.mark.model
def test_yarn_is_in_effect_beyond_the_native_window(smollm2: Path) -> None:
    """In a process of its own: two engines one after the other, nothing but one JSON document on stdout."""
    child = subprocess.run(
        [sys.executable, "-c", STRETCH, str(smollm2), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    said = json.loads(child.stdout)
    # vLLM replaces rope_parameters whole and falls back to a theta of 10,000: without an error of its own.
    assert "theta 10000" in said["refused"], said["refused"]
    [rotary] = said["about"]["rotary"]
    assert rotary["class"] == "YaRNScalingRotaryEmbedding"
    assert (rotary["rows"], rotary["theta"], rotary["factor"], rotary["layers"]) == (16384, 100000.0, 2.0, 30)
    assert rotary["stretch"] == pytest.approx(2.0, rel=0.01)
    assert said["about"]["yarn_in_effect"] is True
    for answer in said["answers"]:
        assert answer["error"] == ""
        assert answer["prompt_tokens"] > 11_500
        assert answer["text"].strip()
    assert sum(answer["cached_tokens"] > 11_000 for answer in said["answers"]) == 4
    assert any(NUMBERS[FILES.index(answer["id"])] in answer["text"] for answer in said["answers"])
