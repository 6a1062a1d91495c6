from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_tokenizers import KINDS
from test_score import Outcome, write
from test_score import longctx as command_line

from longctx.errors import DataError, TokenizerError
from longctx.imported import Imported, asked_length, prompt_of
from longctx.loop import cell_id
from longctx.tokens import Tokenizer, load_tokenizer

Run = Callable[..., Outcome]
NEEDLE = "The magic number for dry-yard is 4817263."
RULER = {
    "index": 3,
    "input": f"{NEEDLE} What is it? ",
    "outputs": ["4817263"],
    "length": 190,
    "length_w_model_temp": 190,
    "answer_prefix": "The magic number is",
}
PREFIX = "q7Lw2ZxV9b"
TURNS = ["Sweep the yard daily.", "Shut the gate at night.", "Sweep the yard twice daily.", "Keep it dry."]
MESSAGES = [
    message
    for turn, reply in zip(["write a rule about yards", "write a rule about gates"] * 2, TURNS, strict=True)
    for message in ({"role": "user", "content": turn}, {"role": "assistant", "content": reply})
] + [{"role": "user", "content": f"Prepend {PREFIX} to the 2nd (1 indexed) rule about yards."}]
MRCR = {
    "prompt": json.dumps(MESSAGES),
    "answer": PREFIX + TURNS[2],
    "random_string_to_prepend": PREFIX,
    "n_needles": 2,
    "desired_msg_index": 5,
    "total_messages": 9,
    "n_chars": 400,
}
DEEPMIND = {"queries": "User: write\n\nUser: Prepend AbCd1234EfGh to it.", "answer": "AbCd1234EfGhIt is dry.", "n": 2}


@pytest.fixture
def longctx(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: command_line(capsys, *map(str, arguments))


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("chat")
    KINDS["llama3-like"]().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("plain")
    KINDS["qwen2-like without template"]().save_pretrained(folder)
    return str(folder)


def lines(path: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def records(run: str) -> list[dict[str, Any]]:
    return lines(Path(run) / "records.jsonl")


@pytest.mark.parametrize(
    ("path", "task", "scorer", "asked"),
    [
        ("data/4096/niah_single_1/validation.jsonl", "niah_single_1", "ruler_all", 4096),
        ("qa_2.jsonl", "qa_2", "ruler_part", 256),
        ("2024/vt/test.jsonl", "vt", "ruler_all", 256),  # a year is no length
        ("128/vt/test.jsonl", "vt", "ruler_all", 256),  # nor what is shorter than the samples
        ("ruler_niah_multikey_3_dev.jsonl", "niah_multikey_3", "ruler_all", 256),
    ],
)
def test_ruler(longctx: Run, path: str, task: str, scorer: str, asked: int) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write(Path(path), RULER, {**RULER, "index": 4})
    code, out, err = longctx("import", "ruler", path, "--out", "s.jsonl", "--json")
    assert code == 0, err
    budget = 32 if task == "qa_2" else 30 if task == "vt" else 128
    assert json.loads(out) == {"samples": 2, "tasks": {task: 2}, "out": "s.jsonl", "max_tokens": budget}
    found = lines("s.jsonl")
    assert found[0]["input"] == RULER["input"] and found[0]["target"] == ["4817263"]
    metadata = found[0]["metadata"]
    assert (metadata["task"], metadata["scorer"], metadata["length_asked"]) == (task, scorer, asked)
    assert metadata["length"] == 190 and metadata["index"] == 3
    assert metadata["answer_prefix"] == "The magic number is"
    assert found[0]["id"] != found[1]["id"]


def test_ruler_with_a_byte_order_mark_other_line_ends_and_a_huge_line(longctx: Run) -> None:
    huge = {**RULER, "index": 4, "input": "word " * 2_000_000, "token_position_answer": 7}
    data = b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(row).encode() for row in (RULER, huge)) + b"\r\n"
    Path("vt.jsonl").write_bytes(data)
    assert longctx("import", "ruler", "vt.jsonl", "--out", "s.jsonl")[0] == 0
    one, two = lines("s.jsonl")
    assert one["input"] == RULER["input"] and two["input"] == huge["input"]
    assert two["metadata"]["token_position_answer"] == 7


def test_ruler_wants_its_task(longctx: Run) -> None:
    write(Path("validation.jsonl"), RULER)
    code, _, err = longctx("import", "ruler", "validation.jsonl", "--out", "s.jsonl")
    assert code == 2 and "Name it with --task" in err
    assert longctx("import", "ruler", "validation.jsonl", "--task", "vt_8hops", "--out", "s.jsonl")[0] == 0
    assert lines("s.jsonl")[0]["metadata"]["task"] == "vt_8hops"


def write_mrcr(kind: str, row: dict[str, Any]) -> str:
    path = Path(f"m.{kind}")
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist([row, row]), path)
    elif kind == "csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            writer.writeheader()
            writer.writerows([row, row])
    else:
        write(path, row, row)
    return str(path)


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_mrcr_of_openai(longctx: Run, kind: str) -> None:
    code, _, err = longctx("import", "mrcr", write_mrcr(kind, MRCR), "--out", "s.jsonl")
    assert code == 0 and "longctx run --from s.jsonl --max-tokens" in err
    found = lines("s.jsonl")
    assert len(found) == 2
    assert found[0]["input"] == MESSAGES and found[0]["target"] == PREFIX + TURNS[2]
    metadata = found[0]["metadata"]
    assert metadata["scorer"] == "mrcr_openai" and metadata["task"] == "mrcr" and metadata["length"] is None
    assert metadata["variant"] == {"n_needles": 2} and metadata["desired_msg_index"] == 5
    assert metadata["random_string_to_prepend"] == PREFIX
    assert [twin["value"] for twin in metadata["distractors"]] == [TURNS[0]]
    assert 0.8 < metadata["noise_floor"] < 1


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_mrcr_of_deepmind(longctx: Run, kind: str) -> None:
    row = {**DEEPMIND, "queries": DEEPMIND["queries"] * 9000}  # longer than csv allows by default
    assert longctx("import", "mrcr", write_mrcr(kind, row), "--out", "s.jsonl")[0] == 0
    [found, _] = lines("s.jsonl")
    assert found["input"] == row["queries"] and found["target"] == row["answer"]
    assert found["metadata"]["scorer"] == "mrcr_deepmind" and found["metadata"]["task"] == "mrcr_deepmind"
    assert found["metadata"]["random_string_to_prepend"] == "AbCd1234EfGh"
    assert csv.field_size_limit() < 1_000_000


