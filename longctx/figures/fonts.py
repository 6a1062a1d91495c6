"""Which characters a figure can draw, so that no name ends as a row of empty boxes or as a warning."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from matplotlib import font_manager

from longctx.visible import visible

BASE = "DejaVu Sans"  # comes with matplotlib
_WIDER = (  # with Chinese, Japanese or Korean, as common systems have them
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Noto Sans CJK JP",
    "Yu Gothic",
    "Noto Sans CJK KR",
    "Malgun Gothic",
    "Arial Unicode MS",
)


@lru_cache(maxsize=1)
def _fonts() -> dict[str, frozenset[str]]:
    """Families that are there, with the characters that each can draw."""
    found = {}
    installed = {font.name: font.fname for font in font_manager.fontManager.ttflist}
    for family in (BASE, *_WIDER):
        if family in installed:
            found[family] = frozenset(map(chr, font_manager.get_font(installed[family]).get_charmap()))
    return found


def face(text: str, *, bold: bool = False) -> dict[str, Any]:
    """Keywords of a matplotlib text: the families that this text needs, and bold where they all have it."""
    needed, missing = [], set(text) - {"\n"}
    for family, known in _fonts().items():
        if family == BASE or missing & known:
            needed.append(family)
            missing -= known
    return {"family": needed, "weight": "bold" if bold and needed == [BASE] else "normal"}


def label(text: str, most: int) -> str:
    """A name, drawable, in at most so many characters: where it is longer its two ends, which tell names apart."""
    said = drawable(text)
    return said if len(said) <= most else f"{said[: most - most // 2 - 1]}…{said[-(most // 2) :]}"


def drawable(text: str, *, lines: bool = False) -> str:
    r"""The text with what no font can draw, or what would act, written out: 合 → \u5408; `lines` keeps line feeds."""
    known = frozenset("\n").union(*_fonts().values())
    return "".join(char if char in known else f"\\u{ord(char):04x}" for char in visible(text, lines=lines))
