"""What can be said about a Ray cluster, and what is handed on to the engines there."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from longctx import checks
from longctx.errors import UsageError

_SECRET = re.compile("KEY|TOKEN|SECRET|PASSW", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where the engines run, how many, and how much may go wrong.

    Raises:
        UsageError: a value that cannot be.
    """

    address: str = "auto"  # of the cluster, as ``ray.init`` takes it; "local": a new one on this machine
    replicas: int | None = None  # engines; None: as many as the cluster has GPUs for, and 1 without GPUs
    num_cpus: float = 1.0  # of an engine
    num_gpus: float | None = None  # of an engine; None: what its parallel sizes need where there are GPUs, else 0
    attempts: int = 3  # how often a sample is asked whose engine was lost meanwhile
    restarts: int = 3  # how often an engine is started again that was lost before it answered anything
    timeout: float = 3600.0  # seconds that an engine with samples may give no answer to any; then it hangs
    patience: float = 1800.0  # seconds that an engine may take to start
    runtime_env: Mapping[str, Any] = field(default_factory=dict)  # as ``ray.init`` takes it
    pass_env: tuple[str, ...] = ()  # names of variables of the environment here that engines get, such as HF_TOKEN

    def __post_init__(self) -> None:
        checks.word("address", self.address)
        for name, low in (("attempts", 1), ("restarts", 0)):
            checks.whole(name, getattr(self, name), low)
        if self.replicas is not None:
            checks.whole("replicas", self.replicas, 1)
        for name in ("num_cpus", "num_gpus", "timeout", "patience"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
                raise UsageError(f"{name} is {value!r}; possible are numbers from 0.")
        if not self.timeout:
            raise UsageError("timeout is 0; possible are seconds above 0.")
        if not isinstance(self.runtime_env, Mapping):
            raise UsageError(f"runtime_env is {self.runtime_env!r}; possible is an object as ray.init takes it.")
        object.__setattr__(self, "pass_env", tuple(checks.words("pass_env", self.pass_env)) if self.pass_env else ())
        for name in self.runtime_env.get("env_vars", ()):
            if _SECRET.search(name):
                raise UsageError(
                    f"runtime_env.env_vars.{name} would be written to the run folder. --engine-arg "
                    f"'pass_env=[\"{name}\"]' hands over what the environment here has."
                )
        for name in self.pass_env:
            if name not in os.environ:
                raise UsageError(f"The environment has no variable {name}, which pass_env names.")

    def environment(self) -> dict[str, Any]:
        """The whole ``runtime_env``, with what must not be written anywhere."""
        passed = {name: os.environ[name] for name in self.pass_env}
        given = dict(self.runtime_env)
        return given | ({"env_vars": {**given.get("env_vars", {}), **passed}} if passed else {})

    @classmethod
    def split(cls, arguments: Mapping[str, Any]) -> tuple[Options, dict[str, Any]]:
        """Options of the cluster, and the arguments of the engines that run there."""
        own = {entry.name for entry in fields(cls)}
        named = {name.replace("-", "_"): value for name, value in arguments.items()}
        options = cls(**{name: value for name, value in named.items() if name in own})
        return options, {name: value for name, value in named.items() if name not in own}
