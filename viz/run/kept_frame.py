"""One kept frame of a run, collected from the tables: positions, detections, points and links."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.records import Bodies, Boxes, PerceptionMatrix, Prisms
from v2xsim.viz.run.folder import NothingToShowError, RunFolder
from v2xsim.viz.run.frame_links import FrameLinks, load_links
from v2xsim.world.roads import ROAD_KINDS, ROAD_USERS, Roads

# Free space around the road users and stations that a picture must show, and smallest side of the shown area, in metres.
_MARGIN_M = 7.0
_LEAST_HALF_M = 20.0

_BODY = ("x_m", "y_m", "z_m", "length_m", "width_m", "height_m", "yaw_rad")


@dataclass(frozen=True)
class KeptFrame:
    """A frame of one ego that a run kept for pictures.

    Attributes:
        number: Number of the kept frame, from 0.
        time_us: Time of the frame's capture.
        ego: Agent id of the ego.
        names: Name of every agent, by agent id.
        agent: Agent id of the road user or roadside unit of each box.
        boxes: Bodies of the road users and roadside units; the length is 0 for a roadside unit.
        parts: Front and rear boxes of the road users of two parts; their owners are rows of `boxes`.
        in_range: Whether the road user of each box is scored for this ego.
        seen_ego: Whether the ego alone detected each road user.
        seen_fused: Whether each road user was detected after fusion.
        links: Links over which the ego received data, and links that a relay replaced.
        points_m: Lidar returns of the ego and received ones, in the world frame.
        source: Agent id of the station whose lidar captured each point.
        hit: Agent id of the road user that each point hit, or GROUND or BUILDING.
        captured_us: Time of capture of each point; -1 if unknown.
        before: Perception matrix of the ego before fusion.
        after: Perception matrix of the ego after fusion.
        buildings: All buildings of the run.
        roads: All roads of the run.
    """

    number: int
    time_us: int
    ego: int
    names: dict[int, str]
    agent: Int64[np.ndarray, " boxes"]
    boxes: Boxes
    parts: Bodies
    in_range: Bool[np.ndarray, " boxes"]
    seen_ego: Bool[np.ndarray, " boxes"]
    seen_fused: Bool[np.ndarray, " boxes"]
    links: FrameLinks
    points_m: Float[np.ndarray, "points 3"]
    source: Int64[np.ndarray, " points"]
    hit: Int64[np.ndarray, " points"]
    captured_us: Int64[np.ndarray, " points"]
    before: PerceptionMatrix
    after: PerceptionMatrix
    buildings: Prisms
    roads: Roads

    @cached_property
    def drawn(self) -> Bodies:
        """The boxes to draw: both parts of a road user of two parts, and the body of any other."""
        rows = np.setdiff1d(np.arange(len(self.boxes)), self.parts.owner)
        owner = np.concatenate([rows, self.parts.owner])
        order = np.argsort(owner, kind="stable")
        return Bodies(Boxes.joined([self.boxes[rows], self.parts.boxes])[order], owner[order])

    @cached_property
    def only_fused(self) -> Bool[np.ndarray, " boxes"]:
        """Whether each road user is in range, not detected by the ego alone, and detected after fusion."""
        return np.asarray(self.in_range & self.seen_fused & ~self.seen_ego)

    @cached_property
    def ego_row(self) -> int:
        """Row of the ego among the boxes."""
        return int(np.flatnonzero(self.agent == self.ego)[0])

    @cached_property
    def stations(self) -> list[tuple[int, int]]:
        """Agent ids of the stations whose points are in the frame, with their numbers of points: the ego first, then most points."""
        source, count = np.unique(self.source, return_counts=True)
        pairs = sorted(zip(source.tolist(), count.tolist(), strict=True), key=lambda p: (p[0] != self.ego, -p[1], p[0]))
        return [(int(s), int(n)) for s, n in pairs]

    @cached_property
    def roles(self) -> dict[int, str]:
        """Role of each station at an end of a link, by agent id: ego, relay, helper, or relay and helper."""
        ends = list(zip(self.links.a.tolist(), self.links.b.tolist(), self.links.role.tolist(), strict=True))
        relays = {b if a == self.ego else a for a, b, role in ends if role == "relay_hop" and self.ego in (a, b)}
        direct = {end for a, b, role in ends if role != "relay_hop" for end in (a, b)}
        second = {end for a, b, role in ends if role == "relay_hop" and self.ego not in (a, b) for end in (a, b)}
        helpers = (direct | (second - relays)) - {self.ego}
        roles = dict.fromkeys(helpers, "helper") | dict.fromkeys(relays, "relay")
        return roles | dict.fromkeys(relays & helpers, "relay, helper") | {self.ego: "ego"}

    def label(self, agent: int) -> str:
        """Return the text that labels an agent in a picture: its role, if it has one, and its name."""
        name = shortened(self.names.get(agent, str(agent)))
        role = self.roles.get(agent, "")
        return name if role in ("", name) else f"{name} ({role})"

    @cached_property
    def featured(self) -> Bool[np.ndarray, " boxes"]:
        """Whether a picture must show each box: the ego, the scored road users and the stations at links."""
        linked = np.isin(self.agent, np.concatenate([self.links.a, self.links.b]))
        return np.asarray(self.in_range | linked | (self.agent == self.ego))

    @cached_property
    def view_m(self) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]:
        """Lower and upper corner of a square around all boxes that a picture must show, with free space."""
        places_m = self.boxes.center_m[self.featured, :2]
        middle_m = (places_m.min(0) + places_m.max(0)) / 2
        half_m = max(float(np.ptp(places_m, axis=0).max()) / 2 + _MARGIN_M, _LEAST_HALF_M)
        return middle_m - half_m, middle_m + half_m

    def caption(self, run: str) -> str:
        """Return a text that identifies the frame: name of the run, ego and time."""
        name = self.names.get(self.ego, str(self.ego))
        who = "" if name == "ego" else f"ego {shortened(name)}, "
        time_s = f"{self.time_us / 1e6:.3f}".rstrip("0")
        return f"{shortened(run, 24)}, {who}t = {time_s}{'0' if time_s.endswith('.') else ''} s"

    def counts(self) -> tuple[int, int, int]:
        """Return the number of road users detected by the ego alone, the number after fusion, and the number in range."""
        return (
            int((self.in_range & self.seen_ego).sum()),
            int((self.in_range & self.seen_fused).sum()),
            int(self.in_range.sum()),
        )


def shortened(text: str, most: int = 14) -> str:
    """Return a name shortened to at most `most` characters.

    The middle is cut out, because names of road users differ at their ends.
    """
    head = most // 2
    return text if len(text) <= most else text[:head] + "…" + text[head + 1 - most :]


def load_frame(folder: RunFolder, number: int) -> KeptFrame:
    """Return the kept frame with a number, with all its data.

    Raises:
        NothingToShowError: If the ego has no box in the frame.
    """
    this = [("frame", "==", number)]
    head = folder.arrays(
        "frames", ["frame_us", "ego", "lower_x", "lower_y", "cells", "cell_m", "before", "after"], this
    )
    rows = folder.arrays("frame_boxes", ["agent", *_BODY, "in_range", "seen_ego", "seen_fused"], this)
    if head["ego"][0] not in rows["agent"]:
        raise NothingToShowError(f"frame_boxes.parquet has no row for the ego of frame {number}")
    cloud = folder.arrays("clouds", ["x_m", "y_m", "z_m", "source", "object", "time_us"], this)
    agents = folder.arrays("agents", ["agent", "name"])
    return KeptFrame(
        number=number,
        time_us=int(head["frame_us"][0]),
        ego=int(head["ego"][0]),
        names=dict(zip(agents["agent"].tolist(), agents["name"].tolist(), strict=True)),
        agent=rows["agent"],
        boxes=_boxes(rows),
        parts=_parts(folder.arrays("frame_parts", ["agent", *_BODY], this), rows["agent"]),
        # The ego is never scored for itself, whatever its own row contains.
        in_range=rows["in_range"] & (rows["agent"] != head["ego"][0]),
        seen_ego=rows["seen_ego"],
        seen_fused=rows["seen_fused"],
        links=load_links(folder, number, int(head["frame_us"][0]), int(head["ego"][0])),
        points_m=_stacked(cloud, "x_m", "y_m", "z_m"),
        source=cloud["source"],
        hit=cloud["object"],
        captured_us=cloud["time_us"],
        before=_matrix(head, "before"),
        after=_matrix(head, "after"),
        buildings=buildings_of(folder),
        roads=roads_of(folder),
    )


def _boxes(rows: dict[str, np.ndarray]) -> Boxes:
    return Boxes(_stacked(rows, *_BODY[:3]), _stacked(rows, *_BODY[3:6]), rows["yaw_rad"].astype(np.float64))


def _parts(rows: dict[str, np.ndarray], agent: Int64[np.ndarray, " boxes"]) -> Bodies:
    """Return the parts of road users, sorted by the row of their road user."""
    order = np.argsort(agent, kind="stable")
    owner = order[np.searchsorted(agent, rows["agent"], sorter=order)] if len(agent) else np.zeros(0, np.int64)
    rising = np.argsort(owner, kind="stable")
    return Bodies(_boxes(rows)[rising], owner[rising])


def _stacked(rows: dict[str, np.ndarray], *columns: str) -> Float[np.ndarray, "rows columns"]:
    return np.stack([rows[column] for column in columns], axis=1).astype(np.float64)


def _matrix(head: dict[str, np.ndarray], column: str) -> PerceptionMatrix:
    cells = int(head["cells"][0])
    code = np.frombuffer(head[column][0] or b"", np.uint8)
    if len(code) != cells * cells:
        cells, code = 0, np.zeros(0, np.uint8)
    lower = np.array([head["lower_x"][0], head["lower_y"][0]], np.int64)
    return PerceptionMatrix(lower, float(head["cell_m"][0]), code.reshape(cells, cells))


def buildings_of(folder: RunFolder) -> Prisms:
    """Return all buildings of a run."""
    rows = folder.arrays("buildings", ["building", "x_m", "y_m", "base_m", "top_m"])
    if not len(rows["building"]):
        return Prisms.none()
    order = np.argsort(rows["building"], kind="stable")
    _, first, count = np.unique(rows["building"][order], return_index=True, return_counts=True)
    return Prisms(
        _stacked(rows, "x_m", "y_m")[order],
        np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
        rows["base_m"][order][first].astype(np.float64),
        rows["top_m"][order][first].astype(np.float64),
    )


def roads_of(folder: RunFolder) -> Roads:
    """Return all roads of a run."""
    rows = folder.arrays("roads", ["road", "kind", "users", "width_m", "x_m", "y_m"])
    if not len(rows["road"]):
        return Roads.none()
    order = np.argsort(rows["road"], kind="stable")
    number, first, count = np.unique(rows["road"][order], return_index=True, return_counts=True)
    at = order[first]
    return Roads(
        tuple(str(n) for n in number.tolist()), np.array([ROAD_KINDS.index(kind) for kind in rows["kind"][at]], np.int8),
        np.array([ROAD_USERS.index(users) for users in rows["users"][at]], np.int8),
        rows["width_m"][at].astype(np.float64), _stacked(rows, "x_m", "y_m")[order],
        np.concatenate([[0], np.cumsum(count)]).astype(np.int64), np.full(len(at), np.nan),
    )  # fmt: skip
