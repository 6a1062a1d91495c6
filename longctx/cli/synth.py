"""``longctx synth``: synthetic documents to a folder, in the formats that real ones come in."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click

from longctx import __version__
from longctx.cli._options import json_option
from longctx.errors import LongctxError, UsageError
from longctx.sources import find_sources
from longctx.steps import steps
from longctx.tasks import load_maker
from longctx.tokens import load_tokenizer
from longctx.units import parse_count, parse_list
from longctx.writers import FORMATS, find_format
from longctx.writers.folder import Job, check, claim, deal, gather, write_all


@click.command(
    epilog="""\b
    Examples:
      longctx synth contracts --tokens 2000000 --format docx,pdf --out contracts-mixed
      longctx synth codebases --tokens 500K --out src
      longctx synth support --tokens 100K --format md,html,pdf --each --out same-in-three
    \b
    Formats:
"""
    + "\n".join(f"      {form.name:<8}{form.summary}" for form in FORMATS.values())
)
@click.argument("maker", metavar="NAME")
@click.option("--tokens", required=True, help="At least so many tokens of plain text: 100000, 64K, 2M.")
@click.option("--format", "formats", default="source", show_default=True, help="One or several formats, by comma.")
@click.option("--each", is_flag=True, help="Each document in every format, one folder a format, instead of in one.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A folder that is new or empty.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed gives other documents.")
@click.option("--model", default="smollm2-135m", show_default=True, help="Whose tokenizer counts.")
@click.option("--tokenizer", default="", help="Hugging Face id or folder; by default the model's.")
@click.option(
    "--generators",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder with further makers.",
)
@json_option
def command(
    maker: str,
    tokens: str,
    formats: str,
    each: bool,
    out: Path,
    seed: int,
    model: str,
    tokenizer: str,
    generators: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Write synthetic documents to a folder: contracts, disclosures, support, policies or codebases.

    With several formats each document is written in one of them, in equal shares: a mixed folder such as teams have.
    What `longctx corpus` reads back is what was written. The same command fills the same folder with the same
    documents again; a folder that holds anything else is refused.
    """
    wanted = parse_count(tokens)
    if wanted < 1:
        raise UsageError(f"--tokens {tokens} asks for no document; possible is 1 or more.")
    forms = [find_format(name) for name in dict.fromkeys(parse_list(formats))]
    if not forms:
        raise UsageError(f"--format names none; possible: {', '.join(FORMATS)}.")
    make = load_maker(maker, generators)
    counter = tokenizer or model
    asked = {
        "longctx": __version__, "maker": maker, "seed": seed, "tokens": wanted,
        "formats": [form.name for form in forms], "each": each, "tokenizer": counter,
    }  # fmt: skip
    check(out, asked)
    with steps() as progress:
        documents = list(gather(make, seed, wanted, load_tokenizer(counter), progress))
        jobs = deal(documents, forms, seed, each)
        try:
            claim(out, asked, jobs)
            _describe(maker, seed, out)
            write_all(jobs, out, progress)
        except OSError as error:
            raise LongctxError(f"{out} cannot be written: {error}.") from error
    described = _described(asked, jobs, len(documents), sum(count for _, count in documents), out)
    if as_json:
        click.echo(json.dumps(described))
    else:
        shares = ", ".join(f"{count:,} {name}" for name, count in described["formats"].items())
        click.echo(
            f"{described['documents']:,} documents, {described['tokens']:,} tokens of {counter}: {shares} in {out}"
        )


def _describe(maker: str, seed: int, out: Path) -> None:
    """A ``corpus.toml``, so that needles speak as the documents do."""
    for source in find_sources().values():
        if source.maker == maker:
            fields = {
                "title": source.title, "source": f"{source.origin}, seed {seed}", "licence": source.licence,
                "language": source.language, "voice": source.voice_name or source.name,
            }  # fmt: skip
            lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items()]
            (out / "corpus.toml").write_text("\n".join([*lines, ""]), "utf-8")


def _described(asked: dict[str, Any], jobs: list[Job], documents: int, tokens: int, out: Path) -> dict[str, Any]:
    return {
        **{name: asked[name] for name in ("maker", "seed", "tokenizer")},
        "tokens_asked": asked["tokens"],
        "tokens": tokens,
        "documents": documents,
        "formats": dict(Counter(job.form.name for job in jobs)),
        "out": str(out),
        "files": [{"path": job.path, "format": job.form.name, "tokens": job.tokens} for job in jobs],
    }
