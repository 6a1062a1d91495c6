"""The command line: thin commands, one file each, imported only when asked for."""

from __future__ import annotations

import importlib
import keyword
import sys

import click

from longctx import __version__
from longctx.errors import LongctxError, UsageError

COMMANDS = {
    "tasks": "what can be asked: one line and one example each",
    "corpus": "read and encode a folder; every file accounted for",
    "build": "write samples to a JSON-lines file",
    "run": "build samples, ask a model, record every answer",
    "frontier": "the longest length that can be trusted, found under a budget",
    "report": "draw figures and one offline page of a run",
    "compare": "two or more runs over the same samples, on one page",
    "watch": "a live heatmap of a run in the terminal",
    "table": "print a run as a table",
    "import": "bring samples that were made elsewhere",
    "score": "score predictions that were made elsewhere",
    "mine": "facts in your documents, with questions, for a person to go through",
    "synth": "write synthetic documents as PDF, Word, HTML, Markdown or source trees",
    "serve": "a vLLM server with the window and YaRN that a length needs",
    "models": "list models that need no hub; show what would be used for one",
}
"""Command name → its one line; the command itself is ``command`` in ``longctx/cli/NAME.py``.

A name that Python keeps for itself has an underscore behind it there: ``import_.py``.
"""


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = f"{name}_" if keyword.iskeyword(name) else name
        command: click.Command = importlib.import_module(f"longctx.cli.{module}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="longctx")
def group() -> None:
    """Find out how long a context a model can be trusted with, on your own documents."""


def main() -> None:
    """Run the command line; the one place where errors become a line on stderr and an exit code."""
    try:
        code = group.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except LongctxError as error:
        click.echo(f"longctx: {error}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:
        sys.exit(0)
