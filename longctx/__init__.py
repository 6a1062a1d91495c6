"""Long-context stress tests on your own documents.

The names below are imported when they are first used: ``import longctx`` loads neither torch, vllm nor transformers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from longctx.corpus import Corpora, Corpus
    from longctx.figures import heatmap
    from longctx.report import write as write_report
    from longctx.run import run as run_sweep
    from longctx.sweep import Sweep
    from longctx.table import load
    from longctx.tasks import find_tasks, task
    from longctx.tokens import Tokenizer, load_tokenizer
    from longctx.types import Cell, Document, Response, Sample, Score

__version__ = "0.1.0"

_HOMES = {
    "Cell": "types",
    "Corpora": "corpus",
    "Corpus": "corpus",
    "Document": "types",
    "Response": "types",
    "Sample": "types",
    "Score": "types",
    "Sweep": "sweep",
    "Tokenizer": "tokens",
    "find_tasks": "tasks",
    "heatmap": "figures",
    "load": "table",
    "load_tokenizer": "tokens",
    "run_sweep": "run:run",
    "task": "tasks",
    "write_report": "report:write",
}
__all__ = [
    "Cell",
    "Corpora",
    "Corpus",
    "Document",
    "Response",
    "Sample",
    "Score",
    "Sweep",
    "Tokenizer",
    "find_tasks",
    "heatmap",
    "load",
    "load_tokenizer",
    "run_sweep",
    "task",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'longctx' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(importlib.import_module(f"longctx.{module}"), attribute or name)
