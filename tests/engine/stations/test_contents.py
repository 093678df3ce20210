"""What stations tell each other."""

import numpy as np
import pytest

from v2xsim.engine.stations.contents import EVERYBODY, NOBODY, HeardList


def test_result_tables_know_nobody_as_minus_one_and_everybody_as_minus_two():
    assert (NOBODY, EVERYBODY) == (-1, -2)


def told(snr_db, share):
    """Return SNR and share of one station in a list, as the message can hold them."""
    heard = HeardList.of(np.array([4]), np.array([float(snr_db)]), np.array([float(share)]))
    return heard.snr_db[0], heard.share[0]


@pytest.mark.parametrize(("snr_db", "sent_db"), [(10.3, 10.5), (10.2, 10.0), (-3.3, -3.5), (-99, -28.0), (250, 99.5)])
def test_an_snr_is_sent_in_half_decibels_in_the_range_of_one_byte(snr_db, sent_db):
    assert told(snr_db, 0.5)[0] == sent_db


def test_one_byte_holds_every_snr_that_can_be_sent():
    assert len(np.arange(-28.0, 99.6, 0.5)) == 256


@pytest.mark.parametrize(("share", "steps"), [(0.0, 0), (1.0, 255), (2 / 3, 170), (0.7, 178), (0.001, 0)])
def test_a_share_is_sent_in_255_steps(share, steps):
    assert told(20, share)[1] == steps / 255


def test_whoever_heard_nobody_sends_an_empty_list():
    assert len(HeardList.nobody()) == 0
