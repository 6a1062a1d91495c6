"""Everything that answers samples, behind one seam."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from longctx.errors import UsageError, unknown
from longctx.types import Sampling

if TYPE_CHECKING:
    from longctx.backends.base import Backend
    from longctx.tasks import Reader

BACKENDS = {
    "lossy": "double: an oracle that forgets by a known function of length, depth and density",
    "oracle": "double: finds the answer in the prompt's text",
    "vllm": "a model in vLLM, in this process",
}
"""What a user types after ``--backend`` → what it is."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A backend that can be started."""

    start: Callable[[], Backend]
    yarn: dict[str, Any] | None  # as in ``manifest.json``; None for doubles


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
        model: embedded model, Hugging Face id or folder; doubles do not use it.
        length: tokens of the longest prompt.
        sampling: how to decode.
        yarn: ``auto``, ``off`` or a factor; doubles do not use it.
        allow_rescale: may YaRN replace a scaling that the model already has.
        engine_args: handed on as they are; for doubles, their parameters.
        readers: for doubles: task → its own way to read a prompt.

    Raises:
        UsageError: no such backend, a parameter that it does not have, or a length that does not fit the model.
        BackendError: it is not installed; or, when it is started, it cannot be.
    """
    if name not in BACKENDS:
        raise UsageError(unknown("backend", name, BACKENDS))
    arguments = dict(engine_args or {})
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
    from longctx.backends.doubles import DOUBLES

    double = DOUBLES[name].from_args(arguments, readers)
    return Prepared(lambda: double, None)
