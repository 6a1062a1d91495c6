"""Reads a prompt for what a question about a mined fact asks, by the question's words alone: for the doubles."""

from __future__ import annotations

import re

from longctx.backends.reader import find_passages
from longctx.mining.questions import BLANK, wordings

_TOKEN = re.compile(r"[\u3400-\u9fff]|\d+|[^\W\d_]+")
_NEAR = 200  # characters on the open side of a blank
_WORDS = 60  # on either side of a blank, as the question has them


def read_mined(prompt: str, question: str) -> str:
    """What stands where the question points; empty where nothing does."""
    body = prompt[: prompt.rfind(question)] if question in prompt else prompt
    for table in wordings().values():
        for what, wording in table.items():
            if words := _filled(wording, question):
                return _read(what, words, body)
    passages = find_passages(prompt, question)
    return passages[0].text if passages and passages[0].certain else ""


def _filled(wording: str, question: str) -> dict[str, str] | None:
    words = "[^`]+" if "`" in wording else ".+"
    pattern = re.sub(r"\\{(\w+)\\}", rf"(?P<\1>{words})", re.escape(wording))
    match = re.fullmatch(pattern, question, re.DOTALL)
    return match.groupdict() if match else None


def _read(what: str, words: dict[str, str], body: str) -> str:
    if "cloze" in words:
        left, _, right = words["cloze"].partition(BLANK)
        return _between(_TOKEN.findall(left)[-_WORDS:], _TOKEN.findall(right)[:_WORDS], body)
    if what == "definition":
        tokens = _TOKEN.findall(words["rest"])[:20]
        terms = re.findall(r"[“\"„「]([^”\"“」]+)[”\"“」]", _between([], tokens, body))
        return terms[-1] if terms else ""
    if what == "field":
        at = body.find(words["title"])
        match = re.compile(rf"^{re.escape(words['field'])}:[ \t]*(.*)$", re.MULTILINE).search(body, max(at, 0))
        return match[1] if match and at >= 0 else ""
    if what == "signature":
        function = re.search(rf"\b(?:def|function[ \t]*\*?)\s+{re.escape(words['name'])}[ \t]*\(", body)
        pattern = re.compile(rf"(?<!\w){re.escape(words['parameter'])}\s*(?::[^=,]+)?=\s*([^,\n)]+)")
        match = pattern.search(body, function.end()) if function else None
        return match[1] if match else ""
    begin = 0
    if what == "member":
        owner = re.search(rf"\bclass\s+{re.escape(words['owner'])}\b", body)
        begin = owner.end() if owner else len(body)
    name = re.escape(words["name"])
    forms = (
        rf"(?<![\w$]){name}(?:[ \t]*:[^=\n]+|[ \t]+\w+)?\s*=\s*([^\n]+)",
        rf"\bdefine[ \t]+{name}[ \t]+([^\n]+)",
        rf"(?<![\w$]){name}[\"']?[ \t]*:[ \t]+([^\n]+)",
    )
    found = next((match for form in forms if (match := re.compile(form).search(body, begin))), None)
    return found[1] if found else ""


def _between(left: list[str], right: list[str], body: str) -> str:
    """What stands between some words and others, whatever stands between the words themselves."""
    before, behind = (r"[\W_]*".join(map(re.escape, side)) for side in (left, right))
    gap = rf"(?P<gap>.{{1,{_NEAR}}}{'?' if right else ''})"
    match = re.search(before + gap + behind, body, re.DOTALL)
    return match["gap"].strip() if match else ""
