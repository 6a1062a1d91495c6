"""Checks of what a person wrote: each gives the value back in one form, or says what it is and what is possible.

All raise `UsageError`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from longctx.errors import UsageError

_NUMBER = (int, float)


def items(name: str, values: Any) -> list[Any]:
    """The values as a list; a single one counts as a list of one."""
    if isinstance(values, (str, *_NUMBER)) or not isinstance(values, Iterable):
        values = [values]
    found = list(values)
    if not found:
        raise UsageError(f"{name} is an empty list; at least one is needed.")
    return found


def distinct(name: str, values: list[Any]) -> tuple[Any, ...]:
    """The values, of which none may stand there twice."""
    for value in values:
        if values.count(value) > 1:
            raise UsageError(f"{name} has {value!r} more than once.")
    return tuple(values)


def numbers(name: str, values: Any, high: float) -> list[float]:
    """Numbers from 0 to `high`."""
    numbers = []
    for value in items(name, values):
        if isinstance(value, bool) or not isinstance(value, _NUMBER) or not 0 <= value <= high:
            raise UsageError(f"{name} has {value!r}; possible are numbers from 0 to {high:g}.")
        numbers.append(float(value) + 0.0)  # -0.0 becomes 0.0
    return numbers


def whole(name: str, value: Any, low: int) -> int:
    """A whole number from `low`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise UsageError(f"{name} is {value!r}; possible are whole numbers from {low}.")
    return value


def word(name: str, value: Any) -> str:
    """Text that can be written to a file."""
    if not isinstance(value, str):
        raise UsageError(f"{name} is {value!r}; it must be text.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{name} is {value!r}, which is not valid Unicode.") from None
    return value


def words(name: str, values: Any) -> list[str]:
    """Texts, none of them empty."""
    words = [word(name, value) for value in items(name, values)]
    if "" in words:
        raise UsageError(f"{name} has an empty name.")
    return words


def plain(name: str, value: Any) -> Any:
    """The value if TOML can hold it: text, numbers, true or false, lists and tables of these."""
    match value:
        case bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case str():
            return word(name, value)
        case list() | tuple():
            return [plain(f"{name}[{index}]", item) for index, item in enumerate(value)]
        case Mapping():
            return {word(f"key of {name}", key): plain(f"{name}.{key}", item) for key, item in value.items()}
    raise UsageError(f"{name} is {value!r}; possible are text, finite numbers, true, false, lists and tables.")
