"""Doubles: backends that are no models. Their results are marked as such wherever they are shown."""

from __future__ import annotations

import dataclasses
import math
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from longctx.backends.reader import find_passages
from longctx.errors import UsageError, unknown
from longctx.tasks import Reader
from longctx.types import Response, Sample

_UNSTATED = "That is not stated."


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """A reader that finds the answer in the rendered prompt.

    It gets the prompt's text and the question, nothing else: neither the target nor where the needle stands. It quotes
    the passage that the question is about, or says that there is none.
    """

    delay_s: float = 0.0  # seconds that each answer takes
    readers: Mapping[str, Reader] = field(default_factory=dict, repr=False)  # task → its own way to read a prompt
    name = "oracle"
    double = True

    def __post_init__(self) -> None:
        for name in self.parameters():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise UsageError(f"{name} of {self.name} is {value!r}; possible are numbers from 0.")

    @classmethod
    def parameters(cls) -> list[str]:
        """Names of what ``--engine-arg`` can set."""
        return [field.name for field in dataclasses.fields(cls) if field.name != "readers"]

    @classmethod
    def from_args(cls, arguments: Mapping[str, Any], readers: Mapping[str, Reader] | None = None) -> Self:
        """A double with the parameters of ``--engine-arg``.

        Raises:
            UsageError: a parameter that it does not have or that cannot be.
        """
        for name in arguments:
            if name not in cls.parameters():
                raise UsageError(unknown(f"parameter of {cls.name}", name, cls.parameters()))
        return cls(**arguments, readers=readers or {})

    def describe(self) -> dict[str, Any]:
        """That it is a double, and its parameters."""
        return {"what": "a test double, no model", **{name: getattr(self, name) for name in self.parameters()}}

    def generate(self, samples: Iterable[Sample]) -> Iterator[Response]:
        """Answer each sample at once."""
        for sample in samples:
            begun = time.monotonic()
            text = self.answer(sample)
            if self.delay_s:
                time.sleep(self.delay_s)
            seconds = time.monotonic() - begun
            yield Response(
                id=sample.id,
                text=text,
                prompt_tokens=len(sample.prompt_ids),
                cached_tokens=0,
                output_tokens=1 + len(text) // 4,
                finish_reason="stop",
                ttft_s=seconds,
                total_s=seconds,
            )

    def answer(self, sample: Sample) -> str:
        """What it says to one sample."""
        if reader := self.readers.get(sample.metadata["task"]):
            return reader(sample.prompt, str(sample.metadata["question"])) or _absent(sample)
        passages = find_passages(sample.prompt, str(sample.metadata["question"]))
        return passages[0].text if passages and passages[0].certain else _absent(sample)

    def close(self) -> None:
        """Nothing to release."""


@dataclass(frozen=True, kw_only=True)
class Lossy(Oracle):
    """An oracle that forgets with a known probability, to test statistics against the truth.

    The chance to answer a sample of length L tokens at depth d among distractors of density D as the oracle would is

        ceiling · 1 / (1 + (L / midpoint) ^ steepness) · (1 − dip · 4 · d · (1 − d)) · exp(−density_loss · D)

    of the values that the sweep asked for. Otherwise the answer is wrong: a look-alike's passage or that there is
    none; for a fact that is absent, something that is not there.
    """

    midpoint: float = 65_536.0  # tokens at which half is forgotten
    steepness: float = 2.0
    dip: float = 0.3  # share that is forgotten in the middle of the haystack
    density_loss: float = 0.01  # for each distractor in 10,000 tokens
    ceiling: float = 1.0
    seed: float = 0
    name = "lossy"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, high in (("dip", 1.0), ("ceiling", 1.0)):
            if getattr(self, name) > high:
                raise UsageError(f"{name} of {self.name} is {getattr(self, name)}; possible are numbers from 0 to 1.")
        if self.midpoint == 0:
            raise UsageError(f"midpoint of {self.name} is 0; possible are numbers of tokens above 0.")

    def truth(self, length: int, depth: float, density: float) -> float:
        """The chance of the oracle's answer, 0-1."""
        kept = 1 / (1 + math.pow(length / self.midpoint, self.steepness))
        return self.ceiling * kept * (1 - self.dip * 4 * depth * (1 - depth)) * math.exp(-self.density_loss * density)

    def answer(self, sample: Sample) -> str:
        """The oracle's answer, or a wrong one."""
        asked = sample.metadata
        # The draw belongs to the sample: it is the same in every process and in any order.
        rng = random.Random(f"{self.seed} {sample.id}")
        chance = self.truth(asked["length_asked"], asked.get("depth_asked") or 0.0, asked.get("density_asked") or 0.0)
        right = super().answer(sample)
        if rng.random() < chance:
            return right
        if right == _absent(sample):
            return f"It is {rng.randrange(10**6, 10**7)}."
        if sample.metadata["task"] in self.readers and not asked.get("density_asked"):
            return _absent(sample)  # what reads like the question may then hold a part of the answer
        passages = find_passages(sample.prompt, str(asked["question"]))
        others = [passage.text for passage in passages if not passage.certain]
        return others[0] if others and rng.random() < 0.5 else _absent(sample)


def _absent(sample: Sample) -> str:
    """How the asker wants to hear that something is not stated."""
    forms = sample.metadata.get("absent_forms") or [_UNSTATED]
    return str(forms[0])


DOUBLES: dict[str, type[Oracle]] = {"oracle": Oracle, "lossy": Lossy}
