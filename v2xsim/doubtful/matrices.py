"""Perception matrices of so many cells that the messages about them hardly get through."""

import math
from collections.abc import Iterator

from v2xsim.comms.access.schemes.ieee80211p import Ieee80211p
from v2xsim.comms.access.schemes.random_slot import RandomSlotAccess
from v2xsim.comms.messages.sizes import (
    MATRIX_LONGEST_RUN,
    PACKET_HEADER_BYTES,
    awareness_bytes,
    matrix_bytes,
    request_bytes,
)
from v2xsim.comms.phy.airtime import airtime_us
from v2xsim.doubtful.doubt import Doubt
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.schema_radio import Radio

# A message counts only if all its fragments arrive. In the shipped scenarios, of the helpers of a request in one fragment a tenth
# is left with four fragments, and none with nine.
_MOST_REQUEST_FRAGMENTS, _MOST_ANNOUNCED_FRAGMENTS = 3, 1
# Whoever sets smaller packets wants many of them; each is counted as one of this size.
_USUAL_MTU_BYTES = 1400


def matrix_doubts(scenario: Scenario) -> Iterator[Doubt]:
    """Yield a doubt about a matrix that makes announcements or requests of many fragments."""
    work, radio = scenario.cooperation, scenario.radio
    if work.transport != "radio" or radio.access.ideal:
        return
    asks = work.fusion.shares not in (Share.NOTHING, Share.REPORTS) and work.matching.asks and work.max_helpers > 0
    side = max(1, round(2.0 * work.matrix.extent_m / work.matrix.cell_m))
    # Most of a matrix is unobserved and is sent as longest runs; about one more run for each line is that of what is observed.
    runs_bytes = matrix_bytes(0) + math.ceil(side * side / MATRIX_LONGEST_RUN) + side
    announced = awareness_bytes(min(runs_bytes, matrix_bytes(side * side)), 0)
    request = request_bytes(side * side) if asks else 0
    fragment_bytes = max(radio.mtu_bytes, _USUAL_MTU_BYTES)
    if request <= _MOST_REQUEST_FRAGMENTS * fragment_bytes and announced <= _MOST_ANNOUNCED_FRAGMENTS * fragment_bytes:
        return
    parts = [f"of its {side * side:,} cells, an announcement has about {_load(announced, radio)}"]
    on_air_ms, period_ms = _on_air_ms(announced, radio), work.awareness_rule.check_us * 1e-3
    if on_air_ms is not None and work.awareness_rule.file is None:
        parts[0] += (
            f" at least every {work.awareness_rule.longest_us * 1e-3:g} ms"
            if work.awareness_rule.longest_us > work.awareness_rule.check_us
            else f" every {period_ms:g} ms (a channel without any gap holds those of {max(0, int(period_ms / on_air_ms))} stations)"
        )
    if request:
        parts.append(
            f"a request, with one bit for each cell, {_load(request, radio)}, to be answered in the {work.deadline_ms - work.detect_ms:g} ms from detection "
            "to fusion"
        )
    yield Doubt(
        "cooperation.matrix", f"{work.matrix.extent_m:g} m to each edge, cells of {work.matrix.cell_m:g} m",
        f"{', and '.join(parts)}; a message counts only if all its fragments arrive, so few get through, and egos find or reach hardly any helper; 50 m "
        "with cells of 2 m (2,500 cells, requests of 335 B) are usual",
    )  # fmt: skip


def _load(size_bytes: int, radio: Radio) -> str:
    """Return the size of a message, its fragments and its time on the air, as text."""
    fragments = math.ceil(size_bytes / radio.mtu_bytes)
    on_air_ms = _on_air_ms(size_bytes, radio)
    lasting = "" if on_air_ms is None else f", {on_air_ms:.2g} ms on the air"
    return f"{size_bytes:,} B ({fragments} fragment{'s' if fragments > 1 else ''}{lasting})"


def _on_air_ms(size_bytes: int, radio: Radio) -> float | None:
    """Return how long the packets of a message last, without the pauses between them; None if the access scheme sets it itself."""
    if not isinstance(radio.access, Ieee80211p | RandomSlotAccess):
        return None
    whole, rest = divmod(size_bytes, radio.mtu_bytes)
    sizes = [radio.mtu_bytes] * whole + [rest] * (rest > 0)
    return sum(float(airtime_us(size + PACKET_HEADER_BYTES, radio.mcs, radio.bandwidth_mhz)) for size in sizes) * 1e-3
