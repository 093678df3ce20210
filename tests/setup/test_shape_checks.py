"""The checks of annotations are on while the tests run, and leave compiled functions alone."""

import os
from pathlib import Path

import numpy as np
import pytest
from beartype.roar import BeartypeCallHintViolation

from tests import shapes_hook
from v2xsim.comms.channel.vehicle_loss import knife_edge_parameter
from v2xsim.comms.phy.error_rate import error_curve, error_rate_at
from v2xsim.records import Boxes

pytestmark = pytest.mark.skipif(os.environ.get("V2XSIM_TEST_SHAPES") == "0", reason="the checks are switched off")


def test_a_function_refuses_arrays_whose_lengths_differ():
    with pytest.raises(BeartypeCallHintViolation, match="second_m"):
        knife_edge_parameter(np.zeros(3), np.ones(3), np.ones(2), 0.05)


def test_a_frozen_record_refuses_an_array_of_another_shape():
    with pytest.raises(BeartypeCallHintViolation, match="size_m"):
        Boxes(np.zeros((2, 3)), np.ones((2, 2)), np.zeros(2))


def test_a_function_refuses_whole_numbers_where_it_asks_for_an_array_of_floats():
    with pytest.raises(BeartypeCallHintViolation, match="clearance_m"):
        knife_edge_parameter(np.zeros(3, int), np.ones(3), np.ones(3), 0.05)


def test_a_whole_number_passes_for_a_float():
    assert knife_edge_parameter(np.zeros(1), np.ones(1), np.ones(1), 1) == 0.0


def test_a_kernel_still_compiles_and_its_result_is_kept_on_disk():
    ratio_db, rate = error_curve()
    assert error_rate_at(ratio_db[3], ratio_db, rate) == rate[3]
    assert list(Path(error_rate_at.stats.cache_path).glob("error_rate.error_rate_at-*.nbi"))


def test_the_checks_refuse_to_come_too_late():
    with pytest.raises(RuntimeError, match="before v2xsim is imported"):
        shapes_hook.install()
