"""What runs in the cluster: one engine a process, fed sample by sample."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, InvalidStateError
from typing import Any, Protocol

from longctx import __version__
from longctx.types import Ids, Response, Sample, Sampling
from longctx.yarn import YarnPlan


class Engine(Protocol):
    """A backend that goes on while there is no next sample yet."""

    def describe(self) -> dict[str, Any]:
        """As `longctx.backends.base.Backend`."""
        ...

    def generate(self, samples: Iterable[Sample | None]) -> Iterator[Response]:
        """As `longctx.backends.base.Backend`; None stands for a sample that is not there yet."""
        ...

    def forget(self) -> None:
        """Empty the prefix cache."""
        ...


def start_vllm(
    model: str, config: Mapping[str, Any], plan: YarnPlan, sampling: Sampling, engine_args: Mapping[str, Any]
) -> Engine:
    """A vLLM engine on the node where this is called; the model's name is looked up there."""
    from longctx.backends.vllm import VllmBackend
    from longctx.models import locate

    return VllmBackend(locate(model), config=config, plan=plan, sampling=sampling, engine_args=engine_args)


class Worker:
    """An engine in an actor.

    The engine lives and works in a thread of its own, because vLLM binds its computing threads where it starts. Calls
    come in meanwhile and wait in the actor's event loop: a next sample is there when the engine has room for it.
    """

    def __init__(self, start: Callable[[], Engine]) -> None:
        """Begin to start the engine; `describe` waits for it."""
        self._asked: queue.SimpleQueue[Sample | Future[None]] = queue.SimpleQueue()
        self._answers: dict[str, Future[Response]] = {}
        self._about: Future[dict[str, Any]] = Future()
        self._failure: BaseException | None = None
        self._working = 0  # samples that the engine has; only its thread counts
        threading.Thread(target=self._work, args=(start,), name="longctx-engine", daemon=True).start()

    async def describe(self) -> dict[str, Any]:
        """What the engine says of itself, and the version of longctx here."""
        return await asyncio.wrap_future(self._about) | {"longctx": __version__}

    async def answer(self, name: str, ids: Ids) -> Response:
        """The engine's answer to one prompt.

        Args:
            name: the sample's.
            ids: (length,) its token ids; the text stays where it was built.
        """
        answer = self._answers.get(name)
        if answer is None:  # else it was asked before by a run that was given up, and is answered once
            answer = self._answers[name] = Future()
            self._asked.put(Sample(name, "", "", {}, prompt_ids=ids))
        if self._failure:  # looked at last: either this or the engine's thread sees the other
            raise self._failure
        return await asyncio.wrap_future(answer)

    async def forget(self) -> None:
        """Empty the engine's prefix cache."""
        done: Future[None] = Future()
        self._asked.put(done)
        await asyncio.wrap_future(done)

    def _work(self, start: Callable[[], Engine]) -> None:
        try:
            self._engine = start()
            self._about.set_result(dict(self._engine.describe()))
            for response in self._engine.generate(self._supply()):
                self._working -= 1
                _settle(self._answers.pop(response.id), response)
        except BaseException as error:
            self._failure = error
            _settle(self._about, error)
            for answer in list(self._answers.values()):
                _settle(answer, error)

    def _supply(self) -> Iterator[Sample | None]:
        while True:
            try:
                asked = self._asked.get(block=not self._working)
            except queue.Empty:
                yield None
                continue
            if isinstance(asked, Future):
                self._engine.forget()
                _settle(asked, None)
            else:
                self._working += 1
                yield asked


def _settle(future: Future[Any], result: Any) -> None:
    with contextlib.suppress(InvalidStateError):  # nobody waits any more
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)
