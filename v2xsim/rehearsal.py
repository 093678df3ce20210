"""A short run with three cars before the real run, so that kernels are compiled and loaded before time is measured.

The rehearsal uses the sections for radio, cooperation and lidars of the real run, so it runs the same code. The
rehearsal draws from random streams of its own and writes no files.
"""

import numpy as np

from v2xsim.comms.messages.awareness.periodic import Periodic
from v2xsim.engine.simulation import Simulation
from v2xsim.engine.stations.roster import Roster
from v2xsim.mobility.base import Names
from v2xsim.mobility.script import ScriptMobility
from v2xsim.records import Prisms
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.schema_stations import Lidars, Stations
from v2xsim.scenario.schema_world import Agent, Run, Street, Traffic
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams
from v2xsim.world.roads import roads_from

_STEP_S = 0.1
_TICKS = 4
# With these settings all egos fuse in the rehearsal, even if stations in the real run rarely announce or fuse.
_LIVELY = {"egos": "all", "detect_ms": 20.0, "deadline_ms": 100.0}


def rehearse(scenario: Scenario) -> None:
    """Run once the code that a run of this scenario will call, so that it is compiled and loaded."""
    # Two cars with a building in between, and a third that sees both, so that the relay rule is called.
    places = {"a": (0.0, 0.0), "b": (30.0, 30.0), "c": (30.0, 0.0)}
    script = [Agent(id=name, waypoints=[(0.0, x, y), (10.0, x + 20.0, y)]) for name, (x, y) in places.items()]
    model, rule = scenario.lidars.model, scenario.cooperation.awareness_rule
    announcing = Periodic(rate_hz=20.0) if isinstance(rule, Periodic) else rule
    small = scenario.model_copy(
        update={
            "run": Run(duration_s=_TICKS * _STEP_S, step_s=_STEP_S, device=scenario.run.device),
            "traffic": Traffic(script=script),
            "stations": Stations(penetration=1.0),
            "lidars": Lidars(model=model if isinstance(model, str) else "beam16"),
            "cooperation": scenario.cooperation.model_copy(update={**_LIVELY, "awareness_rule": announcing}),
        }
    )
    corner = np.array([[5.0, 5.0], [25.0, 5.0], [25.0, 25.0], [5.0, 25.0]])
    block = Prisms(corner, np.array([0, 4]), np.zeros(1), np.full(1, 10.0))
    # Two streets along two sides of the building, so that links go round its corner.
    streets = roads_from([Street(center_m=[(0.0, 0.0), (30.0, 0.0)]), Street(center_m=[(30.0, 0.0), (30.0, 30.0)])])
    names = Names()
    with ScriptMobility(script, names) as mobility:
        roster = Roster(small, Streams(0), names.register, names.name_of)
        run = Simulation(small, mobility, indexed(block), roster, threads=1, roads=streets)
        run.run()
        run.recording.join(0)
