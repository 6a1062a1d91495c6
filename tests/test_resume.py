from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toy

KILLS = 20
SAMPLES = 30  # 300 cells: 2 lengths × 5 depths; far more than are answered between kills
ANSWER_S = 0.02


def start(folder: Path, delay_s: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, toy.__file__, str(folder), str(SAMPLES), str(delay_s)]
    env = os.environ | {"PYTHONPATH": str(Path(toy.__file__).parents[1])}
    return subprocess.Popen(command, stderr=subprocess.PIPE, env=env)


def end(process: subprocess.Popen[bytes]) -> str:
    """What it said on stderr; fails unless it ended well."""
    _, said = process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


def answers(folder: Path) -> dict[str, tuple[str, float, str]]:
    lines = (folder / "records.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert len({record["id"] for record in records}) == len(records), "a sample was asked twice"
    return {record["id"]: (record["output_text"], record["score"], record["outcome"]) for record in records}


def wait_for_records(folder: Path, size: int, process: subprocess.Popen[bytes]) -> None:
    records = folder / "records.jsonl"
    while process.poll() is None and (not records.exists() or records.stat().st_size <= size):
        time.sleep(0.002)


@pytest.mark.slow
def test_killed_at_random_moments_a_run_ends_with_the_same_records(tmp_path: Path) -> None:
    rng = random.Random(20)
    killed = tmp_path / "killed"
    records = killed / "records.jsonl"
    grew = 0
    for kill in range(KILLS):
        before = records.stat().st_size if records.exists() else 0
        process = start(killed, ANSWER_S)
        if kill % 4:  # most kills hit a run that is answering, the others may hit it while it starts
            wait_for_records(killed, before, process)
        time.sleep(rng.uniform(0, 3 * ANSWER_S))
        assert process.poll() is None, f"ended on its own before kill {kill}: {process.communicate()[1].decode()}"
        process.kill()
        assert process.communicate()[1] == b""
        grew += records.exists() and records.stat().st_size > before
        if kill % 5 == 0 and records.exists():  # a kill inside write() cannot be timed: leave half a line behind
            with records.open("ab") as file:
                file.write(b'{"id": "half a li')
    assert grew >= KILLS // 2
    whole = tmp_path / "whole"
    assert end(start(killed, 0)) == end(start(whole, 0)) == ""
    assert answers(killed) == answers(whole)
    assert len(answers(whole)) == len(toy.sweep(samples=SAMPLES).cells())
    sessions = json.loads((killed / "manifest.json").read_text())["sessions"]
    assert len(sessions) > KILLS // 2


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    first = start(tmp_path, 0.05)
    wait_for_records(tmp_path, 0, first)
    second = start(tmp_path, 0)
    message = second.communicate()[1].decode()
    assert second.returncode == 1 and f"another process (pid {first.pid})" in message
    first.kill()
    first.communicate()
    assert end(start(tmp_path, 0)) == ""
