"""One SUMO run of a corpus, in a process of its own: `python -m v2xsim.datasets.motion.record JOB.json` writes its tracks.

SUMO can run only one simulation per process, so each run has a process of its own. The process reads its job from a file
and writes the tracks, or the reason of a failure, into a file.
"""

import json
import sys
import xml.etree.ElementTree as ET
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.datasets.motion.demand import write_demand
from v2xsim.datasets.motion.drivers import style_and_model
from v2xsim.datasets.motion.roads import TOWNS, build, read
from v2xsim.datasets.motion.tracks import WISHES, Drivers, Tracks, cut, save
from v2xsim.errors import UserError
from v2xsim.mobility.base import Names
from v2xsim.mobility.sumo import SumoMobility
from v2xsim.mobility.sumo_config import encoded
from v2xsim.mobility.sumo_tools import libsumo
from v2xsim.notices import Notice
from v2xsim.staging import Scratch
from v2xsim.streams import Streams
from v2xsim.world.road_users import PEDESTRIAN

STEP_US = 100_000
"""Time step of SUMO. With ten steps per second, vehicles brake and turn smoothly, whatever the duration of a token."""


@dataclass(frozen=True)
class Job:
    """One SUMO run.

    Attributes:
        network: Name of a generated town, or path of a .net.xml or .sumocfg file.
        seed: Seed of the corpus.
        name: Name of the run in the corpus; together with the seed it determines traffic demand and SUMO's random
            draws.
        vehicles: Number of vehicles in a town or network; a .sumocfg has its own traffic.
        duration_s: Traffic time of the run.
        step_us: Time between two stored poses; a whole number of SUMO's steps.
        shortest: Least number of poses of a track; shorter tracks are left out.
        result: Path of the file for the tracks.
        reason: Path of the file for the reason of a failure.
    """

    network: str
    seed: int
    name: str
    vehicles: int
    duration_s: float
    step_us: int
    shortest: int
    result: str
    reason: str

    def text(self) -> str:
        """Return the job as JSON."""
        return json.dumps(asdict(self))


def record(job: Job) -> tuple[Tracks, tuple[Notice, ...]]:
    """Simulate a run and return its tracks, and what was left out of its inputs or looks wrong.

    Raises:
        MobilityError: If the network cannot be used or SUMO reports an error.
    """
    folder = Scratch("corpus")
    try:
        config = _config(job, Path(folder.name))
        label = Path(job.network).name
        key = Streams(job.seed).key(f"corpus.sumo.{job.name}")
        with closing(SumoMobility(config, STEP_US, key % (2**31 - 1), Names(), folder, label)) as traffic:
            return _watched(traffic, job)
    finally:
        folder.cleanup()


def _config(job: Job, home: Path) -> Path:
    """Return the path of a SUMO configuration: the user's .sumocfg, or one made for a network with generated traffic."""
    if job.network.endswith(".sumocfg"):
        return Path(job.network)
    town = TOWNS.get(job.network)
    net = home / "town.net.xml" if town is not None else Path(job.network).absolute()
    if town is not None:
        build(town, net)
    draw = Streams(job.seed).generator(f"corpus.demand.{job.name}")
    write_demand(home / "demand.rou.xml", read(net), job.vehicles, job.duration_s, draw)
    root = ET.Element("configuration")
    # After two minutes in a jam, SUMO moves a vehicle elsewhere; its track is cut there.
    options = {"net-file": encoded(net), "route-files": "demand.rou.xml", "time-to-teleport": "120"}
    for option, value in options.items():
        ET.SubElement(root, option, value=value)
    config = home / "run.sumocfg"
    ET.ElementTree(root).write(config)
    return config


def _watched(traffic: SumoMobility, job: Job) -> tuple[Tracks, tuple[Notice, ...]]:
    """Run the simulation and return the tracks of all its vehicles, and its notices."""
    agents: list[Int64[np.ndarray, " _agents"]] = []
    poses: list[Float[np.ndarray, "_agents 3"]] = []
    speeds: list[Float[np.ndarray, " _agents"]] = []
    row_of: dict[int, int] = {}
    met: list[tuple[int, str, str, list[float]]] = []
    steps = round(job.duration_s * 1e6) // job.step_us
    for step in range(steps + 1):
        now = traffic.snapshot(traffic.begin_us + step * job.step_us)
        driven = np.flatnonzero(now.kind != PEDESTRIAN)
        for row in driven:
            if int(now.agent[row]) not in row_of:
                row_of[int(now.agent[row])] = len(met)
                met.append((int(now.kind[row]), *_asked(traffic.sumo_name_of(int(now.agent[row])))))
        agents.append(np.array([row_of[int(agent)] for agent in now.agent[driven]], np.int64))
        poses.append(np.column_stack([now.boxes.center_m[driven, :2], now.boxes.yaw_rad[driven]]))
        speeds.append(np.hypot(*now.velocity_mps[driven].T))
    drivers = Drivers(
        np.array([kind for kind, *_ in met], np.int8),
        np.array([style for _, style, *_ in met], str),
        np.array([model for _, _, model, _ in met], str),
        np.array([wishes for *_, wishes in met], float).reshape(len(met), len(WISHES)),
    )
    step_of = np.repeat(np.arange(steps + 1), [len(agent) for agent in agents])
    tracks = cut(
        np.concatenate(agents), step_of, np.concatenate(poses), np.concatenate(speeds),
        Path(job.network).name, drivers, job.step_us, traffic.begin_us, job.shortest,
    )  # fmt: skip
    return tracks, (*traffic.notices(), *_unused(tracks, len(met), job))


def _unused(tracks: Tracks, vehicles: int, job: Job) -> tuple[Notice, ...]:
    """Return the notice about vehicles of which no track is long enough."""
    unused = vehicles - len(np.unique(tracks.agent))
    if unused == 0:
        return ()
    shortest_s = (job.shortest - 1) * job.step_us * 1e-6
    text = f"{Path(job.network).name}: {unused} of {vehicles} vehicles are left out, because none of their tracks lasts {shortest_s:g} s"
    return (Notice("corpus.short_tracks", unused, text),)


def _asked(name: str) -> tuple[str, str, list[float]]:
    """Return style, car-following model and parameters of the driver of a vehicle, as SUMO has them.

    The parameters are in the order of `tracks.WISHES`.
    """
    vehicle = libsumo().vehicle
    style, model = style_and_model(vehicle.getTypeID(name))
    return style, model, [
        vehicle.getAccel(name), vehicle.getDecel(name), vehicle.getTau(name), vehicle.getMinGap(name),
        vehicle.getImperfection(name), vehicle.getSpeedFactor(name), vehicle.getMaxSpeed(name), vehicle.getLength(name),
        vehicle.getWidth(name),
    ]  # fmt: skip


def notices_of(result: Path) -> Path:
    """Return the path of the file with the notices of a job, given that of its tracks."""
    return result.with_suffix(".notices.json")


def main() -> None:
    """Do the job in the file that the command line names; exit with 0 if it wrote tracks, with 1 if it failed."""
    job = Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    try:
        tracks, notices = record(job)
        notices_of(Path(job.result)).write_text(
            json.dumps([notice.as_object() for notice in notices]), encoding="utf-8"
        )
        save(Path(job.result), tracks)
    except UserError as error:
        Path(job.reason).write_text(str(error), encoding="utf-8")
        sys.exit(1)


if __name__ == "__main__":
    main()
