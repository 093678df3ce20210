"""Age of information (the age of the latest message that one station has from another), and inter-packet gap."""

import numpy as np

from v2xsim.evaluation.metric import Metric, Rows, mean_of


def gaps_and_age(tx: np.ndarray, rx: np.ndarray, queued: np.ndarray, end: np.ndarray) -> Rows:
    """Return mean gap and age over all pairs of stations in which the receiver got at least two messages from the sender.

    When a packet arrives, the age of information is the packet's delay d. The age then grows with time until the next
    packet arrives after the gap g, so its time average is d + g / 2.
    """
    # Sort so that the receptions of one pair follow each other in order of time; `same` is False between two pairs.
    order = np.lexsort((end, rx, tx))
    same = (np.diff(tx[order]) == 0) & (np.diff(rx[order]) == 0)
    gap = np.diff(end[order])[same]
    delay = (end - queued)[order][:-1][same]
    age = float(np.sum(gap * (delay + gap / 2.0)) / np.sum(gap)) * 1e-3 if gap.sum() > 0 else float("nan")
    rows = mean_of("inter_packet_gap", gap * 1e-3, "ms")
    return [*rows, ("age_of_information", "", Metric(age, "ms", len(gap)))]
