"""The ray backend: engines in the processes of a Ray cluster, each an actor with a vLLM engine of its own.

Plain actors with a dispatcher here, not Ray Data: ``map_batches`` gives rows back a block at a time, sends a row to
whichever actor is free, and asks a whole block again when an actor dies. A run needs each response as soon as it is
there (it is recorded, and a resumed run asks for nothing twice), the samples of a haystack at the engine whose prefix
cache holds it, and a lost engine to cost the samples that it had and nothing else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from longctx import __version__
from longctx.backends.affinity import Families, Homes, spill
from longctx.backends.ray_cluster import connect, room
from longctx.backends.ray_options import Options
from longctx.backends.ray_replicas import Asked, Replica
from longctx.backends.ray_worker import Engine, Worker
from longctx.errors import BackendError, ContractError, LongctxError, UsageError
from longctx.types import Response, Sample

_AHEAD_TOKENS = 32_000_000  # tokens of samples that wait here for their engine: some 300 MB
_TAKEN = 16  # samples that are taken in at once, before answers are looked for again


class Hung(Exception):  # noqa: N818 - reads as what it is
    """An engine that gave no sign of life for too long."""


class RayBackend:
    """Answers samples with the engines of a Ray cluster.

    Samples of a haystack go to the same engine as long as it is alive, and to others only where those would idle and it
    pays (`affinity.spill`). When an engine is lost, the samples that it had are asked again, the last time alone, so
    that one that engines die of takes no other with it; then they are errors. The engine is started again. One that
    hangs is lost as well.

    Attributes:
        name: what a user types after ``--backend``.
        double: False; what answers is a model.
    """

    name = "ray"
    double = False

    def __init__(self, start: Callable[[], Engine], *, options: Options, gpus: int = 1) -> None:
        """Connect to the cluster and wait for the first engine; the others join when they are ready.

        Args:
            start: starts an engine on the node where it is called; must be picklable.
            options: where, how many, and how much may go wrong.
            gpus: that an engine takes where the cluster has some and `options` doesn't say.

        Raises:
            UsageError: more engines than the cluster has room for, or an argument that the engine refuses.
            BackendError: there is no cluster, or no engine starts there.
        """
        self._options = options
        self._homes: Homes[Replica] = Homes()
        self._replicas: list[Replica] = []
        self._families = Families()
        self._homeless: list[Asked] = []
        self._reason, self._kind = "", "connection"
        self._begun = False
        self._connected = not ray.is_initialized()
        if self._connected:
            connect(options)
        try:
            count, needs = room(options, gpus)
            actor = ray.remote(Worker).options(max_restarts=0, max_task_retries=0, max_concurrency=10_000, **needs)
            self._replicas = [
                Replica(lambda: actor.remote(start), self._families, options.timeout, options.patience)
                for _ in range(count)
            ]
            while not self._ready():
                if min(replica.left_s() for replica in self._replicas) <= 0:
                    raise BackendError(
                        f"No engine was ready after {options.patience:g} s. Are the cluster's CPUs and GPUs taken by "
                        "others? `ray status` says so; --engine-arg patience=SECONDS waits longer."
                    )
                for _ in self._collect():
                    pass
            self._begun = True
            self._about = {
                **(self._ready()[0].about or {}),
                "ray": ray.__version__,
                "address": options.address,
                "replicas": count,
                **needs,
            }
        except BaseException:
            self.close()
            raise

    def describe(self) -> dict[str, Any]:
        """The cluster, and what the first engine said of itself."""
        return dict(self._about)

    def generate(self, samples: Iterable[Sample]) -> Iterator[Response]:
        """Answer each sample once, at its haystack's engine; a response is yielded as soon as it is there.

        Raises:
            ContractError: an engine holds other prompt tokens than the sample has.
            BackendError: all engines are lost and none starts again; what they had was yielded as errors.
        """
        if not self._replicas:
            raise BackendError(self._reason or "The ray backend is closed.")
        supply = iter(samples)
        exhausted = False
        try:
            while not exhausted or self._busy():
                taken = 0
                while not exhausted and taken < _TAKEN and self._wants_more():
                    sample = next(supply, None)
                    if sample is None:
                        exhausted = True
                    else:
                        taken += 1
                        self._hand_over(Asked(sample, self._families.place(sample)))
                self._send()
                if not exhausted or self._busy():
                    yield from self._collect(now=taken == _TAKEN)
        finally:
            for replica in self._replicas:  # where a run was given up; an engine answers what it has to nobody
                replica.clear()

    def forget(self) -> None:
        """Empty the prefix cache of every engine."""
        ready = self._ready()
        with _failures():
            ray.get([replica.actor.forget.remote() for replica in ready], timeout=self._options.timeout)
        for replica in ready:
            replica.lot.forget()

    def close(self) -> None:
        """End the engines, and leave the cluster where it was joined here. May be called twice."""
        replicas, self._replicas = self._replicas, []
        for replica in replicas:
            with contextlib.suppress(Exception):
                replica.end()
        if self._connected:
            self._connected = False
            ray.shutdown()

    def _ready(self) -> list[Replica]:
        return [replica for replica in self._replicas if replica.about]

    def _busy(self) -> bool:
        return any(replica.lot.waiting or replica.flying for replica in self._replicas)

    def _idle(self) -> list[Replica]:
        return [replica for replica in self._ready() if not replica.lot.waiting and replica.has_room()]

    def _wants_more(self) -> bool:
        """Whether an engine would take a sample that nobody waits for yet."""
        waiting = sum(asked.tokens for replica in self._replicas for asked in replica.lot.waiting)
        return waiting < _AHEAD_TOKENS and bool(self._idle())

    def _send(self) -> None:
        """Let every engine have what it takes, of what waits for it and then of what waits for others."""
        for replica in self._ready():
            replica.send()
        lots = [replica.lot for replica in self._ready()]
        for replica in self._idle():
            if spill(lots, replica.lot):
                replica.send()

    def _hand_over(self, asked: Asked) -> None:
        alive = self._ready() or self._replicas
        if not alive:
            self._homeless.append(asked)
            return
        replica = self._homes.choose(asked.haystack, alive, lambda replica: replica.lot.work)
        replica.lot.give(asked)
        replica.send()

    def _collect(self, now: bool = False) -> Iterator[Response]:
        """Wait for whatever comes first from any engine: an answer, that it is ready, that it is lost, or hangs.

        Args:
            now: look and don't wait.
        """
        sources = {reference: replica for replica in self._replicas for reference in replica.references()}
        left = min(replica.left_s() for replica in self._replicas)
        patience = 0.0 if now else None if left == float("inf") else max(left, 0.0)
        done, _ = ray.wait(list(sources), num_returns=1, timeout=patience)
        if not done:
            if self._begun:
                for replica in [replica for replica in self._replicas if replica.left_s() <= 0]:
                    yield from self._lost(replica, Hung(replica.complaint()))
            return
        replica = sources[done[0]]
        replica.heard()
        try:
            came = ray.get(done[0])
        except RayError as error:
            yield from self._lost(replica, _cause(error))
            return
        if done[0] in replica.flying:
            yield self._answered(replica, replica.take(done[0]), came)
        elif came["longctx"] != __version__:
            raise BackendError(f"A node of the cluster has longctx {came['longctx']}; here it is {__version__}.")
        else:
            replica.about = came

    def _answered(self, replica: Replica, asked: Asked, response: Response) -> Response:
        replica.losses = 0
        return replace(response, attempts=asked.losses + 1)

    def _lost(self, replica: Replica, cause: BaseException) -> Iterator[Response]:
        """Ask again what a lost engine had, and start it again; both not for ever."""
        if isinstance(cause, ContractError | UsageError):
            raise cause
        if replica.about is None and not self._ready() and isinstance(cause, LongctxError):
            raise cause  # what keeps an engine from starting keeps the next one as well
        self._reason, self._kind = " ".join(str(cause).split())[:600], _kind(cause)
        for asked, response in replica.take_answered():
            yield self._answered(replica, asked, response)
        under_way, waiting = replica.end()
        replica.losses += 1
        if replica.losses <= self._options.restarts:
            replica.start()
        else:
            self._replicas.remove(replica)
        for asked in under_way:
            asked.losses += 1
            asked.alone = asked.losses == self._options.attempts - 1
            if asked.losses < self._options.attempts:
                self._hand_over(asked)
            else:
                yield self._failed(asked)
        for asked in waiting:
            self._hand_over(asked)
        if not self._replicas:
            homeless, self._homeless = self._homeless, []
            yield from map(self._failed, homeless)
            raise BackendError(
                f"Every engine was lost and could not be started again; the run can be continued. The last reason: "
                f"{self._reason}"
            )

    def _failed(self, asked: Asked) -> Response:
        engines = f"{asked.losses} engine{'s were' if asked.losses > 1 else ' was'} lost while answering this sample"
        what = engines if asked.losses else "every engine was lost before this sample was asked"
        error = f"{what}; the last reason: {self._reason} ({self._kind})"
        return Response(asked.sample.id, error=error, error_kind=self._kind, attempts=asked.losses)


def _kind(cause: BaseException) -> str:
    """Of `openai_errors.KINDS`: an engine is asked as a server is."""
    return "timeout" if isinstance(cause, Hung) else "connection" if isinstance(cause, RayError) else "server"


def _cause(error: BaseException) -> BaseException:
    """What went wrong in the actor, where it was the code there."""
    return error.cause if isinstance(error, RayTaskError) and isinstance(error.cause, Exception) else error


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except RayError as error:
        raise BackendError(f"An engine of the Ray cluster failed: {_cause(error)}") from error
