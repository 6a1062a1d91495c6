"""Before a run: what servers say of the model, and how they can be asked."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from longctx.backends.openai_call import Server
from longctx.backends.openai_errors import PASSING, Failure, pause_s
from longctx.backends.openai_options import Options
from longctx.errors import BackendError

Result = TypeVar("Result")
_TRIES = 3
_LONGEST_PAUSE_S = 5.0
_OF_A_GREETING = ("filtered", "format", "request", "stream")
"""Kinds of failures that one word with one token for its answer may have, where longer ones have none."""


class Survey:
    """Questions that need no sample, asked again where it may help, and not for long."""

    def __init__(self, options: Options, model: str, window: int, rng: random.Random) -> None:
        """Take what is to be made sure of.

        Args:
            options: where and how to ask.
            model: name of the model at the servers.
            window: tokens of the longest prompt and its output together.
            rng: spreads calls over time.
        """
        self._options, self._model, self._window, self._rng = options, model, window, rng
        self._names: dict[str, list[str]] = {}  # server's address → what it lists, where this model is not among it

    async def look_at(self, server: Server) -> dict[str, Any]:
        """What a server says of the model; nothing where it lists none.

        Raises:
            BackendError: it cannot be used, has another model or a window too short.
        """
        try:
            models = await self._patiently(server.models)
        except Failure as failure:
            if failure.kind in PASSING or failure.kind in ("auth", "quota"):
                hint = f" The key is taken from {self._options.api_key_env}." if failure.kind == "auth" else ""
                if len(self._options.base_url) > 1:
                    hint += " Without its --base-url the others share its samples, also in a run that goes on."
                raise BackendError(f"{server.url} cannot be used: {str(failure).rstrip('.')}.{hint}") from None
            if await self._is_below(server):
                raise BackendError(f"{server.url} is not the address of an OpenAI API; {server.url}/v1 is.") from None
            models = []  # some servers have no such list
        about: dict[str, Any] = {"base_url": server.url} | ({} if models else {"lists_models": False})
        names = [str(entry.get("id")) for entry in models]
        entry: dict[str, Any] = next((one for one in models if one.get("id") == self._model), {})
        own = any("max_model_len" in one for one in models)  # vLLM, SGLang: the list is complete
        if own and not entry:
            raise BackendError(
                f"{server.url} serves {', '.join(names[:5])}, not {self._model}. Name what it serves with --model, and "
                "where that is no folder or Hugging Face id, its tokenizer with --tokenizer."
            )
        if names and not entry:
            self._names[server.url] = about["lists"] = names[:5]
            if len(models) == 1 and models[0].get("owned_by") == "llamacpp":
                entry = models[0]  # llama.cpp answers to every name with the one model that it has
        field, length, remedy = _window(entry)
        if length:
            about[field] = length
            if length < self._window:
                raise BackendError(
                    f"{server.url} holds {length:,} tokens ({field}); the longest prompt and its output need "
                    f"{self._window:,}. {remedy}"
                )
        if entry.get("owned_by"):
            about["owned_by"] = str(entry["owned_by"])
        return about

    async def choose_api(self, server: Server) -> str:
        """``completions`` where the server takes token ids, ``chat`` where it does not, or what was asked for.

        Raises:
            BackendError: it cannot be found out.
        """
        if self._options.api != "auto":
            return self._options.api
        try:
            if await self._patiently(server.takes_ids):
                return "completions"
        except Failure as failure:
            if "HTTP 500" not in str(failure):  # llama-cpp-python fails over ids where others refuse them
                raise self._unusable(server, failure) from None
        try:  # whatever was said of ids, the model's name may be wrong as well
            await self._patiently(server.greet)
        except Failure as failure:
            if failure.kind not in _OF_A_GREETING or failure.remedy or self._model in str(failure):
                raise self._unusable(server, failure) from None
        return "chat"

    def _unusable(self, server: Server, failure: Failure) -> BackendError:
        listed = f" It lists {', '.join(self._names[server.url])}." if self._names.get(server.url) else ""
        return BackendError(f"{server.url} cannot be used: {failure} ({failure.kind}).{listed}")

    async def _is_below(self, server: Server) -> bool:
        """Whether what is missing at an address is there with the usual end of one."""
        try:
            return bool(await server.models(below="/v1"))
        except Failure:
            return False

    async def _patiently(self, ask: Callable[[], Awaitable[Result]]) -> Result:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await ask()
            except Failure as failure:
                if failure.kind not in PASSING or attempt == _TRIES:
                    raise
                pause = pause_s(failure, attempt, self._options.backoff, self._rng)
                await asyncio.sleep(min(pause, _LONGEST_PAUSE_S))


def _window(entry: Mapping[str, Any]) -> tuple[str, int, str]:
    """The field that says how many tokens one sample may have, their number (0: not said), and how to have more."""
    length = entry.get("max_model_len")
    if isinstance(length, int):
        return "max_model_len", length, "`longctx serve` sets the window that a length needs."
    meta = entry.get("meta")
    slot = meta.get("n_ctx") if isinstance(meta, Mapping) else None
    more = "llama.cpp divides its --ctx-size by the number of its slots, --parallel."
    return "n_ctx", slot if isinstance(slot, int) else 0, more
