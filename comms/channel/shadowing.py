"""Shadowing: slow random variation of the received power of two stations as they move.

Each pair of stations has one random process of unit variance. The process is multiplied by the standard deviation that
belongs to the present state of the link: when a link becomes blocked, the process continues and only the standard
deviation changes. The process is

    z' = r z + sqrt(1 - r^2) n,    r = exp(-moved / decorrelation)

where n is a new standard normal random number and `moved` is the sum of the distances that both ends travelled, since
the motion of either end changes the path. This file contains the standard deviations and decorrelation distances;
`received_power.powers` computes the process for all pairs.

References:
    3GPP TR 37.885 V15.3.0, clause 6.2 (deviations and correlation); 3GPP TR 36.885, annex A (the recursion).
"""

import numpy as np

# By state: LOS, NLOSV, NLOSB.
SIGMA_DB = np.array([3.0, 3.0, 4.0])

# By state, urban. TR 37.885 gives no values for highways; both public implementations use the urban values there too.
DECORRELATION_M = np.array([10.0, 13.0, 13.0])
