"""Whether both ends of a long prompt arrive: words put there, and a question about them.

The samples stay as they are: the question is a call of its own, asked once for each server and length, over the prompt
of the first sample of that length. A model that cannot repeat the words from a short prompt says nothing about a long
one; and as a model may overlook a word that did arrive, a word counts as lost only when three different ones were, and
the model names one that stands elsewhere in a prompt as long.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from longctx.backends.openai_call import Server
from longctx.backends.openai_errors import Failure
from longctx.types import Sample

LOST = ("start lost", "end lost", "both lost")
_TRIES = 3
_TOKENS = 64  # that an answer may have at least, however short those of the samples are
_ROOM = 600  # characters taken out of the middle, so that the prompt gets no longer
_FIRST, _LAST = "The first check word is {0}.\n\n", "\n\nThe last check word is {0}."
_ASKED = (
    "\n\nLeave every other question aside. Which is the first check word, and which "
    "is the last check word? Answer with these two words."
)


class Canaries:
    """Remembers for each server and length what became of the words."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], str] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def look(self, server: Server, api: str, sample: Sample) -> str:
        """What became of both ends of prompts as long as this sample's.

        Returns:
            ``both`` arrived, one of `LOST`, ``unable`` where the model cannot repeat two words from a short prompt, or
            from a long one wherever they stand, or ``failed`` where the question could not be asked.
        """
        key = server.url, int(sample.metadata.get("length_asked") or len(sample.prompt_ids))
        async with self._locks.setdefault(server.url, asyncio.Lock()):
            if key not in self._found:
                self._found[key] = await self._ask(server, api, sample, key)
        return self._found[key]

    async def _ask(self, server: Server, api: str, sample: Sample, key: tuple[str, int]) -> str:
        short = server.url, 0
        if short not in self._found:
            self._found[short] = await self._tries(server, api, sample, "")
        if self._found[short] != "both":
            return "failed" if self._found[short] == "failed" else "unable"
        verdict = await self._tries(server, api, sample, _content(sample))
        if verdict in LOST and not await self._finds(server, api, sample, verdict):
            return "unable"
        return verdict

    async def _finds(self, server: Server, api: str, sample: Sample, verdict: str) -> bool:
        """Whether the model names a word that was lost at its end from a quarter of the prompt further in."""
        words = _words(random.Random(f"{sample.id} elsewhere"))
        lost = verdict != LOST[1], verdict != LOST[0]
        try:
            reply = await server.say(_request(server, sample, api, _between(_content(sample), words, lost)), api)
        except Failure:
            return True  # no reason to doubt what was found before
        said = f"{reply.thinking} {reply.text}".lower()
        return any(gone and word in said for gone, word in zip(lost, words, strict=True))

    async def _tries(self, server: Server, api: str, sample: Sample, content: str) -> str:
        seen = [False, False]
        answered = False
        for attempt in range(_TRIES):
            words = _words(random.Random(f"{sample.id} {attempt} {len(content)}"))
            try:
                reply = await server.say(_request(server, sample, api, _between(content, words)), api)
            except Failure:
                continue
            answered = True
            said = f"{reply.thinking} {reply.text}".lower()
            seen = [before or word in said for before, word in zip(seen, words, strict=True)]
            if all(seen):
                return "both"
        if not answered:
            return "failed"
        return "both lost" if not any(seen) else LOST[1] if seen[0] else LOST[0]


def _words(rng: random.Random) -> tuple[str, str]:
    first, last = ("".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(4)) for _ in range(2))
    return first, last


def _content(sample: Sample) -> str:
    """What the user's message holds: the haystack and the question."""
    return sample.input if isinstance(sample.input, str) else sample.input[-1]["content"]


def _between(content: str, words: tuple[str, str], inside: tuple[bool, bool] = (False, False)) -> str:
    """The content with both words at its ends, or with the first at three quarters and the last at one of it."""
    half, quarter = len(content) // 2, len(content) // 4
    cut = min(_ROOM, len(content)) // 2
    first, last = _FIRST.format(words[0]), _LAST.format(words[1])
    front, back = content[: half - cut], content[half + cut :]
    if inside[1]:
        front = f"{front[:quarter]}{last}\n\n{front[quarter:]}"
    if inside[0]:
        back = f"{back[:-quarter]}\n\n{first}{back[-quarter:]}"
    return ("" if inside[0] else first) + front + back + ("" if inside[1] else last) + _ASKED


def _request(server: Server, sample: Sample, api: str, content: str) -> Mapping[str, Any]:
    room = {"max_tokens": max(_TOKENS, server.max_tokens)}
    if api == "completions":  # as text: the ids of the words are the tokenizer's business
        return {"prompt": sample.prompt.replace(_content(sample), content), **room}
    earlier = [] if isinstance(sample.input, str) else sample.input[:-1]
    return {"messages": [*earlier, {"role": "user", "content": content}], **room}
