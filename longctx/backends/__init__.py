"""Everything that answers samples, behind one seam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from longctx.errors import UsageError, unknown
from longctx.types import Sampling

if TYPE_CHECKING:
    from longctx.backends.base import Backend

BACKENDS = {
    "lossy": "double: an oracle that forgets by a known function of length, depth and density",
    "oracle": "double: finds the answer in the prompt's text",
    "vllm": "a model in vLLM, in this process",
}
"""What a user types after ``--backend`` → what it is."""


def check_backend(name: str) -> None:
    """Make sure that there is such a backend.

    Raises:
        UsageError: there is none; says the nearest and all that are.
    """
    if name not in BACKENDS:
        raise UsageError(unknown("backend", name, BACKENDS))


def open_backend(
    name: str,
    *,
    model: str,
    length: int,
    sampling: Sampling,
    yarn: str | float = "auto",
    allow_rescale: bool = False,
    engine_args: Mapping[str, Any] | None = None,
) -> Backend:
    """Start a backend; what it needs is imported only now.

    Args:
        name: one of `BACKENDS`.
        model: embedded model, Hugging Face id or folder; doubles do not use it.
        length: tokens of the longest prompt.
        sampling: how to decode.
        yarn: ``auto``, ``off`` or a factor; doubles do not use it.
        allow_rescale: may YaRN replace a scaling that the model already has.
        engine_args: handed on as they are; for doubles, their parameters.

    Raises:
        UsageError: no such backend, or a parameter that it does not have.
        BackendError: it cannot start or is not installed.
    """
    check_backend(name)
    arguments = dict(engine_args or {})
    if name == "vllm":
        from longctx.backends.vllm import open_vllm

        return open_vllm(model, length, sampling, yarn, allow_rescale, arguments)
    from longctx.backends.doubles import DOUBLES

    return DOUBLES[name].from_args(arguments)
