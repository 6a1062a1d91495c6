"""The ray backend: its parts in this process, then a real Ray on this machine whose engines are doubles."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from toy_engine import BROKEN, POISON, STUCK, ToyEngine

from longctx.backends import prepare_backend
from longctx.backends.openai_errors import PASSING
from longctx.backends.ray_options import Options
from longctx.backends.ray_worker import Worker
from longctx.errors import BackendError, UsageError
from longctx.loop import complete
from longctx.runfolder import RunFolder
from longctx.types import Cell, Response, Sample, Sampling


def test_options_of_the_cluster_and_of_its_engines_are_told_apart() -> None:
    options, engine = Options.split({"num-cpus": 2, "replicas": 3, "max_num_seqs": 8, "dtype": "float32"})
    assert (options.num_cpus, options.replicas, options.address) == (2, 3, "auto")
    assert engine == {"max_num_seqs": 8, "dtype": "float32"}
    for wrong in (
        {"replicas": 0},
        {"timeout": 0},
        {"timeout": -1},
        {"num_gpus": -1},
        {"attempts": "many"},
        {"runtime_env": "pip"},
        {"patience": True},
    ):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            Options.split(wrong)


def test_secrets_are_passed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789")
    options, _ = Options.split({"runtime_env": {"env_vars": {"A": "1"}}, "pass_env": ["HF_TOKEN"]})
    assert options.environment() == {"env_vars": {"A": "1", "HF_TOKEN": "hf_0123456789"}}
    assert Options().environment() == {}
    with pytest.raises(UsageError, match="pass_env=") as refused:
        Options.split({"runtime_env": {"env_vars": {"HF_TOKEN": "hf_0123456789"}}})
    assert "hf_0123" not in str(refused.value)
    with pytest.raises(UsageError, match="no variable NOT_SET"):
        Options.split({"pass_env": "NOT_SET"})


def test_without_ray_the_error_says_what_to_type(smollm2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "ray" else find(name, *rest))
    with pytest.raises(BackendError, match=r"pip install 'longctx-stress\[ray\]'"):
        prepare_backend("ray", model=str(smollm2), length=1000, sampling=Sampling())


def test_nothing_loads_ray_before_an_engine_is_wanted() -> None:
    code = (
        "import sys, longctx, longctx.backends, longctx.cli.run, longctx.backends.ray_options,"
        "longctx.backends.ray_worker; sys.exit('ray' in sys.modules or 'vllm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def samples(count: int, haystacks: int = 4) -> Iterator[Sample]:
    """Samples of the same haystack are a seed's; ids are theirs alone."""
    for number in range(count):
        depth = number // haystacks / max(1, count // haystacks)
        yield toy.build(Cell("niah_single", "docs", 400, depth, 0.0, number % haystacks))


def test_an_engine_is_fed_while_it_works_and_a_prompt_that_is_asked_twice_is_answered_once() -> None:
    given = list(samples(9))

    async def ask() -> list[Any]:
        worker = Worker(partial(ToyEngine, 0.01))
        assert (await worker.describe())["pid"] == os.getpid()
        first = [asyncio.create_task(worker.answer(sample.id, sample.prompt_ids)) for sample in given[:6]]
        await first[0]
        second = [worker.answer(sample.id, sample.prompt_ids) for sample in (*given[5:], given[8])]
        answers = await asyncio.gather(*first, *second)
        await worker.forget()
        again = await worker.answer(given[0].id, given[0].prompt_ids)
        return [*answers, again]

    *answers, again = asyncio.run(ask())
    targets = {sample.id: sample.target for sample in given}
    assert all(answer.text == targets[answer.id] for answer in answers)
    assert len({answer.cached_tokens for answer in answers}) == 9  # the ninth answer is the last of the engine's
    assert again.cached_tokens == 0


def test_an_engine_that_fails_fails_all_it_had_and_all_that_comes_later() -> None:
    class Failing(ToyEngine):
        def answer(self, sample: Sample) -> Response:
            raise BackendError("no memory")

    async def ask() -> list[Any]:
        worker = Worker(partial(Failing, 0.01))
        given = list(samples(3))
        calls = [worker.answer(sample.id, sample.prompt_ids) for sample in given]
        failed = await asyncio.gather(*calls, return_exceptions=True)
        return [*failed, *await asyncio.gather(worker.answer("late", given[0].prompt_ids), return_exceptions=True)]

    assert [str(failure) for failure in asyncio.run(ask())] == ["no memory"] * 4


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    here = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")])))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local", num_cpus=2, object_store_memory=80 * 2**20, include_dashboard=False, log_to_driver=False,
            logging_level="error",
        )  # fmt: skip
        yield ray
        ray.shutdown()


