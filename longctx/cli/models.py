"""``longctx models``: models that need no hub, and what vLLM would get for one."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, replace
from typing import Any

import click

from longctx.cli._options import json_option, window_options
from longctx.models import ModelFolder, available, config_here, read_config, resolve
from longctx.profiles import Profile, find_profile
from longctx.serving import flags
from longctx.units import parse_count
from longctx.visible import visible
from longctx.yarn import YarnPlan, plan_window, text_part

_ANY = 10_000.0  # stands for a theta that is not known; never shown
_NO_CHUNKS = (
    "vLLM 0.32 has no attention backend for this model's dual chunk attention and does not start it as it is. Up to "
    "262,144 tokens it needs none: --engine-arg 'hf_overrides={\"dual_chunk_attention_config\": null}', with "
    "sparse_attention_config.json out of its folder."
)


@click.group(
    "models",
    invoke_without_command=True,
    epilog="""\b
    Examples:
      longctx models
      longctx models show smollm2-135m --length 12K --json
      longctx models show Ling-2.5-1T --length 1000000
    """,
)
@json_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List models that need no hub.

    Wherever a model is named, a local folder or a Hugging Face id works as well.
    """
    if context.invoked_subcommand is not None:
        return
    models = available()
    if as_json:
        click.echo(json.dumps({"models": [_as_json(model) for model in models]}, indent=2))
    else:
        click.echo("\n\n".join(_text(_about(model)) for model in models))


@command.command(epilog="Example: longctx models show path/to/model --length 128K --yarn auto")
@click.argument("name", metavar="NAME|FOLDER|ID")
@click.option("--length", help="Tokens of the longest prompt, such as 128K; by default what the window holds.")
@window_options
@json_option
def show(name: str, length: str | None, max_tokens: int, yarn: str, allow_rescale: bool, as_json: bool) -> None:
    """Show what would be used for a model, and the arguments that vLLM would get for a length."""
    model = resolve(name)
    profile = find_profile(name)
    config, unknown_theta = _config(model, profile)
    asked = parse_count(length, least=1) if length else _fitting(model, max_tokens)
    plan = plan_window(config, asked, max_tokens, yarn, allow_rescale=allow_rescale)
    if unknown_theta:
        plan = replace(plan, hf_overrides=_without_theta(plan.hf_overrides))
    arguments = {"model": model.path, "max_model_len": plan.window}
    arguments |= {"hf_overrides": plan.hf_overrides} if plan.hf_overrides else {}
    cautions = _cautions(
        plan,
        profile,
        max_tokens,
        config_is_here=bool(config_here(model)),
        unknown_theta=unknown_theta,
        chunked="dual_chunk_attention_config" in text_part(config)[1],
    )
    if as_json:
        shown = _as_json(model) | {"length": asked, "engine_args": arguments, "yarn": asdict(plan)}
        shown |= {"profile": profile.to_json() if profile else None, "cautions": cautions}
        click.echo(json.dumps(shown, indent=2))
    else:
        click.echo(_text(_about(model) | _published(profile, model.name) | _planned(asked, plan)))
        click.echo("".join(f"\nCaution: {caution}" for caution in cautions))
        click.echo(f"In Python: vllm.LLM(**{arguments!r})")
        click.echo(f"As a server: {shlex.join(['vllm', 'serve', model.path, *flags(arguments)])}")


def _config(model: ModelFolder, profile: Profile | None) -> tuple[dict[str, Any], bool]:
    """The model's configuration, or what its profile knows of it where it is not here; and whether theta is missing."""
    here = config_here(model)
    if here or not profile:
        return here or read_config(model), False
    config = dict(profile.config)
    if "rope_theta" in config or "text_config" in config:
        return config, False
    return config | {"rope_theta": _ANY}, True


def _without_theta(overrides: dict[str, Any]) -> dict[str, Any]:
    """Overrides in which theta is open: vLLM refuses them, where it would take a wrong number in silence."""
    rope = overrides.get("rope_parameters")
    return overrides | {"rope_parameters": rope | {"rope_theta": None}} if rope else overrides


def _cautions(
    plan: YarnPlan,
    profile: Profile | None,
    max_tokens: int,
    *,
    config_is_here: bool,
    unknown_theta: bool,
    chunked: bool,
) -> list[str]:
    said = []
    if profile and not config_is_here:
        said.append("the model is not here: these arguments rest on its profile, and its own config.json may differ.")
    if unknown_theta and plan.factor:
        said.append("rope_theta is not known without the model's config.json; `longctx serve` and `run` fill it in.")
    published = profile.yarn if profile else {}
    if profile and plan.factor and not published:
        said.append("the publisher states no YaRN for this model.")
    if published and plan.window > published["length"]:
        said.append(
            f"{plan.window:,} tokens are more than the {published['length']:,} that the publisher states with YaRN: "
            f"prompts of up to {published['length'] - max_tokens:,} stay within."
        )
    if profile and not plan.factor and profile.native_length < plan.window - max_tokens:
        said.append(
            f"the publisher states {profile.native_length:,} tokens without YaRN; the window of {plan.native:,} in its "
            "config.json has room for the output too. Longer prompts: --yarn with a factor."
        )
    if chunked:
        said.append(_NO_CHUNKS)
    return said


def _fitting(model: ModelFolder, max_tokens: int) -> int:
    """The longest prompt that leaves room for the output; one token where the window is not known."""
    return max(1, (model.native_length or 0) - max_tokens)


def _as_json(model: ModelFolder) -> dict[str, Any]:
    return asdict(model) | {"path": model.path or None, "licence": model.licence or None}


def _about(model: ModelFolder) -> dict[str, str]:
    return {
        "name": model.name,
        "path": model.path or "not made yet: made at the first use (540 MB in the user's cache)",
        "native window": f"{model.native_length:,} tokens" if model.native_length else "not known",
        "licence": model.licence or "not stated here; see the model's card",
        "source": model.source,
    }


def _published(profile: Profile | None, name: str) -> dict[str, str]:
    """What the publisher says, as far as the profile knows it."""
    if not profile:
        return {}
    said = {"profile": profile.title}
    if profile.yarn:
        factor, original, length = (profile.yarn[name] for name in ("factor", "original", "length"))
        said["its YaRN"] = f"factor {factor:g} on {original:,} tokens, up to {length:,}"
    thinking = profile.thinking
    if "close" in thinking:
        ways = "".join(f"; {way}: {thinking[way]}" for way in ("on", "off") if way in thinking)
        said["thinking"] = f"{thinking['default']} by default, between {thinking['open']} and {thinking['close']}{ways}"
    if profile.sampling:
        said["sampling"] = ", ".join(f"{name} {value}" for name, value in profile.sampling.items())
    if size := profile.parameters.get(name.rpartition("/")[2]):
        said["parameters"] = f"{size['total']}{', ' + size['active'] + ' active' if 'active' in size else ''}"
    said |= {f"note {number}": note for number, note in enumerate(profile.notes, 1)}
    if profile.unverified:
        said["not verified"] = "; ".join(profile.unverified)
    urls = sorted({str(source["url"]) for source in profile.sources})
    said |= {f"read {number}": url for number, url in enumerate(urls, 1)}
    return said


def _planned(length: int, plan: YarnPlan) -> dict[str, str]:
    factor = f"factor {plan.factor:g}" if plan.factor else "off"
    return {"prompt": f"up to {length:,} tokens", "YaRN": f"{factor} ({plan.reason})"}


def _text(lines: dict[str, str]) -> str:
    return "\n".join(f"{key:<14} {visible(value)}" for key, value in lines.items())
