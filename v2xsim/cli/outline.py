"""A summary of a scenario: one line for each section."""

from collections.abc import Iterator
from pathlib import Path

from v2xsim.scenario import Scenario
from v2xsim.scenario.schema_stations import MOUNTS, NO_RIG, Lidars
from v2xsim.scenario.schema_world import Traffic


def outline(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Yield the name of each section of a scenario, with its content in one line."""
    run, radio, work = scenario.run, scenario.radio, scenario.cooperation
    yield "name", scenario.name
    if scenario.loaded_plugins:
        yield (
            "plugins",
            ", ".join(f"{plugin.path.name} (sha256 {plugin.sha256[:12]})" for plugin in scenario.loaded_plugins),
        )
    yield "time", f"{run.duration_s:g} s from {run.begin_s:.12g} s in steps of {run.step_s:g} s, seed {run.seed}"
    yield "buildings", _buildings(scenario)
    yield "traffic", _traffic(scenario.traffic)
    yield "stations", _stations(scenario)
    yield "lidars", _lidars(scenario.lidars)
    yield (
        "radio",
        f"{radio.access.name}, {radio.channel.name}, {radio.bandwidth_mhz} MHz at {radio.carrier_ghz:g} GHz, {radio.tx_power_dbm:g} dBm, "
        f"packets of up to {radio.mtu_bytes} B",
    )
    wave = radio.propagation
    yield (
        "propagation",
        f"vehicle blockage {wave.vehicle_blockage.name}, building loss {wave.building_loss.name}, fading {wave.fading.name}",
    )
    yield "detector", scenario.detector.name
    yield (
        "messages",
        f"awareness {work.awareness_rule.name}, redundancy {work.redundancy.name}, retelling {work.retelling.name}",
    )
    yield (
        "cooperation",
        f"matching {work.matching.name}, relay {work.relay.name}, fusion {work.fusion.name}, {work.budget_bytes} B within {work.deadline_ms:g} ms",
    )
    if scenario.automatic:
        values = (f"{key} {'none' if value is None else f'{value:g}'}" for key, value in scenario.automatic.items())
        yield "automatic", ", ".join(values)


def _buildings(scenario: Scenario) -> str:
    buildings, traffic = scenario.world.buildings, scenario.traffic
    named = str(buildings) if isinstance(buildings, Path) else str(len(buildings))
    if traffic.recorded is not None:
        return "those of the recorded run" if not buildings else f"{named}, and those of the recorded run"
    if traffic.grid is not None and traffic.grid.building_height_m > 0:
        return "one in each block" if not buildings else f"{named}, and one in each block"
    return named


def _traffic(traffic: Traffic) -> str:
    if traffic.script is not None:
        return f"{len(traffic.script)} scripted road users"
    if traffic.grid is not None:
        return f"a street grid of {traffic.grid.blocks} x {traffic.grid.blocks}, {traffic.grid.vehicles_per_hour:g} vehicles/h"
    if traffic.highway is not None:
        return f"a highway of {traffic.highway.length_m:g} m, {traffic.highway.density_per_km:g} vehicles/km"
    if traffic.recorded is not None:
        return f"the road users of a run, replayed, {traffic.recorded.run}"
    return f"SUMO, {traffic.sumocfg}" if traffic.sumocfg is not None else f"a trace, {traffic.fcd}"


def _lidars(lidars: Lidars) -> str:
    """Return who carries which lidars, such as `1 of beam64 on ego, 3 of beam64 and beam16 (three) on bus`."""
    rigs = []
    named = [f"{len(lidars.include)} vehicles by name"] if lidars.include else []
    if lidars.count is not None:
        named.insert(0, f"{lidars.count} vehicles drawn" if not named else f"up to {lidars.count} vehicles")
    if named or set(lidars.carry.values()) <= {NO_RIG}:
        rigs.append(f"{_rig(lidars, MOUNTS)} on {' and '.join(named) or 'every connected vehicle'}")
    for name in dict.fromkeys(lidars.carry.values()):
        carriers = ", ".join(carrier for carrier, rig in lidars.carry.items() if rig == name)
        rigs.append(f"none on {carriers}" if name == NO_RIG else f"{_rig(lidars, name)} ({name}) on {carriers}")
    return "; ".join(rigs)


def _rig(lidars: Lidars, name: str) -> str:
    mounts = lidars.mounts_of(name)
    models = [model if isinstance(model, str) else f"{model.beams} beams" for model in map(lidars.model_of, mounts)]
    return f"{len(mounts)} of {' and '.join(dict.fromkeys(models))}"


def _stations(scenario: Scenario) -> str:
    stations = scenario.stations
    drawn = []
    if stations.count is not None:
        drawn.append(f"{stations.count} vehicles drawn")
    if stations.penetration is not None:
        drawn.append(f"{100 * stations.penetration:g} % of vehicles drawn")
    if stations.include:
        drawn.append(f"{len(stations.include)} vehicles by name")
    if stations.roadside:
        drawn.append(f"{len(stations.roadside)} roadside")
    return ", ".join(drawn) or "none"
