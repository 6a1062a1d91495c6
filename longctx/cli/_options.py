"""Options that several commands share, each with the sweep field that it overrides."""

from __future__ import annotations

import functools
import inspect
import json
import os.path
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from longctx.backends import DOUBLES
from longctx.errors import UsageError
from longctx.sweep import RANDOM, Sweep, read_sweep
from longctx.types import Sampling
from longctx.units import parse_count, parse_list, parse_numbers

Command = TypeVar("Command", bound=Callable[..., Any])


def _many(values: tuple[str, ...]) -> list[str]:
    """Items of an option that may be repeated and may hold lists; a path with a comma in it stays whole."""
    return [item for value in values for item in ([value] if os.path.exists(value) else parse_list(value))]


def _words(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[str] | None:
    return _many(values) if values else None


def _counts(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[int] | None:
    return [parse_count(item) for value in values for item in parse_list(value)] if values else None


def _numbers(what: str, high: float) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], list[float] | None]:
    def convert(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[float] | None:
        return parse_numbers(",".join(values), 0, high, what) if values else None

    return convert


def _depths(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> list[float] | list[str] | None:
    return [RANDOM] if values == (RANDOM,) else _numbers("depth", 1.0)(context, option, values)


def _axes(_: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, list[Any]] | None:
    axes = {name: [_plain(item) for item in parse_list(value)] for name, value in _pairs(option, values)}
    return axes or None


def _arguments(_: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, Any] | None:
    return {name: _plain(value) for name, value in _pairs(option, values)} or None


def _pairs(option: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, str]]:
    pairs = [value.partition("=") for value in values]
    for value, (name, equals, _) in zip(values, pairs, strict=True):
        if not name or not equals:
            raise UsageError(f"{option.opts[0]} {value!r} has not the form NAME=VALUE.")
    return [(name, value) for name, _, value in pairs]


def _number(_: click.Context, __: click.Parameter, value: str | None) -> Any:
    return None if value is None else _plain(value)


def _plain(text: str) -> Any:
    """The JSON value that the text is, or the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


_YARN = "auto|FACTOR|off|extrapolate"
_SAMPLES = (
    click.option("--task", "tasks", multiple=True, callback=_words, help="Tasks; see `longctx tasks`."),
    click.option("--corpus", "sources", multiple=True, callback=_words, help="Names of corpora, or folders."),
    click.option("--length", "lengths", multiple=True, callback=_counts, help="Tokens of the prompt: 4096,32K,1M."),
    click.option(
        "--mix",
        "mixes",
        multiple=True,
        metavar="NAME=SHARE,…",
        help="A corpus put together from several: contracts=0.5,code=0.3,support=0.2.",
    ),
    click.option(
        "--depth",
        "depths",
        multiple=True,
        callback=_depths,
        help="Where the needle: 0–1, or random: one for each sample, by its seed.",
    ),
    click.option(
        "--density",
        "densities",
        multiple=True,
        callback=_numbers("density", 10_000.0),
        help="Distractors per 10,000 tokens of haystack.",
    ),
    click.option("-n", "--samples", type=int, help="Haystacks per point of the grid, each with its own seed."),
    click.option("--seed", type=int, help="The first seed."),
    click.option(
        "--questions-per-haystack",
        type=int,
        help="Needles that share a haystack; each is asked about in turn, which computes its prefix only once.",
    ),
    click.option("--variant", multiple=True, callback=_axes, metavar="NAME=A,B", help="A further axis of the task."),
    click.option("--tier", "tiers", multiple=True, callback=_words, help="How alike distractors are: --variant tier=."),
    click.option(
        "--distance", "distances", multiple=True, callback=_words, help="Where they stand: --variant distance=."
    ),
    click.option("--facts", type=click.Path(dir_okay=False), help="Mined facts to ask about: --variant facts=."),
    click.option("--flat", is_flag=True, default=None, help="A conversation as one transcript: --variant flat=true."),
    click.option(
        "--controls", multiple=True, callback=_words, help="The same questions without a haystack: closed-book,short."
    ),
    click.option("--nested/--no-nested", default=None, help="Shorter haystacks are the beginnings of the longest one?"),
    click.option("--repeat/--no-repeat", default=None, help="May passages repeat where a corpus is too small?"),
    click.option("--voice", help="Voice of the needles, in place of the corpus's own."),
    click.option("--model", help="Embedded model, Hugging Face id or folder; see `longctx models`."),
    click.option("--tokenizer", help="Hugging Face id or folder; by default the model's."),
)
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
generators_option = click.option("--generators", multiple=True, type=_FOLDER, help="Folder with further tasks.")
corpora_option = click.option(
    "--corpora", "corpora_folders", multiple=True, type=_FOLDER, help="Folder with further corpora."
)
engine_argument_option = click.option(
    "--engine-arg",
    "engine",
    multiple=True,
    callback=_arguments,
    metavar="NAME=VALUE",
    help="Any argument of the engine; values are read as JSON where they are JSON.",
)
api_key_option = click.option(
    "--api-key-env", metavar="NAME", help="openai: environment variable with the key: OPENAI_API_KEY."
)
_ENGINE = (
    click.option("--backend", help="vllm; ray, a cluster; openai, a server; or a double: oracle, lossy."),
    click.option("--base-url", multiple=True, metavar="URL", help="openai: a server; more than one share the samples."),
    click.option("--api", help="openai: completions (token ids), chat (messages), or auto."),
    api_key_option,
    click.option("--concurrency", metavar="auto|N", callback=_number, help="openai: calls at once and server."),
    click.option("--timeout", type=float, help="openai: seconds that one call may take: 1200."),
    click.option(
        "--canaries",
        is_flag=True,
        default=None,
        help="openai: ask whether both ends of the prompts arrive, per length.",
    ),
    click.option("--yarn", metavar=_YARN, help="Stretch the model's window where a length needs it."),
    click.option(
        "--allow-rescale/--no-allow-rescale", default=None, help="May YaRN replace a scaling that the model has?"
    ),
    click.option("--max-tokens", type=int, help="Output tokens at most."),
    click.option("--temperature", type=float, help="0 by default: the likeliest token."),
    click.option("--sampling-seed", type=int, help="Seed for decoding."),
    click.option("--stop", multiple=True, help="Text at which the output ends."),
    engine_argument_option,
)
_WINDOW = (
    click.option(
        "--max-tokens",
        type=click.IntRange(min=1),
        default=Sampling().max_tokens,
        show_default=True,
        help="Output tokens at most.",
    ),
    click.option("--yarn", default="auto", show_default=True, metavar=_YARN, help="Stretch the window?"),
    click.option("--allow-rescale", is_flag=True, help="YaRN may replace a scaling that the model has."),
)
_SERVERS = ("base_url", "api", "api_key_env", "concurrency", "timeout", "canaries")
_SAMPLING = {"max_tokens": "max_tokens", "temperature": "temperature", "sampling_seed": "seed", "stop": "stop"}


def sample_options(command: Command) -> Command:
    """Everything that says which samples to build, and the folders to look in (`generators`, `corpora_folders`)."""
    return _with((*_SAMPLES, generators_option, corpora_option), command)


def engine_options(command: Command) -> Command:
    """Everything that says what answers them."""
    return _with(_ENGINE, command)


def window_options(command: Command) -> Command:
    """How long an output may be and whether the window is stretched, for commands that know no sweep."""
    return _with(_WINDOW, command)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")


def _with(options: tuple[Callable[[Command], Command], ...], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command was asked to run."""

    sweep: Sweep
    preset: str | None  # name or file of the sweep that the options override
    generators: tuple[Path, ...]
    corpora: tuple[Path, ...]

    @property
    def name(self) -> str:
        """Name for a run that was given none: the sweep's, or what is asked, over what, of what."""
        if self.preset:
            return Path(self.preset).stem
        sweep = self.sweep
        answerer = sweep.backend if sweep.backend in DOUBLES else sweep.model
        asked = [Path(sweep.source).stem] if sweep.source else [*sweep.tasks, *sweep.sources()]
        words = [*asked, Path(answerer).name]
        return "-".join("".join(c if c.isalnum() or c in "._" else "_" for c in word) for word in words)[:120]


def takes_sweep(command: Callable[..., None]) -> Callable[..., None]:
    """Hands a command what it was asked to run, in place of the argument and the options that say it.

    Stands below them; the command's own parameters are left to it.
    """
    own = inspect.signature(command).parameters

    @functools.wraps(command)
    def collect(
        sweep: str | None, generators: tuple[Path, ...], corpora_folders: tuple[Path, ...], **given: Any
    ) -> None:
        kept = {name: given.pop(name) for name in list(given) if name in own}
        asked = Sweep.from_fields(read_sweep(sweep) if sweep else {}, sweep_fields(given))
        command(Asked(asked, sweep, generators, corpora_folders), **kept)

    return collect


def sweep_argument(command: Command) -> Command:
    """Name of a preset, or a TOML file."""
    return click.argument("sweep", required=False, metavar="[PRESET|SWEEP.toml]")(command)


def sweep_fields(given: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, in the shape of `Sweep.from_fields`."""
    fields = {name: value for name, value in given.items() if value is not None and value != ()}
    mixes = [mix.replace(",", "+") for mix in fields.pop("mixes", ())]
    for mix in mixes:
        if "=" not in mix:
            raise UsageError(f"--mix {mix!r} has not the form NAME=SHARE,…; a whole corpus is --corpus {mix}.")
    if "sources" in fields or mixes:
        fields["corpora"] = [*fields.pop("sources", ()), *mixes]
    axes = {
        "tier": fields.pop("tiers", None),
        "distance": fields.pop("distances", None),
        "facts": fields.pop("facts", None),
        "flat": fields.pop("flat", None),
    }
    if named := {name: value for name, value in axes.items() if value}:
        fields["variant"] = fields.get("variant", {}) | named
    if servers := {name: fields.pop(name) for name in _SERVERS if name in fields}:
        fields["engine"] = fields.get("engine", {}) | servers
    sampling = {key: fields.pop(name) for name, key in _SAMPLING.items() if name in fields}
    return fields | ({"sampling": sampling} if sampling else {})
