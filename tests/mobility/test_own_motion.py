"""One road user among many whose units or angles are not those of the others."""

import re

import numpy as np
import pytest

from v2xsim.mobility.base import MobilityError, Names
from v2xsim.mobility.fcd import FcdMobility

TAG = dict.fromkeys(("car", "bicycle", "tram", "truck", "bus"), "vehicle") | {"person": "person"}


def way(kind="car", speed_mps=10.0, x_m=0.0, y_m=0.0, steps=30, span_s=1.0):
    """The rows of one road user that goes north-east: time, x, y, angle and speed."""
    return kind, [
        [i * span_s, x_m + 0.6 * speed_mps * i * span_s, y_m + 0.8 * speed_mps * i * span_s, 36.87, speed_mps]
        for i in range(steps)
    ]


def changed(user, **functions):
    """The same rows with some columns converted: x, y, angle or speed."""
    kind, rows = user
    columns = ("time", "x", "y", "angle", "speed")
    return kind, [[functions.get(c, lambda v: v)(v) for c, v in zip(columns, row, strict=True)] for row in rows]


def found(folder, *users, span_s=1.0):
    """The warnings about road users alone in a trace of a crowd of sound ones and of the given ones, by subject."""
    crowd = [way(x_m=3000 + 40 * k, y_m=2000, span_s=span_s, steps=len(users[0][1])) for k in range(12)]
    steps = {}
    for number, (kind, rows) in enumerate((*crowd, *users)):
        name = f"odd{number - 12}" if number >= 12 else f"c{number}"
        for time_s, *row in rows:
            values = dict(zip(("x", "y", "angle", "speed"), map(repr, map(float, row)), strict=True))
            text = f"<{TAG[kind]} id='{name}' type='{kind}' " + " ".join(f"{k}='{v}'" for k, v in values.items()) + "/>"
            steps.setdefault(round(time_s, 6), []).append(text)
    content = "".join(
        f"<timestep time='{time_s:.6f}'>{''.join(rows)}</timestep>" for time_s, rows in sorted(steps.items())
    )
    (folder / "t.xml").write_text(f"<fcd-export>{content}</fcd-export>")
    traffic = FcdMobility(folder / "t.xml", Names())
    for time_s in sorted(steps):
        traffic.snapshot(round(time_s * 1e6))
    wanted = ("trace.own_", "traffic.fast")
    return {notice.subject: notice for notice in traffic.notices() if notice.subject.startswith(wanted)}


KINDS = [("car", 10.0), ("truck", 20.0), ("tram", 8.0), ("bicycle", 5.0), ("person", 1.4)]


@pytest.mark.parametrize(("kind", "speed_mps"), KINDS)
@pytest.mark.parametrize(
    ("unit", "advice"),
    [
        ({"x": lambda x: 7.6 + x / 74e3, "y": lambda y: 47.5 + y / 111e3}, "longitude and latitude"),
        ({"x": lambda x: x / 1000, "y": lambda y: y / 1000}, "kilometres"),
        ({"x": lambda x: x * 100, "y": lambda y: y * 100}, "centimetres"),
        ({"speed": lambda v: 3.6 * v}, r"km/h: divide them by 3\.6"),
        ({"speed": lambda v: v / 0.44704}, "miles per hour"),
        ({"x": lambda x: x / 0.3048, "y": lambda y: y / 0.3048}, "feet"),
        ({"speed": lambda v: 0.0}, "correct its speeds"),
    ],
)
def test_one_road_user_in_other_units_is_named_with_the_likely_one(tmp_path, kind, speed_mps, unit, advice):
    notices = found(tmp_path, changed(way(kind, speed_mps), **unit))
    assert set(notices) - {"traffic.fast"} == {"trace.own_speeds"}
    text = notices["trace.own_speeds"].text
    assert f"{tmp_path}/t.xml: 1 of 13 road users moves at other speeds than those in the trace, first " in text
    assert "odd0'" in text
    assert "from 0 s on" in text
    assert re.search(advice, text)


