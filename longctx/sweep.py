"""What a run asks: a TOML file or flags in, cells out."""

from __future__ import annotations

import itertools
import json
import math
import os.path
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import tomli_w

from longctx import checks
from longctx.errors import UsageError, unknown
from longctx.mixes import mix_name, parse_mix
from longctx.types import Cell, Sampling
from longctx.units import parse_count
from longctx.yarn import WORDS as YARN_WORDS

PRESETS = Path(__file__).parent / "presets"
RANDOM = "random"
CONTROLS = ("closed-book", "short")
"""What may be asked without a haystack; see `longctx.controls`."""
_TABLES = ("variant", "sampling", "engine")
_GRID = (
    "corpora", "lengths", "tasks", "depths", "densities", "samples", "seed", "questions_per_haystack", "variant",
    "controls", "nested", "repeat", "voice",
)  # fmt: skip
"""Fields that say which samples to build."""
_ELSEWHERE = {
    "openai": ("api_key_env", "attempts", "backoff", "base_url", "concurrency", "patience", "timeout"),
    "ray": (
        "address", "replicas", "num_cpus", "num_gpus", "attempts", "restarts", "timeout", "patience", "runtime_env",
        "pass_env",
    ),
}  # fmt: skip
"""Backend → engine arguments that say where and how fast it asks; they change no sample."""
_OF_DISTRACTORS = ("tier", "distance")
_SECRETS = ("token", "key", "password", "secret")


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A grid of cells and the way in which they are asked.

    Values are checked and put into one form (sorted numbers, tuples) when the object is made, so that two
    sweeps that ask the same are equal.

    Raises:
        UsageError: a value that cannot be; says what is possible.
    """

    corpora: tuple[str, ...]  # names of shipped corpora, or folders
    lengths: tuple[int, ...]  # tokens the model receives; "4K" works
    tasks: tuple[str, ...] = ("niah_single",)
    depths: tuple[float | str, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)  # 0-1; "random": one for each sample, by its seed
    densities: tuple[float, ...] = (0.0,)  # distractors per 10,000 haystack tokens
    samples: int = 1  # haystacks per point of the grid, with seeds seed, seed + 1, …
    seed: int = 0
    questions_per_haystack: int = 1  # needles that share a haystack, each asked about in turn
    variant: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # further axes: name → values
    controls: tuple[str, ...] = ()  # questions without a haystack: "closed-book", "short"
    nested: bool = False  # shorter haystacks are the beginnings of the longest one of their seed
    repeat: bool = False  # may passages repeat where a corpus is too small
    voice: str = ""  # voice of the needles; empty: the corpus's own
    source: str = ""  # file of samples that are asked as they are, in place of all of the above; empty: none
    model: str = "smollm2-135m"  # embedded model, Hugging Face id or folder
    tokenizer: str = ""  # Hugging Face id or folder; empty: the model's
    backend: str = "vllm"
    yarn: str | float = "auto"  # "auto", "off", "extrapolate" or a factor
    allow_rescale: bool = False  # may YaRN replace a scaling that the model already has
    sampling: Sampling = Sampling()
    engine: Mapping[str, Any] = field(default_factory=dict)  # arguments handed to the engine as they are

    def __post_init__(self) -> None:
        if self.source:
            self._give_up_grid()
            return
        self._check()
        self.sources()

    def _give_up_grid(self) -> None:
        """Check a sweep that takes its samples from a file: whatever says what to build must not be said."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.name not in _GRID:
                continue
            if value and value != entry.default:
                raise UsageError(
                    f"The samples of {self.source} are asked as they are; {entry.name} ({value!r}) can't be given."
                )
            if isinstance(entry.default, tuple) or entry.name in ("corpora", "lengths"):
                object.__setattr__(self, entry.name, ())
        self._check_asking()

    def _check(self) -> None:
        lengths = [parse_count(length) for length in checks.items("lengths", self.lengths)]
        if 0 in lengths:
            raise UsageError("A length of 0 tokens was given; possible are lengths from 1 token.")
        resolved: dict[str, Any] = {
            "lengths": checks.distinct("lengths", sorted(lengths)),
            "depths": _depths(self.depths),
            "densities": checks.distinct("densities", sorted(checks.numbers("densities", self.densities, 10_000.0))),
            "tasks": checks.distinct("tasks", checks.words("tasks", self.tasks)),
            "corpora": checks.distinct("corpora", checks.words("corpora", self.corpora)),
            "variant": _axes(self.variant),
            "controls": _controls(self.controls),
        }
        self._check_asking()
        for name, low in (("samples", 1), ("seed", 0), ("questions_per_haystack", 1)):
            resolved[name] = checks.whole(name, getattr(self, name), low)
        checks.word("voice", self.voice)
        for name in ("nested", "repeat"):
            _true_or_false(name, getattr(self, name))
        for name, value in resolved.items():
            object.__setattr__(self, name, value)
        if self.questions_per_haystack > len(self.depths):
            raise UsageError(
                f"{self.questions_per_haystack} questions per haystack need as many depths, and there are "
                f"{len(self.depths)}; possible are 1 to {len(self.depths)}."
            )
        if self.nested and (mixes := [source for source in self.corpora if parse_mix(source)]):
            raise UsageError(
                f"nested is not possible with the mixed corpus {mixes[0]}: its parts take turns over the whole length."
            )

    def _check_asking(self) -> None:
        """Check what says how to ask, whatever is asked."""
        resolved = {"engine": _engine(self.engine), "sampling": _sampling(self.sampling), "yarn": _yarn(self.yarn)}
        for name in ("source", "model", "tokenizer", "backend"):
            checks.word(name, getattr(self, name))
        _true_or_false("allow_rescale", self.allow_rescale)
        for name, value in resolved.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_fields(cls, *layers: Mapping[str, Any]) -> Sweep:
        """Sweep from dictionaries shaped like the TOML; later layers win, tables are merged key by key.

        Where a later layer gives fewer depths than the earlier ones have questions per haystack, these give way.

        Raises:
            UsageError: an unknown or missing field, or a value that cannot be.
        """
        merged: dict[str, Any] = {}
        for layer in layers:
            together = merged.get("questions_per_haystack")
            for name, value in layer.items():
                _check_field(name, value)
                merged[name] = {**merged.get(name, {}), **value} if name in _TABLES else value
            if isinstance(together, int) and "depths" in layer and "questions_per_haystack" not in layer:
                merged["questions_per_haystack"] = min(together, len(checks.items("depths", layer["depths"])))
        if merged.get("source"):
            merged = {"corpora": (), "lengths": ()} | merged
        for name, remedy in (("corpora", "--corpus contracts"), ("lengths", "--length 4K,8K")):
            if name not in merged:
                raise UsageError(f"The sweep names no {name}; give them there or as a flag, for example {remedy}.")
        if "sampling" in merged:
            merged["sampling"] = Sampling(**merged["sampling"])
        return cls(**merged)

    def to_fields(self) -> dict[str, Any]:
        """Every field as plain JSON-like values, in the shape of the TOML."""
        plain: dict[str, Any] = json.loads(json.dumps({**asdict(self)}))
        tables = {name: plain.pop(name) for name in _TABLES}
        return {**plain, **tables}

    def to_toml(self) -> str:
        """The whole sweep, defaults written out; `from_fields(tomllib.loads(…))` gives it back exactly."""
        return tomli_w.dumps(self.to_fields())

    def sources(self) -> dict[str, str]:
        """Corpus name, as cells and records have it, → what to open.

        Raises:
            UsageError: two corpora would have the same name.
        """
        named: dict[str, str] = {}
        for source in self.corpora:
            shares = parse_mix(source)
            name = mix_name(shares) if shares else Path(os.path.abspath(source)).name or "root"
            if name in named:
                raise UsageError(f"Corpora {named[name]!r} and {source!r} would both be called {name!r}; rename one.")
            named[name] = source
        return named

    def cells(self) -> list[Cell]:
        """Every point of the grid: task × corpus × length × density × variant × seed × depth.

        With several questions per haystack the depths are dealt in turn into groups of at most that many,
        so that each group spans the whole range; the cells of a group share one haystack. Without distractors their
        tier and distance make no difference: density 0 is asked for the first of each alone.
        With `nested`, every cell names the longest length.
        """
        count = math.ceil(len(self.depths) / self.questions_per_haystack)
        depths: list[Any] = [None if depth == RANDOM else depth for depth in self.depths]
        groups = [tuple(depths[first::count]) for first in range(count)]
        axes = [[(name, value) for value in values] for name, values in self.variant.items()]
        nested = max(self.lengths) if self.nested else 0
        return [
            Cell(task, corpus, length, depth, density, seed, group if len(group) > 1 else (), variant, nested)
            for task in self.tasks
            for corpus in self.sources()
            for length in self.lengths
            for density in self.densities
            for variant in itertools.product(*axes)
            if density
            or all(axis[0] == value for axis, value in zip(axes, variant, strict=True) if value[0] in _OF_DISTRACTORS)
            for seed in range(self.seed, self.seed + self.samples)
            for group in groups
            for depth in group
        ]