def engines(delay_s: float = 0.0, **options: Any) -> Any:
    from longctx.backends.ray import RayBackend

    fields = {"replicas": 2, "num_cpus": 0.5} | options
    return RayBackend(partial(ToyEngine, delay_s), options=Options(**fields))


def wait_for_all(backend: Any) -> list[int]:
    """The engines' processes, once all have started."""
    while any(not replica.about for replica in backend._replicas):
        list(backend._collect(60))
    return [replica.about["pid"] for replica in backend._replicas]


@pytest.mark.slow
def test_samples_of_a_haystack_go_to_the_same_engine(cluster: Any) -> None:
    backend = engines()
    pids = wait_for_all(backend)
    given = {sample.id: sample for sample in samples(30, 6)}  # 2,000 tokens a haystack: small
    answers = list(backend.generate(iter(given.values())))
    assert Counter(answer.id for answer in answers) == Counter(list(given))
    homes = defaultdict(set)
    for answer in answers:
        assert answer.text == given[answer.id].target and answer.attempts == 1 and not answer.error
        homes[given[answer.id].metadata["haystack"]].add(int(answer.finish_reason))
    assert all(len(home) == 1 for home in homes.values())
    assert set.union(*homes.values()) == set(pids)
    backend.forget()
    [again] = backend.generate([given[answers[0].id]])
    assert again.cached_tokens == 0
    about = backend.describe()
    assert json.loads(json.dumps(about)) == about and (about["replicas"], about["num_cpus"]) == (2, 0.5)
    backend.close()
    backend.close()
    with pytest.raises(BackendError, match="closed"):
        next(backend.generate([]))


@pytest.mark.slow
def test_a_killed_engine_costs_its_samples_in_flight_not_the_run(cluster: Any, tmp_path: Path) -> None:
    sweep = toy.sweep(samples=20, lengths=[200])  # 100 samples
    backend = engines(0.02)
    first, _ = wait_for_all(backend)
    killed = threading.Event()

    def score(sample: Sample, response: Response) -> Any:
        seen.append(response)
        if len(seen) == 30:
            os.kill(first, signal.SIGKILL)
            killed.set()
        return toy.score(sample, response)

    seen: list[Response] = []
    with RunFolder(tmp_path, sweep) as folder:
        complete(folder, sweep.cells(), toy.build, lambda: backend, score=score, about=toy.ABOUT, corpora=toy.CORPORA)
    records = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    assert killed.is_set()
    assert len({record["cell"] for record in records}) == len(records) == 100
    assert {record["outcome"] for record in records} == {"right"}
    asked_again = [record for record in records if record["attempts"] > 1]
    assert 0 < len(asked_again) <= 8  # what an engine is given at once: two batches of four
    assert {record["attempts"] for record in asked_again} == {2}
    assert len({record["finish_reason"] for record in records}) >= 2


POISONED = """
import json, sys
from dataclasses import asdict
from test_ray import POISON, engines, with_one
backend = engines(0.01, replicas=1, address=sys.argv[1])
answers = [asdict(answer) for answer in backend.generate(with_one(POISON))]
backend.close()
print(json.dumps(answers))
"""


def with_one(text: str) -> list[Sample]:
    """24 samples, the sixth of which says something that an engine does not survive."""
    given = list(samples(24, 3))
    prompt = given[5].prompt.replace("gate ", text + " ")
    given[5] = replace(given[5], prompt_ids=np.frombuffer(prompt.encode(), np.uint8).astype(np.uint32))
    return given


