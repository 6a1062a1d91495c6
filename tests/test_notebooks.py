"""Notebooks run from top to bottom on what was recorded with the real model, and are committed without outputs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from longctx.table import load, read_json

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
RUNS = sorted(path.parent for path in (FOLDER / "data").glob("*/records.jsonl"))
FIGURES = {"01_first_heatmap": 2, "02_compare_yarn": 4, "03_own_documents": 1, "04_statistics": 5}
MOST = 1_000_000  # bytes of a committed file
SECONDS = 60  # of processor time: wall time says more about what else the machine does


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the kernel's own libraries
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    begun = spent()
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    assert 0 < spent() - begun < SECONDS
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    images = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(images) == FIGURES[path.stem]
    assert all(len(output["data"]["image/png"]) > 10_000 for output in images), "a figure is no blank"
    bare = [output["data"]["text/plain"] for output in outputs if list(output.get("data", {})) == ["text/plain"]]
    assert not bare, "an object that a notebook cannot show"
    texts = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    assert len(texts) > 5 and notebook.cells[0].source.startswith("# ")
    if path.stem == "01_first_heatmap":
        assert any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in outputs)


def spent() -> float:
    """Seconds of processor time of this process's children that have ended."""
    used = os.times()
    return used.children_user + used.children_system


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_cleared(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells), (
        "type: make clear-notebooks"
    )
    ran = nbformat.from_dict(notebook)
    for cell in ran.cells:
        if cell.cell_type == "code":
            cell.execution_count, cell.metadata = 7, {"execution": {"started": "now"}}
            cell.outputs = [nbformat.v4.new_output("stream", text="words")]
    copy = tmp_path / path.name
    nbformat.write(ran, copy)
    subprocess.run([sys.executable, FOLDER / "clear.py", copy], check=True)
    assert copy.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_recorded_runs_are_small_complete_and_of_a_model(run: Path) -> None:
    assert max(file.stat().st_size for file in run.iterdir()) < MOST
    frame, manifest = load(run, controls=True), read_json(run, "manifest.json")
    assert not frame["double"].any()
    assert len(frame) == manifest["plan"]["samples"]
    assert not (frame["outcome"] == "error").any()
