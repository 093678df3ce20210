"""The links of one instant as a graph of networkx: built from the same arrays in a stepped run and from a run folder.

networkx is imported when the first graph is made.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int8, Int64

from v2xsim.comms.access.lone_packets import lone_packets
from v2xsim.comms.channel.fading.model import FadingView, shape_of
from v2xsim.comms.messages.sizes import PACKET_HEADER_BYTES
from v2xsim.comms.relay.hops import Hops, KnownBodies
from v2xsim.comms.relay.lifetime import lifetimes_s
from v2xsim.engine.channel.access import radio_settings
from v2xsim.engine.channel.mean_over_fading import mean_over_fading
from v2xsim.engine.cooperation.relaying import usable_range_m
from v2xsim.engine.instant import Instant
from v2xsim.engine.stations.heard_pairs import Measured
from v2xsim.records import LINK_STATE_NAMES, Obstacles
from v2xsim.scenario.schema import Scenario
from v2xsim.world.snapshot import Snapshot

if TYPE_CHECKING:
    import networkx as nx

# Believed values of a link on which the receiving end has heard no packet of the sending end lately.
_UNHEARD_SHARE, _UNHEARD_DB = 0.0, -np.inf


class StationRows(NamedTuple):
    """The stations of an instant, in rising order of their agent ids.

    Attributes:
        agent: Agent id of each station.
        pose: True x, y, z and yaw of the centre of the body's bottom face, or of the foot of a roadside unit's pole.
        believed: x, y and yaw as the station itself estimates them.
        velocity_mps: True velocity over ground, x and y.
        antenna_m: True position of the antenna; the third column is its height above ground.
        lidars: Number of lidars that each station carries.
        is_ego: Whether each station requests and fuses data of others.
    """

    agent: Int64[np.ndarray, " stations"]
    pose: Float[np.ndarray, "stations 4"]
    believed: Float[np.ndarray, "stations 3"]
    velocity_mps: Float[np.ndarray, "stations 2"]
    antenna_m: Float[np.ndarray, "stations 3"]
    lidars: Int64[np.ndarray, " stations"]
    is_ego: Bool[np.ndarray, " stations"]


class LinkRows(NamedTuple):
    """The pairs of stations in range, with the 32 bits of the table `links`.

    Attributes:
        first: Row of one station of each pair.
        second: Row of the other station of each pair; larger than the first.
        distance_m: Distance between the antennas.
        state: Link state: LOS, NLOSV or NLOSB.
        loss_db: Path loss with blockage, without shadowing.
        shadowing_db: Shadowing, to be added to the loss.
        power_dbm: Received power, without fading.
    """

    first: Int64[np.ndarray, " links"]
    second: Int64[np.ndarray, " links"]
    distance_m: Float32[np.ndarray, " links"]
    state: Int8[np.ndarray, " links"]
    loss_db: Float32[np.ndarray, " links"]
    shadowing_db: Float32[np.ndarray, " links"]
    power_dbm: Float32[np.ndarray, " links"]


class HeardRows(NamedTuple):
    """What stations measured on the packets of others, with the 32 bits of the table `heard`.

    Attributes:
        station: Agent id of the station that measures.
        sender: Agent id of the station that it has heard lately.
        snr_db: Mean SNR of the sender's last packets.
        share: Share of the sender's last announcements that arrived, 0 to 1.
    """

    station: Int64[np.ndarray, " heard"]
    sender: Int64[np.ndarray, " heard"]
    snr_db: Float32[np.ndarray, " heard"]
    share: Float32[np.ndarray, " heard"]


@dataclass(frozen=True)
class LinkScene:
    """All that the graph of an instant is made of.

    Attributes:
        time_us: Traffic time of the tick.
        stations: The stations.
        links: The pairs of stations in range.
        heard: What stations had measured by the tick.
        snapshot: All road users: the bodies that may come between two stations.
        obstacles: Buildings.
        scenario: Scenario of the run.
    """

    time_us: int
    stations: StationRows
    links: LinkRows
    heard: HeardRows
    snapshot: Snapshot
    obstacles: Obstacles
    scenario: Scenario

    @staticmethod
    def of(instant: Instant, measured: Measured, obstacles: Obstacles, scenario: Scenario) -> "LinkScene":
        """Return the scene of an instant of a simulation, rounded as in the tables of a run."""
        fleet, links = instant.fleet, instant.links
        stations = StationRows(
            fleet.agent, fleet.pose, instant.errors.applied_to(fleet.pose)[:, [0, 1, 3]], fleet.velocity_mps, fleet.antenna_m,
            fleet.lidars, fleet.ego,
        )  # fmt: skip
        pairs = LinkRows(
            links.near.first.astype(np.int64), links.near.second.astype(np.int64), _short(links.distance_m), links.state,
            _short(links.loss_db), _short(links.shadowing_db), _short(links.power_dbm),
        )  # fmt: skip
        heard = HeardRows(
            np.repeat(fleet.agent, np.diff(measured.offset)), measured.sender, _short(measured.snr_db), _short(measured.share)
        )  # fmt: skip
        return LinkScene(instant.time_us, stations, pairs, heard, instant.snapshot, obstacles, scenario)


def link_graph(scene: LinkScene, name_of: Callable[[int], str]) -> "nx.DiGraph[str]":
    """Return the links of an instant as a graph: a node for each station, two edges for each pair in range.

    The edge from one station to another stands for what the first sends to the second. True values are equal in both
    directions; believed values are what the receiving end measured on the packets of the sending end, so they differ.
    All attributes are numbers, booleans and text, so that networkx can write the graph to a file.

    Attributes of a node:
        agent: Agent id, as in the tables.
        x_m, y_m, z_m, yaw_rad: True pose.
        believed_x_m, believed_y_m, believed_yaw_rad: Pose as the station itself estimates it.
        vx_mps, vy_mps: True velocity over ground.
        antenna_x_m, antenna_y_m, antenna_m: Position of the antenna, and its height above ground.
        lidars: Number of lidars that it carries.
        is_ego: Whether it requests and fuses data of others.

    Attributes of an edge:
        state: LOS, NLOSv or NLOSb.
        distance_m: Distance between the antennas.
        loss_db: Path loss with blockage, without shadowing.
        shadowing_db: Shadowing, to be added to the loss.
        power_dbm: Received power without fading.
        snr_db: Mean SNR of a full data packet.
        delivery: Probability that one full data packet is received, 0 to 1, over its fading, without interference and retries.
        unfaded_delivery: The same at the mean received power, as if packets did not fade: a link is usable while this is at least
            `cooperation.min_delivery` (table `deaths`).
        lifetime_s: Time until the first of range, building and body ends the link, if velocities do not change; 0 if it is blocked.
        believed_delivery: Share of the sender's last announcements that arrived at the receiver, 0 to 1; 0 if the receiver has not
            heard it lately.
        believed_snr_db: Mean SNR that the receiver measured on the sender's packets; minus infinity if it has not heard it lately.

    Attributes of the graph:
        time_s, time_us: Traffic time of the tick.
        heard_out_of_range: Number of ordered pairs of which one station has heard the other lately, and which are no edge, because
            they are out of range by now or the sender has left.

    Args:
        scene: The stations and links of the instant.
        name_of: Function that returns the name of the road user or roadside unit with an agent id.
    """
    import networkx as nx

    names = [name_of(agent) for agent in scene.stations.agent.tolist()]
    believed, out_of_range = _believed(scene)
    graph: nx.DiGraph[str] = nx.DiGraph(
        time_s=scene.time_us / 1e6, time_us=scene.time_us, heard_out_of_range=out_of_range
    )
    graph.add_nodes_from(zip(names, _rows(_node_columns(scene.stations)), strict=True))
    first, second = ([names[row] for row in rows.tolist()] for rows in (scene.links.first, scene.links.second))
    true = list(_rows(_true_columns(scene)))
    for senders, receivers, heard in ((first, second, believed[0]), (second, first, believed[1])):
        own = _rows(dict(zip(("believed_delivery", "believed_snr_db"), heard, strict=True)))
        graph.add_edges_from(
            (sender, receiver, both | one)
            for sender, receiver, both, one in zip(senders, receivers, true, own, strict=True)
        )
    return graph


def _node_columns(stations: StationRows) -> dict[str, np.ndarray]:
    pose, believed = stations.pose, stations.believed
    return {
        "agent": stations.agent, "x_m": pose[:, 0], "y_m": pose[:, 1], "z_m": pose[:, 2], "yaw_rad": pose[:, 3],
        "believed_x_m": believed[:, 0], "believed_y_m": believed[:, 1], "believed_yaw_rad": believed[:, 2],
        "vx_mps": stations.velocity_mps[:, 0], "vy_mps": stations.velocity_mps[:, 1],
        "antenna_x_m": stations.antenna_m[:, 0], "antenna_y_m": stations.antenna_m[:, 1], "antenna_m": stations.antenna_m[:, 2],
        "lidars": stations.lidars, "is_ego": stations.is_ego,
    }  # fmt: skip


def _true_columns(scene: LinkScene) -> dict[str, np.ndarray]:
    """Return the attributes of links that are equal in both directions."""
    links, radio = scene.links, scene.scenario.radio
    settings, size_bytes = radio_settings(radio), radio.mtu_bytes + PACKET_HEADER_BYTES
    power_dbm, fading = links.power_dbm.astype(np.float64), radio.propagation.fading
    packet = lone_packets(radio.access, settings, radio.mcs, size_bytes, power_dbm)
    delivery = packet.delivery
    if fading.fades and radio.access.draws_fading:
        delivery = mean_over_fading(
            lambda powers: lone_packets(radio.access, settings, radio.mcs, size_bytes, powers).delivery, power_dbm,
            shape_of(fading, FadingView(links.distance_m.astype(np.float64), links.state)),
        )  # fmt: skip
    return {
        "state": np.array(LINK_STATE_NAMES, object)[links.state], "distance_m": links.distance_m, "loss_db": links.loss_db,
        "shadowing_db": links.shadowing_db, "power_dbm": links.power_dbm, "snr_db": packet.snr_db, "delivery": delivery,
        "unfaded_delivery": packet.delivery, "lifetime_s": _lifetime_s(scene),
    }  # fmt: skip


def _lifetime_s(scene: LinkScene) -> Float[np.ndarray, " links"]:
    """Return how long each link lasts, from the true motion of its stations, all buildings and all road users."""
    links, antenna_m, velocity_mps = scene.links, scene.stations.antenna_m, scene.stations.velocity_mps
    count, bodies, radio = len(links.first), scene.snapshot.bodies, scene.scenario.radio
    hops = Hops(
        antenna_m[links.first], antenna_m[links.second], velocity_mps[links.first], velocity_mps[links.second],
        np.zeros(count, np.int64),
    )  # fmt: skip
    every = KnownBodies(
        np.array([0, len(bodies)], np.int64), bodies.boxes, scene.snapshot.velocity_mps[bodies.owner].reshape(-1, 2),
        np.zeros(len(bodies), bool),
    )  # fmt: skip
    # Nothing is sent beyond the range of the radio; over an ideal channel, all is received within it.
    usable_m = np.inf if radio.access.ideal else usable_range_m(scene.scenario.cooperation, radio)
    return lifetimes_s(hops, every, scene.obstacles, min(radio.range_m, usable_m))


def _believed(scene: LinkScene) -> tuple[list[list[np.ndarray]], int]:
    """Return what the receiving ends believe of the links, and the number of measurements that belong to no link.

    Returns:
        Delivery and SNR of each pair, first from its first to its second station, then the other way round.
    """
    agent, links, heard = scene.stations.agent, scene.links, scene.heard
    first, second = agent[links.first], agent[links.second]
    # Sender and receiver of each edge, in both directions, and of each measurement.
    ends = np.concatenate([
        np.column_stack([first, second]), np.column_stack([second, first]), np.column_stack([heard.sender, heard.station])
    ])  # fmt: skip
    _, number = np.unique(ends, axis=0, return_inverse=True)
    number = number.ravel()
    edges, measured = number[: 2 * len(first)], number[2 * len(first) :]
    share, snr_db = (
        np.full(number.max(initial=-1) + 1, _UNHEARD_SHARE),
        np.full(number.max(initial=-1) + 1, _UNHEARD_DB),
    )
    share[measured], snr_db[measured] = heard.share, heard.snr_db
    both = [[column[edges[: len(first)]], column[edges[len(first) :]]] for column in (share, snr_db)]
    return [list(one) for one in zip(*both, strict=True)], int((~np.isin(measured, edges)).sum())


def _rows(columns: dict[str, np.ndarray]) -> Iterator[dict[str, Any]]:
    """Yield each row of some columns as Python numbers and text, by the name of the column."""
    values = (column.tolist() for column in columns.values())
    return (dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True))


def _short(values: Float[np.ndarray, " rows"]) -> Float32[np.ndarray, " rows"]:
    return values.astype(np.float32)
