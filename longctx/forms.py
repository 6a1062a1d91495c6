"""Scorers for answers of a fixed form: a number, a set of names, one of a list, a fact with its file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

from longctx.compare import NoForm, as_list, normalise, occurrences
from longctx.errors import UsageError

_CURRENCY = re.compile(r"(?:\b(?:US|A|C|HK|NZ))?[$€£¥₹]|\b(?:USD|EUR|GBP|CHF|JPY|CNY|RMB)(?=[\s\d])")
_SCALES = {"thousand": 3, "million": 6, "mn": 6, "billion": 9, "bn": 9, "trillion": 12}
_SCALES |= {"tausend": 3, "millionen": 6, "mio": 6, "milliarde": 9, "milliarden": 9, "mrd": 9, "万": 4, "亿": 8}
_LETTERS = {"k": 3, "m": 6, "b": 9}  # or units
_NUMBER = re.compile(
    r"(?<![\w.,])(?P<sign>[-\u2212(])?\s?"
    r"(?P<digits>\d{1,3}(?:[,.'’ ]\d{3})+(?:[.,]\d+)?(?!\d)|\d{1,2}(?:,\d{2})+,\d{3}|\d+(?:[.,]\d+)?)"
    rf"(?:\s?(?P<scale>{'|'.join(_SCALES | _LETTERS)})(?![A-Za-z]))?",
    re.IGNORECASE,
)
_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_WHOLE = re.compile(r"\bof (?:the |all )?\s*$", re.IGNORECASE)  # before the 12 of "7 of 12"
_MARKED = re.compile(r"\*\*(.+?)\*\*|\\boxed\{([^}]*)\}")
_BRACKETS = re.compile(r"(?:^|[:=])\s*\[([^\[\]]*)\][\s.`]*$", re.MULTILINE)
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d{1,4}[.)])\s+(?=\S)")
_SEPARATOR = re.compile(r"[,;、，；]| and | und | y | et |以及|和|及")
_NONE = {"", "none", "no", "nothing", "n/a", "empty", "keine", "keiner", "keines", "无", "没有"}
_EDGES = " .。:：\"'“”‘’()<>|_"


def number(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """1 where the last number of the answer is the target; several targets are alternatives.

    Where something is set in bold or boxed, the last number in there counts. Signs of currencies, units, thousands
    separators of any country, and words such as million are understood; where a number can be read in two ways
    ("1.234"), either is right. Digits inside a name (Q4) are no number, and "7 of 12" is 7.
    """
    wanted = [_readings(_last_number(one) or "")[:1] for one in as_list(target)]
    given = _last_number(text)
    if given is None:
        return 0.0, NoForm("no number in the answer")
    hit = any(value in _readings(given) for values in wanted for value in values)
    return float(hit), f"the number {given.strip()[:40]} is {'right' if hit else 'not the one asked for'}"


def _last_number(text: str) -> str | None:
    plain = _CURRENCY.sub(" ", unicodedata.normalize("NFKC", text))
    marked = [next(filter(None, match.groups()), "") for match in _MARKED.finditer(plain)]
    for part in (*reversed(marked), plain.replace("*", "").replace("`", "")):
        found = list(_NUMBER.finditer(part))
        found = [match for match in found if not _WHOLE.search(part[: match.start()])] or found
        if found:
            return found[-1][0] + (")" if part[found[-1].end() :].startswith(")") else "")
    words = [word for word in re.findall(r"[a-z]+", plain.lower()) if word in _WORDS]
    return str(_WORDS.index(words[-1])) if words else None


def _readings(written: str) -> list[Decimal]:
    """What a number as it is written can mean, likeliest first."""
    match = _NUMBER.search(written)
    if match is None:
        return []
    digits = re.sub(r"[ '’]", "", match["digits"])
    dots, commas = digits.count("."), digits.count(",")
    if dots and commas:
        mark = max(".,", key=digits.rfind)
        shapes = [digits.replace("," if mark == "." else ".", "").replace(",", ".")]
    elif dots + commas > 1 or (commas and len(digits) - digits.find(",") == 4):
        shapes = [re.sub("[.,]", "", digits)]
    elif dots and len(digits) - digits.find(".") == 4 and digits.find(".") <= 3:
        shapes = [digits, digits.replace(".", "")]
    else:
        shapes = [digits.replace(",", ".")]
    values = [Decimal(shape) for shape in shapes]
    scale = (match["scale"] or "").lower()
    if power := _SCALES.get(scale) or _LETTERS.get(scale):
        values = [value.scaleb(power) for value in values] + (values if scale in _LETTERS else [])
    negative = [-value for value in values]
    if match["sign"] == "(":  # accountants' minus, or just a bracket
        return values + (negative if written.endswith(")") else [])
    return negative if match["sign"] else values


def choice(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """1 where the answer names the target and none of the other possible answers; several targets are alternatives.

    Raises:
        UsageError: the metadata lack ``choices``, the list of all possible answers.
    """
    choices = metadata.get("choices")
    if not isinstance(choices, list | tuple) or not choices:
        raise UsageError("choice needs choices, a list of all possible answers, in the metadata.")
    right = {normalise(one) for one in as_list(target)}
    rest, named = normalise(text), []
    for one in sorted({normalise(str(one)) for one in choices} | right, key=len, reverse=True):
        if occurrences(one, rest):  # longer ones first: "North Dock" is not also "Dock"
            named.append(one)
            rest = rest.replace(one, "\n")
    if not named:
        return 0.0, NoForm("names none of the possible answers")
    return float(len(named) == 1 and named[0] in right), f"names {', '.join(sorted(named))}"


def grounded(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """Half for the answer, which must stand in the text as a whole, and half for the file that it is from.

    The target is the answer and the file's path. The file counts as named by its path or its base name, whatever the
    case, but not with another folder before it, nor where one of ``namesakes`` of the metadata may be meant as well.

    Raises:
        UsageError: the target is not a list of two.
    """
    if isinstance(target, str) or len(target) != 2:
        raise UsageError("grounded needs a target of two: the answer and the file.")
    wanted = PurePosixPath(re.sub(r"[*`]", "", target[1]).replace("\\", "/").casefold())
    said = re.sub(r"[*`]", "", text).replace("\\", "/").casefold()
    named = False
    if wanted.name:
        mention = re.compile(rf"(?P<folder>[^\s\"'“”()\[\]<>]*/)?(?<![\w.-]){re.escape(wanted.name)}(?![\w-]|\.\w)")
        folders = [match["folder"] or "" for match in mention.finditer(said)]
        others = [str(PurePosixPath(path.casefold()).parent) for path in metadata.get("namesakes", ())]
        named = any(_means(folder, str(wanted.parent), others) for folder in folders)
        said = mention.sub(" ", said)  # a number in the file's name is no answer
    answered = occurrences(normalise(target[0]), normalise(said)) > 0
    explanation = f"answer {'right' if answered else 'wrong'}, file {'right' if named else 'not named'}"
    return answered / 2 + named / 2, explanation


def _means(given: str, folder: str, others: list[str]) -> bool:
    """True where a folder as it is given is the wanted one, and none of the others."""
    parts = PurePosixPath(given).parts
    if parts == PurePosixPath(folder).parts:
        return True
    shared = any(_ends_alike(given, other) and len(parts) <= len(PurePosixPath(other).parts) for other in others)
    return _ends_alike(given, folder) and not shared


def _ends_alike(given: str, folder: str) -> bool:
    """True where one path of folders is the end of the other."""
    pairs = zip(reversed(PurePosixPath(given).parts), reversed(PurePosixPath(folder).parts), strict=False)
    return all(one == other for one, other in pairs)


def set_f1(target: str | list[str], text: str, metadata: Mapping[str, Any]) -> tuple[float, str]:
    """F1 of the set of names or ids that the answer lists.

    Items are those of a bracketed list, else of lines with bullets or numbers, else what commas, semicolons and
    "and" divide. An item that holds a target counts as that target; other items count against the answer unless they
    are longer than a name can be, which makes them remarks. Where the target is empty, an answer without items, or
    one that says none, gets 1, and every other 0.
    """
    wanted = {normalise(one) for one in as_list(target)} - {""}
    longest = max([4, *(len(one.split()) + 1 for one in wanted)])
    found: set[str] = set()
    others: set[str] = set()
    for item, held in _items(text, sorted(wanted, key=len, reverse=True)):
        found |= held
        bare = item.strip(_EDGES)
        if not held and len(bare.split()) <= longest and not _says_none(bare, metadata):
            others.add(bare)
    explanation = f"{len(found)} of {len(wanted)} found, {len(others)} that do not belong"
    if not wanted:
        return float(not others), explanation
    return 2 * len(found) / (len(wanted) + len(found) + len(others)), explanation


def _says_none(item: str, metadata: Mapping[str, Any]) -> bool:
    return (
        item in _NONE
        or item.startswith(("no ", "none "))
        or any(normalise(form).strip(_EDGES) in item for form in metadata.get("absent_forms") or ())
    )


def _items(text: str, known: list[str]) -> list[tuple[str, set[str]]]:
    """Items of a list as text, each with the known names in it, whose places are blank in the text."""
    text = text.replace("\x00", " ")
    lines = [line for line in (_BRACKETS.findall(text)[-1:] or text.splitlines()) if line.strip()]
    bulleted = [line for line in lines if _BULLET.match(line)]
    names = re.compile("|".join(map(_whole, known)) or "(?!)")
    items = []
    for line in bulleted or lines:
        held = list[str]()  # names may hold commas: a mark stands for each while the line is split
        rest = names.sub(lambda match, held=held: held.append(match[0]) or "\x00", normalise(_BULLET.sub("", line)))  # type: ignore[misc]
        if rest.endswith((":", "：")) and not bulleted:
            continue  # it announces what follows
        for part in [rest] if bulleted else _SEPARATOR.split(re.sub(r"^[^:\x00]* [^:\x00]*: ", "", rest)):
            items.append((part.replace("\x00", " "), {held.pop(0) for _ in range(part.count("\x00"))}))
    return items


def _whole(name: str) -> str:
    """Pattern for a name that is not part of a longer one."""
    before = r"(?<![a-z0-9_-])" if name[0].isascii() else ""
    after = r"(?![a-z0-9_-]|\.[a-z0-9])" if name[-1].isascii() else ""
    return before + re.escape(name) + after
