"""Speed and memory of what every sweep rests on, each beside its floor: ``make bench``.

Figures are CPU seconds of this process (all threads), the median of several runs, but where a clock is named. Every
part runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

LENGTH = 1 << 20
RUNS = 7
TASKS = (
    "niah_multikey", "niah_multiquery", "grounded", "aggregate_sum", "graph_bfs",
    "ruler_niah_single_1", "ruler_niah_single_2",
    "ruler_niah_multikey_2", "ruler_vt", "ruler_cwe", "ruler_fwe",
)  # fmt: skip


def median_cpu(function: Callable[[], object], runs: int = RUNS) -> float:
    """Median CPU seconds of `runs` calls, after one that is not counted."""
    function()
    times = []
    for _ in range(runs):
        begin = time.process_time()
        function()
        times.append(time.process_time() - begin)
    return statistics.median(times)


def median_wall(functions: Sequence[Callable[[], object]], runs: int = RUNS) -> list[float]:
    """Median seconds on the clock of each, called in turn: what else the machine does then falls on all alike."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(runs):
        for function, own in zip(functions, times, strict=True):
            begin = time.perf_counter()
            function()
            own.append(time.perf_counter() - begin)
    return [statistics.median(own) for own in times]


def peak_mib() -> float:
    """Largest resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def build(
    task: str, length: int, density: float = 0.0, variant: tuple[tuple[str, Any], ...] = (), before: int = 1
) -> dict[str, Any]:
    """One sample of `length` tokens over an encoded corpus, beside copying its ids and bytes.

    Args:
        task: its name.
        length: tokens.
        density: distractors per 10,000 tokens.
        variant: of the task.
        before: samples that are built first, as those of a sweep share what is remembered of the corpus.
    """
    from longctx.corpus import Corpora
    from longctx.tasks import find_task
    from longctx.tokens import load_tokenizer
    from longctx.types import Cell

    tokenizer = load_tokenizer("smollm2-135m")
    found = find_task(task)
    corpus = Corpora(tokenizer).get("contracts", length * found.corpus_factor)
    seeds = iter(range(1000))
    depth = 0.5 if found.depth else None

    def one() -> Any:
        return found.build(corpus, Cell(task, "contracts", length, depth, density, next(seeds), (), variant), tokenizer)

    begin = time.process_time()
    sample = one()
    first = time.process_time() - begin
    for _ in range(before - 1):
        one()
    raw = sample.prompt.encode()
    seconds = median_cpu(one, RUNS if length <= LENGTH else 3)
    peak = peak_mib()  # before the whole text is encoded, which takes more
    floor = median_cpu(lambda: (sample.prompt_ids.copy(), bytearray(raw)))
    whole = median_cpu(lambda: tokenizer.prompt_ids(sample.prompt), 1) if length <= LENGTH else None
    return {
        "what": f"build one {task} of {len(sample.prompt_ids):,} tokens"
        + (f", density {density:g}" if found.density else "")
        + "".join(f", {name} {value}" for name, value in variant)
        + (f", after {before} others" if before > 1 else ""),
        "cpu_s": seconds,
        "floor": "copying its ids and bytes",
        "floor_s": floor,
        "beside": f"the very first {1000 * first:,.0f} ms"
        + (f"; encoding its text once {1000 * whole:,.0f} ms" if whole else ""),
        "peak_mib": peak,
    }


def stream(count: int) -> dict[str, Any]:
    """Samples of a sweep one after another, as a run builds them: by the second of one core, and with flat memory."""
    from longctx.builder import Builder, cells_of, pick_tasks
    from longctx.sweep import Sweep

    sweep = Sweep(
        tasks=("niah_single",), corpora=("contracts",), lengths=(LENGTH,), depths=tuple(k / 9 for k in range(10)),
        samples=-(-count // 10), model="smollm2-135m",
    )  # fmt: skip
    tasks = pick_tasks(sweep)
    builder = Builder(sweep, tasks)
    cells = cells_of(sweep, tasks)[:count]
    sample = builder.build(cells[0])
    raw = sample.prompt.encode()
    floor = median_cpu(lambda: (sample.prompt_ids.copy(), bytearray(raw)))
    early = 0.0
    begin = time.process_time()
    for done, cell in enumerate(cells, 1):
        sample = builder.build(cell)
        early = peak_mib() if done == 20 else early
    seconds = (time.process_time() - begin) / len(cells)
    return {
        "what": f"stream {len(cells):,} niah_single of {LENGTH:,} tokens, each",
        "cpu_s": seconds,
        "floor": "copying its ids and bytes",
        "floor_s": floor,
        "beside": f"{1 / seconds:,.1f} samples a second and core; after 20 samples the peak was {early:,.0f} MiB",
        "peak_mib": peak_mib(),
    }


def encode() -> dict[str, Any]:
    """First encoding of a corpus, beside the tokenizer's own batch encoding of the same documents."""
    import tempfile
    from pathlib import Path

    from longctx import sources
    from longctx.encoded import encode_documents
    from longctx.tokens import load_tokenizer

    tokenizer = load_tokenizer("smollm2-135m")
    texts = [document.text for document in sources.read(sources.find_source("contracts"), 1 << 21).documents]

    def one() -> int:
        with tempfile.TemporaryDirectory() as folder:
            return sum(len(store.ids) for store in encode_documents(texts, tokenizer, Path(folder) / "cache.sqlite"))

    def batch() -> object:
        return [encoding.ids for encoding in tokenizer._fast.encode_batch(texts)]

    tokens = one()
    wall, wall_floor = median_wall([one, batch])
    return {
        "what": f"encode {tokens:,} tokens of documents for the first time",
        "cpu_s": median_cpu(one, 3),
        "floor": "the tokenizer's encode_batch",
        "floor_s": median_cpu(batch, 3),
        "beside": f"on the clock {1000 * wall:,.0f} ms, encode_batch {1000 * wall_floor:,.0f} ms: "
        f"{wall_floor / wall:.2f} times its throughput",
        "peak_mib": peak_mib(),
    }


