"""Packets that the access layer sends again until they are acknowledged: what arrives, what is listed, and when it is over."""

from tests.engine.channel.scripted_radio import AIRTIME_US, RETRY_US, announced, asked


def test_a_copy_of_a_packet_whose_acknowledgement_was_lost_is_a_duplicate_and_reaches_nobody(setup):
    this = setup(retries=3)
    this.layer.lost_acks = 2
    this.air.send(asked(ego=2, helper=7))
    this.run(100_000)
    assert [heard.receivers.tolist() for heard in this.heard] == [[5, 7, 8]]
    rows = this.rows()
    of_target = [
        o
        for o, kind, rx in zip(rows["outcome"], rows["kind"], rows["rx"], strict=True)
        if kind == "request" and rx == 7
    ]
    assert of_target == ["delivered", "duplicate", "duplicate"]


def test_a_station_that_missed_a_packet_hears_its_copy(setup):
    this = setup(retries=1)
    this.layer.lost_acks, this.layer.lost = 1, {1}
    this.air.send(asked(ego=2, helper=7))
    this.run(AIRTIME_US + 600)
    this.layer.lost = set()
    this.run(100_000)
    assert [heard.receivers.tolist() for heard in this.heard] == [[7, 8], [5]]


def test_acknowledgements_are_rows_of_their_own_from_the_target_to_the_sender(setup):
    this = setup(retries=2)
    this.layer.lost_acks = 1
    this.air.send(asked(ego=2, helper=7))
    this.run(100_000)
    rows = this.rows()
    acks = [place for place, kind in enumerate(rows["kind"]) if kind == "ack"]
    listed = [
        [rows[name][place] for name in ("message", "tx", "rx", "addressed", "size_bytes", "outcome")] for place in acks
    ]
    assert listed == [[1, 7, 2, True, 14, "collision"], [1, 7, 2, True, 14, "delivered"]]


def test_no_station_receives_an_acknowledgement_as_a_message(setup):
    this = setup(retries=1)
    this.air.send(asked(ego=2, helper=7))
    this.run(100_000)
    assert [heard.packet.is_ack for heard in this.heard] == [False]


def test_a_message_is_over_when_its_packet_is_not_sent_again(setup):
    this = setup(retries=2)
    this.layer.lost = {2}
    this.air.send(asked(ego=2, helper=7))
    this.run(2 * (AIRTIME_US + RETRY_US))
    assert this.over == []
    this.run(100_000)
    assert this.over == [(1, 1)]
    assert (this.air._flying, this.air._received, len(this.air._awaited)) == ({}, {}, 0)


def test_a_broadcast_may_never_be_sent_again(setup):
    this = setup(retries=2)
    this.air.send(announced())
    this.air.send(asked())
    this.run(100_000)
    assert [packet.retries.tolist() for packet in this.layer.submitted] == [[0], [2]]


def test_nobody_waits_for_the_acknowledgement_of_a_packet_that_arrived(setup):
    this = setup(retries=3)
    this.layer.lost_acks = 4
    this.air.send(asked(ego=2, helper=7))
    this.run(AIRTIME_US + 600)
    assert (len(this.heard), len(this.air._awaited)) == (1, 0)


def test_an_acknowledgement_may_end_after_its_packet_was_given_up(setup):
    this = setup(retries=1)
    this.layer.has_late_acks = True
    this.air.send(asked(ego=2, helper=7))
    this.run(AIRTIME_US + 50)
    this.run(AIRTIME_US + 100)
    assert [kind for kind, rx in zip(this.rows()["kind"], this.rows()["rx"], strict=True) if rx in (2, 7)] == [
        "request",
        "ack",
    ]
    assert this.over == [(1, 1)]
    this.clock.run_until(100_000)
    this.tick([2, 5, 7, 8])
    assert this.air._finished == {}
