"""Weights of the forecast of cycles, as `tools/fit_cycle_forecast.py fit` prints them.

They were fitted to runs of street grids and motorways with the seeds 901 and 902, which no test and no document uses.
"""

from collections.abc import Mapping

PATH_FEATURES = 8
"""How many of the weights belong to features of the path; the others belong to the sizes of the messages."""

WEIGHTS: Mapping[str, tuple[float, ...]] = {
    "random_slot": (-0.564, 0.364, 0.259, 0.0, -0.189, -0.259, -0.045, -2.865, 0.154, 0.102, -0.32, -0.034),
    "random_slot, sent again": (0.938, 0.743, 0.156, -0.408, -0.322, -0.352, -0.01, -3.706, 0.177, 0.066, 0.0, -0.203),
    "ieee80211p": (-1.669, 0.962, -0.125, 0.0, -0.07, -0.099, -0.192, -1.684, 0.071, 0.02, -0.201, -0.133),
    "ieee80211p, sent again": (-2.382, 1.391, -0.56, -0.126, -0.183, -0.061, -0.203, -0.957, 0.355, 0.086, 0.0, -0.301),
    "nr_mode2": (0.116, 0.408, 0.355, -0.572, -0.345, -0.01, -0.01, -1.049, 0.185, 0.02, -0.146, -0.108),
    "nr_mode2, sent again": (-0.361, 1.056, -0.385, -0.737, -0.33, -0.01, -0.01, -1.973, 0.301, 0.192, 0.0, -0.129),
    "any": (-1.835, 0.665, 0.096, -0.013, -0.048, -0.285, -0.161, -0.977, 0.349, 0.214, 0.0, -0.135),
}
