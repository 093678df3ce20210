"""The side of the road on which traffic drives, found from an extract or from where it lies."""

import numpy as np

from v2xsim.import_osm.osm_map import OsmMap, Way, area_of_way

# Countries and territories with traffic on the left, as rectangles of longitude and latitude (west, south, east, north). Rectangles
# of their own name neighbours with traffic on the right that lie in them; the smallest rectangle round a place counts. Near borders
# the answer may be wrong: `v2xsim import-osm --driving-side` decides.
_LEFT = {
    "Great Britain": (-8.7, 49.8, 1.8, 60.9), "Ireland": (-10.7, 51.3, -5.3, 55.5), "Malta": (14.1, 35.7, 14.7, 36.2),
    "Cyprus": (32.2, 34.5, 34.7, 35.8), "Jersey and Guernsey": (-2.8, 49.1, -1.95, 49.8),
    "Japan, main islands": (129.3, 30.9, 142.2, 41.6), "Japan, Hokkaido": (139.3, 41.3, 145.9, 45.6),
    "Japan, southern islands": (122.9, 24.0, 131.4, 31.0), "Hong Kong": (113.83, 22.15, 114.5, 22.53),
    "Macau": (113.52, 22.1, 113.6, 22.215), "India, south": (72.5, 8.0, 86.5, 20.5), "India, centre": (68.5, 20.0, 88.3, 26.3),
    "India, north": (69.5, 24.0, 80.5, 34.5), "India, east": (89.8, 22.0, 95.3, 28.0), "Pakistan": (61.5, 23.6, 75.4, 36.8),
    "Nepal": (80.0, 26.3, 88.2, 30.4), "Bhutan": (88.0, 26.6, 92.1, 28.3), "Bangladesh": (88.0, 20.6, 92.4, 26.6),
    "Sri Lanka": (79.5, 5.8, 82.0, 10.0), "Maldives": (72.5, -0.8, 73.9, 7.2), "Thailand, north": (98.4, 14.5, 101.2, 20.4),
    "Thailand, north-east": (101.2, 14.4, 104.8, 18.2), "Thailand, south": (98.0, 5.6, 102.3, 14.5),
    "Malaysia, west": (99.6, 1.2, 104.6, 6.7), "Malaysia, Brunei": (109.5, 0.9, 119.3, 7.4), "Singapore": (103.6, 1.15, 104.1, 1.48),
    "Indonesia": (95.0, -11.1, 141.0, 6.0), "Timor-Leste": (124.0, -9.6, 127.4, -8.1), "Papua New Guinea": (140.9, -11.7, 156.0, -1.0),
    "Solomon Islands": (155.5, -12.4, 168.0, -6.5), "Fiji": (176.8, -19.3, 180.0, -12.4), "Tonga, Samoa": (-176.3, -22.4, -171.3, -13.3),
    "Australia": (112.9, -43.8, 153.7, -10.9), "New Zealand": (166.3, -47.4, 178.7, -34.3),
    "South Africa": (16.4, -34.9, 32.9, -22.1), "Namibia": (11.7, -29.0, 20.1, -16.9), "Namibia, Caprivi": (20.0, -18.6, 25.3, -17.4),
    "Botswana": (19.9, -26.9, 29.4, -17.7), "Zimbabwe": (25.2, -22.5, 33.1, -15.6), "Zambia, west": (22.0, -18.1, 29.0, -11.5),
    "Zambia, east": (28.4, -15.6, 33.7, -8.2), "Malawi": (32.7, -17.2, 35.9, -9.3), "Mozambique": (31.3, -26.9, 40.9, -10.5),
    "Tanzania": (30.4, -11.8, 40.5, -1.0), "Kenya": (33.9, -4.7, 41.9, 4.6), "Uganda": (30.0, -1.4, 35.0, 4.2),
    "Mauritius": (57.2, -20.6, 63.6, -19.6), "Seychelles": (46.1, -10.5, 56.5, -3.5), "Guyana": (-60.0, 3.3, -57.0, 8.6),
    "Suriname": (-58.1, 1.8, -54.05, 6.1), "Jamaica": (-78.4, 17.6, -76.1, 18.6), "Bahamas, north": (-79.4, 22.6, -74.0, 27.3), "Bahamas, south; Turks and Caicos": (-75.0, 20.9, -71.0, 23.0),
    "Barbados": (-59.7, 13.0, -59.4, 13.4), "Trinidad and Tobago": (-61.95, 10.0, -60.4, 11.4), "Cayman Islands": (-81.5, 19.2, -79.7, 19.8),
    "Lesser Antilles": (-63.2, 11.9, -60.8, 18.8), "Bermuda": (-64.95, 32.2, -64.6, 32.45), "Falkland Islands": (-61.5, -52.6, -57.6, -51.0),
    "Virgin Islands": (-65.1, 17.6, -64.2, 18.8),
}  # fmt: skip
_RIGHT = {
    "Guadeloupe": (-61.85, 15.8, -60.95, 16.55), "Martinique": (-61.25, 14.35, -60.8, 14.9), "Saint Martin": (-63.2, 17.98, -62.95, 18.15), "Saint Barthelemy": (-62.95, 17.85, -62.75, 17.98),
    "northern France": (-1.95, 48.5, 1.55, 50.3), "Calais and Dunkirk": (1.55, 50.0, 3.0, 51.1), "Rwanda and Burundi": (28.9, -4.5, 30.5, -1.05),
    "South Korea": (126.0, 34.9, 129.7, 38.6), "Laos, Vientiane": (102.0, 17.9, 103.4, 20.0), "Cambodia, west": (102.6, 10.4, 104.8, 13.6),
    "Myanmar, south": (97.3, 12.0, 98.9, 16.5), "Lhasa side of the Himalaya": (80.0, 30.4, 92.0, 34.0), "Gibraltar": (-5.4, 36.1, -5.3, 36.2),
    "Afghanistan": (60.5, 31.0, 70.5, 36.5), "Congo, Katanga": (26.0, -12.0, 28.4, -8.0), "Shenzhen": (113.75, 22.53, 114.65, 22.9),
    "Zhuhai": (113.3, 22.215, 113.6, 22.5),
}  # fmt: skip


