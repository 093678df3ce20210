"""The interface of an exchange: it takes the contents of messages from one station to the knowledge of others.

There is one class for each value of `cooperation.transport`: `over_the_air` and `at_once`. Both find the stations that an
ego may ask, store arriving contents in the knowledge of egos, and record answers. Only `over_the_air` sends requests and
records them.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from v2xsim.engine.channel.air import Heard
from v2xsim.engine.channel.messages import Message
from v2xsim.engine.cooperation.blind_zone import BlindZone
from v2xsim.engine.cooperation.matching import Ask, Candidates
from v2xsim.engine.stations.contents import Answer, Awareness, Report, Request, Retold
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.own_state import OwnStates

AnswerTo = Callable[[Request], Answer | None]
"""Function that takes a request and returns the helper's answer; None if the helper has no frame to answer from."""


class Exchange(Protocol):
    """Interface of an exchange; `OverTheAir` and `AtOnce` implement it."""

    def announcement_phase_us(self, agent: int) -> int:
        """Return how long after the start of the message rule's period a station makes its announcement, 0 or more."""

    def announce(self, awareness: Awareness) -> None:
        """Send a station's announcement to all stations."""

    def report(self, report: Report) -> None:
        """Send a station's collective perception message to all stations."""

    def retell(self, retold: Retold) -> None:
        """Send what a station tells on of what others reported to all stations."""

    def plan_passing(self, frame_us: int) -> None:
        """Let each station decide whether it passes on what others broadcast, from now on; `frame_us` is recorded."""

    def candidates(self, states: OwnStates, frame_us: int, egos: Sequence[tuple[Frame, BlindZone]]) -> Candidates:
        """Return the stations that each ego may ask, for frames captured at `frame_us`."""

    def ask(self, ego: Frame, asks: list[Ask]) -> None:
        """Send an ego's requests; each helper answers when its request arrives."""

    def receive(self, heard: Heard) -> None:
        """Process a packet that at least one station received."""

    def over(self, message: Message) -> None:
        """Forget what was kept for the packets of a message that were under way: none of them can arrive any more."""


def request_of(number: int, ego: Frame, ask: Ask) -> Request:
    """Return the request of an ego to a helper.

    Args:
        number: Number of the message that will carry the request.
        ego: The ego's frame.
        ask: Helper, cells and allowance of the request.
    """
    matrix = ego.matrix
    return Request(
        number, ego.agent, ask.helper, ego.time_us, matrix.lower, matrix.cell_m, ask.cells, ego.pose[:2],
        ask.allowance_bytes,
    )  # fmt: skip


def fragments_of(size_bytes: int, mtu_bytes: int) -> int:
    """Return the number of fragments that a payload needs."""
    return max(1, -(-size_bytes // mtu_bytes))
