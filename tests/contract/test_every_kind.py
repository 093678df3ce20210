"""What every built-in part of a kind owes to who calls it, whatever it computes: laws, not values."""

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from v2xsim import part_trials as trials
from v2xsim.comms.access.packets import DELIVERED, HALF_DUPLEX, SENSING, Packets, field_of
from v2xsim.comms.access.scheme import AccessScheme, RadioSettings, layer_of
from v2xsim.comms.channel.blockage.model import VehicleBlockage, blockage_of, moments_of
from v2xsim.comms.channel.building_loss.model import BuildingLoss, BuildingLossView, building_loss_of
from v2xsim.comms.channel.fading.model import Fading, FadingView, shape_of
from v2xsim.comms.channel.path_loss.model import PathLoss, PathLossView, loss_of, range_of
from v2xsim.comms.messages.awareness.rule import Announcer, AwarenessRule, AwarenessView
from v2xsim.comms.messages.redundancy.rule import Copies, RedundancyRule, RedundancyView, omitted_by
from v2xsim.comms.relay.choice import chosen_relays, scores_of
from v2xsim.comms.relay.rule import RelayRule
from v2xsim.gpu.bev.fusion.scheme import FusionScheme, fused_of
from v2xsim.parts import parts_of
from v2xsim.perception.detection.detector import Detector, detections_of
from v2xsim.perception.matching.choice import chosen_helpers, order_of
from v2xsim.perception.matching.rule import MatchingRule
from v2xsim.records import LOS, NLOSB, NLOSV

CARRIER_GHZ = 5.9


def every(base, wanted=lambda part: True):
    """Run a test with each built-in part of a kind, made from its defaults."""
    parts = [cls() for cls in parts_of(base).values()]
    return pytest.mark.parametrize("part", [part for part in parts if wanted(part)], ids=lambda part: part.name)


def assert_same(one, other):
    """Assert that two answers are equal to the bit, arrays inside dataclasses and tuples included."""
    if isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    elif is_dataclass(one):
        for item in fields(one):
            assert_same(getattr(one, item.name), getattr(other, item.name))
    elif isinstance(one, tuple | list):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other


# Access schemes.

ON_AIR = every(AccessScheme, lambda scheme: not scheme.ideal)
STATIONS = 8


def traffic(rng, stations=STATIONS, count=60):
    """Return packets of streams and single ones, in the order in which they become ready."""
    number = np.arange(count)
    sender = rng.integers(0, stations, count)
    ready_us = np.sort(rng.integers(0, 400_000, count))
    # A station has one stream at most, so a sender's packets are all of its stream or all single.
    period_us = np.where(sender % 2 == 0, 100_000, 0)
    key = (number.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD1B54A32D192ED03)
    return Packets(number, sender, np.full(count, -1), ready_us, np.full(count, 150), np.full(count, 2), period_us, key)


def powers(rng, stations=STATIONS):
    square = rng.uniform(-100.0, -55.0, (stations, stations))
    return np.minimum(square, square.T)


