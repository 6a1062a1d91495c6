"""How long a prompt a model takes, and YaRN where a sweep asks for more.

YaRN (arXiv 2309.00071) stretches a rotary position embedding by a factor, so that positions beyond the model's native
window look like positions inside it. vLLM applies it statically: to short prompts as well. It is therefore applied only
where the length needs it or where a factor is given, and it counts as a factor of the experiment.

Configurations are taken as ``config.json`` has them, in the form of transformers 4 (``rope_scaling`` beside a top-level
``rope_theta``) or 5 (``rope_parameters``), and with a multimodal model's text part nested.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from longctx.errors import UsageError

WORDS = ("auto", "off", "extrapolate")
"""Settings other than a factor."""
_TEXT_PARTS = ("thinker_config", "text_config", "llm_config", "language_config")
_WINDOWS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_sequence_length", "n_ctx")
_CARRIED = ("rope_dim", "partial_rotary_factor", "mrope_section", "mrope_interleaved")
_YARN_ONLY = ("beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate")
_NAMING = ("rope_type", "type", "rope_theta", "factor", "original_max_position_embeddings", "finetuned")
_WIDTHS = ("partial_rotary_factor", "rotary_pct", "rotary_emb_fraction")
_NESTED_BY_TRANSFORMERS = ("qwen2_vl", "qwen2_5_vl")
_SECOND_ROPES = ("rope_local_base_freq", "swa_rope_theta", "local_rope_theta", "global_rope_theta")
_UNSTATED_THETA = {"llama": 10_000.0}  # Llama 1 and 2 publish none; 10,000 is the method's and transformers' own
_NAMES = {"su": "longrope", "mrope": "default", "telechat3-yarn": "yarn", "": "default"}
_ALREADY_SCALED = ("yarn", "longrope", "llama3", "deepseek_yarn", "deepseek_llama_scaling")


@dataclass(frozen=True, slots=True)
class YarnPlan:
    """The window that a sweep needs and how the engine gets it."""

    factor: float | None  # None: no YaRN by this plan
    native: int  # tokens of the window without this plan's YaRN; the model's own scaling is part of it
    window: int  # tokens of the longest prompt and its output together: the engine's ``max_model_len``
    original: int  # tokens of the window that the factor multiplies
    hf_overrides: dict[str, Any] = field(default_factory=dict)  # for vLLM; whole, with the model's own keys merged
    reason: str = ""  # why there is YaRN or not, for the manifest
    scaling: str = ""  # kind of rotary scaling that the model carries itself, such as "llama3"; empty: none


def native_length(config: Mapping[str, Any]) -> int:
    """Tokens of the longest window that vLLM allows a model as it was published.

    Scaling that the model carries itself is part of it: ``linear`` and ``dynamic`` multiply the stated window; for
    ``llama3``, ``yarn`` and ``longrope`` publishers state the stretched one, and where a YaRN configuration states the
    original window instead, the factor is applied here.

    Raises:
        UsageError: the configuration states no window.
    """
    _, text = text_part(config)
    stated = _stated_window(text)
    rope = _rope(text)
    kind, factor = rope["rope_type"], rope.get("factor")
    if not isinstance(factor, (int, float)) or _is_second(text, rope):
        return stated
    if kind == "yarn":
        return max(stated, int(_original(text, rope, stated) * factor))
    return stated if kind in _ALREADY_SCALED else int(stated * factor)


def plan_window(
    config: Mapping[str, Any], length: int, output_tokens: int, yarn: str = "off", *, allow_rescale: bool = False
) -> YarnPlan:
    """The window for prompts of up to `length` tokens, stretched by YaRN where that is asked for and needed.

    ``auto`` does nothing up to the native window. Beyond it the factor is (length + output) ÷ native, rounded up to a
    whole number: 9,000 tokens on a native window of 8,192 give 2.0. A given factor is applied even where the length
    does not need it, so that its effect on short prompts can be measured. ``extrapolate`` raises the window and scales
    nothing: beyond the native window positions are counted on, which YaRN's worth there is compared with.

    Args:
        config: the model's ``config.json``.
        length: tokens of the longest prompt.
        output_tokens: tokens generated at most.
        yarn: ``auto``, ``off``, ``extrapolate`` or a factor above 1, such as ``2.0``.
        allow_rescale: where the model carries its own scaling, put YaRN in its place, starting from the window before
            that scaling: frequencies that the model was not trained on, unless a later training was.

    Raises:
        UsageError: the length does not fit, the setting is not one, or the model's rotary embedding can't take YaRN.
    """
    path, text = text_part(config)
    native, window = native_length(config), length + output_tokens
    rope = _rope(text)
    own = "" if rope["rope_type"] == "default" else str(rope["rope_type"])
    asked = _asked(yarn)
    needs = f"{length:,} prompt + {output_tokens:,} output tokens need a window of {window:,}"
    if asked == "extrapolate" and window > native:
        if own and own != "llama3":  # these size their tables by their own factor
            raise UsageError(f"{needs}, and extrapolation is not possible: the model carries its own {own} scaling.")
        overrides = _nest(path, _windows(text, window))
        return YarnPlan(None, native, window, native, overrides, f"{needs}, {native:,} raised without scaling", own)
    if asked in ("off", "extrapolate") or (asked == "auto" and window <= native):
        if window > native:
            way = f"It carries its own {own} scaling already. Possible: " if own else "Possible: --yarn auto, or "
            raise UsageError(f"{needs}; the model's own is {native:,}. {way}{_up_to(native - output_tokens)}.")
        short = own == "yarn" and _stated_window(text) < native  # vLLM doesn't apply yarn's factor to the window
        overrides = _nest(path, _windows(text, native)) if short else {}
        why = "not asked for" if asked != "auto" else f"not needed up to {native:,} tokens"
        return YarnPlan(None, native, window, native, overrides, why, own)

    _refuse_what_cannot(text, rope, own, allow_rescale)
    original = _original(text, rope, _stated_window(text))
    factor = float(math.ceil(window / original)) if isinstance(asked, str) else asked
    if factor * original < window:
        enough = math.ceil(window / original)
        raise UsageError(
            f"{needs}; YaRN factor {factor:g} on {original:,} tokens gives {int(factor * original):,}. "
            f"Possible: factor {enough} or more, --yarn auto, or {_up_to(int(factor * original) - output_tokens)}."
        )
    overrides = _nest(
        path, _windows(text, int(factor * original)) | {"rope_parameters": _scaled(rope, factor, original)}
    )
    why = f"given; native window {native:,}" if asked != "auto" else f"{needs}, the window without YaRN is {native:,}"
    why += f"; in place of the model's own {own} scaling" if own else ""
    return YarnPlan(factor, native, window, original, overrides, why, own)


def rope_of(plan: YarnPlan) -> dict[str, Any]:
    """The rotary parameters that a plan asks the engine for; empty where it asks for none."""
    part = plan.hf_overrides
    while part and "rope_parameters" not in part:
        part = next((value for value in part.values() if isinstance(value, dict)), {})
    return dict(part.get("rope_parameters", {}))


def _asked(yarn: str) -> str | float:
    text = str(yarn).strip().lower()
    if text in WORDS:
        return text
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 1 < factor < math.inf:
        possible = f"{', '.join(WORDS)}, or a factor above 1"
        raise UsageError(f"YaRN setting {yarn!r} is not possible; possible are {possible}.")
    return factor


def _up_to(tokens: int) -> str:
    return f"prompts of up to {tokens:,} tokens" if tokens > 0 else "fewer output tokens"


def text_part(config: Mapping[str, Any]) -> tuple[tuple[str, ...], Mapping[str, Any]]:
    """Where the language model's settings lie, and the settings."""
    for name in _TEXT_PARTS:
        inner = config.get(name)
        if isinstance(inner, Mapping) and (any(key in inner for key in _WINDOWS) or "text_config" in inner):
            path, text = text_part(inner)
            return (name, *path), text
    # Qwen2-VL published its text settings unnested; transformers 5 moves them into a part of their own.
    return (("text_config",) if config.get("model_type") in _NESTED_BY_TRANSFORMERS else ()), config


