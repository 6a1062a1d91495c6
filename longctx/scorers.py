"""What an answer is worth: small functions, each named after what it follows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from longctx.errors import UsageError, unknown
from longctx.types import Response, Sample, Score

_GROUPS = re.compile(r"(?<![\d.,])\d{1,3}(?:(?:,\d{3})+|(?:\.\d{3}){2,}|(?:[’'\u00a0\u2009\u202f]\d{3})+)(?![\d])")
_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_DATE = re.compile(rf"\b({_MONTHS}) (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})\b")
_BLANKS = re.compile(r"\s+")
_MARKUP = re.compile(r"[*`]")


def normalise(text: str) -> str:
    """Text as answers are compared: NFKC, lower case, single blanks, no bold or code marks, one way to write a number.

    Thousands separators go, and "March 4, 2031" becomes "4 march 2031".

    >>> normalise("It is  **US$4,318,250**.")
    'it is us$4318250.'
    """
    joined = _GROUPS.sub(lambda match: re.sub(r"\D", "", match[0]), text)
    folded = _BLANKS.sub(" ", unicodedata.normalize("NFKC", _MARKUP.sub("", joined)).casefold()).strip()
    return _DATE.sub(r"\2 \1 \3", folded)


def occurrences(value: str, text: str) -> int:
    """How often `value` stands in `text` as a whole: not inside a longer number or word. Both are normalised already.

    >>> occurrences("37", "37, 37.5 and 1937"), occurrences("4817263", "编号为4817263。")
    (1, 1)
    """
    before = r"(?<!\d)(?<!\d[.,])" if value[:1].isdigit() else r"(?<![a-z0-9_])" if value[:1].isascii() else ""
    after = (
        r"(?!\d)(?!,\d)(?!\.(?!0+(?!\d))\d)"
        if value[-1:].isdigit()
        else r"(?![a-z0-9_])"
        if value[-1:].isascii()
        else ""
    )
    before = before if value[:1].isalnum() else ""
    after = after if value[-1:].isalnum() else ""
    return sum(1 for _ in re.finditer(before + re.escape(value) + after, text))


def includes(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """Share of the targets that stand in the answer."""
    targets = [target] if isinstance(target, str) else target
    answer = normalise(text)
    found = [t for t in targets if occurrences(normalise(t), answer)]
    return len(found) / len(targets), f"{len(found)} of {len(targets)} found"


def exact(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """1 where the answer is the target and nothing else, but for case, blanks, quotes and a full stop at the end."""
    targets = [target] if isinstance(target, str) else target
    answer = normalise(text).strip(" .。\"'“”")
    hit = any(answer == normalise(t).strip(" .。\"'“”") for t in targets)
    return float(hit), "the same" if hit else "not the same"


def absent(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """1 where the answer says that the documents do not state it, and names no look-alike's value."""
    given = _first_value(text, metadata.get("distractors", ()))
    if given:
        return 0.0, f"gave a distractor's value, {given}"
    hit = says_absent(text, metadata)
    return float(hit), "said that it is not there" if hit else "did not say that it is not there"


SCORERS: dict[str, Callable[[str | list[str], str, Mapping[str, Any]], tuple[float, str]]] = {
    "absent": absent,
    "exact": exact,
    "includes": includes,
}
"""Scorer name → (target, answer, sample's metadata) → value 0-1 and explanation."""


def says_absent(text: str, metadata: Mapping[str, Any]) -> bool:
    """True where the answer holds one of the phrases that mean that the fact is not there."""
    answer = normalise(text).replace("’", "'")
    return any(normalise(form).rstrip(".。").replace("’", "'") in answer for form in metadata.get("absent_forms", ()))


def _first_value(text: str, spans: Iterable[Mapping[str, Any]]) -> str:
    answer = normalise(text)
    for span in spans:
        if occurrences(normalise(span["value"]), answer):
            return str(span["value"])
    return ""


def score(sample: Sample, response: Response) -> Score:
    """Score a response and say what became of it.

    Raises:
        UsageError: the sample names a scorer that does not exist.
    """
    name = str(sample.metadata["scorer"])
    if name not in SCORERS:
        raise UsageError(unknown("scorer", name, SCORERS))
    if response.error:
        return Score(0.0, "error", response.error)
    if not response.text.strip():
        return Score(0.0, "empty", "no output")
    value, explanation = SCORERS[name](sample.target, response.text, sample.metadata)
    if value == 1:
        return Score(1.0, "right", explanation)
    if value > 0:
        return Score(value, "partial", explanation)
    picked = _first_value(response.text, sample.metadata.get("distractors", ()))
    if picked:
        return Score(0.0, "distractor", f"gave a distractor's value, {picked}")
    if name != "absent" and says_absent(response.text, sample.metadata):
        return Score(0.0, "absent", "said that it is not there, though it is")
    if response.finish_reason == "length":
        return Score(0.0, "truncated", f"{explanation}; the output budget ended")
    return Score(0.0, "wrong", explanation)
