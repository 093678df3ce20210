"""Deadlines, waiting times and budgets within which no data can be exchanged."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from v2xsim.comms.access.schemes.ieee80211p import Ieee80211p
from v2xsim.comms.access.schemes.random_slot import RandomSlotAccess
from v2xsim.comms.access.sidelink_scheme import SidelinkScheme
from v2xsim.comms.messages.sizes import (
    CPM_BASE_BYTES,
    PACKET_HEADER_BYTES,
    POINTS_HEADER_BYTES,
    REQUEST_HEADER_BYTES,
)
from v2xsim.comms.phy.airtime import airtime_us
from v2xsim.doubtful.doubt import Doubt
from v2xsim.engine.cooperation.answer_sizes import predicted_bytes
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.scenario.asking import why_nobody_asks
from v2xsim.scenario.schema import Scenario

# A slower pedestrian stands still.
_SLOWEST_MPS = 0.5
_SURE = 0.9999
# A voxel as wide as a car leaves one point of it.
_LARGEST_VOXEL_M = 2.0
_LEAST_VOXEL_M = 0.3


@dataclass(frozen=True)
class _Exchange:
    """What happens between a detection and the fusion.

    Attributes:
        asks: Whether egos request data; otherwise stations broadcast reports.
        time_ms: Time from the detection to the deadline.
        least_ms: Least time that the messages need.
        parts: What the least time consists of, in words.
    """

    asks: bool
    time_ms: float
    least_ms: float
    parts: str


def exchange_doubts(scenario: Scenario) -> Iterator[Doubt]:
    """Yield what keeps egos from getting the data of other stations in time, whatever happens on the channel."""
    work = scenario.cooperation
    shares = work.fusion.shares
    asks = why_nobody_asks(work) is None
    if asks:
        yield from _budget(scenario)
        if work.hidden_speed_mps is not None and work.hidden_speed_mps < _SLOWEST_MPS:
            yield Doubt(
                "cooperation.hidden_speed_mps", f"{work.hidden_speed_mps:g} m/s",
                "at this speed, hardly any hidden road user can reach an ego, so almost no blind cell has a weight; 14 m/s in towns and the speed limit on motorways are usual",
            )  # fmt: skip
    if work.fusion.file is None and work.fusion.thinned_to_m > _LARGEST_VOXEL_M:
        yield Doubt(
            "cooperation.fusion.voxel_m",
            f"{work.fusion.thinned_to_m:g} m",
            "points are thinned to one in a cube of this size, so one point of a whole car is left; 0.1 to 0.5 m are usual",
        )
    if (
        work.transport != "radio"
        or scenario.radio.access.ideal
        or not (asks or shares in (Share.REPORTS, Share.MATRICES))
    ):
        return
    if work.relay.relays and (work.min_delivery > _SURE or work.min_delivery == 0.0):
        usable = "no link counts as usable" if work.min_delivery > 0.0 else "every link counts as usable"
        yield Doubt(
            "cooperation.min_delivery",
            f"{work.min_delivery:g}",
            f"with this value, {usable}, so no station ever relays; 0.5 to 0.9 are usual",
        )
    if shares is not Share.MATRICES:
        yield from _in_time(scenario, asks)


def _budget(scenario: Scenario) -> Iterator[Doubt]:
    work = scenario.cooperation
    # How much a scheme of one's own sends is not known.
    if work.fusion.shares is Share.FRAMES or work.fusion.file is not None:
        return
    # With smaller voxels, the returns of the lidar are the limit.
    voxel_m = max(work.fusion.thinned_to_m, _LEAST_VOXEL_M)
    least = math.ceil(predicted_bytes(1, 1, work.fusion.shares, voxel_m, work.matrix.cell_m))
    head = CPM_BASE_BYTES if work.fusion.shares.is_boxes else POINTS_HEADER_BYTES
    if work.budget_bytes < least:
        yield Doubt(
            "cooperation.budget_bytes", f"{work.budget_bytes} B",
            f"an answer has a header of {head} B, and the content of one occupied cell needs about {least} B in all, so answers have no content; 2000 to 20000 B are "
            "usual, and 0 requests nothing",
        )  # fmt: skip
    access, radio = scenario.radio.access, scenario.radio
    fragments = math.ceil(work.budget_bytes / work.max_helpers / radio.mtu_bytes)
    if (
        isinstance(access, Ieee80211p | SidelinkScheme)
        and work.transport == "radio"
        and radio.queue_packets < fragments
    ):
        yield Doubt(
            "radio.queue_packets", f"{radio.queue_packets}",
            f"an answer of {work.budget_bytes // work.max_helpers:,} B has {fragments} packets (radio.mtu_bytes {radio.mtu_bytes}), more than the queue "
            "holds, so part of each is dropped; 100 to 1000 are usual",
        )  # fmt: skip


def _in_time(scenario: Scenario, asks: bool) -> Iterator[Doubt]:
    """Yield times that leave no exchange between detection and deadline."""
    exchange = _exchange_of(scenario, asks)
    work, radio = scenario.cooperation, scenario.radio
    if exchange is None:
        return
    if exchange.time_ms < exchange.least_ms:
        effect = (
            "no answer arrives in time for the frame for which it was requested"
            if asks
            else "no report of the instant of the frame is fused"
        )
        yield Doubt(
            "cooperation.deadline_ms", f"{work.deadline_ms:g} ms",
            f"detection (detect_ms) ends {exchange.time_ms:g} ms before it, and {exchange.parts} {exchange.least_ms:.2g} ms at least, so {effect}; 50 to "
            "500 ms are usual",
        )  # fmt: skip
        return
    for key, value_ms in _waits_ms(scenario):
        if value_ms > exchange.time_ms:
            yield Doubt(
                key, f"{value_ms:g} ms",
                f"a message waits for up to this time, longer than the {exchange.time_ms:g} ms from detection to fusion (cooperation.deadline_ms), so much of the "
                "data is late; lower it, or raise the deadline",
            )  # fmt: skip
    if (
        isinstance(radio.access, RandomSlotAccess)
        and radio.retries > 0
        and asks
        and radio.ack_timeout_ms > exchange.time_ms
    ):
        yield Doubt(
            "radio.ack_timeout_ms", f"{radio.ack_timeout_ms:g} ms",
            f"a packet is sent again only after the {exchange.time_ms:g} ms from detection to fusion (cooperation.deadline_ms); 0.5 to 10 ms are usual",
        )  # fmt: skip


def _exchange_of(scenario: Scenario, asks: bool) -> _Exchange | None:
    """Return the exchange of a scenario; None for an access scheme of one's own, whose times are not known."""
    radio, work = scenario.radio, scenario.cooperation
    time_ms = work.deadline_ms - work.detect_ms
    if isinstance(radio.access, SidelinkScheme):
        least_ms = (radio.access.t1_slots + 1.0) * (2 if asks else 1)
        words = "a request and its answer take" if asks else "a report takes"
        return _Exchange(asks, time_ms, least_ms, words)
    if not isinstance(radio.access, Ieee80211p | RandomSlotAccess):
        return None
    head = CPM_BASE_BYTES if work.fusion.shares.is_boxes or not asks else POINTS_HEADER_BYTES
    sizes = [REQUEST_HEADER_BYTES, head] if asks else [head]
    least_us = sum(float(airtime_us(size + PACKET_HEADER_BYTES, radio.mcs, radio.bandwidth_mhz)) for size in sizes)
    words = "the packets of a request and an answer last" if asks else "the packet of a report lasts"
    return _Exchange(asks, time_ms, least_us * 1e-3, words)


def _waits_ms(scenario: Scenario) -> Iterator[tuple[str, float]]:
    """Yield the longest times for which a message waits before it is sent, by key."""
    radio = scenario.radio
    yield "radio.processing_spread_ms", radio.processing_spread_ms
    if isinstance(radio.access, RandomSlotAccess):
        yield "radio.selection_window_ms", radio.selection_window_ms
    elif isinstance(radio.access, SidelinkScheme):
        yield "radio.selection_window_ms", min(radio.selection_window_ms, float(radio.access.t2_slots))
