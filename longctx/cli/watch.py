"""``longctx watch``: a live heatmap of a run in the terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from longctx.cli._options import json_option


@click.command("watch", epilog="Example: longctx watch runs/demo")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--every", "every_s", type=click.FloatRange(min=0.1), default=2.0, show_default=True,
              help="Seconds between two looks.")  # fmt: skip
@click.option("--once", is_flag=True, help="Draw it once and end.")
@click.option(
    "--colour/--no-colour", default=True, help="Colours, where the terminal has them and NO_COLOR is not set."
)
@json_option
def command(run: Path, every_s: float, once: bool, colour: bool, as_json: bool) -> None:
    """Watch RUN while another process fills it; works over ssh, and without colour too.

    Ends when every sample is asked. Ctrl-C ends it earlier and leaves the run alone.
    """
    from longctx import stats, watch

    if as_json:
        state = watch.look(run)
        found = {"run": str(run), "asked": state.asked, "planned": state.planned, "complete": state.complete}
        if state.frame is not None:
            found |= {**stats.summary(state.frame), "cells": stats.rows(stats.cells(state.frame))}
        click.echo(json.dumps(found, default=str))
    elif once:
        import shutil

        from longctx.textmap import shades_for

        size = shutil.get_terminal_size()
        click.echo(watch.picture(watch.look(run), size.columns, None, shades_for(sys.stdout.encoding)))
    elif watch.is_terminal():
        watch.on_terminal(run, sys.stdout, every_s, colour)
    else:
        watch.as_lines(run, sys.stdout, every_s)
