"""The link quality that stations measured lately on each other's packets, and the delivery predicted from it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.comms.access.scheme import error_points_of
from v2xsim.comms.pairs import kept_rows, rekeyed
from v2xsim.comms.phy.error_points import delivery_at
from v2xsim.scenario.schema_radio import Radio

# A link is forgotten after a time without packets of this many times the message rule's longest pause.
SILENT_PERIODS = 5
# Weight of the newest packet in the mean SNR, chosen by us so that about the last three packets count.
_NEWEST = 0.4


@dataclass
class Hearing:
    """The measurements of stations on each other's packets: receivers in rows, senders in columns.

    Attributes:
        agent: Agent ids of the stations, in rising order.
        snr_db: Weighted mean of the SNR of the last packets.
        last_us: Time at which the last packet ended; a time far in the past if there was none.
    """

    agent: Int64[np.ndarray, " stations"]
    snr_db: Float[np.ndarray, "stations stations"]
    last_us: Int64[np.ndarray, "stations stations"]

    @staticmethod
    def nobody() -> "Hearing":
        """Return measurements without any station, for the start of a run."""
        return Hearing(np.zeros(0, np.int64), np.zeros((0, 0)), np.zeros((0, 0), np.int64))

    def over(self, agent: Int64[np.ndarray, " stations"]) -> "Hearing":
        """Return these measurements for another set of stations; new stations have heard no other."""
        if np.array_equal(agent, self.agent):
            return self
        # Half the smallest integer, so that the difference from any instant still fits into 64 bits.
        never = np.iinfo(np.int64).min // 2
        return Hearing(
            agent, rekeyed(self.agent, agent, self.snr_db, 0.0), rekeyed(self.agent, agent, self.last_us, never)
        )

    def note(
        self, receivers: Int64[np.ndarray, " receivers"], sender: int, snr_db: Float[np.ndarray, " receivers"],
        time_us: int, forget_us: int,
    ) -> None:  # fmt: skip
        """Update the measurements of every station that received a packet.

        Args:
            receivers: Agent ids of the stations that received the packet, in rising order.
            sender: Agent id of the station that sent the packet.
            snr_db: SNR that each receiver measured.
            time_us: Time at which the packet ended.
            forget_us: If the receiver had not heard the sender for longer than this, the mean starts again with this packet.
        """
        rows = kept_rows(self.agent, np.append(receivers, sender))
        rx, tx = rows[:-1], rows[-1]
        # A packet may end after its sender or a receiver has left.
        if tx < 0:
            return
        snr_db, rx = snr_db[rx >= 0], rx[rx >= 0]
        starts_again = time_us - self.last_us[rx, tx] > forget_us
        before = self.snr_db[rx, tx]
        self.snr_db[rx, tx] = np.where(starts_again, snr_db, (1.0 - _NEWEST) * before + _NEWEST * snr_db)
        self.last_us[rx, tx] = time_us

    def heard_lately(self, now_us: int, forget_us: int) -> Bool[np.ndarray, "stations stations"]:
        """Return whether each receiver (rows) has heard each sender (columns) within the last `forget_us`."""
        return now_us - self.last_us <= forget_us

    def delivery(self, now_us: int, forget_us: int, radio: Radio) -> Float[np.ndarray, "stations stations"]:
        """Return the predicted probability that a data packet crosses each link, 0 to 1, the same in both directions.

        Of the SNRs measured at the two ends the larger one is used, since the channel is reciprocal. The prediction is 0 if
        neither end has heard the other within the last `forget_us`. The prediction does not include interference, and assumes that a data
        packet is received with the SNR of the packets measured.
        """
        measured = np.where(self.heard_lately(now_us, forget_us), self.snr_db, -np.inf)
        snr_db = np.maximum(measured, measured.T)
        finite = np.isfinite(snr_db)
        curve = error_points_of(radio.access, radio.mcs, radio.bandwidth_mhz)
        return np.where(finite, delivery_at(np.where(finite, snr_db, 0.0), curve), 0.0)
