"""What stations measure of each other's packets, in square arrays over all stations: a reference for the table of pairs."""

import numpy as np

from v2xsim.comms.access.scheme import error_points_of
from v2xsim.comms.pairs import kept_rows, rekeyed
from v2xsim.comms.phy.error_points import delivery_at

_NEVER_US = np.iinfo(np.int64).min // 2


class DenseHearing:
    """The measurements of all stations: receivers in rows, senders in columns. The methods are those of `Hearing`."""

    def __init__(self, forget_us):
        self.forget_us, self.agent = forget_us, np.zeros(0, np.int64)
        self.snr_db, self.last_us = np.zeros((0, 0)), np.zeros((0, 0), np.int64)

    def enter(self, agent):
        self.snr_db = rekeyed(self.agent, agent, self.snr_db, 0.0)
        self.last_us = rekeyed(self.agent, agent, self.last_us, _NEVER_US)
        self.agent = agent

    def note(self, receivers, sender, snr_db, time_us):
        rows = kept_rows(self.agent, np.append(receivers, sender))
        rx, tx = rows[:-1], rows[-1]
        if tx < 0:
            return
        snr_db, rx = snr_db[rx >= 0], rx[rx >= 0]
        starts_again = time_us - self.last_us[rx, tx] > self.forget_us
        mean_db = (1.0 - 0.4) * self.snr_db[rx, tx] + 0.4 * snr_db
        self.snr_db[rx, tx] = np.where(starts_again, snr_db, mean_db)
        self.last_us[rx, tx] = time_us

    def heard_lately(self, agent, now_us):
        rows = np.flatnonzero(self.agent == agent)
        lately = (now_us - self.last_us[rows] <= self.forget_us).any(axis=0)
        return self.agent[lately], self.snr_db[rows].ravel()[lately] if len(rows) else np.zeros(0)

    def delivery(self, now_us, radio):
        measured = np.where(now_us - self.last_us <= self.forget_us, self.snr_db, -np.inf)
        snr_db = np.maximum(measured, measured.T)
        finite = np.isfinite(snr_db)
        curve = error_points_of(radio.access, radio.mcs, radio.bandwidth_mhz)
        return np.where(finite, delivery_at(np.where(finite, snr_db, 0.0), curve), 0.0)
