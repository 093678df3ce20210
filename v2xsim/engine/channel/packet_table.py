"""The table of packets: one row for each packet at each station with an outcome, and counts of weaker receptions."""

from collections.abc import Sequence

import numpy as np

from v2xsim.comms.access.packets import ALL_OUTCOME_NAMES, NOT_SENT, Receptions
from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.channel.messages import AWARENESS, PACKET_KINDS, Packet
from v2xsim.engine.channel.packet_rows import rows_of, sent_of
from v2xsim.engine.channel.pair_lookup import pairs_of
from v2xsim.engine.stations.contents import EVERYBODY, NOBODY
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.records import LINK_STATE_NAMES, NLOSB
from v2xsim.results.tables import Coded, Columns
from v2xsim.streams import Streams

UNHEARD_BIN_M = 5.0
# The bins reach 20 km, beyond the range of any scenario; the last bin also takes all larger distances.
_UNHEARD_BINS = 4000
# Number of draws that are kept besides those of the present stations, so that they are made again only now and then.
_SPARE_DRAWS = 1000


class PacketTable:
    """Writes one row for each recorded packet at each station for which the access layer reports an outcome.

    An outcome is reported for a station that detected the packet, that could not detect it because it was sending, or
    to which the packet was addressed. The other stations in range are counted at which an announcement was too weak.

    Args:
        packets: Table with one row for each recorded packet at each station with an outcome.
        unheard: Table with counts of stations in range at which an announcement was too weak to get a row.
        share: Share of the stations whose awareness messages get rows, above 0 and at most 1. Messages of other kinds
            always get rows.
        streams: Random streams, from which the stations are drawn whose awareness messages get rows.
    """

    def __init__(self, packets: Columns, unheard: Columns, share: float, streams: Streams) -> None:
        self._packets, self._unheard, self._share, self._streams = packets, unheard, share, streams
        self._listed: dict[int, bool] = {}
        self._too_weak = np.zeros((len(LINK_STATE_NAMES), _UNHEARD_BINS), np.int64)
        self._fleet, self._links = Fleet.none(), LinkBudget.none()
        # Receptions and packets of the present tick: one call writes the rows of them all.
        self._held: list[Receptions] = []
        self._held_packets: list[Packet] = []

    def tick(self, fleet: Fleet, links: LinkBudget) -> None:
        """Write the rows of the packets that finished over the old links, then take those of the new tick.

        Args:
            fleet: All stations; receptions name receivers by their row in it.
            links: Links of the receptions that are added from now on.
        """
        self.write()
        self._fleet, self._links = fleet, links

    def add(self, receptions: Receptions, packets: Sequence[Packet]) -> None:
        """Hold the outcomes of finished packets until their rows are written.

        Args:
            receptions: Outcomes from the access layer.
            packets: The finished packets, in the order of the receptions.
        """
        self._held.append(receptions)
        self._held_packets.extend(packets)

    def write(self) -> None:
        """Write the rows of all finished packets, and count the stations in range at which an announcement was too weak."""
        if not self._held:
            return
        receptions, packets, fleet, links = Receptions.joined(self._held), self._held_packets, self._fleet, self._links
        self._held, self._held_packets = [], []
        # Stations that have left fill it in a long run; whoever is still there is drawn again, with the same outcome.
        if len(self._listed) > 2 * len(fleet) + _SPARE_DRAWS:
            self._listed.clear()
        if self._share < 1.0:
            is_listed = np.array([self._lists(packet) for packet in packets], bool)
            receptions = receptions.of(is_listed)
            packets = [packet for packet, listed in zip(packets, is_listed, strict=True) if listed]
        sent = sent_of(packets)
        # The packet reception ratio counts only the first hop of announcements, so only there are the stations counted
        # at which the packet was too weak.
        counted = (sent.kind == PACKET_KINDS.index(AWARENESS)) & (sent.hop <= 1)
        # A station that came into range after the packet was sent may have no pair in these links.
        pair = pairs_of(receptions, links.near, counted, links.state, links.distance_m, UNHEARD_BIN_M, self._too_weak)
        if len(receptions) == 0:
            return
        rows = rows_of(receptions, sent, pair, fleet.agent, links.state, links.distance_m)._asdict()
        kind, link_state = Coded(rows.pop("kind"), PACKET_KINDS), Coded(rows.pop("link_state"), LINK_STATE_NAMES)
        self._packets.add(
            **rows, kind=kind, link_state=link_state, power_dbm=receptions.power_dbm, sinr_db=receptions.sinr_db,
            outcome=Coded(receptions.outcome, ALL_OUTCOME_NAMES),
        )  # fmt: skip

    def add_unsent(self, packet: Packet, time_us: int) -> None:
        """Write one row for a packet that its sender's full queue dropped: no receiver could get it."""
        self.write()
        if not self._lists(packet):
            return
        self._packets.add(
            queued_us=packet.message.queued_us, start_us=time_us, end_us=time_us, message=packet.message.number,
            kind=packet.message.kind, hop=packet.hop, fragment=packet.fragment, fragments=packet.fragments,
            size_bytes=packet.size_bytes, tx=packet.sender, rx=NOBODY if packet.target == EVERYBODY else packet.target,
            addressed=True, distance_m=np.nan, link_state=LINK_STATE_NAMES[NLOSB], power_dbm=np.nan, sinr_db=np.nan,
            outcome=ALL_OUTCOME_NAMES[NOT_SENT],
        )  # fmt: skip

    def close(self) -> None:
        """Write the rows that are held, and the counts of stations at which announcements were too weak to get a row."""
        self.write()
        state, distance_bin = np.nonzero(self._too_weak)
        if len(state):
            self._unheard.add(
                bin_m=(distance_bin * UNHEARD_BIN_M).astype(np.int64), link_state=Coded(state, LINK_STATE_NAMES),
                count=self._too_weak[state, distance_bin],
            )  # fmt: skip

    def _lists(self, packet: Packet) -> bool:
        """Return whether a packet gets rows; an awareness message gets them only if its sender was drawn."""
        if packet.message.kind != AWARENESS or self._share >= 1.0:
            return True
        if packet.sender not in self._listed:
            self._listed[packet.sender] = (
                self._streams.uniform("record.packets", self._streams.agent_key(packet.sender)) < self._share
            )
        return self._listed[packet.sender]
