"""Shared fixtures: the documents that nobody here wrote, a cache of the session's own, the embedded model."""

from __future__ import annotations

import gc
import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A suite that a shell starts in the background inherits an ignored SIGINT, and hands it on to every process that a test
# interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples every time, and no time limit: a busy machine is no failure.
settings.register_profile("longctx", deadline=None, derandomize=True)
settings.load_profile("longctx")

# Read when the libraries are imported: tests reach for no hub.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with the real model come last: what is quick to fail fails first."""
    items.sort(key=lambda item: "model" in item.keywords)
    if importlib.util.find_spec("vllm") is None:
        for item in items:
            if "model" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="vLLM is not installed: it has no build for this machine"))


def pytest_collection_finish() -> None:
    """What was imported stays to the end: no garbage collection needs to look through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_corpora() -> Path:
    """Folder with real documents: contracts, disclosures, mixed, policies, support."""
    folder = Path(os.environ.get("LONGCTX_SHARED") or Path(__file__).parents[2] / "shared" / "corpora")
    if not folder.is_dir():
        pytest.skip(f"no real documents at {folder}; LONGCTX_SHARED names another folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """longctx's cache, empty at the session's start but for the unpacked model, which is checked at every use.

    Where pytest-xdist shares the session out to processes, what longctx keeps by content serves all of them; folders
    that tests write documents into are each process's own.
    """
    from longctx.content import cache_folder

    models = cache_folder("models")
    folder = tmp_path_factory.mktemp("cache")
    (folder / "models").symlink_to(models.resolve())
    if "PYTEST_XDIST_WORKER" in os.environ:
        for name in ("corpora", "documents", "encoded", "mined"):
            kept = tmp_path_factory.getbasetemp().parent / "kept" / name
            kept.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGCTX_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def smollm2(cache: Path) -> Path:
    """The embedded model as a Hugging Face folder."""
    from longctx.models import EMBEDDED, resolve

    return Path(resolve(EMBEDDED).path)
