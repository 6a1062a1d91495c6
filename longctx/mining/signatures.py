"""Function signatures: which default value a parameter has; in Python by its parser, in scripts by pattern."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random

from longctx.mining._code import comment_above, literal_text, other_literal, python_tree, segment
from longctx.mining.constants import CodeFact
from longctx.mining.questions import ask
from longctx.types import Document

_LONGEST = 45  # lines of a function that is shown whole
_SCRIPTS = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".php")
_FUNCTION = re.compile(
    r"^(?:export[ \t]+)?(?:default[ \t]+)?(?:async[ \t]+)?function[ \t]*\*?[ \t]*(?P<name>\w{4,})[ \t]*\("
    r"(?P<parameters>[^(){}]*)\)[^{}\n]*\s?\{",
    re.MULTILINE,
)
_PARAMETER = re.compile(
    r"(?:^|,)\s*(?:[?\w|]+\s+)?(?P<name>\$?\w+)\??(?:\s*:\s*[\w<>\[\] |]+)?\s*=\s*"
    r"""(?P<value>-?\d[\d._]*|"[^"\\\n]{3,60}"|'[^'\\\n]{3,60}')\s*(?=,|$)"""
)


def find(document: Document) -> Iterator[CodeFact]:
    """Parameters with a literal default, each with the whole function, at the top level of a file."""
    if document.path.endswith(_SCRIPTS):
        yield from _scripts(document.text)
        return
    tree = python_tree(document)
    for node in tree.body if tree else ():
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or len(node.name) < 4:
            continue
        if (node.end_lineno or 0) - node.lineno >= _LONGEST:
            continue
        begin, end = segment(document.text, node)
        begin = comment_above(document.text, begin)
        for parameter, default in _defaults(node.args):
            value = literal_text(document.text, default)
            if value is not None:
                question = ask("signature", "en", parameter=parameter.arg, name=node.name)
                yield CodeFact(value, question, begin, end, node.name)


def _scripts(text: str) -> Iterator[CodeFact]:
    """Functions at the left edge, up to the brace that closes them there."""
    for match in _FUNCTION.finditer(text):
        line_end = text.find("\n", match.end())
        one_line = line_end < 0 or text[match.end() : line_end].rstrip().endswith("}")
        closing = re.compile(r"^\}", re.MULTILINE).search(text, match.end())
        end = (line_end if line_end > 0 else len(text)) if one_line else closing.end() if closing else -1
        if end < 0 or text.count("\n", match.start(), end) >= _LONGEST:
            continue
        for parameter in _PARAMETER.finditer(match["parameters"]):
            name, value = parameter["name"], parameter["value"].strip("\"'")
            question = ask("signature", "en", parameter=name, name=match["name"])
            yield CodeFact(value, question, comment_above(text, match.start()), end, match["name"])


def _defaults(args: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr]]:
    positional = [*args.posonlyargs, *args.args]
    yield from zip(positional[len(positional) - len(args.defaults) :], args.defaults, strict=True)
    for parameter, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        if default is not None:
            yield parameter, default


def defined_once(texts: Iterable[str]) -> frozenset[str]:
    """Names of functions and methods that are defined in one place of all texts."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(re.findall(r"\b(?:def|function[ \t]*\*?|func|fn)\s+(\w+)", text))
    return frozenset(name for name, count in counts.items() if count == 1)


def change(value: str, rng: Random, language: str) -> str | None:
    """Another literal of the same kind."""
    return other_literal(value, rng)
