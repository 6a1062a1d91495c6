"""Worker processes from the side that starts them: one at a time for each thread, replaced when it is lost.

Plain subprocesses rather than `multiprocessing`: they need no ``if __name__ == "__main__"`` in the calling
script, work from a notebook, and import the readers only.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict

from longctx.documents.base import Limits, Reading, too_much_time
from longctx.messages import environment, receive, send

_GRACE_SECONDS = 5.0  # beyond the limit, for a worker to notice by itself and answer with what it has

COMMAND = (sys.executable, "-P", "-m", "longctx.documents.worker")
"""How a worker is started. ``-P`` keeps modules in the current folder from being taken for Python's own."""


class Worker:
    """One worker process, started when first needed.

    Args:
        limits: for each file.
        command: program that speaks the worker's protocol.
    """

    def __init__(self, limits: Limits, command: Sequence[str] = COMMAND) -> None:
        self._limits, self._command = limits, command
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = self._stopped = False
        self._lock = threading.Lock()  # stop() comes from another thread

    def read(self, data: bytes, name: str) -> Reading:
        """Have a file read; a worker that exceeds a limit or dies costs that file only."""
        process = self._running()
        if process is None:
            return Reading("skipped", "interrupted", lasting=False)
        assert process.stdin and process.stdout
        overdue = threading.Event()

        def end() -> None:
            overdue.set()
            process.kill()

        timer = threading.Timer(self._limits.seconds + _GRACE_SECONDS, end)
        timer.daemon = True
        try:
            if not self._ready:  # starting is not the file's fault and does not count
                receive(process.stdout)
                self._ready = True
            timer.start()
            send(process.stdin, {"name": name, "limits": asdict(self._limits)}, data)
            fields, text = receive(process.stdout)
        except (EOFError, OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):  # how it ended is worth knowing
                process.wait(_GRACE_SECONDS)
            self._drop(process)
            return Reading("skipped", self._fate(process, overdue.is_set()), lasting=False)
        except BaseException:
            self._drop(process)
            raise
        finally:
            timer.cancel()
        if fields.pop("last"):
            self._drop(process)
        return Reading(**(fields | {"text": text.decode(), "pages": tuple(fields["pages"])}))

    def stop(self) -> None:
        """End the process, whatever it is doing. May be called from any thread, and twice."""
        with self._lock:
            self._stopped = True
            process = self._process
        if process is not None:
            self._drop(process)

    def _running(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._process is None and not self._stopped:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=environment(),
                )
            return self._process

    def _drop(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(OSError):  # what was not sent is lost with the process
                    pipe.close()
        with self._lock:
            if self._process is process:
                self._process, self._ready = None, False

    def _fate(self, process: subprocess.Popen[bytes], overdue: bool) -> str:
        if overdue:
            return too_much_time(self._limits)
        code = process.returncode
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"its reader ended unexpectedly ({how})"
