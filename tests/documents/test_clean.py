from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from longctx.documents.clean import clean, join_pages, tidy

ANY = st.text(st.characters(exclude_categories=()) | st.sampled_from("\r\n\t\f\v\0\ud83d\ude00\u2028\u0085\x9b \ufeff"))


@settings(deadline=None)
@given(ANY)
def test_clean_text_is_safe_and_stays_clean(text: str) -> None:
    cleaned = clean(text)
    assert json.loads(json.dumps(cleaned)) == cleaned
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned
    assert not any(ord(c) < 32 and c not in "\n\t" or 127 <= ord(c) < 160 for c in cleaned)
    assert clean(cleaned).removeprefix("\ufeff") == cleaned.removeprefix("\ufeff")


def test_newlines_and_page_breaks() -> None:
    assert clean("a\r\nb\rc\u2028d\u0085e") == "a\nb\nc\nd\ne"
    assert clean("one\ftwo\n\fthree\f\nfour") == "one\ntwo\nthree\nfour"


def test_halves_of_a_character_are_joined_and_lone_ones_removed() -> None:
    assert clean("\ud83d\ude00 \ud83d x \ude00") == "😀  x "


def test_other_characters_are_untouched() -> None:
    text = "e\u0301 é ﬁ \u00a0 \u200b ½ 中文 \u202e 😀\t\u00ad"
    assert clean(text) == text


def test_tidy_keeps_paragraphs_and_drops_gaps() -> None:
    assert tidy("\n\n  a \t\nb\u00a0\n\n\n\n\nc\n\n") == "  a\nb\n\nc"


@settings(deadline=None)
@given(st.lists(ANY, max_size=6))
def test_page_offsets_point_at_their_pages(pages: list[str]) -> None:
    text, offsets = join_pages(pages)
    assert len(offsets) == len(pages) and list(offsets) == sorted(offsets)
    for page, start in zip(pages, offsets, strict=True):
        assert text[start:].startswith(tidy(page))
    assert text == "\n\n".join(page for page in map(tidy, pages) if page)
