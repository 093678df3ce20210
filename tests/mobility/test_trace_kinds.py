"""What the road users of a trace are: by the type or vClass of a vehicle, and by being a person in a vehicle."""

import pytest

from v2xsim.mobility.base import MobilityError, Names
from v2xsim.mobility.fcd import FcdMobility
from v2xsim.world.road_users import KINDS


def seen(folder, *users, steps=4):
    """The classes of the road users by name, and the notices by subject; each user is tag, id, and other attributes."""
    rows = []
    for i in range(steps):
        for number, (tag, name, more) in enumerate(users):
            place = "" if "x=" in more else f"x='{5 * i}' y='{20 * number}' angle='90' speed='5'"
            rows.append(f"<{tag} id='{name}' {place} {more}/>")
        rows.append("</timestep>" + (f"<timestep time='{i + 1}'>" if i + 1 < steps else ""))
    (folder / "t.xml").write_text(f"<fcd-export><timestep time='0'>{''.join(rows)}</fcd-export>")
    traffic = FcdMobility(folder / "t.xml", Names())
    for i in range(steps):
        snapshot = traffic.snapshot(1_000_000 * i)
    kinds = {traffic.name_of(a): KINDS[k] for a, k in zip(snapshot.agent.tolist(), snapshot.kind.tolist(), strict=True)}
    return kinds, {notice.subject: notice.text for notice in traffic.notices()}


def test_a_type_that_names_two_classes_is_reported_with_the_one_that_is_taken(tmp_path):
    users = [
        ("vehicle", "a", "type='bus_truck'"),
        ("vehicle", "b", "type='car_pedestrian'"),
        ("vehicle", "c", "type='bus'"),
    ]
    kinds, found = seen(tmp_path, *users)
    assert kinds == {"a": "truck", "b": "passenger", "c": "bus"}
    assert set(found) == {"trace.ambiguous_types"}
    assert "'bus_truck' (taken as truck), 'car_pedestrian' (taken as passenger)" in found["trace.ambiguous_types"]


def test_a_vehicle_of_a_type_for_pedestrians_is_reported(tmp_path):
    kinds, found = seen(tmp_path, ("vehicle", "a", "type='pedestrian'"))
    assert kinds == {"a": "passenger"}
    assert "'pedestrian' (taken as passenger)" in found["trace.ambiguous_types"]


@pytest.mark.parametrize(
    ("vehicle_class", "kind"),
    [("bus", "bus"), ("delivery", "van"), ("pedestrian", "pedestrian"), ("taxi", "passenger")],
)
def test_the_vclass_of_a_vehicle_decides_whatever_its_type_is_called(tmp_path, vehicle_class, kind):
    assert seen(tmp_path, ("vehicle", "a", f"type='bus_truck' vClass='{vehicle_class}'")) == ({"a": kind}, {})
    assert seen(tmp_path, ("vehicle", "a", f"vClass='{vehicle_class}'")) == ({"a": kind}, {})


def test_a_vclass_that_sumo_does_not_have_is_refused(tmp_path):
    with pytest.raises(
        MobilityError, match=r"line 1: <vehicle id='a'> is malformed \(its vClass 'lorry' is none of SUMO's\)"
    ):
        seen(tmp_path, ("vehicle", "a", "type='t' vClass='lorry'"))


def test_a_tram_is_as_fast_as_a_train(tmp_path):
    place = "x='{}' y='0' angle='90' speed='60'"
    assert seen(tmp_path, ("vehicle", "a", f"type='t' vClass='tram' {place.format(1)}"), steps=1)[1] == {}
    assert set(seen(tmp_path, ("vehicle", "a", f"type='bus' {place.format(1)}"), steps=1)[1]) == {"traffic.fast"}


def test_passengers_are_named_with_vehicle_and_time(tmp_path):
    place = "x='5' y='9' angle='90' speed='0'"
    users = [
        ("vehicle", "bus1", f"type='bus' {place}"),
        ("person", "p", place),
        ("person", "q", "vehicle='bus1'"),
        ("person", "r", place),
    ]
    kinds, found = seen(tmp_path, *users, steps=1)
    assert kinds == {"bus1": "bus"}
    assert found["trace.riders"] == (
        f"{tmp_path}/t.xml: 3 persons ride in vehicles (first 'q' in 'bus1' at 0 s; also 'p', 'r'). A person inside a vehicle is no road "
        "user of its own; before and after the ride it counts as a pedestrian"
    )
