"""What is known of models beforehand: one TOML file a family, every fact with its source.

A model that no profile names gets everything from its ``config.json``. What a publisher's pages did not say is left out
and listed under ``unverified``; nothing is filled in by likeness.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from longctx.yarn import text_part

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One family of models; the file's tables as they are."""

    file: str  # name of the TOML file
    title: str
    names: tuple[str, ...]  # Hugging Face ids; the part behind the slash works as well
    native_length: int  # tokens of the window without YaRN, as the publisher states it
    licence: str = ""  # SPDX name where there is one
    config: Mapping[str, Any] = field(default_factory=dict)  # what of ``config.json`` the window and YaRN rest on
    yarn: Mapping[str, Any] = field(
        default_factory=dict
    )  # factor, original and length (tokens) as the publisher has it
    thinking: Mapping[str, Any] = field(default_factory=dict)  # default, open, close, on, off
    sampling: Mapping[str, Any] = field(default_factory=dict)  # as the publisher recommends it
    parameters: Mapping[str, Any] = field(default_factory=dict)  # model → total, active
    notes: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()  # what was looked for and not found
    sources: tuple[Mapping[str, Any], ...] = ()  # what, url, read (date)

    @property
    def delimiters(self) -> tuple[tuple[str, str], ...]:
        """What a thought stands between; empty where the model does not think, or it is not known."""
        return ((self.thinking["open"], self.thinking["close"]),) if "close" in self.thinking else ()

    def to_json(self) -> dict[str, Any]:
        """As ``longctx models show --json`` prints it."""
        return {
            "title": self.title,
            "native_length": self.native_length,
            "yarn": dict(self.yarn) or None,
            "thinking": dict(self.thinking) or None,
            "sampling": dict(self.sampling) or None,
            "parameters": dict(self.parameters) or None,
            "notes": list(self.notes),
            "unverified": list(self.unverified),
            "sources": [{key: str(value) for key, value in source.items()} for source in self.sources],
        }


@functools.cache
def profiles() -> tuple[Profile, ...]:
    """All that ship, by file name."""
    found = []
    for path in sorted(_FOLDER.glob("*.toml")):
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        lists = {name: tuple(fields.get(name, ())) for name in ("names", "notes", "unverified", "sources")}
        found.append(Profile(**{**fields, **lists, "file": path.stem}))
    return tuple(found)


def find_profile(model: str) -> Profile | None:
    """The profile of a model's name: a Hugging Face id, its last part, or a folder called like it; case is the same."""
    wanted = {model.lower(), PurePath(model).name.lower()}
    for profile in profiles():
        for name in profile.names:
            if {name.lower(), name.rpartition("/")[2].lower()} & wanted:
                return profile
    return None


def hub_id(model: str) -> str:
    """The Hugging Face id behind the last part of one, where a profile knows it; otherwise the name as it is."""
    profile = find_profile(model)
    known = (
        (name for name in profile.names if name.rpartition("/")[2].lower() == model.lower()) if profile else iter(())
    )
    return next(known, model)


def complete_config(config: Mapping[str, Any], model: str) -> dict[str, Any]:
    """A model's ``config.json`` with the window that its publisher starts YaRN from, where the file does not say it.

    The file's own words win over the profile's.
    """
    profile, (path, text) = find_profile(model), text_part(config)
    stated = "original_max_position_embeddings"
    if not profile or not profile.yarn or path or stated in text:
        return dict(config)
    return {**config, stated: profile.yarn["original"]}
