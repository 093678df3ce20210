"""Perception matrices of so many cells that the messages about them hardly get through, and that are announced too rarely or in vain."""

import math
from collections.abc import Iterator

from v2xsim.comms.access.schemes.ieee80211p import Ieee80211p
from v2xsim.comms.access.schemes.random_slot import RandomSlotAccess
from v2xsim.comms.messages.request_cells import BLOCK_SIDE_CELLS, RequestCoding
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
from v2xsim.notices import Notice
from v2xsim.scenario.asking import why_nobody_asks
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.schema_radio import Radio

# A message counts only if all its fragments arrive. In the shipped scenarios, of the helpers of a request in one fragment a tenth
# is left with four fragments, and none with nine.
_MOST_REQUEST_FRAGMENTS, _MOST_ANNOUNCED_FRAGMENTS = 3, 1
# Whoever sets smaller packets wants many of them; each is counted as one of this size.
_USUAL_MTU_BYTES = 1400
_FORMS = {"bits": "with one bit for each cell", "runs": "as runs of cells", "blocks": "as runs of blocks"}
# In this time and one second more, a car at 50 km/h moves by half of a usual matrix.
_MOST_INTERVAL_MS = 1000.0


def matrix_doubts(scenario: Scenario) -> Iterator[Doubt]:
    """Yield a doubt about a matrix that makes announcements or requests of many fragments, or that is announced too rarely."""
    work, radio = scenario.cooperation, scenario.radio
    if work.transport != "radio":
        return
    yield from _rare(scenario)
    if radio.access.ideal:
        return
    asks = why_nobody_asks(work) is None
    side = max(1, round(2.0 * work.matrix.extent_m / work.matrix.cell_m))
    # Most of a matrix is unobserved and is sent as longest runs; about one more run for each line is that of what is observed.
    runs_bytes = matrix_bytes(0) + math.ceil(side * side / MATRIX_LONGEST_RUN) + side
    interval_ms = work.matrix.interval_ms
    announced = awareness_bytes(0 if interval_ms is None else min(runs_bytes, matrix_bytes(side * side)), 0)
    request = _likely_request_bytes(side, work.request_coding) if asks else 0
    fragment_bytes = max(radio.mtu_bytes, _USUAL_MTU_BYTES)
    if request <= _MOST_REQUEST_FRAGMENTS * fragment_bytes and announced <= _MOST_ANNOUNCED_FRAGMENTS * fragment_bytes:
        return
    parts = [f"of its {side * side:,} cells, an announcement has about {_load(announced, radio)}"]
    on_air_ms, period_ms = _on_air_ms(announced, radio), max(work.awareness_rule.check_us * 1e-3, interval_ms or 0.0)
    if on_air_ms is not None and work.awareness_rule.file is None:
        parts[0] += (
            f" at least every {max(work.awareness_rule.longest_us * 1e-3, interval_ms or 0.0):g} ms"
            if work.awareness_rule.longest_us > work.awareness_rule.check_us
            else f" every {period_ms:g} ms (a channel without any gap holds those of {max(0, int(period_ms / on_air_ms))} stations)"
        )
    if request:
        parts.append(
            f"a request, {_FORMS[work.request_coding]}, {_load(request, radio)}, to be answered in the {work.deadline_ms - work.detect_ms:g} ms from detection "
            "to fusion"
        )
    yield Doubt(
        "cooperation.matrix", f"{work.matrix.extent_m:g} m to each edge, cells of {work.matrix.cell_m:g} m",
        f"{', and '.join(parts)}; a message counts only if all its fragments arrive, so few get through, and egos find or reach hardly any helper; 50 m "
        "with cells of 2 m (2,500 cells, requests of 335 B) are usual",
    )  # fmt: skip


