"""The legend entries and colours of a kept frame, for the flat maps and the oblique view."""

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from v2xsim.viz.drawing.outlines import inside
from v2xsim.viz.drawing.style import (
    BLACK,
    BLIND,
    BUILDING,
    BUILDING_EDGE,
    GREY,
    INK,
    OTHER_STATIONS,
    PURPLE,
    ROAD,
    ROAD_EDGE,
    STATIONS,
    VERMILION,
)
from v2xsim.viz.run.frame_links import FrameLinks
from v2xsim.viz.run.kept_frame import KeptFrame, shortened

Entry = tuple[Artist, str]

# Style of a box's outline, by the detection result of its road user.
OUTLINES: dict[str, dict[str, Any]] = {
    "alone": {"edgecolor": BLACK, "linewidth": 1.0, "linestyle": "solid"},
    "fused": {"edgecolor": VERMILION, "linewidth": 1.8, "linestyle": "solid"},
    "unseen": {"edgecolor": BLACK, "linewidth": 0.9, "linestyle": (0, (2.2, 1.6))},
    "beyond": {"edgecolor": GREY, "linewidth": 0.6, "linestyle": "solid"},
}
_OUTLINE_NAMES = {
    "alone": "seen by the ego",
    "fused": "only after fusion",
    "unseen": "not seen",
    "beyond": "not scored",
}

# The dash of a line shows the link's state and its colour the link's role, so states can be distinguished in a grey print.
STATE_DASH: dict[str, Any] = {"LOS": "solid", "NLOSv": (0, (5.0, 1.6)), "NLOSb": (0, (1.2, 1.2))}
ROLE_COLOR = {"direct": BLACK, "relay_hop": PURPLE, "replaced": GREY}
ROLE_WIDTH = {"direct": 1.0, "relay_hop": 3.0, "replaced": 1.3}
_ROLE_NAMES = {"direct": "direct", "relay_hop": "relay hop", "replaced": "not used"}


def station_colors(frame: KeptFrame) -> dict[int, str]:
    """Return the colour of each station with points: different colours for the first stations, one for all others."""
    colors = (*STATIONS, *[OTHER_STATIONS] * max(len(frame.stations) - len(STATIONS), 0))
    first_is_ego = bool(frame.stations) and frame.stations[0][0] == frame.ego
    # The ego keeps its colour even if its own lidar returned no points.
    order = [s for s, _ in frame.stations] if first_is_ego else [frame.ego, *[s for s, _ in frame.stations]]
    return dict(zip(order, (*colors, OTHER_STATIONS), strict=False))


def fates(frame: KeptFrame, fused: bool) -> np.ndarray:
    """Return the detection result of each box as a key of OUTLINES; an empty text for the ego.

    Args:
        frame: Frame to draw.
        fused: Whether to return the results after fusion instead of those of the ego alone.
    """
    seen = frame.seen_fused if fused else frame.seen_ego
    fate = np.where(seen, "alone", "unseen").astype(object)
    if fused:
        fate[frame.only_fused] = "fused"
    fate[~frame.in_range] = "beyond"
    fate[frame.ego_row] = ""
    return fate


def station_entries(frame: KeptFrame) -> list[Entry]:
    """Return the legend entries of the points: each station with its number of points."""
    colors = station_colors(frame)
    named = frame.stations[: len(STATIONS)]
    rest = frame.stations[len(STATIONS) :]
    entries = [_dot(colors[s], f"{_short_label(frame, s)} {n:,}") for s, n in named]
    if rest:
        entries.append(_dot(OTHER_STATIONS, f"{len(rest)} others {sum(n for _, n in rest):,}"))
    return entries


def _short_label(frame: KeptFrame, station: int) -> str:
    return "ego" if station == frame.ego else shortened(frame.names.get(station, str(station)), 12)


def box_entries(frame: KeptFrame) -> list[Entry]:
    """Return the legend entries of the kinds of box that occur in the frame."""
    shown = inside(frame.boxes.center_m[:, :2], *frame.view_m) & (frame.boxes.size_m[:, 0] > 0)
    present = {*fates(frame, fused=False)[shown].tolist(), *fates(frame, fused=True)[shown].tolist()}
    return [
        (Patch(facecolor="none", **OUTLINES[fate]), name) for fate, name in _OUTLINE_NAMES.items() if fate in present
    ]


def link_entries(frame: KeptFrame) -> list[Entry]:
    """Return the legend entries of the kinds of link that occur in the frame, with the packets that arrived of those sent.

    Of links that were not used, the entry has the highest predicted share of packets that would arrive.
    """
    links = frame.links
    present = set(zip(links.role.tolist(), links.state.tolist(), strict=True))
    order = sorted(present, key=lambda kind: (list(ROLE_COLOR).index(kind[0]), list(STATE_DASH).index(kind[1])))
    entries: list[Entry] = []
    for role, state in order:
        line = Line2D(
            [], [], color=ROLE_COLOR[role], linewidth=ROLE_WIDTH[role], linestyle=STATE_DASH[state],
            marker="x" if role == "replaced" else "", markersize=4.5, markeredgecolor=INK,
        )  # fmt: skip
        rows = np.flatnonzero((links.role == role) & (links.state == state))
        entries.append((line, f"{_ROLE_NAMES[role]}, {state}{_fate(links, rows)}"))
    return entries


def _fate(links: FrameLinks, rows: np.ndarray) -> str:
    """Return what happened to the packets on some links, for a legend; nothing if it is not known."""
    expected = links.expected[rows]
    if np.isfinite(expected).any():
        sign = "\N{LESS-THAN OR EQUAL TO} " if len(rows) > 1 else ""
        return f" ({sign}{100 * np.nanmax(expected):.0f} %)"
    sent, arrived = int(links.sent[rows].sum()), int(links.arrived[rows].sum())
    return f" ({arrived:,} of {sent:,})" if sent else ""


def ground_entries(frame: KeptFrame) -> list[Entry]:
    """Return the legend entries of the areas on the map: blind zone, buildings and roads, and which of them the run lacks."""
    entries: list[Entry] = []
    if frame.before.code.size:
        entries.append((Patch(facecolor=BLIND, edgecolor="none"), "blind zone"))
    nothing = Patch(facecolor="none", edgecolor="none")
    if len(frame.buildings):
        entries.append((Patch(facecolor=BUILDING, edgecolor=BUILDING_EDGE, linewidth=0.6), "building"))
    else:
        entries.append((nothing, "no buildings"))
    if len(frame.roads):
        entries.append((Patch(facecolor=ROAD, edgecolor=ROAD_EDGE, linewidth=0.6), "lane"))
    else:
        entries.append((nothing, "no roads known"))
    return entries


def _dot(color: str, label: str) -> Entry:
    return Line2D([], [], linestyle="", marker="o", markersize=5, markeredgewidth=0, color=color), label
