"""The openai backend: any server of the OpenAI API, asked by many calls at once."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import random
import secrets
import threading
import time
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

import openai

from longctx.backends.affinity import Families
from longctx.backends.openai_call import Reply, Server
from longctx.backends.openai_canaries import LOST, Canaries
from longctx.backends.openai_errors import PASSING, Failure, pause_s
from longctx.backends.openai_options import Options
from longctx.backends.openai_replicas import Asked, Limit, Replica, Replicas
from longctx.backends.openai_survey import Survey
from longctx.errors import BackendError, ContractError, UsageError
from longctx.types import Response, Sample, Sampling

Result = TypeVar("Result")
_AHEAD_TOKENS = 32_000_000  # tokens of samples that are held beyond the calls under way: some 300 MB
_AHEAD = 50  # times the calls that are allowed at once: as many samples are held where else a server would idle
_HOPELESS = 20  # samples in a row that failed: from then on each is asked once, until one is answered
_HUNG_UP = ("connection", "stream")
_TEMPLATE_TOKENS = 64  # by which a server's chat template may differ from the tokenizer's


class OpenAIBackend:
    """Answers samples through servers of the OpenAI API.

    A thread of its own makes the calls, so that building samples and writing records delay no clock. ``ttft_s`` and
    ``total_s`` run from the moment when a call is sent: they hold the network and the server's queue.

    Attributes:
        name: what a user types after ``--backend``.
        double: False; what answers is a model.
        exact: True where the server receives token ids, so that its count of them must be the sample's.
    """

    name = "openai"
    double = False

    def __init__(self, model: str, *, options: Options, sampling: Sampling, window: int = 0) -> None:
        """Look whether the servers are there, what they serve, and how they can be asked.

        Args:
            model: name of the model at the server.
            options: where and how to ask.
            sampling: how to decode.
            window: tokens of the longest prompt and its output together.

        Raises:
            UsageError: the environment lacks the key that was named.
            BackendError: a server cannot be reached or refuses the key, has another model or a window too short.
        """
        self._options, self._model = options, model
        self._rng = random.Random()  # spreads calls over time; no result depends on it
        self._canaries = Canaries()
        self._failures = 0  # samples that failed since the last answer
        self._checking, self._checked = asyncio.Lock(), False
        key = options.key()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="longctx-openai", daemon=True)
        self._thread.start()
        try:
            self._servers = [Server(url, options, model, sampling, key) for url in options.base_url]
            fixed = options.concurrency if isinstance(options.concurrency, int) else None
            self._families = Families()
            replicas = [Replica(server, Limit(fixed), self._families) for server in self._servers]
            self._replicas = self._wait_for(self._make(replicas))
            survey = Survey(options, model, window, self._rng)
            self._listed = [self._wait_for(survey.look_at(server)) for server in self._servers]
            self._api = self._wait_for(survey.choose_api(self._servers[0]))
        except BaseException:
            self.close()
            raise
        self.exact = self._api == "completions"

    def describe(self) -> dict[str, Any]:
        """Servers, what they say of themselves, and how they are asked."""
        options = self._options
        return {
            "model": self._model,
            "api": self._api,
            "servers": self._listed,
            "concurrency": options.concurrency,
            "timeout": options.timeout,
            "attempts": options.attempts,
            "canaries": options.canaries,
            "body": dict(options.body),
            "omit": list(options.omit),
            "openai": openai.__version__,
        }

    def generate(self, samples: Iterable[Sample]) -> Iterator[Response]:
        """Ask each sample until it has an answer or cannot have one; a response is yielded as soon as it is there.

        Raises:
            ContractError: a server that is sent ids has another tokenizer.
        """
        if self._loop.is_closed():
            raise BackendError("The openai backend is closed.")
        done: queue.SimpleQueue[Future[Response]] = queue.SimpleQueue()
        held: dict[Future[Response], int] = {}
        supply = iter(samples)
        exhausted = False
        try:
            while held or not exhausted:
                while not exhausted and done.empty() and self._has_room(held):
                    sample = next(supply, None)
                    if sample is None:
                        exhausted = True
                    else:
                        asked = Asked(sample, self._families.place(sample))
                        future = asyncio.run_coroutine_threadsafe(self._answer(asked), self._loop)
                        held[future] = asked.tokens
                        future.add_done_callback(done.put)
                if held:
                    future = done.get()
                    del held[future]
                    yield future.result()
        finally:
            for future in held:
                future.cancel()

    def forget(self) -> None:
        """Let no further prompt find what earlier ones left in the prefix cache.

        Raises:
            UsageError: a server that is no vLLM, whose cache cannot be told to.
        """
        for server, listed in zip(self._servers, self._listed, strict=True):
            if listed.get("owned_by") != "vllm":
                raise UsageError(f"{server.url} is no vLLM server: its prefix cache can't be emptied or passed over.")
            server.salt = secrets.token_hex(8)
        self._replicas.forget()

    def close(self) -> None:
        """Close all connections and end the thread. May be called twice."""
        if self._loop.is_closed():
            return
        with contextlib.suppress(Exception):
            self._wait_for(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait_for(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _has_room(self, held: dict[Future[Response], int]) -> bool:
        limit, most = self._replicas.limit(), _AHEAD if self._replicas.wants_more() else 2
        return len(held) < limit or len(held) < most * limit and sum(held.values()) < _AHEAD_TOKENS

    async def _make(self, replicas: list[Replica]) -> Replicas:
        return Replicas(replicas, self._options.patience, self._options.backoff)

    async def _end(self) -> None:
        with contextlib.suppress(AttributeError):  # where the start failed before there were any
            self._replicas.close()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:  # more than once: one whose time runs out just then takes that for the reason
                task.cancel()
            await asyncio.wait(others, timeout=1.0)
        for server in self._servers:
            await server.close()
        await self._loop.shutdown_asyncgens()  # an answer that was not read to its end
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=1.0)

    async def _answer(self, asked: Asked) -> Response:
        """Ask until there is an answer, or none can be had; a failure is a response as well."""
        options, sample = self._options, asked.sample
        attempts, waited = 0, 0.0
        if self.exact:
            await self._check_ids(sample)
        avoid: Replica | None = None
        while True:
            try:
                replica = await self._replicas.take(asked, avoid)
            except Failure as failure:
                return _failed(sample, failure, attempts)
            attempts += 1
            came = await self._try(replica, asked, attempts)
            if isinstance(came, Response):
                self._failures = 0
                return came
            pause = pause_s(came, attempts, options.backoff, self._rng)
            most = options.attempts if self._failures < _HOPELESS else 1
            if came.kind not in PASSING or attempts >= most or waited + pause > options.patience:
                self._failures += 1
                return _failed(sample, came, attempts)
            avoid = replica if came.kind in _HUNG_UP else None
            waited += pause
            await asyncio.sleep(pause)

    async def _check_ids(self, sample: Sample) -> None:
        """Let every server's own tokenizer read the first sample: ids of another one would be another text."""
        async with self._checking:
            if self._checked:
                return
            for server in self._servers:
                if await server.same_ids(sample) is False:
                    raise ContractError(
                        f"The tokenizer of {self._model} at {server.url} gives other ids for sample {sample.id} than "
                        "were built: name the model's own tokenizer with --tokenizer."
                    )
            self._checked = True

    async def _try(self, replica: Replica, asked: Asked, attempts: int) -> Response | Failure:
        """One call, with what it teaches about its server."""
        sample, haystack = asked.sample, asked.haystack
        begun, full = time.monotonic(), replica.active >= int(replica.limit.value)
        try:
            verdict = await self._canaries.look(replica.server, self._api, sample) if self._options.canaries else ""
            reply = await replica.server.ask(sample, self._api, lambda: self._replicas.began(replica, haystack))
            self._replicas.began(replica, haystack)  # where the answer comes in one piece, at its end
        except Failure as failure:
            if failure.overload:
                replica.limit.overloaded(begun)
            if failure.after_s:
                self._replicas.pause(replica, failure.after_s)
            if failure.kind in _HUNG_UP:
                self._replicas.hung_up(replica)
            return failure
        finally:
            await self._replicas.give_back(asked)
        replica.limit.succeeded(full)
        return self._response(sample, reply, verdict, attempts)

    def _response(self, sample: Sample, reply: Reply, verdict: str, attempts: int) -> Response:
        kind, error = "", ""
        sent, counted = len(sample.prompt_ids), reply.prompt_tokens
        allowed = 0.0 if self.exact else _TEMPLATE_TOKENS + self._options.tolerance * sent
        if counted is not None and abs(counted - sent) > allowed:
            kind = "prompt_count"
            error = f"the server counted {counted:,} prompt tokens where {sent:,} were sent: it answered something else"
        elif counted is None and verdict in LOST:
            kind, error = "truncated", f"{verdict}: an end of the prompt did not arrive"
        apart = f"<think>{reply.thinking}</think>\n" if reply.thinking else ""
        return Response(
            id=sample.id,
            text=apart + reply.text,
            prompt_tokens=counted,
            cached_tokens=reply.cached_tokens,
            output_tokens=reply.output_tokens,
            thinking_tokens=reply.thinking_tokens,
            finish_reason=reply.finish_reason,
            ttft_s=reply.ttft_s,
            total_s=reply.total_s,
            error=error,
            error_kind=kind,
            attempts=attempts,
            canaries=verdict,
        )


def _failed(sample: Sample, failure: Failure, attempts: int) -> Response:
    return Response(sample.id, error=f"{failure} ({failure.kind})", error_kind=failure.kind, attempts=attempts)
