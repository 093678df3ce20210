"""The interface of path-loss models: the loss between two antennas from distance, link state and antenna heights."""

from dataclasses import dataclass
from numbers import Real
from typing import Annotated, Any, ClassVar

import numpy as np
from jaxtyping import Float, Int8

from v2xsim.comms.channel.shadowing import DECORRELATION_M, SIGMA_DB
from v2xsim.comms.channel.tr37885 import BUILDING, SHORTEST_M, line_of, reach_m
from v2xsim.part_answers import array_from
from v2xsim.parts import Above, AtLeast, Kind, Part
from v2xsim.plugins import ask, wrong_answer

_Deviation = Annotated[float, AtLeast(0)]
_Distance = Annotated[float, Above(0)]

Pieces = Float[np.ndarray, "3 pieces 3"]
"""Path loss as pieces that are straight over the logarithm of the distance.

The array is indexed by state (LOS, NLOSV, NLOSB) and piece. A piece has three numbers: log10 of the distance in metres
from which it applies, its loss at one metre in dB, and its slope in dB per decade. The first piece of each state begins
at the shortest distance that counts.
"""


@dataclass(frozen=True)
class PathLossView:
    """Input of a path-loss model: the links whose loss is computed.

    Attributes:
        distance_m: Distance between the antennas of each link, in three dimensions.
        state: LOS (0), NLOSV (1: a vehicle in the way) or NLOSB (2: a building in the way).
        first_height_m: Height of the antenna at one end above ground.
        second_height_m: Height of the antenna at the other end above ground.
        carrier_ghz: Centre frequency of the channel.
    """

    distance_m: Float[np.ndarray, " links"]
    state: Int8[np.ndarray, " links"]
    first_height_m: Float[np.ndarray, " links"]
    second_height_m: Float[np.ndarray, " links"]
    carrier_ghz: float

    @property
    def behind_buildings_db(self) -> Float[np.ndarray, " links"]:
        """Loss in dB that TR 37.885 gives for each link as if a building blocked it.

        Models that have no loss of their own behind buildings use it.
        """
        at_one, slope = line_of(BUILDING, self.carrier_ghz)
        loss: np.ndarray = at_one + slope * np.log10(np.maximum(self.distance_m, SHORTEST_M))
        return loss


class PathLoss(Part):
    """Base of path-loss models.

    A model defines `loss_db`, or `pieces_db` if its loss is piecewise linear in the logarithm of the distance.

    A blockage model (`v2xsim.comms.channel.blockage`) adds the loss behind vehicles, unless the path-loss model
    includes it.

    Attributes:
        shadowing_sigma_db: Standard deviation of the shadowing by link state (LOS, NLOSV, NLOSB); a larger value means
            more variation of the power.
        decorrelation_m: Travelled distance after which the correlation of the shadowing has fallen to 1/e, by link
            state.
        includes_vehicles: Whether the loss of state NLOSV includes the vehicle in the way.
        urban: Whether link states drawn from curves (`radio.propagation.states`) use the urban curves (False means the
            highway curves).
    """

    kind = Kind("path loss", "model", ("loss_db", "pieces_db"), "v2xsim.comms.channel.path_loss")
    shadowing_sigma_db: ClassVar[tuple[_Deviation, _Deviation, _Deviation]] = (SIGMA_DB[0], SIGMA_DB[1], SIGMA_DB[2])
    decorrelation_m: ClassVar[tuple[_Distance, _Distance, _Distance]] = (
        DECORRELATION_M[0],
        DECORRELATION_M[1],
        DECORRELATION_M[2],
    )
    includes_vehicles: ClassVar[bool] = False
    urban: ClassVar[bool] = True

    def loss_db(self, view: PathLossView) -> Float[np.ndarray, " links"]:
        """Return the path loss of each link in dB, without shadowing; also for links behind buildings."""
        pieces = self.pieces_db(view.carrier_ghz)
        if pieces is None:
            raise NotImplementedError("where pieces_db returns None, loss_db must be defined")
        return piecewise_loss_db(pieces, view.distance_m, view.state)

    def pieces_db(self, carrier_ghz: float) -> Pieces | None:
        """Return the loss as pieces that are straight over the logarithm of the distance.

        A model that computes the loss of each link returns None.
        """
        return None

    def reach_m(self, loss_db: float, carrier_ghz: float) -> float:
        """Return the distance in metres at which a clear link has the loss `loss_db`.

        Relay rules use it as the range of a usable link.

        The default is the inverse of TR 37.885's highway formula.
        """
        return reach_m(loss_db, carrier_ghz, "highway")


def loss_of(model: PathLoss, view: PathLossView) -> Float[np.ndarray, " links"]:
    """Return the path loss in dB of links under a model; the result of a user's model is checked.

    Raises:
        PartError: If a user's model raises an exception or returns anything but one loss per link.
    """
    return array_from(model, "loss_db", ask(model, "loss_db", view), {"links": len(view.distance_m)}, least=0.0)


def pieces_of(model: PathLoss, carrier_ghz: float) -> Pieces | None:
    """Return the pieces of a model that is piecewise linear in log distance (None if it computes the loss of each link).

    The result of a user's model is checked.

    Raises:
        PartError: If a user's model raises an exception or returns anything else.
    """
    pieces: Pieces | None = ask(model, "pieces_db", carrier_ghz)
    if pieces is None or model.file is None:
        return pieces
    count = pieces.shape[1] if isinstance(pieces, np.ndarray) and pieces.ndim == 3 else 1
    return array_from(model, "pieces_db", pieces, {"states": 3, "pieces": max(count, 1), "numbers": 3})


def range_of(model: PathLoss, loss_db: float, carrier_ghz: float) -> float:
    """Return the distance in metres at which a clear link has a given loss under a model.

    The result of a user's model is checked.

    Raises:
        PartError: If a user's model raises an exception or returns anything else.
    """
    range_m: Any = ask(model, "reach_m", loss_db, carrier_ghz)
    if model.file is not None and not (isinstance(range_m, Real) and float(range_m) >= 0.0):
        raise wrong_answer(model, "reach_m", f"must return a distance of at least 0 m, got {range_m!r}")
    distance_m: float = range_m
    return distance_m


def piecewise_loss_db(
    pieces: Pieces, distance_m: Float[np.ndarray, " links"], state: Int8[np.ndarray, " links"]
) -> Float[np.ndarray, " links"]:
    """Return the loss in dB of links from pieces that are straight over the logarithm of the distance."""
    rows = pieces[state]
    decades = np.maximum(np.log10(np.maximum(distance_m, 1e-12)), rows[:, 0, 0])
    piece = (decades[:, None] >= rows[:, :, 0]).sum(axis=1) - 1
    held = rows[np.arange(len(rows)), np.maximum(piece, 0)]
    loss: Float[np.ndarray, " links"] = held[:, 1] + held[:, 2] * decades
    return loss


def one_line(at_one_db: float, per_decade_db: float, carrier_ghz: float) -> Pieces:
    """Return one straight line for links without a building in the way, and TR 37.885's line for links behind buildings."""
    first, building = np.log10(SHORTEST_M), line_of(BUILDING, carrier_ghz)
    line = [[first, at_one_db, per_decade_db]]
    return np.array([line, line, [[first, *building]]])
