"""A small world in which a run needs no corpus and no tokenizer: prompts are their UTF-8 bytes.

Run as a program it is the process that tests kill: ``toy.py FOLDER SAMPLES SECONDS_PER_ANSWER`` fills a run folder,
``toy.py longctx ARGUMENTS`` is the command line in this world.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from longctx.loop import complete
from longctx.runfolder import RunFolder
from longctx.sweep import Sweep
from longctx.types import Cell, Response, Sample, Score

ABOUT = {"longctx": "0", "model": "toy", "tokenizer": {"name": "bytes", "hash": "t1", "chat_template": False}}
CORPORA = {"docs": {"hashes": {"200": "c1", "400": "c1"}}}


def sweep(**fields: Any) -> Sweep:
    return Sweep.from_fields({"corpora": ["docs"], "lengths": [200, 400], "backend": "toy", "yarn": "off"}, fields)


def build(cell: Cell) -> Sample:
    """A prompt of exactly the asked length with a needle at its depth."""
    name = hashlib.sha256(repr(cell).encode()).hexdigest()[:16]
    number = int(name[:6], 16)
    needle, question = f" The code of gate {name} is {number}.", f"What is the code of gate {name}?"
    room = cell.length - len(needle) - len(question)
    before = round(room * cell.depth)
    prompt = "x" * before + needle + "x" * (room - before) + question
    metadata = {
        "task": cell.task,
        "corpus": cell.corpus,
        "length_asked": cell.length,
        "length": len(prompt),
        "depth_asked": cell.depth,
        "depth": cell.depth,
        "density_asked": cell.density,
        "density": 0.0,
        "seed": cell.seed,
        "variant": dict(cell.variant),
        "haystack": f"{cell.corpus}-{cell.length}-{cell.seed}",
        "question": question,
        "absent_forms": ["not stated"],
    }
    ids = np.frombuffer(prompt.encode(), np.uint8).astype(np.uint32)
    return Sample(name, prompt, str(number), metadata, prompt, ids)


def score(sample: Sample, response: Response) -> Score:
    if response.error:
        return Score(0.0, "error", response.error)
    right = str(sample.target) in response.text
    return Score(float(right), "right" if right else "wrong")


class Toy:
    """A backend that gives the right answer to every other sample, or whatever `answer` says."""

    name = "toy"
    double = True

    def __init__(self, answer: Callable[[Sample], Response] | None = None, delay_s: float = 0.0) -> None:
        self.answer = answer or self._half
        self.delay_s = delay_s
        self.asked: list[str] = []
        self.closed = 0

    def _half(self, sample: Sample) -> Response:
        knows = int(sample.id, 16) % 2 == 0
        return Response(sample.id, str(sample.target) if knows else "?", prompt_tokens=len(sample.prompt_ids))

    def describe(self) -> dict[str, Any]:
        return {"delay_s": self.delay_s}

    def generate(self, samples: Iterable[Sample]) -> Iterator[Response]:
        for sample in samples:
            self.asked.append(sample.id)
            time.sleep(self.delay_s)
            yield self.answer(sample)

    def close(self) -> None:
        self.closed += 1


class Builder:
    """Stands in for `longctx.builder.Builder`."""

    def __init__(self, *_: Any) -> None:
        self.build = build

    def describe_tokenizer(self) -> dict[str, Any]:
        return dict(ABOUT["tokenizer"])

    def describe_corpora(self, cells: Iterable[Cell]) -> dict[str, Any]:
        return {"docs": {"hashes": {str(cell.length): "c1" for cell in cells}}}


def move_in() -> None:
    """Let `longctx.run` build its samples here."""
    import longctx.run

    stand_ins = {
        "Builder": Builder,
        "cells_of": lambda sweep, _: sweep.cells(),
        "pick_tasks": lambda *_: {},
        "score": score,
    }
    for name, stand_in in stand_ins.items():
        setattr(longctx.run, name, stand_in)


if __name__ == "__main__":
    if sys.argv[1] == "longctx":
        from longctx.cli import main

        del sys.argv[1]
        move_in()
        main()
    out, count, delay = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    wanted = sweep(samples=count)
    with RunFolder(out, wanted) as folder:
        complete(folder, wanted.cells(), build, lambda: Toy(delay_s=delay), score=score, about=ABOUT, corpora=CORPORA)
