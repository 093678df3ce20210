"""The interface of access schemes.

A scheme holds the settings that decide when stations send, and builds the access layer that sends and receives packets.

Each built-in scheme is one file in `schemes`. `layer_of` builds the access layer for a simulation run and for the
validation against published curves.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, Protocol

import numpy as np
from jaxtyping import Int64, UInt64

from v2xsim.comms.access.packets import OUTCOME_NAMES, Field, Packets, Receptions
from v2xsim.comms.phy.error_points import ErrorPoints
from v2xsim.part_answers import array_from
from v2xsim.parts import Above, AtLeast, Kind, Part, PartError
from v2xsim.plugins import ask, call, wrong_answer

_ADVANCE = "layer.advance"
_BY_RECEPTION = ("receiver", "outcome", "power_dbm", "sinr_db")


class AccessLayer(Protocol):
    """The methods of an access layer that a simulation calls (`v2xsim.comms.access.packets`)."""

    @property
    def dropped(self) -> list[int]:
        """Numbers of packets that a full queue dropped before they were sent; the caller empties the list."""

    def submit(self, packets: Packets) -> Int64[np.ndarray, " packets"] | None:
        """Add packets; a packet may become ready at the present instant or later.

        Returns:
            The time at which each packet ends if it is sent, or None if the layer does not know it yet. Then the engine must
            ask more often whether an awaited packet has arrived.
        """

    def advance(self, until_us: int, field: Field) -> tuple[Receptions, Int64[np.ndarray, " stations"]]:
        """Return the packets that ended by `until_us`, and each station's busy time in us since the call before."""

    def reindexed(self, row: Int64[np.ndarray, " new"], station_key: UInt64[np.ndarray, " new"]) -> None:
        """Carry the state over to another list of stations; `row` has the old row of each station, -1 for newcomers."""


@dataclass(frozen=True)
class RadioSettings:
    """The radio settings that an access scheme uses.

    Attributes:
        bandwidth_mhz: Bandwidth of the channel: 10, 20 or 40.
        noise_dbm: Noise power over the whole bandwidth.
        sensitivity_dbm: Power of the weakest packet that a receiver detects, on a 10 MHz channel.
        busy_threshold_dbm: Received power above which the channel counts as busy, on a 10 MHz channel. If infinite, the
            channel counts as busy in 802.11p while at least one packet is sensed.
        queue_packets: Largest number of packets in a station's queue.
        slot_us: Length of a slot, for schemes whose standard does not define it.
        window_us: Length of the window in which a packet without a period chooses its slot.
        ack_timeout_us: Time from the end of a packet after which its sender sends it again without an acknowledgement,
            for schemes whose standard does not define it.
        header_bytes: Bytes that the MAC adds to each packet (None for the standard's value).
        curve: Points of SINR in dB and packet error rate (0 to 1) that replace the scheme's own error curve; empty to
            keep it.
    """

    bandwidth_mhz: int = 10
    noise_dbm: float = -95.0
    sensitivity_dbm: float = -90.0
    busy_threshold_dbm: float = -94.0
    queue_packets: int = 1000
    slot_us: int = 500
    window_us: int = 20_000
    ack_timeout_us: int = 1000
    header_bytes: int | None = None
    curve: tuple[tuple[float, float], ...] = ()

    @property
    def wider_db(self) -> float:
        """Increase in dB of the noise, and so of the power thresholds, from a 10 MHz channel to this bandwidth."""
        return float(10.0 * np.log10(self.bandwidth_mhz / 10.0))


class ReceptionLevels(NamedTuple):
    """The powers that limit the reception of a packet without interference.

    Attributes:
        noise_dbm: Noise power over the part of the channel that the packet occupies.
        sensitivity_dbm: Power of the weakest packet that a receiver detects.
    """

    noise_dbm: float
    sensitivity_dbm: float


