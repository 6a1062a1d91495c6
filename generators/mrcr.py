"""Multi-round co-reference: one of several answers to the very same request, found again in a long conversation.

Follows OpenAI's MRCR (dataset openai/mrcr) and DeepMind's Michelangelo (arXiv 2409.12640) in what is asked and how it
is scored. The conversation is made of the corpus: what the assistant wrote are passages of the documents, what the
user wrote asks for each by its heading, or by a term that it is about.
"""

from __future__ import annotations

import dataclasses
import random
import re
import string
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np

from longctx.closing import Texts
from longctx.compare import normalise
from longctx.conversation import ASSISTANT, USER, Dialogue, Round, converse, is_clean
from longctx.corpus import Corpus
from longctx.cuts import SENTENCE
from longctx.errors import CorpusError, ImpossibleSample, UsageError
from longctx.exact import Insert
from longctx.samples import facts_seed, haystack_seed, is_unique, make_sample, own_haystack, pick_host, variant
from longctx.scorers import find_scorer
from longctx.seams import Slice, decode
from longctx.tasks import task
from longctx.tokens import Tokenizer
from longctx.types import Cell, Sample

from ._mrcr_draw import MARKS, draw_first, draw_twins, likeness, order_fillers
from ._mrcr_passages import LEAST, MOST, Passage
from ._mrcr_requests import pool_of, wordings

_NEEDLES = (2, 4, 8)
_GRADERS = {"openai": ("mrcr_openai", 10), "deepmind": ("mrcr_deepmind", 12)}  # scorer, characters of the prefix
_SPREADS = ("even", "near")
_VARIANTS = {
    "needles": "2, 4 or 8: how many times the request that is asked about was made; 2 by default",
    "flat": "true: one message that holds the transcript with speaker labels; otherwise real chat messages",
    "grader": "openai (default) or deepmind: whose rules score the answer",
    "spread": "even (default): the other answers to the request stand all over the conversation; near: next to it",
}
_DRAWS = 12  # times that other twins are drawn when the filler holds one's text by chance
_SHORT, _ROUND = 4096, 240  # tokens of a short conversation, and of a round with an answer that may be asked for
_KEPT = 32  # passages at most that are kept back for the closing
_VALUE = 80  # characters by which the analysis recognises an answer
_RUN = re.compile(
    r"\s*(?:(?:<\|[^|<>\n]{1,40}\|>|<｜[^｜\n]{1,40}｜>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>|<\w+>|</\w+>|\[\w+\])\s*"
    r"(?:(?:user|assistant|model|human|system)(?=\s*[\n<\[]))?\s*)+"
)


def read_answer(prompt: str, question: str) -> str:
    """What a careful reader of the rendered prompt answers: an independent solver, for the oracle.

    It looks for the messages that are the request, word for word and whole, and takes what the assistant said next.
    How messages are told apart it sees around the question itself.

    Args:
        prompt: rendered text.
        question: the user's last message.
    """
    asked = next((found for each in _asked_forms() if (found := each.fullmatch(question))), None)
    at = prompt.rfind(question)
    if asked is None or at < 0:
        return ""
    ordinals = [ordinal for language in wordings().values() for ordinal in language["ordinals"]]
    number = ordinals.index(asked["ordinal"]) % len(_ordinals())
    before, answers = prompt[:at], list[str]()
    labels = before.endswith(f"\n\n{USER} ")
    border = f"\n\n{USER} " if labels else _last_run(before)
    request, place = asked["request"], before.find(asked["request"])
    while place >= 0:
        end = place + len(request)
        opened = (
            before[:place].endswith(border if not labels else f"{USER} ") or not answers and _last_run(before[:place])
        )
        begin = end + len(f"\n\n{ASSISTANT} ") if labels else getattr(_RUN.match(before, end), "end", lambda: -1)()
        if labels and not before.startswith(f"\n\n{ASSISTANT} ", end):
            begin = -1
        if opened and begin >= 0:
            answers.append(before[begin : before.index(border, begin)])
        place = before.find(request, end)
    return asked["prefix"] + answers[number].strip() if number < len(answers) else ""


