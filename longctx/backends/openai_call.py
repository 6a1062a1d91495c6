"""One call to one server: a request out, a stream of pieces in, a reply with counts and times."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import openai

from longctx.backends.openai_errors import SECRET, Failure, failure_of, said_inside, words_of
from longctx.backends.openai_options import Options
from longctx.types import Sample, Sampling

_PROBE = list(range(100, 116))  # ids that every vocabulary has
_COMPARED = 8_000  # characters
_TORN = 16  # tokens at the cut that may be others in the whole text
_AFFIX = 2  # ids that a tokenizer puts before a plain prompt
_HELLO_S = 10.0  # seconds for what needs no model
_GAVE_UP = ("abort", "error")  # finish reasons: vLLM, SGLang, OpenRouter
_CAN_BE_LEFT_OUT = ("temperature", "seed")


@dataclass(slots=True)
class Reply:
    """What a server answered."""

    text: str = ""
    thinking: str = ""  # where the server gives it apart
    finish_reason: str = ""
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    thinking_tokens: int | None = None
    ttft_s: float | None = None
    total_s: float = 0.0


class Server:
    """One server of the OpenAI API.

    Attributes:
        url: its address.
        salt: goes along with every prompt, where it is not empty; vLLM finds no prefix that came with another one.
    """

    def __init__(self, url: str, options: Options, model: str, sampling: Sampling, key: str) -> None:
        self.url = url
        self._options, self._model, self._sampling, self._key = options, model, sampling, key
        self._renamed: dict[str, str] = {}
        self._left_out = set(options.omit)
        self.salt = ""
        timeout = openai.Timeout(options.timeout, connect=min(_HELLO_S, options.timeout))
        # Tries are counted and spaced in one place, and that is not the client.
        self._client = openai.AsyncOpenAI(base_url=url, api_key=key or "none", timeout=timeout, max_retries=0)

    @property
    def max_tokens(self) -> int:
        """Output tokens at most."""
        return self._sampling.max_tokens

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    async def models(self, below: str = "") -> list[dict[str, Any]]:
        """What ``/models`` lists, at the address or below it.

        Raises:
            Failure: no answer, or a status that is none of success.
        """
        try:
            async with asyncio.timeout(min(_HELLO_S, self._options.timeout)):
                listed = await self._client.get(f"{below}/models", cast_to=object)
        except Exception as error:
            raise failure_of(error, False).without(self._key) from None
        entries = listed.get("data") if isinstance(listed, dict) else None
        return [entry for entry in entries or () if isinstance(entry, dict)]

    async def takes_ids(self) -> bool:
        """Whether ``/completions`` takes token ids as they are, found out by sending 16.

        Raises:
            Failure: it could not be found out.
        """
        body = {"model": self._model, "prompt": _PROBE, "max_tokens": 1}
        try:
            async with asyncio.timeout(self._options.timeout):
                said = await self._client.post("/completions", body=body, cast_to=object)
            return bool(said["usage"]["prompt_tokens"] == len(_PROBE))  # type: ignore[index]
        except Exception as error:
            failure = failure_of(error, False).without(self._key)
            if failure.kind in ("request", "not_found", "format", "context") or "HTTP 405" in str(failure):
                return False
            raise failure from None

    async def greet(self) -> None:
        """See to it that ``/chat/completions`` answers to the model's name.

        Raises:
            Failure: it does not.
        """
        await self.say({"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}, "chat", stream=False)

    async def same_ids(self, sample: Sample) -> bool | None:
        """Whether the server's own tokenizer gives the sample's ids; None where it cannot be asked.

        vLLM and SGLang take the text as ``prompt``, llama.cpp takes it as ``content``.

        Only the beginning is compared: it is about another tokenizer, whose ids would be read as another text.
        """
        text = sample.prompt[:_COMPARED]
        body = {"model": self._model, "prompt": text, "add_special_tokens": False}
        body |= {"content": text, "add_special": False, "parse_special": True}
        try:
            async with asyncio.timeout(min(_HELLO_S, self._options.timeout)):
                said = await self._client.post(f"{self.url.removesuffix('/v1')}/tokenize", body=body, cast_to=object)
            theirs = [int(token) for token in said["tokens"]]  # type: ignore[index]
        except Exception:
            return None
        if not theirs:  # it looked for the text in another field
            return None
        if len(text) < len(sample.prompt):
            theirs = theirs[:-_TORN]
        ours = sample.prompt_ids[: len(theirs) + _AFFIX].tolist()
        return any(ours[first : first + len(theirs)] == theirs for first in range(_AFFIX + 1))

    async def ask(self, sample: Sample, api: str, began: Callable[[], None] = lambda: None) -> Reply:
        """Ask one sample.

        Args:
            sample: what to ask.
            api: ``completions`` or ``chat``.
            began: is called when the first piece of the answer is there.

        Raises:
            Failure: the call failed.
        """
        return await self.say(self.body(sample, api), api, began)

    def body(self, sample: Sample, api: str) -> dict[str, Any]:
        """The request for a sample; ``prompt`` holds its token ids, or ``messages`` what its template is given."""
        if api == "completions":
            return {"prompt": sample.prompt_ids.tolist()}
        if sample.metadata.get("answer_prefix"):
            raise Failure("request", "chat cannot begin the answer with answer_prefix; --api completions can")
        given = sample.input
        return {"messages": [{"role": "user", "content": given}] if isinstance(given, str) else given}

    async def say(
        self, prompt: Mapping[str, Any], api: str, began: Callable[[], None] = lambda: None, stream: bool | None = None
    ) -> Reply:
        """Send a prompt and read the whole answer; like `ask`."""
        reply, started, pieces = Reply(), time.monotonic(), 0
        stream = self._options.stream if stream is None else stream
        fields = self._fields(prompt, stream)

        def first() -> None:
            if reply.ttft_s is None:
                reply.ttft_s = time.monotonic() - started
                began()

        try:
            async with asyncio.timeout(self._options.timeout):
                async for piece in self._pieces(fields, api):
                    pieces += 1
                    if _take(piece, reply):
                        first()
        except Exception as error:
            failure = failure_of(error, reply.ttft_s is not None)
            if self._adapt(failure, fields):
                return await self.say(prompt, api, began, stream)
            raise failure.without(self._key, _remedy(failure, fields)) from None
        made_up = reply.finish_reason == "stop" and not (reply.text or reply.thinking or reply.output_tokens)
        if stream and (made_up or not pieces):
            # llama-cpp-python ends an empty stream where it refuses a prompt, and LiteLLM before it adds that the
            # answer is finished. A model that ends at once has at least counted the token that says so.
            return await self.say(prompt, api, began, stream=False)
        reply.total_s = time.monotonic() - started
        if not stream:
            reply.ttft_s = None
        reply.text, reply.thinking = self._blot(reply.text), self._blot(reply.thinking)
        if not reply.finish_reason:
            # Too many calls at once may be why: llama-cpp-python stops an answer when the next call comes.
            raise Failure("stream", "the answer ended before it was finished", overload=True)
        if reply.finish_reason in _GAVE_UP:
            raise Failure("server", f"the server gave up on the answer (finish_reason {reply.finish_reason!r})")
        if reply.finish_reason == "content_filter":
            raise Failure("filtered", "the server's filter held the answer back")
        return reply

    async def _pieces(self, fields: Mapping[str, Any], api: str) -> AsyncIterator[dict[str, Any]]:
        path = "/completions" if api == "completions" else "/chat/completions"
        # Packed here: the client's own create() walks through every single id, 10 s of CPU for a million of them.
        content = json.dumps(fields).encode()
        options: Any = {"headers": {"Content-Type": "application/json"}}
        if not fields["stream"]:
            yield _object(await self._client.post(path, cast_to=object, content=content, options=options))
            return
        pieces = await self._client.post(
            path, cast_to=object, content=content, options=options, stream=True, stream_cls=_Stream
        )
        async with pieces:
            async for piece in pieces:
                yield _object(piece)

    def _fields(self, prompt: Mapping[str, Any], stream: bool) -> dict[str, Any]:
        sampling = self._sampling
        fields: dict[str, Any] = {
            "model": self._model,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "seed": sampling.seed,
            **({"stop": list(sampling.stop)} if sampling.stop else {}),
            "stream": stream,
            **({"stream_options": {"include_usage": True}} if stream else {}),
            **({"cache_salt": self.salt} if self.salt else {}),
            **self._options.body,
            **prompt,
        }
        return {self._renamed.get(name, name): value for name, value in fields.items() if name not in self._left_out}

    def _adapt(self, failure: Failure, sent: Mapping[str, Any]) -> bool:
        """Whether a refused request can be put in another form that means the same; other calls may have found out."""
        said = str(failure)
        if failure.kind != "request":
            return False
        if "stream_options" in said and "stream_options" in sent:
            self._left_out.add("stream_options")
            return True
        if "max_completion_tokens" in said and "max_tokens" in sent:
            self._renamed["max_tokens"] = "max_completion_tokens"
            return True
        return False

    def _blot(self, text: str) -> str:
        """Text without the key: some servers repeat it."""
        return text.replace(self._key, SECRET) if self._key else text


class _Stream(openai.AsyncStream[object]):
    """Passes over events without data, as the specification of server-sent events says: the client reads them as JSON.

    A line with ``retry`` or ``id`` of its own makes one, and after an ``id`` so does every comment that keeps alive.
    """

    async def _iter_events(self) -> AsyncIterator[Any]:
        async for event in super()._iter_events():
            if event.data:
                yield event


def _remedy(failure: Failure, sent: Mapping[str, Any]) -> str:
    """What helps where a server does not take a field that can be left out; empty otherwise."""
    if failure.kind == "request":
        for name in _CAN_BE_LEFT_OUT:
            if name in sent and name in str(failure):
                return f"; to leave it to the server: --engine-arg 'omit=[\"{name}\"]'"
    return ""


def _object(piece: Any) -> dict[str, Any]:
    if not isinstance(piece, dict):
        raise Failure("format", f"not a JSON object: {str(piece)!r}")
    if (error := piece.get("error")) and not piece.get("choices"):  # with status 200, as OpenRouter does it
        code = error.get("code") if isinstance(error, Mapping) else None
        raise said_inside(code, f"error in the answer: {words_of(error)}")
    return piece


def _take(piece: Mapping[str, Any], reply: Reply) -> bool:
    """Add a piece of an answer, or a whole one, to a reply; whether it holds something that the model wrote."""
    if usage := piece.get("usage"):
        details = usage.get("prompt_tokens_details") or {}
        reply.prompt_tokens = _count(usage.get("prompt_tokens"))
        reply.cached_tokens = _count(details.get("cached_tokens", usage.get("prompt_cache_hit_tokens")))
        reply.output_tokens = _count(usage.get("completion_tokens"))
        reply.thinking_tokens = _count((usage.get("completion_tokens_details") or {}).get("reasoning_tokens"))
    wrote = False
    for choice in piece.get("choices") or ():
        said = choice.get("delta") or choice.get("message") or choice
        text, thinking = _texts(said.get("content") or said.get("text") or said.get("refusal"))
        thinking += _texts(said.get("reasoning_content") or said.get("reasoning"))[0]
        reply.text += text
        reply.thinking += thinking
        reply.finish_reason = choice.get("finish_reason") or reply.finish_reason
        wrote |= bool(text or thinking or choice.get("finish_reason"))
    return wrote


def _texts(content: Any) -> tuple[str, str]:
    """What a message says and what it thinks; Mistral's models that think give a list of parts."""
    if content is None or isinstance(content, str):
        return content or "", ""
    text = thinking = ""
    for part in content if isinstance(content, list) else [content]:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "thinking":
            thinking += "".join(_texts(part.get("thinking")))
        elif kind == "text" and isinstance(part.get("text"), str):
            text += part["text"]
        else:
            raise Failure("format", f"the answer's text is not text: {part!r}")
    return text, thinking


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
