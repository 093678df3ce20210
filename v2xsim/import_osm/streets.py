"""What the streets of a network can hold: how far a trip can lead, and how many vehicles fit."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csgraph, csr_array

# Straight distance of a trip in a town.
_TRIP_M = 800.0
# Length of lane for a vehicle in dense traffic, and least time between two vehicles that start on one lane: assumptions of this project. A vehicle of
# 5 m at 20 km/h keeps 1 s and 2.5 m; 2 s is the usual headway of a full lane, 1,800 vehicles in an hour.
SPACE_M, HEADWAY_S = 25.0, 2.0
# Origins from which reachable destinations are looked for.
_ORIGINS = 64


@dataclass(frozen=True)
class Streets:
    """The streets of a network, as far as they limit its traffic.

    Attributes:
        lane_m: Length of all lanes.
        lanes: Number of lanes.
        pieces: Number of pieces of the network that no road connects.
        largest_m: Length of the lanes of the largest piece.
        least_trip_m: Least straight distance of a trip: 800 m, or half the longest possible trip in the largest piece if that is less.
        is_through: Whether no trip can begin and end within the largest piece, such as on one road, so that vehicles drive through from end
            to end.
    """

    lane_m: float
    lanes: int
    pieces: int
    largest_m: float
    least_trip_m: float
    is_through: bool

    @property
    def most_vehicles(self) -> int:
        """Number of vehicles in dense traffic."""
        return max(int(self.lane_m / SPACE_M), 1)

    @property
    def least_period_s(self) -> float:
        """Least time between the starts of two vehicles, on all lanes together."""
        return max(HEADWAY_S / max(self.lanes, 1), 0.001)


@dataclass(frozen=True)
class _Edges:
    """Edges of a network, and the connections between them.

    Attributes:
        ends_m: Positions of the junctions from which and to which each edge leads.
        lane_m: Length of the lanes of each edge, all together.
        lanes: Number of lanes of each edge.
        arcs: Rows of the edges from and to which each connection leads.
        is_turn: Whether a connection leads back in the other direction of a road.
        opposite: Rows of the two directions of a road.
    """

    ends_m: Float[np.ndarray, "edges 2 2"]
    lane_m: Float[np.ndarray, " edges"]
    lanes: Int[np.ndarray, " edges"]
    arcs: Int[np.ndarray, "arcs 2"]
    is_turn: Bool[np.ndarray, " arcs"]
    opposite: Int[np.ndarray, "pairs 2"]


def streets_of(network: Path) -> Streets:
    """Return what the streets of a network of SUMO can hold."""
    edges = _edges(network)
    count = len(edges.lanes)
    if count == 0:
        return Streets(0.0, 0, 0, 0.0, _TRIP_M, False)
    graph = _graph(edges.arcs, count)
    # Both directions of a road are one piece, also where no vehicle turns round.
    pieces, piece = csgraph.connected_components(
        _graph(np.concatenate([edges.arcs, edges.opposite]), count), directed=False
    )
    length_m = np.bincount(piece, edges.lane_m)
    largest = int(length_m.argmax())
    is_onward = np.zeros((count, 2), bool)
    for side in (0, 1):
        is_onward[edges.arcs[~edges.is_turn, side], side] = True
    inside = piece == largest
    is_through = not (is_onward[:, 0] & inside).any()
    origins = np.flatnonzero(inside & (is_onward[:, 0] | is_through))
    goals = np.flatnonzero(inside & (is_onward[:, 1] | is_through))
    reach_m = _reach_m(graph, edges, origins, goals)
    return Streets(
        float(edges.lane_m.sum()), int(edges.lanes.sum()), pieces, float(length_m[largest]), min(_TRIP_M, 0.5 * reach_m), is_through
    )  # fmt: skip


def _graph(arcs: Int[np.ndarray, "arcs 2"], edges: int) -> csr_array:
    return csr_array((np.ones(len(arcs)), (arcs[:, 0], arcs[:, 1])), (edges, edges))


def _reach_m(
    graph: csr_array, edges: _Edges, origins: Int[np.ndarray, " origins"], goals: Int[np.ndarray, " goals"]
) -> float:
    """Return the longest straight distance from the beginning of an edge to the end of one that can be reached from it."""
    some = origins[np.unique(np.linspace(0, len(origins) - 1, _ORIGINS).round().astype(int))]
    can_reach = np.isfinite(csgraph.dijkstra(graph, unweighted=True, indices=some))[:, goals]
    apart_m = np.linalg.norm(edges.ends_m[some, None, 0] - edges.ends_m[None, goals, 1], axis=2)
    return float(np.where(can_reach, apart_m, 0.0).max(initial=0.0))


def _edges(network: Path) -> _Edges:
    """Read the edges of a network that lie between junctions."""
    rows: dict[str, int] = {}
    junction_m: dict[str, tuple[float, float]] = {}
    ends: list[tuple[str, str]] = []
    arcs: list[tuple[int, int]] = []
    turns: list[bool] = []
    lane_m: list[float] = []
    lanes: list[int] = []
    for element in _elements(network):
        if element.tag == "junction":
            junction_m[element.get("id", "")] = float(element.get("x", 0.0)), float(element.get("y", 0.0))
        elif element.tag == "connection":
            start, goal = rows.get(element.get("from", "")), rows.get(element.get("to", ""))
            if start is not None and goal is not None:
                arcs.append((start, goal))
                turns.append(element.get("dir") == "t")
        elif element.get("function") is None:
            own = list(element.iter("lane"))
            rows[element.get("id", "")] = len(rows)
            ends.append((element.get("from", ""), element.get("to", "")))
            lane_m.append(sum(float(lane.get("length", 0.0)) for lane in own))
            lanes.append(len(own))
    back = {pair: row for row, pair in enumerate(ends)}
    opposite = [(row, back[goal, start]) for row, (start, goal) in enumerate(ends) if (goal, start) in back]
    return _Edges(
        np.array([[junction_m[start], junction_m[goal]] for start, goal in ends], float).reshape(-1, 2, 2),
        np.array(lane_m, float), np.array(lanes, int), np.array(arcs, int).reshape(-1, 2), np.array(turns, bool),
        np.array(opposite, int).reshape(-1, 2),
    )  # fmt: skip


def _elements(network: Path) -> Iterator[ET.Element]:
    """Yield the edges, connections and junctions of a network, and forget them."""
    for _, element in ET.iterparse(network):
        if element.tag in ("edge", "connection", "junction"):
            yield element
            element.clear()