def keys(stations):
    return np.arange(1, stations + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def on_air(scheme, packets, square, station_key, until_us=3_000_000):
    layer = layer_of(scheme, RadioSettings(), 0, station_key)
    layer.submit(packets)
    return (*layer.advance(until_us, field_of(square, -110.0)), list(layer.dropped))


def heard(found, station_of):
    """Return packet, receiving station, outcome, begin and SINR of each reception."""
    return zip(
        found.packet.tolist(), station_of[found.receiver].tolist(), found.outcome.tolist(), found.start_us.tolist(),
        np.round(found.sinr_db.astype(float), 3).tolist(), strict=True,
    )  # fmt: skip


def test_schemes_differ_in_who_spreads_periods_draws_fading_and_counts_slots():
    schemes = parts_of(AccessScheme).items()
    assert {name for name, scheme in schemes if scheme.ideal} == {"ideal"}
    assert {name for name, scheme in schemes if scheme.spreads_periods} == {"random_slot"}
    assert {name for name, scheme in schemes if not scheme.draws_fading} == {"ideal", "random_slot"}
    assert {name: scheme.dcc_airtime_us for name, scheme in schemes if scheme.dcc_airtime_us is not None} == {
        "lte_mode4": 1000.0, "nr_mode2": 1000.0
    }  # fmt: skip


@ON_AIR
@pytest.mark.parametrize("seed", range(6))
class TestEveryAccessScheme:
    def test_sends_each_packet_once_and_not_before_it_is_ready(self, part, seed):
        rng = np.random.default_rng(seed)
        packets = traffic(rng)
        found, _, dropped = on_air(part, packets, powers(rng), keys(STATIONS))
        assert sorted([*found.number.tolist(), *dropped]) == packets.number.tolist()
        assert (found.began_us >= packets.ready_us[found.number]).all()
        assert (found.by == packets.sender[found.number]).all()

    def test_lets_no_station_send_two_packets_at_once(self, part, seed):
        rng = np.random.default_rng(seed)
        found, _, _ = on_air(part, traffic(rng), powers(rng), keys(STATIONS))
        for station in range(STATIONS):
            rows = np.flatnonzero(found.by == station)
            rows = rows[np.argsort(found.began_us[rows])]
            assert (found.began_us[rows[1:]] >= found.ended_us[rows[:-1]]).all()

    def test_lets_no_station_receive_while_it_sends(self, part, seed):
        rng = np.random.default_rng(seed)
        found, _, _ = on_air(part, traffic(rng), powers(rng), keys(STATIONS))
        for reception in range(len(found)):
            own = found.by == found.receiver[reception]
            overlaps = (found.began_us < found.end_us[reception]) & (found.ended_us > found.start_us[reception])
            if (own & overlaps).any():
                assert found.outcome[reception] in (HALF_DUPLEX, SENSING)

    def test_reports_a_sinr_that_is_at_most_the_snr_and_no_reception_by_the_sender(self, part, seed):
        rng = np.random.default_rng(seed)
        found, _, _ = on_air(part, traffic(rng), powers(rng), keys(STATIONS))
        assert (found.sinr_db <= found.snr_db + 1e-3).all()
        assert (found.receiver != found.sender).all()

    def test_finds_the_channel_busy_for_no_longer_than_it_ran(self, part, seed):
        rng = np.random.default_rng(seed)
        found, busy_us, _ = on_air(part, traffic(rng), powers(rng), keys(STATIONS))
        own_us = np.bincount(found.by, found.ended_us - found.began_us, STATIONS)
        assert (busy_us <= 3_000_000).all()
        # Its own packets are at least a quarter of a slot's subchannels each.
        assert (busy_us >= 0.24 * own_us).all()

    def test_gives_rows_no_meaning(self, part, seed):
        rng = np.random.default_rng(seed)
        packets, square, order = traffic(rng), powers(rng), rng.permutation(STATIONS)
        place = np.argsort(order)
        one, busy_us, _ = on_air(part, packets, square, keys(STATIONS))
        moved = replace(packets, sender=place[packets.sender])
        other, moved_busy_us, _ = on_air(part, moved, square[np.ix_(order, order)], keys(STATIONS)[order])
        assert sorted(heard(one, np.arange(STATIONS))) == sorted(heard(other, order))
        np.testing.assert_allclose(busy_us[order], moved_busy_us, atol=1)

    def test_carries_what_is_going_on_over_to_other_rows(self, part, seed):
        rng = np.random.default_rng(seed)
        packets, square = traffic(rng), powers(rng)
        straight, moved = (layer_of(part, RadioSettings(), 0, keys(STATIONS)) for _ in range(2))
        straight.submit(packets)
        moved.submit(packets)
        station_of = np.arange(STATIONS)
        for until_us in range(1_700, 600_000, 7_300):
            found, busy_us = straight.advance(until_us, field_of(square, -110.0))
            other, moved_us = moved.advance(until_us, field_of(square[np.ix_(station_of, station_of)], -110.0))
            assert sorted(heard(found, np.arange(STATIONS))) == sorted(heard(other, station_of))
            np.testing.assert_array_equal(busy_us[station_of], moved_us)
            row_of = np.argsort(station_of)
            station_of = rng.permutation(STATIONS)
            moved.reindexed(row_of[station_of], keys(STATIONS)[station_of])
        assert straight.dropped == moved.dropped

    def test_lets_a_station_that_has_left_begin_nothing_and_a_newcomer_hear_nothing_that_had_begun(self, part, seed):
        rng = np.random.default_rng(seed)
        packets, square, left_us, gone = traffic(rng), powers(rng), 150_000, 3
        layer = layer_of(part, RadioSettings(), 0, keys(STATIONS))
        layer.submit(packets)
        layer.advance(left_us, field_of(square, -110.0))
        # The newcomer takes over the last row, those behind the one that left move up.
        stay = np.array([station for station in range(STATIONS) if station != gone])
        layer.reindexed(np.append(stay, -1), np.append(keys(STATIONS)[stay], np.uint64(99)))
        after = np.full((STATIONS, STATIONS), -50.0)
        after[:-1, :-1] = square[np.ix_(stay, stay)]
        found, _ = layer.advance(3_000_000, field_of(after, -110.0))
        assert (found.began_us[packets.sender[found.number] == gone] < left_us).all()
        newcomer = found.receiver == STATIONS - 1
        assert newcomer.any()
        assert ((found.outcome[newcomer] == DELIVERED) <= (found.start_us[newcomer] >= left_us)).all()


# Path loss, blockage, buildings, fading.


def links(distance_m, state):
    count = len(distance_m)
    return PathLossView(
        np.asarray(distance_m, float), np.broadcast_to(state, count).astype(np.int8), np.full(count, 1.5),
        np.full(count, 2.0), CARRIER_GHZ,
    )  # fmt: skip


@every(PathLoss)
class TestEveryPathLoss:
    def test_loses_a_hundred_times_the_power_or_more_over_a_hundred_times_the_distance(self, part):
        for state in (LOS, NLOSV, NLOSB):
            near_db, far_db = loss_of(part, links([10.0, 1000.0], state))
            assert far_db >= near_db + 30.0

    def test_never_gains_with_distance_beyond_the_last_break(self, part):
        # Two rays interfere near by.
        for state in (LOS, NLOSV, NLOSB):
            assert (np.diff(loss_of(part, links(np.linspace(400.0, 3000.0, 200), state))) > 0).all()

    def test_loses_no_less_behind_vehicles_than_in_the_clear_and_more_behind_buildings(self, part):
        distance_m = np.linspace(20.0, 1000.0, 50)
        clear, behind, building = (loss_of(part, links(distance_m, state)) for state in (LOS, NLOSV, NLOSB))
        assert (behind >= clear).all()
        assert (building >= clear).all()
        assert (building > clear).any()

    def test_loses_between_60_and_160_db_over_100_m(self, part):
        for state in (LOS, NLOSV, NLOSB):
            assert 60.0 < loss_of(part, links([100.0], state))[0] < 160.0

    def test_gives_a_link_the_same_loss_alone_and_among_others(self, part):
        among = loss_of(part, links([5.0, 80.0, 900.0], [NLOSB, LOS, NLOSV]))
        assert_same(loss_of(part, links([80.0], LOS)), among[1:2])

    def test_reaches_farther_with_more_loss_allowed(self, part):
        reach = [range_of(part, loss_db, CARRIER_GHZ) for loss_db in (80.0, 100.0, 120.0)]
        assert reach == sorted(set(reach))


@every(VehicleBlockage)
class TestEveryVehicleBlockage:
    def test_adds_nothing_where_no_vehicle_is_in_the_way(self, part):
        moments = moments_of(part)
        if moments is None:
            view = trials.blockage_view(6)
            added = blockage_of(part, replace(view, state=np.full(6, NLOSB, np.int8)))
            assert (added == 0.0).all()
        else:
            # No vehicle, and one that is lower than both antennas.
            assert (moments[0][:2] == 0.0).all()
            assert (moments[1][:2] == 0.0).all()

    def test_adds_no_less_where_a_vehicle_is_above_both_antennas_than_between_them(self, part):
        moments = moments_of(part)
        if moments is not None:
            assert moments[0][2] >= moments[0][3] >= 0.0

    def test_never_amplifies(self, part):
        if moments_of(part) is None:
            assert (blockage_of(part, trials.blockage_view(9)) >= 0.0).all()


@every(BuildingLoss)
class TestEveryBuildingLoss:
    def test_is_the_same_in_both_directions(self, part):
        view = trials.building_loss_view(6)
        back = BuildingLossView(
            view.second_m, view.first_m, view.second_heading_rad, view.first_heading_rad, view.direct_db, CARRIER_GHZ
        )
        # Antennas of two heights would make the grid's formula depend on where it begins; both are 1.5 m here.
        np.testing.assert_allclose(building_loss_of(part, back), building_loss_of(part, view))

    def test_keeps_the_direct_loss_where_streets_run_side_by_side(self, part):
        view = trials.building_loss_view(4)
        beside = replace(view, second_heading_rad=view.first_heading_rad)
        assert_same(building_loss_of(part, beside), view.direct_db)

    def test_moves_with_the_scene(self, part):
        view = trials.building_loss_view(6)
        angle, shift = 0.7, np.array([300.0, -200.0, 0.0])
        turn = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])
        moved = BuildingLossView(
            view.first_m @ turn.T + shift, view.second_m @ turn.T + shift, view.first_heading_rad + angle,
            view.second_heading_rad + angle, view.direct_db, CARRIER_GHZ,
        )  # fmt: skip
        np.testing.assert_allclose(building_loss_of(part, moved), building_loss_of(part, view))


