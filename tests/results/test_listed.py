"""Mappings that are printed as short lists."""

import json

import pyarrow as pa
import pytest

from v2xsim.results.listed import Listed, ListedMetrics


def test_each_entry_is_a_line():
    assert repr(Listed({"prr": 0.5, "coverage": 1})) == "prr       0.5\ncoverage  1"


def test_of_many_entries_the_first_are_shown_and_the_others_counted():
    lines = repr(Listed(dict.fromkeys(range(2000), "name"))).splitlines()
    assert len(lines) == 46
    assert lines[-1] == "... and 1,955 more"


def test_long_values_are_cut_to_one_line():
    (line,) = repr(Listed({"scenario": {"description": "word\n" * 100}})).splitlines()
    assert len(line) == 100
    assert line.endswith("...")


def test_of_a_table_the_number_of_rows_is_shown():
    assert repr(Listed({"states": pa.table({"x": [1, 2, 3]})})) == "states  table of 3 rows"


def test_without_entries_it_says_so():
    assert repr(Listed()) == "nothing"


def test_it_is_a_dict():
    assert json.dumps(Listed({"a": 1})) == '{"a": 1}'
    assert Listed({"a": 1}) == {"a": 1}


def test_a_name_that_is_not_there_is_refused_with_the_nearest_one():
    with pytest.raises(KeyError, match=r"there is no 'ap_0\.5_fuse'; did you mean 'ap_0\.5_fused'"):
        Listed({"ap_0.5_fused": 1, "prr": 2})["ap_0.5_fuse"]


def test_average_precision_at_another_overlap_is_computed_by_an_evaluation():
    metrics = ListedMetrics({"ap_0.5_ego": 0.4})
    with pytest.raises(
        KeyError, match=r"no 'ap_0.4_ego'; v2xsim.open\(FOLDER\).evaluate\(thresholds=\(0.4,\)\) computes it"
    ):
        metrics["ap_0.4_ego"]
    with pytest.raises(KeyError, match=r"did you mean 'ap_0.5_ego'"):
        metrics["ap_0.5_eg"]