def is_left_hand(osm: OsmMap) -> tuple[bool, str]:
    """Return whether traffic keeps to the left, and how that was found.

    In this order: the tag `driving_side`, the direction of roundabouts, the country in which the centre of the extract lies.
    """
    stated = _stated(osm)
    if stated:
        is_left = stated.count("left") > len(stated) / 2
        return is_left, f"{len(stated)} elements of the extract have the tag driving_side"
    turns = _turns(osm)
    clockwise = turns.count(-1)
    if turns and max(clockwise, len(turns) - clockwise) >= 2 / 3 * len(turns):
        is_left = clockwise > len(turns) / 2
        agreeing = clockwise if is_left else len(turns) - clockwise
        return (
            is_left,
            f"{agreeing} of {len(turns)} roundabouts of the extract run {'clockwise' if is_left else 'counter-clockwise'}",
        )
    name, is_left = _country(osm)
    return is_left, f"the extract lies in or near {name}" if name else "no country with traffic on the left lies here"


def against_side(osm: OsmMap, is_left: bool) -> tuple[int, str]:
    """Return the number of signs in an extract that traffic drives on the other side, and what they are."""
    stated = _stated(osm).count("right" if is_left else "left")
    turns = _turns(osm).count(1 if is_left else -1)
    name, country_is_left = _country(osm)
    signs = [
        (stated, f"elements with driving_side={'right' if is_left else 'left'} {stated}"),
        (turns, f"{'counter-clockwise' if is_left else 'clockwise'} roundabouts {turns}"),
        (int(country_is_left != is_left), f"the place, which lies in or near {name or 'no country with traffic on the left'}"),
    ]  # fmt: skip
    return sum(count for count, _ in signs), ", ".join(text for count, text in signs if count)


def _stated(osm: OsmMap) -> list[str]:
    """Return the sides that tags name."""
    return [tags["driving_side"] for tags in _all_tags(osm) if tags.get("driving_side") in ("left", "right")]


def _turns(osm: OsmMap) -> list[int]:
    """Return the directions of the roundabouts: 1 for counter-clockwise, -1 for clockwise."""
    turns = [_turn(osm, way) for way in osm.ways.values() if way.tags.get("junction") in ("roundabout", "circular")]
    turns += [
        -1 if tags["direction"] == "clockwise" else 1
        for tags in osm.node_tags.values()
        if tags.get("highway") == "mini_roundabout"
        and tags.get("direction") in ("clockwise", "anticlockwise", "counterclockwise")
    ]
    return [turn for turn in turns if turn]


def _country(osm: OsmMap) -> tuple[str, bool]:
    """Return the country in which the middle of an extract lies, and whether traffic drives on the left there; "" for no rectangle."""
    longitude, latitude = middle_deg(osm)
    sizes = [
        ((east - west) * (north - south), name, is_left)
        for countries, is_left in ((_LEFT, True), (_RIGHT, False))
        for name, (west, south, east, north) in countries.items()
        if west <= longitude <= east and south <= latitude <= north
    ]
    _, name, is_left = min(sizes, default=(0.0, "", False))
    return name, is_left


def middle_deg(osm: OsmMap) -> tuple[float, float]:
    """Return the median longitude and latitude of the nodes of an extract, which may lie across the meridian of 180 degrees."""
    if not osm.position_deg:
        return 0.0, 0.0
    degrees = np.array(list(osm.position_deg.values()), float)
    if np.ptp(degrees[:, 0]) > 180:
        degrees[:, 0] %= 360.0
    longitude, latitude = np.median(degrees, axis=0).tolist()
    return (longitude + 180.0) % 360.0 - 180.0, latitude


def _all_tags(osm: OsmMap) -> list[dict[str, str]]:
    return [
        *(way.tags for way in osm.ways.values()),
        *(relation.tags for relation in osm.relations),
        *osm.node_tags.values(),
    ]


def _turn(osm: OsmMap, way: Way) -> int:
    """Return 1 if the traffic of a roundabout, or of a piece of one, turns counter-clockwise, -1 if clockwise, 0 if it is straight."""
    points = np.array([osm.position_deg[node] for node in way.nodes if node in osm.position_deg], float).reshape(-1, 2)
    if len(points) < 3 or area_of_way(way, osm.position_deg).is_empty:
        return 0
    x, y = (points - points[0]).T
    turn = int(np.sign(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    return -turn if way.tags.get("oneway") in ("-1", "reverse") else turn
