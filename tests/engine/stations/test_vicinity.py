"""What each station knows of the stations around it and of the links between them."""

import numpy as np
import pytest

from tests.engine.small_world import EGO, HELPER, OTHER, RELAY, STEP_US, awareness, matrix, own_states, stations_of
from v2xsim.engine.stations.vicinity import listed_in, place_among, share_listed, snr_listed

NOW_US = 300_000
EVERYBODY = [EGO, HELPER, OTHER, RELAY]


def listening(own=None):
    """Return four stations that all keep announcements."""
    return stations_of(own_states(EVERYBODY, time_us=NOW_US) if own is None else own, all_listen=True)


def hears(stations, receiver, said, arrived_us=NOW_US):
    stations.neighbours.hear(said, said.capture_us, np.array([receiver]), arrived_us)


def known_to(vicinities, agent):
    """Return the agent ids of the stations that a station knows."""
    known, (owner,) = vicinities.known, vicinities.rows_among(np.array([agent]))
    return known.agent[known.offset[owner] : known.offset[owner + 1]].tolist()


def index_of(vicinities, owner, agent):
    """Return the index of a station among those that an owner knows."""
    return vicinities.known.offset[vicinities.rows_among(np.array([owner]))[0]] + known_to(vicinities, owner).index(
        agent
    )


def test_a_station_knows_only_what_reached_it():
    stations = listening()
    hears(stations, EGO, awareness(HELPER))
    hears(stations, RELAY, awareness(HELPER))
    hears(stations, RELAY, awareness(OTHER))
    found = stations.vicinities(np.array(EVERYBODY), NOW_US)
    assert [known_to(found, agent) for agent in EVERYBODY] == [[HELPER], [], [], [HELPER, OTHER]]


def test_two_stations_that_received_different_announcements_of_one_sender_know_different_things():
    stations = listening()
    hears(stations, EGO, awareness(HELPER, 0, wants_data=False, heard={OTHER: 0.2}))
    hears(stations, RELAY, awareness(HELPER, 100_000, wants_data=True, heard={OTHER: 0.8}))
    found = stations.vicinities(np.array([EGO, RELAY]), NOW_US)
    known = found.known
    assert known.wants_data.tolist() == [False, True]
    assert [share_listed(known, row, OTHER) for row in known.row] == [0.2, 0.8]


def test_what_one_owner_knows_is_the_same_whoever_else_is_asked():
    stations = listening()
    for receiver, said in ((EGO, awareness(HELPER)), (RELAY, awareness(OTHER, heard={HELPER: 0.5}, grid=matrix()))):
        hears(stations, receiver, said)
    stations.measure(np.array([EGO, RELAY]), OTHER, np.array([10.0, 20.0]), NOW_US, 0)
    alone = stations.vicinities(np.array([RELAY]), NOW_US).known
    among = stations.vicinities(np.array(EVERYBODY), NOW_US)
    k = index_of(among, RELAY, OTHER)
    assert alone.agent.tolist() == [OTHER]
    assert (alone.share[0], alone.snr_db[0]) == (among.known.share[k], among.known.snr_db[k])
    assert alone.has_matrix[0]
    assert among.known.has_matrix[k]
    assert share_listed(among.known, among.known.row[k], HELPER) == share_listed(alone, alone.row[0], HELPER) == 0.5


def test_an_announcement_is_forgotten_and_so_is_a_measurement():
    stations = listening()
    hears(stations, EGO, awareness(HELPER), arrived_us=0)
    stations.measure(np.array([EGO]), HELPER, np.array([10.0]), 400_000, 0)
    assert known_to(stations.vicinities(np.array([EGO]), 500_000), EGO) == [HELPER]
    assert known_to(stations.vicinities(np.array([EGO]), 500_001), EGO) == []
    hears(stations, EGO, awareness(HELPER, 800_000), arrived_us=800_000)
    known = stations.vicinities(np.array([EGO]), 900_001).known
    assert (known.share.tolist(), known.snr_db.tolist()) == ([0.0], [-np.inf])