def test_any_lines(longctx: Run) -> None:
    given = [
        {"id": 7, "input": "a?", "target": "A", "colour": "red", "metadata": {"task": "letters", "scorer": "exact"}},
        {"input": [{"role": "user", "content": "b?", "name": "x"}], "target": ["B", 2]},
    ]
    assert longctx("import", "jsonl", write(Path("g.jsonl"), *given), "--out", "s.jsonl")[0] == 0
    one, two = lines("s.jsonl")
    assert (one["id"], one["input"], one["target"]) == ("7", "a?", "A")
    assert one["metadata"] == {"length": None, "colour": "red", "task": "letters", "scorer": "exact"}
    assert two["input"] == [{"role": "user", "content": "b?"}] and two["target"] == ["B", "2"]
    assert two["metadata"] == {"length": None, "task": "imported", "scorer": "includes"}
    longctx("import", "jsonl", "g.jsonl", "--out", "s.jsonl", "--scorer", "includes", "--task", "t")
    assert {(line["metadata"]["scorer"], line["metadata"]["task"]) for line in lines("s.jsonl")} == {("includes", "t")}


BAD = [
    ("ruler", {"outputs": ["x"]}, "'input' is missing. There is: outputs."),
    ("ruler", {"input": "x"}, "'outputs' is missing"),
    ("ruler", {**RULER, "outputs": []}, "'outputs' is empty"),
    ("ruler", {**RULER, "outputs": [None]}, "'outputs' is [null]; possible are"),
    ("ruler", {**RULER, "answer_prefix": 5}, "metadata.answer_prefix is 5; it must be a text"),
    ("mrcr", {"prompt": "[", "answer": "a", "random_string_to_prepend": "b"}, "'prompt' is no JSON list"),
    ("mrcr", {"prompt": "[]", "answer": "a"}, "'random_string_to_prepend' is missing"),
    ("mrcr", {"queries": "x"}, "'answer' is missing or no text. There is: queries."),
    ("jsonl", {"input": "x"}, "'target' is missing. There is: input."),
    ("jsonl", {"input": "", "target": "x"}, "'input' must be a text or a list of chat messages, and not empty"),
    ("jsonl", {"input": [{"role": "user"}], "target": "x"}, "message 1 of 'input' needs role and content"),
    ("jsonl", {"input": "x", "target": "x", "metadata": {"scorer": "exakt"}}, "Did you mean 'exact'"),
    ("jsonl", {"input": "x", "target": "x", "metadata": {"scorer": "choice"}}, "choice needs choices"),
    ("jsonl", {"input": "x", "target": "x", "metadata": {"variant": 3}}, "metadata.variant is 3"),
    ("jsonl", {"input": "x", "target": "x", "id": "1"}, "the id '1' is that of"),
]


