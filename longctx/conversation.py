"""Conversations as haystacks: rounds of request and answer inside the model's own chat template, made to the token.

The haystack goes from the first message's text to the end of the last answer before the final question. Answers that
are slices of an encoded text keep its tokens: only the windows around them are encoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from longctx.chains import chain
from longctx.chains import sizes as chain_sizes
from longctx.closing import Candidates, close
from longctx.corpus import Corpus
from longctx.errors import CorpusError, ImpossibleSample, TokenizerError
from longctx.exact import Haystack, Insert, Pieces, finish, missing_tokens
from longctx.rendering import repeated
from longctx.seams import Piece, Seams, Slice
from longctx.tokens import Tokenizer
from longctx.types import Message, Place

USER, ASSISTANT = "User:", "Assistant:"
RESERVE = 24  # tokens that are left to the closing at least: enough to be filled exactly
_SAMPLED = 200  # rounds by which it is measured how far estimates are off
_MARGIN = 0.0003  # share by which long conversations are aimed too short: a second attempt costs more than sentences do
_ATTEMPTS = 10
_MANY = 8  # rounds from which on a template is expected to do the same for each; checked by the whole prompt
_FEWER = 3  # rounds at most that are left out again where no sentences fill what is missing exactly
_SENTINEL = re.compile(r"\[\[message-(\d+)\]\]")


class Round(NamedTuple):
    """A request with its answer.

    Attributes:
        request: what the user says.
        answer: what the assistant says: text, or where it stands in the store.
        text: the same as text.
        insert: what the answer is for the record: the needle or a twin of it; None for filler.
        place: where in the documents the answer is from.
        closing: True for the one round whose answer is made longer so that the length is exact.
    """

    request: str
    answer: Piece
    text: str
    insert: Insert | None = None
    place: Place | None = None
    closing: bool = False


class Dialogue:
    """How a conversation is written: as chat messages, or as one transcript with speaker labels."""

    def __init__(self, tokenizer: Tokenizer, question: str, *, flat: bool, instruction: str) -> None:
        """Remember how.

        Args:
            tokenizer: the model's; without a chat template everything is a transcript.
            question: the user's last message.
            flat: one user message that holds the transcript.
            instruction: stands before the transcript where `flat`.
        """
        self.tokenizer, self.question = tokenizer, question
        self.messages = tokenizer.has_template and not flat
        self._before = f"{instruction}\n\n{USER} " if flat else f"{USER} "
        self._after = f"\n\n{USER} {question}"
        if not tokenizer.has_template:
            self._after += f"\n\n{ASSISTANT}"

    def markers(self, rounds: int) -> list[str]:
        """Rendered text around the messages of that many rounds: (2 · rounds + 1,); the question is in the last.

        Raises:
            TokenizerError: the chat template drops, doubles or reorders messages.
        """
        if self.messages:
            return (repeated(self._rendered, rounds) if rounds > _MANY else []) or self._rendered(rounds)
        before, after = self._before, self._after
        if self.tokenizer.has_template:
            before, after = self.tokenizer.frame(before, after)
        inner = [f"\n\n{ASSISTANT} ", f"\n\n{USER} "] * rounds
        return [before, *inner[:-1], after]

    def _rendered(self, rounds: int) -> list[str]:
        texts = [f"[[message-{number}]]" for number in range(2 * rounds)]
        parts = _SENTINEL.split(self.tokenizer.render([*_messages(texts), {"role": "user", "content": self.question}]))
        if parts[1::2] != [str(number) for number in range(2 * rounds)]:
            raise TokenizerError(
                f"The chat template of {self.tokenizer.name} does not render every message of a conversation once and "
                "in order. Ask with flat = true: one message that holds the transcript."
            )
        return parts[::2]

    def as_input(self, texts: Sequence[str]) -> str | list[Message]:
        """A sample's input.

        Args:
            texts: requests and answers in turn.
        """
        if self.messages:
            return [*_messages(texts), {"role": "user", "content": self.question}]
        labels = [f"\n\n{USER} ", f"\n\n{ASSISTANT} "]
        transcript = "".join(labels[index % 2] + text for index, text in enumerate(texts))
        whole = self._before.removesuffix(f"{USER} ") + transcript.removeprefix("\n\n") + self._after
        return [{"role": "user", "content": whole}] if self.tokenizer.has_template else whole


def _messages(texts: Sequence[str]) -> list[Message]:
    roles = ("user", "assistant")
    return [{"role": roles[index % 2], "content": text} for index, text in enumerate(texts)]


def is_clean(text: str) -> bool:
    """True for text that can be a message: a template that trims leaves it alone, and nothing in it is a label."""
    return text == text.strip() and not re.search(rf"^(?:{USER}|{ASSISTANT})|</?think", text, re.MULTILINE)


@dataclass(frozen=True, slots=True, eq=False)
class _Attempt:
    """A conversation of some number of rounds, encoded."""

    rounds: Sequence[Round]
    head: str
    tail: str
    seams: Seams
    pieces: Pieces
    inserts: list[Insert]


def converse(
    corpus: Corpus,
    tokenizer: Tokenizer,
    dialogue: Dialogue,
    *,
    length: int,
    make: Callable[[int], Sequence[Round]],
    sizes: npt.NDArray[np.int64],
    candidates: Candidates,
) -> tuple[Haystack, str | list[Message], Sequence[Round]]:
    """Build a conversation of as many rounds as fit, whose rendered prompt has exactly `length` tokens.

    Args:
        corpus: the store that answers are slices of.
        tokenizer: the model's.
        dialogue: how it is written.
        length: tokens of the prompt.
        make: number of filler rounds, from 1 → all rounds in order.
        sizes: (f,) about how many tokens each filler round has, in the order in which `make` takes them.
        candidates: what the closing round's answer is made longer with.

    Returns:
        The haystack with its spans in the order of the rounds that hold an insert, the sample's input, and the rounds.

    Raises:
        ImpossibleSample: `length` is too short; says what is possible.
        CorpusError: all filler rounds together are too short; says how long they are.
        TokenizerError: the chat template does not render conversations.
    """
    length -= sum(tokenizer.affix_counts)
    seams = corpus.seams(tokenizer)
    exact = _exact_sizes(seams, dialogue, make(len(sizes)))
    margin, sizes = (_MARGIN, sizes) if exact is None else (0.0, exact)
    cumulated = np.concatenate(([0], np.cumsum(sizes)))
    smallest = _attempt(seams, dialogue, make(1))
    least = _missing(smallest, 0)
    if length + least < RESERVE:
        shortest = RESERVE - least + sum(tokenizer.affix_counts)
        raise ImpossibleSample(
            f"{length + sum(tokenizer.affix_counts):,} tokens are too few: the rounds that are asked about, one more "
            f"and the question take {shortest - RESERVE:,}. The shortest possible length with these is {shortest:,}."
        )
    ratio, known, units = 1.0, (1, length + least), 1
    attempt, gap = smallest, length + least
    fitting: list[tuple[int, _Attempt]] = [(gap, smallest)]
    for step in range(_ATTEMPTS):
        room = known[1] - RESERVE
        room -= int(margin * max(0, room))
        guess = int(np.searchsorted(cumulated, cumulated[known[0]] + room / ratio, side="right")) - 1
        guess = max(1, min(guess, len(sizes)))
        if step == 0 and exact is None and guess > 2 * _SAMPLED:
            guess = _SAMPLED
        if guess == units:
            break
        units = guess
        attempt = _attempt(seams, dialogue, make(units))
        gap = length + _missing(attempt, 0)
        if units > known[0] and cumulated[units] - cumulated[known[0]] > 0:
            ratio = max(0.5, (known[1] - gap) / float(cumulated[units] - cumulated[known[0]]))
        known = (units, gap)
        if gap >= RESERVE:
            fitting.append((gap, attempt))
            if (step or exact is not None) and gap <= 3 * int(sizes.max()):
                break
    gap, attempt = min(fitting, key=lambda item: item[0])
    exhausted = len(attempt.rounds) - len(attempt.inserts) == len(sizes)
    too_small = CorpusError(
        f"Corpus {corpus.name!r} gives conversations of {length - gap:,} tokens; {length:,} were asked for. Add "
        "documents, ask for a shorter length, or allow rounds to recur with --repeat."
    )
    if exhausted and gap > 4 * int(sizes.max()):
        raise too_small
    closing = _close(attempt, length, candidates)
    fillers = len(attempt.rounds) - len(attempt.inserts)
    for fewer in range(1, min(_FEWER, fillers - 1) + 1):  # another gap may be one that sentences fill
        if closing is not None:
            break
        attempt = _attempt(seams, dialogue, make(fillers - fewer))
        closing = _close(attempt, length, candidates)
    if closing is None and exhausted:
        raise too_small
    if closing is None:
        raise ImpossibleSample(f"No sentences of corpus {corpus.name!r} give exactly {length:,} tokens.")
    made = finish(attempt.seams, attempt.head, attempt.pieces, closing, attempt.tail, attempt.inserts)
    texts = []
    for one in attempt.rounds:
        texts += [one.request, one.text + made.closing if one.closing else one.text]
    return made, dialogue.as_input(texts), attempt.rounds


def _exact_sizes(seams: Seams, dialogue: Dialogue, rounds: Sequence[Round]) -> npt.NDArray[np.int64] | None:
    """Tokens of each filler round with what stands around it; None where that depends on its neighbours."""
    fillers = [one for one in rounds if one.insert is None]
    pieces = [piece for one in fillers for piece in (one.request, one.answer)]
    return chain_sizes(seams, pieces, dialogue.markers(len(fillers))[1:-1])


def _close(attempt: _Attempt, length: int, candidates: Candidates) -> list[Piece] | None:
    missing = missing_tokens(attempt.seams, length, attempt.head, attempt.pieces, attempt.tail)
    return close(candidates, missing, "\n\n", "\n\n")


def _missing(attempt: _Attempt, length: int) -> int:
    return missing_tokens(attempt.seams, length, attempt.head, attempt.pieces, attempt.tail)([])


def _attempt(seams: Seams, dialogue: Dialogue, rounds: Sequence[Round]) -> _Attempt:
    markers = dialogue.markers(len(rounds))
    made = chain(seams, [piece for one in rounds for piece in (one.request, one.answer)], markers[1:-1])
    pieces, inserts, begin = Pieces(), list[Insert](), made.spans[0][0]
    for one, (answer, end) in zip(rounds, made.spans[1::2], strict=True):
        if one.insert is not None:
            pieces.add(Slice(begin, answer))
            pieces.add(Slice(answer, end), len(inserts), one.place)
            inserts.append(one.insert)
            begin = end
        elif one.closing:
            pieces.add(Slice(begin, end))
            pieces.close_here()
            begin = end
    if begin < made.spans[-1][1]:
        pieces.add(Slice(begin, made.spans[-1][1]))
    return _Attempt(rounds, markers[0], markers[-1], Seams(made.store, seams.tokenizer), pieces, inserts)
