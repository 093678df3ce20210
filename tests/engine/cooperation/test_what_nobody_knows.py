"""Decisions do not change with what no station can know: a vehicle inside a closed building, or a station out of radio range."""

import pytest

import v2xsim
from v2xsim.scenario.load import document_of

DECISIONS = {
    "relays": ("time_us", "requester", "helper", "relay", "score", "height", "mobility", "delivery"),
    "nominations": ("time_us", "station", "requester", "helper", "score", "height", "mobility"),
    "transfers": (
        "kind",
        "origin",
        "destination",
        "relay",
        "frame_us",
        "size_bytes",
        "fragments",
        "predicted",
        "outcome",
    ),
}
FAR = "far_station"


def decisions(*more):
    """Return the decisions of a short run of the demo with more road users at the end of its script, as rows of three tables."""
    document = document_of("demo")[0].data
    document["traffic"]["script"] += more
    document["stations"]["include"] += [user["id"] for user in more if user["id"] == FAR]
    document["lidars"]["include"] += [user["id"] for user in more if user["id"] == FAR]
    document["run"] |= {"begin_s": 5.0, "duration_s": 3.0}
    document["lidars"]["model"] = "beam16"
    tables = v2xsim.run(v2xsim.load(document)).tables
    found = {
        name: [repr(row) for row in zip(*(tables[name].column(column).to_pylist() for column in columns), strict=True)]
        for name, columns in DECISIONS.items()
    }
    assert all(found.values())
    return found


@pytest.mark.slow
def test_an_unconnected_vehicle_inside_a_building_changes_no_decision():
    empty, car, elsewhere, truck = (
        decisions(*more)
        for more in (
            (),
            ({"id": "hidden", "waypoints": [[0, -100, -40]]},),
            ({"id": "hidden", "waypoints": [[0, -110, -30], [10, -90, -30]]},),
            ({"id": "hidden", "kind": "truck", "waypoints": [[0, -100, -40]]},),
        )
    )
    assert empty == car == elsewhere == truck


@pytest.mark.slow
def test_a_station_out_of_radio_range_changes_no_decision_of_others():
    near, far, tall = (
        decisions({"id": FAR, "kind": kind, "waypoints": [[0, *place_m]]})
        for kind, place_m in (("passenger", (6000, 0)), ("passenger", (9000, 4000)), ("truck", (6000, 0)))
    )
    assert near == far == tall
