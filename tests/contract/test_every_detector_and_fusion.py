"""What every detector and fusion scheme among the built-in parts must obey, whatever it computes: laws, not values."""

from dataclasses import replace

import numpy as np

from tests.contract.kinds import assert_same, every
from v2xsim import part_trials as trials
from v2xsim.gpu.bev.fusion.scheme import FusionScheme, fused_of
from v2xsim.perception.detection.detector import Detector, detections_of


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
