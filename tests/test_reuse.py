"""What a prefix cache gives: noticed where it is nothing, said in the end, and held to answers without it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import toy

from longctx.errors import UsageError
from longctx.loop import complete
from longctx.runfolder import RunFolder
from longctx.types import Response, Sample


class Server:
    """A model that reports what it found in its cache, which may be nothing, and may spoil its answers."""

    name, double = "server", False

    def __init__(self, block: int = 16, works: bool = True, spoils: bool = False) -> None:
        self.block, self.works, self.spoils = block, works, spoils
        self.held: list[bytes] = []  # room for one prompt
        self.asked: list[bytes] = []
        self.forgot = 0

    def describe(self) -> dict[str, Any]:
        return {"block_size": self.block, "kv_cache_tokens": 10_000, "prefix_caching": True}

    def generate(self, samples: Iterable[Sample]) -> Iterator[Response]:
        for sample in samples:
            prompt = sample.prompt.encode()
            shared = max((len(_common(prompt, other)) for other in self.held), default=0)
            cached = min(shared, len(prompt) - 1) // self.block * self.block if self.works else 0
            self.held = [prompt]
            self.asked.append(prompt)
            text = str(sample.target) if not (cached and self.spoils) else "?"
            yield Response(sample.id, text, len(prompt), cached)

    def forget(self) -> None:
        self.held.clear()
        self.forgot += 1

    def close(self) -> None:
        pass


def _common(a: bytes, b: bytes) -> bytes:
    size = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return a[:size]


def run(folder: Path, server: Server, verify_cache: int = 0) -> list[str]:
    notes: list[str] = []
    sweep = toy.sweep()
    with RunFolder(folder, sweep) as opened:
        complete(
            opened, sweep.cells(), toy.build, lambda: server, score=toy.score, about=toy.ABOUT, corpora=toy.CORPORA,
            note=notes.append, verify_cache=verify_cache,
        )  # fmt: skip
        assert len(opened.scores) == len(sweep.cells())
    return notes


def test_what_was_planned_is_what_such_a_cache_gives(tmp_path: Path) -> None:
    notes = run(tmp_path / "run", Server())
    plan = json.loads((tmp_path / "run" / "manifest.json").read_text())["plan"]
    records = [json.loads(line) for line in (tmp_path / "run" / "records.jsonl").read_text().splitlines()]
    computed = sum(record["prompt_tokens"] - record["cached_tokens"] for record in records)
    assert plan["computed_at_best"] < computed == plan["computed_expected"] < plan["prompt_tokens"]
    assert "100% of what was planned" in notes[-1]


def test_a_cache_that_finds_nothing_is_noticed_at_the_first_pair(tmp_path: Path) -> None:
    server = Server(works=False)
    notes = run(tmp_path / "run", server)
    [warning] = [note for note in notes if note.startswith("WARNING")]
    assert "found none of them" in warning
    assert notes[-1].startswith("from the prefix cache: 0 prompt tokens, 0%")
    shared = [len(_common(*pair)) for pair in pairwise(server.asked)]
    assert any(tokens >= 16 for tokens in shared)


def test_a_server_that_does_not_say_is_said_to_be_silent(tmp_path: Path) -> None:
    server = Server()
    generate = server.generate
    server.generate = lambda samples: (replace(r, cached_tokens=None) for r in generate(samples))  # type: ignore[method-assign]
    assert "does not say" in run(tmp_path / "run", server)[-1]


def test_answers_that_depend_on_the_cache_are_found(tmp_path: Path) -> None:
    notes = run(tmp_path / "good", Server(), verify_cache=4)
    assert "4 samples got the same answer" in notes[-1]
    notes = run(tmp_path / "bad", Server(spoils=True), verify_cache=4)
    assert notes[-1].startswith("WARNING: 4 of 4 samples got another answer")
    found = json.loads((tmp_path / "bad" / "cache.json").read_text())
    assert found["checked"] == found["reused"] == 4 and found["differing"][0]["warm"] == "?"
    # a run that is complete can be verified as well
    assert "4 samples got the same answer" in run(tmp_path / "good", Server(), verify_cache=4)[-1]
    assert "nothing was found" in run(tmp_path / "off", Server(works=False), verify_cache=2)[-1]


def test_a_backend_without_a_cache_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cache can be emptied; toy has none"):
        run(tmp_path / "run", toy.Toy(), verify_cache=2)  # type: ignore[arg-type]