@pytest.mark.slow
def test_what_engines_die_of_becomes_an_error_and_takes_no_other_sample_with_it(cluster: Any) -> None:
    """In a process of its own that joins the running cluster; nothing but its JSON document is on stdout."""
    address = cluster.get_runtime_context().gcs_address
    child = subprocess.run([sys.executable, "-c", POISONED, address], capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    answers = {answer["id"]: answer for answer in json.loads(child.stdout)}
    assert len(answers) == 24
    failed = answers.pop(with_one(POISON)[5].id)
    assert "3 engines were lost while answering this sample" in failed["error"] and failed["attempts"] == 3
    assert failed["error_kind"] == "connection"
    assert not any(answer["error"] for answer in answers.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "kind", "reason"), [(STUCK, "timeout", "no answer for 4 s"), (BROKEN, "server", "no memory")]
)
def test_an_engine_that_hangs_or_fails_is_started_again_and_the_error_has_its_kind(
    cluster: Any, text: str, kind: str, reason: str
) -> None:
    backend = engines(0.01, timeout=4.0, attempts=2)
    wait_for_all(backend)
    given = {sample.id: sample for sample in with_one(text)}
    answers = {answer.id: answer for answer in backend.generate(iter(given.values()))}
    backend.close()
    assert answers.keys() == given.keys()
    failed = answers.pop(list(given)[5])
    assert (failed.error_kind, failed.attempts) == (kind, 2) and reason in failed.error and kind in PASSING
    assert all(answer.text == given[name].target and not answer.error for name, answer in answers.items())


@pytest.mark.slow
def test_a_process_that_stands_still_costs_time_and_no_sample(cluster: Any) -> None:
    backend = engines(0.02, timeout=4.0)
    frozen, _ = wait_for_all(backend)
    answers = []
    for answer in backend.generate(samples(60)):
        answers.append(answer)
        if len(answers) == 10:
            os.kill(frozen, signal.SIGSTOP)
    backend.close()
    assert len({answer.id for answer in answers}) == len(answers) == 60
    assert not any(answer.error for answer in answers) and 0 < sum(answer.attempts > 1 for answer in answers) <= 8
    os.kill(frozen, signal.SIGKILL)  # Ray waits for it


@pytest.mark.slow
def test_a_haystack_that_is_most_of_the_work_is_shared_with_an_engine_that_would_idle(cluster: Any) -> None:
    backend = engines(0.05)
    wait_for_all(backend)
    shared = [replace(sample, metadata=sample.metadata | {"haystack": "h"}) for sample in samples(60)]
    answers = list(backend.generate(iter(shared)))
    backend.close()
    assert Counter(answer.id for answer in answers) == Counter(sample.id for sample in shared)
    assert min(Counter(answer.finish_reason for answer in answers).values()) >= 10
    assert {answer.attempts for answer in answers} == {1}


@pytest.mark.slow
def test_an_interrupted_run_is_gone_on_with(cluster: Any, tmp_path: Path) -> None:
    sweep = toy.sweep(samples=4)

    def interrupted(sample: Sample, response: Response) -> Any:
        seen.append(sample.id)
        if len(seen) > 11:
            raise KeyboardInterrupt
        return toy.score(sample, response)

    seen: list[str] = []
    about: dict[str, Any] = {"about": toy.ABOUT, "corpora": toy.CORPORA}
    with RunFolder(tmp_path, sweep) as folder, pytest.raises(KeyboardInterrupt):
        complete(folder, sweep.cells(), toy.build, partial(engines, 0.01), score=interrupted, **about)
    with RunFolder(tmp_path, sweep) as folder:
        complete(folder, sweep.cells(), toy.build, engines, score=toy.score, **about)
        assert folder.written == 40 - 11
    records = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    assert len({record["cell"] for record in records}) == len(records) == 40


@pytest.mark.slow
def test_an_engine_that_cannot_start_and_a_cluster_without_room_say_so(cluster: Any) -> None:
    from longctx.backends.ray import RayBackend

    with pytest.raises(BackendError, match="^no such weights$"):
        RayBackend(partial(ToyEngine, refuses="no such weights"), options=Options(replicas=2, num_cpus=0.5))
    with pytest.raises(UsageError, match="room for 4 engines of 0.5 CPUs and 0 GPUs each, and 5 are asked for"):
        engines(replicas=5)


@pytest.mark.slow
def test_when_every_engine_is_lost_the_run_ends_with_what_was_under_way_recorded(cluster: Any) -> None:
    backend = engines(0.01, replicas=1, restarts=0, attempts=1)
    [pid] = wait_for_all(backend)
    answers = []
    with pytest.raises(BackendError, match="Every engine was lost"):
        for answer in backend.generate(samples(40)):
            answers.append(answer)
            if len(answers) == 5:
                os.kill(pid, signal.SIGKILL)
    backend.close()
    assert 5 < len(answers) <= 40 and len({answer.id for answer in answers}) == len(answers)
    assert any(answer.error for answer in answers)
