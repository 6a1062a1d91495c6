"""What can go wrong with a call to a server: its kind, and whether the same call may go well the next time."""

from __future__ import annotations

import contextlib
import email.utils
import json
import random
import time
from collections.abc import Mapping
from typing import Any

import openai

KINDS = {
    "auth": "the key is missing, wrong, or may not do this (401, 403)",
    "connection": "the server could not be reached, or hung up before its answer",
    "context": "the prompt and its output are too long for the server (400, 413)",
    "filtered": "the server's filter held the answer back",
    "format": "the answer was not what the API is specified to give",
    "not_found": "the server has no such model or path (404)",
    "prompt_count": "the server counted other prompt tokens than it was sent: it cut or changed the prompt",
    "quota": "the account is used up (402, or 429 that says so)",
    "rate_limit": "too many calls (429)",
    "request": "the server does not take this request (400, 422 …)",
    "server": "the server failed (5xx)",
    "stream": "the answer broke off half-way",
    "timeout": "no answer in time",
    "truncated": "an end of the prompt did not arrive, and the server does not count tokens",
}
"""Kind of error → what it means; ``error_kind`` in a record."""

PASSING = frozenset({"connection", "format", "rate_limit", "server", "stream", "timeout"})
"""Kinds that may pass: asked again. The others would end in the same way."""

SECRET = "(secret)"
"""What stands in messages in place of the key."""

_LONGEST = 600  # characters of a server's message that are kept
_TOO_LONG = (
    "context_length_exceeded", "maximum context length", "context length is", "longer than the maximum model length",
    "max_model_len", "too many tokens", "prompt is too long", "exceeds the context", "input is too long",
    "reduce the length", "context window", "exceeds the available context", "model's context length",
    "maximum allowed length", "maximum prompt length", "maximum input length", "range of input length",
    "number of tokens allowed", "input tokens exceed", "`inputs` must have less than", "`max_new_tokens` must be <=",
)  # fmt: skip
_USED_UP = ("insufficient_quota", "billing", "credit balance")
_BUSY = (503, 529)
_LONGEST_PAUSE_S = 60.0
_BY_STATUS = {
    401: "auth", 402: "quota", 403: "auth", 404: "not_found", 408: "timeout", 409: "server", 413: "context",
    425: "server", 429: "rate_limit",
}  # fmt: skip


class Failure(Exception):  # noqa: N818 - reads as what it is
    """A call that failed.

    Attributes:
        kind: one of `KINDS`.
        after_s: seconds that the server asks to wait before the next call; None where it does not say.
        overload: whether it is a sign that the server has too much to do.
        remedy: what a person can do about it; empty where nothing is known.
    """

    def __init__(
        self, kind: str, message: str, after_s: float | None = None, overload: bool = False, remedy: str = ""
    ) -> None:
        super().__init__(" ".join(message.split()) + remedy)
        self.kind = kind
        self.after_s = after_s
        self.overload = overload or kind in ("rate_limit", "timeout")
        self.remedy = remedy

    def without(self, key: str, remedy: str = "") -> Failure:
        """The same in few words that do not hold the key: some servers repeat it."""
        words = str(self)
        if key:  # before anything is cut off: half a key is a secret as well
            words = words.replace(key, SECRET)
        words = words if len(words) <= _LONGEST else words[:_LONGEST] + " …"
        return Failure(self.kind, words, self.after_s, self.overload, remedy)


def failure_of(error: Exception, begun: bool) -> Failure:
    """Whatever the client raised as a failure.

    Args:
        error: of a call, or of reading its stream.
        begun: whether a part of the answer had come.
    """
    match error:
        case Failure():
            return error
        case openai.APITimeoutError() | TimeoutError():
            return Failure("timeout", "no answer in time")
        case openai.APIConnectionError():
            why = str(error.__cause__ or error) or type(error.__cause__ or error).__name__
            return Failure("stream" if begun else "connection", f"connection lost: {why}")
        case openai.APIStatusError():
            return _of_status(error)
        case openai.APIError():
            return said_inside(error.code, f"error in the stream: {error}")
        case TypeError() | KeyError() | ValueError() | IndexError() | AttributeError():
            return Failure("format", f"not understood: {error}")
    return Failure("stream" if begun else "connection", f"{type(error).__name__}: {error}")


def said_inside(code: Any, message: str) -> Failure:
    """The failure that stands in an answer which began well; vLLM's and OpenRouter's have a status as their code."""
    kind = _BY_STATUS.get(_number(code), "server")
    return Failure("context" if _says(message, _TOO_LONG) else kind, message)


def _of_status(error: openai.APIStatusError) -> Failure:
    status, said = error.status_code, f"HTTP {error.status_code}: {_words(error)}"
    kind = _BY_STATUS.get(status, "server" if status >= 500 else "request")
    if status in (400, 413, 422) and _says(said, _TOO_LONG):
        kind = "context"
    if kind == "rate_limit" and _says(said, _USED_UP):
        kind = "quota"
    after_s = retry_after(error.response.headers) if kind in PASSING else None
    return Failure(kind, said, after_s, overload=status in _BUSY)


def _words(error: openai.APIStatusError) -> str:
    """What the server said; the client's own message repeats the whole body."""
    body = error.body
    return words_of(body.get("error", body) if isinstance(body, Mapping) else body) or error.message


def words_of(error: Any) -> str:
    """An error object's own words, as far as it has any."""
    if isinstance(error, Mapping):
        named = [str(error[key]) for key in ("message", "code") if error.get(key)]
        return "; ".join(named) or json.dumps(dict(error), default=str)
    return str(error or "")


def pause_s(failure: Failure, attempts: int, backoff_s: float, rng: random.Random) -> float:
    """Seconds before the next call: a random part of a time that doubles, and no less than the server asks for."""
    # "Full jitter": Brooker, Exponential Backoff And Jitter, AWS Architecture Blog 2015.
    own = rng.uniform(0, min(_LONGEST_PAUSE_S, backoff_s * 2.0 ** min(attempts - 1, 64)))
    return max(own, failure.after_s or 0.0)  # "Retry-After: 0", or a date that is past, asks for nothing


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait that a server asks for: ``Retry-After`` as seconds or as a date (RFC 9110), or in ms."""
    with contextlib.suppress(ValueError):
        return max(0.0, float(headers.get("retry-after-ms", "")) / 1000)
    given = headers.get("retry-after", "")
    with contextlib.suppress(ValueError):
        return max(0.0, float(given))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(given).timestamp() - time.time())
    return None


def _says(text: str, phrases: tuple[str, ...]) -> bool:
    return any(phrase in text.lower() for phrase in phrases)


def _number(code: Any) -> int:
    try:
        return int(code)
    except (TypeError, ValueError):
        return 0
