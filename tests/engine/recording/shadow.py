"""A scene in which a truck hides a car from the only lidar, until the car leaves its shadow."""

SCENE = {
    "name": "shadow",
    "run": {"seed": 1, "duration_s": 1.0, "step_s": 0.1},
    "traffic": {
        "script": [
            {"id": "watcher", "size_m": [4.5, 1.8, 1.5], "waypoints": [[0, 0, 0], [10, 0.001, 0]]},
            {"id": "truck", "kind": "truck", "size_m": [8, 6, 4], "waypoints": [[0, 20, 0], [10, 20.001, 0]]},
            {"id": "car", "size_m": [4.5, 1.8, 1.5], "waypoints": [[0, 30, -1], [10, 30, 99]]},
            {"id": "far", "waypoints": [[0, 0, -200], [10, 1, -200]]},
        ]
    },
    "stations": {"include": ["watcher"]},
    "lidars": {
        "include": ["watcher"], "range_noise_m": 0.0, "dropout": 0.0,
        "model": {"beams": 64, "columns": 1800, "lowest_deg": -25, "highest_deg": 5, "range_m": 80},
    },
    "cooperation": {"transport": "synchronous", "egos": ["watcher"]},
    "record": {"clouds_every_s": 0},
}  # fmt: skip
