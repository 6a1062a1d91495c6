"""Names of people, companies and things: more than 20,000 of each kind in English, German and Chinese."""

from __future__ import annotations

import random
import tomllib
from functools import cache
from importlib.resources import files

NAME_KINDS = ("company", "constant", "person", "place", "product", "project")


@cache
def _parts() -> dict[str, dict[str, tuple[tuple[str, ...], ...]]]:
    table = tomllib.loads(files("longctx").joinpath("names.toml").read_text("utf-8"))
    return {
        language: {kind: tuple(tuple(part) for part in parts.values()) for kind, parts in kinds.items()}
        for language, kinds in table.items()
    }


def draw_name(kind: str, rng: random.Random, language: str = "en") -> str:
    """One name of `kind` (see ``NAME_KINDS``); a language without such names of its own takes the English ones."""
    kinds = _parts().get(language, {})
    return "".join(rng.choice(part) for part in kinds.get(kind) or _parts()["en"][kind])
