"""Keys of a scenario that have no effect, because another key makes the run ignore them."""

import math
from collections.abc import Iterator

import numpy as np

from v2xsim.comms.channel.blockage.model import moments_of
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.parts import parts_from
from v2xsim.scenario.asking import why_nobody_asks
from v2xsim.scenario.choices import parts_in
from v2xsim.scenario.errors import Problem
from v2xsim.scenario.fields import Section
from v2xsim.scenario.schema import Scenario

UNUSED_FILE = "has no effect: no key of the scenario names a part of"

_IDEAL, _CSMA, _SIDELINKS, _RANDOM = ("ideal",), ("ieee80211p",), ("lte_mode4", "nr_mode2"), ("random_slot",)
# Keys of section `radio` with the built-in access schemes that do not use them. A user's own scheme may use all.
_UNUSED_BY = {
    "slot_ms": _IDEAL + _CSMA + _SIDELINKS,
    "selection_window_ms": _IDEAL + _CSMA,
    "mcs": _IDEAL + _SIDELINKS,
    "awareness_mcs": _IDEAL + _SIDELINKS,
    "queue_packets": _IDEAL + _RANDOM,
    "retries": _IDEAL,
    "ack_timeout_ms": _IDEAL + _CSMA + _SIDELINKS,
    "dcc": _IDEAL,
    "processing_spread_ms": _IDEAL,
}


def without_effect(scenario: Scenario) -> Iterator[Problem]:
    """Yield the keys that have no effect, because another key of the scenario makes the run ignore them."""
    radio = scenario.radio
    if radio.propagation.fading.fades and not radio.access.draws_fading:
        yield Problem(
            ("radio", "propagation", "fading"),
            f"has no effect: access scheme {radio.access.name} draws no fading; ieee80211p, lte_mode4 and nr_mode2 do",
        )
    for key, schemes in _UNUSED_BY.items():
        if radio.access.file is None and radio.access.name in schemes and _is_chosen(scenario, "radio", key):
            yield Problem(("radio", key), f"has no effect: access scheme {radio.access.name} does not use it")
    if radio.retries == 0 and _is_chosen(scenario, "radio", "ack_timeout_ms"):
        yield Problem(("radio", "ack_timeout_ms"), "has no effect: radio.retries is 0, so no packet is sent again")
    yield from _ranges(scenario)
    yield from _relaying(scenario)
    yield from _shadowing(scenario)
    yield from _sizes(scenario)
    lidars = scenario.lidars
    for name in lidars.rigs:
        if name not in lidars.carry.values():
            yield Problem(("lidars", "rigs", name), "has no effect: lidars.carry gives this rig to no one")
    if lidars.air.wet_snow and lidars.air.snow_mm_per_h == 0.0:
        yield Problem(("lidars", "air", "wet_snow"), "has no effect: no snow falls (lidars.air.snow_mm_per_h is 0)")
    if lidars.air.is_clear and lidars.air.least_echo != type(lidars.air).model_fields["least_echo"].default:
        yield Problem(
            ("lidars", "air", "least_echo"),
            "has no effect: clear air returns no echo (lidars.air has no fog, rain or snow)",
        )
    yield from _exchanging(scenario)
    if scenario.cooperation.transport != "radio" and scenario.cooperation.matrix.interval_ms != 0.0:
        yield Problem(
            ("cooperation", "matrix", "interval_ms"),
            f"has no effect: cooperation.transport {scenario.cooperation.transport} brings every matrix to others without messages",
        )
    is_silent = scenario.cooperation.transport != "radio" and why_nobody_asks(scenario.cooperation) is None
    if is_silent and _is_chosen(scenario, "cooperation", "request_coding"):
        yield Problem(
            ("cooperation", "request_coding"),
            f"has no effect: cooperation.transport {scenario.cooperation.transport} sends no requests",
        )
    used = {part.file for part in parts_in(scenario)}
    for number, plugin in enumerate(scenario.loaded_plugins):
        if plugin.path not in used:
            names = ", ".join(repr(cls.name) for cls in parts_from(plugin.path))
            yield Problem(
                ("plugins", str(number)),
                f"{UNUSED_FILE} {plugin.path} ({names})",
            )


def _exchanging(scenario: Scenario) -> Iterator[Problem]:
    """Yield the chosen keys for messages that no station sends."""
    work, shares = scenario.cooperation, scenario.cooperation.fusion.shares
    unsent, unasked = f"fusion scheme {work.fusion.name} sends none", why_nobody_asks(work)
    unreported = None if shares is Share.REPORTS else unsent
    unboxed = unasked if shares is Share.BOXES else unsent
    # Limits stay in a file whatever is compared, and without any exchange nobody expects one of them to matter.
    unlimited = None if shares is Share.NOTHING else unasked
    cpm, requests = "collective perception messages", "requests"
    for key, messages, why in (
        ("redundancy", cpm, unreported),
        ("retelling", cpm, unreported),
        ("report_interval_ms", cpm, unreported),
        ("boxes_by", "requested boxes", unboxed),
        ("matching", requests, unasked),
        ("request_coding", requests, unasked),
        ("max_helpers", requests, unlimited),
        ("budget_bytes", requests, unlimited),
        ("max_age_ms", "answers to requests", unlimited),
        ("shortlist", requests, unlimited),
    ):
        if why is None or key in why or not _is_chosen(scenario, "cooperation", key) or _is_for_nobody(scenario, key):
            continue
        yield Problem(("cooperation", key), f"has no effect: it is for {messages}, and {why}")
    by_radio = work.transport == "radio" and not scenario.radio.access.ideal
    if work.retelling.retells and shares is Share.REPORTS and not by_radio:
        how = "with radio.access ideal" if work.transport == "radio" else f"with cooperation.transport {work.transport}"
        yield Problem(
            ("cooperation", "retelling"), f"has no effect: {how}, each report arrives everywhere, so nothing is told on"
        )


