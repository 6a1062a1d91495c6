from __future__ import annotations

import copy
import dataclasses
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from longctx.errors import UsageError
from longctx.yarn import native_length, plan_window, rope_of

# What publishers' config.json files say, as far as it bears on the window.
QWEN25_INSTRUCT = {"model_type": "qwen2", "max_position_embeddings": 32768, "rope_theta": 1000000.0}
QWEN25_YARN = QWEN25_INSTRUCT | {
    "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
}
QWEN3 = {"model_type": "qwen3", "max_position_embeddings": 40960, "rope_theta": 1000000, "rope_scaling": None}
SMOLLM2 = {
    "model_type": "llama",
    "max_position_embeddings": 8192,
    "rope_parameters": {"rope_theta": 100000.0, "rope_type": "default"},
}
LLAMA2 = {"model_type": "llama", "max_position_embeddings": 4096}
LLAMA31 = {
    "model_type": "llama",
    "max_position_embeddings": 131072,
    "rope_theta": 500000.0,
    "rope_scaling": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
}
LING_1T = {
    "model_type": "bailing_moe_v2",
    "max_position_embeddings": 32768,
    "rope_theta": 600000,
    "rope_scaling": None,
    "rotary_dim": 64,
    "head_dim": 128,
}
LING_MINI = {
    "model_type": "bailing_moe_v2",
    "max_position_embeddings": 32768,
    "rope_theta": 600000,
    "rope_scaling": None,
    "partial_rotary_factor": 0.5,
}
DEEPSEEK_V3 = {
    "model_type": "deepseek_v3",
    "max_position_embeddings": 163840,
    "rope_theta": 10000,
    "rope_scaling": {
        "type": "yarn",
        "factor": 40,
        "original_max_position_embeddings": 4096,
        "beta_fast": 32,
        "beta_slow": 1,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
    },
}
YARN_LLAMA2_64K = {
    "model_type": "llama",
    "max_position_embeddings": 65536,
    "rope_scaling": {"factor": 16.0, "original_max_position_embeddings": 4096, "type": "yarn", "finetuned": True},
}
PHI3_128K = {
    "model_type": "phi3",
    "max_position_embeddings": 131072,
    "original_max_position_embeddings": 4096,
    "rope_theta": 10000.0,
    "rope_scaling": {"type": "longrope", "long_factor": [1.0], "short_factor": [1.0]},
}
LINEAR = {
    "model_type": "llama",
    "max_position_embeddings": 4096,
    "rope_theta": 10000.0,
    "rope_scaling": {"type": "linear", "factor": 8.0},
}
DYNAMIC = LINEAR | {"rope_scaling": {"type": "dynamic", "factor": 2.0}}
GEMMA3 = {
    "model_type": "gemma3_text",
    "max_position_embeddings": 131072,
    "rope_theta": 1000000.0,
    "rope_local_base_freq": 10000.0,
    "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
}
GEMMA3_NEW = {
    "model_type": "gemma3_text",
    "max_position_embeddings": 131072,
    "rope_parameters": {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
    },
}
QWEN25_VL = QWEN25_INSTRUCT | {
    "model_type": "qwen2_5_vl",
    "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
}
QWEN3_VL = {
    "model_type": "qwen3_vl",
    "text_config": {
        "model_type": "qwen3_vl_text",
        "max_position_embeddings": 262144,
        "rope_theta": 5000000,
        "rope_scaling": {"mrope_interleaved": True, "mrope_section": [24, 20, 20], "rope_type": "default"},
    },
}
COMMAND_R = {
    "model_type": "cohere",
    "max_position_embeddings": 8192,
    "model_max_length": 131072,
    "rope_theta": 8000000.0,
}


