"""Lines of a haystack with needles between them."""

from __future__ import annotations

from collections.abc import Sequence

from longctx.exact import Insert
from longctx.generated import CLOSING, Part

_BLOCK = 256  # lines of a part: where lines recur, so do parts, and what recurs is encoded once


def interleave(lines: Sequence[str], inserts: Sequence[Insert]) -> list[Part]:
    """Lines with inserts between them, each after the share of the lines that is its depth.

    The closing is the last line; only what has a depth of 1 stands behind it.
    """
    order = sorted(inserts, key=lambda insert: insert.depth or 0.0)
    parts: list[Part] = []
    done = 0
    for insert in [insert for insert in order if insert.depth != 1]:
        at = min(len(lines), round((insert.depth or 0.0) * len(lines)))
        parts += _blocks(lines[done:at], begun=bool(parts))
        done = max(done, at)
        parts += [Part("\n"), Part(insert.text, insert)] if parts else [Part(insert.text, insert)]
    parts += [*_blocks(lines[done:], begun=bool(parts)), CLOSING]
    for insert in [insert for insert in order if insert.depth == 1]:
        parts += [Part("\n"), Part(insert.text, insert)]
    return parts


def _blocks(lines: Sequence[str], *, begun: bool) -> list[Part]:
    first = [] if begun or not lines else [Part(lines[0])]
    rest = lines[len(first) :]
    blocks = (rest[begin : begin + _BLOCK] for begin in range(0, len(rest), _BLOCK))
    return [*first, *(Part("".join("\n" + line for line in block)) for block in blocks)]
