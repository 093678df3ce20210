"""Small records of the engine for tests: everything has a default, and a test names what it is about."""

from collections import deque

import numpy as np

from v2xsim.engine.stations.contents import Answer, Awareness, Report, Request
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.knowledge import Knowledge
from v2xsim.records import UNOBSERVED, Boxes, Detections, PerceptionMatrix
from v2xsim.world.snapshot import Snapshot

NONE = np.zeros(0, np.int64)


def matrix(code=None, lower=(0, 0), cell_m=1.0):
    code = np.full((4, 4), UNOBSERVED, np.uint8) if code is None else np.asarray(code, np.uint8)
    return PerceptionMatrix(np.array(lower, np.int64), cell_m, code)


def detections(*centers, velocity=None, truth=None, score=None, size=(4.0, 2.0, 1.5), yaw=0.0):
    """Detected cars at the positions given (x, y or x, y, z)."""
    count = len(centers)
    position = np.zeros((count, 3))
    for row, center in enumerate(centers):
        position[row, : len(center)] = center
    return Detections(
        Boxes(position, np.tile(np.array(size, float), (count, 1)), np.full(count, float(yaw))),
        np.zeros((count, 2)) if velocity is None else np.array(velocity, float).reshape(count, 2),
        np.ones(count) if score is None else np.array(score, float),
        np.arange(count) if truth is None else np.array(truth, np.int64),
    )


def frame(
    agent=1, time_us=0, *, clock_offset_us=0, pose=(0, 0, 0, 0), velocity=(0, 0), points=None, on_building=None,
    grid=None, found=None,
):  # fmt: skip
    points = np.zeros((0, 3)) if points is None else np.array(points, float).reshape(-1, 3)
    on_building = np.zeros(len(points), bool) if on_building is None else np.array(on_building, bool)
    return Frame(
        agent, time_us, time_us + clock_offset_us, np.array(pose, float), np.array(velocity, float), points, on_building,
        matrix() if grid is None else grid, Detections.none() if found is None else found,
    )  # fmt: skip


def awareness(
    origin=2, time_us=0, *, clock_offset_us=0, pose=(0, 0, 0, 0), velocity=(0, 0), antenna_m=1.5, size=(4.0, 2.0, 1.5),
    grid=None, heard=(),
):  # fmt: skip
    return Awareness(
        origin, time_us, time_us + clock_offset_us, np.array(pose, float), np.array(velocity, float), antenna_m,
        np.array(size, float), grid, np.array(heard, np.int64),
    )  # fmt: skip


def request(
    ego=1, helper=2, *, number=1, frame_us=0, cells=None, lower=(0, 0), cell_m=1.0, near=(0, 0), allowance=1000
):
    cells = np.ones((4, 4), bool) if cells is None else np.array(cells, bool)
    return Request(
        number, ego, helper, frame_us, np.array(lower, np.int64), cell_m, cells, np.array(near, float), allowance
    )


def answer(asked=None, of=None, *, code=None, size_bytes=100):
    """An answer that holds codes and nothing else."""
    asked = request() if asked is None else asked
    of = frame(agent=asked.helper) if of is None else of
    code = np.full(asked.cells.shape, UNOBSERVED, np.uint8) if code is None else np.array(code, np.uint8)
    return Answer(
        asked,
        of,
        code,
        np.zeros(code.shape, np.int64),
        np.zeros((0, 3)),
        NONE,
        NONE,
        Detections.none(),
        NONE,
        size_bytes,
    )


def report(origin=2, time_us=0, *, found=None, numbers=None, of=None, size_bytes=200):
    found = detections((0, 0)) if found is None else found
    numbers = np.arange(len(found)) if numbers is None else np.array(numbers, np.int64)
    return Report(origin, frame(origin, time_us) if of is None else of, numbers, found, size_bytes)


def knowledge(agent=1, *frames):
    return Knowledge(agent, deque(frames, maxlen=5))


def snapshot(time_us=0, *centers, agents=None, velocity=None, size=(4.0, 2.0, 1.5), yaw=None, kind=0, antenna_m=1.6):
    """Cars at the positions given."""
    count = len(centers)
    position = np.zeros((count, 3))
    for row, center in enumerate(centers):
        position[row, : len(center)] = center
    return Snapshot(
        time_us, np.arange(count) if agents is None else np.array(agents, np.int64), np.full(count, kind, np.int8),
        Boxes(position, np.tile(np.array(size, float), (count, 1)), np.zeros(count) if yaw is None else np.array(yaw, float)),
        np.zeros((count, 2)) if velocity is None else np.array(velocity, float).reshape(count, 2),
        np.full(count, float(antenna_m)),
    )  # fmt: skip


def fleet(of, rows=None, *, lidars=0, ego=False):
    """The stations among the road users of a snapshot."""
    rows = np.arange(len(of)) if rows is None else np.array(rows, np.int64)
    center = of.boxes.center_m[rows]
    antenna = center + np.column_stack([np.zeros((len(rows), 2)), of.antenna_height_m[rows]])
    return Fleet(
        of.agent[rows], rows, np.column_stack([center, of.boxes.yaw_rad[rows]]), of.velocity_mps[rows], antenna,
        of.boxes.size_m[rows, 2], np.full(len(rows), lidars), np.full(len(rows), ego),
    )  # fmt: skip