@pytest.mark.parametrize(("kind", "bad", "message"), BAD)
def test_a_bad_line_is_named(longctx: Run, kind: str, bad: dict[str, Any], message: str) -> None:
    good = {"ruler": RULER, "mrcr": MRCR, "jsonl": {"id": "1", "input": "a", "target": "b"}}[kind]
    path = write(Path("vt.jsonl"), good, "", bad)
    code, _, err = longctx("import", kind, path, "--out", "s.jsonl")
    assert code == 1, err
    assert f"{path}, line 3: " in err and message in err
    assert sorted(file.name for file in Path().iterdir()) == [path]  # nothing half-written


def test_files_that_cannot_be(longctx: Run) -> None:
    Path("a.parquet").write_text("no")
    code, _, err = longctx("import", "mrcr", "a.parquet", "--out", "s.jsonl")
    assert code == 1 and "a.parquet is no parquet file that can be read" in err
    Path("a.csv").write_text("")
    code, _, err = longctx("import", "mrcr", "a.csv", "--out", "s.jsonl")
    assert code == 1 and "a.csv holds no rows" in err
    Path("a.txt").write_text("")
    code, _, err = longctx("import", "mrcr", "a.txt", "--out", "s.jsonl")
    assert code == 2 and "possible are .parquet, .jsonl, .csv" in err
    assert longctx("import", "mrcr", "none.csv", "--out", "s.jsonl")[0] == 2


def test_stdout(longctx: Run) -> None:
    write(Path("vt.jsonl"), RULER)
    code, out, err = longctx("import", "ruler", "vt.jsonl", "--out", "-", "--json")
    assert code == 0 and json.loads(out)["target"] == ["4817263"] and "1 samples" in err
    code, _, err = longctx("import", "ruler", "vt.jsonl", "--out", "nowhere/s.jsonl")
    assert code == 1 and "nowhere/s.jsonl cannot be written: No such file" in err


def test_lengths_can_be_measured(longctx: Run, chat: str) -> None:
    write(Path("vt.jsonl"), RULER)
    longctx("import", "ruler", "vt.jsonl", "--out", "s.jsonl", "--tokenizer", chat)
    tokenizer = load_tokenizer(chat)
    assert lines("s.jsonl")[0]["metadata"]["length"] == Imported("s.jsonl", tokenizer).cells[0].length


def test_prompts(chat: str, plain: str) -> None:
    with_template, without = load_tokenizer(chat), load_tokenizer(plain)
    user = [{"role": "user", "content": "Hi"}]
    rendered = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert prompt_of(with_template, "Hi") == prompt_of(with_template, user) == rendered
    assert prompt_of(with_template, "Hi", "It is") == rendered + "It is"
    assert prompt_of(without, "Hi", " It is") == prompt_of(without, user, " It is") == "Hi It is"
    with pytest.raises(TokenizerError, match="no chat template, which a conversation needs"):
        prompt_of(without, MESSAGES)


def test_every_line_becomes_a_cell_of_its_own(tmp_path: Path, chat: str) -> None:
    tokenizer = load_tokenizer(chat)
    same = {"input": "a?", "target": "A"}
    conversation = {"input": MESSAGES, "target": "A", "metadata": {"depth": 0.5, "variant": {"n_needles": 2}}}
    path = write(tmp_path / "mine.jsonl", same, "", same, conversation)
    found = Imported(path, tokenizer)
    assert [cell.seed for cell in found.cells] == [1, 3, 4]
    assert len({cell_id(cell) for cell in found.cells}) == 3
    assert found.cells[2].depth == 0.5 and found.cells[2].variant == (("n_needles", 2),)
    for cell in found.cells:
        sample = found.build(cell)
        assert sample.prompt == tokenizer.render(
            sample.input if isinstance(sample.input, list) else [{"role": "user", "content": sample.input}]
        )
        assert sample.metadata["length"] == len(sample.prompt_ids) == cell.length
        assert list(sample.prompt_ids) == list(tokenizer.prompt_ids(sample.prompt))
        assert sample.metadata["length_asked"] == asked_length(cell.length)
    write(tmp_path / "mine.jsonl", same, "", {"input": "b, c, d, e, f?", "target": "A"}, same)
    with pytest.raises(DataError, match=r"mine.jsonl, line 3: the file has changed"):
        found.build(found.cells[1])


