"""Sample files of other projects, turned into sample lines: RULER's, OpenAI's and DeepMind's MRCR, any JSON lines."""

from __future__ import annotations

import csv
import difflib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from longctx import jsonlines
from longctx.errors import DataError, UsageError
from longctx.imported import asked_length, messages_of

Row = dict[str, Any]
Line = dict[str, Any]

RULER_TOKENS = {"niah": 128, "vt": 30, "cwe": 120, "fwe": 50, "qa": 32}
"""RULER's budgets for answers, in tokens, by the first part of a task's name."""
RULER_TASKS = (
    *(f"niah_{kind}_{n}" for kind in ("single", "multikey") for n in (1, 2, 3)),
    *("niah_multivalue", "niah_multiquery", "vt", "cwe", "fwe", "qa_1", "qa_2"),
)


def read_rows(path: Path, kinds: tuple[str, ...]) -> Iterator[tuple[str, Row]]:
    """Every row of a table file, with the words that name it in errors.

    Args:
        path: the file; its ending says what it is.
        kinds: endings that are possible here, of ``.jsonl``, ``.csv`` and ``.parquet``.

    Raises:
        UsageError: another ending.
        DataError: it cannot be read.
    """
    kind = path.suffix.lower()
    if kind not in kinds:
        raise UsageError(f"{path} ends with {kind or 'nothing'!r}; possible are {', '.join(kinds)}.")
    try:
        if kind == ".parquet":
            yield from _parquet(path)
        elif kind == ".csv":
            yield from _csv(path)
        else:
            with path.open("rb") as file:
                for number, _, row in jsonlines.read(file, str(path)):
                    yield f"{path}, line {number}", row
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None


def _parquet(path: Path) -> Iterator[tuple[str, Row]]:
    from pyarrow import ArrowException, parquet

    number = 0
    try:
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=8):  # a row can hold megabytes
            for row in batch.to_pylist():
                number += 1
                yield f"{path}, row {number}", row
    except ArrowException as error:
        raise DataError(f"{path} is no parquet file that can be read: {error}.") from None
    if not number:
        raise DataError(f"{path} holds no rows.")


def _csv(path: Path) -> Iterator[tuple[str, Row]]:
    before = csv.field_size_limit(sys.maxsize)  # 128 KiB by default, and process-wide
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.DictReader(file, strict=True), 1):  # noqa: B007 - used below
                yield f"{path}, row {number}", {name: value for name, value in row.items() if name}
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}, row {number + 1}: no CSV that can be read ({error}).") from None
    finally:
        csv.field_size_limit(before)
    if not number:
        raise DataError(f"{path} holds no rows.")


def from_ruler(row: Row, where: str, path: Path, task: str = "") -> Line:
    """A line of RULER's data: ``index``, ``input``, ``outputs``, ``length``, maybe ``answer_prefix``.

    Its length counts the answer's budget too. It is tabled under the length that a folder of its path is named after
    (RULER writes ``…/4096/data/vt/validation.jsonl``), or else under the next power of two.

    Args:
        row: the line.
        where: names it in errors.
        path: the file, which says the task where neither `task` nor the line does.
        task: as the user named it.

    Raises:
        UsageError: the task is not known.
        DataError: the line lacks something.
    """
    name = task or row.get("task") or _ruler_task(path)
    references = jsonlines.target_of(row, where, "outputs" if "outputs" in row or "output" not in row else "output")
    prompt = messages_of(row, where)
    if not references:
        raise DataError(f"{where}: 'outputs' is empty, so that no answer can be right.")
    if not isinstance(name, str) or not name:
        raise UsageError(
            f"{path} does not say which task it is: neither the file nor its folder is called "
            f"{', '.join(RULER_TASKS)}. Name it with --task."
        )
    stated = row.get("length")
    length = stated if isinstance(stated, int) and stated > 0 else None
    folders = [int(part) for part in path.absolute().parts if part.isdecimal() and part.isascii()]
    round_ones = [size for size in folders if size % 1000 == 0 or size & (size - 1) == 0]  # 4096, 128000; not 2024
    asked = next((size for size in reversed(round_ones) if size >= max(length or 0, 128)), None)
    rest = {key: value for key, value in row.items() if key not in ("input", "outputs", "output", "length", "task")}
    scorer = "ruler_part" if name.startswith("qa") else "ruler_all"
    metadata = {
        **rest,
        "task": name,
        "scorer": scorer,
        "length": length,
        "length_asked": asked or (asked_length(length) if length else None),
        "max_tokens": RULER_TOKENS.get(name.partition("_")[0]),
    }
    return {"input": prompt, "target": references, "metadata": metadata}


