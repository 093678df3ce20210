"""The links of a kept frame: their states when the ego chose its paths, and what happened to the packets on them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.viz.run.folder import RunFolder


@dataclass(frozen=True)
class FrameLinks:
    """The links over which an ego asked for data and received it, and the direct links that a relay replaced, or a station that told on a report.

    Attributes:
        a: Agent id of the ego or a relay, at one end of each link.
        b: Agent id of a helper or a relay, at the other end.
        state: Link state when the ego chose the path: LOS, NLOSv or NLOSb.
        role: Role of the link: direct, relay_hop, or replaced (by a relay).
        used: Whether data that crossed the link was fused.
        sent: Number of packets that were sent over the link for this frame, in both directions.
        arrived: Number of these packets that arrived.
        expected: Predicted probability that a data packet crosses a replaced link, 0 to 1; NaN for other links, or if unknown.
        tellers: Agent ids of the stations that told the ego on what the helpers had reported.
    """

    a: Int64[np.ndarray, " links"]
    b: Int64[np.ndarray, " links"]
    state: np.ndarray
    role: np.ndarray
    used: Bool[np.ndarray, " links"]
    sent: Int64[np.ndarray, " links"]
    arrived: Int64[np.ndarray, " links"]
    expected: Float[np.ndarray, " links"]
    tellers: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.a)

    @staticmethod
    def none() -> "FrameLinks":
        """Return no links."""
        rows, words = np.zeros(0, np.int64), np.zeros(0, object)
        return FrameLinks(rows, rows, words, words, np.zeros(0, bool), rows, rows, np.zeros(0))

    def relays(self, ego: int) -> dict[int, list[int]]:
        """Return the helpers whose data an ego fused through each relay, by the relay's agent id."""
        helpers: dict[int, list[int]] = {}
        hops = zip(self.a.tolist(), self.b.tolist(), self.role.tolist(), self.used.tolist(), strict=True)
        for a, b, role, used in hops:
            if role == "relay_hop" and used and ego not in (a, b):
                helpers.setdefault(a, []).append(b)
        return helpers


def load_links(folder: RunFolder, number: int, frame_us: int, ego: int) -> FrameLinks:
    """Return the links of a kept frame.

    Args:
        folder: Folder of the run.
        number: Number of the kept frame.
        frame_us: Time of the frame's capture.
        ego: Agent id of the ego.
    """
    rows = folder.arrays("frame_links", ["time_us", "a", "b", "state", "role", "used"], [("frame", "==", number)])
    is_hop = rows["role"] == "relay_hop"
    relays = np.unique(rows["b"][is_hop & (rows["a"] == ego)]).tolist()
    packets = _packets(folder, frame_us, ego, relays, rows["time_us"])
    pair = np.sort(np.stack([rows["a"], rows["b"]], axis=1), axis=1)
    crossed = (np.sort(packets["ends"], axis=1)[None] == pair[:, None]).all(2)
    # A station may be helper and relay at once; then its direct packets have no relay, and those that it forwards have one.
    crossed &= is_hop[:, None] == packets["relayed"]
    crossed[rows["role"] == "replaced"] = False
    return FrameLinks(
        rows["a"], rows["b"], rows["state"], rows["role"], rows["used"], crossed.sum(1),
        (crossed & packets["arrived"]).sum(1), _expected(folder, ego, rows), frozenset(packets["tellers"].tolist()),
    )  # fmt: skip


def _packets(
    folder: RunFolder, frame_us: int, ego: int, relays: list[int], chosen_us: np.ndarray
) -> dict[str, np.ndarray]:
    """Return both ends of the packets that belong to a frame, whether a relay has to do with them, whether each arrived, and who told the ego on."""
    fused = folder.arrays("fusion", ["fuse_us"], [("frame_us", "==", frame_us), ("ego", "==", ego)])["fuse_us"]
    moves = folder.arrays("transfers", ["message", "origin", "destination", "relay", "frame_us", "fuse_us"])
    mine = (moves["origin"] == ego) | (moves["destination"] == ego)
    mine &= (moves["frame_us"] == frame_us) | (np.isin(moves["fuse_us"], fused) & (moves["fuse_us"] >= 0))
    relay_of = dict(zip(moves["message"][mine].tolist(), moves["relay"][mine].tolist(), strict=True))
    columns = ["message", "tx", "rx", "outcome"]
    asked = folder.arrays(
        "packets", columns, [("message", "in", list(relay_of)), ("addressed", "==", True), ("kind", "!=", "ack")]
    )
    # Reports are broadcast and have no transfers: those count that were sent when the fused ones were.
    times_us = np.unique(chosen_us).tolist()
    reports = folder.arrays(
        "packets", [*columns, "kind", "hop"],
        [("kind", "in", ["cpm", "retold"]), ("rx", "in", [ego, *relays]), ("queued_us", "in", times_us)],
    )  # fmt: skip
    is_retold, is_mine = reports["kind"] == "retold", reports["rx"] == ego
    is_relays = np.isin(reports["tx"], relays)
    # To a relay, the report itself; from it, its second hop, or what it told on in a message of its own.
    by_relay = ~is_mine & ~is_retold | is_mine & is_relays & (is_retold | (reports["hop"] > 1))
    kept = by_relay | is_mine & ~is_retold
    joined = {column: np.concatenate([asked[column], reports[column][kept]]) for column in columns}
    arrived = np.isin(joined["outcome"], ["delivered", "duplicate"])
    relayed = np.array([relay_of.get(number, -1) >= 0 for number in asked["message"].tolist()], bool)
    return {
        "ends": np.stack([joined["tx"], joined["rx"]], axis=1).astype(np.int64),
        "relayed": np.concatenate([relayed, by_relay[kept]]),
        "arrived": arrived,
        "tellers": np.unique(reports["tx"][is_retold & is_mine & is_relays & (reports["outcome"] == "delivered")]),
    }


def _expected(folder: RunFolder, ego: int, rows: dict[str, np.ndarray]) -> Float[np.ndarray, " links"]:
    """Return the predicted delivery of each replaced link, from the latest choice of its relay."""
    choices = folder.arrays("relays", ["time_us", "helper", "delivery"], [("requester", "==", ego)])
    expected = np.full(len(rows["a"]), np.nan)
    for row in np.flatnonzero(rows["role"] == "replaced"):
        known = np.flatnonzero((choices["helper"] == rows["b"][row]) & (choices["time_us"] <= rows["time_us"][row]))
        if len(known):
            expected[row] = choices["delivery"][known[np.argmax(choices["time_us"][known])]]
    return expected
