"""The tables of a run: the columns of each, with type and meaning.

Every time is integer microseconds of traffic time. Agents are numbers; the `agents` table has their names. Positions
are in the world frame (docs/frames.md) unless the column's meaning has another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

_WORD = pa.dictionary(pa.int8(), pa.string())
_TYPES: dict[str, pa.DataType] = {
    "us": pa.int64(),
    "int": pa.int32(),
    "long": pa.int64(),
    "f4": pa.float32(),
    "f8": pa.float64(),
    "bool": pa.bool_(),
    "word": _WORD,
    "text": pa.string(),
    "bytes": pa.binary(),
    "ints": pa.list_(pa.int32()),
}

# Table: (column, type, meaning). The unit ends the column's name.
COLUMNS: dict[str, list[tuple[str, str, str]]] = {
    "agents": [
        ("agent", "long", "number used in every other table"),
        ("name", "text", "name in the traffic source or the scenario"),
        ("kind", "word", "class of the vehicle catalogue, or roadside"),
        ("length_m", "f4", "body"),
        ("width_m", "f4", "body"),
        ("height_m", "f4", "body; pole height for a roadside unit"),
        ("antenna_m", "f4", "antenna height above ground"),
        ("station", "bool", "was connected at some time"),
        ("lidars", "int", "lidars carried"),
        ("ego", "bool", "fused frames of its own"),
        ("clock_offset_us", "us", "offset of its clock from true time"),
    ],
    "states": [
        ("time_us", "us", "tick; every n-th one is listed (record.state_ticks)"),
        ("agent", "long", "road user"),
        ("kind", "word", "class of the vehicle catalogue"),
        ("x_m", "f8", "true centre of the body"),
        ("y_m", "f8", "true centre of the body"),
        ("z_m", "f8", "bottom of the body"),
        ("yaw_rad", "f8", "true heading"),
        ("vx_mps", "f8", "true velocity over ground, to the east"),
        ("vy_mps", "f8", "true velocity over ground, to the north"),
        ("length_m", "f8", "body"),
        ("width_m", "f8", "body"),
        ("height_m", "f8", "body"),
    ],
    "stations": [
        ("time_us", "us", "tick; the same ticks as in states"),
        ("station", "long", "vehicle or roadside unit with a radio at this tick"),
        ("x_m", "f8", "true centre of the body, or foot of the pole"),
        ("y_m", "f8", "true centre of the body, or foot of the pole"),
        ("z_m", "f8", "bottom of the body, or foot of the pole"),
        ("yaw_rad", "f8", "true heading"),
        ("believed_x_m", "f8", "centre by the station's own estimate"),
        ("believed_y_m", "f8", "centre by the station's own estimate"),
        ("believed_yaw_rad", "f8", "heading by the station's own estimate"),
        ("vx_mps", "f8", "velocity over ground, to the east"),
        ("vy_mps", "f8", "velocity over ground, to the north"),
        ("antenna_m", "f8", "antenna height above ground"),
        ("lidars", "int", "lidars carried"),
        ("ego", "bool", "fuses data of others"),
    ],
    "packets": [
        ("queued_us", "us", "time at which the radio got the message"),
        ("start_us", "us", "first bit in the air"),
        ("end_us", "us", "last bit received"),
        ("message", "long", "message that the packet belongs to (transfers.message)"),
        ("kind", "word", "awareness, request, data, cpm, or application (of a program that steps the run)"),
        ("hop", "int", "1 from the origin, 2 from the relay"),
        ("fragment", "int", "number of this part of the message"),
        ("fragments", "int", "number of parts of the message"),
        ("size_bytes", "int", "size on the air, headers included"),
        ("tx", "long", "sender of this hop"),
        ("rx", "long", "receiver"),
        ("addressed", "bool", "the packet is for this receiver; always true for a broadcast"),
        ("distance_m", "f4", "between the antennas"),
        ("link_state", "word", "LOS, NLOSv or NLOSb"),
        ("power_dbm", "f4", "received power"),
        (
            "sinr_db",
            "f4",
            "ratio that decided the outcome: mean over the packet; in 802.11p as its parameter `interference` chooses",
        ),
        ("outcome", "word", "delivered, or the one cause of loss"),
    ],
    "unheard": [
        ("bin_m", "int", "lower edge of a distance bin, 5 m wide"),
        ("link_state", "word", "LOS, NLOSv or NLOSb"),
        (
            "count",
            "long",
            "number of receptions of awareness messages that are not in packets: too weak to be listed (random_slot: below the sensitivity and 20 dB below the noise; other schemes: below the sensitivity)",
        ),
    ],
    "links": [
        ("time_us", "us", "tick"),
        ("a", "long", "one station"),
        ("b", "long", "the other station; a < b, since links are reciprocal"),
        ("distance_m", "f4", "between the antennas"),
        ("state", "word", "LOS, NLOSv or NLOSb"),
        ("case", "int", "blockage case of TR 37.885 clause 6.2.1, 0 unless NLOSv"),
        ("blocker_height_m", "f4", "top of the blocking vehicle"),
        ("loss_db", "f4", "path loss with blockage, without shadowing"),
        ("shadowing_db", "f4", "shadowing, added to the loss"),
        ("power_dbm", "f4", "received power"),
    ],
    "transfers": [
        ("message", "long", "number of the message"),
        ("kind", "word", "request or data"),
        ("origin", "long", "station that sent it first"),
        ("destination", "long", "station that it is for"),
        ("relay", "long", "station that forwards it, -1 if sent directly"),
        ("frame_us", "us", "capture of the ego frame that it belongs to"),
        ("capture_us", "us", "capture of its data; -1 for a request"),
        ("detect_us", "us", "time at which its station had processed the captured data; -1 for a request"),
        ("queue_us", "us", "time at which the radio got the message"),
        ("air_us", "us", "start of the first packet that reached the station it was addressed to; -1 if none did"),
        ("arrive_us", "us", "last part received; -1 if some part was lost"),
        ("fuse_us", "us", "time of fusion; -1 if not used"),
        ("size_bytes", "int", "payload"),
        ("fragments", "int", "parts"),
        ("arrived", "int", "parts received"),
        (
            "outcome",
            "word",
            "used, late, superseded, partial, lost or request outcome: answered, no_frame (the helper had none), lost",
        ),
    ],
    "relays": [
        ("time_us", "us", "tick"),
        ("requester", "long", "ego whose direct link to the helper is not usable"),
        ("helper", "long", "station with a matrix"),
        ("relay", "long", "chosen relay, -1 if no station qualifies"),
        ("height", "f4", "height term of the score, -1 to 1"),
        ("mobility", "f4", "mobility term of the score, 0 to 1"),
        ("score", "f4", "score under the relay rule"),
        (
            "delivery",
            "f4",
            "predicted probability that a data packet crosses the direct link; it is below cooperation.min_delivery",
        ),
    ],
    "detections": [
        ("frame_us", "us", "capture of the ego frame"),
        ("ego", "long", "agent id of the ego"),
        ("mode", "word", "ego or fused"),
        ("x_m", "f8", "box centre, placed by the pose that the ego believes; at any distance"),
        ("y_m", "f8", "box centre, likewise"),
        ("z_m", "f8", "bottom of the box"),
        ("length_m", "f8", "box"),
        ("width_m", "f8", "box"),
        ("height_m", "f8", "box"),
        ("yaw_rad", "f8", "box"),
        ("vx_mps", "f8", "velocity that came with the box, to the east; 0 if unknown"),
        ("vy_mps", "f8", "velocity that came with the box, to the north; 0 if unknown"),
        ("score", "f8", "confidence"),
        ("truth", "long", "agent behind it, -1 for a false positive"),
    ],
    "hits": [
        ("frame_us", "us", "capture of the ego frame"),
        ("ego", "long", "agent id of the ego"),
        ("agent", "long", "road user with a lidar return on it, at any distance"),
        ("own_points", "int", "returns of the ego's own lidars on it"),
        ("fused_points", "int", "the same after fusion"),
    ],
    "announced": [
        ("frame_us", "us", "capture of the ego frame"),
        ("ego", "long", "agent id of the ego"),
        ("agent", "long", "vehicle that the ego knows from its announcements when it fuses the frame"),
        ("x_m", "f8", "announced centre, extrapolated to the capture"),
        ("y_m", "f8", "announced centre, extrapolated to the capture"),
        ("z_m", "f8", "announced bottom of the body"),
        ("length_m", "f8", "announced body"),
        ("width_m", "f8", "announced body"),
        ("height_m", "f8", "announced body"),
        ("yaw_rad", "f8", "announced heading"),
        ("vx_mps", "f8", "announced velocity, to the east"),
        ("vy_mps", "f8", "announced velocity, to the north"),
    ],
    "contributions": [
        ("frame_us", "us", "capture of the ego frame"),
        ("ego", "long", "agent id of the ego"),
        ("helper", "long", "station whose data was fused"),
        ("relay", "long", "station that forwarded the data, -1 if it came directly"),
        ("capture_us", "us", "capture of the data"),
        ("for_this_frame", "bool", "the data answers a request for this frame; always true for reports"),
        ("received_bytes", "int", "payload that arrived; of reports, that of the newest"),
        ("boxes", "int", "boxes that arrived"),
        ("points", "ints", "lidar returns that arrived: their rows in the helper's own cloud of that capture"),
    ],
    "fusion": [
        ("frame_us", "us", "capture of the ego frame"),
        ("ego", "long", "agent id of the ego"),
        ("detect_us", "us", "time at which the own detections are ready"),
        ("fuse_us", "us", "deadline"),
        ("known", "int", "stations that the ego ever heard announce themselves, with or without a matrix"),
        ("asked", "int", "helpers asked"),
        ("asked_by_relay", "int", "of these, through a relay"),
        ("used", "int", "helpers whose data was fused"),
        ("used_by_relay", "int", "of these, through a relay"),
        ("age_us", "us", "mean age of fused data at the frame's capture; -1 if none"),
        ("requested_bytes", "int", "requested payload"),
        ("received_bytes", "int", "payload that arrived for this frame and was used"),
        ("own_points", "int", "lidar returns of the ego"),
        ("added_points", "int", "lidar returns received"),
        ("objects", "int", "road users in range"),
        ("seen_ego", "int", "of these, detected alone"),
        ("seen_fused", "int", "of these, detected after fusion"),
        ("coverage_before", "f4", "observed share of the ego's matrix"),
        ("coverage_after", "f4", "the same after fusion"),
        (
            "blind_covered",
            "f4",
            "share of the relevance-weighted blind zone that fusion filled; NaN without a blind zone",
        ),
    ],
    "awareness": [
        ("frame_us", "us", "capture of the ego frame"),
        ("ego", "long", "agent id of the ego"),
        ("agent", "long", "road user in range"),
        ("distance_m", "f4", "from the ego"),
        ("own_points", "int", "ego lidar returns on it"),
        ("fused_points", "int", "the same after fusion"),
        ("tracked_ego", "bool", "a confirmed track of the ego alone is at its position"),
        ("tracked_fused", "bool", "a confirmed track after fusion is at its position"),
        ("conflict", "bool", "on a collision course with the ego"),
        ("occluded", "bool", "no ego lidar return on it"),
    ],
    "episodes": [
        ("ego", "long", "agent id of the ego"),
        ("agent", "long", "hidden road user on a collision course"),
        ("start_us", "us", "first frame in which it is hidden and in conflict"),
        ("aware_ego_us", "us", "first frame with a confirmed track of the ego alone, -1 if never"),
        ("aware_fused_us", "us", "first frame with a confirmed track after fusion, -1 if never"),
        ("end_us", "us", "last frame of the episode"),
    ],
    "channel": [
        ("time_us", "us", "end of the measuring window"),
        ("station", "long", "station that measures"),
        ("busy_share", "f4", "share of busy time in the window: the channel busy ratio"),
    ],
    "frames": [
        ("frame", "int", "number of the kept frame"),
        ("frame_us", "us", "its capture"),
        ("ego", "long", "agent id of the ego"),
        ("lower_x", "long", "world cell index of matrix cell (0, 0)"),
        ("lower_y", "long", "world cell index of matrix cell (0, 0)"),
        ("cells", "int", "cells per side"),
        ("cell_m", "f8", "side of a cell"),
        ("before", "bytes", "matrix codes of the ego, row by row over x"),
        ("after", "bytes", "matrix codes after fusion"),
    ],
    "frame_boxes": [
        ("frame", "int", "number of the kept frame"),
        ("agent", "long", "road user or roadside unit"),
        ("x_m", "f8", "centre"),
        ("y_m", "f8", "centre"),
        ("z_m", "f8", "bottom"),
        ("length_m", "f8", "0 for a roadside unit"),
        ("width_m", "f8", "0 for a roadside unit"),
        ("height_m", "f8", "body, or pole"),
        ("yaw_rad", "f8", "heading"),
        ("station", "bool", "connected"),
        ("lidar", "bool", "carries a lidar"),
        ("in_range", "bool", "scored for this ego"),
        ("seen_ego", "bool", "detected by the ego alone"),
        ("seen_fused", "bool", "detected after fusion"),
    ],
    "frame_links": [
        ("frame", "int", "number of the kept frame"),
        ("time_us", "us", "time at which the path was chosen: when the ego asked; of a report, when it was sent"),
        ("a", "long", "ego or relay"),
        ("b", "long", "helper or relay"),
        ("state", "word", "LOS, NLOSv or NLOSb, at time_us"),
        ("distance_m", "f4", "between the antennas, at time_us"),
        ("power_dbm", "f4", "received power without fading, at time_us"),
        (
            "role",
            "word",
            "direct, relay_hop, or replaced: the direct link that was not used, since it was too weak and there was a relay (relays.delivery)",
        ),
        ("used", "bool", "data over this link was fused"),
    ],
    "clouds": [
        ("frame", "int", "number of the kept frame"),
        ("x_m", "f8", "in the world as the ego believes it"),
        ("y_m", "f8", "likewise"),
        ("z_m", "f8", "likewise"),
        ("source", "long", "station whose lidar saw it"),
        ("object", "long", "agent hit, -1 ground, -2 building"),
        ("time_us", "us", "capture of the point; -1 if the fusion scheme names a source that sent no data"),
    ],
    "buildings": [
        ("building", "int", "number"),
        ("x_m", "f8", "corner of the footprint, in order"),
        ("y_m", "f8", "corner of the footprint, in order"),
        ("base_m", "f8", "bottom"),
        ("top_m", "f8", "roof"),
    ],
    "roads": [
        ("road", "int", "number; the rows of a road are its points in order"),
        ("name", "text", "id of the lane or junction in SUMO's network"),
        ("kind", "word", "lane, inside (path of a lane across a junction), or junction"),
        ("users", "word", "who may use it, the first that applies: motor, bicycle, foot, rail, nobody"),
        ("width_m", "f8", "width of a lane; 0 for a junction"),
        ("x_m", "f8", "point of the centre line of a lane, or corner of a junction"),
        ("y_m", "f8", "likewise"),
    ],
    "metrics": [
        ("metric", "text", "name"),
        ("bin", "text", "distance bin or other split, empty for the whole run"),
        ("value", "f8", "NaN if there was nothing to measure"),
        ("unit", "text", "unit of the value"),
        ("count", "long", "number of samples in it"),
    ],
}

SINCE: dict[str, int] = {}
"""Format of run folders (`v2xsim.results.manifest.FORMAT`) with which a table, or a column as `table.column`, came.

