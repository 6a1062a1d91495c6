from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import tempfile
import tomllib
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy

from longctx import runfolder
from longctx.errors import BackendError, ContractError, ImpossibleSample, RunError
from longctx.loop import ask, cell_id, complete, remaining
from longctx.runfolder import RunFolder
from longctx.sweep import Sweep
from longctx.types import Cell, Response, Sample


def go(path: Path, backend: toy.Toy | None = None, sweep: Sweep | None = None, **changes: Any) -> toy.Toy:
    backend, sweep = backend or toy.Toy(), sweep or toy.sweep()
    given = {"score": toy.score, "about": toy.ABOUT, "corpora": toy.CORPORA} | changes
    with RunFolder(path, sweep) as folder:
        complete(folder, sweep.cells(), given.pop("build", toy.build), lambda: backend, **given)
    return backend


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path / "records.jsonl").read_text(encoding="utf-8").splitlines()]


def failing(sample: Sample) -> Response:
    return Response(sample.id, error="HTTP 503")


def test_every_cell_gets_one_record(tmp_path: Path) -> None:
    backend = go(tmp_path)
    found = records(tmp_path)
    assert [record["id"] for record in found] == backend.asked
    assert {record["cell"] for record in found} == {cell_id(cell) for cell in toy.sweep().cells()}
    assert {record["outcome"] for record in found} == {"right", "wrong"}
    assert backend.closed == 1
    assert tomllib.loads((tmp_path / "sweep.toml").read_text())["lengths"] == [200, 400]
    assert json.loads((tmp_path / "corpora.json").read_text()) == toy.CORPORA


def test_a_record_holds_cell_sample_response_and_score(tmp_path: Path) -> None:
    def answer(sample: Sample) -> Response:
        return Response(sample.id, "Gate 7 …", len(sample.prompt_ids), 128, 5, 2, "stop", 0.5, 0.75, attempts=2)

    go(tmp_path, toy.Toy(answer), toy.sweep(lengths=[200], depths=[0.5], seed=3, variant={"tier": "x"}))
    [record] = records(tmp_path)
    sample = toy.build(Cell("niah_single", "docs", 200, 0.5, 0.0, 3, (), (("tier", "x"),)))
    assert record["started_at"].endswith("+00:00")
    expected = {
        "id": sample.id, "task": "niah_single", "corpus": "docs", "length_asked": 200, "length": 200,
        "depth_asked": 0.5, "depth": 0.5, "density_asked": 0.0, "density": 0.0, "seed": 3, "variant": {"tier": "x"},
        "haystack": "docs-200-3", "question": sample.metadata["question"], "target": sample.target, "model": "toy",
        "backend": "toy", "prompt_tokens": 200, "cached_tokens": 128, "output_text": "Gate 7 …", "output_tokens": 5,
        "thinking_tokens": 2, "finish_reason": "stop", "ttft_s": 0.5, "total_s": 0.75, "score": 0.0,
        "outcome": "wrong", "explanation": "", "error": "", "attempts": 2,
    }  # fmt: skip
    assert expected.items() <= record.items()
    missing = {
        "haystack_at", "haystack_tokens", "host", "host_format", "tokenizer", "scorer", "needles", "co_needles",
        "distractors", "nested", "repeated", "sha256", "recipe", "cell", "started_at", "extra", "answer_text", "picked",
        "error_kind", "canaries",
    }  # fmt: skip
    assert record.keys() == expected.keys() | missing


def test_the_manifest_says_what_was_run(tmp_path: Path) -> None:
    go(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert set(manifest) == {
        "longctx", "model", "tokenizer", "created_at", "backend", "hardware", "packages", "plan", "sessions",
    }  # fmt: skip
    assert manifest["backend"] == {"name": "toy", "double": True, "delay_s": 0.0}
    assert manifest["plan"]["samples"] == 10 and manifest["plan"]["prompt_tokens"] == 5 * 200 + 5 * 400
    assert manifest["hardware"]["cores"] >= 1
    assert [session["started_at"] for session in manifest["sessions"]] == [manifest["created_at"]]


def test_a_finished_run_starts_no_engine(tmp_path: Path) -> None:
    go(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.name != ".lock"}
    assert go(tmp_path).asked == []
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.name != ".lock"} == before


