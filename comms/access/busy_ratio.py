"""The channel busy ratio: the share of the last 100 ms in which each station found the channel busy.

The access schemes measure the busy time (`AccessLayer.advance`), and this module divides it by 100 ms. `dcc.py` sets
the message rate from the ratio.

References:
    ETSI TS 102 687: the ratio that congestion control uses is measured over 100 ms.
"""

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.pairs import carried

CBR_WINDOW_US = 100_000


class BusyRatio:
    """Sums the busy time of each station, and closes a window every 100 ms.

    Attributes:
        window_end_us: End of the present window.
        latest: The ratio (0 to 1) of each station over the window before it; 0 for a station that has come since.
    """

    def __init__(self, now_us: int) -> None:
        """Open the first window."""
        self._busy_us = np.zeros(0, np.int64)
        self.latest: Float[np.ndarray, " stations"] = np.zeros(0)
        self.window_end_us = now_us + CBR_WINDOW_US

    def reindexed(self, rows: Int64[np.ndarray, " stations"]) -> None:
        """Move the busy times to a new list of stations: `rows` has each station's old row, or -1 for a new station."""
        self._busy_us, self.latest = carried(self._busy_us, rows, 0), carried(self.latest, rows, 0.0)

    def add(self, busy_us: Int64[np.ndarray, " stations"]) -> None:
        """Add the busy time of each station since the last call."""
        self._busy_us = self._busy_us + busy_us

    def window_closed(self) -> Float[np.ndarray, " stations"]:
        """Return the ratio (0 to 1) over the window that ends now, and open the next window."""
        ratio = self.latest = self._busy_us / CBR_WINDOW_US
        self._busy_us = np.zeros_like(self._busy_us)
        self.window_end_us += CBR_WINDOW_US
        return ratio
