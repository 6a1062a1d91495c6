"""Processes that parse stretches of a records.jsonl, one for each core."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from longctx.messages import environment, receive, send

_COMMAND = (sys.executable, "-P", "-m", "longctx.table_worker")
_MEMORY = {
    # glibc gives megabytes back as they are freed, and has them cleared for every block anew: a sixth of the time
    **{"MALLOC_TRIM_THRESHOLD_": str(256 << 20), "MALLOC_MMAP_THRESHOLD_": str(64 << 20)},
    "OPENBLAS_NUM_THREADS": "1",  # nothing is multiplied
}


class Workers:
    """Processes that parse stretches, all cores at once; plain subprocesses, which work from any script or notebook."""

    def __init__(self, path: Path, places: Sequence[tuple[int, int]], block: int, folder: Path | None) -> None:
        self._path, self._block, self._folder = path, block, folder
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        self._all: list[subprocess.Popen[bytes]] = []
        count = min(len(places), _cores()) if len(places) > 1 else 0
        self._threads = ThreadPoolExecutor(max(count, 1))
        for _ in range(count):
            with contextlib.suppress(OSError):
                self._all.append(
                    subprocess.Popen(
                        _COMMAND,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                        env={**_MEMORY, **environment()},
                    )  # fmt: skip
                )
        for process in self._all:
            self._idle.put(process)
        self._drafts: list[Path] = []
        self._found: dict[int, Future[tuple[int | None, Path | bytes]]] = (
            {at[0]: self._threads.submit(self._ask, *at) for at in places} if self._all else {}
        )

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._all:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe
                with contextlib.suppress(OSError):
                    pipe.close()
        self._threads.shutdown()
        for draft in self._drafts:  # of what nobody asked for any more
            with contextlib.suppress(OSError):
                draft.unlink()

    def parsed(self, begin: int) -> tuple[int | None, Path | bytes]:
        """Lines of a stretch, and its packed table or the draft of a file that holds it; None where no worker could."""
        return self._found.pop(begin).result() if begin in self._found else (None, b"")

    def _ask(self, begin: int, end: int) -> tuple[int | None, Path | bytes]:
        process = self._idle.get()
        assert process.stdin and process.stdout
        draft = self._folder / f".{os.getpid()}-{id(self)}-{begin}" if self._folder else None
        self._drafts += [draft] if draft else []
        try:
            about = {"path": str(self._path.absolute()), "draft": str(draft.absolute()) if draft else None}
            send(process.stdin, {**about, "begin": begin, "end": end, "block": self._block}, b"")
            header, data = receive(process.stdout)
            return header["lines"], data or draft or b""
        except (EOFError, OSError, ValueError):  # it died, or cannot be started here
            return None, b""
        finally:
            self._idle.put(process)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
