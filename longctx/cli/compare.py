"""``longctx compare``: two or more runs over the same samples, on one page."""

from __future__ import annotations

import json
from pathlib import Path

import click

from longctx.cli._options import json_option
from longctx.cli.report import context_options


@click.command("compare", epilog="Example: longctx compare runs/yarn-off runs/yarn")
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="The page; compare-RUN-RUN.html beside the first run by default."
)
@context_options
@json_option
def command(
    runs: tuple[Path, ...], out: Path | None, context: int, generators: tuple[Path, ...], corpora: tuple[Path, ...],
    as_json: bool,
) -> None:  # fmt: skip
    """Compare each further RUN with the first, sample by sample, and write one page that opens offline.

    Only samples that both answered count: paired differences with intervals, exact McNemar tests, which cells flipped,
    and the answers that did.
    """
    from longctx import report, stats
    from longctx.visible import visible

    page, pairs = report.write_comparison(runs, out, context=context, generators=generators, corpora=corpora)
    if as_json:
        found = [
            {
                "first": str(runs[0]),
                "second": str(run),
                **stats.rows(stats.compare(pair.first, pair.second))[0],
                "by_length": stats.rows(stats.compare(pair.first, pair.second, ["length"])),
                "figures": [str(path) for path in pair.album.paths],
            }
            for run, pair in zip(runs[1:], pairs, strict=True)
        ]
        click.echo(json.dumps({"report": str(page), "pairs": found}, indent=2))
        return
    for pair in pairs:
        click.echo(visible(pair.sentence))
    for path in [page, *(path for pair in pairs for path in pair.album.paths if path.suffix == ".png")]:
        click.echo(visible(str(path)))