def _ordinals() -> Sequence[str]:
    words: list[str] = wordings()["en"]["ordinals"]
    return words


def _asked_forms() -> list[re.Pattern[str]]:
    forms = []
    for language in wordings().values():
        pattern = re.escape(language["question"].strip())
        for slot in ("request", "ordinal", "prefix"):
            pattern = pattern.replace(re.escape("{" + slot + "}"), f"(?P<{slot}>[\\s\\S]+?)")
        forms.append(re.compile(pattern))
    return forms


def _last_run(text: str) -> str:
    """The template's own text at the end of `text`."""
    runs = [match for match in _RUN.finditer(text, max(0, len(text) - 300)) if match.end() == len(text)]
    return runs[-1][0] if runs else ""


@task("mrcr", scorer="mrcr_openai", variants=_VARIANTS, density=False, corpus_factor=4, reader=read_answer)
def mrcr(corpus: Corpus, cell: Cell, tokenizer: Tokenizer) -> Sample:
    """The i-th of several different answers to the same request, to be given again word for word behind a prefix.

    ``depth`` is that of the asked answer among the messages: 0 puts its round first and 1 last, so that nothing but
    its own request and the template's marks stands before or after it. Which of the identical requests is asked for is
    drawn by the seed, as far as the depth leaves room for those before and after it.

    Example:
        User: Draft the clause on assignment. Assistant: Neither party may assign … User: … Assistant: …
        User: Further up I sent you this very message several times: … Give me the second of your answers to it again …
        Target: k3Xz81LmQaDistributor may not assign or delegate its rights …
    """
    count, spread, flat = (
        variant(cell, name, value) for name, value in (("needles", 2), ("spread", "even"), ("flat", False))
    )
    grader = variant(cell, "grader", "openai")
    _check("needles", count, _NEEDLES)
    _check("spread", spread, _SPREADS)
    _check("flat", flat, (True, False))
    _check("grader", grader, tuple(_GRADERS))
    # The same rounds whatever the grader, and however they are written.
    same = dataclasses.replace(cell, variant=(("needles", count),))
    host = corpus.sections.index(pick_host(corpus, same))
    for draw in range(_DRAWS):
        rng = random.Random(f"{facts_seed(same)}:needles:{draw}")
        request, twins = draw_twins(pool_of(corpus), corpus, host, count, rng)
        scorer, characters = _GRADERS[grader]
        prefix = "".join(random.Random(rng.random()).choices(string.ascii_letters + string.digits, k=characters))
        conversation = _Conversation(corpus, cell, tokenizer, request, twins, rng.randrange(count), spread, same)
        language = wordings().get(corpus.voice.language, wordings()["en"])
        question = language["question"].strip().format(
            request=request, ordinal=language["ordinals"][conversation.number], prefix=prefix
        )  # fmt: skip
        dialogue = Dialogue(tokenizer, question, flat=flat, instruction=language["flat"].strip())
        haystack, chat_input, rounds = converse(
            corpus, tokenizer, dialogue,
            length=cell.length, make=conversation.make, sizes=conversation.sizes, candidates=conversation.candidates(),
        )  # fmt: skip
        inserts = [one.insert for one in rounds if one.insert]
        own = "\n".join(
            [*dict.fromkeys(one.request for one in rounds), *(twin.text for twin in twins), haystack.closing]
        )
        if not is_unique([insert.value for insert in inserts], own, inserts) or prefix in haystack.text:
            continue  # no other answer holds a twin's value: those that do were left out
        target = prefix + twins[0].text
        return make_sample(
            corpus, cell, tokenizer, dataclasses.replace(haystack, repeated=conversation.repeats(rounds)), chat_input,
            question=question, target=target, scorer=scorer,
            asked=[index for index, insert in enumerate(inserts) if not insert.tier], seed=own_haystack(corpus, cell),
            extra=_extra(tokenizer, corpus, twins, prefix, scorer, rounds, conversation.number),
        )  # fmt: skip
    raise ImpossibleSample(f"Corpus {corpus.name!r} holds the answers that were drawn twice, {_DRAWS} times over.")


