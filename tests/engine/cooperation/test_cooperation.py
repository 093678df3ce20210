"""The steps of cooperation: who announces, matches and reports now, and what an ego collects at its deadline."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.engine.silent_air import SilentAir
from tests.engine.small_world import (
    DETECT_US,
    EGO,
    FORGET_US,
    HELPER,
    OTHER,
    RELAY,
    STEP_US,
    Candidate,
    answer,
    answer_message,
    awareness,
    candidates_from,
    detections,
    forecast_of,
    frame,
    matrix,
    nothing_sent,
    obstacles,
    own_states,
    report,
    request,
    scenario,
    stations_of,
)
from v2xsim.engine.clock import Clock
from v2xsim.engine.cooperation.blind_zone import BlindZones
from v2xsim.engine.cooperation.cooperation import Cooperation
from v2xsim.engine.cooperation.exchange import Exchange
from v2xsim.engine.cooperation.transfers import Transfer
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.own_tracks import OwnTracks
from v2xsim.records import FREE
from v2xsim.streams import Streams
from v2xsim.world.footprints import FootprintMap

FRAME_US = 100_000
NOW_US = FRAME_US + DETECT_US


@dataclass
class Post(Exchange):
    """An exchange that keeps what it is given, and knows one helper for every ego."""

    announced: list = field(default_factory=list)
    phases_us: dict = field(default_factory=dict)
    reported: list = field(default_factory=list)
    matched: list = field(default_factory=list)
    planned_us: list = field(default_factory=list)
    asked: list = field(default_factory=list)

    def announcement_phase_us(self, agent):
        return self.phases_us.get(agent, 0)

    def announce(self, sent):
        self.announced.append(sent)

    def report(self, sent):
        self.reported.append(sent)

    def plan_passing(self, frame_us):
        self.planned_us.append(frame_us)

    def candidates(self, own, frame_us, egos):
        self.matched.append((own, frame_us, [ego.agent for ego, _ in egos]))
        sees = np.full((4, 4), FREE, np.uint8)
        return candidates_from(
            *[[Candidate(HELPER, matrix(sees), np.zeros(2), 1.0, 1.0, np.inf, NOBODY)] for _ in egos]
        )

    def ask(self, ego, asks):
        self.asked.append((ego.agent, [one.helper for one in asks], asks))

    def receive(self, heard):
        raise AssertionError("nothing is sent here")


class Scene:
    """Stations with their frames, and the steps of their cooperation at one instant."""

    def __init__(self, own, *frames, now_us=NOW_US, wait_us=None, radio=None, **keys):
        self.own, self.stations, self.post, self.transfers = own, stations_of(own, *frames), Post(), nothing_sent()
        self.air = SilentAir(np.zeros(len(own)) if wait_us is None else np.array(wait_us, float))
        self.tracks = OwnTracks(STEP_US)
        self.settings = scenario(cooperation=keys, radio=radio or {})
        self.clock, zones = Clock(now_us), BlindZones(FootprintMap(obstacles(), 2.0))
        self.steps = Cooperation(
            self.settings,
            self.clock,
            Streams(1),
            self.air,
            self.post,
            self.stations,
            self.tracks,
            zones,
            self.transfers,
            forecast_of(),
        )


# Announcements


def announced_in(scene):
    scene.steps.announce(scene.own)
    return scene.post.announced


def test_every_station_whose_rule_says_so_announces_itself():
    scene = Scene(own_states([EGO, HELPER, OTHER]), wait_us=[0, 2e6, 0])
    assert [sent.origin for sent in announced_in(scene)] == [EGO, OTHER]


def test_congestion_control_counts_with_a_typical_announcement_of_350_bytes():
    scene = Scene(own_states([EGO]))
    announced_in(scene)
    assert scene.air.asked_bytes == [350]


def test_a_station_announces_the_matrix_of_its_newest_detected_frame():
    old, new = frame(EGO, 0), frame(EGO, FRAME_US)
    assert announced_in(Scene(own_states([EGO]), old, new))[0].matrix is new.matrix
    assert announced_in(Scene(own_states([EGO]), old, new, now_us=NOW_US - 1))[0].matrix is old.matrix


def test_a_station_that_has_lost_its_lidar_announces_no_matrix():
    own = own_states([EGO, HELPER], without_lidar=[HELPER])
    matrices = [sent.matrix for sent in announced_in(Scene(own, frame(EGO, 0), frame(HELPER, 0)))]
    assert matrices[0] is not None
    assert matrices[1] is None


def test_a_station_announces_whom_it_has_heard_lately():
    scene = Scene(own_states([EGO, HELPER, OTHER]), now_us=FORGET_US)
    scene.stations.measure(np.array([HELPER]), OTHER, np.array([20.0]), 1)
    scene.stations.measure(np.array([HELPER]), EGO, np.array([20.0]), -1)
    assert [sent.heard.agent.tolist() for sent in announced_in(scene)] == [[], [OTHER], []]


def test_a_station_numbers_its_announcements():
    scene = Scene(own_states([EGO, HELPER]))
    announced_in(scene)
    scene.steps.announce(own_states([EGO, HELPER]))
    assert [(sent.origin, sent.sequence) for sent in scene.post.announced][:2] == [(EGO, 0), (HELPER, 0)]


def test_a_station_makes_its_announcement_at_its_own_phase_from_what_it_knows_then():
    scene = Scene(own_states([EGO, HELPER]), frame(HELPER, 0))
    scene.post.phases_us[HELPER] = STEP_US + 1
    assert [sent.origin for sent in announced_in(scene)] == [EGO]
    newer = frame(HELPER, FRAME_US + STEP_US)
    scene.stations.keep_frame(newer)
    scene.stations.enter(own_states([EGO, HELPER], time_us=FRAME_US + STEP_US))
    scene.clock.run_until(NOW_US + STEP_US + 1)
    assert len(scene.post.announced) == 1
    scene.clock.run_until(NOW_US + STEP_US + 2)
    sent = scene.post.announced[1]
    assert (sent.origin, sent.capture_us) == (HELPER, FRAME_US + STEP_US)
    assert sent.matrix is newer.matrix


def test_a_station_that_leaves_before_its_phase_announces_nothing():
    scene = Scene(own_states([EGO, HELPER]))
    scene.post.phases_us[HELPER] = 50
    announced_in(scene)
    scene.stations.enter(own_states([EGO]))
    scene.clock.run_until(NOW_US + STEP_US)
    assert [sent.origin for sent in scene.post.announced] == [EGO]


# Matching


def test_egos_whose_newest_frame_was_just_detected_ask():
    own = own_states([EGO, HELPER, OTHER], egos=[EGO, HELPER, OTHER])
    scene = Scene(own, frame(EGO, FRAME_US), frame(HELPER, 0))
    scene.steps.match(own, FRAME_US)
    assert scene.post.matched == [(own, FRAME_US, [EGO])]
    assert [(ego, helpers) for ego, helpers, _ in scene.post.asked] == [(EGO, [HELPER])]


def test_stations_that_do_not_fuse_ask_nobody():
    own = own_states([EGO, HELPER])
    scene = Scene(own, frame(EGO, FRAME_US), frame(HELPER, FRAME_US))
    scene.steps.match(own, FRAME_US)
    assert [ego for ego, _, _ in scene.post.asked] == [EGO]


def test_an_ego_asks_for_the_cells_that_it_does_not_see():
    own, code = own_states([EGO]), np.zeros((4, 4))
    code[1:] = FREE
    scene = Scene(own, frame(EGO, FRAME_US, code=code))
    scene.steps.match(own, FRAME_US)
    ((_, _, (one,)),) = scene.post.asked
    assert np.argwhere(one.cells).tolist() == [[0, 0], [0, 1], [0, 2], [0, 3]]


# Collective perception


def reported_in(scene):
    scene.steps.report(scene.own, FRAME_US)
    return scene.post.reported


def test_stations_decide_what_they_pass_on_before_reports_are_sent_and_before_egos_ask():
    for step in ("report", "match"):
        # Without an ego too: reports of stations are passed on to those that only listen.
        scene = Scene(own_states([HELPER], egos=[]), frame(HELPER, FRAME_US))
        getattr(scene.steps, step)(scene.own, FRAME_US)
        assert scene.post.planned_us == [FRAME_US]


def test_every_station_with_a_lidar_reports_from_the_frame_that_was_just_detected():
    own = own_states([EGO, HELPER, OTHER, RELAY, 5], without_lidar=[OTHER])
    frames = [frame(agent, FRAME_US) for agent in (EGO, OTHER, 5)]
    scene = Scene(own, *frames, frame(HELPER, 0), fusion="cpm")
    assert [sent.origin for sent in reported_in(scene)] == [EGO, 5]


def test_congestion_control_makes_each_station_wait_for_itself():
    own = own_states([EGO, HELPER])
    scene = Scene(own, frame(EGO, FRAME_US), frame(HELPER, FRAME_US), fusion="cpm", wait_us=[9e9, 0])
    assert [sent.origin for sent in reported_in(scene)] == [HELPER]
    assert scene.air.asked_bytes == [350]


def test_a_report_describes_the_lidars_of_its_station():
    (sent,) = reported_in(Scene(own_states([HELPER]), frame(HELPER, FRAME_US), fusion="cpm"))
    # 37 bytes and 26 / 3 for the one lidar.
    assert sent.size_bytes == 46


def reported_of_a_moving_car(**keys):
    """Return the objects that a station reports of a car that drives east at 10 m/s, over the 0.4 s after it came into view."""
    scene = Scene(own_states([HELPER], egos=[HELPER]), fusion="cpm", now_us=0, **keys)
    said = awareness(OTHER, 0, pose=(30, 0, 0, 0), velocity_mps=(10, 0))
    scene.stations.neighbours.hear(said, 0, np.array([HELPER]), 0)
    for n in range(4):
        one = frame(HELPER, n * STEP_US, seen=detections([(30 + n, 0)]))
        scene.stations.keep_frame(one)
        scene.tracks.follow([one])
        scene.clock.run_until(one.time_us + DETECT_US)
        scene.steps.report(scene.own, one.time_us)
    return [sent.detections for sent in scene.post.reported if len(sent.detections)]


def test_a_report_has_the_velocities_of_tracks():
    (seen,) = reported_of_a_moving_car()
    assert 8 < seen.velocity_mps[0, 0] < 10.5


def test_a_station_leaves_out_who_announces_itself_where_the_announcement_puts_it_now():
    assert reported_of_a_moving_car(redundancy="self_announcing") == []


def test_a_station_knows_announced_vehicles_moved_on_to_its_frame():
    scene = Scene(own_states([EGO]))
    said = awareness(OTHER, 0, pose=(30, 0, 0, 0), velocity_mps=(10, 0))
    scene.stations.neighbours.hear(said, 0, np.array([EGO]), 1_000)
    (known,) = scene.steps.announced_vehicles([frame(EGO, FRAME_US)])
    assert known.boxes.center_m.tolist() == [[31, 0, 0]]


def test_a_station_forgets_a_vehicle_that_has_been_silent():
    scene = Scene(own_states([EGO]), now_us=FORGET_US + 1_001)
    scene.stations.neighbours.hear(awareness(OTHER, 0), 0, np.array([EGO]), 1_000)
    assert [len(known) for known in scene.steps.announced_vehicles([frame(EGO, FRAME_US)])] == [0]


# What an ego collects


MTU = {"mtu_bytes": 100}


def answered(
    scene, helper=HELPER, *, number=8, parts=(True,), captured_us=FRAME_US, frame_us=FRAME_US, relay=NOBODY, size_bytes=70,
    **about,
):  # fmt: skip
    """Let an answer arrive at the ego, or parts of it."""
    sent = answer(request(helper=helper, frame_us=frame_us), frame(helper, captured_us), size_bytes=size_bytes, **about)
    message = answer_message(sent, number=number, relay=relay)
    scene.transfers.add(Transfer.of(message, frame_us, captured_us, captured_us, len(parts)))
    scene.stations.knowledge_of(EGO).receive_part(number, sent, np.array(parts))
    return scene.transfers.of_message(number)


def collected(scene):
    return scene.steps.collected(frame(EGO, FRAME_US))


def test_an_ego_collects_the_newest_answer_of_each_helper():
    scene = Scene(own_states([EGO]))
    answered(scene, OTHER, number=8)
    answered(scene, HELPER, number=9, relay=RELAY, captured_us=60_000)
    first, second = collected(scene)
    assert (first.helper, first.relay, first.capture_us) == (HELPER, RELAY, 60_000)
    assert (second.helper, second.relay, second.capture_us) == (OTHER, NOBODY, FRAME_US)


def test_an_answer_that_arrived_whole_brought_its_own_bytes():
    scene = Scene(own_states([EGO]), radio=MTU)
    answered(scene, parts=(True, True, True), size_bytes=250)
    assert [item.received_bytes for item in collected(scene)] == [250]


@pytest.mark.parametrize(("parts", "received_bytes"), [((True, False, True), 200), ((False, True, False), 100)])
def test_an_answer_that_arrived_in_part_brought_a_packet_for_each_part(parts, received_bytes):
    scene = Scene(own_states([EGO]), radio=MTU)
    answered(scene, parts=parts, size_bytes=250)
    assert [item.received_bytes for item in collected(scene)] == [received_bytes]


def test_parts_bring_no_more_than_the_answer_has():
    scene = Scene(own_states([EGO]), radio=MTU)
    answered(scene, parts=(False, True), size_bytes=90)
    assert [item.received_bytes for item in collected(scene)] == [90]


def test_an_answer_that_is_fused_for_its_own_frame_is_used():
    scene = Scene(own_states([EGO]))
    transfer = answered(scene)
    (item,) = collected(scene)
    assert item.is_for_this_frame
    assert (transfer.outcome, transfer.fuse_us) == ("used", NOW_US)


def test_an_answer_came_over_the_path_chosen_when_the_ego_asked():
    scene = Scene(own_states([EGO]))
    answered(scene, frame_us=30_000)
    (item,) = collected(scene)
    assert item.path_us == 30_000 + DETECT_US


def test_an_answer_to_an_earlier_request_is_late():
    scene = Scene(own_states([EGO]))
    transfer = answered(scene, frame_us=0, captured_us=0)
    (item,) = collected(scene)
    assert not item.is_for_this_frame
    assert transfer.outcome == "late"


@pytest.mark.parametrize(("age_ms", "count"), [(60.0, 1), (59.9, 0)])
def test_an_answer_older_than_the_scenario_allows_is_not_collected(age_ms, count):
    scene = Scene(own_states([EGO]), max_age_ms=age_ms)
    answered(scene, captured_us=FRAME_US - 60_000)
    assert len(collected(scene)) == count


def test_an_answer_is_collected_on_the_grid_of_the_frame():
    scene = Scene(own_states([EGO]))
    answered(scene)
    (item,) = scene.steps.collected(frame(EGO, FRAME_US, code=np.zeros((5, 5))))
    assert item.arrived.code.shape == (5, 5)


def test_of_an_answer_the_parts_that_are_there_are_collected():
    scene = Scene(own_states([EGO]))
    answered(scene, parts=(False, True), points_m=[(1, 1, 1), (3, 3, 1)], point_part=[0, 1])
    (item,) = collected(scene)
    assert item.arrived.points_m.tolist() == [[3, 3, 1]]


def test_an_ego_that_fuses_nothing_collects_nothing():
    scene = Scene(own_states([EGO]), fusion="none")
    answered(scene)
    assert collected(scene) == []


def test_an_ego_collects_the_reports_of_each_sender():
    scene = Scene(own_states([EGO]), fusion="cpm")
    known = scene.stations.knowledge_of(EGO)
    known.take_report(report(frame(HELPER, 50_000), detections([(1, 1), (3, 3)]), size_bytes=93), 60_000, False)
    (item,) = collected(scene)
    assert (item.helper, item.relay, item.capture_us) == (HELPER, NOBODY, 50_000)
    assert (item.is_for_this_frame, item.received_bytes, item.path_us) == (True, 93, 50_000 + DETECT_US)
    assert len(item.arrived.detections) == 2