What is not listed was there in format 2. A new table or column gets an entry here and raises the format, so that older runs can
still be opened.
"""

ROWS: dict[str, str] = {
    "agents": "Every road user and roadside unit of the run; the numbers in all other tables refer to this one",
    "states": "Every road user at every recorded tick, as it truly is",
    "stations": "Every station at every recorded tick, where it truly is and where it believes to be",
    "packets": "Every packet at every receiver that could have noticed it, with its outcome",
    "unheard": "Receptions too weak to be listed in packets, counted by distance",
    "links": "Every pair of stations in range at every listed tick",
    "transfers": "Every message with data or a request, from one station to another",
    "relays": "Every candidate for each choice of a relay",
    "detections": "Every detection in the frames of egos, before and after fusion",
    "hits": "Every road user that lidar returns of an ego's frame hit",
    "announced": "Every vehicle that an ego knew from announcements when it fused a frame",
    "contributions": "The data of each helper that an ego fused in a frame",
    "fusion": "Every frame that an ego fused",
    "awareness": "Every road user near an ego at every frame, and whether the ego knew it",
    "episodes": "Every hidden conflict of an ego with a road user",
    "channel": "The busy share of the channel at every station and window",
    "frames": "The frames that are kept for pictures",
    "frame_boxes": "The bodies in each kept frame",
    "frame_links": "The links in each kept frame",
    "clouds": "The points of each kept frame",
    "buildings": "The corners of every building",
    "roads": "The points of every road, for pictures",
    "metrics": "The metrics of the run; some have bins, such as distances",
}
"""For each table, what one row stands for."""


def reference() -> str:
    """Return the reference page of all tables in Markdown."""
    words = {"us": "whole number", "int": "whole number", "long": "whole number", "f4": "number", "f8": "number",
             "bool": "true or false", "word": "word", "text": "text", "bytes": "bytes", "ints": "list of whole numbers"}  # fmt: skip
    lines = [
        "# Tables", "",
        "The tables of a run folder, one Parquet file each. Times are whole microseconds of traffic time; positions are in the world frame",
        "([frames.md](../frames.md)) unless the meaning has another one. The ending of a name is its unit. A number that does not exist is null or NaN.",
        "This page is generated by `v2xsim schema tables --markdown > docs/reference/tables.md`.",
    ]  # fmt: skip
    for table, columns in COLUMNS.items():
        lines += ["", f"## `{table}`", "", f"{ROWS[table]}.", "", "| column | type | meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | {words[kind]} | {meaning} |" for name, kind, meaning in columns]
    return "\n".join(lines) + "\n"


def schema_of(table: str) -> pa.Schema:
    """Return the Arrow schema of a table; the meaning of each column is in the metadata of its field."""
    return pa.schema([pa.field(n, _TYPES[t], metadata={"meaning": m}) for n, t, m in COLUMNS[table]])


@dataclass
class Columns:
    """A table that is filled in blocks of rows."""

    table: str
    blocks: list[dict[str, Any]] = field(default_factory=list)

    def add(self, **columns: Any) -> None:
        """Add a block of rows: for each column an array, all of equal length, or one value for the whole block."""
        self.blocks.append(columns)

    def finished(self) -> pa.Table:
        """Return all added rows as one Arrow table with the schema of this table."""
        schema = schema_of(self.table)
        lengths = [max([len(v) for v in b.values() if isinstance(v, np.ndarray | list)] or [1]) for b in self.blocks]
        arrays = [_column(self.blocks, lengths, item.name, item.type) for item in schema]
        return pa.Table.from_arrays(arrays, schema=schema)


_DTYPES = {
    pa.int64(): np.int64,
    pa.int32(): np.int32,
    pa.float32(): np.float32,
    pa.float64(): np.float64,
    pa.bool_(): np.bool_,
}


@dataclass(frozen=True)
class Coded:
    """A text column stored as numbers: many rows with a few distinct texts.

    Attributes:
        code: Index of each row's text in `texts`.
        texts: The distinct texts.
    """

    code: np.ndarray
    texts: Sequence[str]

    def __len__(self) -> int:
        return len(self.code)


def _column(blocks: list[dict[str, Any]], lengths: list[int], name: str, kind: pa.DataType) -> pa.Array:
    dtype: Any = _DTYPES.get(kind, object)
    parts: list[Any] = []
    for block, length in zip(blocks, lengths, strict=True):
        value = block[name]
        parts.append(value if isinstance(value, np.ndarray | list | Coded) else np.full(length, value, dtype))
    if dtype is not object:
        joined = np.concatenate(parts) if parts else np.zeros(0)
        return pa.array(joined.astype(dtype), kind)
    if pa.types.is_dictionary(kind) and parts:
        return _texts(parts, kind)
    parts = [[part.texts[c] for c in part.code.tolist()] if isinstance(part, Coded) else part for part in parts]
    rows = [item for part in parts for item in part]
    return pa.array(rows, kind)


def _texts(parts: list[Any], kind: pa.DataType) -> pa.Array:
    """Return an Arrow dictionary column with the texts of many rows; distinct texts are numbered in order of appearance."""
    number: dict[Any, int] = {}
    codes = []
    for part in parts:
        if isinstance(part, Coded):
            used = np.unique(part.code)
            table = np.zeros(len(part.texts), np.int32)
            table[used] = [number.setdefault(part.texts[c], len(number)) for c in used]
            codes.append(table[part.code])
        else:
            codes.append(np.fromiter((number.setdefault(item, len(number)) for item in part), np.int32, len(part)))
    return pa.DictionaryArray.from_arrays(pa.array(np.concatenate(codes)), pa.array(list(number), pa.string())).cast(
        kind
    )
