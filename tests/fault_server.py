"""A small server of the OpenAI API that answers as told, rightly or wrongly. Prompts are bytes, as in `toy`."""

from __future__ import annotations

import asyncio
import json
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Self

CERTAIN = ("auth", "not_found", "context", "request", "quota")
"""Faults that no second call would mend."""
FAULTS = (
    "late", "never", "429", "500", "503", "broken_json", "half_stream", "hang_up", "wrong_count", "cut_prompt", "empty",
)  # fmt: skip

Choose = Callable[["FaultServer", int, str], str]
"""Server, number of the call, prompt's text → fault, or "" for none."""


class FaultServer:
    """Listens on a port of the loopback device in a thread of its own; ``with FaultServer() as server: server.url``.

    Attributes:
        calls: prompt's text and headers of every call for an answer, in the order in which they came.
        faults: how often each fault was given.
        most: calls that were under way at once.
    """

    def __init__(
        self,
        fault: Choose | None = None,
        *,
        late_s: float = 0.0,
        ids: bool = True,
        fails_over_ids: bool = False,
        models: list[dict[str, Any]] | None = None,
        max_model_len: int = 100_000,
        extra_tokens: int = 0,
        window: int = 0,
        usage: bool = True,
        key: str = "",
        first_id: int | None = 0,
        tokenized: str = "prompt",
    ) -> None:
        self.fault = fault or (lambda server, number, prompt: "")
        self.late_s, self.ids, self.max_model_len = late_s, ids, max_model_len
        self.extra_tokens, self.window, self.usage, self.key = extra_tokens, window, usage, key
        self.first_id = first_id  # of its tokenizer, which is that of `toy` where it is 0; None: it shows none
        self.tokenized = tokenized  # the field of what its tokenizer is to read; another one it passes over
        self.fails_over_ids, self.models = fails_over_ids, models
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.bodies: list[dict[str, Any]] = []
        self.faults: Counter[str] = Counter()
        self.most = self._now = 0
        self.down = False  # hangs up on everybody
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def die_for(self, seconds: float) -> None:
        """Hang up on everybody for a while."""
        self.down = True
        self._loop.call_soon_threadsafe(self._loop.call_later, seconds, setattr, self, "down", False)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=2**26)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._request(reader, writer):
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other side is gone, or this one ends
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if self.down:
            return False
        method, path, _ = first.split(" ")
        if self.key and headers.get("authorization") != f"Bearer {self.key}":
            said = headers.get("authorization", "none")  # as some servers do: they repeat what they were given
            _reply(writer, 401, _error(f"Incorrect API key provided: {said}", "invalid_api_key"))
            return True
        if path == "/v1/models":
            entry = {"id": "toy", "object": "model", "owned_by": "tests", "max_model_len": self.max_model_len}
            _reply(writer, 200, {"object": "list", "data": [entry] if self.models is None else self.models})
            return True
        if path == "/tokenize" and self.first_id is not None:
            text = json.loads(body).get(self.tokenized, "").encode()
            _reply(writer, 200, {"count": len(text), "tokens": [self.first_id + byte for byte in text]})
            return True
        if path not in ("/v1/completions", "/v1/chat/completions"):
            _reply(writer, 404, _error("no such path"))
            return True
        asked = json.loads(body)
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            return await self._generate(asked, path, headers, writer)
        finally:
            self._now -= 1

    async def _generate(
        self, asked: Mapping[str, Any], path: str, headers: dict[str, str], writer: asyncio.StreamWriter
    ) -> bool:
        known = [entry["id"] for entry in self.models or ()]
        if len(known) > 1 and asked["model"] not in known:  # as LiteLLM says it
            _reply(writer, 400, _error(f"Invalid model name passed in model={asked['model']}.", "400"))
            return True
        given = asked.get("prompt", asked.get("messages"))
        if isinstance(given, list) and given and isinstance(given[0], int):
            if self.fails_over_ids:  # what llama-cpp-python 0.3.36 says, in short
                _reply(writer, 500, _error("17 validation errors: 'loc': ('body', 'prompt', 'str')"))
                return True
            if not self.ids:
                _reply(writer, 400, _error("prompt must be a string"))
                return True
            prompt = bytes(given).decode()
        else:
            prompt = given if isinstance(given, str) else "".join(message["content"] for message in given or ())
        probe = asked["max_tokens"] == 1
        fault = "" if probe else self.fault(self, len(self.calls), prompt)
        if not probe:
            self.calls.append((prompt, headers))
            self.bodies.append(dict(asked))
            self.faults[fault] += 1
        if self.late_s:
            await asyncio.sleep(self.late_s)
        counted = len(prompt.encode()) + self.extra_tokens
        if self.window and len(prompt) > self.window:  # as servers do that cut without a word
            prompt = prompt[-self.window :]
            counted = self.window
        match fault:
            case "never":
                await asyncio.sleep(3600)
            case "late":
                await asyncio.sleep(0.1)
            case "429":
                _reply(writer, 429, _error("slow down", "rate_limit"), {"Retry-After": "0.02"})
                return True
            case "closed_for_today":
                _reply(writer, 429, _error("come back tomorrow", "rate_limit"), {"Retry-After": "3600"})
                return True
            case "500" | "503" | "529":
                _reply(writer, int(fault), _error("out of order"))
                return True
            case "quota":
                _reply(writer, 429, _error("You exceeded your current quota", "insufficient_quota"))
                return True
            case "auth" | "not_found" | "request":
                _reply(writer, {"auth": 403, "not_found": 404, "request": 400}[fault], _error(f"no: {fault}"))
                return True
            case "empty_stream" if asked.get("stream"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n")
                return True
            case "finished_without_a_token" if asked.get("stream"):
                return await self._stream(writer, "", path.endswith("chat/completions"), fault, None)
            case "context" | "empty_stream" | "finished_without_a_token":
                _reply(writer, 400, _error("This model's maximum context length is 100 tokens."))
                return True
            case "takes_no_stream_options" if "stream_options" in asked:
                _reply(writer, 400, _error("Unrecognized request argument supplied: stream_options"))
                return True
            case "takes_no_temperature" if "temperature" in asked:
                _reply(writer, 400, _error("Unsupported value: 'temperature' does not support 0 with this model"))
                return True
            case "repeats_the_key":
                _reply(writer, 400, _error("." * 575 + headers["authorization"]))
                return True
            case "error_with_200":
                _reply(writer, 200, _error("Provider returned error", 502))
                return True
            case "hang_up":
                return False
            case "wrong_count":
                counted += 7
            case "cut_prompt":
                counted = len(prompt) // 2
                prompt = prompt[len(prompt) // 2 :]
        text = "" if fault == "empty" else answer(prompt)
        usage = {"prompt_tokens": counted, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 64}}
        chat = path.endswith("chat/completions")
        if not asked.get("stream"):
            said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
            _reply(writer, 200, {"choices": [{"index": 0, **said, "finish_reason": "stop"}], "usage": usage})
            return True
        return await self._stream(writer, text, chat, fault, usage if self.usage else None)

    async def _stream(
        self, writer: asyncio.StreamWriter, text: str, chat: bool, fault: str, usage: dict[str, Any] | None
    ) -> bool:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
            b"Connection: keep-alive\r\n\r\n"
        )
        if fault == "events_without_data":
            _chunk(writer, ": connecting\n\nretry: 3000\n\nid: 7\n\n: keep-alive\n\n")
        half = len(text) // 2
        for number, part in enumerate((text[:half], text[half:])):
            if fault in ("half_stream", "broken_off") and number:
                if fault == "half_stream":
                    await writer.drain()
                    return False  # the connection ends in the midst of the stream
                writer.write(b"0\r\n\r\n")  # the stream ends as streams do, but nothing says that it is finished
                return True
            if fault == "broken_json" and number:
                _chunk(writer, 'data: {"choices": [{"te\n\n')
                writer.write(b"0\r\n\r\n")
                return True
            if fault == "error_in_stream" and number:
                _chunk(writer, f"data: {json.dumps(_error('engine died', 500))}\n\n")
                writer.write(b"0\r\n\r\n")
                return True
            _event(writer, {"choices": [{"index": 0, **({"delta": {"content": part}} if chat else {"text": part})}]})
        reason = "abort" if fault == "aborted" else "stop"
        finish = {"index": 0, **({"delta": {}} if chat else {"text": ""}), "finish_reason": reason}
        _event(writer, {"choices": [finish]})
        if usage:
            _event(writer, {"choices": [], "usage": usage})
        _chunk(writer, "data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        return True


def answer(prompt: str) -> str:
    """What a reader of a toy prompt, or of one with check words, says."""
    if "check word" in prompt:
        words = re.findall(r"The (?:first|last) check word is (\w+)\.", prompt)
        return f"They are {' and '.join(words)}." if words else "I cannot see any."
    found = re.search(r"What is the code of gate (\w+)\?", prompt)
    name = found[1] if found else "?"
    code = re.search(rf"The code of gate {name} is (\d+)\.", prompt)
    return f"It is {code[1]}." if code else "I cannot see it."


def a_fifth(seed: int = 0, faults: tuple[str, ...] = FAULTS) -> Choose:
    """A fault in a fifth of the calls, drawn by number; silence is the rarest, because it takes the longest."""
    rng = random.Random(seed)
    weights = [0.3 if fault == "never" else 1.0 for fault in faults]
    return lambda server, number, prompt: rng.choices(faults, weights)[0] if rng.random() < 0.2 else ""


def _error(message: str, code: Any = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "error", "code": code}}


def _reply(writer: asyncio.StreamWriter, status: int, content: Any, headers: Mapping[str, str] | None = None) -> None:
    body = json.dumps(content).encode()
    lines = [f"HTTP/1.1 {status} Said", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)


def _event(writer: asyncio.StreamWriter, content: Any) -> None:
    _chunk(writer, f"data: {json.dumps(content)}\n\n")


def _chunk(writer: asyncio.StreamWriter, text: str) -> None:
    body = text.encode()
    writer.write(f"{len(body):x}\r\n".encode() + body + b"\r\n")
