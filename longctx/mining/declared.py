"""Lines that give a name a literal value, in languages and settings that are not parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from longctx.types import Document

_NUMBER = r"-?\d[\d._]*\d|-?\d|0[xX][0-9a-fA-F]+"
_STRING = r""""[^"\\\n]{3,60}"|'[^'\\\n]{3,60}'"""
_LITERAL = rf"(?P<value>{_NUMBER}|{_STRING})"
_PLAIN = r"(?P<value>[\w@./+-][\w@./:+-]{1,58}[\w/])"  # a word that settings write without quotes
_CAPITALS = r"(?P<name>[A-Z][A-Z0-9_]{3,60})"
_ANY_CASE = r"(?P<name>[A-Za-z_$][\w$]{3,60})"
_KEY = r"(?P<name>[A-Za-z_][\w.-]{3,60})"
_END = r"[ \t]*;?[ \t]*(?://.*|/\*.*\*/[ \t]*)?\r?$"

_DEFINE = rf"^#[ \t]*define[ \t]+{_CAPITALS}[ \t]+\(?{_LITERAL}[uUlLfF]*\)?(?=\s|$)"
_TYPED = (
    r"^[ \t]*(?:(?:export|public|private|protected|internal|pub|static|final|constexpr|extern|readonly|inline)\s+)*"
    r"(?:const|final|constexpr|static|let|val|var)\s+(?:[\w:<>\[\]]+\s+)*?"
    rf"{_CAPITALS}(?:\s*:\s*[\w&'<> ]+|\s+[\w.]+)?\s*=\s*{_LITERAL}[uUlLfF]*{_END}"
)
# At the left edge, what JavaScript calls const is a module's own, however it is spelt.
_SCRIPT = rf"^(?:export\s+)?const\s+{_ANY_CASE}(?:\s*:\s*[\w.<>]+)?\s*=\s*{_LITERAL}{_END}"
_GO = rf"^const\s+{_ANY_CASE}(?:\s+[\w.]+)?\s*=\s*{_LITERAL}{_END}"
_GO_BLOCK = re.compile(r"^const\s*\((?P<body>.*?)^\)", re.MULTILINE | re.DOTALL)
_GO_LINE = rf"^\t{_ANY_CASE}(?:\s+[\w.]+)?\s*=\s*{_LITERAL}{_END}"
_COMMENT = r"[ \t]*(?:[#;].*)?\r?$"
_TOML = rf"^{_KEY}[ \t]*=[ \t]*{_LITERAL}{_COMMENT}"
_INI = rf"^{_KEY}[ \t]*[=:][ \t]*(?:{_LITERAL}|{_PLAIN.replace('value', 'plain')}){_COMMENT}"
_YAML = rf"^[ \t]*{_KEY}:[ \t]+(?:{_LITERAL}|{_PLAIN.replace('value', 'plain')}){_COMMENT}"
_JSON = rf"^[ \t]*\"{_KEY}\"[ \t]*:[ \t]*{_LITERAL},?[ \t]*\r?$"

_PATTERNS = {
    "js jsx mjs cjs ts tsx": (_TYPED, _SCRIPT),
    "go": (_GO,),
    "toml": (_TOML,),
    "ini cfg conf properties": (_INI,),
    "yaml yml": (_YAML,),
    "json": (_JSON,),
}
_BY_ENDING = {
    ending: tuple(re.compile(pattern, re.MULTILINE) for pattern in patterns)
    for endings, patterns in _PATTERNS.items()
    for ending in endings.split()
}
_OTHERS = (re.compile(_DEFINE, re.MULTILINE), re.compile(_TYPED, re.MULTILINE))
_NO_VALUE = frozenset(["true", "false", "null", "none", "yes", "no", "on", "off"])


def declared(document: Document) -> Iterator[tuple[str, str, int, int]]:
    """Name, value without its quotes, and the stretch in characters of every line that declares one."""
    ending = PurePosixPath(document.path).suffix.lower().removeprefix(".")
    seen: set[int] = set()  # a line may be declared by two patterns
    for pattern in _BY_ENDING.get(ending, _OTHERS):
        for match in pattern.finditer(document.text):
            if match.start("name") not in seen:
                seen.add(match.start("name"))
                yield from _row(match, 0)
    if ending == "go":
        line = re.compile(_GO_LINE, re.MULTILINE)
        for block in _GO_BLOCK.finditer(document.text):
            for match in line.finditer(block["body"]):
                yield from _row(match, block.start("body"))


def _row(match: re.Match[str], begin: int) -> Iterator[tuple[str, str, int, int]]:
    value = (match["value"] or match.groupdict().get("plain") or "").strip("\"'")
    if value and value.lower() not in _NO_VALUE:
        yield match["name"], value, begin + match.start(), begin + len(match.string[: match.end()].rstrip("\r"))