def read_sweep(name_or_path: str) -> dict[str, Any]:
    """Fields of a shipped preset, or of a TOML file.

    Raises:
        UsageError: no such preset or file, or not valid TOML.
    """
    presets = {file.stem: file for file in PRESETS.glob("*.toml")}
    path = presets.get(name_or_path, Path(name_or_path))
    if name_or_path not in presets and path.suffix != ".toml" and not path.exists():
        raise UsageError(unknown("preset", name_or_path, presets) + " A path to a TOML file works too.")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Sweep {name_or_path!r} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"Sweep {name_or_path!r} is not valid TOML: {error}.") from None


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed between two sweeps' fields, one `field: old → new` each; tables key by key.

    Where and how fast is asked (`_ELSEWHERE`) may differ.
    """

    def flat(sweep: Mapping[str, Any]) -> dict[str, Any]:
        tables = {f"{table}.{key}": value for table in _TABLES for key, value in sweep.get(table, {}).items()}
        return {name: value for name, value in sweep.items() if name not in _TABLES} | tables

    before, after = flat(old), flat(new)
    elsewhere = [f"engine.{name}" for name in _ELSEWHERE.get(str(new.get("backend")), ())]
    return [
        f"{name}: {_shown(before, name)} → {_shown(after, name)}"
        for name in sorted(before.keys() | after.keys())
        if name not in elsewhere
        if _shown(before, name) != _shown(after, name)
    ]


def _check_field(name: str, value: Any) -> None:
    known = [f.name for f in fields(Sweep)]
    if name not in known:
        raise UsageError(unknown("sweep field", name, known))
    if name in _TABLES and not isinstance(value, Mapping):
        raise UsageError(f"{name} is {value!r}; it must be a table.")
    if name == "sampling":
        known = [f.name for f in fields(Sampling)]
        for key in value:
            if key not in known:
                raise UsageError(unknown("sampling field", key, known))


def _shown(sweep: Mapping[str, Any], name: str) -> str:
    return json.dumps(sweep[name], ensure_ascii=False, sort_keys=True) if name in sweep else "not set"


def _depths(values: Any) -> tuple[float | str, ...]:
    if checks.items("depths", values) == [RANDOM]:
        return (RANDOM,)
    return checks.distinct("depths", sorted(checks.numbers("depths", values, 1.0)))


def _true_or_false(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise UsageError(f"{name} is {value!r}; possible are true and false.")


def _axes(variant: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    axes = {}
    for name, values in sorted(checks.plain("variant", variant).items()):
        for value in (found := checks.items(f"variant.{name}", values)):
            if isinstance(value, (list, Mapping)):
                raise UsageError(f"variant.{name} has {value!r}; possible are text, numbers, true and false.")
        axes[name] = checks.distinct(f"variant.{name}", found)
    return axes


def _controls(controls: Any) -> tuple[str, ...]:
    found = checks.words("controls", controls) if controls else ()
    for name in found:
        if name not in CONTROLS:
            raise UsageError(unknown("control", name, CONTROLS))
    return tuple(sorted(checks.distinct("controls", found))) if found else ()


def _engine(arguments: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in arguments.items():
        if isinstance(value, str) and str(name).endswith(_SECRETS):
            raise UsageError(f"engine.{name} looks like a secret, and a sweep is written to disk: use the environment.")
    return dict(sorted(checks.plain("engine", arguments).items()))


def _sampling(sampling: Sampling) -> Sampling:
    [temperature] = checks.numbers("sampling.temperature", sampling.temperature, 100.0)
    return Sampling(
        max_tokens=checks.whole("sampling.max_tokens", sampling.max_tokens, 1),
        temperature=temperature,
        seed=checks.whole("sampling.seed", sampling.seed, 0),
        stop=tuple(checks.words("sampling.stop", sampling.stop)) if sampling.stop else (),
    )


def _yarn(yarn: Any) -> str | float:
    if yarn in YARN_WORDS:
        return str(yarn)
    try:
        factor = float(yarn)
    except (TypeError, ValueError, OverflowError):
        factor = math.nan
    if isinstance(yarn, bool) or not 1 < factor < math.inf:
        raise UsageError(f"yarn is {yarn!r}; possible are {', '.join(YARN_WORDS)}, or a factor above 1.")
    return factor
