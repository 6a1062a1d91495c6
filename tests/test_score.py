from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from longctx import cli
from longctx.scorers import SCORERS

Outcome = tuple[int, str, str]


def longctx(capsys: pytest.CaptureFixture[str], *arguments: str) -> Outcome:
    """Exit code, stdout and stderr of the command line."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["longctx", *arguments])
        cli.main()
    said = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0), said.out, said.err


def write(path: Path, *lines: Any) -> str:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    return str(path)


def line(target: Any, prediction: Any, **metadata: Any) -> dict[str, Any]:
    return {"target": target, "prediction": prediction, "metadata": metadata}


CASES = [
    ("includes", line(["4411", "7712"], "only 4411"), 0.5),
    ("exact", line("4411", "4411."), 1.0),
    ("absent", line("Not stated.", "It is not stated."), 1.0),
    ("absent", line("Not stated.", "I see nothing", absent_forms=["see nothing"]), 1.0),
    ("ruler_all", line(["x", "y", "z"], "X z"), 2 / 3),
    ("ruler_part", line(["x", "y"], "Y"), 1.0),
    ("mrcr_openai", line("pqThe gate", "so: pqThe gate", random_string_to_prepend="pq"), 0.0),
    ("mrcr_deepmind", line("pqThe gate", "so: pqThe gate", random_string_to_prepend="pq"), 1.0),
    ("graph_f1", line(["a", "b"], "Final Answer: [a, c]"), 0.5),
    ("graph_f1_card", line(["a", "b"], "Final Answer: [a, b]"), 0.5),
    ("graph_f1_empty", line([], "Final Answer: []"), 1.0),
    ("set_f1", line(["A-1", "A-2"], "A-1, A-2"), 1.0),
    ("number", line("1,200", "EUR 1 200"), 1.0),
    ("number", line(1200, "1,200"), 1.0),
    ("grounded", line(["37", "a/b.pdf"], "37 (b.pdf)"), 1.0),
    ("choice", line("Dock", "the dock", choices=["Dock", "Pier"]), 1.0),
    ("includes", line("37", "<think>37?</think>no"), 0.0),
    ("mrcr_openai", line("pqThe gate", "<think>a</think>\n\npqThe gate", random_string_to_prepend="pq"), 1.0),
    ("includes", line("37", None), 0.0),
]


def test_every_scorer_is_tried_here() -> None:
    assert {name for name, _, _ in CASES} == set(SCORERS)


@pytest.mark.parametrize(("scorer", "given", "value"), CASES)
def test_scores(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, scorer: str, given: dict[str, Any], value: float
) -> None:
    path = write(tmp_path / "p.jsonl", given)
    code, out, err = longctx(capsys, "score", path, "--scorer", scorer, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"scores": [pytest.approx(value)], "mean": pytest.approx(value)}


def test_the_mean_is_over_all_lines_and_blank_ones_do_not_count(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "p.jsonl"
    write(path, "\ufeff" + json.dumps(line("a", "a")), "", line("b", "x"), "  ", {"target": "c", "prediction": "C"})
    assert json.loads(longctx(capsys, "score", str(path), "--scorer", "exact", "--json")[1]) == {
        "scores": [1.0, 0.0, 1.0],
        "mean": pytest.approx(2 / 3),
    }
    assert longctx(capsys, "score", str(path), "--scorer", "exact")[1] == "0.6667 on average over 3 predictions\n"


def test_stdin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    given = io.TextIOWrapper(io.BytesIO(json.dumps(line("ä", "Ä")).encode()))
    monkeypatch.setattr(sys, "stdin", given)
    code, out, _ = longctx(capsys, "score", "-", "--scorer", "exact", "--json")
    assert code == 0 and json.loads(out)["mean"] == 1


def test_a_line_may_name_its_scorer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", line("7", "7 it is", scorer="includes"), line("7", "7 it is", scorer="exact"))
    assert json.loads(longctx(capsys, "score", path, "--json")[1])["scores"] == [1, 0]
    assert json.loads(longctx(capsys, "score", path, "--scorer", "includes", "--json")[1])["scores"] == [1, 1]


def test_thinking_can_be_kept(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", line("37", "<think>37?</think>no"))
    out = longctx(capsys, "score", path, "--scorer", "includes", "--keep-thinking", "--json")[1]
    assert json.loads(out)["mean"] == 1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"prediction": "x"}, "'target' is missing. There is: prediction."),
        ({"target": "x"}, "'prediction' is missing. There is: target."),
        ({"target": None, "prediction": "x"}, "'target' is null; possible are a text or a list of texts."),
        ({"target": [{}], "prediction": "x"}, "'target' is [{}]; possible are"),
        ({"target": True, "prediction": "x"}, "'target' is true; possible are"),
        ({"target": "x", "prediction": 7}, "'prediction' is 7; it must be a text."),
        ({"target": "x", "prediction": "x", "metadata": []}, "'metadata' is []; it must be an object."),
        ({"target": "x", "prediction": "x"}, "mrcr_openai needs random_string_to_prepend"),
        ("not json", "no JSON (Expecting value"),
        ('"text"', '"text" is no JSON object.'),
    ],
)
def test_a_bad_line_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path, bad: Any, message: str) -> None:
    path = write(tmp_path / "p.jsonl", line("a", "a", random_string_to_prepend="a"), "", bad)
    code, out, err = longctx(capsys, "score", path, "--scorer", "mrcr_openai", "--json")
    assert code == 1 and out == ""
    assert f"{path}, line 3: " in err and message in err


def test_bytes_that_are_no_text_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_bytes(b'{"target": "\xff"}\n')
    code, _, err = longctx(capsys, "score", str(tmp_path / "p.jsonl"), "--scorer", "exact")
    assert code == 1 and "p.jsonl, line 1: no JSON" in err


def test_an_empty_file_is_an_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", "", "  ")
    code, _, err = longctx(capsys, "score", path, "--scorer", "exact")
    assert code == 1 and err == f"longctx: {path} holds no line with a JSON object.\n"


def test_an_unknown_scorer_names_all_there_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", line("a", "a"))
    code, _, err = longctx(capsys, "score", path, "--scorer", "ruler")
    assert code == 2 and "Unknown scorer 'ruler'." in err and all(name in err for name in SCORERS)
    code, _, err = longctx(capsys, "score", path)
    assert code == 2 and "line 1 names no scorer" in err
    assert longctx(capsys, "score", str(tmp_path / "none.jsonl"), "--scorer", "exact")[0] == 2


def test_the_examples_of_the_help_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "predictions.jsonl", line("pq", "pq", random_string_to_prepend="pq"))
    examples = re.findall(r"^ +longctx (score.*)$", longctx(capsys, "score", "--help")[1], re.MULTILINE)
    assert len(examples) == 2
    for example in examples:
        words, _, given = example.partition(" < ")
        if given:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(given).read_bytes())))
        code, out, _ = longctx(capsys, *shlex.split(words))
        assert code == 0 and "1.0" in out


def test_scoring_loads_no_model_library(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", line("a", "a"))
    heavy = "{'torch', 'transformers', 'tokenizers', 'vllm', 'pandas', 'scipy', 'matplotlib', 'pyarrow'}"
    code = (
        "import sys, longctx.cli\n"
        f"sys.argv = ['longctx', 'score', {path!r}, '--scorer', 'exact', '--json']\n"
        "try:\n    longctx.cli.main()\nexcept SystemExit as ended:\n    assert not ended.code, ended.code\n"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == '{"scores": [1.0], "mean": 1.0}\n[]\n'


def test_the_formats_page_holds_what_there_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "formats.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page.partition("## Scorers")[2], re.MULTILINE)) == set(SCORERS)
    sample, prediction = re.findall(r"```json\n(.*?)\n```", page, re.DOTALL)
    (tmp_path / "p.jsonl").write_text(prediction, encoding="utf-8")
    assert "1.0" in longctx(capsys, "score", str(tmp_path / "p.jsonl"), "--scorer", "mrcr_openai")[1]
    (tmp_path / "s.jsonl").write_text(sample, encoding="utf-8")
    out = longctx(capsys, "import", "jsonl", str(tmp_path / "s.jsonl"), "--out", "-")[1]
    assert json.loads(out) == {**json.loads(sample), "metadata": {"length": None, **json.loads(sample)["metadata"]}}
