"""How long a million records take to load and to summarise, and how much memory: the recorded run, many times over.

The records of a real run are repeated with ids, haystacks, questions, answers and scores of their own, once as they are
(its longest hold all needles of a haystack that is asked about several times) and once without the other questions'
needles. Each figure is of a process of its own: the first load finds nothing that was kept of the records, the second
what the first kept. Memory is the largest sum over the process and the workers it starts. The files are in the page
cache when they are read.

    python benchmarks/load_records.py [--records 1000000] [--run notebooks/data/base] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
LENGTHS, DEPTHS = [1024 << power for power in range(8)], [place / 39 for place in range(40)]
LOAD = """
from longctx import stats, table
frame = table.load({folder!r})
stats.cells(frame), stats.summary(frame)
print(f"{{len(frame):,}} rows of {{len(frame.columns)}} columns")
"""


def lines(run: Path, co_needles: bool, count: int) -> Iterator[bytes]:
    """Lines of `count` records."""
    rng = random.Random(0)
    forms = []
    for line in (run / "records.jsonl").read_text(encoding="utf-8").splitlines():
        record: dict[str, Any] = json.loads(line)
        if record["variant"].get("control"):
            continue
        texts = {name: f"{record[name]} #@{name}@" for name in ("question", "output_text")}
        numbers = {name: f"@{name}@" for name in ("length", "depth_asked", "depth", "seed", "score")}
        names = {name: f"@{name}@" for name in ("id", "cell", "haystack", "sha256", "outcome", "target")}
        record |= (
            texts | names | numbers | {"length_asked": "@length@", "co_needles": record["co_needles"] * co_needles}
        )
        form = json.dumps(record, ensure_ascii=False).replace("%", "%%") + "\n"
        for name in numbers:
            form = form.replace(f'"@{name}@"', f"%({name})s")
        for name in {**texts, **names}:
            form = form.replace(f"@{name}@", f"%({name})s")
        forms.append(form)
    for number in range(count):
        group = number // len(DEPTHS)
        length, depth = LENGTHS[group % len(LENGTHS)], DEPTHS[number % len(DEPTHS)]
        right = rng.random() < 0.95 - 0.08 * (group % len(LENGTHS))
        yield (
            forms[number % len(forms)]
            % {
                "id": f"{number:016x}", "cell": f"{number:016x}", "haystack": f"{group:016x}", "seed": group // 8,
                "sha256": f"{number:064x}", "length": length, "depth_asked": depth, "depth": depth,
                "question": group, "target": number, "output_text": number,
                "score": float(right), "outcome": "right" if right else "wrong",
            }
        ).encode()  # fmt: skip


def make(folder: Path, run: Path, co_needles: bool, count: int) -> int:
    """A run folder; bytes of its records."""
    folder.mkdir(parents=True)
    for name in ("manifest.json", "corpora.json", "sweep.toml"):
        shutil.copy(run / name, folder)
    with (folder / "records.jsonl").open("wb") as file:
        file.writelines(lines(run, co_needles, count))
        return file.tell()


def measure(command: list[str]) -> dict[str, Any]:
    """Wall and CPU seconds of a command, its children's too, and the largest sum of their memory, MiB."""
    before, begun, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    outputs: list[str] = []
    reader = threading.Thread(target=lambda: outputs.append(process.stdout.read() if process.stdout else ""))
    reader.start()
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            held = 0
            for one in (watched, *watched.children(recursive=True)):
                info = one.memory_info()
                held += info.rss - info.shared
            peak = max(peak, held)
        except psutil.Error:
            pass  # it ended between two looks
        time.sleep(0.02)
    wall = time.perf_counter() - begun
    reader.join()
    if process.returncode:
        raise SystemExit(f"{command} ended with exit code {process.returncode}.")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": cpu, "peak": peak / 2**20, "said": outputs[0].strip().splitlines()[-1]}


def main() -> None:
    """Make, measure, print."""
    options = argparse.ArgumentParser(description="How long a million records take to load and to summarise.")
    options.add_argument("--records", type=int, default=1_000_000)
    options.add_argument(
        "--run", type=Path, default=ROOT / "notebooks" / "data" / "base", help="whose records to repeat"
    )
    options.add_argument("--folder", type=Path, help="keep the runs here, and take those that are there")
    given = options.parse_args()
    temporary = tempfile.TemporaryDirectory()
    parent = given.folder or Path(temporary.name)
    print("| records | what | wall s | CPU s | peak MiB |")
    print("|---|---|---|---|---|")
    for name, co_needles in (("plain", False), ("co-needles", True)):
        folder = parent / f"{name}-{given.records}"
        if not folder.exists():
            make(folder, given.run, co_needles, given.records)
        size = (folder / "records.jsonl").stat().st_size
        shutil.rmtree(folder / ".table", ignore_errors=True)
        table = [sys.executable, "-m", "longctx", "table", str(folder), "--by", "length,depth"]
        load = [sys.executable, "-c", LOAD.format(folder=str(folder))]
        for what, command in (
            ("`longctx table`, first", table),
            ("`longctx table`, again", table),
            ("`load`, `cells`, `summary`, first", load),
            ("the same, again", load),
        ):
            if command is load and what.endswith("first"):
                shutil.rmtree(folder / ".table", ignore_errors=True)
            found = measure(command)
            print(
                f"| {given.records:,} of {size / given.records / 1000:.1f} KB ({name}) | {what} | "
                f"{found['wall']:.1f} | {found['cpu']:.1f} | {found['peak']:,.0f} |",
                flush=True,
            )
    temporary.cleanup()


if __name__ == "__main__":
    main()
