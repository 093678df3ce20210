"""Checks of a scenario that involve several keys; the limits of each single key are in the schema."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import get_args

import numpy as np

from v2xsim.comms.access.sidelink_scheme import SidelinkScheme
from v2xsim.comms.phy.sidelink import RESOURCE_BLOCKS
from v2xsim.scenario.automatic import HEADERS_BYTES, LEAST_MTU_BYTES
from v2xsim.scenario.errors import Keys, Problem
from v2xsim.scenario.explain import nearest
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.schema_stations import MOUNTS, NO_RIG, ROADSIDE
from v2xsim.scenario.schema_world import FARTHEST_M, LATEST_S, Agent, Building, Kind

# Largest size of a body: no road vehicle is longer (the longest road trains are about 54 m).
LARGEST_BODY_M = 100.0
SMALLEST_BODY_M = 0.05
# Fastest road user, and the speed below which all movements are those of coordinates in degrees (0.01 degrees are 1 km).
FASTEST_MPS = 1000.0
DEGREES_PER_S = 0.005
# Largest numbers of grid cells, steps and blocks that one run can hold in memory.
MOST_STEPS = 10_000_000
# Limit on WINNER+ B1's effective ground, above which antenna heights count: it must be below the lowest antenna.
_HIGHEST_GROUND_M = 1.0


def cross_problems(scenario: Scenario) -> list[Problem]:
    """Return the contradictions between keys of a scenario; each key by itself is already valid."""
    return [
        *_regions(scenario),
        *_names(scenario),
        *_coordinates(scenario),
        *_lidars(scenario),
        *_times(scenario),
        *_retries(scenario),
        *_bound(scenario),
        *_mixes(scenario),
    ]


def _regions(scenario: Scenario) -> Iterator[Problem]:
    for section, region in (("world", scenario.world.region), ("stations", scenario.stations.region)):
        if region is not None and (region[0] >= region[2] or region[1] >= region[3]):
            yield Problem(
                (section, "region"),
                f"must be x_min, y_min, x_max, y_max with x_min < x_max and y_min < y_max, got {list(region)}",
            )


def _names(scenario: Scenario) -> Iterator[Problem]:
    roadside = [unit.id for unit in scenario.stations.roadside]
    for number, name in enumerate(roadside):
        if name in roadside[:number]:
            yield Problem(("stations", "roadside", str(number), "id"), f"must be unique, got {name!r} twice")
    script = scenario.traffic.script
    if script is None:
        return
    vehicles = [agent.id for agent in script]
    for number, name in enumerate(roadside):
        if name in vehicles:
            yield Problem(
                ("stations", "roadside", str(number), "id"), f"must differ from the ids in traffic.script, got {name!r}"
            )
    egos = scenario.cooperation.egos
    named = (
        (("stations", "include"), scenario.stations.include, vehicles),
        (("lidars", "include"), scenario.lidars.include, vehicles),
        (("lidars", "carry"), list(scenario.lidars.carry), [*vehicles, *roadside, ROADSIDE, *get_args(Kind)]),
        (("cooperation", "egos"), [] if isinstance(egos, str) else egos, vehicles + roadside),
    )
    for keys, names, known in named:
        for number, name in enumerate(names):
            if name not in known:
                listed = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
                yield Problem(
                    (*keys, name if keys == ("lidars", "carry") else str(number)),
                    f"must be the id of a road user in the scenario, got {name!r}; there are {listed}{nearest(name, known)}",
                )


def _coordinates(scenario: Scenario) -> Iterator[Problem]:
    for number, agent in enumerate(scenario.traffic.script or ()):
        keys = ("traffic", "script", str(number))
        for row, (time_s, x_m, y_m) in enumerate(agent.waypoints):
            if abs(time_s) > LATEST_S:
                yield Problem(
                    (*keys, "waypoints", str(row)), f"a time must be within {LATEST_S:,.0f} s of 0, got {time_s:.12g}"
                )
            elif max(abs(x_m), abs(y_m)) > FARTHEST_M:
                yield Problem(
                    (*keys, "waypoints", str(row)),
                    f"x and y must be within {FARTHEST_M:,.0f} m of the origin, got {x_m:g}, {y_m:g}",
                )
        fastest_mps, row = max(_speeds_mps(agent), default=(0.0, 0))
        if not fastest_mps <= FASTEST_MPS:
            yield Problem(
                (*keys, "waypoints", str(row)),
                f"speeds must be at most {FASTEST_MPS:,.0f} m/s, got {fastest_mps:,.0f} m/s from the waypoint before; times are "
                "seconds, x and y metres",
            )
        if agent.size_m is not None and not SMALLEST_BODY_M <= min(agent.size_m) <= max(agent.size_m) <= LARGEST_BODY_M:
            yield Problem(
                (*keys, "size_m"),
                f"must be {SMALLEST_BODY_M:g} to {LARGEST_BODY_M:g} m each, got {list(agent.size_m)}",
            )
    yield from _degrees(scenario.traffic.script or ())
    for number, unit in enumerate(scenario.stations.roadside):
        if max(map(abs, unit.position_m)) > FARTHEST_M:
            yield Problem(
                ("stations", "roadside", str(number), "position_m"),
                f"must be within {FARTHEST_M:,.0f} m of the origin, got {list(unit.position_m)}",
            )
    buildings = scenario.world.buildings
    for number, building in enumerate(buildings if isinstance(buildings, list) else ()):
        outline = ("world", "buildings", str(number), "footprint_m")
        if max(abs(c) for corner in building.footprint_m for c in corner) > FARTHEST_M:
            yield Problem(outline, f"must be within {FARTHEST_M:,.0f} m of the origin")
        elif not _is_area(building):
            yield Problem(
                outline, "must enclose an area in metres; its corners lie on one line, or they are in degrees"
            )
        if building.base_m >= building.height_m:
            yield Problem(
                (*outline[:-1], "base_m"), f"must be below height_m ({building.height_m:g} m), got {building.base_m:g}"
            )
    roads = scenario.world.roads
    for number, street in enumerate(roads if isinstance(roads, list) else ()):
        line = ("world", "roads", str(number), "center_m")
        if max(abs(c) for point in street.center_m for c in point) > FARTHEST_M:
            yield Problem(line, f"must be within {FARTHEST_M:,.0f} m of the origin")
        elif any(before == after for before, after in pairwise(street.center_m)):
            yield Problem(line, "must not have the same point twice in a row")


def _speeds_mps(agent: Agent) -> Iterator[tuple[float, int]]:
    """Yield the speed towards each waypoint after the first, with the number of that waypoint."""
    for row, ((time_s, *start), (later_s, *end)) in enumerate(pairwise(agent.waypoints), start=1):
        yield math.dist(start, end) / max(later_s - time_s, 1e-9), row


def _degrees(script: Sequence[Agent]) -> Iterator[Problem]:
    """Yield a problem if the road users of a script move as longitude and latitude do: millimetres in seconds."""
    speeds = [speed for agent in script for speed, _ in _speeds_mps(agent) if speed > 0]
    points = [point for agent in script for _, *point in agent.waypoints]
    if speeds and max(speeds) < DEGREES_PER_S and all(abs(x) <= 180 and abs(y) <= 90 for x, y in points):
        yield Problem(
            ("traffic", "script"),
            f"x and y must be metres, but no road user is faster than {max(speeds):.2g} m/s; convert longitude and latitude to metres",
        )


def _is_area(building: Building) -> bool:
    """Return whether the corners of a footprint span an area, whatever their order: an outline may cross itself."""
    corners = np.array(building.footprint_m)
    long_m, short_m = np.linalg.svd(corners - corners.mean(axis=0), compute_uv=False)
    return bool(long_m * short_m >= 1e-6)


def _lidars(scenario: Scenario) -> Iterator[Problem]:
    lidars = scenario.lidars
    named: list[tuple[Keys, object]] = [(("lidars", "model"), lidars.model)]
    rigs = [
        (("lidars", "mounts"), lidars.mounts),
        *((("lidars", "rigs", name), rig) for name, rig in lidars.rigs.items()),
    ]
    for keys, mounts in rigs:
        named += [((*keys, str(number), "model"), mount.model) for number, mount in enumerate(mounts)]
    for keys, model in named:
        if isinstance(model, str):
            yield from _lidar_model(keys, model)
    if lidars.bodies == "meshes" and scenario.run.device != "cpu":
        yield Problem(
            ("lidars", "bodies"),
            f"must be boxes with run.device {scenario.run.device}: meshes are cast on the processor",
        )
    for word in (MOUNTS, NO_RIG):
        if word in lidars.rigs:
            yield Problem(("lidars", "rigs", word), "must have another name: this word has a meaning in lidars.carry")
    known = [*lidars.rigs, MOUNTS, NO_RIG]
    for carrier, rig in lidars.carry.items():
        if rig not in known:
            yield Problem(
                ("lidars", "carry", carrier), f"must be a rig ({', '.join(known)}), got {rig!r}{nearest(rig, known)}"
            )
    for number, unit in enumerate(scenario.stations.roadside):
        rig = lidars.carry.get(unit.id, NO_RIG)
        if not unit.lidar and rig != NO_RIG:
            yield Problem(
                ("stations", "roadside", str(number), "lidar"),
                f"must be true, because lidars.carry gives {unit.id!r} the rig {rig!r}",
            )


def _lidar_model(keys: Keys, model: str) -> Iterator[Problem]:
    # Imported here, so that `import v2xsim.scenario` loads no numpy.
    from v2xsim.gpu.lidar.models import CATALOGUE
    from v2xsim.gpu.lidar.tables import TABLES

    known = [*CATALOGUE, *TABLES]
    if model not in known:
        yield Problem(
            keys,
            f"must be a lidar of the catalogue ({', '.join(known)}) or a section with beams and columns, got {model!r}{nearest(model, known)}",
        )


def _times(scenario: Scenario) -> Iterator[Problem]:
    run, radio = scenario.run, scenario.radio
    generated = scenario.traffic.grid is not None or scenario.traffic.highway is not None
    # Generated traffic runs from time 0 on. A trace or a script has no warm-up, and may begin at any time, such as seconds since
    # 1970; SUMO traffic begins where its configuration says.
    warm_up_s = run.begin_s if generated else 0.0
    steps = (warm_up_s + run.duration_s) / run.step_s
    if steps > MOST_STEPS:
        yield Problem(
            ("run", "begin_s" if warm_up_s > run.duration_s else "duration_s"),
            f"warm-up and measured time must be at most {MOST_STEPS:,} steps of run.step_s, got {steps:,.0f}",
        )
    if generated and abs(run.begin_s / run.step_s - round(run.begin_s / run.step_s)) > 1e-6:
        yield Problem(
            ("run", "begin_s"), f"must be a whole number of steps (run.step_s {run.step_s:g} s), got {run.begin_s:.12g}"
        )
    if radio.selection_window_ms < radio.slot_ms:
        yield Problem(
            ("radio", "selection_window_ms"),
            f"must hold at least one slot (radio.slot_ms {radio.slot_ms:g} ms), got {radio.selection_window_ms:g}",
        )
    most_bytes = radio.access.most_bytes()
    if most_bytes is not None and most_bytes < HEADERS_BYTES + LEAST_MTU_BYTES:
        yield Problem(
            ("radio", "access"),
            f"a slot must carry a packet of {LEAST_MTU_BYTES} B and its headers of {HEADERS_BYTES} B; "
            f"it carries {most_bytes} B ({radio.access.describe()})",
        )
    elif most_bytes is not None and radio.mtu_bytes + HEADERS_BYTES > most_bytes:
        yield Problem(
            ("radio", "mtu_bytes"),
            f"a packet must fit into a slot: at most {most_bytes - HEADERS_BYTES} B with this access scheme ({radio.access.describe()}), "
            f"got {radio.mtu_bytes}; with the value auto, the size follows from the access scheme",
        )
    if isinstance(radio.access, SidelinkScheme):
        yield from _channel_width(radio.access, radio.bandwidth_mhz)
    rule = scenario.cooperation.awareness_rule
    if rule.check_us < radio.slot_ms * 1e3:
        yield Problem(
            ("cooperation", "awareness_rule"),
            f"must leave a slot (radio.slot_ms {radio.slot_ms:g} ms) per message, got one every {rule.check_us * 1e-3:g} ms",
        )
    ground_m = getattr(radio.channel, "environment_height_m", 0.0)
    if ground_m > _HIGHEST_GROUND_M:
        yield Problem(
            ("radio", "channel", "environment_height_m"),
            f"must be at most {_HIGHEST_GROUND_M:g} m, below every antenna of the vehicle catalogue, got {ground_m:g}",
        )


def _bound(scenario: Scenario) -> Iterator[Problem]:
    """Yield a problem if a bound would have to look further ahead than the engine does."""
    rule, step_ms = scenario.cooperation, scenario.run.step_s * 1e3
    if rule.bound.looks_ahead and rule.deadline_ms > 2.0 * step_ms:
        yield Problem(
            ("cooperation", "bound"),
            f"{rule.bound.name} sees one tick ahead, so cooperation.deadline_ms must be at most 2 x run.step_s ({2.0 * step_ms:g} ms), got {rule.deadline_ms:g}",
        )


def _retries(scenario: Scenario) -> Iterator[Problem]:
    """Yield a problem if packets should be sent again that nobody can acknowledge."""
    access, retries, work = scenario.radio.access, scenario.radio.retries, scenario.cooperation
    why, key = f"radio.retries {retries}", ("radio", "retries")
    if retries == 0:
        if not work.relay.repeats or work.bound.sees or work.transport != "radio":
            return
        why, key = f"cooperation.relay {work.relay.name}", ("cooperation", "relay")
    if access.ideal:
        return
    if isinstance(access, SidelinkScheme) and access.acknowledges and access.feedback[0] == 0:
        yield Problem(
            ("radio", "access", "psfch_period_slots"),
            f"must be above 0 with {why}: without a feedback channel, no packet is acknowledged",
        )
    elif isinstance(access, SidelinkScheme) and not access.acknowledges:
        yield Problem(
            key,
            f"must be 0 with access scheme {access.name}, got {retries}: the scheme has no feedback; radio.access.repetitions sends copies of every packet"
            if retries
            else f"{work.relay.name} sends packets again, but access scheme {access.name} has no feedback; choose another relay rule",
        )
    elif access.file is not None:
        yield Problem(
            key,
            f"must be 0, got {retries}: a scheme of one's own, such as {access.name}, acknowledges no packets"
            if retries
            else f"{work.relay.name} sends packets again, but a scheme of one's own, such as {access.name}, acknowledges none",
        )


def _channel_width(access: SidelinkScheme, bandwidth_mhz: int) -> Iterator[Problem]:
    used, blocks = access.subchannels * access.rb_per_subchannel, RESOURCE_BLOCKS[access.generation][bandwidth_mhz]
    if used > blocks:
        yield Problem(
            ("radio", "access"),
            f"the subchannels must fit into the channel: {blocks} resource blocks at radio.bandwidth_mhz {bandwidth_mhz}, "
            f"got {access.subchannels} of {access.rb_per_subchannel}; write subchannels or rb_per_subchannel alone, and the other follows",
        )


def _mixes(scenario: Scenario) -> Iterator[Problem]:
    for name in ("grid", "highway"):
        source = getattr(scenario.traffic, name)
        if source is not None and sum(source.mix.values()) <= 0:
            yield Problem(("traffic", name, "mix"), "must have a share above 0, got only zeros")
    grid = scenario.traffic.grid
    if grid is not None and grid.building_height_m > 0 and 2 * grid.setback_m >= grid.block_m:
        yield Problem(
            ("traffic", "grid", "setback_m"),
            f"must be less than half of block_m ({grid.block_m:g} m), got {grid.setback_m:g}; or set building_height_m to 0",
        )
