"""What a model's name means: the embedded model, a local folder or a Hugging Face id."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longctx import embedded
from longctx.errors import BackendError, TokenizerError, UsageError, unknown
from longctx.profiles import complete_config, find_profile, hub_id
from longctx.yarn import native_length

EMBEDDED = embedded.NAME
"""The model that needs no hub."""

_TOKENIZERS = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
    "tiktoken.model",
)


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model and what is known about it without loading it."""

    name: str  # as it is shown and recorded
    path: str  # folder, or Hugging Face id; empty where nothing is made yet
    native_length: int | None  # tokens of the window in its configuration; None where that is not known
    licence: str  # SPDX name; empty where it is not known
    source: str  # where it comes from
    embedded: bool = False


def is_embedded(model: str) -> bool:
    """Whether a name means the embedded model; upper and lower case are the same."""
    return model.lower() in embedded.ALIASES


def locate(model: str) -> str:
    """Folder or Hugging Face id that transformers and vLLM take for a name; the embedded model is made if needed.

    Says nothing about what is in a folder: one that holds only a tokenizer is fine here.

    Raises:
        UsageError: the name looks like a folder that is not there, or like a slip of the embedded model's.
        BackendError: the embedded model cannot be made.
    """
    if not model.strip():
        raise UsageError(f"The model's name is empty; possible are {EMBEDDED}, a folder or a Hugging Face id.")
    if is_embedded(model):
        return str(embedded.ensure())
    folder = Path(model).expanduser()
    if folder.is_dir():
        return str(folder)
    if folder.exists():
        raise UsageError(f"{model} is a file; a model is a folder with config.json, or a Hugging Face id.")
    if not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", model):
        raise UsageError(f"There is no folder {model!r}, and it has not the form of a Hugging Face id (owner/name).")
    if "/" not in model and difflib.get_close_matches(model.lower(), embedded.ALIASES, cutoff=0.8):
        raise UsageError(unknown("model", model, {EMBEDDED}) + " A folder or a Hugging Face id works too.")
    return hub_id(model)


def resolve(model: str) -> ModelFolder:
    """What is known about a model; nothing is downloaded.

    Args:
        model: `EMBEDDED`, a local folder, or a Hugging Face id; of one that a profile names, its last part is enough.

    Raises:
        UsageError: no such folder, or nothing that could be a model in it.
        TokenizerError: a folder without a tokenizer.
        BackendError: the embedded model cannot be made; names the command that helps.
    """
    path = locate(model)
    if is_embedded(model):
        return _embedded(path)
    folder = Path(path)
    if folder.is_dir():
        return ModelFolder(model, path, _window(_config(folder)), _licence(folder), "local folder")
    profile, window = find_profile(model), _window(_cached_config(path))
    known = profile.native_length if profile else None
    return ModelFolder(model, path, window or known, profile.licence if profile else "", "Hugging Face hub")


def available() -> list[ModelFolder]:
    """Models that need no hub; the path is empty for one that is not made yet."""
    folder = embedded.model_folder()
    return [_embedded(str(folder) if embedded.is_whole(folder) else "")]


def read_config(model: ModelFolder) -> dict[str, Any]:
    """A model's ``config.json``; a hub model's is downloaded where it is not in the local cache yet.

    Where the model's profile knows the window that YaRN starts from and the file does not say it, it is added.

    Raises:
        UsageError: a folder without it, or it is not JSON.
        BackendError: it is not in the local cache and cannot be downloaded.
    """
    config = config_here(model)
    if not config:
        _download_config(model.path)
        config = complete_config(_cached_config(model.path), model.name)
    return config


def config_here(model: ModelFolder) -> dict[str, Any]:
    """As `read_config`, but nothing is downloaded: empty where the file is not on this machine."""
    folder = Path(model.path)
    found = _config(folder) if folder.is_dir() else _cached_config(model.path)
    return complete_config(found, model.name) if found else {}


def _embedded(path: str) -> ModelFolder:
    return ModelFolder(EMBEDDED, path, embedded.NATIVE_LENGTH, embedded.LICENCE, embedded.SOURCE, embedded=True)


def _config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    if not file.is_file():
        raise UsageError(f"{folder} has no config.json; a model's folder holds config.json, weights and a tokenizer.")
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise TokenizerError(f"{folder} has no tokenizer; looked for {', '.join(_TOKENIZERS)}.")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(config, dict):
        raise UsageError(f"{file} holds {type(config).__name__} where a JSON object belongs.")
    return config


def _window(config: Mapping[str, Any]) -> int | None:
    try:
        return native_length(config)
    except UsageError:
        return None


def _cached_config(model: str) -> dict[str, Any]:
    """The ``config.json`` in the local Hugging Face cache; empty where there is none."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        file = try_to_load_from_cache(model, "config.json")
        return dict(json.loads(Path(file).read_text(encoding="utf-8"))) if isinstance(file, str) else {}
    except HFValidationError as error:
        raise UsageError(f"{model!r} is neither a folder nor a Hugging Face id: {error}") from error
    except (OSError, ValueError) as error:
        raise BackendError(f"The config.json of {model} in the local Hugging Face cache is damaged: {error}") from error


def _download_config(model: str) -> None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        hf_hub_download(model, "config.json")
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BackendError(
            f"{model} is no folder here, and its config.json could not be had from the Hugging Face hub ({reason}). "
            f"Possible are a local folder, a model that is in the local Hugging Face cache, and {EMBEDDED}."
        ) from error


def _licence(folder: Path) -> str:
    """The licence that a model card (README.md) states in its header; empty where there is none."""
    try:
        card = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    header = re.match(r"---\n(.*?)\n---", card, re.DOTALL)
    stated = re.search(r"^license:[ \t]*(\S+)[ \t]*$", header[1], re.MULTILINE) if header else None
    return stated[1] if stated else ""
