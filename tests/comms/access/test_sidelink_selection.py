"""Which slot a sidelink station takes: reservations that it heard, thresholds, ranking, its own deaf slots."""

import numpy as np
import pytest
import recorded_layers
from groups import LOUD_DBM, begun_ms, packets, played, repeated, square, stream

from v2xsim.comms.access.schemes.lte_mode4 import LteMode4
from v2xsim.comms.access.schemes.nr_mode2 import NrMode2

GROUPS = 200
PERIOD_US = 100_000
BLOCKS = 10
# A resource block has 12 subcarriers, so a packet that fills 10 of them spreads its power over 120 resource elements.
PER_ELEMENT_DB = 10.0 * np.log10(12 * BLOCKS)
PERIODS_MS = 100


def channel(scheme, slots, **more):
    """Return a scheme with one subchannel and a selection window of so many slots."""
    return scheme(
        subchannels=1, packet_subchannels=1, rb_per_subchannel=BLOCKS, t1_slots=1, t2_slots=slots, **more
    )  # fmt: skip


def chosen(scheme, slots, within_dbm, **more):
    """Return the slots of reservers (columns) and of who chooses last, in milliseconds from their own periods' begin.

    As many reservers as there are slots join one after the other, each in a period of its own. The last station joins when all
    have announced themselves. Only groups are listed in which no two reservers share a slot.
    """
    stations = len(within_dbm)
    rows = [row for s in range(stations - 1) for row in stream(s, PERIOD_US * s, PERIOD_US, 5 + stations - s)]
    rows.append((stations - 1, PERIOD_US * (stations - 1), PERIOD_US))
    found, _ = played(
        channel(scheme, slots, **more),
        packets(rows, groups=GROUPS, stations=stations),
        repeated(GROUPS, within_dbm),
        2_000_000,
    )
    first = np.cumsum([0] + [5 + stations - s for s in range(stations - 1)])
    begun = begun_ms(found, GROUPS)[:, first] % PERIODS_MS
    apart = np.array([len(set(row)) == stations - 1 for row in begun[:, :-1].tolist()])
    assert apart.sum() > 10
    return begun[apart]


def heard_at(stations, **per_element_dbm):
    """Return powers within a group at which the last station hears the others so strongly for each resource element."""
    links = {f"p{s[1:]}{stations - 1}": value + PER_ELEMENT_DB for s, value in per_element_dbm.items()}
    # The others hear each other above any threshold.
    return np.where(square(stations, **links) == LOUD_DBM, -20.0, square(stations, **links))


@pytest.mark.parametrize("scheme", [LteMode4, NrMode2])
def test_a_slot_that_another_has_announced_is_left_free(scheme):
    begun = chosen(scheme, 2, square(2), candidate_share=0.5, rsrp_threshold_dbm=-110.0)
    assert (begun[:, 0] != begun[:, 1]).all()


def test_a_reservation_a_tenth_of_a_decibel_above_the_threshold_is_respected():
    begun = chosen(NrMode2, 2, heard_at(2, s0=-79.9), candidate_share=0.5, rsrp_threshold_dbm=-80.0)
    assert (begun[:, 0] != begun[:, 1]).all()


def test_a_reservation_a_tenth_of_a_decibel_below_the_threshold_is_not():
    begun = chosen(NrMode2, 2, heard_at(2, s0=-80.1), candidate_share=0.5, rsrp_threshold_dbm=-80.0)
    # One of two slots by chance: half of the groups within five standard errors.
    assert (begun[:, 0] == begun[:, 1]).mean() == pytest.approx(0.5, abs=5 * np.sqrt(0.25 / GROUPS))


