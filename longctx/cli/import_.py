"""``longctx import``: samples that were made elsewhere, as sample lines that run and score here."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from longctx.cli._options import json_option
from longctx.errors import DataError
from longctx.foreign import READERS, read_rows
from longctx.imported import asked_length, prompt_of, to_sample
from longctx.steps import steps
from longctx.tokens import Tokenizer, load_tokenizer

Command = Callable[..., Any]


@click.group(
    epilog="""\b
    Examples:
      longctx import ruler data/4096/vt/validation.jsonl --out vt.jsonl
      longctx run --from vt.jsonl --max-tokens 30 --out runs/vt
    """
)
def command() -> None:
    """Bring samples that were made elsewhere; `longctx run --from` asks them."""


def _options(function: Command) -> Command:
    for option in reversed(
        (
            click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False)),
            click.option("--out", type=click.Path(dir_okay=False, allow_dash=True), required=True, help="File, or -."),
            click.option("--task", default="", help="Name of the task, in place of what the file says."),
            click.option("--tokenizer", default="", help="Measure lengths as this model would receive the prompts."),
            json_option,
        )
    ):
        function = option(function)
    return function


@command.command(epilog="\b\nExample:\n  longctx import ruler 4096/niah_single_1/validation.jsonl --out niah.jsonl")
@_options
def ruler(file: Path, **options: Any) -> None:
    """RULER's data: index, input, outputs, length, answer_prefix.

    The task is what the file or its folder is called. Scored by ruler_all, qa tasks by ruler_part.
    """
    _bring("ruler", file, **options)


@command.command(epilog="\b\nExample:\n  longctx import mrcr 2needle.parquet --out mrcr.jsonl")
@_options
def mrcr(file: Path, **options: Any) -> None:
    """MRCR's data, as .parquet, .jsonl or .csv: OpenAI's (prompt, answer, …) or DeepMind's (queries, answer).

    Scored by mrcr_openai or mrcr_deepmind.
    """
    _bring("mrcr", file, **options)


@command.command(epilog="\b\nExample:\n  longctx import jsonl samples.jsonl --scorer exact --out ours.jsonl")
@_options
@click.option("--scorer", default="", help="Scorer of all lines; by default what their metadata name, or includes.")
def jsonl(file: Path, **options: Any) -> None:
    """Any lines with input (a text or chat messages) and target (a text or several); the rest becomes metadata."""
    _bring("jsonl", file, **options)


def _bring(kind: str, file: Path, *, out: str, tokenizer: str, as_json: bool, **options: str) -> None:
    read, endings = READERS[kind]
    measure = load_tokenizer(tokenizer) if tokenizer else None
    ids: dict[str, str] = {}
    tasks: dict[str, int] = {}
    longest = 0  # output tokens
    with steps() as progress, _written(out) as written:
        for count, (where, row) in enumerate(read_rows(file, endings), 1):
            sample = to_sample(read(row, where, file, **options), where, count)
            if sample.id in ids:
                raise DataError(f"{where}: the id {sample.id!r} is that of {ids[sample.id]}.")
            ids[sample.id] = where
            metadata = dict(sample.metadata)
            if measure:
                metadata |= _measured(measure, sample.input, metadata)
            tasks[metadata["task"]] = tasks.get(metadata["task"], 0) + 1
            longest = max(longest, metadata.get("max_tokens") or _tokens(sample.target, measure))
            shape = {"id": sample.id, "input": sample.input, "target": sample.target, "metadata": metadata}
            written.write(_json(shape) + "\n")
            progress("importing", count, count)
    if as_json and out != "-":
        click.echo(json.dumps({"samples": len(ids), "tasks": tasks, "out": out, "max_tokens": longest}))
        return
    click.echo(f"{len(ids):,} samples ({', '.join(sorted(tasks))}): {out}", err=True)
    click.echo(f"Next: {shlex.join(['longctx', 'run', '--from', out, '--max-tokens', str(longest)])}", err=True)


@contextmanager
def _written(out: str) -> Iterator[IO[str]]:
    """Stdout, or a file that is there whole or not at all."""
    if out == "-":
        with click.open_file("-", "w", encoding="utf-8") as file:
            yield file
        return
    draft = Path(out).with_name(f".{Path(out).name}.draft")
    try:
        with draft.open("w", encoding="utf-8") as file:
            yield file
        draft.replace(out)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror}.") from None
    finally:
        draft.unlink(missing_ok=True)


def _measured(tokenizer: Tokenizer, given: Any, metadata: dict[str, Any]) -> dict[str, Any]:
    prompt = prompt_of(tokenizer, given, metadata.get("answer_prefix") or "")
    length = len(tokenizer.prompt_ids(prompt))
    asked = metadata.get("length_asked") or asked_length(length)
    return {"length": length, "length_asked": asked, "tokenizer": tokenizer.name}


def _tokens(target: str | list[str], tokenizer: Tokenizer | None) -> int:
    """Output tokens that an answer needs: those of the targets, and some words around them; 3 characters a token."""
    text = target if isinstance(target, str) else ", ".join(target)
    return 32 + (tokenizer.count(text) if tokenizer else -(-len(text) // 3))


def _json(line: dict[str, Any]) -> str:
    """One line, readable where it is valid Unicode (half a surrogate pair is escaped)."""
    text = json.dumps(line, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(line)
    return text
