"""The README is tried: its tree is the tree, its lines run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from longctx.content import cache_folder

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
OTHERS = {
    "Makefile": "setup, demo, sweeps, tests, checks, benchmarks: `make` lists them",
    "pyproject.toml": "what the package is and needs; rules for ruff, mypy and pytest",
    "requirements/": "locked versions for `make setup`, and what installs them",
    "docs/": "installing, in detail",
    "benchmarks/bench.py": "the figures of the table above: `make bench`",
    "corpora/": "one folder a corpus: its source, its licence and its voice; README.md on adding one",
    "generators/synthetic/text/": "the wordings of the makers, as TOML",
    "longctx/presets/": "shipped sweeps: demo, niah, yarn",
    "longctx/report/templates/": "the pages, their style and their script",
    "longctx/names.toml": "parts of the names that names.py puts together",
    "notebooks/": "exploration in Jupyter",
    "tests/": "mirror the above; test_properties.py holds the definitions",
}


def tree() -> str:
    """One line for every module, from its docstring, and for what is no module."""
    lines = dict(OTHERS)
    for top in ("longctx", "generators"):
        for path in (ROOT / top).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if path.name == "__init__.py" and len(path.parts) - len(ROOT.parts) > 2:
                name = name.removesuffix("__init__.py")
            docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
            lines[name] = " ".join(docstring.split("\n\n")[0].split()).rstrip(".")
    order = sorted(lines, key=lambda name: (name.count("/") == 0 or not name.split("/")[1], name))
    width = max(map(len, order)) + 2
    return "\n".join(f"{name:<{width}}{lines[name]}" for name in order)


def test_the_file_tree_is_the_tree() -> None:
    expected = tree()
    assert expected in README, f"the README's tree should be:\n{expected}"
    for name in OTHERS:
        assert (ROOT / name).exists(), name


@pytest.mark.slow
def test_the_first_lines_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 11
    documents = tmp_path / "path/to/our/contracts"
    documents.mkdir(parents=True)
    text = "\n\n".join(
        f"The party of part {n} shall pay the fee of part {n * 7} in full and on time." for n in range(900)
    )
    (documents / "a.txt").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    cache_folder("models")
    exec(code.replace("model=", 'backend="oracle", model='), {})  # the same lines, without the minutes
    assert (tmp_path / "runs/contracts/report.html").stat().st_size > 10_000
    assert len((tmp_path / "runs/contracts/records.jsonl").read_text().splitlines()) == 15


def test_the_task_of_the_readme_works(tmp_path: Path) -> None:
    import small_tokenizers

    from longctx.corpus import Corpora
    from longctx.tasks import find_tasks
    from longctx.tokens import Tokenizer
    from longctx.types import Cell

    (tmp_path / "door.py").write_text(re.findall(r"```python\n(.*?)```", README, re.DOTALL)[1])
    tokenizer = Tokenizer(small_tokenizers.gpt2_like(), "gpt2-like")
    task = find_tasks([tmp_path])["door_code"]
    sample = task.build(Corpora(tokenizer).get("contracts", 2000), Cell("door_code", "contracts", 2000, 0.5), tokenizer)
    assert sample.target == "4711" and len(tokenizer.prompt_ids(sample.prompt)) == 2000


def test_every_command_and_target_that_is_named_is_there() -> None:
    from longctx.cli import COMMANDS

    blocks = "".join(re.split(r"^```\w*\n", README, flags=re.MULTILINE)[1::2])
    named = set(re.findall(r"(?:^|  )longctx (\w+)", blocks, re.MULTILINE)) | set(re.findall(r"`longctx (\w+)", README))
    assert {"run", "report", "corpus"} <= named <= set(COMMANDS)
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^make ([a-z][a-z-]+)", blocks, re.MULTILINE)) | set(
        re.findall(r"`make ([a-z][a-z-]+)", README)
    )
    assert {"demo", "test", "sweep-niah", "bench"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for sweep in re.findall(r"call run,([a-z]+)\$\(small\)", makefile):
        assert {sweep, f"{sweep}-small"} <= {preset.stem for preset in (ROOT / "longctx/presets").glob("*.toml")}
