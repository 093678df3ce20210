"""From which frame a helper answers, and with what."""

from tests.engine.small_world import HELPER, detections, frame, obstacles, own_states, request, scenario, stations_of
from v2xsim.engine.clock import Clock
from v2xsim.engine.cooperation.answering import Answering
from v2xsim.engine.stations.own_tracks import OwnTracks

MOVING = [frame(HELPER, t, seen=detections([(2 + t * 1e-5, 3)])) for t in (0, 100_000)]


def answering(now_us, *frames, tracks=None, **keys):
    stations = stations_of(own_states([1, HELPER]), *frames)
    tracks = OwnTracks(100_000) if tracks is None else tracks
    return Answering(scenario(**keys), Clock(now_us), stations, tracks, obstacles())


def test_a_helper_answers_from_its_newest_frame():
    assert answering(120_000, *MOVING).answer_to(request()).frame is MOVING[1]


def test_a_frame_whose_detection_is_not_finished_answers_nothing():
    assert answering(119_999, *MOVING).answer_to(request()).frame is MOVING[0]


def test_a_helper_without_a_finished_frame_does_not_answer():
    assert answering(19_999, MOVING[0]).answer_to(request()) is None


def test_an_answer_names_the_request_that_it_answers():
    asked = request(number=31)
    assert answering(120_000, *MOVING).answer_to(asked).request is asked


def test_boxes_are_sent_with_the_velocities_of_their_tracks():
    tracks = OwnTracks(100_000)
    for one in MOVING:
        tracks.follow([one])
    sent = answering(120_000, *MOVING, tracks=tracks, cooperation={"fusion": "late"}).answer_to(request()).detections
    # One metre in 0.1 s, which the tracker smooths.
    assert 8 < sent.velocity_mps[0, 0] < 10


def test_shared_points_are_thinned_as_the_fusion_scheme_says():
    cloud = frame(HELPER, points_m=[(1, 1, 1), (1.4, 1, 1)])
    for voxel_m, points in ((0.3, 2), (2.0, 1)):
        sent = answering(20_000, cloud, cooperation={"fusion": {"scheme": "early", "voxel_m": voxel_m}})
        assert len(sent.answer_to(request()).points_m) == points


def test_an_answer_is_cut_into_fragments_of_the_largest_payload_of_a_packet():
    cloud = frame(HELPER, points_m=[(1 + 0.4 * n, 1, 1) for n in range(15)])
    small = answering(20_000, cloud, radio={"mtu_bytes": 100}).answer_to(request())
    assert small.point_part.max() == 1
    assert answering(20_000, cloud).answer_to(request()).point_part.max() == 0
