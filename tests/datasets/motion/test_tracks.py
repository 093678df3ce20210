"""Tracks: where they are cut, and ways through the roads."""

from itertools import pairwise

import numpy as np
import pytest

from v2xsim.datasets.motion.demand import wander
from v2xsim.datasets.motion.drivers import MODELS, STYLES, draw_drivers, style_and_model, type_name
from v2xsim.datasets.motion.roads import KNOWN, UNSEEN, Roads, build, read
from v2xsim.datasets.motion.tracks import WISHES, Drivers, cut, joined, load, save
from v2xsim.gpu.sequence.corpus import DRIVER_COLUMNS
from v2xsim.mobility.base import MobilityError


def drivers(count):
    wishes = np.zeros((count, len(WISHES)))
    wishes[:, WISHES.index("length_m")] = 5.0
    return Drivers(np.zeros(count, np.int8), np.full(count, "calm"), np.full(count, "IDM"), wishes)


def straight(agent, steps, speed_mps=10.0):
    """Return rows of one vehicle that drives along x in steps of half a second."""
    steps = np.asarray(steps)
    pose = np.column_stack([0.5 * speed_mps * steps, np.zeros(len(steps)), np.zeros(len(steps))])
    return np.full(len(steps), agent), steps, pose, np.full(len(steps), speed_mps)


def tracks_of(*rows, shortest=2):
    agent, step, pose, speed_mps = (np.concatenate(column) for column in zip(*rows, strict=True))
    return cut(agent, step, pose, speed_mps, "town", drivers(3), 500_000, 7_000_000, shortest)


def test_a_vehicle_that_was_away_has_two_tracks():
    found = tracks_of(straight(0, [0, 1, 2, 5, 6, 7, 8]))
    assert found.offset.tolist() == [0, 3, 7]
    assert found.begin_us.tolist() == [7_000_000, 9_500_000]
    assert found.agent.tolist() == [0, 0]


def test_a_vehicle_that_was_put_elsewhere_has_two_tracks():
    agent, step, pose, speed_mps = straight(0, range(10))
    pose[4:, 1] += 6.0
    assert tracks_of((agent, step, pose, speed_mps)).offset.tolist() == [0, 4, 10]
    pose[4:, 1] -= 6.0
    pose[7:, 2] = 3.0
    assert tracks_of((agent, step, pose, speed_mps)).offset.tolist() == [0, 7, 10]


def test_short_tracks_are_left_out_and_others_stay_whole():
    found = tracks_of(straight(1, range(3)), straight(0, range(6)), shortest=4)
    assert found.agent.tolist() == [0]
    assert (found.pose[:, 0] == 5.0 * np.arange(6)).all()


def test_tracks_come_back_from_their_file_and_join(tmp_path):
    one = tracks_of(straight(0, range(4)), straight(2, range(5)))
    save(tmp_path / "tracks.npz", one)
    both = joined([load(tmp_path / "tracks.npz"), tracks_of(straight(1, range(3)))])
    assert both.offset.tolist() == [0, 4, 9, 12]
    assert both.agent.tolist() == [0, 2, 1]
    assert (both.pose[:9] == one.pose).all()


def test_a_corpus_keeps_every_wish_of_a_driver():
    assert DRIVER_COLUMNS[3:] == WISHES


def test_the_id_of_a_type_says_its_driver():
    for number, driver in enumerate(draw_drivers(50, np.random.default_rng(1))):
        assert style_and_model(type_name(driver, number)) == (driver.style, driver.model)
    assert style_and_model("passenger1.3") == ("", "")


def test_drivers_of_all_styles_and_models_are_drawn_around_their_middle():
    drawn = draw_drivers(3000, np.random.default_rng(1))
    assert {driver.model for driver in drawn} == set(MODELS)
    for name, style in STYLES.items():
        gaps = [driver.wishes.time_gap_s for driver in drawn if driver.style == name]
        # The median of about a thousand draws with a spread of a tenth is off by less than 0.4 % in two of three times.
        assert np.median(gaps) == pytest.approx(style.time_gap_s, rel=0.02)


def test_a_way_follows_the_roads_for_as_long_as_asked():
    roads = Roads(
        {"a": 10.0, "b": 5.0, "c": 20.0}, {"a": (("b", "s"), ("c", "l")), "b": (("a", "r"),), "c": (("a", "s"),)}
    )
    way = wander(roads, "a", 300.0, np.random.default_rng(1))
    assert all(after in dict(roads.onward[before]) for before, after in pairwise(way))
    assert 300.0 <= sum(roads.duration_s[edge] for edge in way) < 320.0


def test_a_town_has_no_dead_ends_and_none_is_known_and_unseen(tmp_path):
    random = next(town for town in KNOWN if town.name == "random_stop_50")
    build(random, tmp_path / "town.net.xml")
    roads = read(tmp_path / "town.net.xml")
    assert len(roads.onward) > 100
    assert all(set(turns) != {"t"} for turns in ([turn for _, turn in ways] for ways in roads.onward.values()))
    assert not {town.options for town in KNOWN} & {town.options for town in UNSEEN}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<net", "not valid XML"),
        ("<routes/>", "its root element is <routes>"),
        (
            "<net><edge id='a'><lane index='0' allow='rail' length='9' speed='9'/></edge></net>",
            "must have two connected roads for cars",
        ),
    ],
)
def test_a_file_that_is_no_network_is_named(tmp_path, content, reason):
    path = tmp_path / "own.net.xml"
    path.write_text(content)
    with pytest.raises(MobilityError, match=rf"own\.net\.xml: .*{reason}"):
        read(path)
