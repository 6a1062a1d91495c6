from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fault_server import FaultServer

from longctx import serving
from longctx.cli import serve
from longctx.cli.serve import command
from longctx.errors import BackendError, LongctxError, UsageError
from longctx.serving import Running, server_command
from longctx.yarn import plan_window

CONFIG = {"model_type": "llama", "max_position_embeddings": 8192, "rope_theta": 100_000.0}

SERVER = """
import http.server, os, subprocess, sys, time
stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", stubborn])
open(sys.argv[2], "w").write(str(child.pid))
time.sleep(0.3)
print("ValueError: no such thing", flush=True)
if len(sys.argv) > 3:
    sys.exit(3)
class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Healthy).serve_forever()
"""
"""Stands in for vLLM: it starts a process of its own that does not end when it is asked to."""


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] not in "ZX"
    except OSError:
        return False


def running(tmp_path: Path, *further: str) -> Running:
    port = free_port()
    words = [sys.executable, "-c", SERVER, str(port), str(tmp_path / "child"), *further]
    return Running(words, "127.0.0.1", port, tmp_path / "log")


@pytest.mark.slow
def test_a_server_is_waited_for_and_ended_with_all_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_ENDING_S", 0.5)
    with running(tmp_path) as server:
        server.wait_until_it_answers(30)
        child = int((tmp_path / "child").read_text())
        assert alive(server.process.pid) and alive(child)
    assert not alive(server.process.pid) and not alive(child)
    server.end()


def test_a_server_that_ends_is_quoted_and_its_rest_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_ENDING_S", 0.5)
    with (
        pytest.raises(BackendError, match=r"ended with code 3: ValueError: no such thing \(all of it: "),
        running(tmp_path, "fail") as server,
    ):
        server.wait_until_it_answers(30)
    assert not alive(int((tmp_path / "child").read_text()))


@pytest.mark.slow
def test_waiting_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_ENDING_S", 0.5)
    monkeypatch.setattr(serving, "_healthy", lambda root: False)
    with pytest.raises(BackendError, match=r"did not answer within 0\.1 s"), running(tmp_path) as server:
        server.wait_until_it_answers(0.1)
    with pytest.raises(BackendError, match="cannot be started: No such file"):
        Running(["/no/such/program"], "127.0.0.1", 1, tmp_path / "log")


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_the_command_leaves_no_process(tmp_path: Path, how: signal.Signals) -> None:
    code = f"""
import sys
from pathlib import Path
import longctx.serving as serving, longctx.models, longctx.yarn
serving._ENDING_S = 0.5
words = [sys.executable, "-c", {SERVER!r}]
serving.server_command = lambda *_, port, **__: [*words, str(port), {str(tmp_path / "child")!r}]
sys.argv = ["longctx", "serve", {str(tmp_path / "model")!r}, "--length", "1K", "--port", "0", "--json"]
from longctx.cli import main
main()
"""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer.json").write_text("{}")
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    about = json.loads(process.stdout.readline())
    assert about["max_model_len"] == 1024 + 64 and about["base_url"].endswith("/v1") and alive(about["pid"])
    process.send_signal(how)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    deadline = time.monotonic() + 5
    pids = [about["pid"], int((tmp_path / "child").read_text())]
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, pids))
    assert shlex.join(about["command"]) in err


@pytest.mark.slow
def test_a_server_that_takes_long_is_heard_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serving, "_ENDING_S", 0.5)
    monkeypatch.setattr(serve, "_EVERY_S", 0.0)
    with running(tmp_path) as server:
        server.wait_until_it_answers(30, serve.SignsOfLife(server).look)
        time.sleep(0.1)
        assert server.last_line() == "ValueError: no such thing"
    assert "longctx: still starting after 0 s" in capsys.readouterr().err


def flags(words: list[str]) -> dict[str, Any]:
    pairs = {}
    for word, following in zip(words, [*words[1:], "--"], strict=True):
        if word.startswith("--"):
            pairs[word] = True if following.startswith("--") else following
    return pairs


