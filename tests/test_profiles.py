from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from longctx import profiles as package
from longctx.cli.models import command
from longctx.errors import UsageError
from longctx.models import resolve
from longctx.profiles import Profile, complete_config, find_profile, hub_id, profiles
from longctx.run import scorer_for
from longctx.thinking import KNOWN
from longctx.types import Response, Sample
from longctx.yarn import native_length, plan_window

ALL = profiles()
WANTED = (
    "inclusionAI/Ling-1T", "inclusionAI/Ring-1T", "inclusionAI/Ling-2.5-1T", "inclusionAI/Ring-2.5-1T",
    "inclusionAI/Ling-mini-2.0", "inclusionAI/Ling-flash-2.0", "inclusionAI/Ring-mini-2.0",
    "inclusionAI/Ring-flash-2.0",
    "Qwen/Qwen2.5-7B-Instruct-1M", "Qwen/Qwen2.5-14B-Instruct-1M", "Qwen/Qwen3-8B", "Qwen/Qwen3-30B-A3B-Instruct-2507",
    "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.3-70B-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct",
    "HuggingFaceTB/SmolLM2-360M-Instruct", "HuggingFaceTB/SmolLM2-1.7B-Instruct",
    "google/gemma-3-27b-it",
)  # fmt: skip


@pytest.mark.parametrize("name", WANTED)
def test_a_model_is_found_by_id_last_part_and_folder(name: str, tmp_path: Path) -> None:
    short = name.rpartition("/")[2]
    assert find_profile(name) is find_profile(short.lower()) is find_profile(str(tmp_path / short)) is not None
    assert hub_id(short) == hub_id(name) == name
    assert find_profile(f"{short}-finetuned") is None and hub_id("someone/else") == "someone/else"


@pytest.mark.parametrize("profile", ALL, ids=lambda profile: profile.file)
def test_a_profile_is_whole_and_says_where_it_is_from(profile: Profile) -> None:
    fields = tomllib.loads((Path(package.__file__).parent / f"{profile.file}.toml").read_text("utf-8"))
    assert fields.keys() <= set(Profile.__dataclass_fields__)
    assert profile.sources
    for source in profile.sources:
        assert source.keys() == {"what", "url", "read"}
        assert source["url"].startswith("https://") and isinstance(source["read"], date)
    window = native_length(profile.config)
    assert profile.native_length in (window, 32_768 if window == 40_960 else window)
    assert profile.thinking["default"] in ("on", "off")
    assert ("close" in profile.thinking) == (profile.thinking["default"] == "on")
    shorts = {name.rpartition("/")[2] for name in profile.names}
    assert profile.parameters.keys() <= shorts and all("total" in size for size in profile.parameters.values())
    assert all(isinstance(value, float | int) for value in profile.sampling.values())
    assert profile.sampling or any("sampling" in what for what in (*profile.unverified, *profile.notes))
    if profile.yarn:
        assert profile.yarn["factor"] * profile.yarn["original"] == profile.yarn["length"]
    thetas = ("rope_theta" in profile.config, "text_config" in profile.config)
    assert any(thetas) or any("rope_theta" in what for what in profile.unverified)


def test_no_name_is_in_two_profiles() -> None:
    names = [short for profile in ALL for short in {name.rpartition("/")[2].lower() for name in profile.names}]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("profile", [p for p in ALL if p.yarn], ids=lambda profile: profile.file)
def test_the_longest_published_window_gets_the_published_factor(profile: Profile) -> None:
    config = {"rope_theta": 10_000.0, **profile.config}
    plan = plan_window(config, profile.yarn["length"] - 64, 64, "auto")
    assert (plan.factor, plan.original) == (profile.yarn["factor"], profile.yarn["original"])


def test_a_config_gets_the_window_that_yarn_starts_from() -> None:
    config = {"max_position_embeddings": 65_536, "rope_theta": 600_000.0}
    assert plan_window(complete_config(config, "Ring-1T"), 128_000, 64, "auto").original == 32_768
    assert complete_config(config, "someone/else") == config
    stated = config | {"original_max_position_embeddings": 65_536}
    assert complete_config(stated, "Ring-1T") == stated  # the file's own word wins


def sample(text: str) -> tuple[Sample, Response]:
    return Sample("s", "", "37", {"scorer": "exact"}), Response("s", text)


def test_thoughts_are_told_apart_by_the_models_own_delimiters() -> None:
    thought = "<think>Page 4 says so.</think>\n37"
    assert scorer_for("Ring-2.5-1T")(*sample(thought)).outcome == "right"
    other = "[THINK]Page 4.[/THINK]\n37"  # another model's: of this one it is a part of the answer
    assert scorer_for("Qwen/Qwen3-8B")(*sample(other)).outcome == "wrong"
    assert ("[THINK]", "[/THINK]") in KNOWN and scorer_for("someone/else")(*sample(other)).outcome == "right"


