from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longctx.visible import clip, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x07\x00\x7f", "␛[2J␇␀␡"),
        ("\x9b31m", "⟨U+009B⟩31m"),
        ("user\u202egnp.exe", "user⟨U+202E⟩gnp.exe"),
        ("\u2066a\u2069\u200f\u061c", "⟨U+2066⟩a⟨U+2069⟩⟨U+200F⟩⟨U+061C⟩"),
        ("zero\u200bwidth\ufeff\u00ad", "zero⟨U+200B⟩width⟨U+FEFF⟩⟨U+00AD⟩"),
        ("tag\U000e0041", "tag⟨U+E0041⟩"),
        ("\ud800", "⟨U+D800⟩"),
        ("\u2028\uffff", "⟨U+2028⟩⟨U+FFFF⟩"),
        ("a\nb\tc\r\n", "a␊b␉c␍␊"),
        ("Übergröße 合同 नमस्ते می\u200cخواهم 👩\u200d💻 “x” é", "Übergröße 合同 नमस्ते می\u200cخواهم 👩\u200d💻 “x” é"),
    ],
)
def test_what_acts_or_hides_becomes_a_symbol_and_writing_stays(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_line_feeds_and_tabs_stay_in_a_block() -> None:
    assert visible("a\r\nb\n\tc\rd\x0b", lines=True) == "a\nb\n\tc␍d␋"


@settings(deadline=None)
@given(st.text(st.characters()))
def test_nothing_that_steers_is_left(text: str) -> None:
    shown = visible(text)
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in shown)
    assert not any(
        unicodedata.bidirectional(char) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        for char in shown
    )
    assert visible(shown) == shown


@settings(deadline=None)
@given(st.text(), st.integers(2, 50))
def test_clip_keeps_what_it_says(text: str, most: int) -> None:
    clipped = clip(text, most)
    if len(text) <= most:
        assert clipped == text
    else:
        head, _, tail = clipped.partition(f" […{len(text) - most:,} of {len(text):,} characters left out…] ")
        assert len(head) + len(tail) == most
        assert text.startswith(head)
        assert text.endswith(tail)