def main() -> None:
    """Run every part and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--samples", type=int, default=1000, help="of the sweep that is streamed")
    options = parser.parse_args()
    parts: list[tuple[Callable[..., dict[str, Any]], tuple[Any, ...]]] = [
        (build, ("niah_single", 4096)),
        (build, ("niah_single", 131_072)),
        (build, ("niah_single", LENGTH)),
        (build, ("niah_single", LENGTH, 2.0)),
        (build, ("niah_single", 4 * LENGTH)),
        (build, ("niah_single", LENGTH, 20.0)),
        *((build, (task, LENGTH)) for task in TASKS),
        (build, ("latent", LENGTH, 5.0)),
        (build, ("trace", LENGTH, 0.0, (("chains", 4), ("hops", 4)))),
        (build, ("ruler_qa_1", LENGTH, 0.0, (), 10)),
        (build, ("mrcr", LENGTH, 0.0, (("needles", 8),), 10)),
        (stream, (options.samples,)),
        (encode, ()),
    ]
    rows = []
    for function, arguments in parts:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(function, arguments))
    machine = f"{platform.machine()}, {multiprocessing.cpu_count()} cores, Python {platform.python_version()}"
    if options.json:
        print(json.dumps({"machine": machine, "rows": rows}))
        return
    print(f"Machine: {machine}\n")
    print("| what | CPU | floor | times the floor | beside | peak memory |\n|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['what']} | {1000 * row['cpu_s']:,.1f} ms | {row['floor']}: {1000 * row['floor_s']:,.2f} ms "
            f"| {row['cpu_s'] / row['floor_s']:,.1f} | {row['beside']} | {row['peak_mib']:,.0f} MiB |"
        )


if __name__ == "__main__":
    main()
