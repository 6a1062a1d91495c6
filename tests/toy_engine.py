"""An engine for Ray's processes that is no model: it reads a number out of the prompt's token ids, which are bytes."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterable, Iterator
from typing import Any

from longctx.errors import BackendError
from longctx.types import Response, Sample

POISON, STUCK, BROKEN = "gate poison", "gate stuck", "gate broken"


class ToyEngine:
    """Works on four samples at a time, `delay_s` for each.

    Dies of a poisoned one, as if memory had run out, never returns from one where it gets stuck, and raises an error
    for one that breaks it.
    """

    def __init__(self, delay_s: float = 0.0, refuses: str = "") -> None:
        if refuses:
            raise BackendError(refuses)
        self.delay_s, self.seen = delay_s, 0

    def describe(self) -> dict[str, Any]:
        return {"pid": os.getpid(), "max_num_seqs": 4, "kv_cache_tokens": 8000, "block_size": 16}

    def forget(self) -> None:
        self.seen = 0

    def generate(self, samples: Iterable[Sample | None]) -> Iterator[Response]:
        supply, held, ended = iter(samples), [], False
        while held or not ended:
            while len(held) < 4 and not ended:
                try:
                    sample = next(supply)
                except StopIteration:
                    ended = True
                    break
                if sample is None:
                    break
                held.append(sample)
            if held:
                time.sleep(self.delay_s)
                yield self.answer(held.pop(0))

    def answer(self, sample: Sample) -> Response:
        text = bytes(sample.prompt_ids.astype("u1")).decode()
        if POISON in text:
            os.kill(os.getpid(), signal.SIGKILL)
        while STUCK in text:
            time.sleep(1)
        if BROKEN in text:
            raise BackendError("no memory")
        number = re.findall(r" is (\d+)\.", text)
        self.seen += 1
        # The process that answered, and how many it had answered before, where a model's cache would show.
        return Response(
            sample.id,
            number[0] if number else "",
            prompt_tokens=len(sample.prompt_ids),
            cached_tokens=self.seen - 1,
            finish_reason=str(os.getpid()),
        )
