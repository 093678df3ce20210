"""The bodies of SUMO's road users as columns."""

from dataclasses import replace

from v2xsim.mobility.sumo_bodies import Bodies, Body

CAR, BUS = Body(4, 0, 5.0, 1.8, 1.5, 2), Body(7, 3, 13.0, 2.5, 3.4, 1)


def test_each_body_is_a_row():
    bodies = Bodies.of([CAR, BUS])
    assert (bodies.agent.tolist(), bodies.kind.tolist(), bodies.speed_row.tolist()) == ([4, 7], [0, 3], [2, 1])
    assert bodies.size_m.tolist() == [[5.0, 1.8, 1.5], [13.0, 2.5, 3.4]]


def test_an_empty_road_has_no_rows():
    assert Bodies.of([]).size_m.shape == (0, 3)


def test_the_columns_follow_those_who_come_leave_change_places_or_change():
    bodies = Bodies.of([CAR, BUS])
    for following in ([CAR, BUS], [CAR], [BUS, CAR], [CAR, replace(BUS, length_m=18.0)], []):
        bodies = bodies.now(list(following))
        assert bodies.agent.tolist() == [body.agent for body in following]
        assert bodies.size_m[:, 0].tolist() == [body.length_m for body in following]
