"""Link states from the geometry of antennas, vehicles and buildings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Polygon, affinity, box

from v2xsim.comms.channel.geometry import SPEED_OF_LIGHT_MPS, link_states, links_and_obstruction
from v2xsim.records import LOS, NLOSB, NLOSV, Boxes, Prisms
from v2xsim.spatial.grid import indexed

OPEN = indexed(Prisms.none())


def one_link(tx_m, rx_m, boxes=None, obstacles=OPEN, tx_body=-1, rx_body=-1):
    return links_and_obstruction(
        np.array([tx_m], float),
        np.array([rx_m], float),
        np.array([tx_body]),
        np.array([rx_body]),
        Boxes.none() if boxes is None else boxes,
        obstacles,
        5.9,
    )


def vehicle(x_m, y_m=0.0, height_m=3.0, yaw_rad=0.0, length_m=8.0, width_m=2.5):
    return Boxes(np.array([[x_m, y_m, 0.0]]), np.array([[length_m, width_m, height_m]]), np.array([yaw_rad]))


def town(*footprints, base_m=0.0, top_m=10.0):
    vertices = [np.array(f, float) for f in footprints]
    offset = np.cumsum([0] + [len(v) for v in vertices]).astype(np.int64)
    count = len(vertices)
    return indexed(Prisms(np.concatenate(vertices), offset, np.full(count, base_m), np.full(count, top_m)))


CORNER_HOUSE = [(40, -5), (60, -5), (60, 5), (40, 5)]
# Open to the north: its arms stand at x 40-45 and 55-60.
COURTYARD = [(40, -20), (60, -20), (60, 5), (55, 5), (55, -10), (45, -10), (45, 5), (40, 5)]


def test_two_antennas_in_the_open_see_each_other():
    links, obstruction = one_link((0, 0, 1.5), (100, 0, 1.5))
    assert (links.state[0], links.case[0], obstruction[0]) == (LOS, 0, -np.inf)


def test_the_distance_of_a_link_counts_the_heights():
    links, _ = one_link((0, 0, 1.0), (3, 4, 13.0))
    assert links.distance_m[0] == 13.0


@pytest.mark.parametrize(
    ("tx_height_m", "rx_height_m", "truck_height_m", "state", "case"),
    [
        (1.5, 1.6, 3.0, NLOSV, 2),
        (4.0, 1.6, 3.0, NLOSV, 3),
        (3.0, 3.0, 3.0, NLOSV, 3),
        (3.0, 1.5, 3.0, NLOSV, 3),
        (3.1, 4.0, 3.0, LOS, 0),
    ],
)
def test_a_truck_on_the_line_blocks_by_the_three_cases_of_tr37885(
    tx_height_m, rx_height_m, truck_height_m, state, case
):
    links, _ = one_link((0, 0, tx_height_m), (100, 0, rx_height_m), vehicle(50, height_m=truck_height_m))
    assert (links.state[0], links.case[0]) == (state, case)


def test_a_link_reports_the_height_of_the_truck_that_blocks_it():
    links, _ = one_link((0, 0, 1.5), (100, 0, 1.5), vehicle(50, height_m=3.2))
    assert links.blocker_height_m[0] == 3.2


def test_a_clear_link_reports_no_blocker():
    links, _ = one_link((0, 0, 4.0), (100, 0, 4.0), vehicle(50))
    assert np.isnan(links.blocker_height_m[0])


def test_a_vehicle_does_not_block_its_own_antenna():
    boxes = Boxes.joined([vehicle(0), vehicle(100)])
    links, _ = one_link((0, 0, 1.5), (100, 0, 1.5), boxes, tx_body=0, rx_body=1)
    assert links.state[0] == LOS


def test_a_vehicle_on_the_next_lane_does_not_block():
    links, _ = one_link((0, 0, 1.5), (100, 0, 1.5), vehicle(50, y_m=3.5))
    assert links.state[0] == LOS


def test_a_long_vehicle_across_the_road_blocks_where_one_along_it_does_not():
    along, _ = one_link((0, 0, 1.5), (100, 0, 1.5), vehicle(50, y_m=3.5))
    across, _ = one_link((0, 0, 1.5), (100, 0, 1.5), vehicle(50, y_m=3.5, yaw_rad=np.pi / 2))
    assert (along.state[0], across.state[0]) == (LOS, NLOSV)


def test_the_obstruction_by_a_truck_is_its_height_over_the_line_in_fresnel_radii():
    _, obstruction = one_link((0, 0, 3.0), (100, 0, 1.0), vehicle(25, height_m=3.0))
    radius_m = np.sqrt(SPEED_OF_LIGHT_MPS / 5.9e9 * 25 * 75 / 100)
    # The link is 100.02 m long in three dimensions.
    assert obstruction[0] == pytest.approx((3.0 - 2.5) / radius_m, rel=1e-3)


def test_a_truck_below_both_antennas_still_shows_in_the_obstruction():
    _, obstruction = one_link((0, 0, 4.0), (100, 0, 4.0), vehicle(50, height_m=3.0))
    assert -1.0 < obstruction[0] < 0.0


def test_a_house_on_the_line_blocks():
    links, obstruction = one_link((0, 0, 1.5), (100, 0, 1.5), obstacles=town(CORNER_HOUSE))
    assert (links.state[0], obstruction[0]) == (NLOSB, np.inf)


def test_a_house_counts_before_a_truck():
    links, _ = one_link((0, 0, 1.5), (100, 0, 1.5), vehicle(20), town(CORNER_HOUSE))
    assert (links.state[0], links.case[0]) == (NLOSB, 0)


@pytest.mark.parametrize(("mast_m", "state"), [(19.0, NLOSB), (26.0, LOS)])
def test_a_line_over_the_roof_is_clear(mast_m, state):
    # From 1 m at x = 0 the line must be above 10 m already at the near wall, x = 40: 23.5 m at x = 100.
    links, _ = one_link((0, 0, 1.0), (100, 0, mast_m), obstacles=town(CORNER_HOUSE))
    assert links.state[0] == state


def test_a_line_under_a_skyway_is_clear():
    links, _ = one_link((0, 0, 1.5), (100, 0, 4.0), obstacles=town(CORNER_HOUSE, base_m=5.0))
    assert links.state[0] == LOS


@pytest.mark.parametrize(
    ("tx_m", "rx_m", "state"),
    [
        ((46, 0, 1.5), (54, 0, 1.5), LOS),
        ((50, 0, 1.5), (50, 100, 1.5), LOS),
        ((50, 0, 1.5), (100, 0, 1.5), NLOSB),
        ((0, 0, 1.5), (100, 0, 1.5), NLOSB),
        ((0, 8, 1.5), (100, 8, 1.5), LOS),
    ],
)
def test_the_court_of_a_concave_building_is_open(tx_m, rx_m, state):
    links, _ = one_link(tx_m, rx_m, obstacles=town(COURTYARD))
    assert links.state[0] == state


@pytest.mark.parametrize(
    ("rx_m", "state"),
    [
        ((51, 0, 1.5), LOS),
        ((51, 0, 9.0), LOS),
        ((100, 0, 1.5), NLOSB),  # out through a wall
        ((50, 0, 30.0), NLOSB),  # up through the roof
        ((51, 0, 10.0), NLOSB),  # an antenna at the height of the roof counts as above it
    ],
)
def test_the_inside_of_a_building_is_open_and_its_walls_and_roof_block(rx_m, state):
    links, _ = one_link((50, 0, 1.5), rx_m, obstacles=town(CORNER_HOUSE))
    assert links.state[0] == state


@pytest.mark.parametrize(
    ("tx_m", "rx_m", "state"),
    [
        ((50, 0, 1.5), (50, 0, 4.0), LOS),
        ((50, 0, 4.0), (50, 0, 5.0), LOS),
        ((50, 0, 4.0), (50, 0, 6.0), NLOSB),
        ((45, 2, 3.0), (55, -2, 7.0), NLOSB),
        ((50, 0, 6.0), (52, 2, 9.0), LOS),
    ],
)
def test_the_underside_of_a_raised_building_blocks(tx_m, rx_m, state):
    links, _ = one_link(tx_m, rx_m, obstacles=town(CORNER_HOUSE, base_m=5.0))
    assert links.state[0] == state


# 60 m by 60 m round a court of 20 m by 20 m, which a seam joins to the outline at its lower left corner.
RING = [(0, 0), (60, 0), (60, 60), (0, 60), (0, 0), (20, 20), (20, 40), (40, 40), (40, 20), (20, 20)]


@pytest.mark.parametrize(
    ("tx_m", "rx_m", "state"),
    [
        ((25, 25), (35, 35), LOS),  # across the court
        ((30, 30), (80, 30), NLOSB),  # out of the court
        ((-20, 30), (80, 30), NLOSB),
        ((5, 12), (12, 5), LOS),  # inside the building, across the seam
        ((5, 12), (5, 50), LOS),
        ((10, 30), (50, 30), NLOSB),  # inside the building, across the court
    ],
)
def test_a_court_is_open_and_the_seam_of_its_outline_is_no_wall(tx_m, rx_m, state):
    links, _ = one_link((*tx_m, 1.5), (*rx_m, 1.5), obstacles=town(RING))
    assert links.state[0] == state


@pytest.mark.parametrize("seed", range(4))
def test_links_that_touch_the_inside_of_a_building_cross_as_many_walls_as_shapely_says(seed):
    rng = np.random.default_rng(seed)
    points = np.column_stack([rng.uniform(-10, 70, (40, 2)), np.full(40, 1.5)])
    links = all_links(points)
    hull = Polygon([(0, 0), (60, 0), (60, 60), (0, 60)], [[(20, 20), (20, 40), (40, 40), (40, 20)]])
    expected = [LineString([a[:2], b[:2]]).intersects(hull.boundary) for a, b in zip(*links[:2], strict=True)]
    assert np.array_equal(link_states(*links, Boxes.none(), town(RING)).state == NLOSB, expected)


@pytest.mark.parametrize(("rx_m", "state"), [((0, 0, 3.0), LOS), ((100, 0, 3.0), NLOSB)])
def test_an_antenna_on_a_wall_looks_outward(rx_m, state):
    links, _ = one_link((40, 0, 3.0), rx_m, obstacles=town(CORNER_HOUSE))
    assert links.state[0] == state


def test_an_antenna_straight_above_a_truck_is_blocked_by_it():
    links, _ = one_link((50, 0, 1.0), (50, 0, 8.0), vehicle(50))
    assert links.state[0] == NLOSV


def test_antennas_at_one_place_are_clear():
    links, _ = one_link((5, 5, 1.5), (5, 5, 1.5))
    assert (links.state[0], links.distance_m[0]) == (LOS, 0.0)


def test_no_link_gives_no_state():
    none, rows = np.zeros((0, 3)), np.zeros(0, np.int64)
    assert len(link_states(none, none, rows, rows, vehicle(0), town(CORNER_HOUSE))) == 0


def random_scene(seed, houses=25, vehicles=25, antennas=12):
    """Return antennas, boxes and houses (some L-shaped, some raised) thrown into a square of 300 m."""
    rng = np.random.default_rng(seed)
    footprints = []
    for _ in range(houses):
        w, h = rng.uniform(4, 40, 2)
        shape = box(-w, -h, w, h)
        if rng.random() < 0.5:
            shape = shape.difference(box(0, 0, w + 1, h + 1))
        shape = affinity.translate(affinity.rotate(shape, rng.uniform(0, 360)), *rng.uniform(0, 300, 2))
        footprints.append(np.array(shape.exterior.coords[:-1])[::-1] if not shape.exterior.is_ccw
                          else np.array(shape.exterior.coords[:-1]))  # fmt: skip
    offset = np.cumsum([0] + [len(f) for f in footprints]).astype(np.int64)
    base_m = np.where(rng.random(houses) < 0.3, rng.uniform(0, 8, houses), 0.0)
    prisms = Prisms(np.concatenate(footprints), offset, base_m, base_m + rng.uniform(2, 12, houses))
    boxes = Boxes(
        np.column_stack([rng.uniform(0, 300, (vehicles, 2)), np.zeros(vehicles)]),
        rng.uniform([2, 1, 1], [14, 3, 4], (vehicles, 3)),
        rng.uniform(-np.pi, np.pi, vehicles),
    )
    antenna_m = np.column_stack([rng.uniform(-20, 320, (antennas, 2)), rng.uniform(0.5, 12, antennas)])
    return antenna_m, boxes, prisms


def all_links(antenna_m):
    first, second = (rows.ravel() for rows in np.indices((len(antenna_m), len(antenna_m))))
    apart = first != second
    none = np.full(apart.sum(), -1)
    return antenna_m[first[apart]], antenna_m[second[apart]], none, none


def passes_through(a, b, footprint, base_m, top_m):
    """Return whether a line passes through a prism, by shapely: the part between base and roof meets the footprint."""
    rise = b[2] - a[2]
    if rise == 0:
        share = (0.0, 1.0) if base_m < a[2] < top_m else (1.0, 0.0)
    else:
        share = sorted(((base_m - a[2]) / rise, (top_m - a[2]) / rise))
    share = max(share[0], 0.0), min(share[1], 1.0)
    if share[0] >= share[1]:
        return False
    line = LineString([a[:2] + s * (b[:2] - a[:2]) for s in share])
    return line.intersection(Polygon(footprint)).length > 1e-9


def outline(boxes, k):
    length, width = boxes.size_m[k, :2] / 2
    turned = affinity.rotate(box(-length, -width, length, width), boxes.yaw_rad[k], (0, 0), use_radians=True)
    return affinity.translate(turned, *boxes.center_m[k, :2])


@pytest.mark.parametrize("seed", range(12))
def test_buildings_block_exactly_the_links_that_shapely_says(seed):
    antenna_m, _, prisms = random_scene(seed)
    links = all_links(antenna_m)
    state = link_states(*links, Boxes.none(), indexed(prisms)).state
    expected = [
        any(
            passes_through(
                a, b, prisms.vertices_m[prisms.offset[p] : prisms.offset[p + 1]], prisms.base_m[p], prisms.top_m[p]
            )
            for p in range(len(prisms))
        )
        for a, b in zip(*links[:2], strict=True)
    ]
    assert np.array_equal(state == NLOSB, expected)


@pytest.mark.parametrize("seed", range(12))
def test_the_blockage_case_is_set_by_the_highest_vehicle_on_the_line_that_shapely_finds(seed):
    antenna_m, boxes, _ = random_scene(seed, vehicles=120)
    links = all_links(antenna_m)
    expected = []
    for a, b in zip(*links[:2], strict=True):
        line = LineString([a[:2], b[:2]])
        tops = [boxes.size_m[k, 2] for k in range(len(boxes)) if line.intersection(outline(boxes, k)).length > 1e-9]
        low, high, top = min(a[2], b[2]), max(a[2], b[2]), max(tops, default=-1.0)
        expected.append(0 if top < low else 2 if top > high else 3)
    assert np.array_equal(link_states(*links, boxes, OPEN).case, expected)


@pytest.mark.parametrize("seed", range(5))
def test_a_link_has_the_same_state_in_both_directions(seed):
    antenna_m, boxes, prisms = random_scene(seed, houses=6)
    antenna_m[:4, 0], antenna_m[2:6, 1] = 150.0, 120.0
    tx_m, rx_m, none, _ = all_links(antenna_m)
    there, there_obstruction = links_and_obstruction(tx_m, rx_m, none, none, boxes, indexed(prisms), 5.9)
    back, back_obstruction = links_and_obstruction(rx_m, tx_m, none, none, boxes, indexed(prisms), 5.9)
    for name in ("distance_m", "state", "blocker_height_m", "case"):
        np.testing.assert_array_equal(getattr(there, name), getattr(back, name))
    np.testing.assert_array_equal(there_obstruction, back_obstruction)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 24))
def test_tearing_down_a_building_never_blocks_a_link(seed, gone):
    antenna_m, _, prisms = random_scene(seed)
    links = all_links(antenna_m)
    kept = np.arange(prisms.offset[-1])
    kept = kept[(kept < prisms.offset[gone]) | (kept >= prisms.offset[gone + 1])]
    sizes = np.delete(np.diff(prisms.offset), gone)
    fewer = Prisms(
        prisms.vertices_m[kept], np.concatenate([[0], np.cumsum(sizes)]),
        np.delete(prisms.base_m, gone), np.delete(prisms.top_m, gone),
    )  # fmt: skip
    before = link_states(*links, Boxes.none(), indexed(prisms)).state == NLOSB
    after = link_states(*links, Boxes.none(), indexed(fewer)).state == NLOSB
    assert not np.any(after & ~before)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_one_more_vehicle_never_improves_a_link(seed):
    antenna_m, boxes, prisms = random_scene(seed, houses=3, vehicles=60)
    links, obstacles = all_links(antenna_m), indexed(prisms)
    # Mean losses by case 0, 2 and 3 of TR 37.885.
    severity = np.array([0, 0, 9, 5])
    few = link_states(*links, boxes[:59], obstacles)
    many = link_states(*links, boxes, obstacles)
    assert np.all(severity[many.case] >= severity[few.case])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(-2000, 2000), st.floats(-2000, 2000))
def test_moving_the_whole_world_changes_no_state(seed, east_m, north_m):
    antenna_m, boxes, prisms = random_scene(seed)
    shift = np.array([round(east_m), round(north_m)])
    moved_boxes = Boxes(boxes.center_m + np.append(shift, 0), boxes.size_m, boxes.yaw_rad)
    moved_prisms = Prisms(prisms.vertices_m + shift, prisms.offset, prisms.base_m, prisms.top_m)
    here = link_states(*all_links(antenna_m), boxes, indexed(prisms))
    there = link_states(*all_links(antenna_m + np.append(shift, 0)), moved_boxes, indexed(moved_prisms))
    assert np.array_equal(here.state, there.state)


def test_a_case_is_given_exactly_where_a_vehicle_blocks():
    antenna_m, boxes, prisms = random_scene(3, houses=4, vehicles=120, antennas=40)
    links = link_states(*all_links(antenna_m), boxes, indexed(prisms))
    assert np.array_equal(links.case >= 2, links.state == NLOSV)
