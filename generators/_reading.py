"""Independent readers for the tasks about facts: from the rendered prompt and the question to an answer."""

from __future__ import annotations

import re

from longctx.backends.reader import find_passages, names

_ENDS = re.compile(r"(?<=[.!?])(?<!\b[A-Z]\.)\s+(?![a-zäöü])|(?<=[。！？])|\n+")
_PARTS = re.compile(r"[(（]\d+[)）]\s*")
_OLD = re.compile(
    r"\b(?:no longer|any ?more|no further|replaced|superseded|withdrawn|withdrew|revoked|repealed|restated|corrected|"
    r"removed|expired|lapsed|deprecated|obsolete)\b|"
    r"nicht mehr|ersetzt|abgelöst|überholt|aufgehoben|widerrufen|zurückgezogen|gestrichen|ungültig|"
    r"außer kraft|hinfällig|"
    r"不再|作废|取代|废止|失效|替换|撤销|停用|过期|更换",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?<![A-Za-z0-9])(?=[\w./-]*\d)[A-Za-z0-9][A-Za-z0-9_./-]*[A-Za-z0-9](?![A-Za-z0-9])")
_TITLE = re.compile(r"^(?:#\s*)?=====\s(.+?)(?:, page \d+)?\s=====$", re.MULTILINE)

_IDENTIFIER = re.compile(r"[A-Za-z]\w*[\d_]\w*")
_WORDS = re.compile(r"[^\W\d_]{3,}")
_ENDINGS = re.compile("(?:ies|y|ed|es|s|d)$")
_RUNS = re.compile(r"[\u3400-\u9fff]{2,}")
# What asks, links or measures, and needs not be said again where the fact is stated.
_ASKING = re.compile(
    "the|for|and|are|was|were|has|had|have|did|does|can|must|may|shall|will|its|this|that|with|from|under|into|which|what|how"
    "|who|much|many|large|each|per|one|amount|dollars?|number|figure|value|percent|percentage|per|date|least|maximum|minimum"
    "|annual|name|whom|when|where|there|they|our|your|been|being"
    "|der|die|das|den|dem|des|ein|eine[mnrs]?|und|ist|sind|wird|werden|wurde|hat|von|vom|zum|zur|mit|auf|für|unter|welche[mnrs]?"
    "|wie|lautet"
)
_LINKS = re.compile("是多少|是什么|多少|什么|分别|哪个|请|应|的|在|里|与|是")
_SHARE = 0.8  # of the question's words that a passage has which states what is asked, at least


def _certain(documents: str, question: str) -> list[str]:
    """Passages that name what the question is about: first those that state it, those of older versions last."""
    asked = question[: max(question.rfind("?"), question.rfind("？")) + 1] or question  # without "List every amount."
    found = [passage.text for passage in find_passages(f"{documents}\n\n{asked}", asked) if passage.certain]
    subject = max(names(asked), key=len, default="")
    if not found and (unspaced := _unspaced_subject(documents, asked)):
        subject, found = unspaced, [text for text in _ENDS.split(documents) if unspaced in text]
    narrowed = [part for text in found or _rarest(documents, asked) for part in _from(text, subject)]

    def rank(text: str) -> tuple[bool, bool, int]:
        return _age(text) == 2, not _states(text, asked), _age(text)

    return sorted(narrowed, key=rank)


def _unspaced_subject(documents: str, question: str) -> str:
    """What a question in Chinese is about: the longest part at its beginning that the documents hold."""
    run = _RUNS.match(question)
    parts = [run[0][begin:end] for begin in range(3) for end in range(begin + 3, len(run[0]) + 1)] if run else []
    return max((part for part in parts if part in documents), key=len, default="")


def _from(text: str, subject: str) -> list[str]:
    """The passage from each sentence on that names its subject."""
    edges = [0, *(match.end() for match in _ENDS.finditer(text)), len(text)]
    return [text[begin:] for begin, end in zip(edges, edges[1:], strict=False) if subject in text[begin:end]] or [text]


