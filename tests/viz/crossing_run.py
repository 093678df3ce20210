"""A run folder made up for the pictures: an intersection where a truck and a corner building hide road users.

The lidar returns come from rays against the boxes, so what hides behind what is real; the radio tables are drawn
by chance with the shape that such tables have.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from v2xsim.records import LINK_STATE_NAMES
from v2xsim.results.columns import COLUMNS
from v2xsim.results.tables import Columns

EGO, TRUCK, HELPER, CROSSING, RSU = 0, 1, 2, 3, 40
CELL_M, CELLS = 2.0, 50
FRAMES = 5
RANGE_M = 60.0
_LEAST_POINTS = 12

# name, kind, x, y, heading in degrees, length, width, height, speed along the heading
_USERS: list[tuple[str, str, float, float, float, float, float, float, float]] = [
    ("ego", "passenger", -34.0, -1.8, 0, 4.5, 1.8, 1.5, 5.0),
    ("truck", "truck", -19.0, -1.8, 0, 12.0, 2.5, 3.6, 4.0),
    ("helper", "passenger", -1.8, -21.0, -90, 4.5, 1.8, 1.5, 2.0),
    ("crossing", "passenger", 1.8, -34.0, 90, 4.5, 1.8, 1.5, 6.0),
    ("cyclist", "bicycle", 4.8, -13.0, 90, 1.8, 0.6, 1.7, 3.0),
    ("walker", "pedestrian", -7.0, -6.5, 90, 0.5, 0.5, 1.75, 1.0),
    ("oncoming", "passenger", 22.0, 1.8, 180, 4.5, 1.8, 1.5, 6.0),
    ("van", "van", -9.0, 1.8, 180, 5.5, 2.0, 2.2, 4.0),
    ("behind", "passenger", -46.0, -1.8, 0, 4.5, 1.8, 1.5, 5.0),
    ("north", "passenger", -1.8, 24.0, -90, 4.5, 1.8, 1.5, 5.0),
    ("bus", "bus", 38.0, -1.8, 0, 12.0, 2.55, 3.2, 5.0),
    ("parked", "passenger", 10.0, -5.4, 0, 4.5, 1.8, 1.5, 0.0),
    ("stroller", "pedestrian", 6.8, 7.4, 0, 0.5, 0.5, 1.75, 1.0),
    ("far", "passenger", 75.0, 1.8, 180, 4.5, 1.8, 1.5, 5.0),
]
# x_min, y_min, x_max, y_max, height
_BUILDINGS = ((-42, -40, -8, -9, 12.0), (9, -42, 40, -10, 15.0), (-40, 10, -9, 36, 9.0), (10, 11, 34, 40, 18.0))


def write_run(folder: Path, seed: int = 1, **manifest: Any) -> Path:
    """Write the folder; keywords go into its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    tables = {name: Columns(name) for name in COLUMNS}
    _add_agents(tables["agents"])
    _add_buildings(tables["buildings"])
    _add_roads(tables["roads"])
    for frame in range(FRAMES):
        _add_frame(tables, frame, rng)
    _add_packets(tables["packets"], rng)
    _add_exchange(tables, 2_000_000)
    _add_transfers(tables["transfers"], rng)
    _add_channel(tables["channel"], rng)
    _add_fusion(tables["fusion"], rng)
    for name, columns in tables.items():
        pq.write_table(columns.finished(), folder / f"{name}.parquet")
    scenario = {"name": "crossing", "cooperation": {"deadline_ms": 100.0}}
    content = {"scenario": scenario, "seed": seed, "versions": {"v2xsim": "0.1.0"}} | manifest
    (folder / "manifest.json").write_text(json.dumps(content))
    (folder / "timing.json").write_text("{}")
    return folder


def add(table: Columns, **columns: Any) -> None:
    """Add a block of rows; columns that are not named are zero, or empty words."""
    blank = {"word": "", "text": "", "bytes": b"", "bool": False}
    table.add(**({name: blank.get(kind, 0) for name, kind, _ in COLUMNS[table._table]} | columns))


