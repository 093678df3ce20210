"""What every detector and fusion scheme among the built-in parts must obey, whatever it computes: laws, not values."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.contract.kinds import assert_same, every
from v2xsim import part_trials as trials
from v2xsim.engine.stations.sensing import observed_centers_m
from v2xsim.gpu.bev.fusion.scheme import FusionScheme, FusionView, FusionViews, Received, fused_of, fused_of_each
from v2xsim.perception.detection.detector import Detector, DetectorViews, detections_of, detections_of_each
from v2xsim.perception.detection.visibility_model import Visibility
from v2xsim.records import FREE, Boxes, Detections, PerceptionMatrix


@every(Detector)
class TestEveryDetector:
    def test_names_only_road_users_that_are_there_and_each_once(self, part):
        view = trials.detector_view(6)
        named = detections_of(part, view).truth
        named = named[named >= 0]
        assert len(set(named.tolist())) == len(named)
        assert set(named.tolist()) <= set(view.agent.tolist())

    def test_has_scores_between_0_and_1_and_bodies_with_a_size(self, part):
        found = detections_of(part, trials.detector_view(6))
        assert ((found.score > 0.0) & (found.score < 1.0)).all()
        assert (found.boxes.size_m > 0.0).all()

    def test_detects_nobody_without_a_point(self, part):
        view = trials.detector_view(6)
        found = detections_of(part, replace(view, points=np.zeros(6, np.int64)))
        assert (found.truth < 0).all()

    def test_detects_in_several_frames_at_once_what_it_detects_in_each_alone(self, part):
        if not part.does_many("detect", "detect_each"):
            pytest.skip("it has one way only")
        views, matrices = [trials.detector_view(size) for size in (6, 0, 3)], [observed(n) for n in range(3)]
        alone = [
            detections_of(part, replace(view, places=partial(observed_centers_m, matrix)))
            for view, matrix in zip(views, matrices, strict=True)
        ]
        together = detections_of_each(part, views_of_all(views, matrices))
        assert sum(len(found) for found in alone) > 0
        for one, other in zip(together, alone, strict=True):
            assert_same(one, other)


def views_of_all(views, matrices):
    """Return inputs for several frames as one input."""
    rows = [np.flatnonzero(view.points) for view in views]
    pairs = list(zip(views, rows, strict=True))
    return DetectorViews(
        np.repeat(np.arange(len(views)), [len(some) for some in rows]),
        Boxes.joined([view.objects[some] for view, some in pairs]),
        np.concatenate([view.agent[some] for view, some in pairs]),
        np.concatenate([view.points[some] for view, some in pairs]),
        matrices,
        lambda count: np.concatenate([view.row_draws(some, count) for view, some in pairs]),
        lambda number, count: np.array([view.frame_draws(number, count) for view in views]),
    )


def observed(number):
    """Return a matrix of which a few cells are observed; of number 0, none."""
    code = (np.arange(20).reshape(4, 5) * number % 7 == 1).astype(np.uint8) * FREE
    return PerceptionMatrix(np.array([number, -2]), 2.0, code)


@every(FusionScheme)
class TestEveryFusionScheme:
    def test_adds_nothing_when_nothing_has_arrived(self, part):
        view = replace(trials.fusion_view(5), received=())
        found = fused_of(part, view)
        assert_same(found.points, view.own_points)
        assert len(found.added_m) == len(found.added_object) == len(found.added_source) == 0

    def test_counts_no_fewer_points_on_anybody_than_the_ego_has(self, part):
        view = trials.fusion_view(5)
        assert (fused_of(part, view).points >= view.own_points).all()

    def test_names_a_source_among_the_helpers_for_every_added_point(self, part):
        found = fused_of(part, trials.fusion_view(5))
        assert len(found.added_m) == len(found.added_object) == len(found.added_source)
        assert set(found.added_source.tolist()) <= {901, 902}

    def test_knows_the_same_whichever_of_two_equal_helpers_comes_first(self, part):
        view = trials.fusion_view(5)
        one, _ = view.received
        twins = (replace(one, station=901), replace(one, station=902))
        straight = fused_of(part, replace(view, received=twins))
        turned = fused_of(part, replace(view, received=twins[::-1]))
        assert_same(straight.points, turned.points)
        assert_same(straight.detections, turned.detections)

    def test_fuses_for_several_egos_at_once_what_it_fuses_for_each_alone(self, part):
        if not part.does_many("fuse", "fuse_each"):
            pytest.skip("it has one way only")
        views = [view_of_points(seed, helpers) for seed, helpers in ((1, 2), (2, 1), (3, 3))]
        together = fused_of_each(part, views_of_points(views))
        for one, view in zip(together, views, strict=True):
            assert_same(one, fused_of(part, view))

    def test_leaves_a_frame_as_it_was_for_which_nothing_has_arrived_if_it_fuses_several_at_once(self, part):
        if not part.does_many("fuse", "fuse_each"):
            pytest.skip("it has one way only")
        view = replace(trials.fusion_view(5), received=())
        assert fused_of(part, view).detections is view.own_detections


def view_of_points(seed, helpers):
    """Return the view of an ego that received points on the ground, on itself, on road users, and on one who was away."""
    rng, agent = np.random.default_rng(seed), np.array([3, 5, 8, 13])

    def received(station):
        name, count = rng.choice([-1, 99, *agent], 40), len(agent)
        place_m, there = rng.normal(0.0, 50.0, (count, 3)), rng.uniform(size=count) < 0.7
        # Near the road users, where the ego places them, where the helper does, or nowhere.
        row = rng.integers(count, size=40)
        points_m = np.where(rng.uniform(size=(40, 1)) < 0.5, place_m[row], objects.center_m[row]) + rng.normal(
            0.0, 0.5, (40, 3)
        )
        return Received(station, 0.1, points_m, name, Detections.none(), lambda: (place_m, there))

    def detect(objects, points, added_m=None):
        seen = np.flatnonzero(points)
        return Detections(objects[seen], np.zeros((len(seen), 2)), points[seen] / 1e3, agent[seen])

    objects, own = Boxes(rng.normal(0.0, 50.0, (4, 3)), np.ones((4, 3)), rng.normal(size=4)), rng.integers(0, 3, 4)
    return FusionView(
        int(agent[seed % 4]), np.zeros(4), np.ones(3), objects, agent, own, detect(objects, own), np.zeros((2, 2), np.uint8),
        np.zeros(2, np.int64), 2.0, tuple(received(20 + n) for n in range(helpers)), detect, lambda: np.zeros((0, 3)),
    )  # fmt: skip


def views_of_points(views):
    """Return the views of several egos as one input."""
    items, agent = [(n, item) for n, view in enumerate(views) for item in view.received], views[0].agent

    def detect_each(view, row, objects, points):
        rows = [np.flatnonzero(view == number) for number in range(len(views))]
        return [Detections(objects[of], np.zeros((len(of), 2)), points[of] / 1e3, agent[row[of]]) for of in rows]

    return FusionViews(
        np.array([view.ego for view in views]), agent, np.array([view.objects.center_m for view in views]),
        np.ones((4, 3)), np.array([view.objects.yaw_rad for view in views]), np.array([view.own_points for view in views]),
        np.array([n for n, _ in items]), np.array([item.station for _, item in items]),
        np.cumsum([len(item.object_id) for _, item in items]), np.concatenate([item.points_m for _, item in items]),
        np.concatenate([item.object_id for _, item in items]), np.array([item.located[0] for _, item in items]),
        np.array([item.located[1] for _, item in items]), detect_each,
    )  # fmt: skip


@dataclass(frozen=True)
class Blind(Visibility):
    """A detector that inherits the way for many frames, and detects in another way than it."""

    def detect(self, view):
        return Detections.none()


@dataclass(frozen=True)
class Named(Visibility):
    """A detector that changes nothing in how it detects."""


@dataclass(frozen=True)
class Users(Visibility):
    """A detector of a user's file."""

    file = Path("own.py")


@pytest.mark.parametrize(("detector", "does"), [(Visibility, True), (Named, True), (Blind, False), (Users, False)])
def test_a_way_for_many_frames_is_taken_only_if_it_is_that_of_the_way_for_one(detector, does):
    assert detector().does_many("detect", "detect_each") == does
