"""What every path loss, vehicle blockage, building loss and fading among the built-in parts must obey, whatever it computes: laws, not values."""

from dataclasses import replace

import numpy as np

from tests.contract.kinds import assert_same, every
from v2xsim import part_trials as trials
from v2xsim.comms.channel.blockage.model import VehicleBlockage, blockage_of, moments_of
from v2xsim.comms.channel.building_loss.model import BuildingLoss, BuildingLossView, building_loss_of
from v2xsim.comms.channel.detours import Detours
from v2xsim.comms.channel.fading.decibels import faded_db
from v2xsim.comms.channel.fading.model import Fading, FadingView, shape_of
from v2xsim.comms.channel.path_loss.model import PathLoss, PathLossView, loss_of, range_of
from v2xsim.records import LOS, NLOSB, NLOSV

CARRIER_GHZ = 5.9


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
        ways = view.detours
        back = Detours(ways.second_m, ways.first_m, ways.behind_m, ways.between_m, ways.before_m)
        turned = BuildingLossView(view.second_m, view.first_m, view.direct_db, CARRIER_GHZ, back)
        # Antennas of two heights would make the grid's formula depend on where it begins; both are 1.5 m here.
        np.testing.assert_allclose(building_loss_of(part, turned), building_loss_of(part, view))

    def test_loses_no_less_than_the_direct_loss_without_a_way_round(self, part):
        view = trials.building_loss_view(4)
        nowhere = replace(view, detours=Detours.none(4))
        assert (building_loss_of(part, nowhere) >= view.direct_db).all()

    def test_moves_with_the_scene(self, part):
        view = trials.building_loss_view(6)
        angle, shift = 0.7, np.array([300.0, -200.0, 0.0])
        turn = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])
        moved = replace(view, first_m=view.first_m @ turn.T + shift, second_m=view.second_m @ turn.T + shift)
        np.testing.assert_allclose(building_loss_of(part, moved), building_loss_of(part, view))


@every(Fading)
class TestEveryFading:
    def test_has_a_shape_that_the_radio_can_draw_from(self, part):
        shape = shape_of(part, FadingView(np.geomspace(1.0, 2000.0, 60), np.arange(60).astype(np.int8) % 3))
        assert ((shape >= 0.5) | (shape <= 0.0)).all()
        assert np.isinf(shape).all() == (not part.fades)

    def test_has_a_mean_and_a_spread_in_decibels(self, part):
        shape = shape_of(part, FadingView(np.geomspace(1.0, 2000.0, 60), np.arange(60).astype(np.int8) % 3))
        mean_db, variance_db2 = faded_db(shape)
        assert np.isfinite(mean_db).all()
        assert (mean_db <= 0.0).all()
        assert ((variance_db2 > 0.0) == np.isfinite(shape)).all()

    def test_fades_no_less_farther_away_or_behind_something(self, part):
        def spread(distance_m, state):
            """Return the variance of the power: 1 / m of a Nakagami shape, (1 + 2 K) / (1 + K)^2 of a Rician one."""
            (m,) = shape_of(part, FadingView(np.array([distance_m]), np.array([state], np.int8)))
            return 1.0 / m if m > 0.0 else (1.0 - 2.0 * m) / (1.0 - m) ** 2

        for state in (LOS, NLOSV, NLOSB):
            assert spread(500.0, state) >= spread(10.0, state)
        for distance_m in (10.0, 500.0):
            assert spread(distance_m, NLOSB) >= spread(distance_m, LOS)