def _check(name: str, value: Any, possible: Sequence[Any]) -> None:
    if value not in possible or isinstance(value, bool) != isinstance(possible[0], bool):
        given = ", ".join(str(one).lower() if isinstance(one, bool) else str(one) for one in possible)
        raise UsageError(f"mrcr was asked for {name} = {value!r}; possible are {given}.")


@lru_cache(maxsize=1 << 17)  # passages of a corpus are looked through for every sample
def _folded(text: str) -> str:
    return text.casefold()


def _holding(texts: Sequence[str], values: Sequence[str]) -> set[int]:
    """Indices of texts that hold one of these values, as `samples.is_unique` looks for them."""
    folded = [_folded(text) for text in texts]
    joined, ends = "\n".join(folded), list(accumulate(len(text) + 1 for text in folded))
    found: set[int] = set()
    # What holds a value as it is holds that part of it too that is looked for in another form.
    forms = {form for value in values for form in (value.casefold(), normalise(value))}
    for form in {form for form in forms if not any(other != form and other in form for other in forms)}:
        at = joined.find(form)
        while at >= 0:
            found.add(bisect_right(ends, at))
            at = joined.find(form, at + 1)
    return found


class _Conversation:
    """The rounds of one sample, for any number of them."""

    def __init__(
        self, corpus: Corpus, cell: Cell, tokenizer: Tokenizer, request: str, twins: Sequence[Passage], number: int,
        spread: str, same: Cell,
    ) -> None:  # fmt: skip
        self.corpus, self.tokenizer, self.request, self.twins, self.spread = corpus, tokenizer, request, twins, spread
        self.depth = cell.depth or 0.0
        self.number = self._fit(number)
        pool, facts = pool_of(corpus), random.Random(f"{facts_seed(same)}:first")
        rng = random.Random(f"{haystack_seed(corpus, same)}:rounds")
        shares = [section.share for section in corpus.sections]
        first = draw_first(pool, twins, facts)
        enough = cell.length + 4 * MOST  # what can't be reached need not be drawn
        order = order_fillers(pool, shares, twins, request, first, enough + _KEPT * MOST, rng)
        told = _holding([passage.text for passage, _ in order], [twin.text[:_VALUE] for twin in twins])
        order = [one for number, one in enumerate(order) if number not in told]
        kept = min(_KEPT, len(order) // 3)
        self.kept, self.fillers = [passage for passage, _ in order[1 : 1 + kept]], order[:1] + order[1 + kept :]
        if not self.kept:
            raise CorpusError(
                f"Corpus {corpus.name!r} has only {len(order)} passages beside those that are asked about; three are "
                "needed for the shortest conversation. Add documents."
            )
        self.distinct = len(self.fillers)
        while corpus.repeat and len(self.fillers) < cell.length // LEAST + 1:
            self.fillers += rng.sample(self.fillers[: self.distinct], self.distinct)
        tokens = np.cumsum([passage.tokens + MARKS for passage, _ in self.fillers])
        del self.fillers[int(np.searchsorted(tokens, enough)) :]
        counts = pool.counts(tokenizer, [request, *dict.fromkeys(wording for _, wording in self.fillers)])
        self._around = counts[request] + MARKS
        self.sizes = np.array([passage.tokens + counts[wording] + MARKS for passage, wording in self.fillers], np.int64)
        self._before = np.concatenate(([0], np.cumsum(self.sizes)))
        self._rounds = [Round(wording, passage.piece, passage.text) for passage, wording in self.fillers]

    def _fit(self, number: int) -> int:
        """Ask for one so early, or so late, that the others have room before and after it, the same at every length."""
        last = len(self.twins) - 1
        if self.depth in (0.0, 1.0):
            return last if self.depth else 0
        before = self.depth * _SHORT / _ROUND
        return min(last, max(min(number, int(before)), last - int(_SHORT / _ROUND - before)))

    def make(self, units: int) -> list[Round]:
        """All rounds with that many fillers."""
        asked = Insert(self.twins[0].text, self.twins[0].text[:_VALUE], self.depth)
        others = [Insert(twin.text, twin.text[:_VALUE], None, "twin") for twin in self.twins[1:]]
        early = list(zip(self.twins[1 : self.number + 1], others[: self.number], strict=True))
        late = list(zip(self.twins[self.number + 1 :], others[self.number :], strict=True))
        place = self._place(units, sum(twin.tokens + self._around for twin, _ in early))
        at: dict[int, list[tuple[Passage, Insert]]] = {}
        for group, first, last in ((early, 0, place), ([(self.twins[0], asked)], place, place), (late, place, units)):
            for index, member in enumerate(group):
                share = (index + 0.5) / len(group)
                near = last if group is early else first
                at.setdefault(near if self.spread == "near" else first + round(share * (last - first)), []).append(
                    member
                )
        fillers = self._rounds[:units]
        fillers[-1] = fillers[-1]._replace(closing=True)
        rounds: list[Round] = []
        done = 0
        for unit in sorted(at):
            rounds += fillers[done:unit]
            rounds += [
                Round(self.request, passage.piece, passage.text, insert, self.corpus.locate(passage.begin))
                for passage, insert in at[unit]
            ]
            done = unit
        return rounds + fillers[done:]

    def _place(self, units: int, early: int) -> int:
        """Fillers that stand before the asked round."""
        if self.depth in (0.0, 1.0):
            return units if self.depth else 0
        total = int(self._before[units]) + sum(twin.tokens + self._around for twin in self.twins)
        wanted = self.depth * (total - self.twins[0].tokens) - early - self._around
        return int(np.argmin(np.abs(self._before[: units + 1] - wanted)))

    def candidates(self) -> Texts:
        """Sentences of passages that no round has."""
        corpus, texts = self.corpus, dict[str, None]()
        for passage in self.kept:
            first, last = np.searchsorted(corpus.cut_begin, (passage.begin, passage.end))
            inner = [cut for cut in range(int(first) + 1, int(last)) if corpus.cut_rank[cut] >= SENTENCE]
            begins = [passage.begin, *(int(corpus.cut_begin[cut]) for cut in inner)]
            ends = [*(int(corpus.cut_end[cut]) for cut in inner), passage.end]
            texts |= {decode(corpus, Slice(b, e)).strip(): None for b, e in zip(begins, ends, strict=True) if b < e}
        return Texts([text for text in texts if text and is_clean(text)], self.tokenizer, cuts=True)

    def repeats(self, rounds: Sequence[Round]) -> bool:
        """True where fillers recur."""
        return len(rounds) - len(self.twins) > self.distinct


def _extra(
    tokenizer: Tokenizer, corpus: Corpus, twins: Sequence[Passage], prefix: str, scorer: str, rounds: Sequence[Round],
    number: int,
) -> dict[str, Any]:  # fmt: skip
    """What the metadata hold beside the usual."""
    about = {"random_string_to_prepend": prefix}
    target = prefix + twins[0].text
    floors = [find_scorer(scorer)(target, prefix + twin.text, about)[0] for twin in twins[1:]]
    alike = [likeness(twins[0].text, twin.text) for twin in twins[1:]]
    [asked] = [2 * index + 1 for index, one in enumerate(rounds) if one.insert and not one.insert.tier]
    file = corpus.locate(twins[0].begin).file
    return {
        **about,
        "n_needles": len(twins),
        "asked_number": number + 1,
        "desired_msg_index": asked,
        "total_messages": 2 * len(rounds) + 1,
        "target_tokens": tokenizer.count(target),
        "similarity": sum(alike) / len(alike),
        "similarity_max": max(alike),
        "noise_floor": sum(floors) / len(floors),
        "noise_floor_max": max(floors),
        "host": corpus.sections[twins[0].section].name,
        "host_format": corpus.format_of(file),
    }
