"""Made-up run folders in the documented format, for tests of the analysis. Nothing here is a measurement."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Answer = Callable[[int, float, int], dict[str, Any]]
"""(length, depth, number of the sample in its cell) → fields of the record to replace."""

RIGHT = {"outcome": "right", "score": 1.0, "output_text": "The deposit is 4,711 EUR."}
WRONG = {"outcome": "wrong", "score": 0.0, "output_text": "I believe it is 99."}
ERROR = {"outcome": "error", "score": 0.0, "output_text": "", "error": "HTTP 503: overloaded", "output_tokens": None}


def all_right(length: int, depth: float, number: int) -> dict[str, Any]:
    return RIGHT


def fading(length: int, depth: float, number: int) -> dict[str, Any]:
    """Shallow needles in long haystacks are missed; decided by a hash, so that it is the same everywhere."""
    chance = max(0.0, 1 - length / 10_000 * (1.2 - depth))
    draw = int(hashlib.sha256(f"{length} {depth} {number}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return RIGHT if draw < chance else WRONG


def record(length: int, depth: float, number: int = 0, /, **fields: Any) -> dict[str, Any]:
    """One record as a run writes it."""
    density = fields.get("density_asked", 0.0)
    needle = {"text": "The deposit is 4,711 EUR.", "value": "4,711", "start": int(depth * (length - 120)), "tier": ""}
    needle |= {"end": int(depth * (length - 120)) + 12, "file": "lease.pdf", "page": 3, "line": None}
    row = {
        "id": hashlib.sha256(json.dumps([length, depth, number, fields], default=str).encode()).hexdigest()[:16],
        "task": "niah_single",
        "corpus": "contracts",
        "length_asked": length,
        "length": length,
        "depth_asked": depth,
        "depth": depth,
        "density_asked": density,
        "density": density,
        "seed": number,
        "variant": {},
        "haystack": f"{length:x}-{number}",
        "haystack_tokens": length - 100,
        "tokenizer": "smollm2",
        "question": "How high is the deposit?",
        "target": "4,711",
        "scorer": "includes",
        "needles": [needle],
        "co_needles": [],
        "distractors": [needle | {"value": "99", "tier": "template"}] * round(density * length / 10_000),
        "repeated": False,
        "sha256": hashlib.sha256(f"{length} {depth} {number} {fields}".encode(errors="replace")).hexdigest(),
        "recipe": {"version": "0.1.0"},
        "model": "SmolLM2-135M-Instruct",
        "backend": "vllm",
        "prompt_tokens": length,
        "cached_tokens": length // 2 // 128 * 128 if number else 0,
        "output_tokens": 11,
        "thinking_tokens": None,
        "finish_reason": "stop",
        "ttft_s": length / 1000,
        "total_s": length / 1000 + 0.5,
        "explanation": "the target is in the answer",
        "error": "",
        "attempts": 1,
        "started_at": f"2025-01-01T10:{number % 60:02d}:00.250000+00:00",
    }
    return row | RIGHT | fields


def make_run(
    folder: Path,
    lengths: Sequence[int] = (1024, 2048, 4096, 8000),
    depths: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    n: int = 3,
    answer: Answer = all_right,
    densities: Sequence[float] = (0.0,),
    tasks: Sequence[str] = ("niah_single",),
    double: bool = False,
    planned: int | None = None,
    **fields: Any,
) -> Path:
    """Write a run folder: the full grid, `n` samples a cell.

    Args:
        folder: where; made if it is not there.
        lengths: tokens.
        depths: 0-1.
        n: samples a cell.
        answer: what becomes of each sample.
        densities: distractors per 10,000 tokens.
        tasks: names.
        double: say in the manifest that the backend is a test double.
        planned: samples in the manifest's plan; as many as are written unless given.
        fields: replace a field in every record.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        record(length, depth, number, **{"task": task, "density_asked": density, **fields})
        | answer(length, depth, number)
        for task in tasks
        for density in densities
        for length in lengths
        for depth in depths
        for number in range(n)
    ]
    write_records(folder, rows)
    write_manifest(folder, rows, double=double, planned=len(rows) if planned is None else planned)
    return folder


def write_records(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write records alone."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    text = re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)  # halves of pairs
    (folder / "records.jsonl").write_text(text, encoding="utf-8")
    return folder


def write_manifest(folder: Path, rows: Sequence[dict[str, Any]], *, double: bool, planned: int) -> None:
    backend = {"name": rows[0]["backend"], "double": double, "engine_args": {"dtype": "float32", "seed": 0}}
    manifest = {
        "longctx": "0.1.0",
        "created_at": "2025-01-01T10:00:00+00:00",
        "model": rows[0]["model"],
        "backend": backend,
        "tokenizer": {"name": "smollm2", "hash": "ab" * 16, "chat_template": True},
        "yarn": None,
        "sampling": {"max_tokens": 64, "temperature": 0.0, "seed": 0, "stop": []},
        "hardware": {"cpu": "a processor", "cores": 2, "ram_gib": 24},
        "packages": {"vllm": "0.32.0", "torch": "2.13.0"},
        "plan": {
            "cells": len({(row["task"], row["density"], row["length"], row["depth"]) for row in rows}),
            "samples": planned,
            "haystacks": len({row["haystack"] for row in rows}),
            "prompt_tokens": sum(row["length"] for row in rows),
            "longest": max(row["length"] for row in rows),
            "computed_at_best": sum(row["length"] - row["cached_tokens"] for row in rows),
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    files = [
        {"path": f"contracts/{i}.txt", "status": "read", "reason": "", "format": "text", "chars": 9} for i in range(40)
    ]
    files += [{"path": "scan.pdf", "status": "skipped", "reason": "no text layer", "format": "pdf", "chars": 0}]
    files += [{"path": "b.pdf", "status": "partly read", "reason": "page 3 is damaged", "format": "pdf", "chars": 12}]
    corpus = {"hash": "cd" * 16, "tokens": 123_456, "documents": 41, "language": "en", "voice": "contracts"}
    corpus |= {"licence": "CC0", "source": "made for tests", "files": files}
    (folder / "corpora.json").write_text(json.dumps({rows[0]["corpus"]: corpus}), encoding="utf-8")
