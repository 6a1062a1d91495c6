"""What the ``openai`` backend can be told: where its servers are, and how long and how often they are asked."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self
from urllib.parse import urlsplit

from longctx import checks
from longctx.errors import UsageError, unknown

APIS = ("auto", "chat", "completions")
_URL = "base_url"
_OF_REQUESTS = ("messages", "model", "prompt", "stream", "stream_options", "n")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Checked options; each is a key of a sweep's ``[engine]`` table and of ``--engine-arg``.

    Raises:
        UsageError: a value that cannot be; says what is possible.
    """

    base_url: tuple[str, ...]  # servers, such as http://127.0.0.1:8000/v1; several hold the same model
    api: str = "auto"  # "completions" sends token ids, "chat" sends messages; "auto": ids where the server takes them
    api_key_env: str = "OPENAI_API_KEY"  # name of the environment variable that holds the key
    concurrency: int | str = "auto"  # calls at once and server; "auto" looks for it
    timeout: float = 1200.0  # seconds that one call may take
    attempts: int = 6  # calls for one sample at most
    backoff: float = 1.0  # seconds before the second call at most; doubles with each further one
    patience: float = 300.0  # seconds that one sample waits between its calls, and that a silent server is waited for
    canaries: bool = False  # ask once for each server and length whether both ends of the prompt arrive
    tolerance: float = 0.02  # chat: share of a prompt's tokens by which the server's count may differ, plus 64 tokens
    stream: bool = True  # without it there is no time to the first token
    body: Mapping[str, Any] = field(default_factory=dict)  # further fields of every request
    omit: tuple[str, ...] = ()  # fields of a request that the server does not take, such as "seed"

    def __post_init__(self) -> None:
        urls = [_server(url) for url in checks.words(_URL, self.base_url)]
        resolved: dict[str, Any] = {
            _URL: checks.distinct(_URL, urls),
            "omit": tuple(checks.words("omit", self.omit)) if self.omit else (),
            "body": dict(self.body),
        }
        for name, value in resolved.items():
            object.__setattr__(self, name, value)
        if self.api not in APIS:
            raise UsageError(unknown("api", str(self.api), APIS))
        if self.concurrency != "auto":
            checks.whole("concurrency", self.concurrency, 1)
        checks.whole("attempts", self.attempts, 1)
        for name in ("timeout", "backoff", "patience", "tolerance"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise UsageError(f"{name} is {value!r}; possible are numbers from 0.")
        if not self.timeout:
            raise UsageError("timeout is 0; possible are seconds above 0.")
        for name in ("canaries", "stream"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} is {getattr(self, name)!r}; possible are true and false.")
        for name in self.body:
            if name in _OF_REQUESTS:
                raise UsageError(f"body.{name} cannot be given; it is set for every sample.")

    @classmethod
    def from_args(cls, arguments: Mapping[str, Any]) -> Self:
        """Options from a sweep's ``[engine]`` table.

        Raises:
            UsageError: an option that there is not, no server, or a value that cannot be.
        """
        known = [entry.name for entry in fields(cls)]
        for name in arguments:
            if name not in known:
                raise UsageError(unknown("option of openai", name, known))
        if _URL not in arguments:
            raise UsageError("The openai backend needs a server: --base-url http://127.0.0.1:8000/v1, for example.")
        return cls(**arguments)

    def key(self) -> str:
        """The API key; empty where the environment has none, as servers of one's own want it.

        Raises:
            UsageError: the variable that was named is not set, or holds what no header can.
        """
        key = os.environ.get(self.api_key_env, "").strip()  # files of settings leave line ends behind
        if not key and self.api_key_env != Options.api_key_env:
            raise UsageError(f"The environment has no variable {self.api_key_env}, which should hold the API key.")
        if not all("!" <= character <= "~" for character in key):
            raise UsageError(
                f"The environment variable {self.api_key_env} holds characters that no API key has: blanks, line ends "
                "or letters beyond ASCII."
            )
        return key


def _server(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"base_url {url!r} is no http or https address, such as http://127.0.0.1:8000/v1.")
    if parts.username or parts.password or parts.query or parts.fragment:
        # It is written to the run folder, and keys are carried in these places.
        shown = f"{parts.scheme}://{parts.hostname}{parts.path}"
        raise UsageError(f"base_url {shown} has a user, a password or a query; a key belongs into the environment.")
    return url.rstrip("/")