def test_places_in_another_models_tokens_are_not_taken_over(tmp_path: Path, chat: str, plain: str) -> None:
    tokenizer = load_tokenizer(chat)
    needle = {"text": "a", "value": "a", "start": 4, "end": 5, "tier": "", "file": "x.txt"}
    metadata = {"tokenizer_hash": tokenizer.hash, "needles": [needle], "haystack_tokens": 9}
    path = write(tmp_path / "s.jsonl", {"input": "a?", "target": "A", "metadata": metadata})

    def built(name: str) -> Any:
        found = Imported(path, load_tokenizer(name))
        return found.build(found.cells[0]).metadata

    assert built(chat)["needles"] == [needle] and built(chat)["haystack_tokens"] == 9
    assert built(plain)["needles"] == [{**needle, "start": None, "end": None}]
    assert built(plain)["haystack_tokens"] is None


@pytest.fixture
def ours(longctx: Run, chat: str) -> list[dict[str, Any]]:
    """Samples that ``longctx build`` wrote to ours.jsonl."""
    Path("docs").mkdir()
    for name in range(3):
        text = "\n\n".join(
            f"The party of part {name * 1000 + n} shall pay the fee of part {n * 7} in full and on time."
            for n in range(300)
        )
        Path(f"docs/{name}.txt").write_text(text)
    code, _, err = longctx(
        *("build", "--task", "niah_single", "--corpus", "docs", "--length", "700", "--depth", "0,1"),
        *("--tokenizer", chat, "--voice", "contracts", "--out", "ours.jsonl"),
    )
    assert code == 0, err
    return lines("ours.jsonl")


def test_what_was_built_comes_back_and_is_answered(longctx: Run, ours: list[dict[str, Any]], chat: str) -> None:
    assert longctx("import", "jsonl", "ours.jsonl", "--out", "back.jsonl")[0] == 0
    assert lines("back.jsonl") == ours
    arguments = ("run", "--from", "back.jsonl", "--tokenizer", chat, "--backend", "oracle", "--out", "r")
    code, out, err = longctx(*arguments, "--json")
    assert code == 0, err
    assert json.loads(out)["accuracy"] == 1 and json.loads(out)["asked"] == 2
    for record, sample in zip(records("r"), ours, strict=True):
        metadata = sample["metadata"]
        assert record["id"] == sample["id"] and record["prompt_tokens"] == 700 and record["corpus"] == "back"
        for name in ("task", "length", "length_asked", "depth", "sha256", "needles", "question", "scorer"):
            assert record[name] == metadata[name], name


def test_every_task_comes_back_and_is_read_by_its_own_reader(
    longctx: Run, chat: str, ours: list[dict[str, Any]]
) -> None:
    wanted = ("niah_multikey", "ruler_vt", "graph_bfs", "trace")
    built = ("--task", ",".join(wanted), "--corpus", "docs", "--voice", "contracts", "--length", "2K", "--depth", "0.5")
    code, _, err = longctx("build", *built, "--tokenizer", chat, "--out", "ours.jsonl")
    assert code == 0, err
    for line in lines("ours.jsonl"):
        # What inspect_ai.dataset.json_dataset takes without a mapping; verified with inspect-ai 0.3.285.
        assert line.keys() == {"id", "input", "target", "metadata"} and isinstance(line["id"], str)
        assert all(message.keys() == {"role", "content"} for message in line["input"])
        assert all(message["role"] in ("system", "user", "assistant") for message in line["input"])
        targets = line["target"] if isinstance(line["target"], list) else [line["target"]]
        assert all(isinstance(target, str) for target in targets) and isinstance(line["metadata"], dict)
    code, out, err = longctx(
        *("run", "--from", "ours.jsonl", "--tokenizer", chat, "--backend", "oracle", "--out", "r", "--json")
    )
    assert code == 0, err
    assert (json.loads(out)["asked"], json.loads(out)["accuracy"]) == (len(wanted), 1)
    for record, sample in zip(records("r"), lines("ours.jsonl"), strict=True):
        assert record["id"] == sample["id"] and record["sha256"] == sample["metadata"]["sha256"]


def test_what_inspect_ai_dumps_comes_back_as_it_was(longctx: Run, ours: list[dict[str, Any]]) -> None:
    unset = {"id": "m1", "source": None, "metadata": None, "tool_call_id": None}
    empty = dict.fromkeys(("choices", "sandbox", "files", "setup", "checkpoint", "description"))
    dumped = [
        {**sample, **empty, "input": [{**unset, **message} for message in sample["input"]]} for sample in ours
    ]  # as Sample.model_dump_json() has it
    write(Path("dumped.jsonl"), *dumped)
    assert longctx("import", "jsonl", "dumped.jsonl", "--out", "back.jsonl")[0] == 0
    assert lines("back.jsonl") == ours