def show(*arguments: str) -> dict[str, Any]:
    shown = CliRunner().invoke(command, ["show", *arguments, "--json"], catch_exceptions=False)
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


def test_arguments_are_shown_for_models_that_are_not_here() -> None:
    found = show("Ling-1T", "--length", "100K")
    assert found["path"] == "inclusionAI/Ling-1T" and found["native_length"] == 32_768
    assert found["engine_args"]["model"] == "inclusionAI/Ling-1T"
    assert found["engine_args"]["max_model_len"] == 100 * 1024 + 64
    rope = found["engine_args"]["hf_overrides"]["rope_parameters"]
    assert (rope["rope_type"], rope["factor"], rope["rope_theta"]) == ("yarn", 4.0, 600_000.0)
    assert found["profile"]["yarn"]["length"] == 131_072 and found["profile"]["sources"]
    assert any("its own config.json may differ" in caution for caution in found["cautions"])


@pytest.mark.parametrize("profile", ALL, ids=lambda profile: profile.file)
def test_what_is_printed_can_be_typed(profile: Profile) -> None:
    """At the native window, beyond it and at a million tokens: arguments, or one reason why not."""
    for length in (profile.native_length - 64, 2 * profile.native_length, 1_000_000):
        shown = CliRunner().invoke(command, ["show", profile.names[0], "--length", str(length)])
        if shown.exception:
            assert isinstance(shown.exception, UsageError) and length > profile.native_length - 64
            assert re.match("YaRN is (not possible|refused)", str(shown.exception))
            continue
        [python] = re.findall(r"In Python: vllm\.LLM\(\*\*(.*)\)", shown.stdout)
        [server] = re.findall(r"As a server: (vllm serve .*)", shown.stdout)
        arguments, words = ast.literal_eval(python), shlex.split(server)
        flags = dict(zip(words[3::2], words[4::2], strict=True))
        assert words[2] == arguments["model"] == profile.names[0]
        assert int(flags["--max-model-len"]) == arguments["max_model_len"] == length + 64
        overrides = json.loads(flags.get("--hf-overrides", "{}"))
        assert overrides == arguments.get("hf_overrides", {})
        if overrides:
            assert overrides["max_position_embeddings"] >= length + 64
            assert overrides["rope_parameters"]["rope_theta"] == profile.config.get("rope_theta")


def test_a_model_that_the_engine_cannot_start_as_it_is_says_so(tmp_path: Path) -> None:
    cautions = show("Qwen2.5-7B-Instruct-1M", "--length", "200K")["cautions"]
    assert any("no attention backend for this model's dual chunk attention" in caution for caution in cautions)
    assert not any("dual chunk" in caution for caution in show("Qwen3-8B", "--length", "20K")["cautions"])


def test_a_window_that_holds_the_output_too_is_not_taken_for_the_native_one() -> None:
    assert any("states 32,768 tokens without YaRN" in said for said in show("Qwen3-8B", "--length", "36K")["cautions"])
    assert not any("without YaRN" in said for said in show("Qwen3-8B", "--length", "32K")["cautions"])


def test_what_no_source_says_is_left_open() -> None:
    found = show("Ling-2.5-1T", "--length", "1000000")
    rope = found["engine_args"]["hf_overrides"]["rope_parameters"]
    assert (rope["factor"], rope["original_max_position_embeddings"], rope["rope_theta"]) == (4.0, 262_144, None)
    assert any("rope_theta is not known" in caution for caution in found["cautions"])
    assert "hf_overrides" not in show("Ling-2.5-1T", "--length", "200K")["engine_args"]


def test_lengths_beyond_what_the_publisher_states_are_said() -> None:
    cautions = show("Ring-2.5-1T", "--length", "512K")["cautions"]
    assert any(
        "more than the 262,144 that the publisher states with YaRN: prompts of up to 262,080 stay" in caution
        for caution in cautions
    )
    assert any("states no YaRN" in caution for caution in show("Qwen3-4B-Thinking-2507", "--length", "1M")["cautions"])


def test_the_text_names_what_was_not_verified() -> None:
    shown = CliRunner().invoke(command, ["show", "Ring-1T"], catch_exceptions=False).stdout
    assert "between <think> and </think>" in shown and "not verified" in shown and "huggingface.co" in shown


def test_a_models_own_config_wins_over_its_profile(tmp_path: Path) -> None:
    folder = tmp_path / "Ring-1T"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 4096, "rope_theta": 5.0}))
    (folder / "tokenizer.json").write_text("{}")
    found = show(str(folder), "--length", "2K")
    assert found["engine_args"] == {"model": str(folder), "max_model_len": 2112} and found["cautions"] == []
    assert resolve(str(folder)).native_length == 4096
