"""How a mix of corpora is written down: names with shares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from longctx.errors import UsageError


def parse_mix(text: str) -> dict[str, float] | None:
    """Shares of a mix such as ``contracts=0.5+code=0.3+support=0.2``, which add up to 1; None for anything else.

    Commas do in place of plus signs.

    Raises:
        UsageError: a share that is no number above 0, or a corpus named twice.
    """
    if "=" not in text or Path(text).expanduser().exists():
        return None
    shares: dict[str, float] = {}
    for part in text.replace(",", "+").split("+"):
        name, equals, share = part.strip().rpartition("=")
        try:
            number = float(share)
        except ValueError:
            number = math.nan
        if not equals or not name or not 0 < number < math.inf:
            raise UsageError(f"Mix {text!r}: {part!r} is not NAME=SHARE with a share above 0.")
        if name in shares:
            raise UsageError(f"Mix {text!r} names {name!r} twice.")
        shares[name] = number
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def mix_name(shares: Mapping[str, float]) -> str:
    """How a mix is called in records: ``contracts=0.5+code=0.3``, folders by their last part."""
    return "+".join(f"{Path(name).name or name}={share:g}" for name, share in shares.items())
