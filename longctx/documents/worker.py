"""A process that reads one file after the other: ``python -m longctx.documents.worker``.

It gets the bytes over a pipe and never touches the file system. The process that started it enforces the
limits from outside (see `pool`); this side limits its own memory and interrupts itself when time is over,
so that what was read until then is kept.
"""

from __future__ import annotations

import contextlib
import resource
import signal
from dataclasses import replace
from types import FrameType

from longctx.documents.base import Limits, OutOfTime, Reading, too_much_memory, too_much_time
from longctx.documents.readers import read_bytes
from longctx.messages import answers_apart, receive, send

_SPARE_SECONDS = 60  # processor time beyond the limit after which the system ends an abandoned worker


def main() -> None:
    """Answer requests on standard input until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    signal.signal(signal.SIGALRM, _out_of_time)
    requests, answers = answers_apart()
    with contextlib.suppress(EOFError, BrokenPipeError):
        send(answers, {"ready": True}, b"")
        while True:
            header, data = receive(requests)
            limits = Limits(**header["limits"])
            _limit(limits)
            reading = _read(data, header["name"], limits)
            _lift_memory_limit()  # the answer must get through
            fields = {field: getattr(reading, field) for field in Reading.__slots__ if field != "text"}
            # A process that has grown is replaced: memory given back to Python is not given back to the system.
            grown = _peak_bytes() > limits.memory_bytes / 4
            send(answers, fields | {"last": grown or not reading.lasting}, reading.text.encode())
            if grown or not reading.lasting:
                return


def _read(data: bytes, name: str, limits: Limits) -> Reading:
    signal.setitimer(signal.ITIMER_REAL, limits.seconds)
    try:
        reading = read_bytes(data, name, limits)
        if reading.reason.startswith("damaged") and _peak_bytes() > limits.memory_bytes / 2:
            # libxml2 says "unknown error" when it is refused memory.
            return replace(reading, reason=too_much_memory(limits), lasting=False)
        return reading
    except OutOfTime:  # in the reader's last lines
        return Reading("skipped", too_much_time(limits), lasting=False)
    except MemoryError:
        return Reading("skipped", too_much_memory(limits), lasting=False)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _limit(limits: Limits) -> None:
    """Have the system refuse more memory than the limit, and more processor time than any file may take."""
    for what, most in (
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_CPU, int(_used_seconds() + limits.seconds + _SPARE_SECONDS)),
    ):
        with contextlib.suppress(ValueError, OSError):  # a lower limit is in force already
            resource.setrlimit(what, (most, resource.getrlimit(what)[1]))


def _lift_memory_limit() -> None:
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _peak_bytes() -> int:
    """Most memory this process has held. What `getrusage` says includes its parent's before it was started."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024


def _used_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _out_of_time(_signal: int, _frame: FrameType | None) -> None:
    raise OutOfTime


if __name__ == "__main__":
    main()
