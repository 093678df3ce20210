"""Choice of the helpers that egos ask, and of the cells: an ego compares announced matrices with its own blind zone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from v2xsim.comms.messages.request_cells import RequestCoding, requested
from v2xsim.comms.messages.sizes import coded_request_bytes
from v2xsim.engine.cooperation.answer_sizes import codes_bytes, predicted_bytes
from v2xsim.engine.cooperation.cycle_forecast import Asked, CycleForecast, Predicted
from v2xsim.engine.cooperation.paths import Paths
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.neighbours import AnnouncedMatrices
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.perception.matching.choice import chosen_helpers
from v2xsim.perception.matching.greedy_loops import counted
from v2xsim.perception.matching.rule import MatchingViews
from v2xsim.records import OCCUPIED, UNOBSERVED, PerceptionMatrix
from v2xsim.scenario.schema import Cooperation
from v2xsim.streams import Streams


@dataclass(frozen=True)
class Candidates:
    """The possible helpers of each ego, as the ego knows them; those of one ego in rising order of their agent ids.

    The candidates of ego e are the rows from `offset[e]` to `offset[e + 1]`: what this ego knows, and no other ego may read.

    Attributes:
        offset: Index of the first candidate of each ego; one entry more than egos.
        agent: Agent id of each helper.
        position_m: Announced position of each helper.
        there: Predicted probability that a packet gets to the helper over the path that would be used, 0 to 1.
        back: Predicted probability that a packet gets back, 0 to 1.
        evidence: Part of the log odds of a whole cycle that depends neither on the size of its messages nor on what the ego has
            learned; infinite if no message is ever lost.
        relay: Agent id of the station that would forward messages, NOBODY for the direct link.
        more_relays: Agent ids of further stations that would forward, NOBODY where there is none.
        rounds: How many times the usual transmissions are used for each packet, as in `Paths`.
        matrix: Row in `matrices` of each helper's perception matrix, as last announced; a matrix without any observed cell if none is known.
        matrices: Announced perception matrices. Several egos know the same ones.
    """

    offset: Int64[np.ndarray, " egos_plus_1"]
    agent: Int64[np.ndarray, " helpers"]
    position_m: Float[np.ndarray, "helpers 2"]
    there: Float[np.ndarray, " helpers"]
    back: Float[np.ndarray, " helpers"]
    evidence: Float[np.ndarray, " helpers"]
    relay: Int64[np.ndarray, " helpers"]
    more_relays: Int64[np.ndarray, "helpers more"]
    rounds: Int64[np.ndarray, " helpers"]
    matrix: Int64[np.ndarray, " helpers"]
    matrices: Sequence[PerceptionMatrix]


@dataclass(frozen=True)
class Ask:
    """The content of an ego's request to one helper.

    Attributes:
        helper: Agent id of the helper.
        relay: Agent id of the station that forwards the request and the answer, NOBODY for the direct link.
        predicted: What the ego predicts for the cycle.
        cells: Whether the ego asks for each cell of its matrix. With `cooperation.request_coding: blocks`, also for cells that it does not want.
        allowance_bytes: Largest payload of the answer.
        rounds: How many times the usual transmissions are used for each packet, as in `Paths`.
        more_relays: Agent ids of further stations that forward, too.
    """

    helper: int
    relay: int
    predicted: Asked
    cells: Bool[np.ndarray, "nx ny"]
    allowance_bytes: int
    rounds: int = 1
    more_relays: tuple[int, ...] = ()


def candidates(
    egos: Sequence[int], announced: AnnouncedMatrices, paths: Paths, evidence: Float[np.ndarray, " paths"]
) -> Candidates:
    """Return the stations with a matrix that each ego knows and can reach, directly or through a relay.

    Args:
        egos: Agent id of each ego.
        announced: These stations, with the matrices that reached each ego.
        paths: The path of each ego to each of them.
        evidence: Evidence for the success of a cycle over each path (`v2xsim.engine.cooperation.cycle_forecast`).
    """
    count = np.diff(announced.offset)
    row = paths.rows_of(np.repeat(np.array(egos, np.int64), count), announced.agent)
    is_reached = row >= 0
    is_reached[is_reached] = paths.cycle[row[is_reached]] > 0.0
    row = row[is_reached]
    matrix, matrices = _with_unknown(announced.matrix[is_reached], announced.matrices)
    return Candidates(
        np.concatenate([[0], np.cumsum(is_reached)])[announced.offset], announced.agent[is_reached],
        announced.position_m[is_reached], paths.there[row], paths.back[row], evidence[row], paths.relay[row],
        paths.more_relays[row], paths.rounds[row], matrix, matrices,
    )  # fmt: skip


def _with_unknown(
    matrix: Int64[np.ndarray, " helpers"], matrices: Sequence[PerceptionMatrix]
) -> tuple[Int64[np.ndarray, " helpers"], Sequence[PerceptionMatrix]]:
    """Return rows and matrices in which a helper whose matrix is not known has one without any observed cell, instead of row -1."""
    if (matrix >= 0).all():
        return matrix, matrices
    shape, cell_m = (matrices[0].code.shape, matrices[0].cell_m) if matrices else ((1, 1), 1.0)
    nothing = PerceptionMatrix(np.zeros(2, np.int64), cell_m, np.full(shape, UNOBSERVED, np.uint8))
    return np.where(matrix < 0, len(matrices), matrix), [*matrices, nothing]


def coding_of(rule: Cooperation) -> RequestCoding:
    """Return the form of requests; without messages, nothing is encoded.

    Args:
        rule: Section `cooperation` of the scenario.
    """
    return rule.request_coding if rule.transport == "radio" else "bits"


def asks(
    egos: Sequence[Frame],
    weight: Float[np.ndarray, "egos nx ny"],
    known: Candidates,
    rule: Cooperation,
    streams: Streams,
    forecast: CycleForecast,
) -> list[list[Ask]]:
    """Return for each ego the helpers that it asks, with cells and allowance of each, in the order of the rule.

    The size of each answer is predicted from the matrices, and limited to an equal share of the budget before the choice. Under a rule that
    compares no matrices, it is such a share. The whole budget is then divided among the chosen helpers in proportion to the predicted sizes.

    Args:
        egos: Frame of each ego.
        weight: Relevance of each blind cell of each ego, 0 to 1 (`v2xsim.perception.matching.relevance`).
        known: Possible helpers of each ego.
        rule: Section `cooperation` of the scenario.
        streams: Random streams, for matching rules that draw.
        forecast: Prediction of the success of cycles.
    """
    requests: list[list[Ask]] = [[] for _ in egos]
    if len(known.agent) == 0 or rule.max_helpers == 0 or rule.budget_bytes == 0 or not rule.matching.asks:
        return requests
    views, predicted = _views(egos, weight, known, rule, streams, forecast)
    chosen = chosen_helpers(rule.matching, views)
    cost = views.cost_bytes[chosen.helper]
    total = np.bincount(chosen.requester, cost, len(egos))
    allowance_bytes = (rule.budget_bytes * cost / total[chosen.requester]).astype(np.int64)
    helper = chosen.helper
    rows = zip(
        chosen.requester.tolist(), known.agent[helper].tolist(), known.relay[helper].tolist(),
        predicted.asked(helper.tolist(), known.agent),
        requested(chosen.cells, coding_of(rule)), allowance_bytes.tolist(), known.rounds[helper].tolist(),
        [tuple(agent for agent in more if agent != NOBODY) for more in known.more_relays[helper].tolist()], strict=True,
    )  # fmt: skip
    for ego, *ask in rows:
        requests[ego].append(Ask(*ask))
    return requests


def _views(
    egos: Sequence[Frame],
    weight: Float[np.ndarray, "egos nx ny"],
    known: Candidates,
    rule: Cooperation,
    streams: Streams,
    forecast: CycleForecast,
) -> tuple[MatchingViews, Predicted]:
    """Return what the matching rule is shown, and the predictions for all possible cycles; arguments as in `asks`."""
    lower = np.array([ego.matrix.lower for ego in egos])
    codes: UInt8[np.ndarray, "matrices mx my"] = np.array([matrix.code for matrix in known.matrices])
    if rule.matching.seeks_bodies:
        codes = np.where(codes == OCCUPIED, codes, np.uint8(UNOBSERVED))
    lowers = np.array([matrix.lower for matrix in known.matrices])
    count = np.diff(known.offset)
    gap_m = known.position_m - np.repeat(np.array([ego.pose[:2] for ego in egos]), count, axis=0)

    def draw(row: int) -> Float[np.ndarray, " helpers"]:
        ego, agent = egos[row], known.agent[known.offset[row] : known.offset[row + 1]]
        return streams.uniforms("matching", streams.agent_key(ego.agent), ego.time_us, streams.agent_keys(agent))[:, 0]

    def recall(row: int) -> Float[np.ndarray, " helpers"]:
        ego, agent = egos[row], known.agent[known.offset[row] : known.offset[row + 1]]
        return forecast.of(ego.agent).gained.shares(agent, ego.time_us)

    # What is asked of whom follows from the choice. Before it, a request counts as one for all that its ego wants.
    coding, wanted = coding_of(rule), weight > 0.0
    asked_for = weight if coding != "blocks" else requested(wanted, coding).astype(np.float64)
    cost_bytes = answer_costs(asked_for, lower, known.offset, known.matrix, codes, lowers, rule)
    sizes_bytes = np.array([coded_request_bytes(of_ego, coding) for of_ego in wanted], np.int64)
    predicted = forecast.predicted(
        np.repeat(np.array([ego.agent for ego in egos], np.int64), count), known.agent, known.evidence, known.there, known.back,
        np.repeat(sizes_bytes, count), cost_bytes,
    )  # fmt: skip
    views = MatchingViews(
        weight, lower, known.offset, known.agent, np.hypot(gap_m[:, 0], gap_m[:, 1]), predicted.success, known.relay != NOBODY,
        cost_bytes, known.matrix, codes, lowers, rule.budget_bytes, rule.max_helpers, draw, recall,
    )  # fmt: skip
    return views, predicted


def answer_costs(
    weight: Float[np.ndarray, "egos nx ny"], lower: Int64[np.ndarray, "egos 2"], offset: Int64[np.ndarray, " egos_plus_1"],
    matrix: Int64[np.ndarray, " helpers"], codes: UInt8[np.ndarray, "matrices mx my"], lowers: Int64[np.ndarray, "matrices 2"],
    rule: Cooperation,
) -> Float[np.ndarray, " helpers"]:  # fmt: skip
    """Return the predicted size of the answer of each possible helper, from announced matrices if the matching rule compares them.

    Args:
        weight: Relevance of each blind cell of each ego, 0 to 1.
        lower: World cell index of cell (0, 0) of each ego's grid.
        offset: Index of the first helper of each ego; one entry more than egos.
        matrix: Row of each helper's announced matrix.
        codes: Announced matrices as codes.
        lowers: World cell index of cell (0, 0) of each announced matrix.
        rule: Section `cooperation` of the scenario.
    """
    count = np.diff(offset)
    others = np.repeat(count, count)
    if not rule.matching.compares:
        return _equal_shares(others, rule)
    observed, occupied = counted(weight, lower, offset, matrix, codes, lowers)
    return _cost_bytes(observed, occupied, others, rule)


def _cost_bytes(
    asked: Int64[np.ndarray, " helpers"], occupied: Int64[np.ndarray, " helpers"], others: Int64[np.ndarray, " helpers"],
    rule: Cooperation,
) -> Float[np.ndarray, " helpers"]:  # fmt: skip
    """Return the predicted size of each helper's answer, limited to an equal share of the budget.

    Args:
        asked: Number of blind cells that each helper observed.
        occupied: Number of those that it saw occupied.
        others: Number of the ego's possible helpers, this one included.
        rule: Section `cooperation` of the scenario.
    """
    scheme = rule.fusion
    if scheme.shares is Share.FRAMES:
        # Whole frames are sent whatever the budget, so all helpers get the same size.
        return np.full(len(asked), rule.budget_bytes / rule.max_helpers)
    predicted = predicted_bytes(occupied, asked, scheme.shares, scheme.thinned_to_m, rule.matrix.cell_m)
    # Without this limit, a helper with much data would seem too expensive to ask at all.
    share = _equal_shares(others, rule)
    # An answer without any item still carries the codes and a header of about 64 bytes.
    least = codes_bytes(asked) + 64.0
    cost: np.ndarray = np.maximum(np.minimum(predicted, share), np.minimum(least, rule.budget_bytes))
    return cost


def _equal_shares(others: Int64[np.ndarray, " helpers"], rule: Cooperation) -> Float[np.ndarray, " helpers"]:
    """Return an equal share of the budget for each helper, given the number of the ego's possible helpers, this one included."""
    share: np.ndarray = rule.budget_bytes / np.minimum(rule.max_helpers, others)
    return share