def test_failed_calls_are_asked_again_and_the_newest_record_counts(tmp_path: Path) -> None:
    go(tmp_path, toy.Toy(failing))
    with RunFolder(tmp_path, toy.sweep()) as folder:
        assert len(folder.errors) == 10 and not folder.scores
        assert len(remaining(toy.sweep().cells(), folder)) == 10
    assert {(record["outcome"], record["score"]) for record in records(tmp_path)} == {("error", None)}
    assert len(go(tmp_path).asked) == 10
    with RunFolder(tmp_path, toy.sweep()) as folder:
        assert len(folder.scores) == 10 and not folder.errors
    assert json.loads((tmp_path / "manifest.json").read_text())["sessions"][1]["hardware"]


@pytest.mark.parametrize("torn", [b'{"id": "abc', b'{"id": "abc"}', b"\0" * 4096, b"\xff\xfe\n", b"12\n", b"\n"])
def test_a_torn_last_line_is_dropped(tmp_path: Path, torn: bytes) -> None:
    go(tmp_path)
    file = tmp_path / "records.jsonl"
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-1]) + torn)
    with RunFolder(tmp_path, toy.sweep()) as folder:
        assert folder.damaged_bytes == len(torn)
        assert file.read_bytes() == b"".join(lines[:-1])
    assert len(go(tmp_path).asked) == 1
    assert [record["id"] for record in records(tmp_path)] == [json.loads(line)["id"] for line in lines]


@pytest.mark.parametrize("cut", range(1, 40, 7))
def test_a_line_torn_anywhere_is_dropped(tmp_path: Path, cut: int) -> None:
    go(tmp_path)
    file = tmp_path / "records.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    assert len(go(tmp_path).asked) == 1
    assert len(records(tmp_path)) == 10


@pytest.mark.parametrize("damage", [b"{]\n", b"[1]\n", b'{"id": "x"}\n', b'{"cell": "x", "outcome": "right"}\n'])
def test_damage_in_the_middle_is_refused_with_its_line(tmp_path: Path, damage: bytes) -> None:
    go(tmp_path)
    file = tmp_path / "records.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:3], damage, *lines[4:]]))
    with pytest.raises(RunError, match="line 4 is not a record"):
        RunFolder(tmp_path, toy.sweep())


@pytest.mark.parametrize("inside", [b"\xff", b"\0", b"\t", b"\\q", b'"'])
def test_damage_inside_a_text_that_is_skipped_is_seen(tmp_path: Path, inside: bytes) -> None:
    go(tmp_path)
    file = tmp_path / "records.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    lines[6] = lines[6].replace(b'"question": "', b'"question": "' + inside)
    file.write_bytes(b"".join(lines))
    with pytest.raises(RunError, match="line 7 is not a record"):
        RunFolder(tmp_path, toy.sweep())


def test_a_line_is_read_as_json_reads_it_whatever_happened_to_it(tmp_path: Path) -> None:
    """The fast way to go on never takes a line for a record, or for another one, that parsing all of it would not."""
    go(tmp_path)
    line = (tmp_path / "records.jsonl").read_bytes().splitlines(keepends=True)[0]
    rng = random.Random(8)
    forms = [
        line,
        line.replace(b'"score": ', b'"score": NaN, "was": '),
        line.replace(b'"question": "', b'"q": "\\ud83d'),
    ]
    for _ in range(3000):
        at = rng.randrange(len(line) - 1)
        put = rng.choice((b"", b"\0", b"\t", b"\n", b'"', b",", b"1", b"\\", b"{", b"}", b"\xc3", b"\xff"))
        forms.append(line[:at] + put + line[at + rng.randrange(2) :])  # a byte lost, changed or added
    taken = 0
    for form in forms:
        try:
            record = json.loads(form)
            whole = isinstance(record["cell"], str) and isinstance(record["outcome"], str)
            expected = (record["cell"], str(float(record["score"])), str(record.get("error", ""))) if whole else None
        except (ValueError, KeyError, TypeError):
            expected = None
        found = runfolder._read(form)
        taken += found is not None
        assert (found and (found.cell, str(found.score), found.error)) == expected, form
    assert 300 < taken < 2900


def test_what_a_run_writes_is_read_the_fast_way_when_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(tmp_path, toy.Toy(failing))
    go(tmp_path)
    with RunFolder(tmp_path, toy.sweep()) as folder:
        expected = folder.scores
    monkeypatch.setattr(runfolder, "_complete", lambda record: pytest.fail("parsed as a whole"))
    with RunFolder(tmp_path, toy.sweep()) as folder:
        assert folder.scores == expected and len(expected) == 10 and not folder.errors


