"""``longctx models``: models that need no hub, and what vLLM would get for one."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from longctx.cli._options import json_option
from longctx.models import ModelFolder, available, read_config, resolve
from longctx.types import Sampling
from longctx.units import parse_count
from longctx.visible import visible
from longctx.yarn import YarnPlan, plan_window


@click.group(
    "models",
    invoke_without_command=True,
    epilog="""\b
    Examples:
      longctx models
      longctx models show smollm2-135m --length 12K --json
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
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    default=Sampling().max_tokens,
    show_default=True,
    help="Output tokens at most.",
)
@click.option("--yarn", default="auto", show_default=True, metavar="auto|FACTOR|off", help="Stretch the window?")
@click.option("--allow-rescale", is_flag=True, help="YaRN may replace a scaling that the model has.")
@json_option
def show(name: str, length: str | None, max_tokens: int, yarn: str, allow_rescale: bool, as_json: bool) -> None:
    """Show what would be used for a model, and the arguments that vLLM would get for a length."""
    model = resolve(name)
    config = read_config(model)
    asked = parse_count(length) if length else _fitting(model, max_tokens)
    plan = plan_window(config, asked, max_tokens, yarn, allow_rescale=allow_rescale)
    arguments = {"model": model.path, "max_model_len": plan.window}
    arguments |= {"hf_overrides": plan.hf_overrides} if plan.hf_overrides else {}
    if as_json:
        shown = _as_json(model) | {"length": asked, "engine_args": arguments, "yarn": asdict(plan)}
        click.echo(json.dumps(shown, indent=2))
    else:
        click.echo(_text(_about(model) | _planned(asked, plan)))
        click.echo(f"\nvllm.LLM(**{arguments!r})")


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


def _planned(length: int, plan: YarnPlan) -> dict[str, str]:
    factor = f"factor {plan.factor:g}" if plan.factor else "off"
    return {"prompt": f"up to {length:,} tokens", "YaRN": f"{factor} ({plan.reason})"}


def _text(lines: dict[str, str]) -> str:
    return "\n".join(f"{key:<14} {visible(value)}" for key, value in lines.items())
