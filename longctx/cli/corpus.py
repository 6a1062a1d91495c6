"""``longctx corpus``: read and encode a folder, and account for every file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click

from longctx.cli._options import corpora_option, json_option
from longctx.corpus import Corpora
from longctx.steps import steps
from longctx.tokens import load_tokenizer
from longctx.units import parse_count
from longctx.visible import visible


@click.command(
    epilog="\b\nExamples:\n  longctx corpus path/to/contracts\n  longctx corpus contracts --length 128K --json"
)
@click.argument("source", metavar="DIR|NAME")
@click.option("--model", default="smollm2-135m", show_default=True, help="Whose tokenizer counts.")
@click.option("--tokenizer", default="", help="Hugging Face id or folder; by default the model's.")
@click.option("--length", default="4K", show_default=True, help="Longest prompt that a synthetic corpus should serve.")
@click.option("--voice", default="", help="Voice of the needles, in place of the corpus's own.")
@corpora_option
@json_option
def command(
    source: str, model: str, tokenizer: str, length: str, voice: str, corpora_folders: tuple[Path, ...], as_json: bool
) -> None:
    """Read and encode a folder of documents, and account for every file in it.

    What was read and encoded is kept in the cache by content: only changed files are read again.
    """
    with steps() as progress:
        corpora = Corpora(load_tokenizer(tokenizer or model), corpora_folders, voice, progress=progress)
        described = {"name": source, **corpora.get(source, parse_count(length)).describe()}
    click.echo(json.dumps(described) if as_json else _text(described))


def _text(described: dict[str, Any]) -> str:
    files = described["files"]
    counts = Counter(file["status"] for file in files)
    lines = [
        f"{visible(file['path'])}: {file['status']} ({visible(file['reason'])})"
        for file in files
        if file["status"] != "read"
    ]
    lines += [
        f"{len(files):,} files: " + ", ".join(f"{counts[s]:,} {s}" for s in ("read", "partly read", "skipped")) + ".",
        f"{described['tokens']:,} tokens in {described['documents']:,} documents; language {described['language']}, "
        f"voice {described['voice']}.",
    ]
    if described["defused"]:
        lines.append(
            f"{described['defused']:,} strings that are control tokens of this model were broken up by a blank, "
            "so that they stay text."
        )
    return "\n".join(lines)
