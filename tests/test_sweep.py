from __future__ import annotations

import math
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longctx.errors import UsageError
from longctx.sweep import PRESETS, Sweep, differences, read_sweep
from longctx.types import Sampling

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.text(st.characters(categories=["L", "N"], include_characters="_-"), min_size=1, max_size=8)
SCALARS = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT)
PLAIN = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))


def unique(values: st.SearchStrategy[Any], most: int = 5) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=1, max_size=most, unique=True)


@st.composite
def sweeps(draw: st.DrawFn) -> Sweep:
    depths = draw(unique(st.floats(0, 1), 8))
    return Sweep(
        tasks=tuple(draw(unique(NAMES))),
        corpora=tuple(draw(unique(NAMES))),
        lengths=tuple(draw(unique(st.integers(1, 2**31)))),
        depths=tuple(depths),
        densities=tuple(draw(unique(st.floats(0, 100)))),
        samples=draw(st.integers(1, 3)),
        seed=draw(st.integers(0, 2**40)),
        questions_per_haystack=draw(st.integers(1, len(depths))),
        variant=draw(st.dictionaries(TEXT, unique(st.one_of(TEXT, st.integers(2, 9)), 2), max_size=2)),
        repeat=draw(st.booleans()),
        voice=draw(TEXT),
        model=draw(TEXT),
        yarn=draw(st.one_of(st.sampled_from(["auto", "off"]), st.floats(1.01, 64))),
        sampling=Sampling(draw(st.integers(1, 99)), draw(st.floats(0, 2)), 3, tuple(draw(st.lists(NAMES, max_size=2)))),
        engine=draw(st.dictionaries(TEXT, PLAIN, max_size=3)),
    )


@given(sweeps())
def test_toml_round_trips_exactly(sweep: Sweep) -> None:
    again = Sweep.from_fields(tomllib.loads(sweep.to_toml()))
    assert again == sweep
    assert again.to_toml() == sweep.to_toml()
    assert differences(sweep.to_fields(), again.to_fields()) == []


@given(sweeps())
def test_every_combination_is_a_cell_once(sweep: Sweep) -> None:
    cells = sweep.cells()
    variants = math.prod(len(values) for values in sweep.variant.values())
    points = len(sweep.tasks) * len(sweep.corpora) * len(sweep.lengths) * len(sweep.densities) * variants
    assert len(set(cells)) == len(cells) == points * sweep.samples * len(sweep.depths)
    for cell in cells:
        assert len(cell.depths_together) <= sweep.questions_per_haystack
        assert not cell.depths_together or (cell.depth in cell.depths_together and len(cell.depths_together) > 1)
    haystacks = Counter((c.task, c.corpus, c.length, c.density, c.variant, c.seed, c.depths_together) for c in cells)
    for (*_, together), count in haystacks.items():
        assert count == len(together) or not together


def sweep(**fields: Any) -> Sweep:
    return Sweep.from_fields({"corpora": ["docs"], "lengths": [1024]}, fields)


def test_depths_are_dealt_so_that_each_group_spans_the_range() -> None:
    depths = [i / 9 for i in range(10)]
    groups = {cell.depths_together for cell in sweep(depths=depths, questions_per_haystack=5).cells()}
    assert groups == {tuple(depths[0::2]), tuple(depths[1::2])}


def test_uneven_depths_are_dealt_evenly() -> None:
    groups = {c.depth: c.depths_together for c in sweep(depths=[0, 0.1, 0.2, 0.3, 1], questions_per_haystack=3).cells()}
    assert set(groups.values()) == {(0.0, 0.2, 1.0), (0.1, 0.3)}


def test_one_question_per_haystack_stands_alone() -> None:
    assert {cell.depths_together for cell in sweep().cells()} == {()}


def test_seeds_count_up_from_the_first() -> None:
    assert {cell.seed for cell in sweep(samples=3, seed=7).cells()} == {7, 8, 9}


def test_order_of_values_does_not_matter() -> None:
    assert sweep(lengths=["4K", 1024], depths=[1, 0]) == sweep(lengths=[1024, 4096], depths=[0, 1.0])


