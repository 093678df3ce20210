"""When a broadcast message that was cut into fragments is whole."""

from tests.engine.small_world import EGO, OTHER, awareness, awareness_packet
from v2xsim.engine.cooperation.reassembly import Reassembly


def fragment(part, of=3, number=50):
    return awareness_packet(awareness(), number=number, fragment=part, fragments=of)


def test_a_message_in_one_packet_is_whole_with_it():
    assert Reassembly().completes(fragment(0, of=1), EGO)


def test_a_message_in_one_packet_is_whole_again_when_a_copy_arrives():
    broadcasts = Reassembly()
    assert broadcasts.completes(fragment(0, of=1), EGO)
    assert broadcasts.completes(fragment(0, of=1), EGO)


def test_a_message_is_whole_with_the_last_of_its_fragments_in_any_order():
    broadcasts = Reassembly()
    assert [broadcasts.completes(fragment(part), EGO) for part in (2, 0, 1)] == [False, False, True]


def test_a_message_with_a_missing_fragment_is_dropped():
    broadcasts = Reassembly()
    assert not any(broadcasts.completes(fragment(part), EGO) for part in (0, 1))


def test_a_fragment_that_comes_twice_does_not_stand_for_a_missing_one():
    broadcasts = Reassembly()
    assert not any(broadcasts.completes(fragment(part), EGO) for part in (0, 1, 1))


def test_each_station_puts_a_message_together_by_itself():
    broadcasts = Reassembly()
    broadcasts.completes(fragment(0, of=2), EGO)
    assert not broadcasts.completes(fragment(1, of=2), OTHER)


def test_fragments_of_two_messages_do_not_mix():
    broadcasts = Reassembly()
    broadcasts.completes(fragment(0, of=2), EGO)
    assert not broadcasts.completes(fragment(1, of=2, number=51), EGO)


def test_a_message_that_was_whole_begins_again_with_a_copy():
    broadcasts = Reassembly()
    assert [broadcasts.completes(fragment(part, of=2), EGO) for part in (0, 1, 0)] == [False, True, False]


def test_the_fragments_of_a_message_of_which_nothing_is_under_way_are_forgotten():
    broadcasts = Reassembly()
    broadcasts.completes(fragment(0), EGO)
    broadcasts.completes(fragment(0, number=51), EGO)
    broadcasts.forget(50)
    assert list(broadcasts._parts) == [51]
    assert not any(broadcasts.completes(fragment(part), EGO) for part in (1, 2))


def test_a_message_that_nobody_received_in_part_is_forgotten_as_well():
    Reassembly().forget(50)
