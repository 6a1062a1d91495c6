"""The only place where tokens are counted: tokenizer, chat template, rendered prompt."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from longctx.errors import TokenizerError
from longctx.quick import Quick
from longctx.types import Ids, Message

Offsets = npt.NDArray[np.int64]
_HAYSTACK = "[[haystack]]"
_WORTH = 1 << 17  # characters that are encoded before a faster encoder is looked for
_DAY = datetime(2024, 7, 26)  # for templates that ask for the date: a sample is the same on every day


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """Text as tokens.

    Attributes:
        ids: (n,) token ids.
        starts: (n,) byte offset in the UTF-8 text at which each token begins.
        ends: (n,) byte offset at which it ends. A character that took several tokens gives them all its own bytes.
    """

    ids: Ids
    starts: Offsets
    ends: Offsets


def byte_offsets(text: str) -> Offsets | None:
    """Byte offset of every character of `text` and of its end, (len + 1,); None where they are the same (ASCII)."""
    if text.isascii():
        return None
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    widths = 1 + (points > 0x7F).astype(np.int64) + (points > 0x7FF) + (points > 0xFFFF)
    return np.concatenate(([0], np.cumsum(widths)))


class Tokenizer:
    """A model's own tokenizer with its chat template.

    Attributes:
        name: what it was loaded by.
        hash: SHA-256 (hex) over vocabulary, rules, chat template and special tokens.
        has_template: False where the model has no chat template and gets the plain prompt.
        special_texts: strings that the tokenizer turns into control tokens wherever they stand.
    """

    def __init__(self, hf: Any, name: str, template_options: dict[str, Any] | None = None) -> None:
        """Wrap a transformers fast tokenizer.

        Args:
            hf: a ``PreTrainedTokenizerFast``.
            name: what to call it in records.
            template_options: extra variables for the chat template, such as ``enable_thinking``.

        Raises:
            TokenizerError: not a fast tokenizer: exact assembly needs to know where each token stands in the text.
        """
        from tokenizers import Tokenizer as Fast

        if getattr(hf, "backend_tokenizer", None) is None:
            raise TokenizerError(
                f"{name} has only a Python tokenizer ({type(hf).__name__}); longctx needs the position of every token "
                "in its text, which only a fast one (tokenizer.json) gives. Convert it with transformers and name the "
                "resulting folder with --tokenizer."
            )
        self.name = name
        self.hf = hf
        rules = hf.backend_tokenizer.to_str()
        self._fast = Fast.from_str(rules)
        self._fast.no_truncation()
        self._fast.no_padding()
        self.template_options = dict(template_options or {})
        self.has_template = bool(getattr(hf, "chat_template", None))
        described = [rules, str(hf.chat_template), sorted(self.template_options.items()), str(hf.special_tokens_map)]
        self.hash = hashlib.sha256(json.dumps(described, ensure_ascii=False).encode()).hexdigest()
        added = self._fast.get_added_tokens_decoder().values()
        self.special_texts = tuple(
            sorted({token.content for token in added if token.special and token.content.strip()})
        )
        self._special = re.compile(
            "|".join(map(re.escape, sorted(self.special_texts, key=len, reverse=True))) or "(?!)"
        )
        self._prefix, self._suffix = self._affixes()
        self._encoded = 0  # characters

    def _affixes(self) -> tuple[list[int], list[int]]:
        """Ids that the tokenizer itself puts before and after a plain prompt (BOS, EOS)."""
        bare = self._fast.encode("x", add_special_tokens=False).ids
        full = self.hf("x")["input_ids"]
        for start in range(len(full) - len(bare) + 1):
            if full[start : start + len(bare)] == bare:
                return full[:start], full[start + len(bare) :]
        raise TokenizerError(f"{self.name} encodes 'x' as {full} with special tokens and as {bare} without.")

    def encode(self, text: str) -> Encoding:
        """Encode without special tokens added."""
        return self.encode_many([text])[0]

    def encode_many(self, texts: Sequence[str]) -> list[Encoding]:
        """Encode texts on all cores, without special tokens added."""
        batch = self._fast.encode_batch(list(texts), add_special_tokens=False)
        return [_with_bytes(encoding, text) for encoding, text in zip(batch, texts, strict=True)]

    def ids_many(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of `encode_many` alone, which is faster where nobody asks at which bytes they stand."""
        quick = self._quick(texts)
        found = quick.encode(texts) if quick else None
        if found is None:
            batch = self._fast.encode_batch_fast(list(texts), add_special_tokens=False)
            found = [np.array(encoding.ids, np.uint32) for encoding in batch]
        return found

    def id_lists(self, texts: Sequence[str]) -> list[list[int]]:
        """The same as lists."""
        return [ids.tolist() for ids in self.ids_many(texts)]

    def _quick(self, texts: Sequence[str]) -> Quick | None:
        """The faster twin, once there has been enough to encode to be worth looking for one."""
        if self._encoded < _WORTH:
            self._encoded += sum(map(len, texts))
            return None
        return self._twin

    @cached_property
    def _twin(self) -> Quick | None:
        return Quick.find(self._fast)

    @property
    def fast(self) -> Any:
        """The ``tokenizers.Tokenizer`` that encodes; it neither cuts nor pads."""
        return self._fast

    @cached_property
    def controls(self) -> re.Pattern[str] | None:
        """Finds control tokens at which the tokenizer splits a text before all else; None where it has none such."""
        added = self._fast.get_added_tokens_decoder().items()
        bare = [
            token.content
            for number, token in added
            if token.special
            and token.content.strip()
            and not (token.normalized or token.single_word or token.lstrip or token.rstrip)
            and number in self._fast.encode(f"x{token.content}x", add_special_tokens=False).ids
        ]
        return re.compile("|".join(map(re.escape, sorted(bare, key=len, reverse=True)))) if bare else None

    @cached_property
    def byte_lengths(self) -> npt.NDArray[np.int64] | None:
        """(vocabulary,) bytes that each id stands for; None where the vocabulary is not one of bytes, as GPT-2's is."""
        if '"ByteLevel"' not in self._fast.to_str() or self._fast.normalizer is not None:
            return None
        added = self._fast.get_added_tokens_decoder()
        vocabulary = self._fast.get_vocab()
        lengths = np.zeros(1 + max(vocabulary.values()), np.int64)
        for token, place in vocabulary.items():  # each letter of a token is a byte, but for added ones
            lengths[place] = len(added[place].content.encode()) if place in added else len(token)
        return lengths

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special tokens added."""
        return [len(ids) for ids in self.ids_many(texts)]

    def count(self, text: str) -> int:
        """Tokens of `text`, without special tokens added."""
        return len(self._fast.encode(text, add_special_tokens=False).ids)

    def affixed(self, ids: Ids) -> Ids:
        """Ids of a rendered prompt as they are sent: a plain prompt gets the tokenizer's own BOS and EOS.

        A chat template writes them itself, so nothing is added to what it rendered.
        """
        if self.has_template or not (self._prefix or self._suffix):
            return ids
        return np.concatenate([np.array(self._prefix, np.uint32), ids, np.array(self._suffix, np.uint32)])

    @property
    def affix_counts(self) -> tuple[int, int]:
        """Number of ids that `affixed` puts before and after."""
        return (0, 0) if self.has_template else (len(self._prefix), len(self._suffix))

    def prompt_ids(self, prompt: str) -> Ids:
        """Encode a rendered prompt whole, the slow and obviously right way: (length,)."""
        ids = self.hf(prompt, add_special_tokens=not self.has_template)["input_ids"]
        return np.array(ids, np.uint32)

    def render(self, chat_input: str | list[Message]) -> str:
        """Text that the model receives: the chat template over messages, or the plain prompt as it is.

        Raises:
            TokenizerError: the template refuses these messages.
        """
        if isinstance(chat_input, str):
            return chat_input
        try:
            rendered = self.hf.apply_chat_template(
                chat_input,
                tokenize=False,
                add_generation_prompt=True,
                **{"strftime_now": _DAY.strftime, **self.template_options},
            )
        except Exception as error:  # templates raise what they like
            raise TokenizerError(f"The chat template of {self.name} failed: {error}") from error
        return str(rendered)

    def frame(self, before: str, after: str, cue: str = "") -> tuple[str, str]:
        """What stands before and after a haystack in the rendered prompt.

        Args:
            before: text of the user's message before the haystack.
            after: text of the user's message after it.
            cue: what a plain prompt ends with; a chat template has its own.

        Raises:
            TokenizerError: the template drops or doubles the message's content.
        """
        rendered = self.render(self.as_input(before, _HAYSTACK, after, cue))
        parts = rendered.split(_HAYSTACK)
        if len(parts) != 2:
            raise TokenizerError(
                f"The chat template of {self.name} renders a user message's content {len(parts) - 1} times, not once."
            )
        return parts[0], parts[1]

    def as_input(self, before: str, haystack: str, after: str, cue: str = "") -> str | list[Message]:
        """A sample's input: one user message, or a plain prompt where there is no chat template."""
        if self.has_template:
            return [{"role": "user", "content": f"{before}{haystack}{after}"}]
        return f"{before}{haystack}{after}\n{cue}" if cue else f"{before}{haystack}{after}"

    def defuse(self, text: str) -> tuple[str, list[int]]:
        """Take the power from strings that would become control tokens: a blank is put after their first character.

        A document that quotes ``<|im_end|>`` would end the user's turn in the middle of the haystack, in every
        engine. Returns the text and the offsets in the given one at which a blank was put in.
        """
        places = [match.start() + 1 for match in self._special.finditer(text)]
        return self._special.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text), places