class AccessScheme(Part):
    """Base of access schemes.

    Attributes:
        ideal: Whether every packet is delivered at once to all stations in range, without an access layer.
        spreads_periods: Whether the scheme itself spreads the stations' periodic messages over their period. If not,
            each station creates its messages at its own random phase of the period.
        draws_fading: Whether the access layer draws the fading of each packet itself, from the fading parameters of the
            links.
        acknowledges: Whether the access layer sends packets again (`Packets.retries`) until an acknowledgement of their
            target arrives, which is a transmission of its own. If not, no packet can be sent again; schemes of users do not.
        ack_bytes: Size of an acknowledgement in bytes.
        dcc_airtime_us: Duration that congestion control assumes for every packet (None for the real duration).
    """

    kind = Kind("access scheme", "scheme", ("layer",), "v2xsim.comms.access.schemes")
    ideal: ClassVar[bool] = False
    spreads_periods: ClassVar[bool] = False
    draws_fading: ClassVar[bool] = True
    acknowledges: ClassVar[bool] = False
    ack_bytes: ClassVar[Annotated[int, AtLeast(1)]] = 14
    dcc_airtime_us: ClassVar[Annotated[float, Above(0)] | None] = None

    def layer(self, settings: RadioSettings, time_us: int) -> AccessLayer:
        """Return an access layer without stations, whose time starts at `time_us`."""
        raise NotImplementedError

    def most_bytes(self) -> Annotated[int, AtLeast(1)] | None:
        """Return the size in bytes of the largest packet that the scheme can send, or None if there is no limit."""
        return None

    def error_points(self, mcs: int, bandwidth_mhz: int) -> ErrorPoints:
        """Return the packet error rate over SINR from which stations predict the delivery of data packets.

        Args:
            mcs: Value of `radio.mcs`, for schemes that use this key.
            bandwidth_mhz: Bandwidth of the channel: 10, 20 or 40.
        """
        # Imported here, so that a scenario can be checked without loading compiled kernels.
        from v2xsim.comms.phy.error_rate import ieee80211p_points

        return ieee80211p_points(mcs, bandwidth_mhz)

    def reception_levels(self, settings: RadioSettings, size_bytes: int) -> ReceptionLevels:
        """Return the noise in which a receiver decodes a packet, and the power of the weakest packet that it detects.

        Args:
            settings: Settings of the radio.
            size_bytes: Size of the packet, with the headers above the MAC.
        """
        return ReceptionLevels(settings.noise_dbm, settings.sensitivity_dbm + settings.wider_db)

    def describe(self) -> str:
        """Return the settings that limit the packet size, as text for error messages."""
        return self.name


def layer_of(
    scheme: AccessScheme,
    settings: RadioSettings,
    time_us: int,
    station_key: UInt64[np.ndarray, " stations"] | None = None,
) -> AccessLayer:
    """Return the access layer of a scheme. All access layers are built by this function.

    Args:
        scheme: The access scheme.
        settings: Settings of the radio.
        time_us: Simulation time at which the access layer starts.
        station_key: Random key of each station that exists at the start (None for no stations).

    Raises:
        PartError: If a user's scheme raises an exception or does not return an access layer.
    """
    layer: AccessLayer = ask(scheme, "layer", settings, time_us)
    if scheme.file is not None:
        _check_layer(scheme, layer)
        layer = _Watched(scheme, layer)
    if station_key is not None:
        layer.reindexed(np.full(len(station_key), -1), station_key)
    return layer


def error_points_of(scheme: AccessScheme, mcs: int, bandwidth_mhz: int) -> ErrorPoints:
    """Return a scheme's `error_points`, checked if the scheme is a user's.

    Raises:
        PartError: If a user's scheme raises an exception, or does not return a falling curve of error rates.
    """
    points: ErrorPoints = ask(scheme, "error_points", mcs, bandwidth_mhz)
    if scheme.file is not None:
        count = len(points[0]) if isinstance(points, tuple) and len(points) == 2 and np.ndim(points[0]) == 1 else 0
        if count < 2:
            must = "must return two arrays, SINR in dB and error rate, of at least 2 points"
            raise wrong_answer(scheme, "error_points", f"{must}, got {type(points).__name__}")
        for name, values in zip(("sinr_db", "error_rate"), points, strict=True):
            array_from(scheme, "error_points", values, {"points": count}, name=name)
        sinr_db, error_rate = points
        if (np.diff(sinr_db) <= 0).any() or (np.diff(error_rate) > 0).any() or error_rate[0] > 1 or error_rate[-1] < 0:
            must = "must return rising SINRs and error rates that never rise, from at most 1 to at least 0"
            raise wrong_answer(scheme, "error_points", must)
    return points