def _rare(scenario: Scenario) -> Iterator[Doubt]:
    """Yield a doubt if decisions need announced matrices, and stations announce none or only old ones."""
    work, interval_ms = scenario.cooperation, scenario.cooperation.matrix.interval_ms
    shares, key = work.fusion.shares, "cooperation.matrix.interval_ms"
    asks = why_nobody_asks(work) is None and work.matching.compares
    seeks, tells = (shares is Share.REPORTS and rule.reads_matrices for rule in (work.redundancy, work.retelling))
    fuses = shares is Share.MATRICES
    if fuses and interval_ms is None:
        yield Doubt(
            key, "null",
            f"no announcement contains a matrix, so fusion scheme {work.fusion.name} has nothing to fuse; 300 to 1000 ms are usual, or choose another scheme",
        )  # fmt: skip
    elif asks and interval_ms is None:
        yield Doubt(
            key, "null",
            f"no announcement contains a matrix, so matching rule {work.matching.name}, which compares them, asks nobody; 300 to 1000 ms are usual, or choose "
            "a rule that compares none, such as nearest",
        )  # fmt: skip
    elif seeks and interval_ms is None:
        yield Doubt(
            key, "null",
            f"no announcement contains a matrix, so redundancy rule {work.redundancy.name} does not know what others see, and leaves out fewer objects; 300 to "
            "500 ms are usual, or choose another rule",
        )  # fmt: skip
    elif tells and interval_ms is None:
        yield Doubt(
            key, "null",
            f"no announcement contains a matrix, so retelling rule {work.retelling.name} does not know what others see, and tells more on; 1000 ms are usual, or "
            "choose another rule, such as unheard",
        )  # fmt: skip
    elif (asks or seeks or tells or fuses) and interval_ms is not None and interval_ms > _MOST_INTERVAL_MS:
        stale = (
            f", and redundancy rule {work.redundancy.name} reads none that is older than 1 s"
            if seeks and work.redundancy.file is None
            else ""
        )
        yield Doubt(
            key, f"{interval_ms:g} ms",
            f"matrices are up to {interval_ms * 1e-3 + 1.0:g} s old when they are read, and show what stations saw at other places{stale}; 300 to 1000 ms are usual",
        )  # fmt: skip


def unread_matrices(scenario: Scenario) -> Iterator[Notice]:
    """Yield a notice if stations announce matrices that no decision of the run reads."""
    work, unasked = scenario.cooperation, why_nobody_asks(scenario.cooperation)
    reads = unasked is None and work.matching.compares
    if work.fusion.shares is Share.REPORTS:
        reads = work.redundancy.reads_matrices or work.retelling.reads_matrices
    elif work.fusion.shares.sends_nothing:
        reads = work.fusion.shares is Share.MATRICES
    is_sent = work.transport == "radio" and not scenario.radio.access.ideal and work.matrix.interval_ms is not None
    if reads or not is_sent:
        return
    side = max(1, round(2.0 * work.matrix.extent_m / work.matrix.cell_m))
    asked_for = f" and matching rule {work.matching.name}" if work.fusion.shares.asked_for else ""
    if asked_for and unasked is not None and unasked.startswith("cooperation."):
        asked_for = f" and {unasked.replace(' is ', ' ')}"
    reports = f", redundancy rule {work.redundancy.name} and retelling rule {work.retelling.name}"
    rule = reports if work.fusion.shares is Share.REPORTS else asked_for
    most_bytes = matrix_bytes(side * side)
    yield Notice(
        "cooperation.unread_matrices", 1,
        f"cooperation.matrix.interval_ms: with fusion scheme {work.fusion.name}{rule} no decision reads announced matrices, which take up to {most_bytes:,} B "
        "of an announcement of a station with a lidar; with null, none is sent",
    )  # fmt: skip


def _likely_request_bytes(side: int, coding: RequestCoding) -> int:
    """Return the likely size of a request: how many runs it has follows from where the blind cells are; two in each line are usual."""
    lines = -(-side // BLOCK_SIDE_CELLS) if coding == "blocks" else side
    bits_bytes = request_bytes(lines * lines)
    return bits_bytes if coding == "bits" else 1 + min(bits_bytes, request_bytes(0) + 2 * lines)


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
