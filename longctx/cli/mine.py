"""``longctx mine``: facts in the documents, with questions, for a person to go through."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from longctx import sources
from longctx.cli._options import corpora_option, json_option
from longctx.mining import KINDS, MinedFact, mine, read_csv, to_csv
from longctx.steps import steps
from longctx.types import FileReport
from longctx.units import parse_count, parse_list
from longctx.visible import visible

_SHOWN = 20  # facts that are printed where no table is written


@click.command(
    epilog="\b\nExamples:\n  longctx mine path/to/contracts --out facts.csv\n"
    "  longctx mine path/to/contracts --facts facts.csv\n"
    "  longctx run --task mined --corpus path/to/contracts --facts facts.csv"
)
@click.argument("source", metavar="DOCS|NAME")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Table to write.")
@click.option(
    "--facts",
    "table",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Table that was gone through: check it against the documents, and list what it keeps.",
)
@click.option("--kinds", default="", help=f"Kinds of fact to look for, of {', '.join(KINDS)}; all by default.")
@click.option("--limit", type=click.IntRange(min=1), help="Facts at most, spread over the kinds and the documents.")
@click.option(
    "--edit",
    type=click.Choice(["none", "edited"]),
    default="none",
    show_default=True,
    help="none: facts that can be asked about as they stand. edited: also those whose value stands elsewhere too, for "
    "questions about a changed value.",
)
@click.option(
    "--length", default="128K", show_default=True, help="Longest prompt that a synthetic corpus should serve."
)
@corpora_option
@json_option
def command(
    source: str,
    out: Path | None,
    table: Path | None,
    kinds: str,
    limit: int | None,
    edit: str,
    length: str,
    corpora_folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Find facts in documents, each with a question that only its place answers.

    The table has a row for each. Strike out what nobody would ask by setting `keep` to 0 or by deleting the row, and
    reword questions as you like; the other columns say where the fact stands and are to stay as they are. The task
    `mined` then asks about what is left: `longctx run --task mined --facts facts.csv`.
    """
    wanted = parse_list(kinds) or list(KINDS)
    with steps() as progress:
        reading = sources.read(sources.find_source(source, corpora_folders), 6 * parse_count(length), progress)
        if table:
            found = [fact for fact in read_csv(table, reading.documents) if fact.kind in wanted]
        else:
            found = mine(reading.documents, wanted, edit=edit == "edited", progress=progress)
    facts = _spread(found, limit) if limit else found
    click.echo(_account(reading.files, facts, len(found)), err=True)
    if out:
        out.write_text(to_csv(facts), "utf-8", newline="")
        click.echo(f"Written to {out}.", err=True)
    if as_json:
        click.echo(json.dumps({"facts": [_row(fact) for fact in facts], "files": [asdict(f) for f in reading.files]}))
    elif not out:
        for fact in facts[:_SHOWN]:
            click.echo(f"{fact.id}  {fact.kind}, {_place(fact)}\n  {visible(fact.question)}\n  {visible(fact.value)}\n")
        if len(facts) > _SHOWN:
            click.echo(f"and {len(facts) - _SHOWN:,} more; --out facts.csv writes them all.")


def _spread(facts: list[MinedFact], limit: int) -> list[MinedFact]:
    """As many facts, of every kind alike as far as there are, in the order of the documents."""
    groups = {kind: sorted((f for f in facts if f.kind == kind), key=lambda f: f.id) for kind in KINDS}
    # By their ids, which are hashes, a kind's facts come in no order that follows the documents.
    ranked = sorted((rank, kind, fact.id) for kind, group in groups.items() for rank, fact in enumerate(group))
    chosen = {fact for _, _, fact in ranked[:limit]}
    return [fact for fact in facts if fact.id in chosen]


def _account(files: list[FileReport], facts: list[MinedFact], found: int) -> str:
    lines = [f"{visible(f.path)}: {f.status} ({visible(f.reason)})" for f in files if f.status != "read"]
    status = Counter(file.status for file in files)
    lines.append(
        f"{len(files):,} files: " + ", ".join(f"{status[s]:,} {s}" for s in ("read", "partly read", "skipped"))
    )
    kinds = Counter(fact.kind for fact in facts)
    some = f" of {found:,}" if found > len(facts) else ""
    counts = ", ".join(f"{kinds[kind]:,} {kind}" for kind in KINDS if kinds[kind])
    lines.append(f"{len(facts):,}{some} facts{': ' + counts if counts else ''}.")
    return "\n".join(lines)


def _place(fact: MinedFact) -> str:
    return f"{visible(fact.file)}, " + (f"page {fact.page}" if fact.page else f"line {fact.line}")


def _row(fact: MinedFact) -> dict[str, object]:
    shown = ("id", "kind", "question", "value", "file", "page", "line", "passage", "unique")
    return {name: getattr(fact, name) for name in shown}
