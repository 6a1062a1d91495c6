"""Every task at every length over every corpus: exact, canonical, answerable, and not without its needles.

For each sample: the prompt has exactly the length that was asked for, its ids are those of its text encoded whole
(beyond 128K tokens: of one sample of each task), every recorded span's text stands at its tokens, an independent reader
of the text answers it, and the same reader is not right once the needles are cut out of the text (`niah_absent` alone
still is). ``make check-tasks`` asks all lengths over the shipped corpora.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from longctx.backends.doubles import Oracle
from longctx.corpus import Corpora, Corpus
from longctx.errors import ImpossibleSample, LongctxError
from longctx.scorers import score
from longctx.tasks import Task, find_tasks
from longctx.tokens import Encoding, Tokenizer, load_tokenizer
from longctx.types import Cell, Response, Sample
from longctx.units import parse_count

SHIPPED = (
    "contracts", "disclosures", "support", "policies", "code", "codebases",
    "support@neutral-en", "support@neutral-de", "support@neutral-zh", "contracts=0.5+code=0.3+support=0.2",
)  # fmt: skip
ALL_WHOLE = 1 << 17  # tokens up to which every prompt is encoded whole; longer ones once a task
DEPTHS = (0.5, 0.0, 1.0, None, 0.3)
DENSITY = 4.0  # distractors per 10,000 tokens, in every second sample of a task that has them
NEAR = 4  # distractors at most where all of them stand within 512 tokens of the needle

_TIERS: list[dict[str, Any]] = [{"tier": "entity"}, {"tier": "superseded"}]
_DISTANCES: list[dict[str, Any]] = [{"distance": "near"}, {"distance": "far"}]
_PLACES: list[dict[str, Any]] = [{"places": 16}, {"places": 256}]
_RULER: list[dict[str, Any]] = [{"mode": "compat"}]
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "niah_single": [
        *_TIERS, *_DISTANCES, {"tier": "superseded", "distance": "near"},
        {"needle": "words"}, {"needle": "numbers"}, {"needle": "uuids"},
    ],
    "niah_absent": [*_TIERS, *_DISTANCES, {"escape": False}],
    "niah_multikey": [*_TIERS, *_DISTANCES, {"keys": 16}],
    "niah_multivalue": [*_DISTANCES, {"values": 8}],
    "niah_multiquery": [*_TIERS, *_DISTANCES, {"queries": 8}],
    "niah_split": [*_DISTANCES, {"gap": 500}],
    "grounded": [*_TIERS, *_DISTANCES],
    "mined": [{"edit": "edited"}],
    "mrcr": [
        {"needles": 4}, {"needles": 8}, {"needles": 4, "spread": "near"}, {"needles": 8, "spread": "near"},
        {"flat": True, "needles": 4}, {"grader": "deepmind", "flat": True, "needles": 8},
    ],
    "trace": [
        {"hops": hops, "chains": chains, "ask": ask} for hops in (1, 16) for chains in (1, 4) for ask in ("end", "all")
    ],
    "aggregate_count": _PLACES,
    "aggregate_sum": _PLACES,
    "aggregate_missing": _PLACES,
    "aggregate_top": _PLACES,
    "graph_bfs": [{"steps": 1}, {"steps": 8}, {"empty": True, "convention": "empty"}],
    "graph_parents": [{"empty": True, "convention": "empty"}],
}  # fmt: skip
"""Beside a task's defaults, which are always asked."""
LONG: dict[str, list[dict[str, Any]]] = {
    "niah_single": [{"tier": "superseded", "distance": "near"}],
    "mined": [{"edit": "edited"}],
    "mrcr": [{"needles": 4, "spread": "near"}, {"flat": True, "needles": 8}],
    "trace": [{"hops": 16, "chains": 4}],
    "aggregate_count": [{"places": 256}],
    "aggregate_missing": [{"places": 256}],
}
"""Those of them that are asked beyond `ALL_WHOLE` tokens."""


def variants(task: Task, length: int, every: bool) -> list[dict[str, Any]]:
    """Values of a task's further axes, the defaults first."""
    if not every:
        return [{}]
    if length > ALL_WHOLE:
        return [{}, *LONG.get(task.name, [])]
    return [{}, *VARIANTS.get(task.name, _RULER if task.name.startswith("ruler") else [])]


class Wrong(Exception):
    """A sample is not what it should be."""