@pytest.mark.parametrize(
    ("config", "native"),
    [
        (QWEN25_INSTRUCT, 32768),
        (QWEN25_YARN, 131072),
        (QWEN3, 40960),
        (SMOLLM2, 8192),
        (LLAMA2, 4096),
        (LLAMA31, 131072),
        (LING_1T, 32768),
        (DEEPSEEK_V3, 163840),
        (YARN_LLAMA2_64K, 65536),
        (PHI3_128K, 131072),
        (LINEAR, 32768),
        (DYNAMIC, 8192),
        (GEMMA3, 131072),
        (GEMMA3_NEW, 131072),
        (QWEN25_VL, 32768),
        (QWEN3_VL, 262144),
        (COMMAND_R, 131072),
    ],
)
def test_native_length_of_published_configurations(config: dict[str, Any], native: int) -> None:
    assert native_length(config) == native


def test_a_configuration_without_a_window_is_refused() -> None:
    with pytest.raises(UsageError, match="states no window"):
        native_length({"model_type": "mamba"})


@pytest.mark.parametrize(
    ("config", "length", "factor", "original", "window"),
    [
        (QWEN25_INSTRUCT, 131072 - 64, 4.0, 32768, 131072),  # the publisher's own setting
        (QWEN25_INSTRUCT, 131072, 5.0, 32768, 163840),  # the output needs room as well
        (QWEN3, 131072 - 64, 4.0, 32768, 131072),  # the publisher's own setting; not from 40,960
        (QWEN3, 40960, 2.0, 32768, 65536),
        (LING_1T, 131072 - 64, 4.0, 32768, 131072),  # the publisher's own setting
        (SMOLLM2, 9000, 2.0, 8192, 16384),
        (SMOLLM2, 8192 - 63, 2.0, 8192, 16384),
        (SMOLLM2, 16384, 3.0, 8192, 24576),
        (LLAMA2, 8000, 2.0, 4096, 8192),
        (COMMAND_R, 200_000, 2.0, 131072, 262144),
    ],
)
def test_auto_rounds_the_factor_up_to_a_whole_number(
    config: dict[str, Any], length: int, factor: float, original: int, window: int
) -> None:
    plan = plan_window(config, length, 64, "auto")
    assert (plan.factor, plan.original, plan.window) == (factor, original, length + 64)
    assert plan.hf_overrides["max_position_embeddings"] == window
    rope = plan.hf_overrides["rope_parameters"]
    assert rope["factor"] == factor
    assert rope["original_max_position_embeddings"] == original
    assert rope["rope_type"] == "yarn"


@pytest.mark.parametrize("yarn", ["auto", "off"])
@pytest.mark.parametrize(
    "config", [QWEN25_INSTRUCT, QWEN3, LLAMA31, DEEPSEEK_V3, YARN_LLAMA2_64K, PHI3_128K, GEMMA3, GEMMA3_NEW, LING_1T]
)
def test_within_the_native_window_nothing_is_changed(config: dict[str, Any], yarn: str) -> None:
    plan = plan_window(config, native_length(config) - 64, 64, yarn)
    assert plan.factor is None
    assert plan.hf_overrides == {}
    assert plan.window == plan.native


def test_a_window_that_a_yarn_configuration_leaves_unstretched_is_raised_for_vllm() -> None:
    plan = plan_window(QWEN25_YARN, 100_000, 64)
    assert (plan.factor, plan.native, plan.scaling) == (None, 131072, "yarn")
    assert plan.hf_overrides == {"max_position_embeddings": 131072}


def test_every_key_that_limits_the_window_is_raised() -> None:
    plan = plan_window(COMMAND_R, 200_000, 64, "auto")
    assert plan.hf_overrides["model_max_length"] == plan.hf_overrides["max_position_embeddings"] == 262144


@pytest.mark.parametrize(
    ("config", "theta"),
    [(QWEN25_INSTRUCT, 1000000.0), (SMOLLM2, 100000.0), (LING_1T, 600000), (LLAMA2, 10000.0), (QWEN3, 1000000)],
)
def test_the_models_theta_is_carried_over(config: dict[str, Any], theta: float) -> None:
    assert rope_of(plan_window(config, 50_000, 64, "auto"))["rope_theta"] == theta


@pytest.mark.parametrize("theta", [None, 0, -1.0, [10000.0, 500000.0], True, "1e6"])
def test_yarn_without_a_usable_theta_is_refused(theta: object) -> None:
    config = QWEN25_INSTRUCT | {"rope_theta": theta}
    with pytest.raises(UsageError, match="no usable rope_theta"):
        plan_window(config, 50_000, 64, "auto")
    assert plan_window(config, 5_000, 64, "auto").factor is None


