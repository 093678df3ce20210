"""The truth of a tick: road users, stations and links, in views that nobody can write."""

import numpy as np
import pytest

import v2xsim
from v2xsim.views.kept import NotThereError


def test_road_users_are_where_the_script_puts_them(instants):
    users = instants[5].road_users
    assert len(users) == 16
    assert users["ego"].pose[:2] == pytest.approx([2.0, -78.0 + 6.0 * 0.5])
    assert users["ego"].velocity_mps == pytest.approx([0.0, 6.0])
    assert (users["ego"].speed_mps, users["ego"].kind, users["truck"].kind) == (
        pytest.approx(6.0),
        "passenger",
        "truck",
    )
    assert [user.name for user in users] == list(users.names)
    assert "ego" in users
    assert "nobody" not in users


def test_stations_and_links_are_those_of_the_tables(demo, instants):
    results = v2xsim.run(demo)
    names = dict(zip(*(results.tables["agents"].column(c).to_pylist() for c in ("agent", "name")), strict=True))
    rows = [row for row in results.tables["links"].to_pylist() if row["time_us"] == 300_000]
    links = instants[3].links
    assert len(links) == len(rows) > 3
    for row in rows:
        link = links.between(names[row["a"]], names[row["b"]])
        assert (link.state, link.distance_m) == (row["state"], pytest.approx(row["distance_m"]))
        assert links.between(names[row["b"]], names[row["a"]]) == link
    assert links.between("ego", "ego") is None
    assert instants[3].stations["ego"].is_ego
    assert instants[3].stations.egos == ("ego",)
    assert not instants[3].stations["truck"].lidars


def test_a_kept_view_stays_what_it_was(demo):
    with v2xsim.Simulation(demo) as sim:
        sim.step()
        instant, known = sim.step(), sim.knowledge("ego")
        neighbours, ages_s = dict(known.neighbours), [item.age_s for item in known.neighbours.values()]
        list(sim)
    assert instant.road_users["ego"].pose[1] == pytest.approx(-77.4)
    assert (known.time_s, dict(known.neighbours)) == (0.1, neighbours)
    assert [item.age_s for item in known.neighbours.values()] == ages_s
    assert all(message.time_s <= 0.1 for message in known.inbox)


def arrays_of(view):
    # `PerceptionMatrix.observed` is a new array at each access.
    names = [name for name in dir(view) if not name.startswith("_") and name != "observed"]
    return [(name, getattr(view, name)) for name in names if isinstance(getattr(view, name), np.ndarray)]


def test_no_array_of_a_view_can_be_written(demo):
    with v2xsim.Simulation(demo) as sim:
        for _ in range(4):
            instant = sim.step()
        known = sim.knowledge("ego")
    neighbour = next(iter(known.neighbours.values()))
    views = [instant.road_users, instant.road_users["ego"], instant.stations, instant.stations["ego"], instant.links, known,
             known.own_frame, known.detections, known.tracks, known.matrix, known.fused, known.fused.detections, neighbour]  # fmt: skip
    arrays = [(type(view).__name__, name, array) for view in views for name, array in arrays_of(view)]
    assert len(arrays) > 40
    for *where, array in arrays:
        assert not array.flags.writeable, where
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.setflags(write=True)


def test_an_unknown_name_is_refused_with_the_nearest(demo, instants):
    for names in (instants[0].road_users, instants[0].stations):
        with pytest.raises(NotThereError, match=r"'folower' must be the name of .*; did you mean 'follower'"):
            names["folower"]
    with v2xsim.Simulation(demo) as sim:
        sim.step()
        with pytest.raises(NotThereError, match="'cyclist' must be the name of a station at 0 s; there are ego"):
            sim.knowledge("cyclist")
