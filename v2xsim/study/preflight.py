"""Checks all settings of a sweep before its first point runs, as `v2xsim check` checks a scenario.

Settings that cannot run are refused together, so that nobody finds them one after the other in the failures of a sweep. What
is only remarkable is reported once, however many settings and seeds it concerns.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from v2xsim.errors import UserError
from v2xsim.notices import Notice
from v2xsim.parts import Part
from v2xsim.scenario.choices import parts_in
from v2xsim.scenario.load import resolved
from v2xsim.scenario.same_world import FREE_KEYS
from v2xsim.scenario.schema import Scenario
from v2xsim.study.plan import Plan, names_of, refused

# Time after which no further traffic is run.
_MOST_S = 30.0
# Sections on which the checks of inputs depend. What a run of the traffic reports depends on parts of two more (`_traffic_inputs`).
_INPUTS = ("run", "world", "traffic", "stations", "lidars")
# Sources whose traffic is run without SUMO.
_WITHOUT_SUMO = ("script", "fcd", "recorded")


def preflight(plan: Plan) -> tuple[Notice, ...]:
    """Check the inputs of all settings of a plan, and return what is left out of them or looks wrong.

    Each notice comes once; its text begins with the settings that it concerns, unless it concerns all of them.

    Raises:
        ScenarioError: If a setting cannot be run; the message lists all of them.
    """
    # Imported here, so that a plan alone does not load the engine.
    from v2xsim.doubtful import value_notices
    from v2xsim.input_checks import input_notices
    from v2xsim.traffic_preview import previewed

    # With a seed of the sweep, since the draw of stations depends on it.
    scenarios: dict[int, Scenario] = {}
    for point in plan.points:
        if point.setting not in scenarios:
            scenarios[point.setting] = plan.scenario_of(point)
    checks: list[tuple[Callable[[Any], Iterable[Notice]], Mapping[str, tuple[Any, list[int]]]]] = [
        (value_notices, {str(row): (scenario, [row]) for row, scenario in scenarios.items()}),
        (_tried, _own_parts(scenarios)),
        (input_notices, _distinct(scenarios, _inputs)),
        (
            previewed,
            _distinct({row: s for row, s in scenarios.items() if s.traffic.source in _WITHOUT_SUMO}, _traffic_inputs),
        ),
    ]
    concerned: dict[Notice, list[int]] = {}
    reasons: dict[int, list[str]] = {}
    begun_s = time.monotonic()
    for check, subjects in checks:
        for number, (subject, rows) in enumerate(subjects.values()):
            if check is previewed and number and time.monotonic() - begun_s > _MOST_S:
                concerned[_unseen(number, len(subjects))] = list(scenarios)
                break
            try:
                for notice in check(subject):
                    concerned.setdefault(notice, []).extend(rows)
            except UserError as error:
                for row in rows:
                    reasons.setdefault(row, []).append(str(error))
    if reasons:
        raise refused(plan.source, len(plan.settings), reasons, plan.owners)
    return tuple(
        notice if (names := names_of(plan.source, len(scenarios), sorted(set(rows)), plan.owners)) is None
        else replace(notice, text=f"{names}: {notice.text}")
        for notice, rows in concerned.items()
    )  # fmt: skip


def _unseen(seen: int, count: int) -> Notice:
    text = (
        f"the traffic of only {seen} of {count} different inputs was checked before the sweep, to save time; the points check the others, "
        "and fail if one cannot be used"
    )
    return Notice("sweep.unchecked_traffic", count - seen, text)


def _tried(part: Part) -> tuple[Notice, ...]:
    """Call a part of a user's own file with the trial inputs; there is nothing to report if it works."""
    from v2xsim.part_trials import try_part

    try_part(part)
    return ()


def _distinct(
    scenarios: Mapping[int, Scenario], content: Callable[[Scenario], object]
) -> dict[str, tuple[Any, list[int]]]:
    """Return one scenario for each content, with the settings that share the content."""
    groups: dict[str, tuple[Any, list[int]]] = {}
    for row, scenario in scenarios.items():
        key = json.dumps(content(scenario), sort_keys=True)
        groups.setdefault(key, (scenario, []))[1].append(row)
    return groups


def _inputs(scenario: Scenario) -> list[Any]:
    """Return that part of a scenario on which the checks of inputs depend."""
    content = resolved(scenario)
    return [content[section] for section in _INPUTS]


def _traffic_inputs(scenario: Scenario) -> list[Any]:
    """Return that part of a scenario on which depends what a run of the traffic reports: of messages, only whether there are any."""
    content, work = resolved(scenario), scenario.cooperation
    kept = [
        {key: value for key, value in content[section].items() if f"{section}.{key}" not in FREE_KEYS}
        for section in ("radio", "cooperation")
    ]
    messages = [
        scenario.radio.access.ideal, work.transport, work.relay.relays, work.matching.asks, work.fusion.shares.name,
        work.hidden_speed_mps,
    ]  # fmt: skip
    return [*_inputs(scenario), *kept, messages]


def _own_parts(scenarios: Mapping[int, Scenario]) -> dict[str, tuple[Part, list[int]]]:
    """Return each part of a user's own file once, with the settings that choose it."""
    groups: dict[str, tuple[Part, list[int]]] = {}
    for row, scenario in scenarios.items():
        for part in parts_in(scenario):
            if part.file is not None:
                groups.setdefault(f"{part.file} {part!r}", (part, []))[1].append(row)
    return groups
