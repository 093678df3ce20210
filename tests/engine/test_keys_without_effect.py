"""A key that is noted as without effect has none: the tables of a run with it are those of a run without it."""

import pytest

import v2xsim

SCENE = {
    "name": "small", "run": {"duration_s": 0.6},
    "world": {
        "buildings": [{"footprint_m": [[-60, -60], [-10, -60], [-10, -10], [-60, -10]], "height_m": 12}],
        "roads": [{"center_m": [[-100, 0], [100, 0]]}, {"center_m": [[0, -100], [0, 100]]}],
    },
    "traffic": {
        "script": [
            {"id": "ego", "waypoints": [[0, 2, -40], [10, 2, 60]]}, {"id": "helper", "waypoints": [[0, -32, -2], [10, 68, -2]]},
            {"id": "relay", "waypoints": [[0, 22, 2], [10, -78, 2]]}, {"id": "van", "kind": "van", "waypoints": [[0, -3, 30]]},
        ],
    },
    "stations": {"include": ["ego", "helper", "relay"]},
    "lidars": {"include": ["ego", "helper"], "model": "beam16"},
    "radio": {"propagation": {"vehicle_blockage": "knife_edges", "building_loss": "corner"}},
    "record": {"clouds_every_s": 0},
}  # fmt: skip
SAMPLED = {"model": "sampled", "certainty": 0.3, "soon_certainty": 0.3}
UNASKED = {
    "cooperation.request_coding": "runs", "cooperation.boxes_by": "body", "cooperation.foresight": "tracks", "cooperation.overhearing": False,
    "cooperation.max_age_ms": 50,
}  # fmt: skip
CASES = [
    ({"radio.access": "random_slot", "cooperation.foresight": SAMPLED}, {"radio.propagation.fading": "nakagami"}),
    ({"radio.access": "ideal"}, {"cooperation.foresight": "tracks", "cooperation.relay": "tallest_antenna"}),
    ({"cooperation.transport": "synchronous"}, {"cooperation.foresight": "tracks", "cooperation.relay": "tallest_antenna"}),
    ({"cooperation.fusion": "none"}, {"cooperation.foresight": "tracks", "cooperation.relay": "tallest_antenna"}),
    (
        {"cooperation.fusion": "cpm"},
        {"cooperation.foresight": "tracks", "cooperation.max_helpers": 1, "cooperation.budget_bytes": 300, "cooperation.max_age_ms": 50},
    ),
    ({"cooperation.fusion": "late", "cooperation.max_helpers": 0}, UNASKED | {"cooperation.budget_bytes": 300, "cooperation.matching": "hidden_bodies"}),
    ({"cooperation.fusion": "late", "cooperation.budget_bytes": 0}, UNASKED | {"cooperation.max_helpers": 1, "cooperation.matching": "nearest"}),
    ({"cooperation.fusion": "late", "cooperation.matching": "none"}, UNASKED | {"cooperation.max_helpers": 1, "cooperation.budget_bytes": 300}),
    ({"cooperation.fusion": "matrices"}, {"cooperation.foresight": "tracks", "cooperation.matching": "nearest", "cooperation.overhearing": False}),
    (
        {"radio.shadowing": False, "cooperation.foresight": SAMPLED},
        {"radio.propagation.common_share": 0.1, "radio.propagation.shadowing_sigma_db": 9.0, "radio.propagation.decorrelation_m": 3.0},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "idle"), CASES)
def test_a_key_that_is_noted_as_without_effect_has_none(given, idle):
    scenario = v2xsim.load(SCENE).with_(given)
    with_them = scenario.with_(idle)
    assert [sum(key in note for note in with_them.notes) for key in idle] == [1] * len(idle)
    tables, same = (v2xsim.run(one, threads=1).tables for one in (scenario, with_them))
    for name in tables:
        # As text, in which NaN equals NaN.
        assert repr(tables[name].to_pydict()) == repr(same[name].to_pydict()), name
