"""The loss of blocked links along streets: round one corner, round a second one, or without a way on the map.

A model of one corner gives the loss over the first two legs. A second corner adds the loss of a second turn of ITU-R
P.1411, in whichever direction the sum is smaller. A link that no way of at most two corners joins must not lose less
than one with a way: it loses as much as round two right angles with three equal legs, and at least the loss over the
direct distance. No link loses less than free space over the length of its way.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.channel.building_loss.model import BuildingLossView
from v2xsim.comms.channel.path_loss.free_space import free_space_loss_db
from v2xsim.comms.channel.tr37885 import SHORTEST_M

_Links = Float[np.ndarray, " links"]

OneCorner = Callable[[_Links, _Links, Int64[np.ndarray, " links"]], _Links]
"""Loss round one corner, given the two legs of some links and their rows in the view."""

# P.1411 gives the loss of a turn from this distance behind the corner on; nearer, the loss is interpolated.
_TURNED_M = 30.0


def loss_along_streets_db(view: BuildingLossView, one_corner_db: OneCorner) -> _Links:
    """Return the path loss in dB of links behind buildings along the streets.

    Args:
        view: The links.
        one_corner_db: A model of the loss round one corner; the same for both directions of a link.
    """
    ways, loss = view.detours, view.direct_db.copy()
    one, two, none = (np.flatnonzero(ways.corners == count) for count in (1, 2, 0))
    first, second = ways.first_m[one], ways.second_m[one]
    loss[one] = _at_least_free_space(view, first + second, one_corner_db(first, second, one))
    legs = ways.before_m[two], ways.between_m[two], ways.behind_m[two]
    loss[two] = _two_corners_db(view, legs, two, one_corner_db)
    direct_m = np.linalg.norm(view.first_m[none] - view.second_m[none], axis=1)
    # One leg across and two along: (2 x)^2 + x^2 = d^2.
    leg = np.maximum(direct_m / np.sqrt(5.0), SHORTEST_M)
    loss[none] = np.maximum(loss[none], _two_corners_db(view, (leg, leg, leg), none, one_corner_db))
    return loss


def second_turn_db(way_m: _Links, leg_m: _Links, carrier_ghz: float) -> _Links:
    """Return the loss in dB that a further turn adds to a way along streets.

    Args:
        way_m: Length of the way up to the turn.
        leg_m: Length of the leg behind it.
        carrier_ghz: Centre frequency; the formula is given for 0.43 to 4.86 GHz, and depends on the frequency by less
            than 0.2 dB between 4.86 and 5.9 GHz.

    References:
        ITU-R P.1411-12, clause 4.3.2.2, the terms by which two turns lose more than one (with S2). Read in a public
        implementation of the recommendation (crc-covlib), not in its text.
    """
    spread = 0.54 * (carrier_ghz * 1e9) ** 0.076

    def turned_db(way_m: _Links, behind_m: _Links) -> _Links:
        whole_m = way_m + behind_m
        longer_db = 20.0 * np.log10(whole_m / way_m)
        return np.asarray(longer_db + 10.0 * np.log10(way_m * behind_m / whole_m) - 20.0 * np.log10(spread))

    turn_db = turned_db(way_m, np.maximum(leg_m, _TURNED_M))
    # Near the corner, the power ratio is interpolated from no loss at the corner to that at 30 m; few links end there.
    near = np.flatnonzero(leg_m < _TURNED_M)
    at_turned = 10.0 ** (0.1 * turn_db[near])
    turn_db[near] = 10.0 * np.log10(1.0 + (at_turned - 1.0) * leg_m[near] / _TURNED_M)
    return np.maximum(turn_db, 0.0)


def _two_corners_db(
    view: BuildingLossView, legs_m: tuple[_Links, _Links, _Links], rows: Int64[np.ndarray, " links"], one_db: OneCorner
) -> _Links:
    before, between, behind = legs_m
    there = one_db(before, between, rows) + second_turn_db(before + between, behind, view.carrier_ghz)
    # With the same legs at both ends, both directions lose the same.
    if before is not behind:
        back = one_db(behind, between, rows) + second_turn_db(behind + between, before, view.carrier_ghz)
        there = np.minimum(there, back)
    return _at_least_free_space(view, before + between + behind, there)


def _at_least_free_space(view: BuildingLossView, way_m: _Links, loss_db: _Links) -> _Links:
    return np.maximum(loss_db, free_space_loss_db(way_m, view.carrier_ghz))