@pytest.mark.parametrize(("kind", "speed_mps"), KINDS)
@pytest.mark.parametrize(
    ("angle", "advice"),
    [
        (lambda a: a + 180, "opposite direction"),
        (lambda a: np.radians(a), "radians, clockwise from north"),
        (lambda a: 90 - a, "counter-clockwise from east"),
        (lambda a: np.radians(90 - a), ""),
        (lambda a: a + 90, ""),
    ],
)
def test_one_road_user_with_angles_of_another_kind_is_named(tmp_path, kind, speed_mps, angle, advice):
    # South-east, where no two meanings of an angle agree.
    user = changed(way(kind, speed_mps), x=lambda x: -2 * x, y=lambda y: y / 8, angle=lambda _: angle(-85.24))
    user = changed(user, speed=lambda v: float(np.hypot(1.2, 0.1) * v))
    notices = found(tmp_path, user)
    assert set(notices) == {"trace.own_angles"}
    assert "odd0'" in notices["trace.own_angles"].text
    assert advice in notices["trace.own_angles"].text


def without_speeds(user):
    return changed(user, speed=lambda _: float("nan"))


@pytest.mark.parametrize(
    ("kind", "speed_mps", "limit_mps"), [("person", 9.0, "7"), ("bicycle", 20.0, "13.9"), ("car", 100.0, "69.5")]
)
def test_a_road_user_whose_positions_show_an_unusual_speed_is_named_even_without_speeds(
    tmp_path, kind, speed_mps, limit_mps
):
    notices = found(tmp_path, without_speeds(way(kind, speed_mps)))
    assert set(notices) == {"trace.own_places"}
    assert f"usually at most {limit_mps} m/s" in notices["trace.own_places"].text
    assert found(tmp_path, without_speeds(way(kind, speed_mps / 2))) == {}


def test_a_road_user_that_keeps_its_place_at_a_speed_is_named(tmp_path):
    notices = found(tmp_path, changed(way(), x=lambda x: 3100, y=lambda y: 2100))
    assert "it moves 0 m where its speeds give 290 m" in notices["trace.own_speeds"].text


@pytest.mark.parametrize("span_s", [0.01, 0.1, 1.0, 5.0])
def test_other_units_are_found_at_any_step(tmp_path, span_s):
    steps = max(30, round(6.0 / span_s))
    assert found(tmp_path, changed(way(steps=steps, span_s=span_s), speed=lambda v: 3.6 * v), span_s=span_s)
    assert not found(tmp_path, way(steps=steps, span_s=span_s), span_s=span_s)


def test_degrees_are_found_in_a_sample_every_ten_seconds(tmp_path):
    degrees = changed(way(span_s=10.0), x=lambda x: 7.6 + x / 74e3, y=lambda y: 47.5 + y / 111e3)
    assert set(found(tmp_path, degrees, span_s=10.0)) == {"trace.own_speeds"}
    assert found(tmp_path, way(span_s=10.0), span_s=10.0) == {}


def test_what_a_road_user_does_after_a_short_run_counts_too(tmp_path):
    found(tmp_path, changed(way(), speed=lambda v: 3.6 * v))
    traffic = FcdMobility(tmp_path / "t.xml", Names(), 100_000, (0, 300_000))
    traffic.snapshot(0)
    assert "trace.own_speeds" in {notice.subject for notice in traffic.notices()}


def test_a_road_user_that_comes_after_the_run_is_not_reported(tmp_path):
    kind, rows = changed(way(), speed=lambda v: 3.6 * v)
    found(tmp_path, (kind, rows[5:]))
    traffic = FcdMobility(tmp_path / "t.xml", Names(), 100_000, (0, 1_000_000))
    traffic.snapshot(0)
    assert "trace.own_speeds" not in {notice.subject for notice in traffic.notices()}


