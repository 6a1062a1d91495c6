"""What corpora/README.md shows works as it stands there."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from longctx.names import NAME_KINDS
from longctx.sources import find_sources, read_source
from longctx.voice import NUMBER_KINDS, OTHER_KINDS

README = Path(__file__).parents[1] / "corpora" / "README.md"
BLOCKS = re.findall(r"```toml\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_can_be_read(block: str, tmp_path: Path) -> None:
    path = tmp_path / "corpus.toml"
    path.write_text(block, "utf-8")
    source = read_source(path)
    if source.voice is None:
        assert source.voice_name in {found.name for found in find_sources().values() if found.voice}
        return
    rng = random.Random(0)
    for template in source.voice.facts:
        fact = template.fill(rng, source.language)
        assert fact.value in fact.needle
        assert fact.key in fact.question


def test_every_corpus_kind_of_slot_and_field_is_described() -> None:
    text = README.read_text("utf-8")
    named = set(re.findall(r"`([\w-]+)`", text))
    assert named >= set(find_sources())
    assert named >= {*NAME_KINDS, *NUMBER_KINDS, *OTHER_KINDS}
    voice = read_source(README.parent / "contracts" / "corpus.toml").voice
    assert voice is not None
    assert named >= set(voice.__dataclass_fields__) - {"name", "language", "facts"}
