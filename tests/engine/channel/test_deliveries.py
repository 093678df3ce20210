"""Who received each packet, and how well."""

import numpy as np

from v2xsim.comms.access.packets import COLLISION, DELIVERED, Receptions
from v2xsim.engine.channel.deliveries import deliveries_of

AGENT = np.array([3, 4, 8, 20])


def receptions(*by_packet):
    """Receptions of packets: the noise in dBm, and for each receiver row its outcome and power in dBm."""
    flat = [(row, *heard) for _, receivers in by_packet for row, heard in receivers.items()]
    count, zeros = len(by_packet), np.zeros(len(by_packet), np.int64)
    return Receptions(
        np.arange(count), zeros, zeros, zeros, np.array([noise_dbm for noise_dbm, _ in by_packet]),
        np.cumsum([0, *[len(receivers) for _, receivers in by_packet]]).astype(np.int64),
        np.array([row for row, _, _ in flat], np.int32), np.array([outcome for _, outcome, _ in flat], np.int8),
        np.array([power_dbm for _, _, power_dbm in flat], np.float32), np.zeros(len(flat), np.float32),
    )  # fmt: skip


def test_each_packet_is_delivered_to_those_that_received_it_with_its_power_over_the_noise():
    heard = receptions(
        (-95.0, {0: (COLLISION, -70.0), 1: (DELIVERED, -80.0), 3: (DELIVERED, -90.5)}),
        (-95.0, {2: (COLLISION, -70.0)}),
        (-92.0, {2: (DELIVERED, -70.0)}),
    )
    begin, receiver, snr_db = deliveries_of(heard, AGENT)
    assert begin == [0, 2, 2, 3]
    assert receiver.tolist() == [4, 20, 8]
    assert snr_db.tolist() == [15.0, 4.5, 22.0]


def test_packets_without_receptions_are_delivered_to_nobody():
    begin, receiver, snr_db = deliveries_of(receptions((-95.0, {}), (-95.0, {})), AGENT)
    assert (begin, receiver.tolist(), snr_db.tolist()) == ([0, 0, 0], [], [])