def _is_for_nobody(scenario: Scenario, key: str) -> bool:
    """Return whether a key chooses a rule that asks for nothing or tells nothing on, which is what happens anyway."""
    work = scenario.cooperation
    return (key == "matching" and not work.matching.asks) or (key == "retelling" and not work.retelling.retells)


def _is_chosen(scenario: Scenario, section: str, key: str) -> bool:
    """Return whether a file sets a key of a section to another value than the default."""
    held: Section = getattr(scenario, section)
    default = type(held).model_fields[key].get_default(call_default_factory=True)
    return (
        key in held.model_fields_set and f"{section}.{key}" not in scenario.automatic and getattr(held, key) != default
    )


def _ranges(scenario: Scenario) -> Iterator[Problem]:
    """Yield the ranges of metrics that reach farther than what they measure."""
    radio, record, work = scenario.radio, scenario.record, scenario.cooperation
    if record.prr_range_m > radio.range_m:
        yield Problem(
            ("record", "prr_range_m"),
            f"is above radio.range_m: stations more than {radio.range_m:g} m apart never receive from each other, and do not count",
        )
    corner_m = math.hypot(work.matrix.extent_m, work.matrix.extent_m)
    if why_nobody_asks(work) is None and record.evaluation_range_m > corner_m:
        yield Problem(
            ("record", "evaluation_range_m"),
            f"is beyond the corners of the egos' matrices at {corner_m:.0f} m (cooperation.matrix.extent_m {work.matrix.extent_m:g}), so that no ego "
            f"asks for road users farther away; {record.evaluation_range_m:g} m counts them as unknown",
        )


def _relaying(scenario: Scenario) -> Iterator[Problem]:
    """Yield a relay rule and a link forecast where no data crosses a link that can be lost."""
    work, access = scenario.cooperation, scenario.radio.access
    lossless = None
    if work.transport != "radio":
        lossless = f"cooperation.transport {work.transport} brings data to others without messages"
    elif access.ideal:
        lossless = f"access scheme {access.name} loses no packet"
    nothing = f"fusion scheme {work.fusion.name} sends nothing" if work.fusion.shares is Share.NOTHING else None
    unasked = None if work.fusion.shares.asked_for else f"with fusion scheme {work.fusion.name} no ego asks for data"
    if unasked is None and (nobody := why_nobody_asks(work)):
        unasked = f"{nobody}, so no ego asks for data"
    if (why := lossless or nothing) and work.relay.relays and _is_chosen(scenario, "cooperation", "relay"):
        yield Problem(("cooperation", "relay"), f"has no effect: {why}, so nobody needs a relay")
    if (why := lossless or unasked) and work.foresight.foresees:
        yield Problem(
            ("cooperation", "foresight"),
            f"has no effect: {why}, and egos look ahead only at the links over which they ask",
        )
    if (why := lossless or nothing) and work.bound.sees:
        yield Problem(("cooperation", "bound"), f"has no effect: {why}, so nobody needs a relay")
    if work.bound.sees and _is_chosen(scenario, "cooperation", "relay"):
        yield Problem(
            ("cooperation", "relay"), f"has no effect: cooperation.bound {work.bound.name} chooses the relays"
        )
    unrelayed = None if work.relay.relays or work.bound.sees else f"relay rule {work.relay.name} has no relays"
    if (why := lossless or unasked or nothing or unrelayed) and _is_chosen(scenario, "cooperation", "overhearing"):
        yield Problem(("cooperation", "overhearing"), f"has no effect: {why}, so no packet is addressed to a relay")


def _shadowing(scenario: Scenario) -> Iterator[Problem]:
    """Yield the settings of a shadowing that is off."""
    radio = scenario.radio
    if radio.shadowing:
        return
    wave, default = radio.propagation, type(radio.propagation)()
    keys = ["shadowing_sigma_db", "decorrelation_m"]
    # What a model of one's own draws is known only in the run.
    moments = moments_of(wave.vehicle_blockage) if wave.vehicle_blockage.file is None else None
    if wave.vehicle_blockage.file is None and (moments is None or not any(map(np.any, moments))):
        keys.append("common_share")
    for key in keys:
        if getattr(wave, key) != getattr(default, key):
            yield Problem(("radio", "propagation", key), "has no effect: radio.shadowing is false")


def _sizes(scenario: Scenario) -> Iterator[Problem]:
    """Yield sizes of kinds of vehicles of which generated traffic has none."""
    grid, highway = scenario.traffic.grid, scenario.traffic.highway
    given = (
        ("grid", grid, {} if grid is None else grid.shares),
        ("highway", highway, {} if highway is None else highway.shares),
    )
    for name, source, shares in given:
        for kind in () if source is None else source.sizes_m:
            if not shares.get(kind):
                yield Problem(
                    ("traffic", name, "sizes_m", kind), f"has no effect: the traffic has no {kind} (traffic.{name}.mix)"
                )