def test_a_single_value_is_a_list_of_one() -> None:
    assert sweep(tasks="a", lengths="2K", depths=0.5, variant={"tier": "entity"}) == sweep(
        tasks=["a"], lengths=[2048], depths=[0.5], variant={"tier": ["entity"]}
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lenghts": [1]}, "Did you mean 'lengths'"),
        ({"sampling": {"max_token": 1}}, "Did you mean 'max_tokens'"),
        ({"sampling": 3}, "sampling is 3; it must be a table"),
        ({"lengths": []}, "lengths is an empty list"),
        ({"lengths": [0]}, "possible are lengths from 1 token"),
        ({"lengths": [-4096]}, "'?-4096'? is below 0"),
        ({"lengths": [math.nan]}, "nan is not a number"),
        ({"lengths": ["4 apples"]}, "'4 apples' is not a number"),
        ({"lengths": [4096, "4K"]}, "lengths has 4096 more than once"),
        ({"depths": [1.5]}, "depths has 1.5; possible are numbers from 0 to 1"),
        ({"depths": [-0.1]}, "depths has -0.1"),
        ({"depths": [math.nan]}, "depths has nan"),
        ({"depths": ["0.5"]}, "depths has '0.5'"),
        ({"depths": [True]}, "depths has True"),
        ({"depths": [0.5, 0.5]}, "depths has 0.5 more than once"),
        ({"depths": [0.0, -0.0]}, "depths has 0.0 more than once"),
        ({"densities": [-1]}, "densities has -1; possible are numbers from 0 to 10000"),
        ({"densities": [math.inf]}, "densities has inf"),
        ({"densities": [10**400]}, "densities has 1000"),
        ({"samples": 0}, "samples is 0; possible are whole numbers from 1"),
        ({"samples": 2.5}, "samples is 2.5"),
        ({"samples": True}, "samples is True"),
        ({"seed": -1}, "seed is -1; possible are whole numbers from 0"),
        ({"tasks": []}, "tasks is an empty list"),
        ({"tasks": [""]}, "tasks has an empty name"),
        ({"tasks": [3]}, "tasks is 3; it must be text"),
        ({"questions_per_haystack": 6}, "possible are 1 to 5"),
        ({"corpora": ["a/docs", "b/docs"]}, "'a/docs' and 'b/docs' would both be called 'docs'"),
        ({"repeat": "yes"}, "possible are true and false"),
        ({"model": "\ud800"}, "not valid Unicode"),
        ({"yarn": "half"}, "possible are auto, off, extrapolate, or a factor above 1"),
        ({"yarn": 1}, "possible are auto, off, extrapolate, or a factor above 1"),
        ({"yarn": True}, "possible are auto, off, extrapolate, or a factor above 1"),
        ({"sampling": {"temperature": -1}}, "sampling.temperature has -1"),
        ({"sampling": {"max_tokens": 0}}, "sampling.max_tokens is 0"),
        ({"variant": {"tier": []}}, "variant.tier is an empty list"),
        ({"variant": {"tier": [[1]]}}, "variant.tier has"),
        ({"engine": {"hf_token": "hf_abc"}}, "engine.hf_token looks like a secret"),
        ({"engine": {"dtype": None}}, "engine.dtype is None"),
        ({"engine": {"a": [math.inf]}}, r"engine.a\[0\] is inf"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sweep(**fields)


@pytest.mark.parametrize("missing", ["corpora", "lengths"])
def test_what_is_missing_is_named_with_a_remedy(missing: str) -> None:
    given = {"corpora": ["docs"], "lengths": [1024]}
    del given[missing]
    with pytest.raises(UsageError, match=f"names no {missing}; .* for example --"):
        Sweep.from_fields(given)


def test_later_layers_win_and_tables_are_merged() -> None:
    merged = Sweep.from_fields(
        {"corpora": ["docs"], "lengths": [1024], "engine": {"a": 1, "b": 1}, "sampling": {"max_tokens": 9}},
        {"lengths": ["2K"], "engine": {"b": 2}, "sampling": {"seed": 5}},
    )
    assert merged.lengths == (2048,)
    assert merged.engine == {"a": 1, "b": 2}
    assert merged.sampling == Sampling(max_tokens=9, seed=5)


@pytest.mark.parametrize("name", sorted(file.stem for file in PRESETS.glob("*.toml")))
def test_shipped_presets_are_whole_sweeps(name: str) -> None:
    preset = Sweep.from_fields(read_sweep(name))
    assert preset.cells()


def test_questions_per_haystack_of_a_preset_give_way_to_fewer_depths_of_a_flag() -> None:
    preset = {"corpora": ["docs"], "lengths": [1024], "questions_per_haystack": 5}
    assert Sweep.from_fields(preset, {"depths": [0, 0.5]}).questions_per_haystack == 2
    assert Sweep.from_fields(preset, {"depths": [0.5]}).questions_per_haystack == 1
    assert Sweep.from_fields(preset, {"samples": 2}).questions_per_haystack == 5
    with pytest.raises(UsageError, match="possible are 1 to 2"):
        Sweep.from_fields(preset, {"depths": [0, 0.5], "questions_per_haystack": 5})


def test_presets_are_found_by_name_and_files_by_path(tmp_path: Any) -> None:
    (tmp_path / "mine.toml").write_text('corpora = ["docs"]\nlengths = ["1K"]\n')
    assert read_sweep(str(tmp_path / "mine.toml")) == {"corpora": ["docs"], "lengths": ["1K"]}
    with pytest.raises(UsageError, match="Unknown preset 'dmeo'. Did you mean 'demo'"):
        read_sweep("dmeo")
    with pytest.raises(UsageError, match="No such file"):
        read_sweep(str(tmp_path / "other.toml"))
    (tmp_path / "mine.toml").write_text("lengths = [1,")
    with pytest.raises(UsageError, match="not valid TOML"):
        read_sweep(str(tmp_path / "mine.toml"))


def test_differences_name_field_old_and_new() -> None:
    old = sweep(engine={"a": 1}).to_fields()
    new = sweep(lengths=["2K"], sampling={"max_tokens": 9}).to_fields()
    assert differences(old, new) == [
        "engine.a: 1 → not set",
        "lengths: [1024] → [2048]",
        "sampling.max_tokens: 64 → 9",
    ]


def test_without_distractors_their_tier_and_distance_are_asked_once() -> None:
    axes = {"tier": ["template", "entity"], "distance": ["uniform", "near"], "fact": ["a", "b"]}
    sweep = Sweep(corpora=["c"], lengths=[100], depths=[0.5], densities=[0, 2], variant=axes)
    asked = [(cell.density, dict(cell.variant)) for cell in sweep.cells()]
    assert len(asked) == 2 + 8
    assert [axes for density, axes in asked if not density] == [
        {"distance": "uniform", "fact": fact, "tier": "template"} for fact in ("a", "b")
    ]


def test_a_depth_can_be_left_to_the_seed() -> None:
    sweep = Sweep(corpora=["c"], lengths=[100], depths="random")
    assert [cell.depth for cell in sweep.cells()] == [None]
    assert Sweep.from_fields(tomllib.loads(sweep.to_toml())) == sweep
    with pytest.raises(UsageError, match="depths has 'random'"):
        Sweep(corpora=["c"], lengths=[100], depths=["random", 0.5])


def test_a_mix_is_called_after_its_parts_and_their_shares(tmp_path: Path) -> None:
    sweep = Sweep(corpora=[f"contracts=3+{tmp_path / 'notes'}=1"], lengths=[100])
    assert list(sweep.sources()) == ["contracts=0.75+notes=0.25"]
    for wrong in ("contracts=0.5+code", "a=0+b=1", "a=x", "=1", "a=1+a=2"):
        with pytest.raises(UsageError, match="Mix"):
            Sweep(corpora=[wrong], lengths=[100])
