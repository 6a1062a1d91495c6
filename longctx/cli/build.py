"""``longctx build``: samples to a JSON-lines file."""

from __future__ import annotations

import json
from typing import IO, Any

import click
import numpy as np

from longctx.builder import Builder, cells_of, pick_tasks
from longctx.cli._options import Asked, json_option, sample_options, sweep_argument, takes_sweep
from longctx.errors import LongctxError
from longctx.plan import in_order
from longctx.steps import steps
from longctx.tokens import Tokenizer
from longctx.types import Sample


@click.command(
    epilog="""\b
    Examples:
      longctx build --task niah_single --corpus contracts --length 4K --depth 0,0.5,1 --out samples.jsonl
      longctx build demo --length 1M --corpus path/to/contracts --repeat --out -
    """
)
@sweep_argument
@sample_options
@click.option("--out", type=click.File("w", encoding="utf-8", lazy=False), required=True, help="File, or - for stdout.")
@click.option("--verify", is_flag=True, help="Encode every prompt whole and compare with the ids that were assembled.")
@json_option
@takes_sweep
def command(asked: Asked, out: IO[str], verify: bool, as_json: bool) -> None:
    """Write samples to a JSON-lines file: input, target, id and everything that was asked and measured."""
    tasks = pick_tasks(asked.sweep, asked.generators)
    count = tokens = 0
    with steps() as progress:
        builder = Builder(asked.sweep, tasks, asked.corpora, progress)
        cells = in_order(cells_of(asked.sweep, tasks))
        for cell in cells:
            sample = builder.build(cell)
            if verify:
                check(sample, builder.tokenizer)
            out.write(json.dumps(as_line(sample), ensure_ascii=False) + "\n")
            count, tokens = count + 1, tokens + len(sample.prompt_ids)
            progress("building", count, len(cells))
    if not builder.tokenizer.has_template:
        click.echo(f"{builder.tokenizer.name} has no chat template: `input` is the plain prompt.", err=True)
    if as_json and out.name != "<stdout>":
        click.echo(json.dumps({"samples": count, "prompt_tokens": tokens, "out": str(out.name)}))
    else:
        click.echo(f"{count:,} samples, {tokens:,} prompt tokens: {out.name}", err=True)


def as_line(sample: Sample) -> dict[str, Any]:
    """A sample as Inspect AI and other tools read it."""
    return {"id": sample.id, "input": sample.input, "target": sample.target, "metadata": dict(sample.metadata)}


def check(sample: Sample, tokenizer: Tokenizer) -> None:
    """Compare a sample's ids with those of its whole prompt.

    Raises:
        LongctxError: they differ, which is a defect of this program.
    """
    whole = tokenizer.prompt_ids(sample.prompt)
    if not np.array_equal(whole, sample.prompt_ids):
        raise LongctxError(
            f"Sample {sample.id}: {len(sample.prompt_ids):,} ids were assembled and the whole prompt encodes to "
            f"{len(whole):,}, which differ. Please report this with the tokenizer's name and the command."
        )
