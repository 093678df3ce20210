"""Which scenarios have the same world: traffic, stations, lidars with their detections, and links.

Runs of such scenarios can share the computation of the world, because messages have no influence on it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from v2xsim.parts import Part
from v2xsim.scenario.choices import choices_in
from v2xsim.scenario.errors import ScenarioError
from v2xsim.scenario.load import from_data, resolved, unfilled
from v2xsim.scenario.plugins import run_files_again
from v2xsim.scenario.schema import Scenario

# What may differ is listed, not what must agree: a new key must agree until somebody has shown that the world does not depend on it
# (tests/together/test_run_together.py runs each key of this list alone and together). A part is listed with all its parameters.
FREE_KEYS = frozenset(
    {
        "name", "description", "plugins",
        "radio.access", "radio.bandwidth_mhz", "radio.noise_figure_db", "radio.sensitivity_dbm", "radio.busy_threshold_dbm",
        "radio.mcs", "radio.awareness_mcs", "radio.mtu_bytes", "radio.retries", "radio.ack_timeout_ms", "radio.dcc",
        "radio.queue_packets", "radio.slot_ms", "radio.selection_window_ms", "radio.processing_spread_ms",
        "cooperation.awareness_rule", "cooperation.matching", "cooperation.shortlist", "cooperation.relay",
        "cooperation.foresight", "cooperation.bound", "cooperation.overhearing", "cooperation.fusion", "cooperation.transport", "cooperation.redundancy", "cooperation.retelling", "cooperation.report_interval_ms", "cooperation.boxes_by", "cooperation.request_coding", "cooperation.matrix.interval_ms",
        "cooperation.max_helpers", "cooperation.deadline_ms", "cooperation.max_age_ms", "cooperation.budget_bytes",
        "cooperation.detect_ms", "cooperation.min_delivery", "cooperation.hidden_speed_mps",
        "record.clouds_every_s", "record.cloud_egos", "record.prr_range_m", "record.packet_share", "record.link_ticks",
        "record.states", "record.state_ticks", "record.seen_ticks", "record.evaluation_range_m",
    }
)  # fmt: skip
"""Keys on which the world does not depend."""

# Differing keys that a text lists.
_MOST_LISTED = 3


def world_of(scenario: Scenario) -> str | None:
    """Return a text that is equal for scenarios of the same world; None if the scenario must run alone (`_lonely`)."""
    if _lonely(scenario):
        return None
    return json.dumps(dict(_values(resolved(scenario), "")), sort_keys=True)


def check_same_world(scenarios: Sequence[Scenario]) -> None:
    """Check that scenarios have the same world.

    Raises:
        ScenarioError: If a key differs on which the world may depend, or a scenario must run alone (`_lonely`).
    """
    first = dict(_values(resolved(scenarios[0]), "")) if scenarios else {}
    for number, scenario in enumerate(scenarios):
        if why := _lonely(scenario):
            raise ScenarioError(f"run {number}: must run alone, with v2xsim.run: {why}")
        values = dict(_values(resolved(scenario), ""))
        for key in sorted(first.keys() | values.keys()):
            one, other = (json.dumps(each[key]) if key in each else "no value" for each in (first, values))
            if one != other:
                raise ScenarioError(
                    f"{key}: must be the same in all runs that share one world, got {one} in run 0 and {other} in run {number}; run "
                    "them apart with v2xsim.run"
                )


def differences(scenarios: Sequence[Scenario]) -> list[str]:
    """Return a text for each scenario that has the values in which it differs from others, such as `radio.retries=2`."""
    flat = [dict(_values(resolved(scenario), "", skipped=frozenset())) for scenario in scenarios]
    every = dict.fromkeys(key for one in flat for key in one if key != "description")
    keys = [key for key in every if _differs(flat, key)]
    return [
        ", ".join([f"{key}={one[key]}" for key in keys if key in one][:_MOST_LISTED]) or scenario.name
        for scenario, one in zip(scenarios, flat, strict=True)
    ]


def _differs(flat: Sequence[Mapping[str, Any]], key: str) -> bool:
    return len({json.dumps(one.get(key)) for one in flat}) > 1


def with_own_files(scenario: Scenario) -> Scenario:
    """Return a scenario for which its users' files have run again: their code can keep nothing from, or for, another run.

    Raises:
        ScenarioError: If a file has changed since the scenario was read.
    """
    if not scenario.loaded_plugins:
        return scenario
    run_files_again()
    again = from_data(unfilled(scenario))
    for before, now in zip(scenario.loaded_plugins, again.loaded_plugins, strict=True):
        if before != now:
            raise ScenarioError(f"{now.path}: has changed since the scenario was read; load the scenario again")
    return again


def _lonely(scenario: Scenario) -> str:
    """Return why a scenario cannot share its world with others, because of code in users' files; empty if it can.

    Each run gets a copy of this code (`with_own_files`), but the world is that of one of the runs, and there is one global generator of random numbers.
    """
    files = {plugin.path: plugin for plugin in scenario.loaded_plugins}
    for key, part in _own_parts(scenario):
        own = f"the {part.kind.name} {part.name!r} of {part.file}"
        plugin = files.get(part.file) if part.file is not None else None
        if key not in FREE_KEYS:
            return f"{key}: {own} is part of the world"
        if plugin is None:
            return f"{key}: {own} is in no file under plugins"
        if plugin.draws:
            return f"{key}: {own} is in a file that uses a module of random numbers; use those of its view instead"
    return ""


def _own_parts(scenario: Scenario) -> Iterator[tuple[str, Part]]:
    """Yield the parts that a scenario chooses from users' files, with their keys."""
    for keys, _ in choices_in(type(scenario)):
        value: Any = scenario
        for name in keys:
            value = getattr(value, name)
        if isinstance(value, Part) and value.file is not None:
            yield ".".join(keys), value


def _values(content: Mapping[str, Any], above: str, skipped: frozenset[str] = FREE_KEYS) -> Iterator[tuple[str, Any]]:
    """Yield the values of a scenario by dotted key, without those of some keys."""
    for name, value in content.items():
        key = f"{above}{name}"
        if key in skipped:
            continue
        if isinstance(value, Mapping) and value:
            yield from _values(value, f"{key}.", skipped)
        else:
            yield key, value
