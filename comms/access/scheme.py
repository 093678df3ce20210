"""What an access scheme is: it decides which station sends when, and builds the layer that runs over one medium.

One file in `schemes` for each built-in scheme. A run and the validation against published curves get their layers here.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from jaxtyping import Int64, UInt64

from v2xsim.comms.access.packets import Field, Packets, Receptions
from v2xsim.part_answers import array_from
from v2xsim.parts import Kind, Part
from v2xsim.plugins import ask, call, wrong_answer


class AccessLayer(Protocol):
    """What a simulation asks of an access layer (`v2xsim.comms.access.packets`)."""

    @property
    def dropped(self) -> list[int]:
        """Numbers of packets that gave way to others before they were sent; whoever reads them empties it."""

    def submit(self, packets: Packets) -> None:
        """Hand packets over; they may become ready later."""

    def advance(self, until_us: int, field: Field) -> tuple[Receptions, Int64[np.ndarray, " stations"]]:
        """Return what ended by an instant, and each station's busy time since the instant before."""

    def reindexed(self, row: Int64[np.ndarray, " new"], station_key: UInt64[np.ndarray, " new"]) -> None:
        """Carry the state over to another set of stations; `row` is where each was before, -1 for newcomers."""


@dataclass(frozen=True)
class RadioSettings:
    """What an access scheme takes of the radio that it runs on.

    Attributes:
        bandwidth_mhz: Of the channel: 10, 20 or 40.
        noise_dbm: Over the whole channel.
        sensitivity_dbm: Weakest packet that a receiver notices, over 10 MHz.
        busy_threshold_dbm: Power above which the channel counts as busy, over 10 MHz; infinity in 802.11p counts the time during
            which a single packet is sensed.
        queue_packets: Packets that a station can hold.
        slot_us: Length of a slot, for schemes whose standard gives none.
        window_us: Window in which packets without a period find their slot.
        header_bytes: What the MAC adds to each packet; None for what the standard says.
        curve: Rows of SINR in dB and packet error rate, in place of the scheme's own error curve; empty for that.
    """

    bandwidth_mhz: int = 10
    noise_dbm: float = -95.0
    sensitivity_dbm: float = -90.0
    busy_threshold_dbm: float = -94.0
    queue_packets: int = 1000
    slot_us: int = 500
    window_us: int = 20_000
    header_bytes: int | None = None
    curve: tuple[tuple[float, float], ...] = ()

    @property
    def wider_db(self) -> float:
        """How much more power a packet needs than over 10 MHz: a wider channel has as much more noise."""
        return float(10.0 * np.log10(self.bandwidth_mhz / 10.0))


class AccessScheme(Part):
    """Base of access schemes.

    Attributes:
        ideal: Whether everything is delivered in no time to everybody in range, past any access layer.
        spreads_periods: Whether the scheme itself spreads periodic messages over their period; where it does not, each station
            hands them over at a phase of its own.
        slot_limit_us: Time on the air that every packet counts with in congestion control; None for its real one.
    """

    kind = Kind("access scheme", "scheme", ("layer",), "v2xsim.comms.access.schemes")
    ideal: ClassVar[bool] = False
    spreads_periods: ClassVar[bool] = False
    slot_limit_us: ClassVar[float | None] = None

    def layer(self, settings: RadioSettings, time_us: int) -> AccessLayer:
        """Return an access layer over no stations yet, at an instant."""
        raise NotImplementedError

    def most_bytes(self) -> int | None:
        """Return the size of the largest packet that the scheme can send; None where there is no limit."""
        return None

    def describe(self) -> str:
        """Return what decides the size of the largest packet, for messages."""
        return self.name


def layer_of(
    scheme: AccessScheme,
    settings: RadioSettings,
    time_us: int,
    station_key: UInt64[np.ndarray, " stations"] | None = None,
) -> AccessLayer:
    """Return the access layer of a scheme: the only place where one is built.

    Args:
        scheme: The access scheme.
        settings: The radio below it.
        time_us: The instant at which it begins.
        station_key: Key of each station's chance, for stations that are there from the beginning; none if left out.

    Raises:
        PartError: If a user's scheme raises an exception or returns no access layer.
    """
    layer: AccessLayer = ask(scheme, "layer", settings, time_us)
    if scheme.file is not None:
        _check_layer(scheme, layer)
        layer = _Watched(scheme, layer)
    if station_key is not None:
        layer.reindexed(np.full(len(station_key), -1), station_key)
    return layer


class _Watched:
    """A user's access layer: exceptions in it are reported with the user's file and line."""

    def __init__(self, scheme: AccessScheme, layer: AccessLayer) -> None:
        self._scheme, self._layer = scheme, layer

    @property
    def dropped(self) -> list[int]:
        return self._layer.dropped

    def submit(self, packets: Packets) -> None:
        call(self._scheme, "layer.submit", self._layer.submit, packets)

    def advance(self, until_us: int, field: Field) -> tuple[Receptions, Int64[np.ndarray, " stations"]]:
        found = call(self._scheme, "layer.advance", self._layer.advance, until_us, field)
        if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], Receptions)):
            raise wrong_answer(
                self._scheme, "layer", f"advance must return receptions and busy times, got {type(found).__name__}"
            )
        array_from(self._scheme, "layer", found[1], {"stations": field.stations}, "int64", name="advance: busy times")
        return found

    def reindexed(self, row: Int64[np.ndarray, " new"], station_key: UInt64[np.ndarray, " new"]) -> None:
        call(self._scheme, "layer.reindexed", self._layer.reindexed, row, station_key)


def _check_layer(scheme: AccessScheme, layer: object) -> None:
    lacking = [name for name in ("submit", "advance", "reindexed") if not callable(getattr(layer, name, None))]
    if lacking or not isinstance(getattr(layer, "dropped", None), list):
        raise wrong_answer(
            scheme,
            "layer",
            f"must return an object with submit, advance, reindexed and a list `dropped`, got {type(layer).__name__}",
        )
