"""The openai backend against a real vLLM server on the loopback device, beside the engine in this process."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from longctx.errors import BackendError
from longctx.models import read_config, resolve
from longctx.run import run
from longctx.serving import Running, server_command
from longctx.sweep import Sweep
from longctx.yarn import plan_window

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore")]  # of torch's and vLLM's parts about each other
EXACT = {"dtype": "float32", "max_num_seqs": 1}  # one at a time, so that no batch changes the last digits

WORDS = "the river town market road evening letter garden window season stone bridge quiet long small"


@pytest.fixture(scope="module")
def server(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    folder = resolve("smollm2-135m")
    config = read_config(folder)
    plan = plan_window(config, 512, 64)
    words = server_command(folder.path, folder.name, plan, config, host="127.0.0.1", port=port, engine_args=EXACT)
    with Running(words, "127.0.0.1", port, tmp_path_factory.mktemp("server") / "log") as running:
        running.wait_until_it_answers(600)
        yield running


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(7)
    words = WORDS.split()
    folder = tmp_path_factory.mktemp("documents") / "tales"
    folder.mkdir()
    sentences = [f"{' '.join(rng.choices(words, k=9)).capitalize()}." for _ in range(400)]
    (folder / "tale.txt").write_text("\n\n".join(" ".join(sentences[at : at + 5]) for at in range(0, 400, 5)))
    return folder


def records(documents: Path, out: Path, **fields: Any) -> dict[str, dict[str, Any]]:
    sweep = Sweep.from_fields(
        {"corpora": [str(documents)], "lengths": [384], "questions_per_haystack": 5, "model": "smollm2-135m"},
        {"sampling": {"max_tokens": 16}},
        fields,
    )
    assert run(sweep, out).failed == 0
    lines = (out / "records.jsonl").read_text().splitlines()
    return {record["id"]: record for record in map(json.loads, lines)}


def test_a_server_answers_as_the_engine_in_this_process(server: Running, documents: Path, tmp_path: Path) -> None:
    asked = {"base_url": server.url, "concurrency": 1}
    ids = records(documents, tmp_path / "ids", backend="openai", engine=asked)
    chat = records(documents, tmp_path / "chat", backend="openai", engine=asked | {"api": "chat"})
    here = records(documents, tmp_path / "here", backend="vllm", engine=EXACT)
    manifest = json.loads((tmp_path / "ids" / "manifest.json").read_text())
    assert manifest["backend"]["api"] == "completions"  # found out: vLLM takes ids
    assert ids.keys() == chat.keys() == here.keys() and len(ids) == 5
    for name, record in ids.items():
        assert record["prompt_tokens"] == record["length"] == chat[name]["prompt_tokens"]
        assert record["output_text"] == here[name]["output_text"] == chat[name]["output_text"]
        assert record["output_tokens"] == here[name]["output_tokens"]
        assert 0 < record["ttft_s"] <= record["total_s"]
    assert sum(record["cached_tokens"] for record in ids.values()) > 0
    assert [ids[name]["cached_tokens"] for name in ids] == [here[name]["cached_tokens"] for name in ids]


def test_a_prompt_beyond_the_servers_window_is_refused_before_it_is_sent(
    server: Running, documents: Path, tmp_path: Path
) -> None:
    with pytest.raises(BackendError, match=r"holds 576 tokens \(max_model_len\)"):
        records(documents, tmp_path / "r", backend="openai", lengths=[1024], engine={"base_url": server.url})
