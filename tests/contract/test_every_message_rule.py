"""What every awareness, redundancy and retelling rule among the built-in parts must obey, whatever it computes: laws, not values."""

from dataclasses import replace

import numpy as np

from tests.contract.kinds import assert_same, every
from v2xsim import part_trials as trials
from v2xsim.comms.messages.awareness.rule import Announcer, AwarenessRule, AwarenessView
from v2xsim.comms.messages.redundancy.rule import Copies, Nearby, RedundancyRule, RedundancyView, omitted_by
from v2xsim.comms.messages.retelling.rule import RetellingRule, told_on_by


def driving(count, now_us, wait_us=0.0):
    """Return stations that drive at 0, 5, 10, ... m/s."""
    speed = 5.0 * np.arange(count)
    place_m = np.column_stack([speed * now_us * 1e-6, np.zeros(count)])
    return AwarenessView(
        trials.identities(count), place_m, np.zeros(count), speed, now_us, np.full(count, float(wait_us))
    )


def sent(rule, wait_us, until_us=10_000_000, rows=slice(None)):
    """Return a row for each look of a run, a column for each of six stations."""
    announcer, looks = Announcer(rule), []
    for now_us in range(0, until_us, rule.check_us):
        view = driving(6, now_us, wait_us)
        looks.append(announcer.due(AwarenessView(
            view.agent[rows], view.place_m[rows], view.heading_rad[rows], view.speed_mps[rows], now_us, view.wait_us[rows]
        )))  # fmt: skip
    return np.array(looks)


@every(AwarenessRule)
class TestEveryAwarenessRule:
    def test_lets_every_station_send_within_its_longest_pace(self, part):
        due = sent(part, 0.0)
        for station in range(6):
            gaps = np.diff(np.flatnonzero(due[:, station])) * part.check_us
            assert gaps.max() <= part.longest_us + part.check_us

    def test_spaces_messages_as_congestion_control_asks(self, part):
        for wait_us in (250_000, 700_000):
            due = sent(part, wait_us)
            for station in range(6):
                assert (np.diff(np.flatnonzero(due[:, station])) * part.check_us >= wait_us).all()

    def test_lets_a_faster_station_send_no_less(self, part):
        assert (np.diff(sent(part, 0.0).sum(axis=0)) >= 0).all()

    def test_gives_rows_no_meaning(self, part):
        order = np.array([3, 0, 5, 1, 4, 2])
        assert_same(sent(part, 150_000.0, rows=order), sent(part, 150_000.0)[:, order])


def copies(place_m, speed_mps, age_us, sender_m):
    count = len(place_m)
    return Copies(
        np.asarray(place_m, float), np.full(count, speed_mps), np.full(count, 5_000_000 - age_us),
        np.tile(sender_m, (count, 1)).astype(float), np.arange(count), np.ones(count, bool),
    )  # fmt: skip


def perceived(place_m, heard, announced=()):
    """Return the view of a station with one station near it, which sees none of its objects and may meet all of them."""
    place_m = np.asarray(place_m, float)
    count, shape = len(place_m), (len(place_m), 1)
    blind = Nearby(
        np.array([99]), np.full((1, 2), 30.0), np.ones(1, bool), np.zeros(1, np.int64), np.zeros(shape, bool), np.zeros(shape, bool),
        np.zeros(shape), np.ones(shape),
    )  # fmt: skip
    return RedundancyView(
        place_m, np.full(count, 10.0), np.zeros(2), heard, np.array(announced, float).reshape(-1, 2), 5_000_000,
        np.zeros(count, np.int64), blind,
    )  # fmt: skip


@every(RedundancyRule)
class TestEveryRedundancyRule:
    def test_tells_of_everything_that_nobody_else_tells_of(self, part):
        assert not omitted_by(part, perceived([[0.0, 0.0], [20.0, 0.0]], Copies.nothing())).any()

    def test_tells_of_what_others_told_of_more_than_a_second_ago(self, part):
        heard = copies([[0.0, 0.0]] * 9, 10.0, 1_000_001, [1.0, 0.0])
        assert not omitted_by(part, perceived([[0.0, 0.0]], heard)).any()

    def test_tells_of_what_is_5_m_from_all_that_others_tell_of(self, part):
        heard = copies([[0.0, 5.0]] * 9, 10.0, 0, [1.0, 0.0])
        assert not omitted_by(part, perceived([[0.0, 0.0]], heard, [[0.0, -5.0]])).any()

    def test_leaves_out_no_less_when_more_is_heard(self, part):
        few = copies([[0.0, 0.0]] * 3, 10.0, 0, [1.0, 0.0])
        many = copies([[0.0, 0.0]] * 9 + [[20.0, 0.0]], 10.0, 0, [1.0, 0.0])
        places = [[0.0, 0.0], [20.0, 0.0], [40.0, 0.0]]
        less = omitted_by(part, perceived(places, few, [[40.0, 0.0]]))
        more = omitted_by(part, perceived(places, many, [[40.0, 0.0], [0.0, 0.0]]))
        assert (more | ~less).all()

    def test_gives_rows_no_meaning(self, part):
        heard = copies([[0.0, 0.0]] * 6 + [[20.0, 0.0]], 10.0, 0, [1.0, 0.0])
        places, order = np.array([[0.0, 0.0], [20.0, 0.0], [40.0, 0.0]]), np.array([2, 0, 1])
        straight = omitted_by(part, perceived(places, heard, [[40.0, 0.0]]))
        assert_same(omitted_by(part, perceived(places[order], heard, [[40.0, 0.0]])), straight[order])


@every(RetellingRule)
class TestEveryRetellingRule:
    def test_tells_nothing_on_for_nobody(self, part):
        view = trials.retelling_view(5)
        nobody = {name: getattr(view, name)[:0] for name in ("agent", "station_m", "reached")}
        pairs = {
            name: getattr(view, name)[:, :0] for name in ("told", "sees", "is_itself", "hears", "relevance", "better")
        }
        assert not told_on_by(part, replace(view, **nobody, **pairs)).any()

    def test_tells_nothing_on_that_everybody_knows(self, part):
        view = trials.retelling_view(5)
        if not part.compares:
            assert told_on_by(part, replace(view, told=np.ones((5, 3)))).any()
            return
        for known in ({"told": np.ones((5, 3))}, {"hears": np.ones((5, 3))}, {"is_itself": np.ones((5, 3), bool)}):
            assert not told_on_by(part, replace(view, **known)).any()

    def test_tells_no_less_on_when_less_is_known(self, part):
        view = trials.retelling_view(5)
        more = told_on_by(part, replace(view, told=np.zeros((5, 3)), hears=np.zeros((5, 3))))
        assert (more | ~told_on_by(part, view)).all()

    def test_gives_rows_no_meaning(self, part):
        view, order, turned = trials.retelling_view(5), np.array([3, 0, 4, 2, 1]), np.array([2, 0, 1])
        objects = {
            name: getattr(view, name)[order]
            for name in ("place_m", "speed_mps", "age_us", "hops", "origin", "is_mine", "tellings", "uniform")
        }
        stations = {name: getattr(view, name)[turned] for name in ("agent", "station_m", "reached")}
        pairs = {
            name: getattr(view, name)[order][:, turned]
            for name in ("told", "sees", "is_itself", "hears", "relevance", "better")
        }
        assert_same(told_on_by(part, replace(view, **objects, **stations, **pairs)), told_on_by(part, view)[order])