@pytest.mark.slow
def test_the_command_has_window_and_yarn() -> None:
    pytest.importorskip("vllm")
    plan = plan_window(CONFIG, 12_288, 64, "auto")
    words = server_command("/m", "mine", plan, CONFIG, host="h", port=1, engine_args={"max_num_seqs": 2})
    given = flags(words)
    assert given["--max-model-len"] == "12352" and given["--max-num-seqs"] == "2"
    assert given["--served-model-name"] == "mine" and given["--port"] == "1"
    rope = json.loads(given["--hf-overrides"])["rope_parameters"]
    assert (rope["factor"], rope["rope_theta"]) == (2.0, 100_000.0)
    assert given["--enable-prompt-tokens-details"] is True
    with pytest.raises(UsageError, match="Unknown engine argument"):
        server_command("/m", "mine", plan, CONFIG, host="h", port=1, engine_args={"no_such": 2})
    short = plan_window(CONFIG, 1024, 64, "off")
    assert "--hf-overrides" not in server_command("/m", "m", short, CONFIG, host="h", port=1, engine_args={})


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(command, list(arguments))


def test_a_server_that_runs_is_looked_at() -> None:
    with FaultServer(max_model_len=1100) as server:
        shown = invoke("toy", "--length", "1000", "--attach", server.url)
        assert shown.exit_code == 0 and "its window is 1,100 tokens, it takes token ids" in shown.stdout
        assert f"--base-url {server.url} --model toy" in shown.stdout
        found = json.loads(invoke("toy", "--length", "1000", "--attach", server.url, "--json").stdout)
        assert found["max_model_len"] == 1100
        for arguments, message in (
            (["toy", "--length", "2K"], "holds 1,100"),
            (["tay", "--length", "1"], "serves toy"),
        ):
            refused = invoke(*arguments, "--attach", server.url)
            assert isinstance(refused.exception, LongctxError) and message in str(refused.exception)
        assert not server.calls


def test_an_address_without_its_end_is_said() -> None:
    with FaultServer() as server:
        refused = invoke("toy", "--length", "1K", "--attach", server.url.removesuffix("/v1"))
        assert f"{server.url.removesuffix('/v1')} is not the address of an OpenAI API; {server.url} is" in str(
            refused.exception
        )
        refused = invoke("toy", "--length", "1K", "--attach", f"{server.url}/elsewhere")
        assert "cannot be used: HTTP 404: no such path" in str(refused.exception)


@pytest.mark.parametrize(("models", "lists"), [([], "no models"), ([{"id": "other.gguf"}], "other.gguf")])
def test_a_server_that_lists_not_the_name_but_answers_to_it_is_taken(models: list[dict[str, str]], lists: str) -> None:
    with FaultServer(models=models) as server:
        shown = invoke("toy", "--length", "1K", "--attach", server.url)
    assert shown.exit_code == 0 and f"lists {lists} and answers to toy" in shown.stdout


def test_a_key_is_looked_for_where_it_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "right")
    with FaultServer(key="right") as server:
        shown = invoke("toy", "--length", "1K", "--attach", server.url, "--api-key-env", "MY_KEY")
        assert shown.exit_code == 0 and "serves toy" in shown.stdout
        refused = invoke("toy", "--length", "1K", "--attach", server.url)
    assert "HTTP 401" in str(refused.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--attach", "http://h/v1", "--port", "9"], "--port has no effect here: with --attach nothing is started"),
        (["--attach", "http://h/v1", "--engine-arg", "dtype=float32"], "--engine-arg has no effect here"),
        (["--attach", "http://h/v1", "--yarn", "2"], "--yarn has no effect here"),
        (["--api-key-env", "MY_KEY"], "--api-key-env has no effect here: it goes with --attach"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(arguments: list[str], message: str) -> None:
    refused = invoke("toy", "--length", "1K", *arguments)
    assert isinstance(refused.exception, UsageError) and message in str(refused.exception)


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "tokenizer.json").write_text("{}")
    with FaultServer() as server:
        refused = invoke(str(tmp_path), "--length", "1K", "--port", str(server.port))
    assert isinstance(refused.exception, UsageError) and "--port 0" in str(refused.exception)