def test_partial_rotation_is_carried_over() -> None:
    assert rope_of(plan_window(LING_MINI, 50_000, 64, "auto"))["partial_rotary_factor"] == 0.5
    pythia = {"model_type": "gpt_neox", "max_position_embeddings": 2048, "rotary_emb_base": 10000, "rotary_pct": 0.25}
    rope = rope_of(plan_window(pythia, 4000, 64, "auto"))
    assert (rope["partial_rotary_factor"], rope["rope_theta"]) == (0.25, 10000)


def test_a_multimodal_models_sections_are_carried_over_into_its_text_part() -> None:
    plan = plan_window(QWEN3_VL, 500_000, 64, "auto")
    assert plan.hf_overrides["text_config"]["max_position_embeddings"] == 524288
    rope = rope_of(plan)
    assert rope["mrope_section"] == [24, 20, 20]
    assert rope["mrope_interleaved"] is True
    assert rope == plan.hf_overrides["text_config"]["rope_parameters"]
    # Qwen2.5-VL publishes its text settings unnested; transformers 5 nests them before vLLM sees them.
    flat = plan_window(QWEN25_VL, 60_000, 64, "auto")
    assert list(flat.hf_overrides) == ["text_config"]
    assert rope_of(flat)["mrope_section"] == [16, 24, 24]


@pytest.mark.parametrize("config", [GEMMA3, GEMMA3_NEW])
@pytest.mark.parametrize("yarn", ["auto", "2.0"])
def test_layers_with_different_rotary_embeddings_are_refused(config: dict[str, Any], yarn: str) -> None:
    with pytest.raises(UsageError, match="layers of this model have different rotary embeddings"):
        plan_window(config, 200_000, 64, yarn, allow_rescale=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dual_chunk_attention_config": {"chunk_size": 262144}}, "dual chunk attention"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "use_fope": True}}, "use_fope"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "attention_factor": 0.9}}, "attention_factor"),
    ],
)
def test_rotary_settings_that_yarn_cannot_keep_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plan_window(QWEN25_INSTRUCT | changes, 50_000, 64, "auto")


@pytest.mark.parametrize("yarn", ["auto", "2.0"])
@pytest.mark.parametrize(
    ("config", "kind"),
    [(LLAMA31, "llama3"), (DEEPSEEK_V3, "yarn"), (PHI3_128K, "longrope"), (LINEAR, "linear"), (DYNAMIC, "dynamic")],
)
def test_a_models_own_scaling_is_not_replaced_unasked(config: dict[str, Any], kind: str, yarn: str) -> None:
    with pytest.raises(UsageError, match=f"carries its own {kind} scaling"):
        plan_window(config, native_length(config), 64, yarn)


@pytest.mark.parametrize(
    ("config", "original", "factor"),
    [(LLAMA31, 8192, 25.0), (DEEPSEEK_V3, 4096, 49.0), (LINEAR, 4096, 49.0), (PHI3_128K, 4096, 49.0)],
)
def test_told_to_yarn_starts_from_the_window_before_the_models_own_scaling(
    config: dict[str, Any], original: int, factor: float
) -> None:
    plan = plan_window(config, 200_000, 64, "auto", allow_rescale=True)
    assert (plan.original, plan.factor) == (original, factor)
    assert "in place of the model's own" in plan.reason
    rope = rope_of(plan)
    assert not {"low_freq_factor", "high_freq_factor", "long_factor", "short_factor", "type"} & rope.keys()
    assert ("mscale_all_dim" in rope) == (config is DEEPSEEK_V3)


