"""``longctx frontier``: the longest length that can be trusted, found under a budget."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from longctx.adaptive import STEP, find_frontier
from longctx.cli._long import Interrupts, say
from longctx.cli._options import Asked, engine_options, json_option, sample_options, sweep_argument, takes_sweep
from longctx.run import Interrupted
from longctx.steps import steps
from longctx.units import parse_count


@click.command(
    epilog="""\b
    Examples:
      longctx frontier --corpus contracts --length 1K,128K --backend lossy --accuracy 0.6 --budget 20M
      longctx frontier --corpus path/to/contracts --length 4K,128K --model path/to/model --density 0,4 --budget 50M
    """
)
@sweep_argument
@sample_options
@engine_options
@click.option("--accuracy", type=float, default=0.9, show_default=True, help="That is asked for at every depth.")
@click.option("--confidence", type=float, default=0.95, show_default=True, help="Of all that is claimed.")
@click.option("--budget", required=True, metavar="TOKENS", help="Prompt tokens that may be spent: 20M.")
@click.option(
    "--step", type=float, default=STEP, help="Factor between lengths where only two are given; 1.19 by default."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run; runs/frontier-NAME by default.")
@json_option
@takes_sweep
def command(
    asked: Asked, out: Path | None, accuracy: float, confidence: float, budget: str, step: float, as_json: bool
) -> None:
    """Find the longest length at which accuracy is high enough at the worst depth.

    Two lengths are the ends of the search; more are searched as they are. Prompt tokens are spent where they decide
    most. The same command again, with a larger budget for example, goes on from what is answered.
    """
    path = out or Path("runs") / f"frontier-{asked.name}"
    try:
        with Interrupts():
            found = find_frontier(
                asked.sweep, path, accuracy=accuracy, confidence=confidence, budget=parse_count(budget), step=step,
                generators=asked.generators, corpora=asked.corpora, note=say, steps=steps,
            )  # fmt: skip
    except Interrupted as stopped:
        kept = f"{stopped.summary.answered:,} answers are kept"
        say(f"interrupted; {kept}. To go on: {shlex.join(['longctx', *sys.argv[1:]])}")
        raise click.exceptions.Exit(130) from None
    if as_json:
        click.echo(json.dumps({**found.to_json(), "run": str(path)}))
        return
    for sentence in found.sentences():
        click.echo(sentence)
    click.echo(f"Records: {path / 'records.jsonl'}")
    click.echo(f"Next:    longctx report {shlex.quote(str(path))}")
