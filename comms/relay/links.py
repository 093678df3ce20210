"""The predicted delivery of the links between stations that hear each other, as compressed rows.

A station hears only its neighbours, so the rows take memory in proportion to the stations, not to their square.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64


@dataclass(frozen=True)
class LinkDelivery:
    """Predicted probability that a data packet crosses each link, 0 to 1, the same in both directions.

    Attributes:
        offset: Index of the first link of each station; one entry more than stations.
        other: Row of the other end of each link, in rising order for each station.
        probability: Probability of each link. Some stations may have no links listed: those whose links nobody asks for.
        elsewhere: Probability of a link that is listed at neither end.
    """

    offset: Int64[np.ndarray, " stations_plus_1"]
    other: Int32[np.ndarray, " links"]
    probability: Float[np.ndarray, " links"]
    elsewhere: float = 0.0

    @staticmethod
    def everywhere(stations: int, probability: float) -> "LinkDelivery":
        """Return the same probability for all links."""
        return LinkDelivery(
            np.zeros(stations + 1, np.int64), np.zeros(0, np.int32), np.zeros(0), elsewhere=float(probability)
        )

    @staticmethod
    def of(square: Float[np.ndarray, "stations stations"]) -> "LinkDelivery":
        """Return the links that a square array gives; entries of 0 are not listed."""
        row, other = np.nonzero(square)
        offset = np.searchsorted(row, np.arange(len(square) + 1)).astype(np.int64)
        return LinkDelivery(offset, other.astype(np.int32), np.asarray(square[row, other], np.float64))

    @property
    def stations(self) -> int:
        """Number of stations."""
        return len(self.offset) - 1

    def between(
        self, one: Int64[np.ndarray, " pairs"], other: Int64[np.ndarray, " pairs"]
    ) -> Float[np.ndarray, " pairs"]:
        """Return the probability of the link of each pair of rows, listed at either of its ends."""
        # Imported here, so that a scenario can be checked without loading compiled kernels.
        from v2xsim.comms.relay import link_loops as loops

        found: Float[np.ndarray, " pairs"] = loops.between(
            self.offset, self.other, self.probability, np.asarray(one, np.int64), np.asarray(other, np.int64),
            float(self.elsewhere),
        )  # fmt: skip
        return found

    def weaker(
        self, one: Int64[np.ndarray, " pairs"], other: Int64[np.ndarray, " pairs"]
    ) -> Float[np.ndarray, "pairs stations"]:
        """Return the probability of the worse of the two links of each station with both stations of each pair.

        The links of the stations of the pairs must be listed.
        """
        # Imported here, so that a scenario can be checked without loading compiled kernels.
        from v2xsim.comms.relay import link_loops as loops

        found: Float[np.ndarray, "pairs stations"] = loops.weaker(
            self.offset, self.other, self.probability, np.asarray(one, np.int64), np.asarray(other, np.int64),
            float(self.elsewhere),
        )  # fmt: skip
        return found

    def reached(
        self, one: Int64[np.ndarray, " pairs"], other: Int64[np.ndarray, " pairs"], least: float
    ) -> Bool[np.ndarray, " stations"]:
        """Return whether each station has links of at least a probability, above 0, with both stations of any of the pairs."""
        # Imported here, so that a scenario can be checked without loading compiled kernels.
        from v2xsim.comms.relay import link_loops as loops

        found: Bool[np.ndarray, " stations"] = loops.reached(
            self.offset, self.other, self.probability, np.asarray(one, np.int64), np.asarray(other, np.int64), float(least)
        )  # fmt: skip
        return found | (self.elsewhere >= least)

    def among(self, rows: Int64[np.ndarray, " chosen"]) -> "LinkDelivery":
        """Return the links among some stations, given by their rows in rising order."""
        from v2xsim.comms.relay import link_loops as loops

        new_row = np.full(self.stations, -1, np.int64)
        new_row[rows] = np.arange(len(rows))
        offset, other, probability = loops.among(
            self.offset, self.other, self.probability, np.asarray(rows, np.int64), new_row
        )
        return LinkDelivery(offset, other, probability, self.elsewhere)

    def square(self) -> Float[np.ndarray, "stations stations"]:
        """Return the probabilities of all links as a square array."""
        square = np.full((self.stations, self.stations), float(self.elsewhere))
        row = np.repeat(np.arange(self.stations), np.diff(self.offset))
        square[row, self.other] = square[self.other, row] = self.probability
        return square
