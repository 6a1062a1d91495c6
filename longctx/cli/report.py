"""``longctx report``: draw figures and one offline page of a run."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import click


@click.command("report", epilog="Example: longctx report runs/demo")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document: paths and headline numbers.")
def command(runs: tuple[Path, ...], as_json: bool) -> None:
    """Draw the heatmaps of each RUN and write its report.html, one page that opens offline.

    A run that is still going on or was interrupted works as well; its page says what is missing.
    """
    from longctx import figures, findings, report, ruler_table, stats, table, textmap
    from longctx.cli.table import ruler_text
    from longctx.visible import visible

    done = []
    for run in runs:
        frame = table.load(run)
        drawn = figures.write(frame, run / "figures")
        page = report.write(run, frame, drawn)
        headline = findings.headline(frame, table.read_json(run, "manifest.json"))
        paths = {"run": str(run), "report": str(page), "figures": [str(path) for path in drawn]}
        done.append({**paths, "headline": " ".join(headline), **stats.summary(frame)})
        if as_json:
            continue
        width = shutil.get_terminal_size().columns
        click.echo(textmap.text_heatmap(frame, width=width, shades=textmap.shades_for(sys.stdout.encoding)))
        click.echo()
        if ruler_table.has_ruler(frame):
            click.echo(ruler_text(frame))
        for path in [page, *drawn]:
            click.echo(visible(str(path)))
    if as_json:
        click.echo(json.dumps({"reports": done}, indent=2))
