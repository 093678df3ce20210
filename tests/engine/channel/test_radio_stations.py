"""The radio's rows follow the stations, and what those who left wanted to send is forgotten."""

from tests.engine.channel.scripted_radio import announced, asked
from v2xsim.streams import Streams


def test_a_station_that_is_not_there_sends_nothing(setup):
    this = setup()
    this.air.send(asked(ego=99))
    this.run(5000)
    assert this.layer.submitted == []


def test_rows_of_the_access_layer_follow_the_stations(setup):
    this = setup()
    this.tick([5, 7, 9])
    assert this.layer.rows == [[-1] * 4, [1, 2, -1]]


def test_packets_are_in_the_layer_before_its_rows_change(setup):
    this = setup()
    this.air.send(asked(ego=7, helper=8))
    this.tick([5, 7, 8])
    # Row 2 of the old stations, not row 1 of the new ones.
    assert this.layer.submitted[0].sender.tolist() == [2]


def test_what_ended_before_a_tick_is_heard_over_the_stations_before_it(setup):
    this = setup()
    this.air.send(announced(2), awaited=False)
    this.clock.run_until(10_000)
    this.tick([2, 9])
    assert this.heard[0].receivers.tolist() == [5, 7, 8]


def test_the_same_stations_keep_their_rows(setup):
    this = setup()
    this.tick([2, 5, 7, 8])
    assert this.layer.rows == [[-1] * 4]


def test_receptions_are_drawn_by_station(setup):
    this = setup()
    assert this.layer.keys == [[Streams(1).key("reception", agent) for agent in (2, 5, 7, 8)]]


def test_packets_of_departed_stations_are_forgotten_one_second_after_their_sender_left(setup):
    this = setup(retries=1)
    this.air.send(asked(ego=8, helper=2))
    this.air.send(asked(ego=7, helper=2))
    this.air.send(asked(ego=5, helper=2))
    this.layer.submit = lambda packets: None
    this.run(1000)
    this.tick([2, 5, 7])
    this.run(500_000)
    this.tick([2, 5])
    for time_us, left in ((1_000_999, {0, 1, 2}), (1_001_000, {1, 2}), (1_499_999, {1, 2}), (1_500_000, {2})):
        this.clock.run_until(time_us)
        this.tick([2, 5])
        assert set(this.air._flying) == set(this.air._received) == this.air._awaited._numbers == left


def test_what_a_departed_station_left_behind_is_forgotten_after_a_second(setup):
    this = setup(retries=1)
    this.air.send(asked(ego=8, helper=2))
    this.layer.submit = lambda packets: None
    this.run(1000)
    this.tick([2, 5, 7])
    assert len(this.air._flying) == 1
    this.clock.run_until(1_001_000)
    this.tick([2, 5, 7])
    assert this.air._flying == {}
    assert this.air._received == {}
    assert len(this.air._awaited) == 0
