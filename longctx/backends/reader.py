"""Finds in a prompt what a question is about, by its words alone: the reader inside the doubles."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_BORDER = re.compile(
    r"(?<=[.!?])(?<!\b[A-Z]\.)\s+(?![a-zäöü])"  # not behind an initial, nor where the sentence goes on
    r"|(?<=[。！？])|\n+"
)
_WORD = re.compile(r"[\w&'’-]+")
_QUOTED = re.compile(r"[\"“„«「『`]([^\"”“«»」』`\n]{2,80})[\"”“»」』`]")
_HAN = re.compile(r"[\u3400-\u9fff]+")
_FORM_HAN = re.compile(
    r"请问|根据|按照|多少|什么|哪[一个些年月日]?|何时|何人|多[长久大高]|[是的为了在有谁几何吗呢与和中第]"
)
_MOST = 4  # passages returned


@dataclass(frozen=True, slots=True)
class Passage:
    """A sentence of the prompt, with the next one where it has no answer of its own."""

    text: str
    certain: bool  # it names what the question asks about


def find_passages(prompt: str, question: str) -> list[Passage]:
    """What may answer `question`, best first: passages that name what it asks about, then look-alikes."""
    end = prompt.rfind(question)
    text = (prompt[:end] if end >= 0 else prompt).replace(question, "")
    sentences = [sentence for sentence in _BORDER.split(text) if sentence]
    marks = _marks(question)
    rarity = {mark: math.log1p(len(sentences) / max(1, sum(mark in s for s in sentences))) for mark in marks}
    scores = [sum(rarity[mark] for mark in marks if mark in sentence) for sentence in sentences]
    best = sorted((place for place, score in enumerate(scores) if score > 0), key=lambda p: -scores[p])[:_MOST]
    passages = [Passage(_whole(sentences, place, question), _names(sentences[place], question)) for place in best]
    return sorted(passages, key=lambda passage: not passage.certain)


def _marks(question: str) -> set[str]:
    """Words of the question; of writing without blanks, its pairs of characters."""
    words = {word for word in _WORD.findall(_HAN.sub(" ", question)) if len(word) > 1}
    return words | {run[i : i + 2] for run in _HAN.findall(question) for i in range(len(run) - 1)}


def _names(sentence: str, question: str) -> bool:
    """Whether a sentence names what the question asks about."""
    keys = _keys(question)
    if keys:
        return all(key in sentence for key in keys)
    left = _HAN.findall(_FORM_HAN.sub("", _without_shared(question, sentence)))
    return max(map(len, left), default=0) < 2


def _keys(question: str) -> list[str]:
    """What stands in quotes, else the most name-like run of words: capitalised, with digits or underscores."""
    if quoted := _QUOTED.findall(question):
        return list(quoted)
    words = re.findall(r"\S+", _HAN.sub(" ", question))
    runs: list[list[str]] = [[]]
    for place, word in enumerate(words):
        bare = word.strip(".,;:?!()[]“”\"'？。，、")
        named = bool(re.search(r"[A-ZÄÖÜ]", bare)) if place else bool(re.search(r"[A-Z].*[A-Z]", bare))
        if named or re.search(r"[\d_]", bare):
            runs[-1].append(bare)
        if not named or bare != word:
            runs.append([])
    strength = [(len(run), sum(map(len, run)), " ".join(run)) for run in runs if run]
    return [max(strength)[2]] if strength else []


def _without_shared(question: str, sentence: str) -> str:
    """The question without its stretches of three or more characters that the sentence has as well."""
    left, place = "", 0
    while place < len(question):
        size = 0
        while place + size < len(question) and question[place : place + size + 1] in sentence:
            size += 1
        left += " " if size >= 3 else question[place]
        place += size if size >= 3 else 1
    return left


def _whole(sentences: list[str], place: int, question: str) -> str:
    """The sentence, with the next where it says nothing that is not in the question already."""
    sentence = sentences[place].strip()
    new = [word for word in _WORD.findall(sentence) if word not in question]
    if any(re.search(r"\d", word) for word in new) or place + 1 == len(sentences):
        return sentence
    return f"{sentence} {sentences[place + 1].strip()}".strip()
