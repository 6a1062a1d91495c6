"""Everything that answers samples, behind one seam."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longctx.errors import BackendError, UsageError, unknown
from longctx.types import Sampling

if TYPE_CHECKING:
    from longctx.backends.base import Backend
    from longctx.tasks import Reader
    from longctx.yarn import YarnPlan

DOUBLES = ("lossy", "oracle")
"""Names of the backends that are no models."""

BACKENDS = {
    "lossy": "double: an oracle that forgets by a known function of length, depth and density",
    "openai": "a model behind a server of the OpenAI API: vllm serve, SGLang, a provider",
    "oracle": "double: finds the answer in the prompt's text",
    "ray": "a model in the engines of a Ray cluster",
    "vllm": "a model in vLLM, in this process",
}
"""What a user types after ``--backend`` → what it is."""
_OF_SERVERS = ("base_url", "api", "api_key_env", "concurrency", "canaries")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A backend that can be started."""

    start: Callable[[], Backend]
    yarn: dict[str, Any] | None  # as in ``manifest.json``; None for doubles, and where a server was started elsewhere


def prepare_backend(
    name: str,
    *,
    model: str,
    length: int,
    sampling: Sampling,
    yarn: str | float = "auto",
    allow_rescale: bool = False,
    engine_args: Mapping[str, Any] | None = None,
    readers: Mapping[str, Reader] | None = None,
) -> Prepared:
    """Check all that can be checked before an engine starts.

    Args:
        name: one of `BACKENDS`.
        model: embedded model, Hugging Face id or folder, or the name that a server has for it; doubles do not use it.
        length: tokens of the longest prompt.
        sampling: how to decode.
        yarn: ``auto``, ``off`` or a factor; only ``vllm`` and ``ray`` use it.
        allow_rescale: may YaRN replace a scaling that the model already has.
        engine_args: handed on as they are; for openai and doubles, their parameters.
        readers: for doubles: task → its own way to read a prompt.

    Raises:
        UsageError: no such backend, a parameter that it does not have, or a length that does not fit the model.
        BackendError: it is not installed; or, when it is started, it cannot be.
    """
    if name not in BACKENDS:
        raise UsageError(unknown("backend", name, BACKENDS))
    arguments = dict(engine_args or {})
    if name != "openai" and (mistaken := [option for option in _OF_SERVERS if option in arguments]):
        raise UsageError(f"{mistaken[0]} is an option of --backend openai, not of {name}.")
    if name in ("vllm", "ray"):
        from longctx.models import read_config, resolve
        from longctx.yarn import plan_window

        folder = resolve(model)
        config = read_config(folder)
        plan = plan_window(config, length, sampling.max_tokens, str(yarn), allow_rescale=allow_rescale)

        if name == "ray":
            return Prepared(_cluster(model, config, plan, sampling, arguments), {"asked": yarn, **asdict(plan)})

        def start() -> Backend:
            from longctx.backends.vllm import VllmBackend

            return VllmBackend(folder.path, config=config, plan=plan, sampling=sampling, engine_args=arguments)

        return Prepared(start, {"asked": yarn, **asdict(plan)})
    if name == "openai":
        return Prepared(_servers(model, length, sampling, arguments), None)
    from longctx.backends import doubles

    double = doubles.DOUBLES[name].from_args(arguments, readers)
    return Prepared(lambda: double, None)


def _servers(model: str, length: int, sampling: Sampling, arguments: Mapping[str, Any]) -> Callable[[], Backend]:
    """Starts the backend for servers; everything that can be wrong about its options is found before."""
    _needs("openai")
    from longctx.backends.openai_options import Options

    options = Options.from_args(arguments)
    options.key()

    def start() -> Backend:
        from longctx.backends.openai import OpenAIBackend

        return OpenAIBackend(model, options=options, sampling=sampling, window=length + sampling.max_tokens)

    return start


def _cluster(
    model: str, config: Mapping[str, Any], plan: YarnPlan, sampling: Sampling, arguments: Mapping[str, Any]
) -> Callable[[], Backend]:
    """Starts the backend for Ray; its options are checked before."""
    _needs("ray")
    from longctx.backends.ray_options import Options

    options, engine_args = Options.split(arguments)
    gpus = 1
    for name in ("tensor_parallel_size", "pipeline_parallel_size"):
        gpus *= int(engine_args.get(name, 1))
    if gpus > 1:  # inside an actor vLLM would else ask Ray for further actors, beyond what this one has reserved
        engine_args.setdefault("distributed_executor_backend", "mp")
    folder = Path(model).expanduser()
    name = str(folder.resolve()) if folder.is_dir() else model  # nodes have another working folder

    def start() -> Backend:
        from longctx.backends.ray import RayBackend
        from longctx.backends.ray_worker import start_vllm

        return RayBackend(partial(start_vllm, name, config, plan, sampling, engine_args), options=options, gpus=gpus)

    return start


def _needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise BackendError(
            f"The {package} backend needs the package {package}, which is not installed. Type `pip install "
            f"'longctx-stress[{package}]'`."
        )