@every(Fading)
class TestEveryFading:
    def test_has_a_shape_that_the_radio_can_draw_from(self, part):
        shape = shape_of(part, FadingView(np.geomspace(1.0, 2000.0, 60), np.arange(60).astype(np.int8) % 3))
        assert ((shape >= 0.5) | (shape <= 0.0)).all()
        assert np.isinf(shape).all() == (not part.fades)

    def test_fades_no_less_farther_away_or_behind_something(self, part):
        def spread(distance_m, state):
            """Return the variance of the power: 1 / m of a Nakagami shape, (1 + 2 K) / (1 + K)^2 of a Rician one."""
            (m,) = shape_of(part, FadingView(np.array([distance_m]), np.array([state], np.int8)))
            return 1.0 / m if m > 0.0 else (1.0 - 2.0 * m) / (1.0 - m) ** 2

        for state in (LOS, NLOSV, NLOSB):
            assert spread(500.0, state) >= spread(10.0, state)
        for distance_m in (10.0, 500.0):
            assert spread(distance_m, NLOSB) >= spread(distance_m, LOS)


# Messages.


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
        np.tile(sender_m, (count, 1)).astype(float),
    )  # fmt: skip


def perceived(place_m, heard, announced=()):
    place_m = np.asarray(place_m, float)
    return RedundancyView(
        place_m, np.full(len(place_m), 10.0), np.zeros(2), heard, np.array(announced, float).reshape(-1, 2), 5_000_000
    )


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


