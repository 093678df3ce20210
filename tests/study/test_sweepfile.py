"""Sweep files: what they may say, and that each thing that makes no sense is refused in words."""

import pytest
from pydantic import ValidationError

from v2xsim.study.sweepfile import Range, SweepFile


def file(**said):
    return SweepFile.model_validate({"scenario": "demo", **said})


def refusal(**said):
    with pytest.raises(ValidationError) as caught:
        file(**said)
    return "\n".join(error["msg"] for error in caught.value.errors())


def test_a_sweep_of_nothing_but_a_scenario_has_one_seed_and_keeps_metrics():
    plain = file()
    assert (plain.name, plain.seeds, plain.keep, plain.threads) == ("sweep", 1, "metrics", 1)
    assert (plain.timeout_s, plain.memory_gb, plain.baseline) == (None, None, {})


def test_the_draw_has_seed_1_unless_another_is_given():
    assert file(random={"points": 2, "keys": {"a": [1]}}).random.seed == 1


def test_a_range_is_linear_and_of_any_number_unless_it_says_otherwise():
    plain = Range.model_validate({"from": 1, "to": 2})
    assert (plain.scale, plain.integer) == ("linear", False)


@pytest.mark.parametrize("limits", [(1, 1), (2, 1)])
def test_a_range_must_rise(limits):
    rule = {"from": limits[0], "to": limits[1]}
    assert f"to ({limits[1]}) must be above from ({limits[0]})" in refusal(random={"points": 1, "keys": {"a": rule}})


@pytest.mark.parametrize("low", [0, -1])
def test_a_log_range_begins_above_zero(low):
    rule = {"from": low, "to": 5, "scale": "log"}
    assert "from must be above 0 where scale is log" in refusal(random={"points": 1, "keys": {"a": rule}})


@pytest.mark.parametrize("low", [0, -1])
def test_a_linear_range_may_begin_at_or_below_zero(low):
    assert Range.model_validate({"from": low, "to": 5}).lowest == low


@pytest.mark.parametrize("limits", [(1.5, 4), (1, 4.5)])
def test_a_range_of_whole_numbers_has_whole_ends(limits):
    rule = {"from": limits[0], "to": limits[1], "integer": True}
    assert "must be whole numbers" in refusal(random={"points": 1, "keys": {"a": rule}})


@pytest.mark.parametrize("limits", [(1.5, 4), (1, 4.5)])
def test_a_range_of_any_numbers_may_have_broken_ends(limits):
    assert not Range.model_validate({"from": limits[0], "to": limits[1]}).integer


BLOCKS = {
    "set": {"set": {"a.b": 1}},
    "grid": {"grid": {"a.b": [1]}},
    "list": {"list": [{"a.b": 1}]},
    "random": {"random": {"points": 1, "keys": {"a.b": [1]}}},
    "sobol": {"sobol": {"points": 1, "keys": {"a.b": [1]}}},
}


@pytest.mark.parametrize("second", BLOCKS)
@pytest.mark.parametrize("first", BLOCKS)
def test_a_key_stands_in_one_block(first, second):
    if list(BLOCKS).index(first) < list(BLOCKS).index(second):
        assert f"a.b stands in {first} and in {second}" in refusal(**BLOCKS[first], **BLOCKS[second])


@pytest.mark.parametrize("block", ["set", "grid", "list", "random", "sobol"])
def test_other_keys_may_stand_in_any_two_blocks(block):
    other = {"set": {"c": 1}} if block != "set" else {"grid": {"c": [1]}}
    assert file(**BLOCKS[block], **other)


@pytest.mark.parametrize("key", ["name", "description", "run.seed"])
def test_names_and_the_seed_are_not_varied(key):
    assert f"grid: {key} cannot be varied" in refusal(grid={key: [1]})


def test_the_seed_has_a_hint_and_names_have_none():
    assert refusal(grid={"run.seed": [1]}).endswith("use seeds")
    assert refusal(grid={"name": ["x"]}).endswith("cannot be varied")


@pytest.mark.parametrize("key", ["", ".a", "a.", "a..b"])
def test_keys_are_dotted(key):
    assert "must have dotted keys" in refusal(grid={key: [1]})


def test_a_section_and_a_key_inside_it_are_not_both_varied():
    assert "a.b lies within a" in refusal(grid={"a": [1]}, list=[{"a.b": 1}])


def test_a_section_and_a_key_inside_it_are_not_both_set():
    assert "a.b lies within a" in refusal(set={"a": {}, "a.b": 1})


