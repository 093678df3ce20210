"""Messages between stations and the packets that carry them: what they hold. `radio` sends them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.records import PerceptionMatrix

EVERYBODY = -1
NOBODY = -1

AWARENESS, REQUEST, DATA, CPM = "awareness", "request", "data", "cpm"
MESSAGE_KINDS = (AWARENESS, REQUEST, DATA, CPM)


@dataclass(frozen=True)
class Message:
    """Something a station tells others.

    Attributes:
        number: Unique in a run.
        kind: AWARENESS, REQUEST, DATA or CPM.
        origin: Agent that made it.
        destination: Agent it is for, or EVERYBODY.
        relay: Agent that is asked to pass it on, or NOBODY.
        size_bytes: Payload.
        queued_us: When it was handed to the radio.
        body: Awareness, Request, Answer or Report.
    """

    number: int
    kind: str
    origin: int
    destination: int
    relay: int
    size_bytes: int
    queued_us: int
    body: Any = field(repr=False)


@dataclass(frozen=True)
class Packet:
    """One fragment of a message on one hop, before the access layer has found a time for it."""

    message: Message
    hop: int
    fragment: int
    fragments: int
    sender: int
    target: int
    size_bytes: int
    queued_us: int


@dataclass(frozen=True)
class Awareness:
    """What a station announces of itself: pose and heights as it believes them, and what it observed.

    Attributes:
        origin: The station.
        capture_us: True time of the state announced.
        stamp_us: The same on the station's own clock.
        pose: Believed x, y, z, yaw.
        velocity_mps: Believed velocity over ground.
        antenna_m: Height of the antenna above ground.
        size_m: Body: length, width, height; zeros for a roadside unit.
        matrix: Its abstract perception matrix, None without a lidar.
        heard: Stations it hears, with the mean SNR of their packets.
    """

    origin: int
    capture_us: int
    stamp_us: int
    pose: Float[np.ndarray, " 4"]
    velocity_mps: Float[np.ndarray, " 2"]
    antenna_m: float
    size_m: Float[np.ndarray, " 3"]
    matrix: PerceptionMatrix | None
    heard: Int64[np.ndarray, " stations"]
