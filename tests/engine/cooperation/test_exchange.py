"""What a request says, and how many packets a payload needs."""

import numpy as np
import pytest

from tests.engine.small_world import (
    DETECT_US,
    EGO,
    HELPER,
    OTHER,
    STEP_US,
    capture,
    detections,
    fleet_of,
    forecast_of,
    foresight_of,
    frame,
    links_of,
    nothing_sent,
    obstacles,
    own_states,
    scenario,
    snapshot,
    stations_of,
    sure_of,
)
from v2xsim.engine.channel.air import IdealAir
from v2xsim.engine.clock import Clock
from v2xsim.engine.cooperation.answering import Answering
from v2xsim.engine.cooperation.at_once import AtOnce
from v2xsim.engine.cooperation.blind_zone import BlindZones
from v2xsim.engine.cooperation.cooperation import Cooperation
from v2xsim.engine.cooperation.exchange import fragments_of, request_of
from v2xsim.engine.cooperation.fusing import Detecting, Due, fused_each
from v2xsim.engine.cooperation.matching import Ask
from v2xsim.engine.cooperation.over_the_air import OverTheAir
from v2xsim.engine.cooperation.relaying import Relaying
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.own_tracks import OwnTracks
from v2xsim.records import FREE
from v2xsim.results.tables import Columns
from v2xsim.streams import Streams
from v2xsim.world.footprints import FootprintMap


def test_a_request_asks_the_chosen_helper_for_the_chosen_cells():
    ego = frame(EGO, 100_000, pose=(3, 4, 5, 6), lower=(7, 8))
    cells = np.eye(4, dtype=bool)
    asked = request_of(12, ego, Ask(HELPER, NOBODY, sure_of(HELPER), cells, 900))
    assert (asked.number, asked.ego, asked.helper, asked.frame_us) == (12, EGO, HELPER, 100_000)
    assert (asked.allowance_bytes, asked.cell_m) == (900, 2.0)
    assert asked.cells is cells
    assert (asked.lower.tolist(), asked.near_m.tolist()) == ([7, 8], [3, 4])


@pytest.mark.parametrize(("size_bytes", "fragments"), [(0, 1), (1, 1), (100, 1), (101, 2), (200, 2), (201, 3)])
def test_a_payload_needs_as_many_packets_as_it_fills_and_at_least_one(size_bytes, fragments):
    assert fragments_of(size_bytes, 100) == fragments


# Without messages, and with messages over a channel without delay and loss


MTU_BYTES = 100


def fused_over(exchange_of, **keys):
    """Return what an ego has fused after it asked all helpers that it knows, the bytes of each helper, and the packets."""
    settings = scenario(cooperation=keys, radio={"access": "ideal", "mtu_bytes": MTU_BYTES})
    world = snapshot([EGO, HELPER, OTHER], [(1, 1), (5, 1), (7, 7)])
    fleet, clock = fleet_of([EGO, HELPER, OTHER], world.boxes.center_m[:, :2]), Clock(0)
    packets, transfers = Columns("packets"), nothing_sent()

    def helper_frame(agent, x_m, y_m):
        cloud = [(1, 1 + 0.4 * n, 1) for n in range(6)]
        return frame(
            agent, pose=(x_m, y_m, 0, 0), points_m=cloud, code=np.full((4, 4), FREE),
            seen=detections([(7, 7)], truth=[OTHER]),
        )  # fmt: skip

    frames = [frame(EGO, pose=(1, 1, 0, 0)), helper_frame(HELPER, 5, 1), helper_frame(OTHER, 3, 5)]
    truths = {one.agent: capture(world, one.agent, object_id=[OTHER] * 6) for one in frames}
    own = own_states([EGO, HELPER, OTHER])
    known, tracks, exchanges = stations_of(own, *frames), OwnTracks(STEP_US), []
    air = IdealAir(clock, lambda heard: exchanges[0].receive(heard), packets)
    answering = Answering(settings, clock, known, tracks, obstacles())
    exchanges.append(exchange_of(settings, clock, air, known, transfers, answering.answer_to))
    zones = BlindZones(FootprintMap(obstacles(), 2.0))
    steps = Cooperation(settings, clock, Streams(1), air, exchanges[0], known, tracks, zones, transfers, forecast_of())

    class OneByOne(Detecting):
        detects_many = False

        def detector_of(self, ego, truth, code, received):
            return lambda objects, points, added_m=None: detections(objects.center_m[points > 0, :2])

    air.tick(fleet, links_of(fleet))
    clock.run_until(DETECT_US)
    steps.announce(own)
    clock.run_until(DETECT_US + 1)
    steps.match(own, 0)
    clock.run_until(DETECT_US + 2)
    contributions = steps.collected(frames[0])
    arrived = [item.arrived for item in contributions]
    due = Due(frames[0], truths[EGO], arrived, [truths[item.frame.agent] for item in arrived])
    (result,) = fused_each([due], settings.cooperation.fusion, OneByOne())
    return result, [item.received_bytes for item in contributions], packets.finished().to_pylist()


def over_the_air(settings, clock, air, known, transfers, answer_to):
    tables = Columns("relays"), Columns("nominations")
    relaying = Relaying(obstacles(), settings.cooperation, settings.radio, Streams(1), *tables, foresight_of(settings))
    return OverTheAir(settings, clock, air, known, OwnTracks(STEP_US), transfers, relaying, forecast_of(), answer_to)


def at_once(settings, clock, air, known, transfers, answer_to):
    return AtOnce(settings, clock, known, transfers, answer_to)


@pytest.mark.parametrize("fusion", ["early", "late", "raw"])
def test_messages_without_delay_and_loss_give_the_same_fused_frame_as_no_messages(fusion):
    (one, one_bytes, _), (other, other_bytes, _) = (fused_over(by, fusion=fusion) for by in (over_the_air, at_once))
    assert len(one.detections) > 0
    assert (one.code == FREE).all()
    assert one_bytes == other_bytes
    assert one.code.tolist() == other.code.tolist()
    assert one.points.tolist() == other.points.tolist()
    assert one.added_m.tolist() == other.added_m.tolist()
    assert one.detections.boxes.center_m.tolist() == other.detections.boxes.center_m.tolist()


def test_an_answer_larger_than_a_packet_is_one_packet_over_an_ideal_channel():
    _, received_bytes, packets = fused_over(over_the_air, fusion="raw")
    assert min(received_bytes) > MTU_BYTES
    kinds = [(row["kind"], row["fragments"]) for row in packets]
    assert kinds.count(("data", 1)) == len(received_bytes)
    assert {fragments for _, fragments in kinds} == {1}


def test_an_exchange_without_messages_sends_no_packet():
    assert fused_over(at_once, fusion="late")[2] == []
