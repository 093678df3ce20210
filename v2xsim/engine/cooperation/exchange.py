"""How contents of messages get from one station's knowledge to another's.

One class for each `cooperation.transport`: `over_the_air` and `at_once`. Both find the stations that an ego may ask, put what
arrives into the knowledge of egos, and record answers. Only `over_the_air` sends requests, and records them.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from v2xsim.engine.channel.air import Heard
from v2xsim.engine.cooperation.blind_zone import BlindZone
from v2xsim.engine.cooperation.matching import Ask, Candidate
from v2xsim.engine.stations.contents import Answer, Awareness, Report, Request
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.own_state import OwnStates

AnswerTo = Callable[[Request], Answer | None]
"""Takes a request and returns the helper's answer, None if it has nothing to answer from."""


class Exchange(Protocol):
    """How contents get from station to station."""

    def announce(self, awareness: Awareness) -> None:
        """Send a station's announcement to everybody."""

    def report(self, report: Report) -> None:
        """Send a collective perception message to everybody."""

    def candidates(
        self, states: OwnStates, frame_us: int, egos: Sequence[tuple[Frame, BlindZone]]
    ) -> list[list[Candidate]]:
        """Return the stations that each ego may ask, for frames captured at `frame_us`."""

    def ask(self, ego: Frame, asks: list[Ask]) -> None:
        """Send an ego's requests; the helpers answer when they arrive."""

    def receive(self, heard: Heard) -> None:
        """Take in a packet that somebody received."""


def request_of(number: int, ego: Frame, ask: Ask) -> Request:
    """Return the request of an ego to a helper."""
    matrix = ego.matrix
    return Request(
        number, ego.agent, ask.candidate.agent, ego.time_us, matrix.lower, matrix.cell_m, ask.cells, ego.pose[:2],
        ask.allowance_bytes,
    )  # fmt: skip


def fragments_of(size_bytes: int, mtu_bytes: int) -> int:
    """Return the number of fragments that a payload needs."""
    return max(1, -(-size_bytes // mtu_bytes))