def test_off_beyond_the_native_window_says_what_is_possible() -> None:
    with pytest.raises(UsageError) as caught:
        plan_window(SMOLLM2, 12288, 32, "off")
    assert str(caught.value) == (
        "12,288 prompt + 32 output tokens need a window of 12,320; the model's own is 8,192. "
        "Possible: --yarn auto, or prompts of up to 8,160 tokens."
    )
    with pytest.raises(
        UsageError, match=r"carries its own llama3 scaling already\. Possible: prompts of up to 131,040"
    ):
        plan_window(LLAMA31, 200_000, 32, "off")
    with pytest.raises(UsageError, match="or fewer output tokens"):
        plan_window(SMOLLM2, 100, 10_000, "off")


def test_a_given_factor_applies_even_where_it_is_not_needed() -> None:
    plan = plan_window(SMOLLM2, 4096, 32, "2.0")
    assert (plan.factor, plan.window, plan.hf_overrides["max_position_embeddings"]) == (2.0, 4128, 16384)
    assert plan_window(SMOLLM2, 12_000, 32, "1.5").hf_overrides["max_position_embeddings"] == 12288


def test_extrapolation_raises_the_window_and_scales_nothing() -> None:
    plan = plan_window(SMOLLM2, 12_288, 32, "extrapolate")
    assert (plan.factor, plan.native, plan.window) == (None, 8192, 12_320)
    assert plan.hf_overrides == {"max_position_embeddings": 12_320}
    assert plan_window(SMOLLM2, 4096, 32, "extrapolate") == plan_window(SMOLLM2, 4096, 32, "off")
    assert plan_window(LLAMA31, 200_000, 32, "extrapolate").hf_overrides == {"max_position_embeddings": 200_032}
    with pytest.raises(UsageError, match="extrapolation is not possible: the model carries its own yarn scaling"):
        plan_window(DEEPSEEK_V3, 200_000, 32, "extrapolate")


def test_a_given_factor_that_is_too_small_is_refused_with_numbers() -> None:
    with pytest.raises(UsageError) as caught:
        plan_window(SMOLLM2, 20_000, 32, "2")
    assert str(caught.value) == (
        "20,000 prompt + 32 output tokens need a window of 20,032; YaRN factor 2 on 8,192 tokens gives 16,384. "
        "Possible: factor 3 or more, --yarn auto, or prompts of up to 16,352 tokens."
    )


@pytest.mark.parametrize("yarn", ["1", "1.0", "0.5", "-2", "0", "nan", "inf", "on", "", "2x"])
def test_settings_that_are_none_are_refused(yarn: str) -> None:
    with pytest.raises(UsageError, match="possible are auto, off, extrapolate, or a factor above 1"):
        plan_window(SMOLLM2, 4096, 32, yarn)


def test_the_models_configuration_is_left_as_it_was() -> None:
    for config in (SMOLLM2, LING_MINI, QWEN3_VL, DEEPSEEK_V3):
        before = copy.deepcopy(config)
        plan_window(config, 400_000, 64, "auto", allow_rescale=True)
        assert config == before


def test_a_plan_goes_into_json() -> None:
    import json

    plan = plan_window(QWEN3_VL, 500_000, 64, "auto")
    assert json.loads(json.dumps(dataclasses.asdict(plan))) == dataclasses.asdict(plan)


@given(
    native=st.integers(16, 2**20),
    length=st.integers(1, 2**22),
    output=st.integers(1, 4096),
    yarn=st.sampled_from(["auto", "off", "extrapolate", "2", "4.0", "1.5"]),
)
def test_a_plan_always_holds_prompt_and_output(native: int, length: int, output: int, yarn: str) -> None:
    config = {"model_type": "any", "max_position_embeddings": native, "rope_theta": 10000.0}
    try:
        plan = plan_window(config, length, output, yarn)
    except UsageError:
        assume(yarn != "auto")
        assert length + output > native
        return
    assert plan.window == length + output
    assert plan.window <= plan.hf_overrides.get("max_position_embeddings", native)
    if yarn == "auto":
        assert (plan.factor is None) == (length + output <= native)
        if plan.factor is not None:
            assert (plan.factor - 1) * native < length + output <= plan.factor * native


def test_planning_a_window_loads_nothing_heavy() -> None:
    program = (
        "import sys; from longctx.yarn import plan_window; import longctx.backends.vllm;"
        "sys.exit(bool({'torch', 'vllm', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