@pytest.mark.parametrize(
    ("heard", "share", "open_reservers"),
    [
        # One step of 3 dB opens what is heard 2 dB above the threshold of -80 dBm, and nothing that is heard 4 dB above it.
        ({"s0": -78.0, "s1": -76.0}, 0.5, {0}),
        ({"s0": -78.0, "s1": -77.1}, 0.5, {0, 1}),
        ({"s0": -78.0, "s1": -76.9}, 0.5, {0}),
        # Two steps.
        ({"s0": -76.0, "s1": -74.1}, 0.5, {0, 1}),
        ({"s0": -76.0, "s1": -73.9}, 0.5, {0}),
        # Six steps, up to -62 dBm.
        ({"s0": -64.0, "s1": -62.1}, 0.5, {0, 1}),
        ({"s0": -64.0, "s1": -61.9}, 0.5, {0}),
        # No step where the share is there already, and steps until it is.
        ({"s0": -80.1, "s1": -79.9}, 0.5, {0}),
        ({"s0": -80.1, "s1": -79.9}, 0.51, {0, 1}),
        ({"s0": -80.1, "s1": -70.0}, 1.0, {0, 1}),
    ],
)
def test_the_threshold_rises_by_3_db_until_the_share_of_slots_is_open(heard, share, open_reservers):
    begun = chosen(NrMode2, 2, heard_at(3, **heard), candidate_share=share, rsrp_threshold_dbm=-80.0)
    reserver = np.argmax(begun[:, :2] == begun[:, 2:], axis=1)
    assert set(reserver.tolist()) == open_reservers


def test_among_open_slots_mode_2_takes_each_equally_often():
    heard = heard_at(3, s0=-90.0, s1=-60.0)
    begun = chosen(NrMode2, 2, heard, candidate_share=0.5, rsrp_threshold_dbm=0.0)
    assert (begun[:, 2] == begun[:, 0]).mean() == pytest.approx(0.5, abs=5 * np.sqrt(0.25 / len(begun)))


def test_among_open_slots_mode_4_takes_the_quieter():
    # Station 1 has been there in one of two periods, so the mean of its slot is 3 dB below its power.
    heard = heard_at(3, s0=-64.0, s1=-60.0)
    begun = chosen(LteMode4, 2, heard, candidate_share=0.5, rsrp_threshold_dbm=0.0)
    assert (begun[:, 2] == begun[:, 0]).all()


@pytest.mark.parametrize("share", [0.5, 0.4])
def test_mode_4_keeps_the_share_of_quietest_slots_rounded_up_and_no_more(share):
    heard = heard_at(5, s0=-90.0, s1=-80.0, s2=-70.0, s3=-60.0)
    begun = chosen(LteMode4, 4, heard, candidate_share=share, rsrp_threshold_dbm=0.0)
    reserver = np.argmax(begun[:, :4] == begun[:, 4:], axis=1)
    assert set(reserver.tolist()) == {0, 1}


def test_mode_4_ranks_by_the_mean_over_periods_and_not_by_the_latest():
    # Station 0 sends every 100 ms; station 1 sends once, 1 dB louder, in the last period before the third chooses.
    rows = [*stream(0, 0, PERIOD_US, 6), (1, 3 * PERIOD_US, 0), (2, 4 * PERIOD_US, PERIOD_US)]
    scheme = channel(LteMode4, 2, candidate_share=0.5, rsrp_threshold_dbm=0.0)
    sent = packets(rows, groups=GROUPS, stations=3)
    found, _ = played(scheme, sent, repeated(GROUPS, heard_at(3, s0=-61.0, s1=-60.0)), 2_000_000)
    begun = begun_ms(found, GROUPS) % PERIODS_MS
    assert (begun[:, 7] == begun[:, 6]).all()


def test_what_is_too_weak_to_be_noticed_does_not_count_in_the_ranking():
    # At a sensitivity of -90 dBm; both slots are silent, so chance decides.
    weak = square(3, p02=-90.5, p12=-99.0)
    begun = chosen(LteMode4, 2, weak, candidate_share=0.5, rsrp_threshold_dbm=0.0)
    assert (begun[:, 2] == begun[:, 0]).mean() == pytest.approx(0.5, abs=5 * np.sqrt(0.25 / len(begun)))


@pytest.mark.parametrize("scheme", [LteMode4, NrMode2])
def test_a_slot_in_which_the_station_itself_sent_a_period_ago_is_not_taken(scheme):
    # It was deaf then, and may have missed a reservation.
    rows = [(0, 0, 0), (0, PERIOD_US, PERIOD_US)]
    found, _ = played(channel(scheme, 2), packets(rows, groups=GROUPS), repeated(GROUPS, square(1)), 1_000_000)
    begun = begun_ms(found, GROUPS) % PERIODS_MS
    assert (begun[:, 0] != begun[:, 1]).all()