class Checker:
    """Checks samples made with one tokenizer, and counts."""

    def __init__(self, tokenizer: Tokenizer, tasks: dict[str, Task]) -> None:
        """Remember with what to read."""
        self.tokenizer, self.tasks = tokenizer, tasks
        self.oracle = Oracle(readers={name: task.reader for name, task in tasks.items() if task.reader})
        self.whole: set[tuple[str, int]] = set()  # task, length beyond `ALL_WHOLE` that were encoded whole

    def check(self, sample: Sample, cell: Cell, counts: Counter[str]) -> None:
        """Hold one sample to what is promised.

        Raises:
            Wrong: it is not so; says how.
        """
        self._length(sample, cell)
        counts["exact"] += 1
        if self.tokenizer.render(sample.input) != sample.prompt:
            raise Wrong("the input, rendered, is another text than the prompt")
        encoding = None
        if cell.length <= ALL_WHOLE or (cell.task, cell.length) not in self.whole:
            self.whole.add((cell.task, cell.length))
            encoding = self.tokenizer.encode(sample.prompt)
            if not np.array_equal(self.tokenizer.affixed(encoding.ids), sample.prompt_ids):
                raise Wrong("the ids are not those of the whole prompt")
            counts["ids"] += 1
        counts["spans"] += self._spans(sample, encoding)
        self._readers(sample, cell, counts)

    def _length(self, sample: Sample, cell: Cell) -> None:
        found, rule = len(sample.prompt_ids), sample.metadata.get("length_rule", "exact")
        if found != sample.metadata["length"]:
            raise Wrong(f"{found} tokens, and the record says {sample.metadata['length']}")
        if rule == "exact" and found != cell.length:
            raise Wrong(f"{found} tokens")
        if rule == "ruler" and found + sample.metadata["generation_budget"] > cell.length:
            raise Wrong(f"{found} tokens and {sample.metadata['generation_budget']} for the answer")

    def _spans(self, sample: Sample, encoding: Encoding | None) -> int:
        before = self.tokenizer.affix_counts[0]
        at, tokens = sample.metadata["haystack_at"], sample.metadata["haystack_tokens"]
        text = sample.prompt.encode()
        spans = [span for key in ("needles", "co_needles", "distractors") for span in sample.metadata[key]]
        for span in spans:
            first, last = at + span["start"], at + span["end"]
            if not 0 <= span["start"] < span["end"] <= tokens:
                raise Wrong(f"a span from {span['start']} to {span['end']} in {tokens} tokens of haystack")
            if encoding is not None:
                held = text[encoding.starts[first - before] : encoding.ends[first - before : last - before].max()]
                inside = span["text"].encode() in held
            else:
                inside = span["text"] in self.tokenizer.hf.decode(
                    sample.prompt_ids[first:last].tolist(), clean_up_tokenization_spaces=False
                )
            if not inside:
                raise Wrong(f"{span['text'][:80]!r} does not stand at tokens {span['start']} to {span['end']}")
        return len(spans)

    def _readers(self, sample: Sample, cell: Cell, counts: Counter[str]) -> None:
        value, answer = self._worth(sample, sample.prompt)
        if value != 1:
            wanted, asked = str(sample.target)[:120], str(sample.metadata["question"])[:200]
            raise Wrong(f"the oracle answers {answer[:120]!r} for {wanted!r} ({value:.2f}): {asked!r}")
        counts["oracle"] += 1
        blind, answer = self._worth(sample, without(sample.prompt, sample.metadata["needles"]))
        if (blind == 1) != (sample.metadata["scorer"] == "absent" or self._nothing(sample)):
            raise Wrong(f"a blind reader answers {answer[:120]!r} for {str(sample.target)[:120]!r} ({blind:.2f})")
        counts["blind"] += 1
        counts["blind partly"] += 0 < blind < 1

    def _nothing(self, sample: Sample) -> bool:
        """True where the right answer is that there is no such thing, as for a graph's missing nodes."""
        return sample.target == []

    def _worth(self, sample: Sample, prompt: str) -> tuple[float, str]:
        answer = self.oracle.answer(dataclasses.replace(sample, prompt=prompt))
        return score(sample, Response(sample.id, answer)).value, answer


def without(prompt: str, needles: list[dict[str, Any]]) -> str:
    """The prompt with the needles cut out of it, wherever their texts stand."""
    for text in {needle["text"] for needle in needles}:
        prompt = prompt.replace(text, "")
    return prompt


def cells(task: Task, corpus: Corpus, length: int, seeds: int, every: bool) -> Iterator[Cell]:
    """What is asked of a task over a corpus."""
    for number, variant in enumerate(variants(task, length, every)):
        for seed in range(seeds):
            turn = number + seed
            dense = task.density and (turn % 2 or "tier" in variant or "distance" in variant)
            density = min(DENSITY, NEAR * 10_000 / length) if variant.get("distance") == "near" else DENSITY
            yield Cell(
                task.name, corpus.name, length, DEPTHS[turn % len(DEPTHS)] if task.depth else None,
                density if dense else 0.0, seed, variant=tuple(sorted(variant.items())),
            )  # fmt: skip


