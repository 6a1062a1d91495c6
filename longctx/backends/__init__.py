"""Everything that answers samples, behind one seam."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from longctx.errors import BackendError, UsageError, unknown
from longctx.types import Sampling

if TYPE_CHECKING:
    from longctx.backends.base import Backend
    from longctx.tasks import Reader

DOUBLES = ("lossy", "oracle")
"""Names of the backends that are no models."""

BACKENDS = {
    "lossy": "double: an oracle that forgets by a known function of length, depth and density",
    "openai": "a model behind a server of the OpenAI API: vllm serve, SGLang, a provider",
    "oracle": "double: finds the answer in the prompt's text",
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
        yarn: ``auto``, ``off`` or a factor; only ``vllm`` uses it.
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
    if name == "vllm":
        from longctx.backends.vllm import VllmBackend
        from longctx.models import read_config, resolve
        from longctx.yarn import plan_window

        folder = resolve(model)
        config = read_config(folder)
        plan = plan_window(config, length, sampling.max_tokens, str(yarn), allow_rescale=allow_rescale)

        def start() -> Backend:
            return VllmBackend(folder.path, config=config, plan=plan, sampling=sampling, engine_args=arguments)

        return Prepared(start, {"asked": yarn, **asdict(plan)})
    if name == "openai":
        return Prepared(_servers(model, length, sampling, arguments), None)
    from longctx.backends import doubles

    double = doubles.DOUBLES[name].from_args(arguments, readers)
    return Prepared(lambda: double, None)


def _servers(model: str, length: int, sampling: Sampling, arguments: Mapping[str, Any]) -> Callable[[], Backend]:
    """Starts the backend for servers; everything that can be wrong about its options is found before."""
    if importlib.util.find_spec("openai") is None:
        raise BackendError(
            "The openai backend needs the package openai, which is not installed. Type `pip install "
            "'longctx-stress[openai]'`."
        )
    from longctx.backends.openai_options import Options

    options = Options.from_args(arguments)
    options.key()

    def start() -> Backend:
        from longctx.backends.openai import OpenAIBackend

        return OpenAIBackend(model, options=options, sampling=sampling, window=length + sampling.max_tokens)

    return start