def _stated_window(text: Mapping[str, Any]) -> int:
    # Cohere's Command R states its real window apart; vLLM lets it win, and takes the smallest of all others.
    stated = [text[key] for key in _WINDOWS if isinstance(text.get(key), int) and text[key] > 0]
    real = text.get("model_max_length")
    if isinstance(real, int) and real > 0:
        return real
    if not stated:
        raise UsageError(f"The model's configuration states no window; looked for {', '.join(_WINDOWS)}.")
    return int(min(stated))


def _windows(text: Mapping[str, Any], tokens: int) -> dict[str, Any]:
    """Every key that limits the window, raised: vLLM takes the smallest of them."""
    keys = [key for key in (*_WINDOWS, "model_max_length") if isinstance(text.get(key), int)]
    return {key: tokens for key in keys}


def _rope(text: Mapping[str, Any]) -> dict[str, Any]:
    """Rotary parameters in the form of transformers 5, whichever form the configuration has."""
    rope = dict(text.get("rope_parameters") or text.get("rope_scaling") or {})
    kind = rope.get("rope_type") or rope.get("type") or ""
    rope["rope_type"] = _NAMES.get(kind, kind)
    theta = next((text[key] for key in ("rope_theta", "rotary_emb_base") if text.get(key) is not None), None)
    rope.setdefault("rope_theta", _UNSTATED_THETA.get(str(text.get("model_type"))) if theta is None else theta)
    width = next((text[key] for key in _WIDTHS if text.get(key) is not None), None)
    if width is not None:
        rope.setdefault("partial_rotary_factor", width)
    return rope