def _bodies(time_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centre of the bottom face, size and heading of each road user."""
    rows = np.array([user[2:] for user in _USERS], float)
    yaw_rad = np.deg2rad(rows[:, 2])
    along = np.stack([np.cos(yaw_rad), np.sin(yaw_rad)], axis=1)
    center_m = np.column_stack([rows[:, :2] + along * rows[:, 6:7] * time_s, np.zeros(len(rows))])
    return center_m, rows[:, 3:6], yaw_rad


def _scan(
    origin_m: np.ndarray, own: int, time_s: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points, what was hit, and the ends of all rays on the map."""
    center_m, size_m, yaw_rad = _bodies(time_s)
    elevation, azimuth = np.meshgrid(np.deg2rad(np.linspace(-22, 6, 26)), np.arange(0, 2 * np.pi, np.deg2rad(0.6)))
    ray = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=-1
    ).reshape(-1, 3)
    with np.errstate(divide="ignore"):
        best_m = np.where(ray[:, 2] < 0, -origin_m[2] / ray[:, 2], np.inf)
    hit = np.full(len(ray), -1)
    solids = [(b, c, s, y) for b, (c, s, y) in enumerate(zip(center_m, size_m, yaw_rad, strict=True)) if b != own]
    solids += [
        (-2, np.array([(x0 + x1) / 2, (y0 + y1) / 2, 0.0]), np.array([x1 - x0, y1 - y0, h]), 0.0)
        for x0, y0, x1, y1, h in _BUILDINGS
    ]
    for what, middle_m, extent_m, turn in solids:
        turned = np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
        start = turned @ (origin_m - middle_m)
        with np.errstate(divide="ignore", invalid="ignore"):
            low = (np.array([-extent_m[0] / 2, -extent_m[1] / 2, 0.0]) - start) / (ray @ turned.T)
            high = (np.array([extent_m[0] / 2, extent_m[1] / 2, extent_m[2]]) - start) / (ray @ turned.T)
        near, far = np.minimum(low, high).max(1), np.maximum(low, high).min(1)
        closer = (near < far) & (near > 0.5) & (near < best_m)
        best_m[closer] = near[closer]
        hit[closer] = what
    kept = best_m < 80.0
    ends_m = origin_m + ray * np.minimum(best_m, 70.0)[:, None]
    points_m = origin_m + ray[kept] * (best_m[kept] + rng.normal(0, 0.02, kept.sum()))[:, None]
    return points_m, hit[kept], np.concatenate([np.linspace(origin_m[:2], e, 60) for e in ends_m[::3, :2]])


def _observed(rays_m: np.ndarray, lower: np.ndarray) -> np.ndarray:
    cell = np.floor(rays_m / CELL_M).astype(int) - lower
    cell = cell[((cell >= 0) & (cell < CELLS)).all(1)]
    code = np.zeros((CELLS, CELLS), np.uint8)
    code[cell[:, 0], cell[:, 1]] = 1
    return code


