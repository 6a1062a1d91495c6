"""``longctx report``: draw figures and one offline page of a run."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from longctx.cli._options import json_option


def context_options(command: Any) -> Any:
    """Options that say how much text around needles a page shows, and where to look for what it is made from."""
    folder = click.Path(path_type=Path)
    for option in (
        click.option("--corpora", "corpora", multiple=True, type=folder, help="Further corpora, likewise."),
        click.option("--generators", "generators", multiple=True, type=folder, help="Further tasks, to rebuild from."),
        click.option("--context", type=click.IntRange(0), default=200, show_default=True,
                     help="Samples whose text around the needle is rebuilt for the page; 0: none."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command("report", epilog="Example: longctx report runs/demo")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("--accuracy", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.9, show_default=True,
              help="What is asked for: figures mark where it is met.")  # fmt: skip
@context_options
@json_option
def command(
    runs: tuple[Path, ...], accuracy: float, context: int, generators: tuple[Path, ...], corpora: tuple[Path, ...],
    as_json: bool,
) -> None:  # fmt: skip
    """Draw the figures of each RUN and write its report.html, one page that opens offline.

    A run that is still going on or was interrupted works as well; its page says what is missing.
    """
    from longctx import figures, report, ruler_table, stats, table, textmap
    from longctx.cli.table import ruler_text
    from longctx.report.page import headline as page_headline
    from longctx.report.page import writing
    from longctx.visible import visible

    done = []
    for run in runs:
        everything = table.load(run, controls=True)
        frame = stats.asked(everything)
        with writing(run):
            album = figures.draw(everything, run / "figures", accuracy)
        page = report.write(run, everything, album, accuracy=accuracy, context=context, generators=generators,
                            corpora=corpora)  # fmt: skip
        headline = page_headline(run, frame, accuracy)
        paths = {"run": str(run), "report": str(page), "figures": [str(path) for path in album.paths]}
        left_out = [{"figure": heading, "why": why} for heading, why in album.left_out]
        done.append({**paths, "left_out": left_out, "headline": " ".join(headline), **stats.summary(frame)})
        if as_json:
            continue
        width = shutil.get_terminal_size().columns
        click.echo(textmap.text_heatmap(frame, width=width, shades=textmap.shades_for(sys.stdout.encoding)))
        click.echo()
        if ruler_table.has_ruler(frame):
            click.echo(ruler_text(frame))
        for path in [page, *(path for path in album.paths if path.suffix == ".png")]:
            click.echo(visible(str(path)))
    if as_json:
        click.echo(json.dumps({"reports": done}, indent=2))
