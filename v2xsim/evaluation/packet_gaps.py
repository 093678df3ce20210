"""Inter-packet gap: the time between two packets that a station received directly from another."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from v2xsim.evaluation.latest import Latest, gaps, in_order, with_room, without
from v2xsim.evaluation.metric import Mean, Rows
from v2xsim.evaluation.sorted_runs import SortedRuns

# Packets that are in memory together if those of a pair are not in order of time; 16 bytes each.
MOST_PACKETS = 4_000_000
# Pairs that are in memory before the first one goes to the temporary file, however long it is silent; 40 bytes each.
FEWEST_PAIRS = 65_536
# A pair that is silent for longer than this goes to the temporary file: its stations have probably left, or are far apart.
SILENT_US = 30_000_000

# The packets of a pair from the first one with which it came into memory to the last one before it left memory.
_SPELL = np.dtype([("pair", "i8"), ("first_us", "i8"), ("end_us", "i8")])


@dataclass(frozen=True)
class Received:
    """Packets that stations received directly from their senders, in the order of the table `packets`.

    Attributes:
        pair: Number of the pair of sender and receiver of each packet (`pair_of`).
        end_us: End of the packet.
    """

    pair: Int64[np.ndarray, " packets"]
    end_us: Int64[np.ndarray, " packets"]

    def __len__(self) -> int:
        return len(self.pair)

    def __getitem__(self, rows: np.ndarray) -> "Received":
        return Received(self.pair[rows], self.end_us[rows])

    @staticmethod
    def none() -> "Received":
        """Return no packets."""
        return Received(*(np.zeros(0, np.int64) for _ in range(2)))

    @staticmethod
    def joined(parts: "Sequence[Received]") -> "Received":
        """Return the packets of several parts, in order."""
        columns = [(part.pair, part.end_us) for part in (Received.none(), *parts)]
        return Received(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def pair_of(tx: Int64[np.ndarray, " packets"], rx: Int64[np.ndarray, " packets"]) -> Int64[np.ndarray, " packets"]:
    """Return one number for each pair of agent ids, which count from 0; pairs are in the order of sender, then receiver."""
    return (tx << 32) | rx


class Gaps:
    """Mean gap over all pairs of stations in which the receiver got at least two messages from the sender.

    The packets come in parts. Of the parts before, only the latest packet of each pair is held. That of a pair that has been silent for
    long goes to a temporary file, which is read at the end: most such pairs never meet again. So memory grows with the number of pairs
    that hear each other at a time, not with the length of the run.
    """

    def __init__(self) -> None:
        self._is_in_order = True
        self._gap_ms = Mean("inter_packet_gap", "ms")
        self._latest = Latest.none()
        self._silent = SortedRuns("pairs", _SPELL, "pair")

    @property
    def is_in_order(self) -> bool:
        """Whether no packet of a pair, as far as known, ended before one of the same pair in an earlier part. If not, the metrics are wrong."""
        return self._is_in_order

    def __len__(self) -> int:
        """Return the number of packets that are held."""
        return int(self._latest.used[0])

    def add(self, received: Received) -> None:
        """Add the packets of one part."""
        if int(self._latest.used[0]) + len(received) > max(len(self._latest.pair), FEWEST_PAIRS):
            self._put_away_silent(int(received.end_us.max(initial=0)) - SILENT_US)
        self._latest = with_room(self._latest, len(received))
        order = in_order(received.pair, received.end_us)
        gap_us, is_in_order = gaps(received.pair, received.end_us, order, self._latest)
        self._is_in_order &= bool(is_in_order)
        self._gap_ms.add(gap_us * 1e-3)

    def _put_away_silent(self, before_us: int) -> None:
        """Put away the pairs whose latest packet ended before a time, unless they are few."""
        is_silent = self._latest.end_us[: len(self)] < before_us
        # Their removal takes about as long as making room for as many pairs as there are.
        if is_silent.sum() > len(self) // 4:
            self._put_away(is_silent)

    def _put_away(self, is_gone: Bool[np.ndarray, " used"]) -> None:
        """Move the latest packets of some pairs to the temporary file."""
        gone, latest = np.flatnonzero(is_gone), self._latest
        spells = np.zeros(len(gone), _SPELL)
        for name in ("pair", "first_us", "end_us"):
            spells[name] = getattr(latest, name)[gone]
        spells.sort(order="pair")
        if len(spells):
            self._silent.append(spells)
        self._latest = without(latest, is_gone)

    def join(self) -> None:
        """Add the gaps of the pairs that met again after they were put away. No part is added after this."""
        if not len(self._silent):
            return
        self._put_away(np.ones(len(self), bool))
        for spells in self._silent.merged(FEWEST_PAIRS):
            # The spells of a pair are in the order of the runs, which is that of time.
            rows = spells[np.argsort(spells["pair"], kind="stable")]
            before, after = rows[:-1], rows[1:]
            again = before["pair"] == after["pair"]
            before, after = before[again], after[again]
            gap_us = after["first_us"] - before["end_us"]
            self._is_in_order &= not (gap_us < 0).any()
            self._gap_ms.add(gap_us * 1e-3)
        self._silent = SortedRuns("pairs", _SPELL, "pair")

    def forget_pairs(self) -> None:
        """Forget the latest packets of all pairs, if none of them meets again."""
        self._latest = Latest.none()

    def rows(self) -> Rows:
        """Return the mean gap as a metric of the whole run, after `join`; NaN if no pair has two packets."""
        return self._gap_ms.rows()


def in_any_order(parts: Callable[[], Iterable[Received]]) -> Gaps:
    """Return the gaps of packets of which those of one pair may be in any order, with bounded memory.

    The access schemes of v2xsim report packets in the order of their ends; a user's scheme may not.

    Args:
        parts: Function that yields all packets, in parts. It is called several times: each time, all packets of a share of the pairs
            are taken.
    """
    shares = -(-sum(len(part) for part in parts()) // MOST_PACKETS)
    result = Gaps()
    for share in range(shares):
        # The low bits of a pair are those of the receiver; a product with an odd number mixes in those of the sender.
        result.add(Received.joined([part[(part.pair % 1_000_003) % shares == share] for part in parts()]))
        result.forget_pairs()
    return result