def test_of_a_link_to_itself_a_station_has_its_own_measurement():
    stations = listening()
    hears(stations, EGO, awareness(HELPER, heard={EGO: 0.25}))
    stations.measure(np.array([EGO]), HELPER, np.array([12.0]), NOW_US, 0)
    known = stations.vicinities(np.array([EGO]), NOW_US).known
    assert (known.share.tolist(), known.snr_db.tolist()) == (pytest.approx([2 / 3]), [12.0])
    # And of the other direction, what the helper announced.
    assert share_listed(known, known.row[0], EGO) == 0.25


def test_silence_lowers_the_share_that_a_station_measured_itself():
    stations = listening()
    hears(stations, EGO, awareness(HELPER))
    stations.measure(np.array([EGO]), HELPER, np.array([12.0]), NOW_US, 0)
    later = stations.vicinities(np.array([EGO]), NOW_US + 2 * STEP_US).known
    assert later.share.tolist() == pytest.approx([1 / 2])


def test_of_other_links_a_station_has_what_their_receivers_announced():
    stations = listening()
    hears(stations, EGO, awareness(HELPER, heard={OTHER: 0.4, RELAY: 0.8}))
    # What another pair measured, and announced to nobody, is not known.
    stations.measure(np.array([RELAY]), HELPER, np.array([30.0]), NOW_US, 0)
    known = stations.vicinities(np.array([EGO]), NOW_US).known
    assert [share_listed(known, 0, sender) for sender in (OTHER, RELAY)] == [0.4, 0.8]
    assert snr_listed(known, 0, RELAY) == 20.0


def test_a_link_of_which_nothing_is_known_counts_as_dead():
    stations = listening()
    hears(stations, EGO, awareness(HELPER, heard={OTHER: 0.4}))
    known = stations.vicinities(np.array([EGO]), NOW_US).known
    assert (known.share.tolist(), known.snr_db.tolist()) == ([0.0], [-np.inf])
    for sender in (EGO, RELAY, 99):
        assert listed_in(known, 0, sender) == -1
        assert (share_listed(known, 0, sender), snr_listed(known, 0, sender)) == (0.0, -np.inf)


def test_a_station_that_was_heard_and_never_announced_itself_is_not_known():
    stations = listening()
    stations.measure(np.array([EGO]), OTHER, np.array([12.0]), NOW_US)
    hears(stations, EGO, awareness(HELPER))
    assert stations.vicinities(np.array([EGO]), NOW_US).known.share.tolist() == [0.0]


def test_a_station_is_where_its_announced_velocity_took_it_by_the_clock_of_the_owner():
    # The owner's clock is 40 ms ahead; the helper's state is from 200 ms by the helper's clock.
    stations = listening(own_states(EVERYBODY, time_us=NOW_US, stamp_us=NOW_US + 40_000))
    hears(stations, EGO, awareness(HELPER, 200_000, pose=(10, 20, 0, 0), velocity_mps=(10, -5)))
    found = stations.vicinities(np.array([EGO]), NOW_US)
    np.testing.assert_allclose(found.position_m, [[11.4, 19.3]])
    np.testing.assert_allclose([found.known.x_m, found.known.y_m], [[11.4], [19.3]])


def test_a_station_knows_who_has_data_and_who_wants_it():
    stations = listening()
    hears(stations, EGO, awareness(HELPER, grid=matrix()))
    hears(stations, EGO, awareness(OTHER, wants_data=True))
    known = stations.vicinities(np.array([EGO]), NOW_US).known
    assert (known.has_matrix.tolist(), known.wants_data.tolist()) == ([True, False], [False, True])


def test_owners_have_their_own_state_as_they_believe_it():
    own = own_states(EVERYBODY, [(0, 0), (1, 2), (3, 4), (5, 6)], time_us=NOW_US)
    found = listening(own).vicinities(np.array([HELPER, RELAY]), NOW_US)
    assert found.own.pose[:, :2].tolist() == [[1, 2], [5, 6]]
    assert found.rows_among(np.array([RELAY, EGO, HELPER])).tolist() == [1, -1, 0]


@pytest.mark.parametrize(("wanted", "place"), [(3, 1), (5, 2), (9, 4), (2, -1), (4, -1), (10, -1), (1, -1), (12, -1)])
def test_a_station_is_found_only_inside_its_part_of_the_list(wanted, place):
    # The part of one owner is 3, 5, 7, 9; those of other owners stand around it.
    assert place_among(np.array([2, 3, 5, 7, 9, 10]), 1, 5, wanted) == place
