"""Finds in a prompt what a question is about, by its words alone: the reader inside the doubles."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n(?![^\S\n]+\S)")  # a blank line; what is indented behind it belongs together
_SENTENCE = re.compile(
    r"(?<=[.!?])(?<!\b[A-Z]\.)\s+(?![a-zäöü])"  # not behind an initial, nor where the sentence goes on
    r"|(?<=[。！？])|\n+"
)
_WORD = re.compile(r"[\w&'’-]+")
_HAN = re.compile(r"[\u3400-\u9fff]+")
_QUOTED = re.compile(r"[\"“„«「『`]([^\"”“«»」』`\n]{2,80})[\"”“»」』`]")
# A Chinese question begins with what it asks about, up to a particle.
_TOPIC = re.compile(r"^([\u3400-\u9fff]{2,}?)(?:的|项目|在|，|[^\u3400-\u9fff])")
_SHORT = 600  # characters of a paragraph that is taken whole
_FOLLOWING = 4  # sentences or lines that are quoted behind the one found in a long paragraph
_MOST = 4  # look-alikes returned


@dataclass(frozen=True, slots=True)
class Passage:
    """A short paragraph of the prompt, or some sentences of a long one."""

    text: str
    certain: bool  # it names what the question asks about


def find_passages(prompt: str, question: str) -> list[Passage]:
    """What may answer `question`, best first: passages that name what it asks about, then look-alikes that do not."""
    end = prompt.rfind(question)
    passages = list(_passages((prompt[:end] if end >= 0 else prompt).replace(question, "")))
    marks = _marks(question)
    rarity = {mark: math.log1p(len(passages) / max(1, sum(mark in first for first, _ in passages))) for mark in marks}
    scores = [sum(rarity[mark] for mark in marks if mark in first) for first, _ in passages]
    ranked = sorted((place for place, score in enumerate(scores) if score > 0), key=lambda place: -scores[place])
    wanted = names(question)
    longest = max(wanted, key=len, default="")
    certain: list[Passage] = []
    others: list[Passage] = []
    for place in ranked:
        first, text = passages[place]
        if wanted and longest in first and all(name in text for name in wanted):
            certain.append(Passage(text, True))
        elif len(others) < _MOST and not (wanted and longest in text):
            others.append(Passage(text, False))
    return [*certain, *others]


def _passages(text: str) -> Iterator[tuple[str, str]]:
    """What is compared with the question, and what is quoted."""
    for paragraph in _PARAGRAPH.split(text):
        if len(paragraph) <= _SHORT:
            yield paragraph, paragraph.strip()
        else:
            sentences = [sentence for sentence in _SENTENCE.split(paragraph) if sentence]
            for place, sentence in enumerate(sentences):
                yield sentence, "\n".join(sentences[place : place + 1 + _FOLLOWING])


def _marks(question: str) -> set[str]:
    """Words of the question; of writing without blanks, its pairs of characters."""
    words = {word for word in _WORD.findall(_HAN.sub(" ", question)) if len(word) > 1}
    return words | {run[i : i + 2] for run in _HAN.findall(question) for i in range(len(run) - 1)}


def names(question: str) -> list[str]:
    """What a passage must hold to be about the question: names, identifiers and what stands in quotes."""
    found: list[list[str]] = [[]]
    for place, word in enumerate(_HAN.sub(" ", question).split()):
        bare = word.strip(".,;:?!()[]\"“”„'")
        capital_of_sentence = place == 0 and bare[1:].islower()
        if bare != bare.lower() and not capital_of_sentence or re.search(r"[\d_]", bare):
            found[-1].append(bare)
        if not found[-1] or found[-1][-1] != word:
            found.append([])
    return [*_QUOTED.findall(question), *_TOPIC.findall(question), *(" ".join(run) for run in found if run)]
