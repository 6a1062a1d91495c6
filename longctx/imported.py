"""Samples that were made elsewhere or before: from a JSON-lines file to cells and prompts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from longctx import __version__, jsonlines
from longctx.errors import DataError, TokenizerError, UsageError
from longctx.scorers import find_scorer
from longctx.sources import Progress
from longctx.tokens import Tokenizer
from longctx.types import Cell, FileReport, Message, Sample

_SPANS = ("needles", "co_needles", "distractors")


def prompt_of(tokenizer: Tokenizer, given: str | list[Message], answer_prefix: str = "") -> str:
    """The prompt as it is sent.

    Chat messages go through the model's template, and a plain text as one user message; a model without template gets
    a plain text, or the one user message, as it is. `answer_prefix`, with which the answer is meant to begin, ends
    the prompt, behind whatever the template puts before an answer.

    Raises:
        TokenizerError: the template refuses the messages, or there is none and they are a conversation.
    """
    if not tokenizer.has_template and not isinstance(given, str):
        if [message["role"] for message in given] != ["user"]:
            raise TokenizerError(f"{tokenizer.name} has no chat template, which a conversation needs.")
        given = given[0]["content"]
    elif tokenizer.has_template and isinstance(given, str):
        given = [{"role": "user", "content": given}]
    return tokenizer.render(given) + answer_prefix


def asked_length(length: int) -> int:
    """The length that a sample of so many tokens is counted under in tables: the next power of two.

    >>> asked_length(4096), asked_length(4097)
    (4096, 8192)
    """
    return 1 << math.ceil(math.log2(max(length, 1)))


class Imported:
    """The samples of one file, in place of what `builder.Builder` makes of a sweep.

    Each line is one cell: its task, the file's name as the corpus, the tokens that the model will receive as the
    length, and the line's number as the seed. Only places in the file are kept in memory.

    Attributes:
        cells: one a line, in the order of the file.
    """

    def __init__(self, path: Path | str, tokenizer: Tokenizer, progress: Progress | None = None) -> None:
        """Read, check and measure every line.

        Args:
            path: sample lines, as ``longctx build`` and ``longctx import`` write them.
            tokenizer: the model's.
            progress: is told how far it is, in bytes.

        Raises:
            DataError: it cannot be read, a line is no sample, or two have the same id; names the lines.
            TokenizerError: the chat template refuses a line's messages.
        """
        self.path = Path(path)
        self.tokenizer = tokenizer
        self.cells: list[Cell] = []
        self._places: dict[int, int] = {}
        self._chars = 0
        lines: dict[str, int] = {}
        digest = hashlib.sha256()
        try:
            size = self.path.stat().st_size
            with self.path.open("rb") as file:
                for number, begin, line in jsonlines.read(file, str(path)):
                    where = f"{path}, line {number}"
                    sample = to_sample(line, where, number)
                    if sample.id in lines:
                        raise DataError(f"{where}: the id {sample.id!r} is that of line {lines[sample.id]}.")
                    lines[sample.id] = number
                    self._places[number] = begin
                    try:
                        prompt = prompt_of(tokenizer, sample.input, sample.metadata.get("answer_prefix", ""))
                    except TokenizerError as error:
                        raise TokenizerError(f"{where}: {error}") from None
                    self._chars += len(prompt)
                    self.cells.append(self._cell(sample, number, len(tokenizer.prompt_ids(prompt))))
                    digest.update(hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest())
                    digest.update(json.dumps([sample.target, sample.metadata["scorer"]]).encode())
                    if progress:
                        progress("measuring samples", begin, size)
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from None
        self.hash = digest.hexdigest()[:32]

    def _cell(self, sample: Sample, number: int, length: int) -> Cell:
        asked = sample.metadata
        return Cell(
            task=asked["task"],
            corpus=self.path.stem,
            length=length,
            depth=_number(asked.get("depth_asked", asked.get("depth"))),
            density=_number(asked.get("density_asked", asked.get("density"))) or 0.0,
            seed=number,
            variant=tuple(sorted((asked.get("variant") or {}).items())),
        )

    def build(self, cell: Cell) -> Sample:
        """The sample of a cell of `cells`.

        Raises:
            DataError: the file has changed since.
        """
        with self.path.open("rb") as file:
            file.seek(self._places[cell.seed])
            where = f"{self.path}, line {cell.seed}"
            sample = to_sample(jsonlines.parse(file.readline(), where), where, cell.seed)
        prompt = prompt_of(self.tokenizer, sample.input, sample.metadata.get("answer_prefix", ""))
        ids = self.tokenizer.prompt_ids(prompt)
        if len(ids) != cell.length:
            raise DataError(f"{where}: the file has changed while it was in use.")
        metadata = self._metadata(sample, cell, prompt)
        return Sample(sample.id, sample.input, sample.target, metadata, prompt, ids)

    def _metadata(self, sample: Sample, cell: Cell, prompt: str) -> dict[str, Any]:
        """What the file says, and over it what was measured."""
        stated = dict(sample.metadata)
        same = stated.get("tokenizer_hash") == self.tokenizer.hash
        if not same:  # places were counted in another model's tokens
            for name in ("haystack_tokens", "haystack_at"):
                stated[name] = None
            for name in _SPANS:
                stated[name] = [{**span, "start": None, "end": None} for span in stated.get(name) or ()]
        asked = stated.get("length_asked")
        return {
            "haystack": sample.id,
            "question": "",
            "nested": 0,
            "repeated": False,
            "density": cell.density,
            "depth": cell.depth,
            **stated,
            "corpus": cell.corpus,
            "corpus_hash": self.hash,
            "tokenizer": self.tokenizer.name,
            "tokenizer_hash": self.tokenizer.hash,
            "length_asked": asked if isinstance(asked, int) and asked > 0 else asked_length(cell.length),
            "length": cell.length,
            "depth_asked": cell.depth,
            "density_asked": cell.density,
            "seed": cell.seed,
            "variant": dict(cell.variant),
            "sha256": hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest(),
            "recipe": {
                "file": self.path.name,
                "line": cell.seed,
                "corpus": self.hash,
                "tokenizer": self.tokenizer.hash,
                "cell": asdict(cell),
                "longctx": __version__,
            },
        }

    def describe_tokenizer(self) -> dict[str, Any]:
        """As in ``manifest.json``."""
        tokenizer = self.tokenizer
        return {"name": tokenizer.name, "hash": tokenizer.hash, "chat_template": tokenizer.has_template}

    def describe_corpora(self, cells: Iterable[Cell]) -> dict[str, Any]:
        """As in ``corpora.json``: the file, which stands in a corpus's place, and the hash of all its prompts."""
        file = asdict(FileReport(self.path.name, "read", format="samples", chars=self._chars))
        described = {"hash": self.hash, "hashes": {"file": self.hash}, "samples": len(self.cells), "files": [file]}
        return {self.path.stem: described}


