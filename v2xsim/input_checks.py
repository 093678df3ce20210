"""What a run would refuse or report about its inputs, as far as it is known without running the traffic."""

from v2xsim.engine.stations.rigs import Rigs
from v2xsim.mobility.origins import origin_notices, unused_buildings
from v2xsim.mobility.source import named_roads
from v2xsim.notices import Notice
from v2xsim.scenario.schema import Scenario
from v2xsim.world.buildings import building_notices, load_prisms
from v2xsim.world.corner_notices import corner_notices
from v2xsim.world.corner_points import corner_points


def input_notices(scenario: Scenario) -> tuple[Notice, ...]:
    """Check the files of a scenario and its lidars, and return what is left out of the files.

    Args:
        scenario: A checked scenario.

    Raises:
        UserError: If a file cannot be used, or a lidar is below the ground; a run would end in the same way.
    """
    # Refuses a file that is no road network.
    roads = named_roads(scenario.world)
    # Refuses lidars below the ground.
    Rigs(scenario)
    left_out: tuple[Notice, ...] = ()
    if scenario.traffic.sumocfg is not None:
        # Imported here, because few scenarios need it.
        from v2xsim.mobility.sumo_config import check_without_sumo
        from v2xsim.mobility.sumo_demand import ending_notices

        config, begin_us = scenario.traffic.sumocfg, round(scenario.run.begin_s * 1e6)
        left_out = check_without_sumo(config, begin_us)
        left_out += ending_notices(config, begin_us + round(scenario.run.duration_s * 1e6))
    if not scenario.world.buildings:
        return (*unused_buildings(scenario.traffic, scenario.world), *left_out)
    prisms, height_sources = load_prisms(scenario.world)
    # Simulated and recorded traffic bring their own roads, which only a run knows.
    if len(roads) or scenario.traffic.script is not None or scenario.traffic.fcd is not None:
        left_out += corner_notices(scenario, roads, len(corner_points(roads)), len(prisms))
    origins = origin_notices(scenario.traffic, scenario.world, height_sources)
    return (*building_notices(scenario.world, height_sources), *origins, *left_out)