@pytest.mark.slow
def test_a_run_over_a_file_is_resumed_and_reported(longctx: Run, ours: list[dict[str, Any]], chat: str) -> None:
    arguments = ("run", "--from", "ours.jsonl", "--tokenizer", chat, "--backend", "oracle", "--json")
    assert longctx(*arguments, "--out", "r")[0] == 0
    first = records("r")
    write(Path("r/records.jsonl"), first[1])
    code, out, _ = longctx("run", "r/sweep.toml", "--out", "r", "--json")
    assert code == 0 and json.loads(out)["asked"] == 1
    assert {record["cell"] for record in records("r")} == {record["cell"] for record in first}
    assert longctx("report", "r")[0] == 0
    assert longctx("table", "r", "--by", "task,length", "--json")[0] == 0
    write(Path("r/records.jsonl"), first[1])
    write(Path("ours.jsonl"), *({**sample, "target": "7"} for sample in ours))
    code, _, err = longctx(*arguments, "--out", "r")
    assert code == 1 and "what it is made of has changed since: corpus 'ours' hash" in err


def test_a_dry_run_over_a_file(longctx: Run, ours: list[dict[str, Any]], chat: str) -> None:
    code, out, _ = longctx(
        *("run", "--from", "ours.jsonl", "--tokenizer", chat, "--backend", "oracle", "--dry-run", "--json")
    )
    assert code == 0 and json.loads(out)["plan"]["samples"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--length", "4K"], 2, "asked as they are; lengths .* can't be given"),
        (["--task", "niah_single"], 2, "tasks .* can't be given"),
        (["--depth", "0.5"], 2, "depths .* can't be given"),
        (["--variant", "a=1"], 2, "variant .* can't be given"),
        (["--samples", "2"], 2, "samples .* can't be given"),
        (["--temperature", "0.5"], 0, ""),
    ],
)
def test_what_to_build_is_not_said_with_a_file(
    longctx: Run, chat: str, arguments: list[str], code: int, message: str
) -> None:
    write(Path("s.jsonl"), {"input": "a?", "target": "A"})
    found = longctx(
        *("run", "--from", "s.jsonl", "--tokenizer", chat, "--backend", "oracle", "--out", "r", "--json", *arguments)
    )
    assert found[0] == code and re.search(message, found[2])
    assert Path("r").exists() == (code == 0)


def test_a_bad_line_is_known_before_anything_is_asked(longctx: Run, chat: str, plain: str) -> None:
    write(Path("s.jsonl"), {"input": "a?", "target": "A"}, {"input": "a?"})
    code, _, err = longctx("run", "--from", "s.jsonl", "--tokenizer", chat, "--backend", "oracle", "--out", "r")
    assert code == 1 and "s.jsonl, line 2: 'target' is missing" in err and not Path("r").exists()
    write(Path("s.jsonl"), {"input": MESSAGES, "target": "A"})
    code, _, err = longctx("run", "--from", "s.jsonl", "--tokenizer", plain, "--backend", "oracle", "--out", "r")
    assert code == 1 and "s.jsonl, line 1: " in err and "no chat template" in err
    code, _, err = longctx("run", "--from", "none.jsonl", "--tokenizer", chat, "--backend", "oracle", "--out", "r")
    assert code == 1 and "none.jsonl cannot be read: No such file" in err


@pytest.mark.parametrize("kind", ["", "ruler", "mrcr", "jsonl"])
def test_the_examples_of_the_help_run(longctx: Run, chat: str, kind: str) -> None:
    for path in ("data/4096/vt/validation.jsonl", "4096/niah_single_1/validation.jsonl"):
        Path(path).parent.mkdir(parents=True)
        write(Path(path), RULER)
    write_mrcr("parquet", MRCR)
    Path("m.parquet").rename("2needle.parquet")
    write(Path("samples.jsonl"), {"input": "a?", "target": "A"})
    help_text = longctx("import", *([kind] if kind else []), "--help")[1]
    examples = re.findall(r"^ +longctx (.*)$", help_text, re.MULTILINE)
    assert examples
    for example in examples:
        words = shlex.split(example)
        words += ["--backend", "oracle", "--tokenizer", chat] if words[0] == "run" else []
        code, _, err = longctx(*words)
        assert code == 0, err


def test_a_tokenizer_object_is_enough(tmp_path: Path) -> None:
    tokenizer = Tokenizer(KINDS["llama3-like"](), "small")
    path = write(tmp_path / "s.jsonl", {"input": "a?", "target": "A"})
    assert Imported(path, tokenizer).describe_corpora([])["s"]["samples"] == 1
