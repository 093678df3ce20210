"""Which stations have heard which lately, and how well; and the delivery that this predicts for data packets."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.comms.pairs import kept_rows, rekeyed
from v2xsim.comms.phy.error_rate import per
from v2xsim.scenario.schema_radio import Radio

# A link is forgotten after this many of the message rule's longest pauses without a packet.
SILENT_PERIODS = 5
# Weight of the newest packet in the mean SNR; ours: about the last three packets count.
_NEWEST = 0.4


@dataclass
class Hearing:
    """What stations measured of each other's packets: receivers in rows, senders in columns.

    Attributes:
        agent: The stations, rising.
        snr_db: Weighted mean of the SNR of the last packets.
        last_us: When the last packet ended; long ago if there was none.
    """

    agent: Int64[np.ndarray, " stations"]
    snr_db: Float[np.ndarray, "stations stations"]
    last_us: Int64[np.ndarray, "stations stations"]

    @staticmethod
    def nobody() -> "Hearing":
        """Return the state before the first packet."""
        return Hearing(np.zeros(0, np.int64), np.zeros((0, 0)), np.zeros((0, 0), np.int64))

    def over(self, agent: Int64[np.ndarray, " stations"]) -> "Hearing":
        """Return the same over another set of stations; newcomers have heard nobody."""
        if np.array_equal(agent, self.agent):
            return self
        # Half the range, so that the difference to any instant still fits.
        never = np.iinfo(np.int64).min // 2
        return Hearing(
            agent, rekeyed(self.agent, agent, self.snr_db, 0.0), rekeyed(self.agent, agent, self.last_us, never)
        )

    def note(
        self, receivers: Int64[np.ndarray, " receivers"], sender: int, snr_db: Float[np.ndarray, " receivers"],
        time_us: int, forget_us: int,
    ) -> None:  # fmt: skip
        """Note one packet at every station that received it.

        Args:
            receivers: The stations, rising.
            sender: Station that sent it.
            snr_db: As each receiver measured it.
            time_us: When it ended.
            forget_us: After a silence longer than this, the mean starts again with this packet.
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
        """Return which senders each receiver has heard lately."""
        return now_us - self.last_us <= forget_us

    def delivery(self, now_us: int, forget_us: int, radio: Radio) -> Float[np.ndarray, "stations stations"]:
        """Return the predicted delivery of a data packet over each link, both ways alike.

        The better measurement of the two ends counts, since the channel is reciprocal; 0 where neither heard the other
        lately. Interference is not predicted.
        """
        measured = np.where(self.heard_lately(now_us, forget_us), self.snr_db, -np.inf)
        snr_db = np.maximum(measured, measured.T)
        finite = np.isfinite(snr_db)
        return np.where(finite, 1.0 - per(np.where(finite, snr_db, 0.0), radio.mcs, radio.bandwidth_mhz), 0.0)
