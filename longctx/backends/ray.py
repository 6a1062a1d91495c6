"""The ray backend: engines in the processes of a Ray cluster, each an actor with a vLLM engine of its own.

Plain actors with a dispatcher here, not Ray Data: ``map_batches`` gives rows back a block at a time, sends a row to
whichever actor is free, and asks a whole block again when an actor dies. A run needs each response as soon as it is
there (it is recorded, and a resumed run asks for nothing twice), the samples of a haystack at the engine whose prefix
cache holds it, and a lost engine to cost the samples that it had and nothing else.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from longctx import __version__
from longctx.backends.affinity import Homes
from longctx.backends.ray_options import Options
from longctx.backends.ray_replicas import Asked, Replica
from longctx.backends.ray_worker import Engine, Worker
from longctx.errors import BackendError, ContractError, LongctxError, UsageError
from longctx.types import Response, Sample

_AHEAD_TOKENS = 32_000_000  # tokens of samples that wait here for their engine: some 300 MB


class RayBackend:
    """Answers samples with the engines of a Ray cluster.

    Samples of a haystack go to the same engine as long as it is alive. When an engine is lost, the samples that it had
    are asked again, the last time alone, so that one that engines die of takes no other with it; then they are errors.
    The engine is started again.

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
        self._homeless: list[Asked] = []
        self._reason = ""
        self._connected = not ray.is_initialized()
        if self._connected:
            _connect(options)
        try:
            count, needs = _room(options, gpus)
            actor = ray.remote(Worker).options(max_restarts=0, max_task_retries=0, max_concurrency=10_000, **needs)
            self._replicas = [Replica(lambda: actor.remote(start)) for _ in range(count)]
            while not self._ready():
                for _ in self._collect(options.patience):
                    pass
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
            while not exhausted or any(replica.queue or replica.flying for replica in self._replicas):
                while not exhausted and self._wants_more():
                    sample = next(supply, None)
                    if sample is None:
                        exhausted = True
                    else:
                        self._hand_over(Asked(sample))
                for replica in self._ready():
                    replica.send()
                if not exhausted or any(replica.queue or replica.flying for replica in self._replicas):
                    yield from self._collect()
        finally:
            for replica in self._replicas:  # where a run was given up; an engine answers what it has to nobody
                replica.queue.clear()
                replica.flying.clear()

    def forget(self) -> None:
        """Empty the prefix cache of every engine."""
        with _failures():
            ray.get([replica.actor.forget.remote() for replica in self._ready()])

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

    def _wants_more(self) -> bool:
        """Whether an engine would take a sample that nobody waits for yet."""
        waiting = sum(asked.tokens for replica in self._replicas for asked in replica.queue)
        return waiting < _AHEAD_TOKENS and any(not replica.queue and replica.has_room() for replica in self._ready())

    def _hand_over(self, asked: Asked) -> None:
        alive = self._ready() or self._replicas
        if not alive:
            self._homeless.append(asked)
            return
        replica = self._homes.choose(asked.haystack, alive, Replica.load)
        replica.queue.append(asked)
        replica.send()

    def _collect(self, patience: float | None = None) -> Iterator[Response]:
        """Wait for whatever comes first from any engine: an answer, that it is ready, or that it is lost."""
        sources = {reference: replica for replica in self._replicas for reference in replica.references()}
        done, _ = ray.wait(list(sources), num_returns=1, timeout=patience)
        if not done:
            raise BackendError(
                f"No engine was ready after {patience:g} s. Are the cluster's CPUs and GPUs taken by others? "
                "`ray status` says so; --engine-arg patience=SECONDS waits longer."
            )
        replica = sources[done[0]]
        try:
            came = ray.get(done[0])
        except RayError as error:
            yield from self._lost(replica, _cause(error))
            return
        if done[0] in replica.flying:
            yield self._answered(replica, replica.flying.pop(done[0]), came)
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
        self._reason = " ".join(str(cause).split())[:600]
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
        engines = f"{asked.losses} engine{'s' if asked.losses > 1 else ''} died while answering this sample"
        what = engines if asked.losses else "every engine was lost before this sample was asked"
        return Response(asked.sample.id, error=f"{what}; the last reason: {self._reason}", attempts=asked.losses)


def _connect(options: Options) -> None:
    local = {"include_dashboard": False} if options.address == "local" else {}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(
            address=options.address,
            runtime_env=dict(options.runtime_env) or None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **local,
        )
    except Exception as error:
        raise BackendError(
            f"There is no Ray cluster at address {options.address!r}: {error} `ray start --head` starts one, "
            "--engine-arg address=HOST:PORT names one, and address=local starts one for this run."
        ) from error
    # What Ray says of a lost process goes to stdout in spite of log_to_driver=False, where a command may print JSON.
    # There is no public switch; Ray's own debugger uses this one.
    ray._private.worker._worker_logs_enabled = False


def _room(options: Options, gpus: int) -> tuple[int, dict[str, float]]:
    """How many engines to start, and what each takes of its node.

    Raises:
        UsageError: the cluster, as it is now, hasn't room for them.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    has_gpus = any(node.get("GPU") for node in nodes)
    num_gpus = options.num_gpus if options.num_gpus is not None else (gpus if has_gpus else 0)
    needs = {"num_cpus": options.num_cpus, "num_gpus": num_gpus}
    wanted = {kind: amount for kind, amount in (("CPU", options.num_cpus), ("GPU", num_gpus)) if amount}
    room = sum(int(min((node.get(kind, 0) / amount for kind, amount in wanted.items()), default=1)) for node in nodes)
    count = options.replicas or (room if num_gpus else min(room, 1))
    if not room or count > room:
        has = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes[:8])
        raise UsageError(
            f"The Ray cluster has room for {room} engines of {options.num_cpus:g} CPUs and {num_gpus:g} GPUs each, and "
            f"{max(1, count)} are asked for; its nodes have {has}. Engine arguments replicas, num_cpus and num_gpus "
            "say what to take."
        )
    return count, needs


def _cause(error: BaseException) -> BaseException:
    """What went wrong in the actor, where it was the code there."""
    return error.cause if isinstance(error, RayTaskError) and isinstance(error.cause, Exception) else error


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except RayError as error:
        raise BackendError(f"An engine of the Ray cluster failed: {_cause(error)}") from error
