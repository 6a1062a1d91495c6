"""The nouns. Frozen records without logic; every field says its unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.uint32]
Message = dict[str, str]
FileStatus = Literal["read", "partly read", "skipped"]
Outcome = Literal[
    "right",
    "partial",
    "wrong",
    "distractor",
    "absent",
    "invented",
    "refused",
    "truncated_thinking",
    "truncated",
    "empty",
    "bad_format",
    "error",
]
"""What became of one sample.

``right`` / ``partial`` / ``wrong`` as scored; ``distractor``: a distractor's value was given;
``absent``: said not to be there though it is; ``invented``: something was answered though it is not there;
``refused``: declined to answer; ``truncated_thinking``: the output budget ended before the thinking did;
``truncated``: it ended before a right answer; ``empty``: no output; ``bad_format``: no answer of the form that the
scorer reads. All of these are answers of the model and enter accuracy.
``error``: the call failed; it is no answer, never enters accuracy, and is asked again on resume.
"""


@dataclass(frozen=True, slots=True)
class Document:
    """One file as text."""

    path: str  # relative to the folder that was read, with forward slashes
    text: str
    format: str  # the reader's name: "pdf", "docx", "text", "markdown", "html", "email", "json", "csv", "code"
    pages: tuple[int, ...] = ()  # character offset at which each page begins; empty where there are no pages


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one file of a folder."""

    path: str  # relative to the folder, with forward slashes
    status: FileStatus
    reason: str = ""  # why it was skipped or read in part; empty when read whole
    format: str = ""  # the reader's name; empty when no reader took it
    chars: int = 0  # characters of text taken from it


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the documents a stretch of text stands."""

    file: str
    page: int | None = None  # 1-based; None where the format has no pages
    line: int | None = None  # 1-based; None where the format has pages instead


@dataclass(frozen=True, slots=True)
class Cell:
    """One point of a sweep: everything that a sample depends on beside corpus, tokenizer and version."""

    task: str
    corpus: str  # name of the corpus
    length: int  # tokens the model receives
    depth: float | None  # asked depth of the needle that is asked about, 0-1; None: drawn by the seed
    density: float = 0.0  # distractors per 10,000 haystack tokens
    seed: int = 0
    depths_together: tuple[float, ...] = ()  # depths of all needles of a shared haystack; empty: only `depth`
    variant: tuple[tuple[str, Any], ...] = ()  # further axes, sorted by name, JSON values
    nested: int = 0  # tokens of the longest prompt with whose haystack this one's begins alike; 0: none


@dataclass(frozen=True, slots=True)
class Span:
    """A needle or a distractor inside a haystack."""

    text: str
    value: str  # what it answers
    start: int  # token offset inside the haystack
    end: int  # token offset inside the haystack, exclusive
    tier: str = ""  # "" for the needle asked about, "co-needle" for others' needles, or a distractor tier
    file: str = ""  # the document that it was put into
    page: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One prompt with its right answer."""

    id: str
    input: str | list[Message]  # plain prompt, or chat messages before the template
    target: str | list[str]
    metadata: Mapping[str, Any]  # the fields that DESIGN and README list: asked and measured values, spans, recipe
    prompt: str = field(repr=False, default="")  # rendered text, chat template included
    prompt_ids: Ids = field(repr=False, default_factory=lambda: np.empty(0, np.uint32))  # (length,) what is sent


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a model is asked to decode."""

    max_tokens: int = 64  # output tokens at most
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Response:
    """What a backend gave back for one sample."""

    id: str  # the sample's
    text: str = ""
    prompt_tokens: int | None = None  # as the engine counted
    cached_tokens: int | None = None  # of these, found in its prefix cache; None where it does not say
    output_tokens: int | None = None
    thinking_tokens: int | None = None
    finish_reason: str = ""
    ttft_s: float | None = None  # seconds to the first token
    total_s: float | None = None  # seconds to the last token
    error: str = ""  # why the call failed; empty where it did not
    error_kind: str = ""  # kind of failure, as `longctx.backends.openai_errors.KINDS` has it; empty: none, or not told
    attempts: int = 1  # calls that were made for it
    canaries: str = ""  # what became of both ends of prompts as long as this at its server; empty: not looked at


@dataclass(frozen=True, slots=True)
class Score:
    """What a response is worth."""

    value: float  # 0-1
    outcome: Outcome
    explanation: str = ""
    answer: str = ""  # the text that was scored, without the thinking; empty where it is the whole output
    picked: int | None = None  # which of the sample's distractors was given, where the outcome is ``distractor``
