"""The loss of links as stations work it out themselves."""

import numpy as np
import pytest

from tests.comms.relay.relay_views import OPEN
from v2xsim.comms.channel.blockage.knife_edges import KnifeEdges
from v2xsim.comms.channel.building_loss.tr37885 import DirectDistance
from v2xsim.comms.channel.detours import CornerMap
from v2xsim.comms.channel.path_loss.tr37885_urban import Tr37885Urban
from v2xsim.comms.channel.vehicle_loss import knife_edge_loss_db, knife_edge_parameter
from v2xsim.comms.channel.wave import SPEED_OF_LIGHT_MPS
from v2xsim.comms.relay.believed_channel import BelievedLinks, ChannelModel, believed_loss_db
from v2xsim.records import LOS, NLOSV, Boxes

CHANNEL = ChannelModel(Tr37885Urban(), KnifeEdges(), DirectDistance(), 5.9, OPEN, CornerMap.none())


def loss_db(*roofs_m):
    """Return loss and state of a link of 100 m between antennas of 1.6 m, for stations that know a body of some height halfway, or none."""
    count, known = len(roofs_m), [group for group, roof_m in enumerate(roofs_m) if roof_m]
    boxes = Boxes(
        np.tile([50.0, 0.0, 0.0], (len(known), 1)), np.array([[4.0, 1.8, roofs_m[group]] for group in known]).reshape(-1, 3),
        np.zeros(len(known)),
    )  # fmt: skip
    ends, none = np.tile([0.0, 0.0, 1.6], (count, 1)), np.full(count, -1, np.int64)
    links = BelievedLinks(
        ends, ends + np.array([100.0, 0.0, 0.0]), np.arange(count), none, none, boxes, np.array(known, np.int64)
    )
    return believed_loss_db(links, CHANNEL)


def test_a_roof_just_below_the_line_costs_what_the_knife_edge_says():
    loss, state = loss_db(1.5, 0.0)
    halfway_m = np.array([50.0])
    parameter = knife_edge_parameter(np.array([-0.1]), halfway_m, halfway_m, SPEED_OF_LIGHT_MPS / 5.9e9)
    edge_db = knife_edge_loss_db(parameter)[0]
    assert (state == LOS).all()
    assert edge_db == pytest.approx(5.0, abs=0.1)
    assert loss[0] - loss[1] == pytest.approx(edge_db, abs=0.01)


def test_what_one_station_knows_changes_the_loss_that_another_one_expects_by_nothing():
    loss, state = loss_db(1.5, 3.0)
    assert list(state) == [LOS, NLOSV]
    assert loss[0] == loss_db(1.5)[0][0]


def test_a_loss_is_the_same_to_the_last_bit_however_many_other_stations_decide():
    rng, count, known = np.random.default_rng(3), 60, 12
    first_m, second_m = (
        np.column_stack([rng.uniform(2000.0, 2400.0, count), rng.uniform(-9.0, 9.0, count), np.full(count, 1.6)])
        for _ in range(2)
    )
    center_m = np.column_stack([rng.uniform(2000.0, 2400.0, known), rng.uniform(-8.0, 8.0, known), np.zeros(known)])
    size_m, yaw_rad = np.tile([4.5, 1.8, 1.5], (known, 1)), rng.uniform(0.0, 0.1, known)
    none = np.full(count, -1, np.int64)

    def loss(stations):
        """Return the losses that the last one of some stations expects, all of which know the same bodies."""
        world, belonging = [np.tile(part, (stations, 1)) for part in (center_m, size_m)], np.arange(stations)
        links = BelievedLinks(
            first_m, second_m, np.full(count, stations - 1), none, none,
            Boxes(world[0], world[1], np.tile(yaw_rad, stations)), np.repeat(belonging, known),
        )  # fmt: skip
        return believed_loss_db(links, CHANNEL)[0]

    alone = loss(1)
    assert len(np.unique(alone)) == count
    np.testing.assert_array_equal(loss(300), alone)
