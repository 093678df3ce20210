"""Each metric of a run has its group, unit, range and meaning in the catalogue."""

import pytest
from small_tables import read

from v2xsim.evaluation.catalogue import GROUPS, KINDS, kind_of
from v2xsim.evaluation.metrics import all_metrics

PRECISION = {
    mode: [(threshold, 0.5) for threshold in (0.3, 0.5, 0.7)]
    for mode in ("ego", "ego_unannounced", "fused", "fused_unannounced")
}


def metrics():
    return all_metrics(read({}), PRECISION, 1.0, 150.0)


def test_the_catalogue_has_exactly_the_metrics_that_a_run_computes():
    assert {name for name, _, _ in metrics()} == set(KINDS)


def test_a_metric_has_the_unit_of_the_catalogue():
    assert {name: metric.unit for name, _, metric in metrics()} == {name: kind.unit for name, kind in KINDS.items()}


def test_only_shares_have_a_largest_value_and_it_is_one():
    assert {name for name, kind in KINDS.items() if kind.high == 1.0} == {n for n, k in KINDS.items() if k.unit == "1"}


def test_average_precision_has_a_kind_at_every_overlap():
    kind = kind_of("ap_0.6_fused")
    assert (kind.group, kind.unit, kind.high) == (GROUPS[0], "1", 1.0)
    assert kind.meaning == "average precision at an overlap of 0.6, after fusion"
    assert kind_of("ap_0.25_ego_unannounced").meaning == (
        "average precision at an overlap of 0.25, alone, without road users that announce themselves"
    )


def test_a_metric_that_does_not_exist_has_no_kind():
    with pytest.raises(KeyError):
        kind_of("prrr")
