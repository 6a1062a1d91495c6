from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from longctx.errors import CorpusError, UsageError
from longctx.tasks import find_task, find_tasks, load_maker

OWN = '''
from longctx.tasks import task


@task("{name}", scorer="exact", variants={{"colour": "of the door"}})
def any_name(corpus, cell, tokenizer):
    """Say which.

    More words.

    Example:
        Question: Which?
        Target: This.
    """
'''


def test_a_file_in_a_folder_is_a_task(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN.format(name="own"))
    found = find_tasks([tmp_path])["own"]
    assert (found.summary, found.scorer, found.shares_haystack) == ("Say which.", "exact", False)
    assert found.example == "Question: Which?\nTarget: This." and found.variants == {"colour": "of the door"}
    assert found.file == tmp_path / "own.py"


def test_every_shipped_task_says_what_it_asks() -> None:
    for task in find_tasks().values():
        assert task.summary.endswith(".") and len(task.summary) < 110
        assert ("Question:" in task.example or "User:" in task.example) and "Target:" in task.example


def test_a_repeated_name_names_both_files(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN.format(name="niah_single"))
    with pytest.raises(UsageError, match=r"Two tasks are called 'niah_single': in .*niah\.py and .*own\.py"):
        find_tasks([tmp_path])


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"Unknown task 'niha_single'. Did you mean 'niah_single'\?"):
        find_task("niha_single")
    with pytest.raises(CorpusError, match=r"Unknown maker 'contract'. Did you mean 'contracts'\?"):
        load_maker("contract")


def test_a_file_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(UsageError, match=r"broken\.py cannot be imported: ModuleNotFoundError"):
        find_tasks([tmp_path])
    with pytest.raises(UsageError, match="--generators .* is not a folder"):
        find_tasks([tmp_path / "missing"])


def test_files_may_import_their_neighbours_and_share_names_with_other_folders(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "_words.py").write_text(f"NAME = 'own_{folder}'\n")
        text = OWN.format(name="X").replace('"X"', "NAME")
        (tmp_path / folder / "niah.py").write_text("from ._words import NAME\n" + text)
    assert {"own_a", "own_b", "niah_single"} <= set(find_tasks([tmp_path / "a", tmp_path / "b"]))


def test_import_longctx_is_light() -> None:
    heavy = "{'torch', 'vllm', 'transformers', 'matplotlib'}"
    script = (
        "import sys, longctx, longctx.cli; from longctx import Sweep, Cell, Sample;"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"
