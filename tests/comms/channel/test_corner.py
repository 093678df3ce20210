"""Loss round the corner of a street."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.comms.channel.building_loss.corner import corner_loss_db
from v2xsim.comms.channel.building_loss.manhattan import manhattan_loss_db
from v2xsim.comms.channel.path_loss.abbas_urban import AbbasUrban
from v2xsim.comms.channel.path_loss.model import piecewise_loss_db
from v2xsim.comms.channel.path_loss.tr37885_urban import Tr37885Urban
from v2xsim.comms.channel.path_loss.winner_b1 import winner_b1_loss_db
from v2xsim.records import LOS, NLOSB, NLOSV


def test_the_virtual_source_follows_its_formula():
    found = corner_loss_db(np.array([30.0]), np.array([30.0]), 5.9)[0]
    wavelength = 299_792_458.0 / 5.9e9
    assert found == pytest.approx(3.75 + 26.9 * np.log10(30**0.957 / 200**0.81 * 4 * np.pi * 30 / wavelength))
    assert corner_loss_db(np.array([30.0]), np.array([30.0]), 5.9, suburban=True)[0] - found == pytest.approx(2.94)


def test_the_manhattan_formula_by_hand():
    slope = 2.8 - 0.0024 * 50
    clear = winner_b1_loss_db(np.array([50.0]), 5.9, 1.5, 1.5, 1.0)[0]
    by_hand = clear + 17.3 - 12.5 * slope + 10 * slope * np.log10(50) + 3 * np.log10(5.9)
    assert manhattan_loss_db(np.array([50.0]), np.array([50.0]), 5.9, 1.5, 1.5, 1.0)[0] == pytest.approx(by_hand)


@given(st.floats(1, 499), st.floats(1, 499), st.floats(0, 100))
def test_both_directions_lose_the_same_and_farther_costs_more(first, second, more):
    a, b = np.array([first]), np.array([second])
    assert corner_loss_db(a, b, 5.9)[0] == corner_loss_db(b, a, 5.9)[0]
    assert manhattan_loss_db(a, b, 5.9, 1.5, 1.5, 0.0)[0] == manhattan_loss_db(b, a, 5.9, 1.5, 1.5, 0.0)[0]
    assert corner_loss_db(a + more, b, 5.9)[0] >= corner_loss_db(a, b, 5.9)[0] - 1e-9


@given(st.floats(0.5, 3000), st.sampled_from([LOS, NLOSV, NLOSB]), st.sampled_from([Tr37885Urban(), AbbasUrban()]))
def test_rows_of_a_model_are_continuous_and_the_same_for_one_and_many(distance_m, state, channel):
    pieces = channel.pieces_db(5.9)
    one = piecewise_loss_db(pieces, np.array([distance_m]), np.array([state], np.int8))[0]
    many = piecewise_loss_db(pieces, np.array([5.0, distance_m, 2000.0]), np.array([LOS, state, NLOSB], np.int8))[1]
    assert one == many
    nearly = piecewise_loss_db(pieces, np.array([distance_m * 1.0001]), np.array([state], np.int8))[0]
    assert 0.0 <= nearly - one < 0.01
