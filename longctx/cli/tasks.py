"""``longctx tasks``: what can be asked."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import click

from longctx.cli._options import generators_option, json_option
from longctx.tasks import find_tasks


@click.command(epilog="\b\nExample:\n  longctx tasks --json")
@generators_option
@json_option
def command(generators: tuple[Path, ...], as_json: bool) -> None:
    """List what can be asked: one line and one example each."""
    tasks = [task for _, task in sorted(find_tasks(generators).items())]
    if as_json:
        described = [
            {
                "name": task.name,
                "summary": task.summary,
                "example": task.example,
                "scorer": task.scorer,
                "shares_haystack": task.shares_haystack,
                "variants": task.variants,
                "file": str(task.file),
            }
            for task in tasks
        ]
        click.echo(json.dumps({"tasks": described}))
        return
    for task in tasks:
        click.echo(f"{task.name}: {task.summary}\n{textwrap.indent(task.example, '    ')}\n")
