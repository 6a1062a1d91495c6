"""Many documents into one folder: how many are needed, who gets which format, and what the folder was made by."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from longctx.errors import UsageError
from longctx.sources import Progress
from longctx.tokens import Tokenizer
from longctx.types import Document
from longctx.writers import Format, target, write
from longctx.writers.txt import plain

MARKER = ".longctx-synth.json"
"""File that says which command made a folder, and which files; hidden, so that no reader takes it for a document."""

_BATCH = 32  # documents that are made before they are counted
_SLOW = ("docx", "pdf")  # formats for which more processes are worth starting
_FEW = 24  # documents in such a format below which they are not


class Job(NamedTuple):
    """One file to write."""

    document: Document
    tokens: int  # of the document as plain text
    form: Format
    folder: str  # below the folder of all files; empty: that folder itself

    @property
    def path(self) -> str:
        """Where it will stand, relative to the folder of all files."""
        return f"{self.folder}/{target(self.document, self.form)}".lstrip("/")


def gather(
    make: Callable[[int, int], Document], seed: int, tokens: int, tokenizer: Tokenizer, progress: Progress | None = None
) -> Iterator[tuple[Document, int]]:
    """As few documents, from the first on, as hold at least so many tokens; each with its own count.

    Counted is the document as plain text: Markdown's marks are not there in most formats.
    """
    index = done = 0
    while done < tokens:
        batch = [make(index + place, seed) for place in range(_BATCH)]
        index += len(batch)
        for document, encoding in zip(batch, tokenizer.encode_many(list(map(plain, batch))), strict=True):
            if done >= tokens:
                return
            yield document, len(encoding.ids)
            done += len(encoding.ids)
        if progress:
            progress("making", min(done, tokens), tokens)


def deal(documents: Sequence[tuple[Document, int]], forms: Sequence[Format], seed: int, each: bool) -> list[Job]:
    """What is written in which format.

    Args:
        documents: with their tokens.
        forms: one or several formats.
        seed: decides who gets which.
        each: True for each document in all formats, in one folder a format; False for each in one of them, such that
            every run of as many documents as there are formats has one in each, in an order of its own: makers
            repeat their kinds in turn, and a kind must not always meet the same format.
    """
    if each:
        return [Job(*document, form, form.name) for form in forms for document in documents]
    rng = random.Random(f"deal:{seed}")
    dealt: list[Job] = []
    while len(dealt) < len(documents):
        hand = rng.sample(forms, len(forms))
        dealt += [Job(*document, form, "") for document, form in zip(documents[len(dealt) :], hand, strict=False)]
    return dealt


def claim(folder: Path, command: Mapping[str, Any], jobs: Sequence[Job]) -> None:
    """Make the folder, or clear it of the files of the same command, and note what it is for.

    Raises:
        UsageError: the folder holds something that this command did not make.
    """
    check(folder, command)
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / MARKER
    if marker.exists():
        for name in json.loads(marker.read_text("utf-8"))["files"]:
            (folder / name).unlink(missing_ok=True)
    files = [job.path for job in jobs]
    marker.write_text(json.dumps({"command": dict(command), "files": files}, indent=1) + "\n", "utf-8")


def check(folder: Path, command: Mapping[str, Any]) -> None:
    """Whether the folder is free for this command, or was made by it.

    Raises:
        UsageError: it is not; says what is in it.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file; --out needs a folder.")
    try:
        earlier = json.loads((folder / MARKER).read_text("utf-8"))["command"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{folder} is not empty and was not made by `longctx synth`; name a folder that is new or empty."
        ) from None
    differing = [
        f"{name} {earlier.get(name)!r}, not {value!r}" for name, value in command.items() if earlier.get(name) != value
    ]
    if differing:
        raise UsageError(f"{folder} was made with {'; '.join(differing)}. Name another folder, or empty this one.")


def write_all(jobs: Sequence[Job], folder: Path, progress: Progress | None = None) -> None:
    """Write all files; Word and PDF, which take long, on all cores.

    Raises:
        OSError: the folder cannot be written.
    """
    paths = [folder / job.folder for job in jobs]
    documents, forms = [job.document for job in jobs], [job.form for job in jobs]
    cores = len(os.sched_getaffinity(0))
    if sum(form.name in _SLOW for form in forms) < _FEW or cores == 1:
        _follow(map(write, documents, forms, paths), len(jobs), progress)
        return
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        _follow(pool.map(write, documents, forms, paths, chunksize=4), len(jobs), progress)


def _follow(written: Iterator[Path], count: int, progress: Progress | None) -> None:
    for done, _ in enumerate(written, 1):
        if progress:
            progress("writing", done, count)
