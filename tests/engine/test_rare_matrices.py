"""Runs in which only some announcements contain a perception matrix."""

import numpy as np
import pytest

import v2xsim

SCENE = {
    "run": {"duration_s": 1.6},
    "traffic": {
        "script": [
            {"id": "ego", "waypoints": [[0, 2, -40], [10, 2, 60]]}, {"id": "helper", "waypoints": [[0, -32, -2], [10, 68, -2]]},
            {"id": "van", "kind": "van", "waypoints": [[0, -8, -14], [10, -8, 20]]}, {"id": "mast_less", "waypoints": [[0, 40, 40], [10, 50, 40]]},
        ],
    },
    "stations": {"include": ["ego", "helper", "mast_less"]},
    "lidars": {"include": ["ego", "helper"], "model": "beam16"},
    "cooperation": {"egos": ["ego"], "relay": "none"},
    "radio": {"access": "ieee80211p", "shadowing": False},
    "record": {"clouds_every_s": 0},
}  # fmt: skip


@pytest.fixture(scope="module")
def results():
    """Return the results of a run by the interval of its matrices, simulated once."""
    known = {}

    def of(interval_ms, **changes):
        key = interval_ms, *changes.items()
        if key not in known:
            scenario = v2xsim.load(SCENE).with_({"cooperation.matrix.interval_ms": interval_ms, **changes})
            known[key] = v2xsim.run(scenario, threads=1)
        return known[key]

    return of


def sizes_of(results, name):
    """Return the sizes of the announcements of a station, in the order in which it made them."""
    packets = results.tables["packets"].to_pydict()
    found = {
        message: size for message, kind, size, sender in zip(
            packets["message"], packets["kind"], packets["size_bytes"], packets["tx"], strict=True
        ) if kind == "awareness" and results.names[sender] == name
    }  # fmt: skip
    return [size for _, size in sorted(found.items())]


def test_every_fifth_announcement_of_a_station_with_a_lidar_is_larger(results):
    rare, plain, none = (sizes_of(results(interval_ms), "helper") for interval_ms in (500, 0, None))
    assert len(rare) == len(plain) == len(none) >= 15
    first = next(n for n, size in enumerate(rare) if size > none[n])
    is_large = np.array(rare) > np.array(none)
    assert np.flatnonzero(is_large).tolist() == list(range(first, len(rare), 5))
    assert (np.array(plain)[first:] > np.array(none)[first:]).all()


def test_a_station_without_a_lidar_announces_the_same(results):
    assert sizes_of(results(500), "mast_less") == sizes_of(results(0), "mast_less")


def test_an_ego_asks_by_the_last_matrix_that_arrived(results):
    cycles = results(500).tables["cycles"].to_pydict()
    # From the second frame on, although fourteen of the announcements are without the matrix.
    assert sum(asked > 0 for asked in cycles["asked"]) >= 14


def test_without_announced_matrices_only_a_rule_that_compares_none_asks(results):
    assert set(results(None).tables["cycles"].to_pydict()["outcome"]) <= {"nobody_known", "nobody_useful"}
    nearest = results(None, **{"cooperation.matching": "nearest"}).tables["cycles"].to_pydict()
    assert sum(asked > 0 for asked in nearest["asked"]) >= 14


def test_a_program_sees_the_matrix_that_arrived_last_and_its_age():
    scenario = v2xsim.load(SCENE).with_({"cooperation.matrix.interval_ms": 500, "radio.access": "ideal"})
    with v2xsim.Simulation(scenario) as simulation:
        seen = [simulation.knowledge("ego").neighbours.get("helper") for _ in simulation]
    seen = [one for one in seen if one is not None and one.matrix is not None]
    assert len(seen) >= 14
    assert max(one.matrix_age_s for one in seen) == pytest.approx(0.5)
    assert all(one.age_s <= 0.1 + 1e-9 for one in seen)


@pytest.mark.parametrize("given", [{"cooperation.transport": "synchronous"}])
def test_without_messages_the_interval_has_no_effect_and_is_noted(given, results):
    note = v2xsim.load(SCENE).with_({**given, "cooperation.matrix.interval_ms": 500}).notes
    assert any("cooperation.matrix.interval_ms has no effect" in one for one in note)
    rare, plain = (results(interval_ms, **given).tables for interval_ms in (500, 0))
    assert all(repr(rare[name].to_pydict()) == repr(plain[name].to_pydict()) for name in rare)