def test_a_deaf_slot_is_forgotten_after_the_sensing_window_of_a_second():
    rows = [(0, 0, 0), (0, 11 * PERIOD_US, PERIOD_US)]
    found, _ = played(channel(NrMode2, 2), packets(rows, groups=GROUPS), repeated(GROUPS, square(1)), 2_000_000)
    begun = begun_ms(found, GROUPS) % PERIODS_MS
    assert (begun[:, 0] == begun[:, 1]).mean() == pytest.approx(0.5, abs=5 * np.sqrt(0.25 / GROUPS))


def test_a_packet_finds_its_slot_from_t1_to_t2_and_every_one_equally_often():
    scheme = NrMode2(subchannels=1, packet_subchannels=1, rb_per_subchannel=BLOCKS, t1_slots=3, t2_slots=7)
    sent = packets([(0, 0, PERIOD_US)], groups=1000)
    found, _ = played(scheme, sent, repeated(1000, square(1)), 1_000_000)
    count = np.bincount(begun_ms(found, 1000).ravel(), minlength=10)
    assert count[:3].sum() == count[8:].sum() == 0
    np.testing.assert_allclose(count[3:8] / 1000, 0.2, atol=5 * np.sqrt(0.2 * 0.8 / 1000))


@pytest.mark.parametrize("scheme", [LteMode4, NrMode2])
def test_a_single_packet_keeps_to_the_window_of_the_radio(scheme):
    found, _ = played(
        scheme(packet_subchannels=1), packets([(0, 0, 0)], groups=300), repeated(300, square(1)), 500_000,
        window_us=10_000,
    )  # fmt: skip
    assert set(begun_ms(found, 300).ravel().tolist()) == set(range(1, 11))


@pytest.mark.parametrize(("scheme", "clashes"), [(LteMode4, True), (NrMode2, False)])
def test_only_mode_2_looks_again_and_leaves_a_slot_that_was_announced_meanwhile(scheme, clashes):
    # Station 0 sends every 4 ms and announces its next slot; station 1 has chosen its slot before it heard any of that.
    rows = [*stream(0, 0, 4_000, 20), (1, 0, 0)]
    found, _ = played(
        channel(scheme, 20), packets(rows, groups=GROUPS, stations=2), repeated(GROUPS, square(2)), 1_000_000
    )
    begun = begun_ms(found, GROUPS)
    announced = (begun[:, :20] == begun[:, 20:]) & (np.arange(20) > 0)
    assert announced.any() == clashes


def test_who_gives_its_slot_up_still_sends_within_its_window():
    rows = [*stream(0, 0, 4_000, 20), (1, 0, 0)]
    sent, field = packets(rows, groups=GROUPS, stations=2), repeated(GROUPS, square(2))
    begun = begun_ms(played(channel(NrMode2, 20), sent, field, 1_000_000)[0], GROUPS)[:, 20]
    assert begun.max() <= 20


def test_a_reservation_that_interference_hides_is_not_respected():
    # Stations 0 and 1 do not hear each other and send with one another: at station 2 neither is above the other's power.
    equal = square(3, p01=-200.0)
    begun = chosen_after_a_clash(equal)
    assert 0.3 < (begun[:, 0] == begun[:, 2]).mean() < 0.7


def test_a_reservation_that_is_a_little_stronger_than_the_interference_is_respected():
    stronger = square(3, p01=-200.0, p12=LOUD_DBM - 0.5)
    begun = chosen_after_a_clash(stronger)
    assert (begun[:, 0] != begun[:, 2]).all()


def chosen_after_a_clash(within_dbm):
    """Return the slots of three stations where the first two took the same of two."""
    rows = [*stream(0, 0, PERIOD_US, 3), *stream(1, 0, PERIOD_US, 3), (2, PERIOD_US, PERIOD_US)]
    scheme = channel(NrMode2, 2, candidate_share=0.5)
    found, _ = played(scheme, packets(rows, groups=GROUPS, stations=3), repeated(GROUPS, within_dbm), 1_000_000)
    begun = begun_ms(found, GROUPS)[:, [0, 3, 6]] % PERIODS_MS
    return begun[begun[:, 0] == begun[:, 1]]


@pytest.mark.parametrize("name", ["mode_4", "mode_2_streams"])
def test_a_recorded_run_chooses_the_same_resources(name):
    recorded_layers.check(name)
