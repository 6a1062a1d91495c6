"""What servers were seen to do: llama.cpp (2026-10), llama-cpp-python 0.3.36, transformers 5.24, LiteLLM 1.108."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pandas as pd
import pytest
from factories import make_run
from fault_server import FaultServer
from test_openai import always, answers, samples, start

from longctx import findings, table
from longctx.backends.openai_errors import failure_of
from longctx.errors import BackendError, ContractError

LLAMA_CPP = {
    "id": "/models/SmolLM2-135M-Instruct.Q4_1.gguf", "object": "model", "owned_by": "llamacpp",
    "meta": {"vocab_type": 2, "n_vocab": 49152, "n_ctx": 4096, "n_ctx_train": 8192, "ftype": "Q4_1"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (400, {"error": {"code": 400, "message": "request (5000 tokens) exceeds the available context size (4096 "
               "tokens), try increasing it", "type": "exceed_context_size_error", "n_ctx": 4096}}, "context"),
        (400, {"error": {"message": "This model's maximum context length is 2048 tokens. However, you requested 18018 "
               "tokens", "type": "invalid_request_error", "code": "context_length_exceeded"}}, "context"),
        (400, {"detail": "prompt must be a string."}, "request"),
        (400, {"message": "The input (5000 tokens) is longer than the model's context length (4096)."}, "context"),
        (400, {"error": {"message": "The input token count (1200000) exceeds the maximum number of tokens allowed "
               "(1048576)."}}, "context"),
        (422, {"error": "Input validation error: `inputs` must have less than 4095 tokens. Given: 5000"}, "context"),
        (422, {"detail": [{"type": "int_parsing", "loc": ["body", "seed"]}]}, "request"),
    ],
)  # fmt: skip
def test_what_servers_say_has_its_kind(status: int, said: dict[str, Any], kind: str) -> None:
    response = httpx.Response(status, json=said, request=httpx.Request("POST", "http://h/v1"))
    error = openai.APIStatusError("…", response=response, body=said.get("error", said))
    assert failure_of(error, False).kind == kind


def test_a_server_that_fails_over_ids_is_sent_messages() -> None:
    with FaultServer(fails_over_ids=True) as server:
        responses = answers(server, samples(3), api="auto")
        assert not any(response.error for response in responses) and all("messages" in body for body in server.bodies)


@pytest.mark.parametrize("fault", ["empty_stream", "finished_without_a_token"])
def test_a_refusal_that_is_an_empty_stream_is_asked_for_its_reason(fault: str) -> None:
    with FaultServer(always(fault)) as server:
        [response] = answers(server, samples(), api="chat")
        assert (response.error_kind, response.attempts) == ("context", 1) and "maximum context length" in response.error
        assert [body["stream"] for body in server.bodies] == [True, False]
        assert "stream_options" not in server.bodies[1]


def test_all_calls_under_way_learn_what_one_finds_out() -> None:
    with FaultServer(always("takes_no_stream_options"), late_s=0.02) as server:
        responses = answers(server, samples(8), api="chat", concurrency=8)
        assert [response.error for response in responses] == [""] * 8
        assert sum("stream_options" in body for body in server.bodies) > 1, "several were sent at once"


def test_a_field_that_the_server_does_not_take_is_named_with_what_helps() -> None:
    with FaultServer(always("takes_no_temperature")) as server:
        [response] = answers(server, samples(1), api="chat")
        assert response.error_kind == "request" and "--engine-arg 'omit=[\"temperature\"]'" in response.error
        [response] = answers(server, samples(1), api="chat", omit=["temperature"])
        assert response.error == ""


def test_no_part_of_the_key_is_left_where_a_message_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    with FaultServer(always("repeats_the_key")) as server:
        [response] = answers(server, samples(1), api="chat")
    assert response.error_kind == "request" and "sk-" not in response.error


def test_an_error_that_comes_as_an_answer_keeps_its_words() -> None:
    with FaultServer(always("error_with_200")) as server:
        [response] = answers(server, samples(1), api="chat", attempts=2)
    assert (response.error_kind, response.attempts) == ("server", 2) and "Provider returned error" in response.error


def test_events_without_data_are_passed_over() -> None:
    with FaultServer(always("events_without_data")) as server:
        assert [(one.error, one.attempts) for one in answers(server, samples(2), api="chat")] == [("", 1)] * 2


def test_a_server_that_drops_an_answer_when_the_next_call_comes_is_asked_one_at_a_time() -> None:
    def interrupted(server: FaultServer, number: int, prompt: str) -> str:
        return "broken_off" if server._now > 1 else ""

    with FaultServer(interrupted, late_s=0.01) as server:
        responses = answers(server, samples(40), api="chat", attempts=200)
        assert not any(response.error for response in responses)
        assert server.faults["broken_off"] < 2 * len(responses), "each new try of more at once costs one"


def test_a_tokenizer_that_reads_another_field_is_asked_in_it() -> None:
    with FaultServer(first_id=1, tokenized="content") as server:
        with pytest.raises(ContractError, match="gives other ids"):
            answers(server, samples())
        assert not server.calls
    for field in ("content", "neither"):
        with FaultServer(tokenized=field) as server:
            assert not answers(server, samples())[0].error


def test_the_context_of_a_llama_cpp_slot_is_its_window_whatever_the_model_is_called() -> None:
    with FaultServer(models=[LLAMA_CPP]) as server:
        start(server.url, "any name", length=4096)
        with pytest.raises(BackendError, match=r"holds 4,096 tokens \(n_ctx\).*need 4,097\. llama\.cpp divides"):
            start(server.url, "any name", length=4097)
    with FaultServer(models=[LLAMA_CPP | {"owned_by": "me"}]) as server:
        start(server.url, "any name", length=4097)


def test_a_name_that_the_server_does_not_know_is_found_out_before_a_sample_is_asked() -> None:
    with FaultServer(models=[{"id": "toy", "owned_by": "openai"}, {"id": "tall", "owned_by": "openai"}]) as server:
        assert not answers(server, samples(), api="auto")[0].error
        with pytest.raises(BackendError, match=r"Invalid model name.*model=tay\..* It lists toy, tall\."):
            start(server.url, "tay", api="auto")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame, ""),
        (lambda frame: frame.assign(prompt_tokens=pd.NA), "counted no prompt tokens.*--canaries"),
        (lambda frame: frame.assign(prompt_tokens=pd.NA, canaries="both"), "counted no prompt tokens.*stream=false"),
    ],
)
def test_the_report_warns_of_prompts_that_nobody_counted(
    change: Callable[[pd.DataFrame], pd.DataFrame], said: str, tmp_path: Any
) -> None:
    frame = change(table.load(make_run(tmp_path / "run")).assign(backend="openai"))
    warned = [line for line in findings.cautions(frame, {}, {}) if "counted no prompt tokens" in line]
    assert bool(warned) == bool(said)
    if said:
        assert re.search(said, warned[0]) and ("--canaries" in warned[0]) == ("canaries" in said)
