"""Speed and memory of what every sweep rests on, each beside its floor: ``make bench``.

Figures are CPU seconds of this process (all threads), the median of several runs. Every part runs in a process of its
own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

LENGTH = 1 << 20
RUNS = 9


def median_cpu(function: Callable[[], object], runs: int = RUNS) -> float:
    """Median CPU seconds of `runs` calls, after one that is not counted."""
    function()
    times = []
    for _ in range(runs):
        begin = time.process_time()
        function()
        times.append(time.process_time() - begin)
    return statistics.median(times)


def peak_mib() -> float:
    """Largest resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def build(length: int, density: float) -> dict[str, Any]:
    """One needle sample of `length` tokens over an encoded corpus, beside copying its ids and bytes."""
    from longctx.corpus import Corpora
    from longctx.tasks import find_task
    from longctx.tokens import load_tokenizer
    from longctx.types import Cell

    tokenizer = load_tokenizer("smollm2-135m")
    corpus = Corpora(tokenizer).get("contracts", length)
    task = find_task("niah_single")
    seeds = iter(range(1000))

    def one() -> Any:
        return task.build(corpus, Cell("niah_single", "contracts", length, 0.5, density, next(seeds)), tokenizer)

    sample = one()
    raw = sample.prompt.encode()
    seconds = median_cpu(one)
    peak = peak_mib()  # before the whole text is encoded, which takes more
    floor = median_cpu(lambda: (sample.prompt_ids.copy(), bytearray(raw)))
    whole = median_cpu(lambda: tokenizer.prompt_ids(sample.prompt), 1)
    return {
        "what": f"build one niah_single of {length:,} tokens, density {density:g}",
        "cpu_s": seconds,
        "floor": "copying its ids and bytes",
        "floor_s": floor,
        "beside": f"encoding its text once: {1000 * whole:,.0f} ms",
        "peak_mib": peak,
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

    floor = median_cpu(lambda: [encoding.ids for encoding in tokenizer._fast.encode_batch(texts)], 3)
    return {
        "what": f"encode {one():,} tokens of documents for the first time",
        "cpu_s": median_cpu(one, 3),
        "floor": "the tokenizer's encode_batch",
        "floor_s": floor,
        "beside": "",
        "peak_mib": peak_mib(),
    }


def main() -> None:
    """Run every part and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    parts: list[tuple[Callable[..., dict[str, Any]], tuple[Any, ...]]] = [
        (build, (4096, 0.0)),
        (build, (131_072, 0.0)),
        (build, (LENGTH, 0.0)),
        (build, (LENGTH, 2.0)),
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