def test_another_sweep_is_refused_with_what_differs(tmp_path: Path) -> None:
    go(tmp_path)
    with pytest.raises(RunError, match=r"holds another sweep \(lengths: \[200, 400\] → \[200\]; samples: 1 → 2\)"):
        RunFolder(tmp_path, toy.sweep(lengths=[200], samples=2))


def test_a_sweep_written_before_a_field_existed_is_read_with_its_default(tmp_path: Path) -> None:
    go(tmp_path)
    file = tmp_path / "sweep.toml"
    file.write_text(file.read_text().replace("allow_rescale = false\n", ""))
    assert go(tmp_path).asked == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"corpora": {"docs": {"hashes": {"200": "c2"}}}}, "corpus 'docs' hash: c1 → c2"),
        ({"about": toy.ABOUT | {"tokenizer": {"hash": "t2"}}}, "tokenizer hash: t1 → t2"),
        ({"about": toy.ABOUT | {"longctx": "1"}}, "longctx: 0 → 1"),
    ],
)
def test_changed_ingredients_under_a_half_done_run_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    go(tmp_path, toy.Toy(failing))
    backend = toy.Toy()
    with pytest.raises(RunError, match=message):
        go(tmp_path, backend, **changes)
    assert backend.asked == [] and backend.closed == 0


def test_ingredients_may_change_before_the_first_record(tmp_path: Path) -> None:
    with pytest.raises(ContractError):
        go(tmp_path, toy.Toy(lambda sample: Response(sample.id, prompt_tokens=1)))
    go(tmp_path, corpora={"docs": {"hashes": {"200": "c2"}}})
    assert json.loads((tmp_path / "corpora.json").read_text()) == {"docs": {"hashes": {"200": "c2"}}}


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_records_without_a_readable_manifest_are_refused(tmp_path: Path, content: str | None) -> None:
    go(tmp_path, toy.Toy(failing))
    (tmp_path / "manifest.json").unlink()
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(RunError, match=r"manifest\.json"):
        go(tmp_path)


def test_a_folder_that_is_no_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("")
    with pytest.raises(RunError, match="not a run but holds thesis.docx"):
        RunFolder(tmp_path, toy.sweep())
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.docx"]


def test_a_place_that_cannot_be_a_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match="cannot be used: (Not a directory|File exists)"):
            RunFolder(place, toy.sweep())