# Relays, matching.

RELAYING = every(RelayRule, lambda rule: rule.relays)


@RELAYING
class TestEveryRelayRule:
    def test_picks_only_stations_that_qualify(self, part):
        view = trials.relay_view(6)
        found = chosen_relays(part, view, np.full(3, -1))
        assert (found.relay >= 0).all()
        assert view.usable[np.arange(3), found.relay].all()

    def test_picks_nobody_where_nobody_qualifies(self, part):
        view = trials.relay_view(6)
        nobody = replace(view, usable=np.zeros_like(view.usable))
        assert chosen_relays(part, nobody, np.full(3, -1)).relay.tolist() == [-1] * 3

    def test_picks_the_highest_score_of_those_that_qualify(self, part):
        view = trials.relay_view(6)
        score = np.where(view.usable, scores_of(part, view), -np.inf)
        found = chosen_relays(part, view, np.full(3, -1))
        np.testing.assert_array_equal(found.score, score.max(axis=1))

    def test_keeps_the_relay_that_it_has_just_chosen(self, part):
        view = trials.relay_view(6)
        first = chosen_relays(part, view, np.full(3, -1))
        assert_same(chosen_relays(part, view, first.relay), first)

    def test_scores_a_pair_the_same_alone_and_among_others(self, part):
        view = trials.relay_view(6)
        drawn = view.draw()
        alone = replace(
            view, requester=view.requester[1:2], helper=view.helper[1:2], usable=view.usable[1:2],
            draw=lambda: drawn[1:2],
        )  # fmt: skip
        assert_same(scores_of(part, alone)[0], scores_of(part, view)[1])

    def test_scores_the_scene_wherever_it_lies(self, part):
        view = trials.relay_view(6)
        moved = replace(view, antenna_m=view.antenna_m + np.array([0.0, 2000.0, 0.0]))
        open_view = replace(view, antenna_m=view.antenna_m + np.array([0.0, -3000.0, 0.0]))
        np.testing.assert_allclose(scores_of(part, moved), scores_of(part, open_view), atol=1e-9)


ASKING = every(MatchingRule, lambda rule: rule.asks)


@ASKING
class TestEveryMatchingRule:
    def test_keeps_the_byte_budget_and_the_number_of_helpers(self, part):
        for budget in (0.0, 350.0, 800.0, 1e6):
            for most in (0, 1, 3):
                view = replace(trials.matching_view(8), budget_bytes=budget, max_helpers=most)
                helpers = [choice.helper for choice in chosen_helpers(part, view)]
                assert view.cost_bytes[helpers].sum() <= budget
                assert len(set(helpers)) == len(helpers) <= most

    def test_asks_each_blind_cell_of_one_helper_that_sees_it(self, part):
        view = replace(trials.matching_view(8), budget_bytes=1e6, max_helpers=8)
        choices = chosen_helpers(part, view)
        assert len(choices) > 1
        assert sum(choice.cells.astype(int) for choice in choices).max() == 1
        for choice in choices:
            assert (choice.cells <= (view.observed[choice.helper] & (view.blind_weight > 0.0))).all()

    def test_gives_rows_no_meaning(self, part):
        view, order = trials.matching_view(8), np.array([5, 2, 7, 0, 3, 6, 1, 4])
        columns = ("observed", "occupied", "agent", "distance_m", "delivery", "relayed", "cost_bytes")
        moved = replace(view, **{name: getattr(view, name)[order] for name in columns})
        assert view.agent[order_of(part, view)].tolist() == moved.agent[order_of(part, moved)].tolist()


# Detection, fusion.


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
