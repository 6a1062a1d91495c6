"""The ray backend with what it is for: a vLLM engine with the real model, in an actor that is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest
import toy

from longctx.backends import prepare_backend
from longctx.types import Cell, Sample, Sampling

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore")]  # of Ray's, torch's and vLLM's parts


def engine() -> psutil.Process:
    """The process that the engine is in: on a CPU it has none of its own beside the actor's."""
    [found] = [one for one in psutil.Process().children(recursive=True) if one.name().startswith("ray::Worker")]
    return found


def test_an_engine_killed_in_mid_run_costs_its_samples_a_second_try(
    smollm2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    depths = [number / 9 for number in range(10)]
    asked: dict[str, Sample] = {
        sample.id: sample for sample in (toy.build(Cell("niah_single", "docs", 400, depth, 0.0, 1)) for depth in depths)
    }
    arguments = {"address": "local", "replicas": 1, "max_num_seqs": 1}
    prepared = prepare_backend(
        "ray", model=str(smollm2), length=400, sampling=Sampling(max_tokens=4), engine_args=arguments
    )
    backend = prepared.start()
    answers = []
    try:
        first = engine().pid
        for answer in backend.generate(asked.values()):
            answers.append(answer)
            if len(answers) == 3:
                os.kill(first, signal.SIGKILL)
        assert engine().pid != first
    finally:
        backend.close()
    assert {answer.id for answer in answers} == asked.keys() and len(answers) == len(asked)
    assert not any(answer.error for answer in answers)
    assert all(answer.prompt_tokens == len(asked[answer.id].prompt_ids) for answer in answers)
    assert {answer.attempts for answer in answers} == {1, 2}
