"""Source code: its statements, literals and the comments above them."""

from __future__ import annotations

import ast
import random
import re
import string
import warnings

from longctx.mining._numbers import other_digits
from longctx.types import Document

_NUMBER = re.compile(r"-?(?:0[xX][0-9a-fA-F]{2,16}|\d+(?:\.\d+)?(?:[eE]-?\d+)?)")


def python_tree(document: Document) -> ast.Module | None:
    """The parsed file; None where it is no Python, or none that this interpreter knows."""
    if not document.path.endswith((".py", ".pyi")):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old files' escape sequences
            return ast.parse(document.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def segment(text: str, node: ast.stmt | ast.expr) -> tuple[int, int]:
    """Where a statement stands in characters, decorators included."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    starts = _line_starts(text)
    column = 0 if isinstance(node, ast.stmt) else _column(text, starts[node.lineno - 1], node.col_offset)
    last = starts[(node.end_lineno or node.lineno) - 1]
    return starts[first - 1] + column, last + _column(text, last, node.end_col_offset or 0)


def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", text))]


def _column(text: str, line: int, column: int) -> int:
    """Characters for the parser's bytes."""
    return len(text[line : line + column].encode()[:column].decode("utf-8", "ignore"))


def comment_above(text: str, begin: int) -> int:
    """Where the comment that stands right above a line begins; the line itself where there is none."""
    while begin > 0:
        above = text.rfind("\n", 0, begin - 1) + 1
        line = text[above : begin - 1].strip()
        if not line.startswith(("#", "//")) or line.startswith(("#!", "#define", "#include", "#if", "#endif", "#else")):
            break
        begin = above
    return begin


def literal_text(text: str, node: ast.expr) -> str | None:
    """What an answer names of a literal: the number as it is written, or the string without its quotes."""
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    inner = node.operand if isinstance(node, ast.UnaryOp) and negative else node
    if not isinstance(inner, ast.Constant) or isinstance(inner.value, bool):
        return None
    begin, end = segment(text, node)
    source = text[begin:end]
    if isinstance(inner.value, int | float):
        return source if _NUMBER.fullmatch(source) and len(source) < 24 else None
    if isinstance(inner.value, str) and not negative:
        plain = source[1:-1]
        written = source[:1] in "\"'" and plain == inner.value and source[1:3] != source[:1] * 2
        return plain if written and 3 <= len(plain) <= 60 and plain.strip() == plain and "\\" not in plain else None
    return None


def other_literal(value: str, rng: random.Random) -> str | None:
    """A literal of the same kind: other digits for a number, other letters for the last word of a string."""
    if re.fullmatch(r"-?0[xX][0-9a-fA-F]+", value):
        digits = "".join(rng.choice("0123456789abcdef") for _ in value.split("x")[-1].split("X")[-1][1:])
        return value[: value.lower().index("x") + 1] + rng.choice("123456789") + digits
    if _NUMBER.fullmatch(value):
        # Small numbers stand everywhere: one or two digits more make one that does not.
        sign, digits = ("-", value[1:]) if value[0] == "-" else ("", value)
        whole, dot, rest = digits.partition(".")
        if not rest and len(whole) < 4:
            whole = rng.choice("123456789") + "".join(rng.choice(string.digits) for _ in range(rng.randint(2, 4)))
            return f"{sign}{whole}"
        return sign + other_digits(f"{whole}{dot}{rest}", rng, keep_zeros=False)
    words = [match for match in re.finditer(r"[A-Za-z]{3,}|\d{2,}", value) if match[0] not in ("http", "https", "www")]
    if not words:
        return None
    word = rng.choice(words)
    if word[0].isdigit():
        return value[: word.start()] + other_digits(word[0], rng) + value[word.end() :]
    made = "".join(rng.choice("bcdfghjklmnprstvw") + rng.choice("aeiou") for _ in range((len(word[0]) + 1) // 2))
    made = made.upper() if word[0].isupper() else made.capitalize() if word[0][0].isupper() else made
    return value[: word.start()] + made + value[word.end() :]
