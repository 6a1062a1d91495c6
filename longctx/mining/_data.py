"""The tables that stand beside the code."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def table(name: str) -> dict[str, Any]:
    """A table of this folder by its name."""
    return tomllib.loads(files("longctx.mining").joinpath(f"{name}.toml").read_text("utf-8"))