def _age(text: str) -> int:
    """How surely a passage is an older version: 2 its first sentence says so, 1 the next, which may not be about it."""
    first, *others = [part for part in _ENDS.split(text) if part]
    return 2 if _OLD.search(first) else int(bool(others and _OLD.search(others[0])))


def _paragraphs(documents: str, question: str) -> list[str]:
    """Paragraphs; where the question is about code, what is indented belongs to what stands above it."""
    code = any(map(_IDENTIFIER.fullmatch, names(question)))
    return [text for text in re.split(r"\n\s*\n(?![^\S\n]+\S)" if code else r"\n\s*\n", documents) if text.strip()]


def _rarest(documents: str, question: str) -> list[str]:
    """Paragraphs that hold the name of the question which the fewest of them hold."""
    paragraphs = _paragraphs(documents, question)
    held = [[text for text in paragraphs if name in text] for name in names(question)]
    return min((texts for texts in held if texts), key=len, default=[])


def _before(prompt: str, question: str) -> str:
    end = prompt.rfind(question)
    return prompt[:end] if end >= 0 else prompt


def read_facts(prompt: str, question: str) -> str:
    """For each part of the question the passage that answers it."""
    documents = _before(prompt, question)
    parts = [part.strip() for part in _PARTS.split(question) if part.strip()]
    return "\n".join(found[0] for part in parts if (found := _certain(documents, part)))


def read_stated(prompt: str, question: str) -> str:
    """The passage that states what is asked, in force; nothing where only something else is said of its subject."""
    documents = _before(prompt, question)
    return next((text for text in _certain(documents, question) if not _age(text) and _states(text, question)), "")


def _states(passage: str, question: str) -> bool:
    """Does a passage state what is asked, or does it only name its subject: by the question's other words."""
    subjects = names(question)
    for name in filter(_IDENTIFIER.fullmatch, subjects):  # code states what it defines
        return re.search(rf"^(?:def |class )?{name}\b\s*[:=(]", passage, re.MULTILINE) is not None
    if not all(name in passage for name in subjects):
        return False
    for name in subjects:
        question = question.replace(name, " ")
    asked = {
        _ENDINGS.sub("", word)[:6]
        for word in map(str.lower, _WORDS.findall(_RUNS.sub(" ", question)))
        if not _ASKING.fullmatch(word)
    }
    asked |= {run[i : i + 2] for run in _RUNS.findall(_LINKS.sub(" ", question)) for i in range(len(run) - 1)}
    text = " ".join([part for part in _ENDS.split(passage.lower()) if part][:2])  # what follows is about something else
    return sum(word in text for word in asked) >= _SHARE * len(asked)


def read_all(prompt: str, question: str) -> str:
    """Every passage that names what the question is about."""
    return "\n".join(_certain(_before(prompt, question), question))


def read_halves(prompt: str, question: str) -> str:
    """The passage that the question is about, and those that hold a reference which it gives."""
    documents = _before(prompt, question)
    firsts = _rarest(documents, question)
    known = " ".join(names(question))
    codes = {code for text in firsts for code in _CODE.findall(text) if len(code) > 2 and code not in known}
    paragraphs = [text for text in _paragraphs(documents, question) if text not in firsts]
    return "\n".join([*firsts, *(text for text in paragraphs if any(code in text for code in codes))])


def read_grounded(prompt: str, question: str) -> str:
    """The passage that answers the question, and the last file name above it."""
    documents = _before(prompt, question)
    found = read_facts(prompt, question)
    place = re.search(r"\s+".join(map(re.escape, found[:80].split())), documents) if found else None
    at = place.start() if place else -1
    titles = _TITLE.findall(documents[:at]) if at >= 0 else []
    titles = [title for title in titles if re.search(r"\.\w+$", title)] or titles  # "# ===== Fields =====" is no file
    return f"{found}\nFile: {titles[-1]}" if titles else found
