"""What longctx costs beside the engine: the same prompts through a run, and to a bare vLLM engine in one call.

One engine answers distinct prompts that share no prefix, in turns: once all ids are handed to ``LLM.generate`` at once,
once a whole run (building every sample twice, the backend, scoring, records on disk) asks them one by one. The prefix
cache is emptied before each turn. Wall time says something on an idle machine only, so CPU time is measured as well;
between two steps of the engine everything that is not the engine happens, and the sum of these gaps is what a run can
cost it. The engine's own time differs between turns; the gaps do not hide in that.

    python benchmarks/overhead.py [--length 4K] [--prompts 6] [--turns 3] [--output 8]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longctx.backends.vllm import VllmBackend
from longctx.builder import Builder, cells_of, pick_tasks
from longctx.loop import complete
from longctx.models import read_config, resolve
from longctx.runfolder import RunFolder
from longctx.scorers import score
from longctx.sweep import Sweep
from longctx.types import Sampling
from longctx.units import parse_count
from longctx.yarn import plan_window


@dataclass(slots=True)
class Turn:
    """Seconds of one turn."""

    wall: float
    cpu: float  # of all threads
    gaps: float  # between the engine's steps, before the first and after the last
    gaps_cpu: float  # CPU in them
    steps: int


class Steps:
    """Times the steps of an engine, and with them what lies between."""

    def __init__(self, engine: Any) -> None:
        self._step, self.wall, self.cpu, self.count = engine.step, 0.0, 0.0, 0
        engine.step = self

    def __call__(self) -> Any:
        """One step, timed."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            return self._step()
        finally:
            self.wall += time.perf_counter() - wall
            self.cpu += time.process_time() - cpu
            self.count += 1


def timed(steps: Steps, work: Callable[[], object]) -> Turn:
    """One turn."""
    before = steps.wall, steps.cpu, steps.count
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    inside, inside_cpu, count = steps.wall - before[0], steps.cpu - before[1], steps.count - before[2]
    return Turn(wall, cpu, wall - inside, cpu - inside_cpu, count)


class Shared:
    """The engine for a run that leaves it running."""

    name, double = "vllm", False

    def __init__(self, backend: VllmBackend) -> None:
        self.describe, self.generate = backend.describe, backend.generate

    def close(self) -> None:
        """The next turn needs it."""


def main() -> None:
    """Alternate, and print the medians."""
    parser = argparse.ArgumentParser(description="What longctx costs beside a bare vLLM engine.")
    parser.add_argument("--length", type=parse_count, default=4096)
    parser.add_argument("--prompts", type=int, default=6)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--output", type=int, default=8, help="output tokens of each prompt at most")
    given = parser.parse_args()

    sampling = Sampling(given.output)
    sweep = Sweep(
        corpora=("contracts",), lengths=(given.length,), depths=(0.5,), samples=given.prompts, sampling=sampling
    )
    tasks = pick_tasks(sweep)
    cells = cells_of(sweep, tasks)
    builder = Builder(sweep, tasks)
    built = [builder.build(cell) for cell in cells]
    model = resolve(sweep.model)
    config = read_config(model)
    plan = plan_window(config, given.length, given.output, "off")
    backend = VllmBackend(model.path, plan=plan, sampling=sampling, config=config)
    steps = Steps(backend._llm.llm_engine)

    def bare() -> None:
        from vllm import SamplingParams, TokensPrompt

        prompts = [TokensPrompt(prompt_token_ids=sample.prompt_ids.tolist()) for sample in built]
        decoding = SamplingParams(temperature=0.0, max_tokens=given.output, seed=0)
        answered = backend._llm.generate(prompts, decoding, use_tqdm=False)
        texts["bare"] = sorted(output.outputs[0].text for output in answered)

    def run() -> None:
        with tempfile.TemporaryDirectory() as name, RunFolder(Path(name), sweep) as folder:
            complete(
                folder, cells, builder.build, lambda: Shared(backend), score=score, about={"model": "smollm2-135m"},
                corpora={},
            )  # fmt: skip
            assert len(folder.scores) == len(cells), folder.errors
            lines = (Path(name) / "records.jsonl").read_text(encoding="utf-8").splitlines()
            texts["run"] = sorted(json.loads(line)["output_text"] for line in lines)

    texts: dict[str, list[str]] = {}
    ways: dict[str, Callable[[], None]] = {"bare": bare, "run": run}
    turns: dict[str, list[Turn]] = {name: [] for name in ways}
    for turn in range(given.turns):
        for name in sorted(ways, reverse=bool(turn % 2)):
            backend.forget()
            turns[name].append(timed(steps, ways[name]))
            print(f"turn {turn} {name:5}", turns[name][-1], flush=True)
    backend.close()

    print(f"{given.prompts} prompts of {given.length:,} tokens, {given.output} output tokens, medians of {given.turns}")
    print(f"the same answers: {'yes' if texts['bare'] == texts['run'] else 'NO'}")
    print(f"{'':6}{'wall s':>10}{'CPU s':>10}{'gaps s':>10}{'gaps CPU s':>12}{'steps':>8}")
    middle = {}
    for name, some in turns.items():
        fields = ("wall", "cpu", "gaps", "gaps_cpu", "steps")
        middle[name] = {field: statistics.median(getattr(turn, field) for turn in some) for field in fields}
        row = middle[name]
        print(
            f"{name:6}{row['wall']:10.2f}{row['cpu']:10.2f}{row['gaps']:10.3f}{row['gaps_cpu']:12.3f}{row['steps']:8.0f}"
        )
    bare_, run_ = middle["bare"], middle["run"]
    wall, cpu = run_["wall"] / bare_["wall"] - 1, run_["cpu"] / bare_["cpu"] - 1
    print(f"a run costs {wall:+.1%} of wall time, {cpu:+.1%} of CPU time")
    print(f"gaps alone: {(run_['gaps'] - bare_['gaps']) / bare_['wall']:+.2%} of wall time, ", end="")
    print(f"{(run_['gaps_cpu'] - bare_['gaps_cpu']) / bare_['cpu']:+.2%} of CPU")


if __name__ == "__main__":
    main()
