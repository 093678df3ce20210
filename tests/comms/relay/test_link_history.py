"""What a station learns of its links: the present shadowing behind the fading, and for how long their state is the same."""

import numpy as np
import pytest

from v2xsim.comms.relay.foresight.history import MANY_TICKS, LinkHistories, Measurements, learned, still_known
from v2xsim.records import LOS, NLOSB

SIGMA_DB, DECORRELATION_M, LEAST_DB, NEWEST = np.array([3.0, 3.0, 4.0]), np.array([10.0, 13.0, 13.0]), 9.0, 0.4
TICK_US, EXPECTED_DB = 100_000, 20.0


def measured(tick, snr_db, *, speed_mps=0.0, fading_db2=0.0, expected_db=EXPECTED_DB, state=LOS, key=5):
    one = np.ones(1)
    return Measurements(
        np.array([key]), tick * TICK_US, one * snr_db, one * expected_db, np.full(1, state, np.int8), one * speed_mps, 0.0 * one,
        one * fading_db2,
    )  # fmt: skip


def after(*ticks, before=None):
    history = before or LinkHistories.none()
    for tick in ticks:
        history = learned(history, tick, SIGMA_DB, DECORRELATION_M, LEAST_DB, NEWEST)
    return history


def means_of(packets_db):
    """Return the mean SNR after each packet, as stations measure it."""
    mean_db = [packets_db[0]]
    for packet_db in packets_db[1:]:
        mean_db.append((1.0 - NEWEST) * mean_db[-1] + NEWEST * packet_db)
    return mean_db


def test_without_fading_the_shadowing_is_what_was_measured():
    history = after(measured(0, EXPECTED_DB + 6.0))
    assert history.mean[0] == pytest.approx(2.0, abs=0.1)
    assert history.variance[0] < 0.05


def test_fading_averages_out_while_nobody_moves():
    packets_db = EXPECTED_DB + 3.0 + 5.6 * np.random.default_rng(4).standard_normal(200)
    history = after(*(measured(n, snr_db, fading_db2=31.0) for n, snr_db in enumerate(means_of(packets_db))))
    # Shadowing of one standard deviation; what is left is 5.6 / sqrt(200) = 0.4 dB, and three times this is rarely exceeded.
    assert history.mean[0] * 3.0 == pytest.approx(3.0, abs=1.2)
    assert history.variance[0] * 9.0 < 0.25


def test_shadowing_fades_with_the_way_that_both_ends_cover():
    first = after(measured(0, EXPECTED_DB + 6.0))
    # 2 m in a tick, and no new packet: the measured mean stays.
    later = after(measured(1, EXPECTED_DB + 6.0, speed_mps=20.0), before=first)
    kept = np.exp(-2.0 / 10.0)
    assert later.mean[0] == pytest.approx(kept * first.mean[0])
    assert later.variance[0] == pytest.approx(kept**2 * first.variance[0] + 1.0 - kept**2)


def test_the_newest_packet_counts_alone_when_the_ends_have_moved_far():
    # The mean goes from 20 to 22.4 dB after a packet of 26 dB; 100 m leave nothing of the shadowing before.
    snr_db = means_of([EXPECTED_DB, EXPECTED_DB + 6.0])
    history = after(measured(0, snr_db[0]), measured(1, snr_db[1], speed_mps=1000.0))
    assert history.mean[0] == pytest.approx(2.0, abs=0.1)


def test_a_link_of_which_nothing_was_measured_for_long_starts_again():
    first = after(*(measured(n, EXPECTED_DB + 6.0) for n in range(4)))
    assert after(measured(6, EXPECTED_DB, state=NLOSB), before=first).same_ticks[0] == 0
    assert after(measured(7, EXPECTED_DB, state=NLOSB), before=first).same_ticks[0] == MANY_TICKS


def test_ticks_are_counted_while_the_state_is_the_same():
    behind = [measured(n, EXPECTED_DB, state=NLOSB) for n in (3, 4, 5)]
    assert after(measured(2, EXPECTED_DB), *behind).same_ticks[0] == 2


def test_the_margin_is_what_the_link_has_over_the_least_snr():
    # 20 + 6 - 9 dB above it; of the SNR, little is unknown but the 0.5 dB of positions.
    history = after(measured(0, EXPECTED_DB + 6.0))
    assert history.margin[0] == pytest.approx(17.0 / np.sqrt(0.25 + 9.0 * history.variance[0]), rel=0.02)


def test_links_that_were_not_measured_are_kept_for_three_ticks():
    first, other = after(measured(0, EXPECTED_DB, key=9)), after(measured(3, EXPECTED_DB, key=2))
    assert still_known(first, other, 3 * TICK_US).key.tolist() == [2, 9]
    assert still_known(first, other, 4 * TICK_US).key.tolist() == [2]
