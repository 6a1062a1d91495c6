from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import toy

from longctx import cli
from longctx.backends.doubles import Oracle

ASK = ["--backend", "oracle", "--corpus", "docs", "--length", "200,400"]


class World:
    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of ``longctx run``."""
        self.monkeypatch.setattr(sys, "argv", ["longctx", "run", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = self.capsys.readouterr()
        code = ended.value.code
        return (code if isinstance(code, int) else 0), said.out, said.err


@pytest.fixture
def longctx(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    import longctx.run

    monkeypatch.chdir(tmp_path)
    for name in ("Builder", "cells_of", "pick_tasks", "score"):
        monkeypatch.setattr(longctx.run, name, getattr(longctx.run, name))  # puts back what the next line changes
    toy.move_in()
    return World(capsys, monkeypatch)


def test_a_run_ends_with_heatmap_records_and_what_to_type_next(longctx: World) -> None:
    code, out, err = longctx(*ASK)
    assert code == 0
    assert "10 samples asked." in out and "ORACLE" in out
    assert "Records: runs/niah_single-docs-oracle/records.jsonl" in out
    assert "longctx report runs/niah_single-docs-oracle" in out
    assert "10/10 samples" in err and "accuracy 1.00" in err
    assert len(Path("runs/niah_single-docs-oracle/records.jsonl").read_text().splitlines()) == 10


def test_the_same_command_again_has_nothing_to_do_and_builds_nothing(
    longctx: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    longctx(*ASK, "--out", "again")
    monkeypatch.setattr(toy, "build", None)
    monkeypatch.setattr(Oracle, "generate", None)
    code, out, err = longctx(*ASK, "--out", "again")
    assert code == 0 and "Nothing to do: every sample is answered." in out and err == ""


def test_json_is_one_document_on_stdout(longctx: World) -> None:
    code, out, _ = longctx(*ASK, "--out", "r", "--json")
    assert code == 0
    assert json.loads(out) == {
        "run": "r",
        "records": "r/records.jsonl",
        "samples": 10,
        "answered": 10,
        "failed": 0,
        "asked": 10,
        "accuracy": 1.0,
    }
    assert json.loads(longctx(*ASK, "--out", "r", "--json")[1])["asked"] == 0


def test_a_dry_run_says_what_would_be_asked_and_records_nothing(longctx: World, tmp_path: Path) -> None:
    code, out, err = longctx(*ASK, "--samples", "2", "--dry-run", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["plan"]["samples"] == 20 and found["plan"]["longest"] == 400
    assert found["plan"]["prompt_tokens"] == 10 * 200 + 10 * 400 >= found["plan"]["computed_at_best"]
    assert [timed["length"] for timed in found["estimate"]["timed"]] == [200, 400]
    assert 0 <= found["estimate"]["seconds"] < 60
    assert list(tmp_path.iterdir()) == []
    code, out, err = longctx(*ASK, "--dry-run")
    assert code == 0 and "Prompt tokens:  3,000" in out and "estimated from 200 tokens in" in out


def test_what_a_run_costs_at_most_trusts_no_cache(longctx: World) -> None:
    Path("prices.toml").write_text('currency = "EUR"\ninput = 2.0\noutput = 10\ncached_input = 0.5\n')
    command = (*ASK, "--max-tokens", "7", "--dry-run", "--prices", "prices.toml")
    found = json.loads(longctx(*command, "--json")[1])
    prompts, computed = found["plan"]["prompt_tokens"], found["plan"]["computed_at_best"]
    assert found["estimate"]["money"] == pytest.approx((2 * prompts + 10 * 10 * 7) / 1e6, abs=1e-4)
    cached = 2 * computed + 0.5 * (prompts - computed) + 10 * 10 * 7
    assert found["estimate"]["money_cached"] == pytest.approx(cached / 1e6, abs=1e-4)
    assert "Money:          at most 0.01 EUR, 0.01 where the cache finds" in longctx(*command)[1]


def test_flags_override_the_sweep_and_the_folder_is_named_after_it(longctx: World) -> None:
    Path("mine.toml").write_text('corpora = ["docs"]\nlengths = ["1K"]\nbackend = "vllm"\n[sampling]\nmax_tokens = 9\n')
    flags = "--backend lossy --length 200 --depth 0,1 --temperature 0.5 --engine-arg midpoint=150 --stop x --seed 4"
    code, _, _ = longctx("mine.toml", *flags.split(), "--density", "1", "--variant", "tier=a,2")
    assert code == 0
    text = Path("runs/mine/sweep.toml").read_text()
    for line in ('backend = "lossy"', "max_tokens = 9", "temperature = 0.5", "seed = 4", "midpoint = 150"):
        assert line in text, text
    assert tomllib.loads(text)["lengths"] == [200] and tomllib.loads(text)["variant"] == {"tier": ["a", 2]}
    assert len(Path("runs/mine/records.jsonl").read_text().splitlines()) == 4


def test_failed_calls_end_with_a_reason_and_the_command_that_asks_them_again(
    longctx: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Oracle, "generate", lambda _, samples: toy.Toy(fails_once).generate(samples))
        code, _, err = longctx(*ASK, "--out", "a run")
    assert code == 1
    assert "1 of 10 calls failed (one of them: HTTP 503␛[31m␊)" in err
    assert "longctx run 'a run/sweep.toml' --out 'a run'" in err
    assert longctx("a run/sweep.toml", "--out", "a run")[0] == 0


def fails_once(sample: Any) -> Any:
    metadata = sample.metadata
    failed = metadata["length"] == 200 and metadata["depth"] == 0
    return toy.Response(sample.id, error="HTTP 503\x1b[31m\n" if failed else "", text="?")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dmeo"], "Unknown preset 'dmeo'. Did you mean 'demo'"),
        ([], "names no corpora; .* --corpus"),
        (["--corpus", "docs"], "names no lengths; .* --length"),
        ([*ASK, "--backend", "orakle"], "Did you mean 'oracle'"),
        ([*ASK, "--depth", "2"], "possible are numbers from 0 to 1"),
        ([*ASK, "--depth", ""], "depths is an empty list"),
        ([*ASK, "--length", "many"], "'many' is not a number"),
        ([*ASK, "--engine-arg", "midpoint"], "--engine-arg 'midpoint' has not the form NAME=VALUE"),
        ([*ASK, "--engine-arg", "=1"], "has not the form NAME=VALUE"),
        ([*ASK, "--engine-arg", "a=null"], "engine.a is None"),
        ([*ASK, "--questions-per-haystack", "9"], "possible are 1 to 5"),
        ([*ASK, "--generators", "nowhere"], "does not exist"),
        ([*ASK, "--samples", "x"], "not a valid integer"),
        ([*ASK, "--lenght", "9"], "No such option"),
    ],
)
def test_wrong_usage_exits_with_2_before_anything_is_written(
    longctx: World, tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, out, err = longctx(*arguments)
    assert code == 2 and out == ""
    assert re.search(message, err), err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_fit_exits_with_1(longctx: World) -> None:
    longctx(*ASK, "--out", "r")
    code, _, err = longctx(*ASK, "--out", "r", "--samples", "2")
    assert code == 1 and err == (
        "longctx: r holds another sweep (samples: 1 → 2). "
        "Continue it as it was begun, or choose another folder with --out.\n"
    )


def test_the_command_loads_nothing_heavy_before_it_is_needed() -> None:
    heavy = "{'torch', 'transformers', 'vllm', 'pandas', 'scipy', 'matplotlib', 'rich'}"
    code = f"import sys, longctx.cli.run; print(sorted({heavy} & set(sys.modules)))"
    env = os.environ | {"PYTHONPATH": str(Path(toy.__file__).parents[1])}
    assert subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True).stdout == "[]\n"


def test_help_has_an_example(longctx: World) -> None:
    code, out, _ = longctx("--help")
    assert code == 0 and "longctx run demo" in out


@pytest.mark.parametrize("how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, how: signal.Signals) -> None:
    env = os.environ | {"PYTHONPATH": str(Path(toy.__file__).parents[1])}
    command = [sys.executable, toy.__file__, "longctx"]
    process = subprocess.Popen(
        [*command, "run", *ASK, "--engine-arg", "delay_s=0.02", "--samples", "4", "--out", "my run"],
        cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    records = tmp_path / "my run" / "records.jsonl"
    while process.poll() is None and not (records.exists() and records.stat().st_size):
        time.sleep(0.005)
    process.send_signal(how)
    out, err = process.communicate()
    assert process.returncode == 130, err.decode()
    assert out == b""
    done = len(records.read_text().splitlines())
    last = err.decode().splitlines()[-1]
    assert f"interrupted; {done} of 40 samples are answered and kept. To go on: longctx run" in last
    to_type = shlex.split(last.partition("To go on: ")[2])
    ended = subprocess.run([*command, *to_type[1:], "--json"], cwd=tmp_path, env=env, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    assert len(records.read_text().splitlines()) == 40
