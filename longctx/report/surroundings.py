"""The text around needles and picked distractors, rebuilt from recipes where corpus and tokenizer are at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longctx.errors import LongctxError, RunError
from longctx.report.browser import spread

if TYPE_CHECKING:
    import pandas as pd

    from longctx.types import Cell, Sample

TOKENS = 200  # on each side
MOST = 200  # samples; each has to be built anew


def rebuild(
    run: Path, frame: pd.DataFrame, most: int = MOST, generators: Iterable[Path] = (), corpora: Iterable[Path] = ()
) -> tuple[dict[str, Any], str]:
    """Rebuild samples and cut out what stands around their needle and the distractor that was given as the answer.

    A sample counts only if its text has the SHA-256 that its record states.

    Args:
        run: its folder, with sweep.toml.
        frame: its samples.
        most: how many to rebuild, those that are not right first, from all cells in turn.
        generators: further folders with tasks.
        corpora: further folders with corpora.

    Returns:
        Sample id → ``passages``: lists of what it is, the text before, it, and the text behind. And why some or all
        are missing; empty where none is.
    """
    if most <= 0:
        return {}, "It was not asked for."
    placed = frame[frame["needle_start"].notna() & (frame["haystack_tokens"] > 0)]
    if placed.empty:
        return {}, "No sample says where its needle stands."
    chosen = spread(placed, most)
    try:
        recipes = _recipes(run, set(chosen["id"]))
        build, tokenizer = _builder(run, generators, corpora)
    except (LongctxError, ImportError, OSError, ValueError) as error:
        return {}, f"The samples cannot be rebuilt here: {error}"
    found: dict[str, Any] = {}
    failed = ""
    for row in chosen.to_dict("records"):
        try:
            sample = build(_cell(recipes[row["id"]]))
        except (LongctxError, KeyError, TypeError, OSError) as error:
            failed = f"{type(error).__name__}: {error}" if isinstance(error, KeyError | TypeError) else str(error)
            continue
        if sample.metadata["sha256"] != row["sha256"]:
            failed = "documents, tokenizer or version are not those of the run, so that another text came out."
            continue
        if sample.metadata.get("haystack_at") is not None:
            found[row["id"]] = {"passages": list(_passages(sample, row, tokenizer))}
    said = f"{len(chosen) - len(found):,} of {len(chosen):,} samples could not be rebuilt: {failed}" if failed else ""
    return found, said


def _recipes(run: Path, wanted: set[str]) -> dict[str, Mapping[str, Any]]:
    """Sample id → the cell of its recipe."""
    import json

    found = {}
    with (run / "records.jsonl").open("rb") as file:
        for line in file:
            try:
                record = json.loads(line)
            except ValueError:
                continue  # torn; `table.load` has complained where that is a fault
            if record.get("id") in wanted and isinstance(record.get("recipe"), dict):
                found[record["id"]] = record["recipe"].get("cell") or {}
    return found


def _builder(run: Path, generators: Iterable[Path], corpora: Iterable[Path]) -> tuple[Any, Any]:
    """What builds samples, and the tokenizer. Imported only here: analysis needs neither corpus nor tokenizer."""
    from longctx.builder import Builder, pick_tasks
    from longctx.sweep import Sweep, read_sweep

    if not (run / "sweep.toml").is_file():
        raise RunError("the run has no sweep.toml.")
    sweep = Sweep.from_fields(read_sweep(str(run / "sweep.toml")))
    if sweep.source:
        raise RunError("they came from a file, which says how they read but not how they were made.")
    builder = Builder(sweep, pick_tasks(sweep, generators), corpora)
    return builder.build, builder.tokenizer


def _cell(recipe: Mapping[str, Any]) -> Cell:
    from longctx.types import Cell

    known = {field.name for field in fields(Cell)}
    made = {name: _frozen(value) for name, value in recipe.items() if name in known}
    return Cell(**made)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _passages(sample: Sample, row: Mapping[Any, Any], tokenizer: Any) -> Any:
    about = sample.metadata
    spans = [("the needle", next(iter(about["needles"]), None))]
    start = row["picked_start"]
    if start == start and start is not None:
        spans += [("the distractor that was given", s) for s in about["distractors"] if s["start"] == start][:1]
    for name, span in spans:
        if span is None:
            continue
        first, last = about["haystack_at"], about["haystack_at"] + about["haystack_tokens"]
        begin, end = first + span["start"], first + span["end"]
        cuts = [max(first, begin - TOKENS), begin, end, min(last, end + TOKENS)]
        texts = [_decode(tokenizer, sample.prompt_ids[a:b]) for a, b in zip(cuts, cuts[1:], strict=False)]
        yield [name, *texts]


def _decode(tokenizer: Any, ids: Any) -> str:
    text: str = tokenizer.hf.decode(ids.tolist(), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text