def _original(text: Mapping[str, Any], rope: Mapping[str, Any], stated: int) -> int:
    """The window that YaRN multiplies: before any scaling.

    Qwen's 40,960 is 32,768 tokens of trained window and 8,192 of output room on top; the publisher's own YaRN setting
    for QwQ and Qwen3 starts from 32,768, and so does this.
    """
    given = rope.get("original_max_position_embeddings") or text.get("original_max_position_embeddings")
    if given:
        return int(given)
    return 32_768 if stated == 40_960 and str(text.get("model_type", "")).startswith("qwen") else stated


def _is_second(text: Mapping[str, Any], rope: Mapping[str, Any]) -> bool:
    """Whether layers of different types have rotary embeddings of their own, as in Gemma 3."""
    return any(isinstance(value, Mapping) for value in rope.values()) or any(key in text for key in _SECOND_ROPES)


def _refuse_what_cannot(text: Mapping[str, Any], rope: Mapping[str, Any], own: str, allow_rescale: bool) -> None:
    if _is_second(text, rope):
        raise UsageError("YaRN is not possible: layers of this model have different rotary embeddings (by layer type).")
    if own and not allow_rescale:
        factor = f" with factor {rope['factor']:g}" if isinstance(rope.get("factor"), (int, float)) else ""
        raise UsageError(
            f"YaRN is refused: the model carries its own {own} scaling{factor} already. Possible: --yarn off, or "
            "allow rescaling, which puts YaRN in its place."
        )
    if text.get("dual_chunk_attention_config"):
        raise UsageError("YaRN is not possible: with dual chunk attention vLLM does not apply it.")
    theta = rope["rope_theta"]
    if isinstance(theta, bool) or not isinstance(theta, (int, float)) or theta <= 0:
        # Without it vLLM falls back to 10,000 in silence, and every answer is wrong.
        raise UsageError(f"YaRN is not possible: the configuration states no usable rope_theta (it says {theta!r}).")
    if rope.get("attention_factor") is not None:
        raise UsageError("YaRN is not possible: the model's attention_factor belongs to its own factor alone.")
    unknown = [] if own else [key for key in rope if key not in (*_CARRIED, *_YARN_ONLY, *_NAMING)]
    if unknown:
        raise UsageError(f"YaRN is not possible: it can't carry over the model's rotary settings {', '.join(unknown)}.")


def _scaled(rope: Mapping[str, Any], factor: float, original: int) -> dict[str, Any]:
    """The whole of ``rope_parameters``: vLLM replaces the model's by it and fills nothing in."""
    kept = _CARRIED + (_YARN_ONLY if rope["rope_type"] == "yarn" else ())
    return {key: rope[key] for key in kept if key in rope} | {
        "rope_type": "yarn",
        "rope_theta": rope["rope_theta"],
        "factor": factor,
        "original_max_position_embeddings": original,
    }


def _nest(path: tuple[str, ...], settings: dict[str, Any]) -> dict[str, Any]:
    for name in reversed(path):
        settings = {name: settings}
    return settings
