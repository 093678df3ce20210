"""Who hears whom, how well, and lately: what stations measure of each other's packets, and what follows for relays."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.comms.pairs import kept_rows, rekeyed
from v2xsim.comms.phy.error_rate import per
from v2xsim.scenario.schema_radio import Radio

# A link is forgotten after this many awareness periods without a packet.
SILENT_PERIODS = 5
# Weight of the newest packet in the mean SNR; ours: about the last three packets count.
_NEWEST = 0.4


@dataclass
class Hearing:
    """Measured SNR and time of the last packet, receivers in rows and senders in columns."""

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
        never = np.iinfo(np.int64).min // 2
        return Hearing(
            agent, rekeyed(self.agent, agent, self.snr_db, 0.0), rekeyed(self.agent, agent, self.last_us, never)
        )

    def note(
        self, receivers: Int64[np.ndarray, " receivers"], sender: int, snr_db: Float[np.ndarray, " receivers"],
        time_us: int, forget_us: int,
    ) -> None:  # fmt: skip
        """Take in one packet at all who received it."""
        rows = kept_rows(self.agent, np.append(receivers, sender))
        rx, tx = rows[:-1], rows[-1]
        if tx < 0:
            return
        snr_db, rx = snr_db[rx >= 0], rx[rx >= 0]
        fresh = time_us - self.last_us[rx, tx] > forget_us
        before = self.snr_db[rx, tx]
        self.snr_db[rx, tx] = np.where(fresh, snr_db, (1.0 - _NEWEST) * before + _NEWEST * snr_db)
        self.last_us[rx, tx] = time_us

    def heard(self, now_us: int, forget_us: int) -> Bool[np.ndarray, "stations stations"]:
        """Return which senders each receiver has heard lately."""
        return now_us - self.last_us <= forget_us

    def delivery(self, now_us: int, forget_us: int, radio: Radio) -> Float[np.ndarray, "stations stations"]:
        """Return the predicted delivery of a data packet over each link, both ways alike.

        What one end measured holds for the other, since the channel is reciprocal; 0 where neither heard the other
        lately. Interference is not foreseen.
        """
        measured = np.where(self.heard(now_us, forget_us), self.snr_db, -np.inf)
        snr_db = np.maximum(measured, measured.T)
        finite = np.isfinite(snr_db)
        return np.where(finite, 1.0 - per(np.where(finite, snr_db, 0.0), radio.mcs, radio.bandwidth_mhz), 0.0)
