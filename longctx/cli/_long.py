"""What commands that take long share: they tell what begins, and end when they are told to."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

import click

from longctx.progress import Progress


def say(message: str) -> None:
    """Tell on stderr what begins or how far it is."""
    click.echo(f"longctx: {message}", err=True)


class Interrupts:
    """Lets SIGINT and SIGTERM end a run, also where Python swallows the exception that they raise.

    An exception inside a callback of the interpreter's own is printed and forgotten: the next record raises it again.
    """

    def __init__(self) -> None:
        self._told = False

    def __enter__(self) -> Interrupts:
        self._before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number, handler in self._before.items():
            if handler != signal.SIG_IGN:  # as nohup and shells want it for what runs in the background
                signal.signal(number, self._tell)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _tell(self, *_: object) -> None:
        self._told = True
        raise KeyboardInterrupt

    def watch(self, *arguments: Any, **options: Any) -> Progress:
        """A progress display that looks after every record whether the run was told to end."""
        progress = Progress(*arguments, **options)
        update = progress.update

        def update_and_look(record: Mapping[str, Any]) -> None:
            update(record)
            if self._told:
                raise KeyboardInterrupt

        progress.update = update_and_look  # type: ignore[method-assign]
        return progress
