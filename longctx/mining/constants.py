"""Named constants: in Python by its parser; in other languages and in settings by what declares one."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

from longctx.mining._code import comment_above, literal_text, other_literal, python_tree, segment
from longctx.mining.declared import declared
from longctx.mining.questions import ask
from longctx.types import Document

_LONGEST = 40  # lines of a class that is shown whole


@dataclass(frozen=True, slots=True)
class CodeFact:
    """A fact of a source file, in characters."""

    value: str
    question: str
    begin: int
    end: int
    key: str  # what names its place: the constant's or the function's name


def find(document: Document) -> Iterator[CodeFact]:
    """Constants with a literal value, each with the statement (or short class) that sets it."""
    tree = python_tree(document)
    if tree is not None:
        yield from _python(document.text, tree)
    elif not document.path.endswith((".py", ".pyi")):
        yield from _declared(document)


def _python(text: str, tree: ast.Module) -> Iterator[CodeFact]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and (node.end_lineno or 0) - node.lineno < _LONGEST:
            for inner in node.body:
                yield from _assigned(text, inner, node, node.name)
        else:
            yield from _assigned(text, node, node, "")


def _assigned(text: str, node: ast.stmt, whole: ast.stmt, owner: str) -> Iterator[CodeFact]:
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, ast.AnnAssign):
        target = node.target
    else:
        return
    if not isinstance(target, ast.Name) or not target.id.isupper() or len(target.id) < 4 or node.value is None:
        return
    value = literal_text(text, node.value)
    if value is None:
        return
    begin, end = segment(text, whole)
    begin = comment_above(text, begin)
    asked = ask("member" if owner else "constant", "en", name=target.id, owner=owner)
    yield CodeFact(value, asked, begin, end, target.id)


def _declared(document: Document) -> Iterator[CodeFact]:
    text = document.text
    for name, value, at, end in declared(document):
        begin = comment_above(text, text.rfind("\n", 0, at) + 1)
        yield CodeFact(value, ask("constant", "en", name=name), begin, end, name.rsplit(".", 1)[-1])


def defined_once(texts: Iterable[str]) -> frozenset[str]:
    """Names that are set, declared or given as an argument in one place of all texts."""
    counts: Counter[str] = Counter()
    pattern = re.compile(
        r"(?<![\w$-])([A-Za-z_$][\w$-]{3,60}+)"
        r"(?=[\"']?(?:[ \t]+[\w.]+)?\s*(?::[^=\n]{0,40})?:?=[^=>]|[ \t]+\(?[\d\"'-]|[\"']?\s*:\s)"
    )
    for text in texts:
        counts.update(pattern.findall(text))
    return frozenset(name for name, count in counts.items() if count == 1)


def change(value: str, rng: Random, language: str) -> str | None:
    """Another literal of the same kind and length."""
    return other_literal(value, rng)
