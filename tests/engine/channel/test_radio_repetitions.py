"""Packets that are sent again: how often, when, and with which draws."""

import numpy as np

from tests.engine.channel.scripted_radio import AIRTIME_US, announced, asked
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.streams import Streams


def test_a_lost_packet_is_sent_again_as_often_as_allowed(setup):
    this = setup(access="nr_mode2", retries=2, ack_timeout_ms=3.0)
    this.layer.lost = {2}
    this.air.send(asked(helper=7))
    this.run(100_000)
    starts = [int(p.ready_us[0]) for p in this.layer.submitted]
    assert len(starts) == 3
    # The acknowledgement is missed `ack_timeout_ms` after the packet's end.
    assert np.diff(starts).tolist() == [AIRTIME_US + 3000] * 2


def test_a_broadcast_between_two_lost_requests_keeps_neither_from_being_sent_again(setup):
    this = setup(access="nr_mode2", retries=1)
    this.layer.lost = {1, 2, 3}
    this.air.send(asked(helper=7))
    this.air.send(announced())
    this.air.send(asked(helper=5))
    this.run(100_000)
    assert len(this.layer.submitted) == 5


def test_each_repetition_draws_anew(setup):
    this = setup(access="nr_mode2", retries=2)
    this.layer.lost = {2}
    this.air.send(asked(helper=7))
    this.run(100_000)
    assert len({int(p.key[0]) for p in this.layer.submitted}) == 3


def test_allowing_repetitions_does_not_change_the_first_transmission(setup):
    keys = []
    for retries in (0, 2):
        this = setup(access="nr_mode2", retries=retries)
        this.air.send(asked())
        this.run(100_000)
        keys.append([int(p.key[0]) for p in this.layer.submitted])
    assert keys[0] == keys[1]


def test_what_its_target_received_is_not_sent_again(setup):
    this = setup(access="nr_mode2", retries=2)
    # Another station than the target missed it.
    this.layer.lost = {1}
    this.air.send(asked(helper=7))
    this.run(100_000)
    assert len(this.layer.submitted) == 1


def test_of_two_requests_that_end_together_each_is_acknowledged_by_its_own_target(setup):
    this = setup(access="nr_mode2", retries=1)
    this.air.send(asked(helper=7))
    this.air.send(asked(ego=5, helper=8))
    this.run(100_000)
    assert len(this.layer.submitted) == 2


def test_a_broadcast_is_never_sent_again(setup):
    this = setup(access="nr_mode2", retries=2)
    this.layer.lost = {1, 2, 3}
    this.air.send(announced())
    this.run(100_000)
    assert len(this.layer.submitted) == 1


def test_a_repetition_is_keyed_by_its_number(setup):
    this = setup(access="nr_mode2", retries=2)
    this.layer.lost = {2}
    this.air.send(asked(helper=7))
    this.run(100_000)
    keys = [Streams(1).key("packet", 1, 1, 0, 2, *repetition) for repetition in ((), (1,), (2,))]
    assert [int(p.key[0]) for p in this.layer.submitted] == keys


def test_a_repetition_is_the_same_packet(setup):
    this = setup(access="nr_mode2", retries=1)
    this.layer.lost = {2}
    this.air.send(asked(helper=7, relay=NOBODY))
    this.run(100_000)
    one, other = (heard.packet for heard in this.heard)
    assert one is other
    assert (one.hop, one.fragment, one.fragments, one.sender, one.target) == (1, 0, 1, 2, 7)


def test_a_repetition_whose_time_has_passed_is_ready_at_once(setup):
    this = setup(access="nr_mode2", retries=1, ack_timeout_ms=0.1)
    this.layer.lost = {2}
    this.air.send(asked(helper=7), awaited=False)
    # The acknowledgement was missed at 500 us.
    this.run(5000)
    this.air.settle()
    this.run(100_000)
    assert [int(p.ready_us[0]) for p in this.layer.submitted] == [0, 5000]