def _add_frame(tables: dict[str, Columns], frame: int, rng: np.random.Generator) -> None:
    center_m, size_m, yaw_rad = _bodies(float(frame))
    lower = np.floor(center_m[EGO, :2] / CELL_M).astype(int) - CELLS // 2
    count, matrix = {}, {}
    for station in (EGO, TRUCK, HELPER) if frame else (EGO, TRUCK):
        origin_m = center_m[station] + [0, 0, size_m[station, 2] + 0.3]
        points_m, hit, rays_m = _scan(origin_m, station, float(frame), rng)
        count[station] = np.bincount(hit[hit >= 0], minlength=len(_USERS))
        matrix[station] = _observed(rays_m, lower)
        x_m, y_m, z_m = points_m.T
        taken = {"source": station, "object": hit, "time_us": frame * 1_000_000 - (station != EGO) * 100_000}
        add(tables["clouds"], frame=frame, x_m=x_m, y_m=y_m, z_m=z_m, **taken)
    fused = np.max(list(matrix.values()), axis=0)
    place = {"lower_x": int(lower[0]), "lower_y": int(lower[1]), "cells": CELLS, "cell_m": CELL_M}
    codes = {"before": [matrix[EGO].tobytes()], "after": [fused.tobytes()]}
    add(tables["frames"], frame=frame, frame_us=frame * 1_000_000, ego=EGO, **place, **codes)
    in_range = np.hypot(*(center_m - center_m[EGO])[:, :2].T) < RANGE_M
    in_range[EGO] = False
    seen_fused = in_range & (np.sum(list(count.values()), axis=0) >= _LEAST_POINTS)
    scored = {"in_range": in_range, "seen_ego": in_range & (count[EGO] >= _LEAST_POINTS), "seen_fused": seen_fused}
    size = dict(zip(("length_m", "width_m", "height_m"), size_m.T, strict=True))
    where = dict(zip(("x_m", "y_m", "z_m"), center_m.T, strict=True))
    add(tables["frame_boxes"], frame=frame, agent=np.arange(len(_USERS)), yaw_rad=yaw_rad, **where, **size, **scored)
    add(tables["frame_boxes"], frame=frame, agent=RSU, x_m=-8.5, y_m=9.4, height_m=6.0, station=True)
    links = [(EGO, TRUCK, "LOS", "direct")]
    if frame:
        links += [(EGO, TRUCK, "LOS", "relay_hop"), (TRUCK, HELPER, "NLOSv", "relay_hop")]
        links += [(EGO, HELPER, "NLOSb", "replaced")]
    chosen_us = frame * 1_000_000 + 20_000
    for a, b, state, role in links:
        about = {"state": [state], "role": [role], "used": role != "replaced", "time_us": chosen_us}
        add(tables["frame_links"], frame=frame, a=a, b=b, **about)
    add(tables["relays"], time_us=chosen_us - 20_000, requester=EGO, helper=HELPER, relay=TRUCK, delivery=0.04)
    # The choice of a later frame says nothing about this one.
    add(tables["relays"], time_us=chosen_us + 80_000, requester=EGO, helper=HELPER, relay=TRUCK, delivery=0.4)


def _add_agents(table: Columns) -> None:
    for agent, (name, kind, *_) in enumerate(_USERS):
        add(table, agent=agent, name=[name], kind=[kind])
    add(table, agent=RSU, name=["rsu"], kind=["roadside"])


def _add_buildings(table: Columns) -> None:
    for number, (x0, y0, x1, y1, height) in enumerate(_BUILDINGS):
        x_m, y_m = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float).T
        add(table, building=number, x_m=x_m, y_m=y_m, top_m=height)


def _add_packets(table: Columns, rng: np.random.Generator, number: int = 20_000) -> None:
    distance_m = 270 * np.sqrt(rng.random(number))
    state = rng.choice(3, number, p=(0.5, 0.3, 0.2))
    reach_m = np.array([330.0, 210.0, 90.0])[state]
    delivered = rng.random(number) < 1 / (1 + np.exp((distance_m - reach_m) / 25))
    cause = rng.choice(["propagation", "collision", "half_duplex", "receiver_busy"], number, p=(0.6, 0.25, 0.1, 0.05))
    outcome = np.where(delivered, "delivered", cause).tolist()
    states = np.array(LINK_STATE_NAMES)[state].tolist()
    add(table, kind="awareness", hop=1, distance_m=distance_m, link_state=states, outcome=outcome)
    # Data to one receiver says nothing about broadcasts and must not be counted with them.
    add(table, kind=["data"], hop=1, distance_m=900.0, link_state=["LOS"], outcome=["delivered"])


