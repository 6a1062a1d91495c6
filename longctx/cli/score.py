"""``longctx score``: score predictions that were made elsewhere."""

from __future__ import annotations

import json
from typing import IO

import click

from longctx import jsonlines, thinking
from longctx.cli._options import json_option
from longctx.errors import DataError, UsageError
from longctx.scorers import SCORERS, find_scorer


@click.command(
    epilog="""\b
    Examples:
      longctx score predictions.jsonl --scorer ruler_all
      longctx score - --scorer mrcr_openai --json < predictions.jsonl
    """
)
@click.argument("file", type=click.File("rb"), metavar="FILE.jsonl|-")
@click.option("--scorer", help=f"One of {', '.join(sorted(SCORERS))}; by default what a line's metadata name.")
@click.option("--keep-thinking", is_flag=True, help="Score what stands between thinking delimiters too.")
@json_option
def command(file: IO[bytes], scorer: str | None, keep_thinking: bool, as_json: bool) -> None:
    """Score predictions that were made elsewhere, without any model.

    Each line holds `target` (a text or a list of texts), `prediction` (a text), and where the scorer needs it
    `metadata`, an object: `random_string_to_prepend` for MRCR, `choices` for choice. Blank lines are left out.
    """
    if scorer is not None:
        find_scorer(scorer)  # before anything is read
    name = str(getattr(file, "name", "<stdin>"))
    scores = []
    for number, _, line in jsonlines.read(file, name):
        where = f"{name}, line {number}"
        target, metadata = jsonlines.target_of(line, where), jsonlines.metadata_of(line, where)
        if "prediction" not in line:
            raise DataError(f"{where}: 'prediction' is missing. There is: {', '.join(line)}.")
        prediction = "" if line["prediction"] is None else line["prediction"]  # null where a call failed
        if not isinstance(prediction, str):
            raise DataError(f"{where}: 'prediction' is {prediction!r}; it must be a text.")
        asked = scorer or metadata.get("scorer")
        if not asked:
            raise UsageError(f"{where} names no scorer in its metadata; give one with --scorer.")
        answer = prediction if keep_thinking else thinking.strip(prediction)[0]
        try:
            value, _ = find_scorer(str(asked))(target, answer, metadata)
        except UsageError as error:
            raise DataError(f"{where}: {error}") from None
        scores.append(value)
    mean = sum(scores) / len(scores)
    if as_json:
        click.echo(json.dumps({"scores": scores, "mean": mean}))
    else:
        click.echo(f"{mean:.4f} on average over {len(scores):,} predictions")
