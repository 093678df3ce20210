"""What a rule for awareness messages is: it says which stations announce themselves now."""

from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.part_answers import array_from
from v2xsim.parts import Above, AtLeast, Kind, Part
from v2xsim.plugins import ask, call, wrong_answer


@dataclass(frozen=True)
class AwarenessView:
    """What a rule for awareness messages reads: how each station moves, as it believes, and what congestion control asks for.

    Attributes:
        agent: Identity of each station.
        place_m: Position of each station.
        heading_rad: Heading of each station, counter-clockwise from east.
        speed_mps: Speed of each station over ground.
        now_us: The instant; later than at the last call.
        wait_us: Least time between messages that congestion control asks each station for.
    """

    agent: Int64[np.ndarray, " stations"]
    place_m: Float[np.ndarray, "stations 2"]
    heading_rad: Float[np.ndarray, " stations"]
    speed_mps: Float[np.ndarray, " stations"]
    now_us: int
    wait_us: Float[np.ndarray, " stations"]


class Generator(Protocol):
    """Remembers what each station has sent, and says who sends now."""

    def due(self, view: AwarenessView) -> Bool[np.ndarray, " stations"]:
        """Return which stations send now, and remember it as sent."""


class AwarenessRule(Part):
    """Base of the rules for awareness messages."""

    kind = Kind("message rule", "rule", ("generator",), "v2xsim.comms.messages.awareness")

    @property
    def check_us(self) -> Annotated[int, AtLeast(1)]:
        """How often stations look whether a message is due."""
        return 100_000

    @property
    def longest_us(self) -> Annotated[float, Above(0)]:
        """Longest time between two messages of a station; after five times as long without one it counts as gone."""
        return 1_000_000.0

    def generator(self) -> Generator:
        """Return what remembers and decides, for a run that begins."""
        raise NotImplementedError


class Announcer:
    """The generator of a run, checked where the rule is a user's."""

    def __init__(self, rule: AwarenessRule) -> None:
        self._rule = rule
        self._generator: Generator = ask(rule, "generator")
        if rule.file is not None and not callable(getattr(self._generator, "due", None)):
            got = type(self._generator).__name__
            raise wrong_answer(rule, "generator", f"must return an object with due(view), got {got}")

    def due(self, view: AwarenessView) -> Bool[np.ndarray, " stations"]:
        """Return which stations send now.

        Raises:
            PartError: If a user's generator raises an exception or returns something else.
        """
        found = call(self._rule, "generator.due", self._generator.due, view)
        return array_from(self._rule, "generator.due", found, {"stations": len(view.agent)}, "bool")