def to_sample(line: Mapping[str, Any], where: str, number: int) -> Sample:
    """A line as a sample that is not rendered yet; task and scorer are always there.

    Args:
        line: ``input``, ``target``, and maybe ``id`` and ``metadata``.
        where: names the line in errors.
        number: the line's, from which an id is made where there is none.

    Raises:
        DataError: something is missing or cannot be.
    """
    found = dict(line)
    target, metadata = jsonlines.target_of(found, where), dict(jsonlines.metadata_of(found, where))
    given = messages_of(found, where)
    metadata.setdefault("task", "imported")
    metadata.setdefault("scorer", "includes")
    for name in ("task", "scorer"):
        if not isinstance(metadata[name], str) or not metadata[name]:
            raise DataError(f"{where}: metadata.{name} is {metadata[name]!r}; it must be a name.")
    if not isinstance(metadata.get("variant") or {}, dict):
        raise DataError(f"{where}: metadata.variant is {metadata['variant']!r}; it must be an object.")
    if not isinstance(metadata.get("answer_prefix") or "", str):
        raise DataError(f"{where}: metadata.answer_prefix is {metadata['answer_prefix']!r}; it must be a text.")
    try:  # what a scorer lacks is better known before anything runs
        find_scorer(metadata["scorer"])(target, "", metadata)
    except UsageError as error:
        raise DataError(f"{where}: {error}") from None
    named = found.get("id")
    identity = json.dumps([given, target, number])
    made = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return Sample(made if named in (None, "") else str(named), given, target, metadata)


def messages_of(line: Mapping[str, Any], where: str, name: str = "input") -> str | list[Message]:
    """The field that holds the prompt: a text, or chat messages, of which role and content are kept.

    Raises:
        DataError: it is missing, empty, or something else.
    """
    if name not in line:
        raise DataError(f"{where}: {name!r} is missing. There is: {', '.join(line) or 'nothing'}.")
    given = line[name]
    if isinstance(given, str) and given:
        return given
    if not isinstance(given, list) or not given:
        raise DataError(f"{where}: {name!r} must be a text or a list of chat messages, and not empty.")
    messages: list[Message] = []
    for place, message in enumerate(given, 1):
        role, content = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
        if not isinstance(role, str) or not isinstance(content, str):
            raise DataError(f"{where}: message {place} of {name!r} needs role and content, both of them texts.")
        messages.append({"role": role, "content": content})
    return messages


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
