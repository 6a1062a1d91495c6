from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from document_files import docx, paragraph, pdf, shown

from longctx.documents import pool
from longctx.documents.base import Limits, Reading
from longctx.documents.pool import Worker

EVIL = """
import os, re, sys, time
from longctx.documents import worker
real = worker.read_bytes
def read_bytes(data, name, limits):
    if name == "loop":
        while True: pass
    if name == "stubborn":
        while True:
            try: time.sleep(999)
            except BaseException: pass
    if name == "regex": re.match(r"(a|a)*$", "a" * 60 + "b")
    if name == "memory":
        hoard = []
        while True: hoard.append(bytearray(1 << 20))
    if name == "abort": os.abort()
    if name == "exit": os._exit(3)
    if name == "chatter": print("x" * 100_000, flush=True); os.write(1, b"noise")
    return real(data, name, limits)
worker.read_bytes = read_bytes
worker.main()
"""
COMMAND = (sys.executable, "-P", "-c", EVIL)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setattr(pool, "_GRACE_SECONDS", 0.5)
    evil = Worker(Limits(seconds=0.5), COMMAND)
    yield evil
    evil.stop()


@pytest.fixture
def patient() -> Iterator[Worker]:
    worker = Worker(Limits(seconds=60, memory_bytes=400 * 1024**2), COMMAND)
    yield worker
    worker.stop()


def fine(worker: Worker) -> bool:
    return worker.read(b"fine", "a.txt") == Reading("read", "", "text", "fine")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("loop", "took longer than the limit of 0.5 seconds"),
        ("stubborn", "took longer than the limit of 0.5 seconds"),
        ("regex", "took longer than the limit of 0.5 seconds"),
        ("abort", "its reader ended unexpectedly (SIGABRT)"),
        ("exit", "its reader ended unexpectedly (exit code 3)"),
    ],
)
def test_a_reader_that_runs_wild_costs_its_own_file_only(worker: Worker, name: str, reason: str) -> None:
    assert fine(worker)
    reading = worker.read(b"data", name)
    assert (reading.status, reading.reason, reading.lasting) == ("skipped", reason, False)
    assert fine(worker)


def test_a_reader_that_eats_memory_is_refused_more(patient: Worker) -> None:
    reading = patient.read(b"data", "memory")
    assert (reading.reason, reading.lasting) == ("needs more memory than the limit of 400 MiB", False)
    assert fine(patient)


def test_a_document_that_eats_memory_is_refused_more() -> None:
    """libxml2 takes more than 100 bytes for each of these paragraphs."""
    worker = Worker(Limits(memory_bytes=120 * 1024**2))
    try:
        reading = worker.read(docx("<w:p/>" * 1_500_000), "a.docx")
    finally:
        worker.stop()
    assert reading.reason == "needs more memory than the limit of 120 MiB"


def test_what_a_reader_prints_does_not_get_into_the_answer(worker: Worker) -> None:
    assert worker.read(b"text", "chatter").text == "text"
    assert fine(worker)


def test_one_process_reads_many_files_and_stops(patient: Worker) -> None:
    worker = patient
    assert fine(worker)
    process = worker._process
    assert process is not None
    for data, name in ((pdf(shown("x", 72, 700)), "a.pdf"), (docx(paragraph("x")), "a.docx"), (b"<p>x", "a.html")):
        assert worker.read(data, name).text == "x"
    assert worker._process is process
    worker.stop()
    worker.stop()
    assert process.returncode is not None
    assert worker.read(b"fine", "a.txt").reason == "interrupted"


def test_stop_ends_a_read_under_way(worker: Worker) -> None:
    assert fine(worker)
    threading.Timer(0.2, worker.stop).start()
    started = time.monotonic()
    assert worker.read(b"", "stubborn").status == "skipped"
    assert time.monotonic() - started < 1.5


def test_a_large_file_goes_through(patient: Worker) -> None:
    text = "a line of text\n" * 400_000
    assert patient.read(text.encode(), "a.txt").text == text


SCRIPT = """
import sys
from longctx.documents import Limits, pool, read_folder
pool.COMMAND = pool.Worker.__init__.__defaults__ = None
pool.Worker.__init__.__defaults__ = ({command!r},)
print("reading", flush=True)
documents, reports = read_folder({folder!r}, limits=Limits(seconds=60), workers=2)
print([(report.path, report.status) for report in reports])
"""


def run(folder: Path, command: tuple[str, ...], cwd: Path) -> subprocess.Popen[str]:
    """A script without a guard for multiprocessing, in a process group of its own."""
    script = SCRIPT.format(command=command, folder=str(folder))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", script],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


LOST = """
import os, signal, sys, time
from longctx.documents import worker
signal.signal(signal.SIGINT, signal.SIG_IGN)
worker.send(sys.stdout.buffer, {"ready": True}, b"")
worker.receive(sys.stdin.buffer)
time.sleep(float(sys.argv[1]))
os.write(1, b"to nobody")
"""


@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGINT, "999"), (signal.SIGKILL, "1.5")])
def test_neither_ctrl_c_nor_a_kill_leaves_orphans(tmp_path: Path, number: int, seconds: str) -> None:
    """Ctrl-C ends workers that hang for good; killed itself, the parent is missed when a worker wants to answer."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in ("one.html", "two.html"):
        (folder / name).write_text("<p>x")
    process = run(folder, (sys.executable, "-P", "-c", LOST, seconds), tmp_path)
    try:
        assert process.stdout and process.stdout.readline() == "reading\n"
        workers = _awaited(lambda: children(process.pid), lambda found: len(found) == 2)
        time.sleep(0.3)  # for them to have received their files
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.kill()
        process.wait(20)
        assert _awaited(lambda: [pid for pid in workers if _alive(pid)], lambda found: not found) == []
    finally:
        process.communicate()


def _awaited(look: Callable[[], list[int]], enough: Callable[[list[int]], bool]) -> list[int]:
    deadline = time.monotonic() + 20
    while not enough(found := look()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_modules_in_the_current_folder_are_not_taken_for_pythons_own(tmp_path: Path) -> None:
    for name in ("email", "html", "json", "docx", "pypdf", "lxml"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(pdf(shown("x", 72, 700)))
    (folder / "b.docx").write_bytes(docx(paragraph("x")))
    out, err = run(folder, pool.COMMAND, tmp_path).communicate(timeout=60)
    assert out.splitlines()[1:] == ["[('a.pdf', 'read'), ('b.docx', 'read')]"], err


def test_a_worker_imports_the_readers_only() -> None:
    code = (
        "import sys; from longctx.documents import worker; from longctx.documents.base import Limits;"
        "import longctx.documents.pdf_lines, longctx.documents.docx, longctx.documents.email;"
        "print(sorted({'numpy', 'torch', 'transformers', 'pandas', 'vllm', 'matplotlib'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
