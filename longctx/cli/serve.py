"""``longctx serve``: a vLLM server with the window that a length needs, or a look at one that runs."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longctx.cli._long import say
from longctx.cli._options import api_key_option, engine_argument_option, json_option, window_options
from longctx.errors import BackendError, UsageError
from longctx.types import Sampling
from longctx.units import parse_count
from longctx.visible import clip, visible

if TYPE_CHECKING:
    from longctx.serving import Running

_EVERY_S = 30.0  # between two signs of life
_OF_STARTING = ("host", "port", "wait", "yarn", "allow_rescale", "engine")


@click.command(
    epilog="""\b
    Examples:
      longctx serve smollm2-135m --length 4K
      longctx serve Qwen/Qwen3-8B --length 128K --yarn auto --engine-arg tensor_parallel_size=4
      longctx serve Qwen/Qwen3-8B --length 32K --attach http://127.0.0.1:8000/v1
    """
)
@click.argument("model")
@click.option("--length", required=True, help="Tokens of the longest prompt, such as 128K.")
@window_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any that is free.")
@click.option("--attach", metavar="URL", help="Start nothing: check that the server there has what is needed.")
@click.option(
    "--wait",
    type=click.FloatRange(0, min_open=True),
    default=1800.0,
    show_default=True,
    help="Seconds that it may take to start.",
)
@api_key_option
@engine_argument_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    model: str,
    length: str,
    max_tokens: int,
    yarn: str,
    allow_rescale: bool,
    host: str,
    port: int,
    attach: str | None,
    wait: float,
    api_key_env: str | None,
    engine: dict[str, Any] | None,
    as_json: bool,
) -> None:
    """Serve a model with vLLM until Ctrl-C, its window and YaRN set for a length.

    The command that is run is printed. Behind it any tool that speaks the OpenAI API can ask; `longctx run --backend
    openai` does.
    """
    asked = parse_count(length, least=1)
    _refuse_what_is_not_meant(context, _OF_STARTING if attach else ("api_key_env",), attach)
    if attach:
        about = _look_at(attach, model, asked + max_tokens, api_key_env)
        click.echo(json.dumps(about) if as_json else _attached(about, model))
        return
    from longctx.models import read_config, resolve
    from longctx.serving import Running, server_command
    from longctx.yarn import plan_window

    folder = resolve(model)
    config = read_config(folder)
    plan = plan_window(config, asked, max_tokens, yarn, allow_rescale=allow_rescale)
    chosen = _free_port(host, port)
    words = server_command(folder.path, folder.name, plan, config, host=host, port=chosen, engine_args=engine or {})
    log = Path(tempfile.mkstemp(prefix="longctx-serve-", suffix=".log")[1])
    say(shlex.join(words))
    say(f"what the server says goes to {log}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does, so that the server ends too
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    with Running(words, host, chosen, log) as server:
        server.wait_until_it_answers(wait, SignsOfLife(server).look)
        about = {
            "base_url": server.url,
            "model": folder.name,
            "max_model_len": plan.window,
            "yarn": plan.factor,
            "command": words,
            "pid": server.process.pid,
            "log": str(log),
        }
        click.echo(json.dumps(about) if as_json else _ready(about))
        while server.process.poll() is None:
            time.sleep(0.2)
        raise BackendError(f"The server ended with code {server.process.returncode}; what it said is in {log}.")


class SignsOfLife:
    """Tells from time to time that a server is still starting, and what it said last."""

    def __init__(self, server: Running) -> None:
        self._server, self._began = server, time.monotonic()
        self._next_s = _EVERY_S

    def look(self) -> None:
        """Say something if it is time."""
        passed = time.monotonic() - self._began
        if passed >= self._next_s:
            self._next_s = passed + _EVERY_S
            say(f"still starting after {passed:.0f} s: {clip(visible(self._server.last_line()), 200)}")


def _refuse_what_is_not_meant(context: click.Context, options: tuple[str, ...], attach: str | None) -> None:
    for name in options:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = next(one.opts[0] for one in context.command.params if one.name == name)
            why = "with --attach nothing is started" if attach else "it goes with --attach"
            raise UsageError(f"{option} has no effect here: {why}.")


def _look_at(url: str, model: str, window: int, api_key_env: str | None) -> dict[str, Any]:
    """Whether a running server has the model and the window; what the backend finds when a run begins."""
    from longctx.backends import prepare_backend

    arguments = {"base_url": url} | ({"api_key_env": api_key_env} if api_key_env else {})
    backend = prepare_backend(
        "openai", model=model, length=window - 1, sampling=Sampling(max_tokens=1), engine_args=arguments
    ).start()
    try:
        described = backend.describe()
    finally:
        backend.close()
    server = described["servers"][0]
    return {
        "base_url": server["base_url"],
        "model": model,
        "lists_models": server.get("lists_models", True),
        "lists": server.get("lists", []),
        "max_model_len": server.get("max_model_len", server.get("n_ctx")),
        "api": described["api"],
    }


def _attached(about: dict[str, Any], model: str) -> str:
    window = about["max_model_len"]
    holds = f"its window is {window:,} tokens" if window else "it does not say how long its window is"
    ids = "it takes token ids" if about["api"] == "completions" else "it takes messages, not token ids"
    serves = f"serves {model}"
    if not about["lists_models"] or about["lists"]:  # it was asked one word under that name
        serves = f"lists {', '.join(about['lists']) or 'no models'} and answers to {model}"
    return f"{about['base_url']} {serves}: {holds}, {ids}.\n{_next(about)}"


def _ready(about: dict[str, Any]) -> str:
    holds = f"{about['base_url']} serves {about['model']}, {about['max_model_len']:,} tokens"
    return f"{holds}. Ctrl-C ends it.\n{_next(about)}"


def _next(about: dict[str, Any]) -> str:
    words = ["longctx", "run", "--backend", "openai", "--base-url", about["base_url"], "--model", about["model"], "…"]
    return f"Next:    {shlex.join(words[:-1])} …"


def _free_port(host: str, port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(f"{host}:{port} cannot be listened on: {error.strerror}. Another one: --port 0.") from None
        return int(probe.getsockname()[1])
