"""Python code from templates: slots, alternatives and numbers filled in, and the imports that the result needs.

In a template ``$name`` or ``${name}`` is a slot, ``$[a|b]`` one of its alternatives and ``$<low..high/step>`` a number
(``$<name>`` one that is given). Dollar signs mean nothing in Python, so that templates stay readable as code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence

from ._dice import Dice

_CHOICE = re.compile(r"\$\[([^\]]*)\]")
_NUMBER = re.compile(r"\$<([^>]*)>")
_SLOT = re.compile(r"\$\{(\w+)\}|\$([A-Za-z]\w*)")
_WIDTH = 120  # characters in a line

_MODULES = {"argparse", "csv", "hashlib", "heapq", "json", "math", "os", "pytest", "re", "sqlite3", "sys", "tomllib"}
_MEMBERS = {
    "bisect": "bisect_left",
    "collections": "Counter defaultdict deque",
    "collections.abc": "Callable Collection Iterable Iterator Mapping Sequence",
    "dataclasses": "dataclass field replace",
    "datetime": "date datetime timedelta",
    "decimal": "Decimal InvalidOperation ROUND_HALF_UP",
    "enum": "StrEnum",
    "itertools": "combinations pairwise",
    "pathlib": "Path",
    "typing": "Any",
}
_LIBRARY = {name: module for module, names in _MEMBERS.items() for name in names.split()}


def fill(template: str, slots: Mapping[str, str], dice: Dice) -> str:
    """The template with every alternative chosen, every number drawn and every slot filled.

    Raises:
        KeyError: a slot that nobody fills.
    """
    text = _CHOICE.sub(lambda match: dice.pick(match[1].split("|")), template)
    text = _NUMBER.sub(lambda match: slots[match[1]] if match[1] in slots else _drawn(match[1], dice), text)
    return _SLOT.sub(lambda match: slots[match[1] or match[2]], text)


def _drawn(span: str, dice: Dice) -> str:
    low, _, rest = span.partition("..")
    high, _, step = rest.partition("/")
    return number(dice.between(int(low), int(high), int(step or 1)))


def number(value: int) -> str:
    """A whole number as people write it in code: from 10,000 on with separators."""
    return f"{value:_}" if value >= 10_000 else str(value)


def joined(parts: Iterable[str]) -> str:
    """Top-level parts of a module: two blank lines around definitions, one between constants."""
    text = ""
    before = False
    for part in parts:
        defines = part.startswith(("def ", "class ", "@"))
        text += ("\n\n" if defines or before else "\n") + part if text else part
        before = defines
    return text


def module(summary: str, body: str, known: Mapping[str, str]) -> str:
    """A whole module: docstring, the imports that its body needs, the body.

    Args:
        summary: what its docstring says.
        body: code without imports, beginning with its first definition.
        known: name → module of the project that defines it.
    """
    body = "".join(f"{_wrapped(line)}\n" for line in body.splitlines())
    needed = _imports(body, known)
    head = f'"""{summary}"""\n\nfrom __future__ import annotations\n\n'
    gap = "\n\n" if body.startswith(("def ", "class ", "@")) else "\n"
    return head + (needed + gap if needed else gap[1:]) + body


def _wrapped(line: str) -> str:
    """A long line broken: code within its last brackets (a function within those of its parameters)."""
    if len(line) <= _WIDTH:
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    if line.endswith('"""'):
        first = line.rindex(" ", 0, _WIDTH)
        return f'{line[:first]}\n{indent}{line[first + 1 : -3]}\n{indent}"""'
    if line.lstrip().startswith("# "):
        first = line.rindex(" ", 0, _WIDTH)
        return f"{line[:first]}\n{indent}# {line[first + 1 :]}"
    # Words of a docstring that goes on: its first line, or an argument.
    if line.lstrip().startswith('"""') or not re.search(r"[\"'(\[{=]|  # ", line):
        first = line.rindex(" ", 0, _WIDTH)
        deeper = "" if '"""' in line else "    "
        return f"{line[:first]}\n{indent}{deeper}{line[first + 1 :]}"
    code, _, comment = line.partition("  # ")
    if comment:
        return f"{indent}# {comment}\n{_wrapped(code)}"
    pairs: list[tuple[int, int]] = []
    starts: list[int] = []
    quote = ""
    for place, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "([{":
            starts.append(place)
        elif character in ")]}":
            opened = starts.pop()
            if not starts:
                pairs.append((opened, place))
    if not pairs:
        return line
    first, last = pairs[0] if line.lstrip().startswith("def ") else pairs[-1]
    inner = "\n".join(_wrapped(f"{indent}    {part}") for part in _laid_out(line[first + 1 : last], len(indent) + 4))
    return f"{line[: first + 1]}\n{inner}\n{indent}{line[last:]}"


def _laid_out(code: str, indent: int) -> list[str]:
    """What stands between brackets, as lines: in one if it fits, else by clauses of a comprehension or by items."""
    if indent + len(code) <= _WIDTH:
        return [code]
    clauses = _pieces(code, " for ")
    if len(clauses) > 1:
        conditions = [part for clause in clauses[1:] for part in _pieces(clause, " if ")]
        return [part.strip() for part in [clauses[0], *conditions]]
    items = _pieces(code, ", ")
    return [f"{item.removeprefix(', ')}," for item in items] if len(items) > 1 else [code]


def _pieces(code: str, mark: str) -> list[str]:
    """The code cut before each mark that stands in no brackets and no quotes."""
    cuts, depth, quote = [0], 0, ""
    for place, character in enumerate(code):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif depth == 0 and place and code.startswith(mark, place):
            cuts.append(place)
    return [code[begin:end] for begin, end in zip(cuts, [*cuts[1:], len(code)], strict=True)]


def defined(body: str) -> list[str]:
    """Public names that a module's code defines, in order."""
    names: list[str] = []
    for node in ast.parse(body).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [target.id for target in targets if isinstance(target, ast.Name)]
    return [name for name in names if not name.startswith("_")]


def constants(body: str) -> list[tuple[str, int]]:
    """Named whole numbers of a module, in order."""
    return [
        (node.targets[0].id, node.value.value)
        for node in ast.parse(body).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and type(node.value.value) is int
    ]


def _imports(body: str, known: Mapping[str, str]) -> str:
    tree = ast.parse(body)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    own = {node.id for node in names if isinstance(node.ctx, ast.Store)} | set(defined(body))
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    used = {node.id for node in names} - own
    members: dict[str, list[str]] = {}
    for name in used:
        source = known.get(name) or _LIBRARY.get(name)
        if source:
            members.setdefault(source, []).append(name)
    lines = [f"import {name}" for name in sorted(used & _MODULES)]
    lines += [import_line(source, members[source]) for source in sorted(members)]
    return "".join(f"{line}\n" for line in lines)


def import_line(source: str, names: Sequence[str]) -> str:
    """``from source import names``: constants, classes, functions, each by the alphabet; wrapped where it is long."""
    ordered = sorted(names, key=lambda name: (0 if name.isupper() else 1 if name[0].isupper() else 2, name))
    line = f"from {source} import {', '.join(ordered)}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"from {source} import (", *(f"    {name}," for name in ordered), ")"])
