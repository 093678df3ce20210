"""Choice of the helpers that an ego asks, and of the cells: the ego compares announced matrices with its own blind zone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from v2xsim.engine.cooperation.answer_sizes import codes_bytes, predicted_bytes
from v2xsim.engine.cooperation.paths import Paths
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.knowledge import Knowledge
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.perception.matching.choice import chosen_helpers
from v2xsim.perception.matching.greedy_loops import counted, window
from v2xsim.perception.matching.rule import MatchingView
from v2xsim.records import PerceptionMatrix
from v2xsim.scenario.schema import Cooperation
from v2xsim.streams import Streams


@dataclass(frozen=True)
class Candidate:
    """A possible helper as an ego knows it.

    Attributes:
        agent: Agent id of the helper.
        matrix: The helper's perception matrix, as last announced.
        position_m: Announced position of the helper.
        delivery: Predicted probability that a packet arrives over the path that would be used, 0 to 1; computed from
            the present quality of all links, which an ego could not know (`v2xsim.engine.cooperation.paths`).
        relay: Agent id of the station that would forward messages, NOBODY for the direct link.
    """

    agent: int
    matrix: PerceptionMatrix
    position_m: Float[np.ndarray, " 2"]
    delivery: float
    relay: int


@dataclass(frozen=True)
class Candidates:
    """The possible helpers of an ego, as the ego knows them, in rising order of their agent ids.

    Attributes:
        agent: Agent id of each helper.
        matrix: The helpers' perception matrices, as last announced.
        position_m: Announced position of each helper.
        delivery: Predicted probability that a packet arrives over the path to each helper, as in `Candidate`.
        relay: Agent id of the station that would forward messages, NOBODY for the direct link.
    """

    agent: Int64[np.ndarray, " helpers"]
    matrix: Sequence[PerceptionMatrix]
    position_m: Float[np.ndarray, "helpers 2"]
    delivery: Float[np.ndarray, " helpers"]
    relay: Int64[np.ndarray, " helpers"]

    def __len__(self) -> int:
        return len(self.agent)

    def __iter__(self) -> Iterator[Candidate]:
        return map(self.at, range(len(self)))

    def at(self, row: int) -> Candidate:
        """Return one helper."""
        return Candidate(
            int(self.agent[row]),
            self.matrix[row],
            self.position_m[row],
            float(self.delivery[row]),
            int(self.relay[row]),
        )

    def of(self, rows: Int64[np.ndarray, " chosen"]) -> "Candidates":
        """Return the helpers in some rows."""
        return Candidates(
            self.agent[rows], [self.matrix[row] for row in rows.tolist()], self.position_m[rows], self.delivery[rows],
            self.relay[rows],
        )  # fmt: skip


@dataclass(frozen=True)
class Ask:
    """The content of an ego's request to one helper.

    Attributes:
        candidate: The helper.
        cells: Whether the ego asks for each cell of its matrix.
        allowance_bytes: Largest payload of the answer.
    """

    candidate: Candidate
    cells: Bool[np.ndarray, "nx ny"]
    allowance_bytes: int


def candidates(egos: Sequence[Knowledge], paths: Paths, now_us: int, forget_us: int) -> list[Candidates]:
    """Return the stations that announced a matrix to each ego and that the ego can reach, directly or through a relay.

    Args:
        egos: Knowledge of each ego, with the announcements that it received.
        paths: Predicted delivery between stations, and the relays in use.
        now_us: Present simulated time.
        forget_us: An announcement is forgotten this long after its arrival.
    """
    announced = [
        [
            item.awareness for item in map(knowledge.announced.__getitem__, sorted(knowledge.announced))
            if item.awareness.matrix is not None and now_us - item.arrived_us <= forget_us
        ]
        for knowledge in egos
    ]  # fmt: skip
    known = [awareness for of_ego in announced for awareness in of_ego]
    agent = np.array([awareness.origin for awareness in known], np.int64)
    position_m = np.array([awareness.pose for awareness in known]).reshape(-1, 4)[:, :2]
    matrix = [awareness.matrix for awareness in known if awareness.matrix is not None]
    count = np.array([len(of_ego) for of_ego in announced], np.int64)
    found = paths.between(np.repeat(np.array([knowledge.agent for knowledge in egos], np.int64), count), agent)
    everybody = Candidates(agent, matrix, position_m, found.delivery, found.relay)
    ends = np.cumsum(count)
    return [
        everybody.of(begin + np.flatnonzero(found.exists[begin:end]))
        for begin, end in zip((ends - count).tolist(), ends.tolist(), strict=True)
    ]


def asks(
    ego: Frame, weight: Float[np.ndarray, "nx ny"], known: Candidates, rule: Cooperation, streams: Streams
) -> list[Ask]:
    """Return the helpers that an ego asks, with cells and allowance of each, best helper first.

    The size of each answer is predicted from the matrices, and limited to an equal share of the budget before the choice.
    The whole budget is then divided among the chosen helpers in proportion to the predicted sizes.

    Args:
        ego: The ego's frame.
        weight: Relevance of each blind cell, 0 to 1 (`v2xsim.perception.matching.relevance`).
        known: Possible helpers.
        rule: Section `cooperation` of the scenario.
        streams: Random streams, for matching rules that draw.
    """
    if len(known) == 0 or rule.max_helpers == 0 or rule.budget_bytes == 0 or not rule.matching.asks:
        return []
    lower, shape = ego.matrix.lower, ego.matrix.code.shape
    code: UInt8[np.ndarray, "helpers nx ny"] = window(
        np.array([matrix.code for matrix in known.matrix]), np.array([matrix.lower for matrix in known.matrix]),
        *lower.tolist(), *shape,
    )  # fmt: skip
    cost = _cost_bytes(code.reshape(len(code), -1), np.flatnonzero(weight > 0.0), rule)
    gap_m = known.position_m - ego.pose[:2]
    view = MatchingView(
        weight, code, known.agent, np.hypot(gap_m[:, 0], gap_m[:, 1]), known.delivery, known.relay != NOBODY, cost,
        rule.budget_bytes, rule.max_helpers,
        lambda: streams.uniforms("matching", ego.agent, ego.time_us, known.agent)[:, 0],
    )  # fmt: skip
    choices = chosen_helpers(rule.matching, view)
    total = sum(cost[choice.helper] for choice in choices)
    return [
        Ask(known.at(choice.helper), choice.cells, int(rule.budget_bytes * cost[choice.helper] / total))
        for choice in choices
    ]


def _cost_bytes(
    code: UInt8[np.ndarray, "helpers cells"], blind: Int64[np.ndarray, " blind"], rule: Cooperation
) -> Float[np.ndarray, " helpers"]:
    """Return the predicted size of each helper's answer about some cells, limited to an equal share of the budget."""
    helpers, scheme = len(code), rule.fusion
    if scheme.shares is Share.FRAMES:
        # Whole frames are sent whatever the budget, so all helpers get the same size.
        return np.full(helpers, rule.budget_bytes / rule.max_helpers)
    asked, occupied = counted(code, blind)
    predicted = predicted_bytes(occupied, asked, scheme.shares, scheme.thinned_to_m, rule.matrix.cell_m)
    # Without this limit, a helper with much data would seem too expensive to ask at all.
    share = rule.budget_bytes / min(rule.max_helpers, helpers)
    # An answer without any item still carries the codes and a header of about 64 bytes.
    least = codes_bytes(asked) + 64.0
    cost: np.ndarray = np.maximum(np.minimum(predicted, share), np.minimum(least, rule.budget_bytes))
    return cost
