from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from factories import ERROR, RIGHT, WRONG, make_run

from longctx import textmap, watch
from longctx.cli import group
from longctx.errors import RunError


def grow(run: Path, lines: list[str], upto: int) -> None:
    (run / "records.jsonl").write_text("".join(lines[:upto]))


def test_it_follows_a_growing_run_until_it_is_complete(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [1024, 2048], [0.0, 1.0], 3, planned=12)
    lines = (run / "records.jsonl").read_text().splitlines(keepends=True)
    grow(run, lines, 4)
    seen: list[watch.State] = []
    steps = iter([6, 9, 12])
    state = watch.follow(run, seen.append, 0.0, lambda seconds: grow(run, lines, next(steps)))
    assert [state.asked for state in seen] == [4, 6, 9, 12]
    assert [one.complete for one in seen] == [False, False, False, True]
    assert state.line() == "12/12 samples · accuracy 1.00 · complete"
    assert seen[0].line().startswith("4/12 samples · accuracy 1.00 · last record ")


def test_half_a_line_is_waited_for_and_no_record_is_no_fault(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [1024], [0.5], 2)
    text = (run / "records.jsonl").read_text()
    (run / "records.jsonl").write_text(text[:-40])
    assert watch.look(run).asked == 1
    (run / "records.jsonl").write_text(text[:40])
    assert watch.look(run).line().startswith("no record yet")
    (run / "records.jsonl").unlink()
    (run / "sweep.toml").touch()
    assert watch.look(run).frame is None
    with pytest.raises(RunError, match="No run at"):
        watch.look(tmp_path / "nowhere")


def test_failed_calls_may_still_be_asked_again_by_the_process_that_holds_the_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [1024], [0.5], 2, lambda n, d, i: ERROR if i else RIGHT)
    (run / ".lock").write_text(f"{os.getpid()}\n")
    assert not watch.look(run).complete
    (run / ".lock").write_text("999999999\n")
    state = watch.look(run)
    assert state.complete
    assert "1 failed · complete" in state.line()
    unfinished = make_run(tmp_path / "unfinished", [1024], [0.5], 2, planned=9)
    (unfinished / ".lock").write_text("999999999\n")
    assert "no process of this machine writes it" in watch.look(unfinished).line()


def test_many_maps_become_one_where_the_terminal_is_low(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [1024], [0.0, 1.0], 2, tasks=["a", "b", "c"])
    state = watch.look(run)
    assert watch.picture(state, 80).count("depth ") == 3
    low = watch.picture(state, 80, 15)
    assert low.count("depth ") == 1
    assert "a, b, c" in low
    assert low.count("\n") < 15


@pytest.mark.parametrize("height", [5, 7, 10])
def test_on_the_lowest_terminal_one_still_sees_where_the_run_stands(tmp_path: Path, height: int) -> None:
    frame = watch.look(make_run(tmp_path / "run", [1024, 2048], [0.0, 0.25, 0.5, 0.75, 1.0], 2)).frame
    going = watch.State(frame, 40, True, 1.0)
    shown = watch.picture(going, 40, height)
    assert "20/40 samples" in shown and shown.count("\n") < height
    ended = watch.picture(watch.State(frame, 20, False, 1.0), 40, height)
    assert "all depths" in ended and "complete" in ended, "what stays on the screen is whole"


def test_colours_wrap_cells_and_nothing_else(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [1024, 2048], [0.0, 1.0], 2, lambda n, d, i: RIGHT if n == 1024 else WRONG)
    state = watch.look(run)
    plain, coloured = (watch.picture(state, 80, colour=colour) for colour in (False, True))
    stripped = coloured
    for code in textmap._COLOURS:
        stripped = stripped.replace(f"\x1b[{code}m", "")
    assert "\x1b[0m" in coloured and "\x1b" not in plain
    assert [line.rstrip() for line in stripped.replace("\x1b[0m", "").split("\n")] == plain.split("\n")


def test_without_a_terminal_every_change_is_printed_once(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [1024], [0.5], 4)
    out = io.StringIO()
    watch.as_lines(run, out, 0.0)
    assert out.getvalue().count("depth ") == 1
    assert "complete" in out.getvalue()


def test_once_for_scripts(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [1024], [0.5], 4, planned=9)
    done = CliRunner().invoke(group, ["watch", str(run), "--once"], catch_exceptions=False)
    assert "4/9 samples" in done.output and "\x1b" not in done.output
    found = json.loads(CliRunner().invoke(group, ["watch", str(run), "--json"], catch_exceptions=False).output)
    assert (found["asked"], found["planned"], found["complete"], found["accuracy"]) == (4, 9, False, 1.0)


@pytest.mark.slow
def test_ctrl_c_ends_it_with_130_on_a_terminal(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [1024], [0.5], 4, planned=9)
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "longctx", "watch", str(run)]
    if not (Path(watch.__file__).parent / "__main__.py").exists():
        command[1:3] = ["-c", "from longctx.cli import main; main()"]
    process = subprocess.Popen(
        command, stdin=child, stdout=child, stderr=subprocess.PIPE, env={**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    )
    os.close(child)
    seen = b""
    until = time.monotonic() + 60
    while b"4/9 samples" not in seen and time.monotonic() < until:
        seen += os.read(parent, 4096)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert b"48;5" not in seen, "NO_COLOR is obeyed"
    os.close(parent)
    assert process.stderr is not None
    process.stderr.close()