def _add_transfers(table: Columns, rng: np.random.Generator, number: int = 160) -> None:
    relayed = np.arange(number) % 3 == 0
    frame_us = np.arange(number) * 50_000
    queue_us = frame_us + 25_000 + rng.integers(0, 20_000, number)
    latency_us = (rng.gamma(4, 5_000, number) * np.where(relayed, 2, 1)).astype(np.int64)
    lost = rng.random(number) < np.where(relayed, 0.2, 0.08)
    arrive_us = np.where(lost, -1, queue_us + latency_us)
    relay = np.where(relayed, TRUCK, -1)
    add(table, kind="data", relay=relay, frame_us=frame_us, queue_us=queue_us, arrive_us=arrive_us)


def _add_exchange(tables: dict[str, Columns], frame_us: int) -> None:
    """Write what crossed the links of one kept frame: five packets over the relay, of which one is lost, and one directly."""
    for number, origin, destination, relay in (
        (9001, EGO, HELPER, TRUCK),
        (9002, HELPER, EGO, TRUCK),
        (9003, TRUCK, EGO, -1),
    ):
        ends = {"origin": origin, "destination": destination, "relay": relay}
        kind = "request" if origin == EGO else "data"
        times = {"queue_us": frame_us + 20_000, "arrive_us": frame_us + 40_000, "fuse_us": frame_us + 100_000}
        add(tables["transfers"], message=number, kind=[kind], frame_us=frame_us, **ends, **times)
    hops = [
        (9001, EGO, TRUCK, 1, "delivered"), (9001, TRUCK, HELPER, 2, "collision"), (9001, TRUCK, HELPER, 2, "delivered"),
        (9002, HELPER, TRUCK, 1, "delivered"), (9002, TRUCK, EGO, 2, "delivered"), (9003, TRUCK, EGO, 1, "delivered"),
    ]  # fmt: skip
    for number, sender, receiver, hop, outcome in hops:
        ends = {"tx": sender, "rx": receiver, "hop": hop, "addressed": True}
        add(tables["packets"], message=number, kind=["data"], outcome=[outcome], link_state=["LOS"], **ends)
    # Another station overheard a packet, and a packet of another exchange crossed the same link.
    add(tables["packets"], message=9001, kind=["data"], outcome=["delivered"], link_state=["LOS"], tx=EGO, rx=HELPER)
    add(
        tables["packets"],
        message=77,
        kind=["data"],
        outcome=["delivered"],
        link_state=["LOS"],
        tx=EGO,
        rx=TRUCK,
        addressed=True,
    )


def _add_roads(table: Columns) -> None:
    lanes = [((-60, -1.8), (80, -1.8)), ((80, 1.8), (-60, 1.8)), ((1.8, -60), (1.8, 60)), ((-1.8, 60), (-1.8, -60))]
    for number, ends in enumerate(lanes):
        x_m, y_m = np.array(ends, float).T
        add(
            table,
            road=number,
            name=[f"lane_{number}"] * 2,
            kind=["lane"] * 2,
            users=["motor"] * 2,
            width_m=3.6,
            x_m=x_m,
            y_m=y_m,
        )


def _add_channel(table: Columns, rng: np.random.Generator) -> None:
    for station in (EGO, TRUCK, HELPER):
        add(table, time_us=np.arange(1, 51) * 100_000, station=station, busy_share=0.12 + 0.03 * rng.random(50))


def _add_fusion(table: Columns, rng: np.random.Generator, number: int = 50) -> None:
    before = 0.42 + 0.05 * np.sin(np.arange(number) / 9)
    shares = {"coverage_before": before, "coverage_after": before + 0.2 + 0.05 * rng.random(number)}
    seen = {"seen_ego": 7 + rng.integers(0, 2, number), "seen_fused": 10 + rng.integers(0, 3, number)}
    filled = 0.35 + 0.1 * rng.random(number)
    add(table, frame_us=np.arange(number) * 100_000, ego=EGO, objects=12, blind_covered=filled, **seen, **shares)
