"""The interface of rules for awareness messages: a rule decides which stations send one now."""

from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.part_answers import array_from
from v2xsim.parts import Above, AtLeast, Kind, Part
from v2xsim.plugins import ask, call, wrong_answer


@dataclass(frozen=True)
class AwarenessView:
    """Input of a rule for awareness messages: the motion of each station, and the limits of congestion control.

    Position and heading have no error of satellite navigation, because a station measures with its wheel sensors how
    far it has moved.

    Attributes:
        agent: Identity of each station.
        place_m: Position of each station; only its changes matter to rules.
        heading_rad: Heading of each station, counter-clockwise from east.
        speed_mps: Speed of each station over ground.
        now_us: Present simulation time; later than in the call before.
        wait_us: Least time between two messages of each station, set by congestion control; 0 for no limit.
    """

    agent: Int64[np.ndarray, " stations"]
    place_m: Float[np.ndarray, "stations 2"]
    heading_rad: Float[np.ndarray, " stations"]
    speed_mps: Float[np.ndarray, " stations"]
    now_us: int
    wait_us: Float[np.ndarray, " stations"]


class Generator(Protocol):
    """Stores what each station has sent, and decides which stations send now."""

    def due(self, view: AwarenessView) -> Bool[np.ndarray, " stations"]:
        """Return which stations send now, and store that they sent."""


class AwarenessRule(Part):
    """Base of the rules for awareness messages."""

    kind = Kind("message rule", "rule", ("generator",), "v2xsim.comms.messages.awareness")

    @property
    def check_us(self) -> Annotated[int, AtLeast(1)]:
        """Time in us between two checks whether a message is due."""
        return 100_000

    @property
    def longest_us(self) -> Annotated[float, Above(0)]:
        """Longest interval in us between two messages of a station.

        A station that is silent for five times this interval counts as gone.
        """
        return 1_000_000.0

    def generator(self) -> Generator:
        """Return a new generator, which keeps the state of one simulation run."""
        raise NotImplementedError


class Announcer:
    """Runs a rule's generator, and checks the results of rules written by a user."""

    def __init__(self, rule: AwarenessRule) -> None:
        self._rule = rule
        self._generator: Generator = ask(rule, "generator")
        if rule.file is not None and not callable(getattr(self._generator, "due", None)):
            got = type(self._generator).__name__
            raise wrong_answer(rule, "generator", f"must return an object with due(view), got {got}")

    def due(self, view: AwarenessView) -> Bool[np.ndarray, " stations"]:
        """Return which stations send now.

        Raises:
            PartError: If a user's generator raises an exception or returns anything but one truth value per station.
        """
        sends = call(self._rule, "generator.due", self._generator.due, view)
        return array_from(self._rule, "generator.due", sends, {"stations": len(view.agent)}, "bool")
