"""Shadowing: slow fading that two stations share and that changes as they move.

One process of unit variance lives on each pair of stations. It is scaled by the deviation of the link's state, so
that a link that becomes blocked keeps its luck but not its spread. The process is

    z' = r z + sqrt(1 - r^2) n,    r = exp(-moved / decorrelation)

moved being how far both ends travelled together, since either end's motion changes the path. The numbers are here; the process
runs over all pairs at once in `received_power.powers`.

References:
    3GPP TR 37.885 V15.3.0, clause 6.2 (deviations and correlation); 3GPP TR 36.885, annex A (the recursion).
"""

import numpy as np

# By state: LOS, NLOSV, NLOSB.
SIGMA_DB = np.array([3.0, 3.0, 4.0])

# By state, urban. TR 37.885 gives no highway value; both public implementations use these there too.
DECORRELATION_M = np.array([10.0, 13.0, 13.0])