class _Watched:
    """Wrapper of a user's access layer: an exception or a wrong result is reported with the name of the user's file."""

    def __init__(self, scheme: AccessScheme, layer: AccessLayer) -> None:
        self._scheme, self._layer = scheme, layer
        # Numbers of the packets that were submitted and have not ended.
        self._waiting: set[int] = set()
        # The end of each packet for which the layer returned one.
        self._end_us: dict[int, int] = {}

    @property
    def dropped(self) -> list[int]:
        dropped: list[int] = call(self._scheme, "layer.dropped", getattr, self._layer, "dropped")
        self._waiting.difference_update(dropped)
        for number in dropped:
            self._end_us.pop(number, None)
        return dropped

    def submit(self, packets: Packets) -> Int64[np.ndarray, " packets"] | None:
        self._waiting.update(packets.number.tolist())
        ends_us = call(self._scheme, "layer.submit", self._layer.submit, packets)
        if ends_us is None:
            return None
        axes = {"packets": len(packets)}
        ends_us = array_from(self._scheme, "layer.submit", ends_us, axes, "int64", name="ends of the packets")
        self._end_us.update(zip(packets.number.tolist(), ends_us.tolist(), strict=True))
        return ends_us

    def advance(self, until_us: int, field: Field) -> tuple[Receptions, Int64[np.ndarray, " stations"]]:
        receptions = call(self._scheme, "layer.advance", self._layer.advance, until_us, field)
        if not (isinstance(receptions, tuple) and len(receptions) == 2 and isinstance(receptions[0], Receptions)):
            raise self._wrong(f"must return receptions and busy times, got {type(receptions).__name__}")
        array_from(self._scheme, _ADVANCE, receptions[1], {"stations": field.stations}, "int64", name="busy times")
        self._check(receptions[0], field.stations)
        return receptions

    def _check(self, receptions: Receptions, stations: int) -> None:
        packets = len(receptions.number) if isinstance(receptions.number, np.ndarray) and receptions.number.ndim else 0
        rows = (
            len(receptions.receiver) if isinstance(receptions.receiver, np.ndarray) and receptions.receiver.ndim else 0
        )
        for name, dtype, length in (
            ("number", "int64", packets), ("by", "int64", packets), ("began_us", "int64", packets), ("ended_us", "int64", packets),
            ("noise_dbm", "float64", packets), ("offset", "int64", packets + 1), ("receiver", "int32", rows), ("outcome", "int8", rows),
            ("power_dbm", "float32", rows), ("sinr_db", "float32", rows),
        ):  # fmt: skip
            axes = {"receptions" if name in _BY_RECEPTION else "packets": length}
            array_from(self._scheme, _ADVANCE, getattr(receptions, name), axes, dtype, finite=False, name=name)
        ended = receptions.number.tolist()
        if len(set(ended)) < len(ended) or not self._waiting.issuperset(ended):
            raise self._wrong("must return as number the packets that were submitted, each once")
        self._waiting.difference_update(ended)
        for number, end_us in zip(ended, receptions.ended_us.tolist(), strict=True):
            if (wanted_us := self._end_us.pop(number, end_us)) != end_us:
                raise self._wrong(
                    f"must return as ended_us what submit returned: {wanted_us} for packet {number}, got {end_us}"
                )
        if receptions.offset[0] != 0 or receptions.offset[-1] != rows or (np.diff(receptions.offset) < 0).any():
            raise self._wrong(f"must return as offset numbers that rise from 0 to the {rows} receptions")
        for name, array, least, most in (
            ("receiver", receptions.receiver, 0, stations - 1), ("by", receptions.by, -1, stations - 1),
            ("outcome", receptions.outcome, 0, len(OUTCOME_NAMES) - 1),
        ):  # fmt: skip
            if len(array) and not least <= array.min() <= array.max() <= most:
                raise self._wrong(f"must return as {name} {least} to {most}, got {array.min()} to {array.max()}")

    def _wrong(self, says: str) -> PartError:
        return wrong_answer(self._scheme, _ADVANCE, says)

    def reindexed(self, row: Int64[np.ndarray, " new"], station_key: UInt64[np.ndarray, " new"]) -> None:
        call(self._scheme, "layer.reindexed", self._layer.reindexed, row, station_key)


def _check_layer(scheme: AccessScheme, layer: object) -> None:
    lacking = [name for name in ("submit", "advance", "reindexed") if not callable(getattr(layer, name, None))]
    dropped = call(scheme, "layer.dropped", getattr, layer, "dropped", None)
    if lacking or not isinstance(dropped, list):
        raise wrong_answer(
            scheme,
            "layer",
            f"must return an object with submit, advance, reindexed and a list `dropped`, got {type(layer).__name__}",
        )
