"""``longctx table``: print a run as a table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longctx.errors import RunError, UsageError

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("md", "csv", "json", "latex", "parquet")
_ENDINGS = {".csv": "csv", ".json": "json", ".tex": "latex", ".parquet": "parquet"}


@click.command("table", epilog="Example: longctx table runs/demo --by length,depth --format csv")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("--by", default="length,depth", show_default=True, help="Columns to group by, separated by commas.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="How to print it; by default as --out's ending says, else md."
)
@click.option(
    "--ruler", is_flag=True, help="RULER's table: its thirteen tasks by length, in percent, in place of --by."
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write to; parquet needs one.")
def command(runs: tuple[Path, ...], by: str, form: str | None, ruler: bool, as_json: bool, out: Path | None) -> None:
    """Print accuracy, 95 % interval and counts of each group of a RUN's samples.

    length, depth and density group by what was asked. Other columns that group well: task, corpus, model,
    seed, outcome, needle_file, and run where there are several. Failed calls are counted as errors and
    enter no accuracy. Intervals allow for answers that may stand and fall together (clusters): those over one
    haystack, and those about one seed's facts where a row pools several lengths or densities. Controls are left out
    unless control is among the columns.
    """
    from longctx import stats, table
    from longctx.units import parse_list

    ending = out.suffix.lower() if out else ""
    form = "json" if as_json else form or _ENDINGS.get(ending, "md")
    if form == "parquet" and out is None:
        raise UsageError("A Parquet file is no text: name it with --out FILE.parquet.")
    names = parse_list(by)
    frame = table.load(*runs, controls="control" in names and not ruler, columns=None if ruler else stats.needed(names))
    if form == "parquet":
        found = ruler_frame(frame) if ruler else _tidy(stats.cells(frame, names))
        _put(out, lambda file: found.to_parquet(file, index=False))
        return
    if ruler:
        text = ruler_text(frame, form)
    elif form == "json":
        about = {"runs": [str(run) for run in runs], "by": names, "level": 0.95}
        text = json.dumps({**about, "rows": stats.rows(stats.cells(frame, names))}, indent=2, default=str) + "\n"
    else:
        text = {"md": _markdown, "csv": _csv, "latex": _latex}[form](_tidy(stats.cells(frame, names)))
    if out is None:
        click.echo(text, nl=False)
    else:
        _put(out, lambda file: file.write_text(text, encoding="utf-8"))


def _put(path: Path | None, write: Callable[[Path], Any]) -> None:
    assert path is not None
    try:
        write(path)
    except OSError as error:
        raise RunError(f"Cannot write {path}: {error.strerror or error}.") from None


def ruler_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """RULER's table of every run in a frame, one below the other."""
    import pandas as pd

    from longctx import ruler_table

    return pd.concat([ruler_table.as_frame(one).assign(run=one.run) for one in ruler_table.tables(frame)])


def ruler_text(frame: pd.DataFrame, form: str = "md") -> str:
    """RULER's table of every run in a frame, as Markdown with sentences below it or as data alone."""
    from longctx import ruler_table

    found = ruler_table.tables(frame)
    if form == "json":
        return json.dumps({"runs": [one.to_json() for one in found]}, indent=2) + "\n"
    frames = [ruler_table.as_frame(one) for one in found]
    if len(found) > 1 or form != "md":
        for one, scores in zip(found, frames, strict=True):
            scores.insert(0, "run", one.run)
    if form != "md":
        import pandas as pd

        return {"csv": _csv, "latex": _latex}[form](_plain(pd.concat(frames)))
    blocks = []
    for one, scores in zip(found, frames, strict=True):
        blocks.append("\n".join([_markdown(_plain(scores)), *ruler_table.sentences(one), ""]))
    return "\n".join(blocks)


def _tidy(found: pd.DataFrame) -> pd.DataFrame:
    """As people read it: whole numbers of right answers look whole."""
    if (found["right"] % 1 == 0).all():
        found = found.astype({"right": "int64"})
    return _plain(found)


def _plain(found: pd.DataFrame) -> pd.DataFrame:
    """Nothing in a name steers a terminal."""
    from longctx.visible import visible

    plain = found.astype({name: object for name in found if found[name].dtype.name in ("category", "str", "object")})
    return plain.map(lambda value: visible(value) if isinstance(value, str) else value)


def _csv(found: pd.DataFrame) -> str:
    return found.to_csv(index=False, lineterminator="\n")


def _latex(found: pd.DataFrame) -> str:
    return found.to_latex(index=False, escape=True, float_format="%.3f", na_rep="--")


def _markdown(found: pd.DataFrame) -> str:
    """Columns of equal width, so that it reads as it is; what is missing stays empty."""
    columns = []
    for name in found:
        texts = [_escaped(name), *_texts(found[name])]
        width = max(map(len, texts))
        left = any(isinstance(value, str) for value in found[name])
        rule = "-" * (width + 2) if left else "-" * (width + 1) + ":"
        cells = [f" {text:<{width}} " if left else f" {text:>{width}} " for text in texts]
        columns.append([cells[0], rule, *cells[1:]])
    return "".join("|" + "|".join(row) + "|\n" for row in zip(*columns, strict=True))


def _texts(values: pd.Series[Any]) -> list[str]:
    """A column's values; numbers have as many decimals, up to three, as one of them needs."""
    import pandas as pd

    some = [value for value in values if isinstance(value, float) and not pd.isna(value)]
    decimals = max((len(f"{value:.3f}".rstrip("0").partition(".")[2]) for value in some), default=0)
    return [
        "" if pd.isna(value) else f"{value:.{decimals}f}" if isinstance(value, float) else _escaped(value)
        for value in values
    ]


def _escaped(value: Any) -> str:
    return str(value).replace("\\", "\\\\").replace("|", "\\|")