def _ruler_task(path: Path) -> str:
    for name in (path.stem, *reversed(path.absolute().parts[:-1])):
        if name in RULER_TASKS:
            return name
    found = [task for task in RULER_TASKS if task in path.stem]
    return max(found, key=len, default="")


def from_mrcr(row: Row, where: str, path: Path, task: str = "") -> Line:
    """A row of OpenAI's MRCR, or of DeepMind's.

    OpenAI's has ``prompt``, ``answer``, ``random_string_to_prepend``; DeepMind's ``queries`` and ``answer``. Of the
    first, the answers to the same request become distractors, and the best score that one of them would get
    with the right prefix is the ``noise_floor``.

    Args:
        row: all its fields.
        where: names it in errors.
        path: of the file; not used.
        task: name for the task; by default mrcr or mrcr_deepmind.

    Raises:
        DataError: the row lacks something.
    """
    if "queries" in row and "prompt" not in row:
        answer = _text(row, "answer", where)
        rest = {name: value for name, value in row.items() if name not in ("queries", "answer")}
        metadata = {
            **rest,
            "task": task or "mrcr_deepmind",
            "scorer": "mrcr_deepmind",
            "random_string_to_prepend": answer.strip()[:12],
            "length": None,
        }
        return {"input": messages_of(row, where, "queries"), "target": answer, "metadata": metadata}
    answer, prefix = _text(row, "answer", where), _text(row, "random_string_to_prepend", where)
    prompt = row.get("prompt")
    if isinstance(prompt, str) and prompt.lstrip().startswith("["):
        try:
            prompt = json.loads(prompt)
        except ValueError as error:
            raise DataError(f"{where}: 'prompt' is no JSON list of messages ({error}).") from None
    messages = messages_of(row if prompt is None else {"prompt": prompt}, where, "prompt")
    counted = {name: _whole(value) for name, value in row.items() if name not in ("prompt", "answer")}
    metadata = {**counted, "task": task or "mrcr", "scorer": "mrcr_openai", "length": None}
    if isinstance(counted.get("n_needles"), int):
        metadata["variant"] = {"n_needles": counted["n_needles"]}
    twins = _twins(messages, counted.get("desired_msg_index"), answer.removeprefix(prefix))
    if twins:
        likeness = [difflib.SequenceMatcher(None, twin, answer.removeprefix(prefix)).ratio() for twin in twins]
        metadata["noise_floor"] = max(likeness)
        metadata["distractors"] = [
            {"text": twin, "value": twin, "start": None, "end": None, "tier": "template"} for twin in twins
        ]
    return {"input": messages, "target": answer, "metadata": metadata}


def _twins(messages: str | list[dict[str, str]], wanted: Any, answer: str) -> list[str]:
    """Other answers to the request whose answer is message `wanted`; none where the messages do not fit."""
    if isinstance(messages, str) or not isinstance(wanted, int) or not 0 < wanted < len(messages):
        return []
    if messages[wanted]["content"] != answer:
        return []
    request = messages[wanted - 1]["content"]
    pairs = zip(messages, messages[1:], strict=False)
    replies = [reply["content"] for asked, reply in pairs if asked["role"] == "user" and asked["content"] == request]
    return [reply for reply in replies if reply != answer]


def from_jsonl(row: Row, where: str, path: Path, task: str = "", scorer: str = "") -> Line:
    """A line with ``input`` and ``target``; ``id`` is kept, and everything else that is not null becomes metadata.

    Raises:
        DataError: the line lacks something.
    """
    own = ("id", "input", "target", "metadata")
    rest = {name: value for name, value in row.items() if name not in own and value is not None}
    metadata = {"length": None, **rest, **jsonlines.metadata_of(row, where)}
    metadata |= {name: value for name, value in (("task", task), ("scorer", scorer)) if value}
    named = {"id": str(row["id"])} if row.get("id") not in (None, "") else {}
    return {
        **named,
        "input": messages_of(row, where),
        "target": jsonlines.target_of(row, where),
        "metadata": metadata,
    }


READERS: dict[str, tuple[Callable[..., Line], tuple[str, ...]]] = {
    "jsonl": (from_jsonl, (".jsonl",)),
    "mrcr": (from_mrcr, (".parquet", ".jsonl", ".csv")),
    "ruler": (from_ruler, (".jsonl",)),
}
"""Kind → what turns a row into a line, and endings of its files."""


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        there = ", ".join(row) or "nothing"
        raise DataError(f"{where}: {name!r} is missing or no text. There is: {there}.")
    return value


def _whole(value: Any) -> Any:
    """A whole number that CSV gives as text."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16 else value