def test_a_full_disk_harms_nothing(tmp_path: Path) -> None:
    # RLIMIT_FSIZE makes write() stop in the middle of a line, just as a full disk does
    go(tmp_path / "whole")
    size = (tmp_path / "whole" / "records.jsonl").stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(size // 2, 4096), limits[1]))
    try:
        with pytest.raises(RunError, match="File too large. The [1-9] answers before it are kept"):
            go(tmp_path / "full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    kept = records(tmp_path / "full")
    assert 1 <= len(kept) < 10 and (tmp_path / "full" / "records.jsonl").read_bytes().endswith(b"}\n")
    assert len(go(tmp_path / "full").asked) == 10 - len(kept)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody may write there, the superuser neither: rights bite only those who are not root."""
    modes = {path: path.stat().st_mode for path in (folder, *folder.iterdir())}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222 | (0o055 if path.is_dir() else 0o044))
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine can reach; pytest's are private."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_read_only_place_is_refused_before_anything_is_asked(open_folder: Path) -> None:
    backend = toy.Toy()
    with read_only(open_folder), pytest.raises(RunError, match="cannot be used: Permission denied"):
        go(open_folder / "run", backend)
    assert backend.asked == [] and not list(open_folder.iterdir())


def test_a_run_whose_folder_became_read_only_is_refused_and_unharmed(open_folder: Path) -> None:
    run = open_folder / "run"
    go(run, toy.Toy(failing))
    before = (run / "records.jsonl").read_bytes()
    backend = toy.Toy()
    with read_only(run), pytest.raises(RunError, match="cannot be used: Permission denied"):
        go(run, backend)
    assert backend.asked == [] and (run / "records.jsonl").read_bytes() == before
    assert len(go(run).asked) == 10


def test_a_full_disk_before_the_first_question_is_said(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(RunError, match="cannot be written: File too large"):
            go(tmp_path / "full", backend := toy.Toy())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert backend.asked == []
    assert len(go(tmp_path / "full").asked) == 10


def test_an_interrupt_loses_nothing_finished(tmp_path: Path) -> None:
    def answer(sample: Sample) -> Response:
        if len(backend.asked) == 4:
            raise KeyboardInterrupt
        return Response(sample.id, "?")

    backend = toy.Toy(answer)
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, backend)
    assert backend.closed == 1
    assert len(records(tmp_path)) == 3
    assert len(go(tmp_path).asked) == 7


def test_another_prompt_token_count_stops_the_run_unrecorded(tmp_path: Path) -> None:
    def answer(sample: Sample) -> Response:
        return Response(sample.id, "?", prompt_tokens=len(sample.prompt_ids) + (len(backend.asked) == 3))

    backend = toy.Toy(answer)
    with pytest.raises(ContractError, match="built with 200 prompt tokens and toy counted 201"):
        go(tmp_path, backend)
    assert len(records(tmp_path)) == 2 and backend.closed == 1


class Odd(toy.Toy):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def generate(self, samples: Iterable[Sample]) -> Iterator[Response]:
        answers = list(super().generate(samples))
        yield from {"twice": [*answers, answers[0]], "stranger": [Response("?")], "few": answers[1:]}[self.kind]


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("twice", ContractError, "not asked or twice"),
        ("stranger", ContractError, "not asked or twice"),
        ("few", BackendError, "without answering 1 of the samples"),
    ],
)
def test_a_backend_that_breaks_the_contract_is_found_out(kind: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        list(ask(toy.sweep().cells(), toy.build, Odd(kind), toy.score))


def test_two_cells_cannot_give_the_same_sample() -> None:
    cells = [Cell("t", "docs", 200, 0.5), Cell("t", "docs", 200, 0.6)]
    with pytest.raises(ContractError, match="Two cells gave the same sample"):
        list(ask(cells, lambda cell: toy.build(cells[0]), toy.Toy(), toy.score))


def test_responses_may_come_in_any_order() -> None:
    class Reversed(toy.Toy):
        def generate(self, samples: Iterable[Sample]) -> Iterator[Response]:
            yield from reversed(list(super().generate(samples)))

    cells = toy.sweep().cells()
    assert {record["cell"] for record in ask(cells, toy.build, Reversed(), toy.score)} == set(map(cell_id, cells))


def test_a_sample_that_cannot_be_built_stops_before_the_engine_starts(tmp_path: Path) -> None:
    def build(cell: Cell) -> Sample:
        if cell.length == 400 and cell.depth == 1:
            raise ImpossibleSample("too short")
        return toy.build(cell)

    backend = toy.Toy()
    with pytest.raises(ImpossibleSample):
        go(tmp_path, backend, build=build)
    assert backend.asked == [] and not (tmp_path / "manifest.json").exists()


def test_answered_samples_are_dropped() -> None:
    def build(cell: Cell) -> Sample:
        sample = toy.build(cell)
        built.append(weakref.ref(sample.prompt_ids))
        return sample

    def answer(sample: Sample) -> Response:
        alive.append(sum(ids() is not None for ids in built))
        return Response(sample.id, "?")

    built: list[weakref.ref[Any]] = []
    alive: list[int] = []
    for _ in ask(toy.sweep(samples=5).cells(), build, toy.Toy(answer), toy.score):
        pass
    assert len(alive) == 50 and max(alive) <= 2


def test_odd_text_is_written_as_valid_json_lines(tmp_path: Path) -> None:
    texts = iter(["zwei\nZeilen", "\u2028", "\ud800 half", "统一码", "\0", "\x1b[31m", '"', "\\", "𝄞", ""])
    go(tmp_path, toy.Toy(lambda sample: Response(sample.id, next(texts))))
    with (tmp_path / "records.jsonl").open(encoding="utf-8") as file:
        said = [json.loads(line)["output_text"] for line in file]
    assert said == ["zwei\nZeilen", "\u2028", "\ud800 half", "统一码", "\0", "\x1b[31m", '"', "\\", "𝄞", ""]


def test_numpy_numbers_are_written_as_plain_ones(tmp_path: Path) -> None:
    go(tmp_path, toy.Toy(lambda s: Response(s.id, "?", cached_tokens=np.int64(3), ttft_s=np.float32(0.5))))  # type: ignore[arg-type]
    assert {(record["cached_tokens"], record["ttft_s"]) for record in records(tmp_path)} == {(3, 0.5)}


def test_what_json_cannot_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be written as JSON"):
        go(tmp_path, toy.Toy(lambda sample: Response(sample.id, "?", ttft_s=float("nan"))))
    assert records(tmp_path) == []