def _with_bytes(encoding: Any, text: str) -> Encoding:
    ids = np.array(encoding.ids, np.uint32)
    offsets = np.array(encoding.offsets, np.int64).reshape(-1, 2)
    to_bytes = byte_offsets(text)
    if to_bytes is not None:
        offsets = to_bytes[offsets]
    return Encoding(ids, offsets[:, 0], offsets[:, 1])


_GENERIC = ("PreTrainedTokenizerFast", "TokenizersBackend")  # names of one class, before and since transformers 5


def _loader(folder: Path) -> Any:
    """The class that loads a folder's tokenizer, as transformers' AutoTokenizer would choose it.

    AutoTokenizer imports torch, which takes seconds; where the folder names the generic class, that is not needed.
    """
    config = folder / "tokenizer_config.json"
    if config.is_file() and (folder / "tokenizer.json").is_file():
        described = json.loads(config.read_text("utf-8"))
        if described.get("tokenizer_class") in _GENERIC and "auto_map" not in described:
            from transformers import PreTrainedTokenizerFast

            return PreTrainedTokenizerFast
    from transformers import AutoTokenizer

    return AutoTokenizer


def load_tokenizer(name: str, template_options: dict[str, Any] | None = None) -> Tokenizer:
    """Load a tokenizer from a folder or by Hugging Face id, or the one of an embedded model.

    Raises:
        TokenizerError: nothing there, or not a fast tokenizer; says what was looked for.
    """
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    from longctx.models import locate

    path = locate(name)
    try:
        hf = _loader(Path(path)).from_pretrained(path)
    except Exception as error:  # the loader raises OSError, ValueError, KeyError … for the same thing
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TokenizerError(
            f"No tokenizer could be loaded from {name!r} ({reason}). Possible are a folder with tokenizer.json, "
            "a Hugging Face id that is in the local cache or can be downloaded, or a name from `longctx models`."
        ) from error
    return Tokenizer(hf, name, template_options)