def test_a_key_inside_a_section_that_is_set_may_vary():
    assert file(set={"a": {}}, grid={"a.b": [1]})


def test_a_section_around_a_key_that_is_set_may_not_vary():
    assert "a.b lies within a" in refusal(set={"a.b": 1}, grid={"a": [{}]})


def test_keys_that_begin_alike_are_not_inside_each_other():
    assert file(grid={"a": [1], "ab": [1]})


def test_rows_of_a_list_give_the_same_keys():
    assert "list.1: must give the same keys as the other rows, b is missing" in refusal(
        list=[{"a": 1, "b": 2}, {"a": 3}]
    )


def test_the_first_key_that_a_row_lacks_is_named():
    assert "list.0: must give the same keys as the other rows, b is missing" in refusal(
        list=[{"a": 1}, {"a": 1, "b": 2, "c": 3}]
    )


def test_seeds_differ():
    assert "seeds must differ" in refusal(seeds=[1, 2, 1])


def test_a_list_of_other_seeds_is_taken():
    assert file(seeds=[7, 0, 2]).seeds == [7, 0, 2]


@pytest.mark.parametrize("seeds", [0, -1, [], [-1]])
def test_there_is_a_seed_and_none_is_negative(seeds):
    assert refusal(seeds=seeds)


def test_the_baseline_names_keys_that_vary():
    assert "baseline: b is not varied" in refusal(grid={"a": [1]}, baseline={"b": 1})


def test_the_baseline_names_no_key_that_is_set():
    assert "baseline: b is not varied" in refusal(set={"b": 1}, grid={"a": [1]}, baseline={"b": 1})


@pytest.mark.parametrize("block", ["grid", "list", "random", "sobol"])
def test_the_baseline_may_name_a_key_of_any_block_that_varies(block):
    assert file(**BLOCKS[block], baseline={"a.b": 1}).baseline == {"a.b": 1}


@pytest.mark.parametrize(
    ("key", "least", "most"), [("threads", 1, 256), ("seeds", 1, 100_000)],
)  # fmt: skip
def test_counts_have_limits(key, least, most):
    assert getattr(file(**{key: least}), key) == least
    assert getattr(file(**{key: most}), key) == most
    assert refusal(**{key: least - 1})
    assert refusal(**{key: most + 1})


@pytest.mark.parametrize("block", ["random", "sobol"])
def test_draws_have_limits(block):
    for points in (1, 100_000):
        assert getattr(file(**{block: {"points": points, "keys": {"a": [1]}}}), block).points == points
    for points in (0, 100_001):
        assert refusal(**{block: {"points": points, "keys": {"a": [1]}}})
    assert refusal(**{block: {"points": 1, "keys": {}}})
    assert getattr(file(**{block: {"points": 1, "seed": 0, "keys": {"a": [1]}}}), block).seed == 0
    assert refusal(**{block: {"points": 1, "seed": -1, "keys": {"a": [1]}}})


@pytest.mark.parametrize("key", ["timeout_s", "memory_gb"])
def test_limits_of_a_point_are_above_zero(key):
    assert getattr(file(**{key: 0.01}), key) == 0.01
    assert refusal(**{key: 0})


def test_the_folder_name_is_plain():
    assert file(name="a-b_c.1").name == "a-b_c.1"
    assert refusal(name="a/b")


@pytest.mark.parametrize(
    ("block", "most"),
    [
        (lambda count: {"question": "x" * count}, 2000),
        (lambda count: {"name": "x" * count}, 80),
        (lambda count: {"grid": {"a": [0] * count}}, 10_000),
        (lambda count: {"random": {"points": 1, "keys": {"a": [0] * count}}}, 10_000),
        (lambda count: {"list": [{"a": 0}] * count}, 100_000),
        (lambda count: {"seeds": list(range(count))}, 100_000),
    ],
    ids=["question", "name", "grid", "random", "list", "seeds"],
)
def test_texts_and_lists_have_limits(block, most):
    assert file(**block(most))
    assert refusal(**block(most + 1))


def test_seeds_are_below_two_to_the_63rd():
    assert file(seeds=[2**63 - 1])
    assert refusal(seeds=[2**63])
    assert file(random={"points": 1, "seed": 2**63 - 1, "keys": {"a": [1]}})
    assert refusal(random={"points": 1, "seed": 2**63, "keys": {"a": [1]}})
