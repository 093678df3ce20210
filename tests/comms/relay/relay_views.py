"""Inputs of relay rules and of the functions below them, in which a test names only what it is about."""

from dataclasses import replace

import numpy as np

from v2xsim.comms.relay.hops import Hops, KnownBodies
from v2xsim.comms.relay.rule import Ends, HopQuality, RelayRule, RelayView
from v2xsim.parts import parts_of
from v2xsim.records import Boxes, Prisms
from v2xsim.spatial.grid import indexed

RANGE_M, LEAST_DB = 300.0, 6.0
OPEN = indexed(Prisms.none())
RULES = [name for name, rule in parts_of(RelayRule).items() if rule.relays]
TRUCK_M = (8.0, 2.5, 3.0)
# Agent ids differ from rows, so that a test finds code that confuses them.
REQUESTER, HELPER, FIRST_CANDIDATE = 7, 5, 20


def bodies(*places_m, size_m=TRUCK_M, yaw_rad=0.0, velocity_mps=(0.0, 0.0)):
    """Return vehicles that the one station that decides knows; trucks by default."""
    count = len(places_m)
    center_m = np.zeros((count, 3))
    if count:
        center_m[:, :2] = places_m
    boxes = Boxes(center_m, np.tile(np.array(size_m, float), (count, 1)), np.full(count, float(yaw_rad)))
    velocity = np.broadcast_to(np.array(velocity_mps, float), (count, 2)).copy()
    return KnownBodies(np.array([0, count]), boxes, velocity, np.ones(count, bool))


def walls(*corners_m, top_m=10.0, base_m=0.0):
    """Return upright buildings over rectangles (x0, y0, x1, y1), counter-clockwise."""
    feet = np.array([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)] for x0, y0, x1, y1 in corners_m], float)
    count = len(corners_m)
    return indexed(
        Prisms(
            feet.reshape(-1, 2),
            4 * np.arange(count + 1),
            np.full(count, float(base_m)),
            np.full(count, float(top_m)),
        )
    )


def hop(first_m, second_m, first_mps=(0, 0), second_mps=(0, 0)):
    """Return one hop between two antennas; 1.5 m high where no height is given."""
    ends = [np.array([[*place, 1.5][:3] if len(place) == 2 else place], float) for place in (first_m, second_m)]
    speeds = [np.array([speed], float) for speed in (first_mps, second_mps)]
    return Hops(*ends, *speeds, np.zeros(1, np.int64))


def ends(agents, antenna_m, velocity_mps=None):
    """Return stations, which stand still by default."""
    count = len(agents)
    velocity = np.zeros((count, 2)) if velocity_mps is None else np.array(velocity_mps, float)
    return Ends(
        np.array(agents, np.int64), np.array(antenna_m, float), velocity, np.zeros(count, bool), np.zeros(count)
    )


def view_of(
    candidates_m, *, agents=None, velocity_mps=None, to_requester=0.9, to_helper=0.9, pair_m=((0, 0, 1.5), (200, 0, 1.5)),
    pair_mps=((0, 0), (0, 0)), known=None, obstacles=OPEN, draw=None, falls_db=0.0,
):  # fmt: skip
    """Return the candidates for one pair, 200 m apart on the x axis by default.

    The SNR of all hops is 20 dB now, and falls by `falls_db` in each second; candidates x 2 for the hops to requester and helper.
    """
    count = len(candidates_m)
    agents = FIRST_CANDIDATE + np.arange(count) if agents is None else agents
    one, other = (
        ends([agent], [place], [speed]) for agent, place, speed in zip((REQUESTER, HELPER), pair_m, pair_mps, strict=True)
    )  # fmt: skip
    near, far = (
        HopQuality(np.broadcast_to(np.array(share, float), count).copy(), np.full(count, 20.0))
        for share in (to_requester, to_helper)
    )
    slope = np.broadcast_to(np.array(falls_db, float), (count, 2))
    numbers = np.linspace(0.1, 0.9, count) if draw is None else np.array(draw, float)
    return RelayView(
        one, other, ends(agents, np.array(candidates_m, float).reshape(-1, 3), velocity_mps), np.zeros(count, np.int64), near,
        far, 0.7, np.zeros(1, np.int64), KnownBodies.none(1) if known is None else known, obstacles, 5.9, RANGE_M,
        LEAST_DB, lambda times_s, _: -np.array(times_s)[:, None, None] * slope, lambda: numbers,
    )  # fmt: skip


def kept(view, is_kept):
    """Return a view with only some of its candidates."""

    def rows(part):
        return type(part)(*(getattr(part, name)[is_kept] for name in part.__dataclass_fields__))

    drawn, outlook = view.draw(), view.outlook
    return replace(
        view, candidate=rows(view.candidate), pair=view.pair[is_kept], to_requester=rows(view.to_requester),
        to_helper=rows(view.to_helper), draw=lambda: drawn[is_kept], outlook=lambda *asked: outlook(*asked)[:, is_kept],
    )  # fmt: skip