def named(cell: Cell) -> str:
    """A cell as options of ``longctx build``."""
    words = [f"--task {cell.task} --length {cell.length} --seed {cell.seed}"]
    words += [f"--depth {cell.depth:g}"] if cell.depth is not None else []
    words += [f"--density {cell.density:g}"] if cell.density else []
    return " ".join(words + [f"--variant {name}={value}" for name, value in cell.variant])


@cache
def small_kinds() -> dict[str, Any]:
    """The small tokenizers of the tests: kind → what makes one."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    import small_tokenizers

    return dict(small_tokenizers.KINDS)


def load(name: str) -> Tokenizer:
    """A model's tokenizer, or one of the small ones of the tests."""
    kinds = small_kinds()
    return Tokenizer(kinds[name](), name) if name in kinds else load_tokenizer(name)


def check_task(checker: Checker, task: Task, corpus: Corpus, asked: list[Cell]) -> tuple[str, list[str]]:
    """Check a task's cells over a corpus: the line to print, and what failed."""
    counts, failed, shortest = Counter[str](), list[str](), 0
    begin = time.process_time()
    for cell in asked:
        counts["asked"] += 1
        try:
            sample = task.build(corpus, cell, checker.tokenizer)
            checker.check(sample, cell, counts)
            continue
        except ImpossibleSample as error:
            _, named_length, needed = str(error).partition("The shortest possible length with these is ")
            needed = needed.split(" ")[0].rstrip(".").replace(",", "")
            # Not every variant fits into 4K, nor do all defaults where a word takes many tokens.
            toy = checker.tokenizer.name in small_kinds()
            if (cell.variant or toy) and named_length and int(needed) + 200 > cell.length:
                counts["too short"] += 1
                shortest = max(shortest, int(needed))
                continue
            reason = str(error)
        except (Wrong, LongctxError) as error:
            reason = f"{type(error).__name__}: {error}"
        except Exception:  # a defect; the others are still checked
            reason = traceback.format_exc(limit=-3)
        if "has no pairs in the corpus's language" in reason:
            counts["not in this language"] += 1
            continue
        failed.append(reason if "\n" in reason else reason[:500])
        failed[-1] = f"{named(cell)}: {failed[-1]}"
    seconds = time.process_time() - begin
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    line = f"{said}{f' (longest needs {shortest:,})' if shortest else ''}, {len(failed)} failed, {seconds:.1f} s CPU"
    return line, failed


def main() -> int:
    """Check, print a line for each task, corpus and length, and say in the end what failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default=",".join(SHIPPED), help="names, folders or mixes; NAME@VOICE with a voice")
    parser.add_argument("--length", default="4K", help="tokens, such as 4K,128K,1M")
    parser.add_argument("--task", default="", help="all where it is not given")
    parser.add_argument("--seeds", type=int, default=2, help="samples of each variant; beyond 128K one")
    parser.add_argument("--tokenizer", default="smollm2-135m", help="a model, or a kind of tests/small_tokenizers.py")
    parser.add_argument("--quick", action="store_true", help="defaults alone, one sample of each")
    options = parser.parse_args()
    tasks = find_tasks()
    picked = [tasks[name] for name in options.task.split(",") if name] or list(tasks.values())
    failures, samples, began = list[str](), 0, time.process_time()
    for tokenizer_name, length in itertools.product(options.tokenizer.split(","), options.length.split(",")):
        tokens = parse_count(length)
        checker = Checker(load(tokenizer_name), tasks)
        for source in options.corpus.split(","):
            name, _, voice = source.partition("@")
            opened = Corpora(checker.tokenizer, voice=voice, repeat=True)
            for task in picked:
                corpus = opened.get(name, tokens * task.corpus_factor)
                seeds = 1 if options.quick or tokens > ALL_WHOLE else options.seeds
                asked = list(cells(task, corpus, tokens, seeds, not options.quick))
                line, failed = check_task(checker, task, corpus, asked)
                samples += len(asked)
                print(f"{task.name:22} {source:22} {length:>5} {tokenizer_name}: {line}", flush=True)
                for each in failed:
                    print(f"    FAILED {each}", flush=True)
                    failures.append(f"{source}, {tokenizer_name}: {each}")
    print(f"\n{samples:,} samples in {time.process_time() - began:,.0f} s CPU; {len(failures)} failed.")
    for each in failures:
        print(f"  {each.splitlines()[0]}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
