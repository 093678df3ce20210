"""The short list of stations whose matrices promise most."""

import numpy as np

from tests.engine.small_world import EGO, HELPER, OTHER, RELAY, frame
from v2xsim.engine.cooperation.directory import ENTRIES, Directory
from v2xsim.records import FREE

EVERYWHERE = np.ones((8, 8))


def seeing(agent, columns, time_us=0):
    """Return a frame of a station that sees the first columns of 8 x 8 cells."""
    code = np.zeros((8, 8))
    code[:columns] = FREE
    return frame(agent, time_us, code=code)


def listed(directory, weight=EVERYWHERE, ego=None):
    """Return the short list of an ego."""
    return directory.short_lists([(seeing(EGO, 0) if ego is None else ego, weight)])[0]


def directory_of(wanted, *frames):
    directory = Directory(wanted)
    directory.update(frames)
    return directory


def test_the_stations_that_see_most_of_the_blind_zone_are_listed():
    directory = directory_of(2, seeing(HELPER, 8), seeing(OTHER, 0), seeing(RELAY, 4))
    assert listed(directory) == {HELPER, RELAY}


def test_what_an_ego_sees_itself_makes_nobody_a_good_helper():
    directory = directory_of(1, seeing(HELPER, 8), seeing(OTHER, 4))
    only_far = np.zeros((8, 8))
    only_far[4:] = 1.0
    assert listed(directory, only_far) == {HELPER}


def test_the_ego_itself_takes_no_place_on_its_own_list():
    directory = directory_of(2, seeing(EGO, 8), seeing(HELPER, 6), seeing(OTHER, 4), seeing(RELAY, 0))
    assert listed(directory) == {HELPER, OTHER}


def test_a_list_is_no_longer_than_wanted_where_the_ego_is_none_of_the_nearest():
    directory = directory_of(2, seeing(EGO, 0), seeing(HELPER, 8), seeing(OTHER, 6), seeing(RELAY, 4))
    assert listed(directory) == {HELPER, OTHER}


def test_a_list_of_more_than_there_are_has_everybody_else():
    assert listed(directory_of(5, seeing(EGO, 8), seeing(HELPER, 4))) == {HELPER}


def test_a_station_that_has_left_is_forgotten():
    directory = directory_of(1, seeing(HELPER, 8), seeing(OTHER, 4))
    directory.update([seeing(OTHER, 4)])
    assert listed(directory) == {OTHER}


def test_a_station_that_comes_back_is_listed_again():
    directory = directory_of(1, seeing(HELPER, 8), seeing(OTHER, 4))
    directory.update([seeing(OTHER, 4)])
    directory.update([seeing(HELPER, 8), seeing(OTHER, 4)])
    assert listed(directory) == {HELPER}


def test_a_new_frame_replaces_what_a_station_saw_before():
    directory = directory_of(1, seeing(HELPER, 8), seeing(OTHER, 4))
    directory.update([seeing(HELPER, 0, 100_000), seeing(OTHER, 4)])
    assert listed(directory) == {OTHER}


def test_nothing_changes_while_there_is_no_new_frame():
    directory = directory_of(1, seeing(HELPER, 8), seeing(OTHER, 4))
    directory.update([seeing(HELPER, 8), seeing(OTHER, 4)])
    assert listed(directory) == {HELPER}


def test_each_ego_has_a_list_of_its_own():
    directory = directory_of(1, seeing(EGO, 6), seeing(HELPER, 8))
    egos = [(seeing(EGO, 6), EVERYWHERE), (seeing(HELPER, 8), EVERYWHERE)]
    assert directory.short_lists(egos) == [{HELPER}, {EGO}]


def test_nobody_asks_where_there_is_no_ego():
    assert directory_of(1, seeing(HELPER, 8)).short_lists([]) == []


def test_a_descriptor_has_the_length_for_which_the_short_lists_were_measured():
    assert ENTRIES == 512
