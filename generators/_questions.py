"""Question files of SQuAD's and of HotpotQA's form.

Formats: SQuAD 2.0 (rajpurkar.github.io/SQuAD-explorer) and HotpotQA's distractor setting (hotpotqa.github.io), which
RULER reads as well (NVIDIA/RULER c3f5e3b, scripts/data/synthetic/qa.py). A file's form is told from its fields.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from longctx.errors import UsageError


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the documents that go with it.

    Attributes:
        text: as it stands in the file.
        answers: all that count as right.
        golden: indices of the documents that hold the answer.
        near: indices of documents that the file puts beside them: of the same article, or chosen to mislead.
    """

    text: str
    answers: tuple[str, ...]
    golden: tuple[int, ...]
    near: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class QuestionFile:
    """A file of questions.

    Attributes:
        form: ``SQuAD`` or ``HotpotQA``.
        questions: those that have an answer.
        documents: all of its documents, each once, sorted.
        sha256: of the file.
    """

    form: str
    questions: tuple[Question, ...]
    documents: tuple[str, ...]
    sha256: str


def read_questions(path: str) -> QuestionFile:
    """Read a question file.

    Raises:
        UsageError: it cannot be read or is of neither form; names the file and the field.
    """
    try:
        state = Path(path).stat()
        return _read(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise UsageError(f"Questions {path!r} cannot be read: {error.strerror}.") from None


@lru_cache(maxsize=2)
def _read(path: str, changed: int, size: int) -> QuestionFile:
    raw = Path(path).read_bytes()
    try:
        data = json.loads(raw)
    except ValueError as error:
        raise UsageError(f"Questions {path!r} are not valid JSON: {error}.") from None
    if isinstance(data, dict) and "data" in data:
        form, found = "SQuAD", _squad(data, path)
    elif isinstance(data, list) and data:
        form, found = "HotpotQA", _hotpot(data, path)
    else:
        raise UsageError(
            f"Questions {path!r} are of neither form: SQuAD's is an object with a field 'data', HotpotQA's a list."
        )
    questions, documents = found
    if not questions:
        raise UsageError(f"Questions {path!r} hold no question that has an answer.")
    return QuestionFile(form, tuple(questions), documents, hashlib.sha256(raw).hexdigest())


class _Documents:
    """Texts, each once."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = tuple(sorted(set(texts)))
        self._at = {text: index for index, text in enumerate(self.texts)}

    def __getitem__(self, text: str) -> int:
        return self._at[text]


def _squad(data: Any, path: str) -> tuple[list[Question], tuple[str, ...]]:
    articles = []
    for index, article in enumerate(_get(data, "data", list, path, "")):
        where = f"data[{index}]"
        paragraphs = _get(article, "paragraphs", list, path, where)
        texts = [_get(one, "context", str, path, f"{where}.paragraphs[{n}]") for n, one in enumerate(paragraphs)]
        articles.append((where, paragraphs, texts))
    documents = _Documents(text for _, _, texts in articles for text in texts)
    questions = []
    for where, paragraphs, texts in articles:
        own = [documents[text] for text in texts]
        for number, (paragraph, golden) in enumerate(zip(paragraphs, own, strict=True)):
            inside = f"{where}.paragraphs[{number}]"
            for place, asked in enumerate(_get(paragraph, "qas", list, path, inside)):
                at = f"{inside}.qas[{place}]"
                text = _get(asked, "question", str, path, at)
                if asked.get("is_impossible"):
                    continue
                given = _get(asked, "answers", list, path, at)
                answers = [_get(one, "text", str, path, f"{at}.answers[{n}]") for n, one in enumerate(given)]
                if answers:
                    near = tuple(dict.fromkeys(index for index in own if index != golden))
                    questions.append(Question(text, tuple(dict.fromkeys(answers)), (golden,), near))
    return questions, documents.texts


def _hotpot(data: list[Any], path: str) -> tuple[list[Question], tuple[str, ...]]:
    contexts = [_context(entry, path, f"[{index}]") for index, entry in enumerate(data)]
    documents = _Documents(text for context in contexts for text in context.values())
    questions = []
    for index, (entry, context) in enumerate(zip(data, contexts, strict=True)):
        at = f"[{index}]"
        text, answer = _get(entry, "question", str, path, at), _get(entry, "answer", str, path, at)
        facts = _get(entry, "supporting_facts", list, path, at)
        titles = {str(fact[0]) for fact in facts if isinstance(fact, list) and fact}
        golden = tuple(documents[body] for title, body in context.items() if title in titles)
        if not golden:
            raise UsageError(f"Questions {path!r}: {at}.supporting_facts names no title of its context.")
        near = tuple(documents[body] for title, body in context.items() if title not in titles)
        questions.append(Question(text, (answer,), golden, near))
    return questions, documents.texts


def _context(entry: Any, path: str, at: str) -> dict[str, str]:
    """Title → document."""
    found = {}
    for number, pair in enumerate(_get(entry, "context", list, path, at)):
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[1], list):
            raise UsageError(f"Questions {path!r}: {at}.context[{number}] is no pair of a title and its sentences.")
        found[str(pair[0])] = f"{pair[0]}\n{''.join(map(str, pair[1]))}"
    return found


def _get(entry: Any, field: str, kind: type, path: str, at: str) -> Any:
    name = f"{at}.{field}".lstrip(".")
    if not isinstance(entry, dict) or field not in entry:
        raise UsageError(f"Questions {path!r}: the field {name} is missing.")
    if not isinstance(entry[field], kind):
        expected = "a list" if kind is list else "a text"
        raise UsageError(f"Questions {path!r}: the field {name} is {type(entry[field]).__name__}; expected {expected}.")
    return entry[field]
