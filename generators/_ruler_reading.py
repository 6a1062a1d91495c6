"""Independent readers of RULER's tasks: from the prompt's text and the question to an answer, by what the text says."""

from __future__ import annotations

import re
from collections import Counter

from longctx.backends.reader import names

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n(?![^\S\n]+\S)")  # what is indented behind a blank line belongs to what is above
_REFERENCE = re.compile(r"\b(?=[\w./-]*\d)[A-Za-z0-9][\w./-]*[A-Za-z0-9]\b", re.ASCII)  # Han may touch it
_HEADER = re.compile(r"^Document \d+:$", re.MULTILINE)
_KEY = re.compile(r'"([^"\n]+)"')
_ASSIGNMENT = re.compile(r"\bLET ([A-Z]+) = (\w+)")
_ENTRY = re.compile(r"(?:(?<=\s)|^)(\d+)\. ([a-z-]+)(?=\s|$)")
_CODED = re.compile(r"(?<!\S)[a-z]+(?!\S)")


def before(prompt: str, question: str) -> str:
    """The prompt up to its last question."""
    end = prompt.rfind(question)
    return prompt[:end] if end >= 0 else prompt


def read_notes(prompt: str, question: str) -> str:
    """The values that notes record for the keys of the question."""
    text = before(prompt, question)
    found: list[str] = []
    for key in _KEY.findall(question):
        found += re.findall(rf'recorded for "{re.escape(key)}" is (\S+?)\.(?=\s|$)', text)
    return ", ".join(found) or "Not stated."


def read_assignments(prompt: str, question: str) -> str:
    """The variables that hold the question's number, by following every assignment in turn."""
    wanted = re.findall(r"\d+", question)
    holds: dict[str, str] = {}
    for name, value in _ASSIGNMENT.findall(before(prompt, question)):
        holds[name] = holds.get(value, value)
    return ", ".join(name for name, value in holds.items() if value in wanted) or "Not stated."


def read_common(prompt: str, question: str) -> str:
    """As many words as the question asks for, by counting the entries of the last numbered list."""
    entries = _ENTRY.findall(before(prompt, question))
    begin = max((index for index, (number, _) in enumerate(entries) if number == "1"), default=0)
    counted = Counter(word for _, word in entries[begin:])
    number = re.search(r"\d+", question)
    return ", ".join(word for word, _ in counted.most_common(int(number[0]) if number else 0)) or "Not stated."


def read_coded(prompt: str, question: str) -> str:
    """The three words that occur most often in the line that is in code."""
    lines = before(prompt, question).split("\n")
    counted = Counter(_CODED.findall(max(lines, key=lambda line: line.count(" ... "))))
    return ", ".join(word for word, _ in counted.most_common(3)) or "Not stated."


def read_hops(prompt: str, question: str) -> str:
    """The paragraph that the question is about, and the one that holds the rarest reference which it gives."""
    text = _HEADER.sub("", before(prompt, question))
    paragraphs = [text for text in _PARAGRAPH.split(text) if text.strip()]
    rare = _rarest(names(question), paragraphs)
    firsts = [text for text in paragraphs if rare and rare in text]
    rest = [text for text in paragraphs if text not in firsts]
    link = _rarest([code for text in firsts for code in _REFERENCE.findall(text.replace(rare, ""))], rest)
    return "\n".join(firsts + [text for text in rest if link and link in text]) or "Not stated."


def _rarest(words: list[str], paragraphs: list[str]) -> str:
    """The word that the fewest paragraphs hold, of those that any does."""
    counted = {word: sum(word in text for text in paragraphs) for word in words}
    return min((word for word, count in counted.items() if count), key=lambda word: counted[word], default="")
