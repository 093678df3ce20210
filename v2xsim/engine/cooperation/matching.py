"""Whom an ego asks for what: the perception matrices it knows of, compared with its own blind zone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from v2xsim.engine.cooperation.sharing import codes_bytes, occupied_in, predicted_bytes
from v2xsim.engine.stations.sensing import Frame
from v2xsim.perception.matching.choice import Choice, choose_helpers, choose_nearest, relevance
from v2xsim.perception.matching.matrix import shifted
from v2xsim.records import UNOBSERVED, PerceptionMatrix
from v2xsim.scenario.schema import Cooperation


@dataclass(frozen=True)
class Known:
    """A possible helper as an ego knows it.

    Attributes:
        agent: The helper.
        matrix: Its matrix, as last announced.
        position_m: Where it said it was.
        delivery: Predicted probability that a packet arrives by the path that would be used.
        relay: Agent that passes on, -1 for the direct link.
    """

    agent: int
    matrix: PerceptionMatrix
    position_m: Float[np.ndarray, " 2"]
    delivery: float
    relay: int


@dataclass(frozen=True)
class Ask:
    """One helper to ask, the cells, and the bytes it may use."""

    known: Known
    cells: Bool[np.ndarray, "nx ny"]
    allowance_bytes: int


def blind_weight(ego: Frame, open_ground: Bool[np.ndarray, "nx ny"]) -> Float[np.ndarray, "nx ny"]:
    """Return how much each cell that the ego does not see matters to it; nothing inside buildings, which it has on a map."""
    matrix = ego.matrix
    weight = relevance(matrix.lower, matrix.code.shape, matrix.cell_m, ego.believed[:2], ego.velocity_mps)
    return np.where((matrix.code == UNOBSERVED) & open_ground, weight, 0.0)


def asks(ego: Frame, weight: Float[np.ndarray, "nx ny"], known: list[Known], rule: Cooperation) -> list[Ask]:
    """Return whom to ask, best first.

    Each answer's size is predicted from the matrices; a single helper's share is held to budget / helpers before the
    choice, and the whole budget is then shared out in proportion.

    Args:
        ego: The ego's frame.
        weight: `blind_weight` of it.
        known: Possible helpers, in rising order of their agents.
        rule: The scenario's section.
    """
    if not known or rule.max_helpers == 0 or rule.budget_bytes == 0 or rule.matching == "none":
        return []
    shape = ego.matrix.code.shape
    code: UInt8[np.ndarray, "helpers nx ny"] = np.stack(
        [shifted(item.matrix, ego.matrix.lower, shape) for item in known]
    )
    blind = weight > 0.0
    observed = code != UNOBSERVED
    occupied = occupied_in(code, blind)
    asked = (observed & blind).sum(axis=(1, 2))
    cell_m, voxel_m = rule.matrix.cell_m, rule.voxel_m
    predicted = np.array(
        [predicted_bytes(int(o), int(a), rule.fusion, voxel_m, cell_m) for o, a in zip(occupied, asked, strict=True)]
    )
    share = rule.budget_bytes / min(rule.max_helpers, len(known))
    least = np.array([codes_bytes(int(a)) for a in asked]) + 64.0
    cost = np.maximum(np.minimum(predicted, share), np.minimum(least, rule.budget_bytes))
    if rule.fusion == "raw":
        # Whole frames cost alike, and no budget holds them back.
        cost = np.full(len(known), rule.budget_bytes / rule.max_helpers)
    choices: list[Choice]
    if rule.matching == "nearest":
        distance = np.array([np.hypot(*(item.position_m - ego.believed[:2])) for item in known])
        choices = choose_nearest(weight, observed, distance, cost, rule.budget_bytes, rule.max_helpers)
    else:
        delivery = np.array([item.delivery for item in known])
        choices = choose_helpers(weight, observed, delivery, cost, rule.budget_bytes, rule.max_helpers)
    choices = [choice for choice in choices if choice.cells.any()]
    total = sum(cost[choice.helper] for choice in choices)
    return [
        Ask(known[choice.helper], choice.cells, int(rule.budget_bytes * cost[choice.helper] / total))
        for choice in choices
    ]
