"""Lines of a haystack with needles between them."""

from __future__ import annotations

from collections.abc import Sequence

from longctx.exact import Insert
from longctx.generated import CLOSING, Part


def interleave(lines: Sequence[str], inserts: Sequence[Insert]) -> list[Part]:
    """Lines with inserts between them, each after the share of the lines that is its depth.

    The closing is the last line; only what has a depth of 1 stands behind the closing.
    """
    order = sorted(range(len(inserts)), key=lambda index: inserts[index].depth or 0.0)
    parts: list[Part] = []
    placed: dict[int, int] = {}
    done = 0
    behind = [index for index in order if inserts[index].depth == 1]
    for index in order[: len(order) - len(behind)]:
        at = min(len(lines), round((inserts[index].depth or 0.0) * len(lines)))
        if at > done:
            parts.append(Part(("\n" if parts else "") + "\n".join(lines[done:at])))
            done = at
        if parts:
            parts.append(Part("\n"))
        placed[index] = len(parts)
        parts.append(Part(inserts[index].text, inserts[index]))
    if done < len(lines):
        parts.append(Part(("\n" if parts else "") + "\n".join(lines[done:])))
    parts.append(CLOSING)
    for index in behind:
        parts += [Part("\n"), Part(inserts[index].text, inserts[index])]
    return parts