def test_two_road_users_in_other_units_are_counted(tmp_path):
    users = [changed(way(x_m=k), speed=lambda v: 3.6 * v) for k in (0.0, 90.0)]
    assert found(tmp_path, *users)["trace.own_speeds"].count == 2


def sound():
    """Ways of sound road users that look odd, by what they do."""
    draw = np.random.default_rng(5)
    noisy = changed(
        way(steps=300, span_s=0.1), x=lambda x: x + draw.normal(0, 0.4), y=lambda y: y + draw.normal(0, 0.4)
    )
    stands = changed(way(steps=300, span_s=0.1), x=lambda x: draw.normal(0, 2.0), y=lambda y: draw.normal(0, 2.0))
    start = [[t, 0.0, 2.6 * t * (t + 1) / 2, 0.0, 2.6 * t] for t in range(8)]
    swerve = [[0.1 * i, 3.2 * (i >= 20), 1.5 * i, 0.0, 15.0] for i in range(60)]
    backs_out = [
        *([i, 0.0, -2.0 * min(i, 6), 0.0, 2.0] for i in range(8)), *([i, 0.0, -12.0 + 8.0 * (i - 8), 0.0, 8.0] for i in range(8, 20)),
    ]  # fmt: skip
    circle = [[t, 20 * np.cos(0.3 * t), 20 * np.sin(0.3 * t), -np.degrees(0.3 * t) % 360, 6.0] for t in range(40)]
    teleported = [[t, 8.0 * t + 900 * (t >= 12), 0.0, 90.0, 8.0] for t in range(30)]
    backwards = [[t, -9.0 * t, 0.0, 90.0, -9.0] for t in range(20)]
    return {
        "GNSS noise": noisy, "stands with noise": changed(stands, speed=lambda v: abs(draw.normal(0, 0.2))),
        "accelerates": ("car", start), "changes its lane": ("car", swerve), "backs out": ("car", backs_out),
        "circles": ("car", circle), "teleported": ("car", teleported), "a train goes backwards": ("tram", backwards),
        "rounded to metres": changed(way(steps=100, span_s=0.2), x=round, y=round),
        "stands": ("person", [[t, 3.0, 4.0, 0.0, 0.0] for t in range(30)]), "there once": ("car", [[0, 8.0, 47.0, 0.0, 13.0]]),
    }  # fmt: skip


@pytest.mark.parametrize("what", list(sound()))
def test_nothing_is_wrong_with_a_road_user_that(tmp_path, what):
    kind, rows = sound()[what]
    span_s = rows[1][0] if len(rows) > 1 else 1.0
    assert found(tmp_path, (kind, rows), span_s=span_s) == {}


@pytest.mark.parametrize(("kind", "speed_mps"), [("bicycle", 20.0), ("truck", 50.0), ("car", 100.0), ("tram", 100.0)])
def test_a_road_user_that_is_faster_than_its_kind_usually_is_is_named(tmp_path, kind, speed_mps):
    notices = found(tmp_path, way(kind, speed_mps))
    assert set(notices) == {"traffic.fast"}
    assert f"first 'odd0' at 0 s ({'a train' if kind == 'tram' else 'a'}" in notices["traffic.fast"].text


def test_a_tram_may_be_faster_than_a_bus(tmp_path):
    assert found(tmp_path, way("tram", 60.0)) == {}


@pytest.mark.parametrize(("kind", "speed_mps"), [("person", 40.0), ("bicycle", 60.0), ("bus", 80.0), ("car", 150.0)])
def test_a_speed_that_nobody_can_reach_is_refused_with_name_and_time(tmp_path, kind, speed_mps):
    with pytest.raises(
        MobilityError, match=rf"t\.xml: at 0 s: the speed of '.*odd0' must be wrong: {speed_mps:g} m/s is impossible"
    ):
        found(tmp_path, way(kind, speed_mps))
