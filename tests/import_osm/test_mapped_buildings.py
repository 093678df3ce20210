"""Buildings of OpenStreetMap as ways, as multipolygons, in parts, and what of them is lost."""

import itertools

import pytest

from tests.import_osm.small_maps import Drawing, imported


def square(x, y, side):
    return [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]


BLOCK, COURT = square(100, 100, 100), square(130, 130, 30)


def walls(corners):
    """Return the sides of a ring as lines of two corners."""
    return [list(side) for side in itertools.pairwise([*corners, corners[0]])]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1)])
@pytest.mark.parametrize("reversed_ways", [(), (1, 2)])
def test_a_ring_of_several_ways_is_joined_in_any_order_and_direction(tmp_path, order, reversed_ways):
    drawing = Drawing()
    sides = [side[::-1] if n in reversed_ways else side for n, side in enumerate(walls(BLOCK))]
    outer = [drawing.way(sides[n]) for n in order]
    inner = drawing.ring(COURT)
    drawing.relation(*((n, "outer") for n in outer), (inner, "inner"), type="multipolygon", building="yes", height="20")
    town = imported(drawing, tmp_path)
    assert town.ground_m2() == pytest.approx(100**2 - 30**2, rel=1e-3)
    assert (town.top_m(110, 150), town.top_m(145, 145)) == (20.0, 0.0)
    assert not any(subject.startswith("import") for subject in town.kept)


def test_two_outer_rings_and_two_courts_that_touch_are_two_bodies_with_one_opening(tmp_path):
    drawing = Drawing()
    rings = [drawing.ring(BLOCK), drawing.ring(square(300, 100, 50))]
    courts = [
        drawing.ring([(130, 130), (150, 130), (150, 160), (130, 160)]),
        drawing.ring([(150, 130), (170, 130), (170, 160), (150, 160)]),
    ]
    members = [*((n, "outer") for n in rings), *((n, "inner") for n in courts)]
    drawing.relation(*members, type="multipolygon", building="yes", building__levels="4")
    town = imported(drawing, tmp_path)
    assert town.ground_m2() == pytest.approx(100**2 + 50**2 - 40 * 30, rel=1e-3)
    assert (town.top_m(150, 145), town.top_m(325, 125)) == (0.0, 12.0)


def test_outer_rings_that_overlap_are_one_body(tmp_path):
    drawing = Drawing()
    rings = [drawing.ring(square(100, 100, 50)), drawing.ring(square(130, 100, 50))]
    drawing.relation(*((n, "outer") for n in rings), type="multipolygon", building="yes", height="9")
    town = imported(drawing, tmp_path)
    assert (town.top_m(140, 110), town.ground_m2()) == (9.0, pytest.approx(80 * 50, rel=1e-3))


@pytest.mark.parametrize("side", [0.3, 0.0])
def test_a_building_smaller_than_a_square_metre_is_reported(tmp_path, side):
    drawing = Drawing()
    drawing.ring([(100, 100), (100.5, 100), (100.5, 100 + side)], building="yes")
    town = imported(drawing, tmp_path)
    assert (len(town.solids), town.notices["import.outline_empty"].count) == (0, 1)


def test_a_building_that_stands_in_a_court_stays(tmp_path):
    drawing = Drawing()
    outer, inner = drawing.ring(BLOCK), drawing.ring(COURT)
    island = drawing.ring(square(140, 140, 10))
    drawing.relation(
        (outer, "outer"), (inner, "inner"), (island, "outer"), type="multipolygon", building="yes", height="20"
    )
    town = imported(drawing, tmp_path)
    assert (town.top_m(145, 145), town.top_m(135, 135), town.top_m(110, 110)) == (20.0, 0.0, 20.0)


def test_a_court_with_a_house_of_its_own_is_filled_by_that_house(tmp_path):
    drawing = Drawing()
    outer, inner = drawing.ring(BLOCK), drawing.ring(COURT, building="house", height="6")
    drawing.relation((outer, "outer"), (inner, "inner"), type="multipolygon", building="yes", height="20")
    town = imported(drawing, tmp_path)
    assert (town.top_m(110, 110), town.top_m(145, 145)) == (20.0, 6.0)


def test_tags_on_the_outer_way_count_where_the_relation_has_none(tmp_path):
    drawing = Drawing()
    outer, inner = drawing.ring(BLOCK, building="yes", height="17"), drawing.ring(COURT)
    drawing.relation((outer, "outer"), (inner, "inner"), type="multipolygon")
    town = imported(drawing, tmp_path)
    assert (town.top_m(110, 110), town.top_m(145, 145), len(town.solids)) == (17.0, 0.0, 1)


def test_a_height_on_the_outer_way_counts_where_the_relation_has_none(tmp_path):
    drawing = Drawing()
    outer, inner = drawing.ring(BLOCK, height="17"), drawing.ring(COURT)
    drawing.relation((outer, "outer"), (inner, "inner"), type="multipolygon", building="yes")
    town = imported(drawing, tmp_path)
    assert (town.top_m(110, 110), town.top_m(145, 145)) == (17.0, 0.0)


def test_the_import_reports_how_many_heights_are_assumed(tmp_path):
    drawing = Drawing()
    drawing.ring(BLOCK, building="house")
    town = imported(drawing, tmp_path)
    assert (town.notices["buildings.height_assumed"].count, town.kept["buildings.height_assumed"]) == (1, 1)


def test_a_building_that_is_the_outer_ring_of_a_school_keeps_the_court(tmp_path):
    drawing = Drawing()
    outer, inner = drawing.ring(BLOCK, building="school", height="11"), drawing.ring(COURT)
    drawing.relation((outer, "outer"), (inner, "inner"), type="multipolygon", amenity="school")
    town = imported(drawing, tmp_path)
    assert (town.top_m(110, 110), town.top_m(145, 145)) == (11.0, 0.0)


def test_a_ring_with_a_missing_way_is_left_out_and_reported_with_its_relation(tmp_path):
    drawing = Drawing()
    outer = [drawing.way(side) for side in walls(BLOCK)[:3]]
    relation = drawing.relation(*((n, "outer") for n in outer), (99, "outer"), type="multipolygon", building="yes")
    town = imported(drawing, tmp_path)
    assert len(town.solids) == 0
    notice = town.notices["import.ring_open"]
    assert notice.count == 1
    assert f"relation {relation}" in notice.text
    assert town.kept["import.ring_open"] == 1


def test_a_missing_way_of_one_ring_leaves_the_other_rings(tmp_path):
    drawing = Drawing()
    rings = [drawing.ring(BLOCK), drawing.way(walls(square(300, 100, 50))[0])]
    drawing.relation(*((n, "outer") for n in rings), type="multipolygon", building="yes", height="9")
    town = imported(drawing, tmp_path)
    assert town.ground_m2() == pytest.approx(100**2, rel=1e-3)
    assert town.notices["import.ring_open"].count == 1


PARTS = ([(100, 100), (150, 100), (150, 200), (100, 200)], [(150, 100), (200, 100), (200, 200), (150, 200)])


def test_parts_that_fill_an_outline_are_the_body(tmp_path):
    drawing = Drawing()
    drawing.ring(BLOCK, building="office")
    drawing.ring(PARTS[0], building__part="yes", height="60")
    drawing.ring(PARTS[1], building__part="yes", height="9", min_height="4")
    town = imported(drawing, tmp_path)
    assert (town.top_m(120, 150), town.base_m(120, 150)) == (60.0, 0.0)
    assert (town.top_m(180, 150), town.base_m(180, 150)) == (9.0, 4.0)


def test_where_an_outline_has_no_part_it_is_not_lower_than_its_tallest_part(tmp_path):
    drawing = Drawing()
    drawing.ring(BLOCK, building="office")
    drawing.ring(PARTS[0], building__part="yes", building__levels="20")
    town = imported(drawing, tmp_path)
    assert (town.top_m(120, 150), town.top_m(180, 150), town.base_m(180, 150)) == (60.0, 60.0, 0.0)


def test_an_outline_with_a_height_keeps_it_where_it_has_no_part(tmp_path):
    drawing = Drawing()
    drawing.ring(BLOCK, building="office", height="15")
    drawing.ring(square(110, 110, 20), building__part="yes", height="60")
    town = imported(drawing, tmp_path)
    assert (town.top_m(120, 120), town.top_m(180, 150)) == (60.0, 15.0)
    assert town.ground_m2() == pytest.approx(100**2, rel=1e-3)


def test_a_part_without_a_height_has_that_of_its_outline(tmp_path):
    drawing = Drawing()
    drawing.ring(BLOCK, building="office", height="25")
    drawing.ring(PARTS[0], building__part="yes")
    drawing.ring(PARTS[1], building__part="yes", height="8")
    town = imported(drawing, tmp_path)
    assert (town.top_m(120, 150), town.top_m(180, 150)) == (25.0, 8.0)


def test_a_raised_part_that_has_the_height_of_a_building_with_a_high_roof_is_no_contradiction(tmp_path):
    drawing = Drawing()
    drawing.ring(BLOCK, building="yes", height="20", roof__height="8")
    drawing.ring(PARTS[0], building__part="yes", min_height="15")
    town = imported(drawing, tmp_path)
    assert (town.base_m(120, 150), town.top_m(120, 150)) == (15.0, 20.0)
    assert "buildings.roof_above_height" not in town.notices


def test_a_part_that_stands_on_the_roof_leaves_the_outline_below(tmp_path):
    drawing = Drawing()
    drawing.ring(BLOCK, building="yes", height="10")
    drawing.ring(square(110, 110, 20), building__part="yes", height="40", min_height="10")
    town = imported(drawing, tmp_path)
    assert (town.base_m(120, 120), town.top_m(120, 120), town.top_m(180, 180)) == (0.0, 40.0, 10.0)


def test_an_outline_that_is_a_part_itself_stays_below_the_others(tmp_path):
    drawing = Drawing()
    drawing.ring(BLOCK, building="yes", building__part="yes")
    drawing.ring(square(110, 110, 20), building__part="yes", height="40", min_height="12")
    town = imported(drawing, tmp_path)
    assert (town.base_m(120, 120), town.top_m(120, 120), town.top_m(180, 180)) == (0.0, 40.0, 7.5)


def test_a_part_outside_every_outline_stands_alone(tmp_path):
    drawing = Drawing()
    drawing.ring(PARTS[0], building__part="yes", height="30")
    town = imported(drawing, tmp_path)
    assert (town.top_m(120, 150), len(town.solids)) == (30.0, 1)


def test_parts_that_contradict_their_outline_stand_as_mapped_and_are_reported(tmp_path):
    drawing = Drawing()
    drawing.ring(BLOCK, building="yes", height="20")
    higher = drawing.ring(square(110, 110, 20), building__part="yes", height="45")
    beyond = drawing.ring(square(175, 175, 30), building__part="yes", height="9")
    alone = drawing.ring(square(400, 100, 20), building__part="yes", height="8")
    drawing.ring(square(150, 110, 20), building__part="yes", height="20.3")
    town = imported(drawing, tmp_path)
    assert (town.top_m(120, 120), town.top_m(203, 203), town.top_m(410, 110)) == (45.0, 9.0, 8.0)
    for subject, way in (("part_higher", higher), ("part_outside", beyond), ("part_alone", alone)):
        notice = town.notices[f"import.{subject}"]
        assert (notice.count, f"(way {way})" in notice.text) == (1, True)


def test_contradictory_heights_of_the_map_are_reported_by_the_import_with_their_ids(tmp_path):
    drawing = Drawing()
    way = drawing.ring(BLOCK, building="yes", height="3", building__levels="12")
    town = imported(drawing, tmp_path)
    assert town.top_m(150, 150) == 36.0
    assert f"way{way}" in town.notices["buildings.height_below_storeys"].text


def test_roles_in_a_building_relation_name_outline_and_parts(tmp_path):
    drawing = Drawing()
    outline, part = drawing.ring(BLOCK), drawing.ring(PARTS[0], height="33")
    drawing.relation((outline, "outline"), (part, "part"), type="building", building="yes", height="12")
    town = imported(drawing, tmp_path)
    assert (town.top_m(120, 150), town.top_m(180, 150)) == (33.0, 12.0)


@pytest.mark.parametrize(
    ("tags", "subject"),
    [
        ({"building": "garage", "location": "underground"}, "import.underground"),
        ({"building": "parking", "layer": "-1"}, "import.underground"),
        ({"building": "proposed"}, "import.not_standing"),
        ({"demolished__building": "yes"}, "import.not_standing"),
    ],
)
def test_what_does_not_stand_above_the_ground_is_left_out_and_reported(tmp_path, tags, subject):
    drawing = Drawing()
    drawing.ring(BLOCK, **tags)
    town = imported(drawing, tmp_path)
    assert len(town.solids) == 0
    assert town.notices[subject].count == 1


def test_a_building_that_is_none_is_nothing(tmp_path):
    drawing = Drawing()
    drawing.ring(BLOCK, building="no")
    town = imported(drawing, tmp_path)
    assert (town.solids, [s for s in town.notices if s.startswith("import")]) == ([], [])


def test_silos_and_hangars_without_a_tag_building_block_as_well(tmp_path):
    drawing = Drawing()
    drawing.ring(square(100, 100, 10), man_made="silo", height="22")
    drawing.ring(square(200, 100, 40), aeroway="hangar")
    town = imported(drawing, tmp_path)
    assert (town.top_m(105, 105), town.top_m(220, 120)) == (22.0, 10.0)


def test_an_outline_that_does_not_close_is_closed_and_reported(tmp_path):
    drawing = Drawing()
    drawing.way(BLOCK, building="yes", height="9")
    town = imported(drawing, tmp_path)
    assert town.ground_m2() == pytest.approx(100**2, rel=1e-3)
    assert town.notices["import.outline_open"].count == 1


def test_corners_outside_the_extract_are_reported(tmp_path):
    drawing = Drawing()
    drawing.ring(BLOCK, building="yes", height="9")
    drawing.lines[-1] = (
        drawing.lines[-1].replace("<nd ", '<nd ref="777777"/><nd ', 2).replace('<nd ref="777777"/>', "", 1)
    )
    town = imported(drawing, tmp_path)
    assert town.notices["import.corners_missing"].count == 1
    assert town.top_m(150, 150) == 9.0


def test_elements_that_an_editor_deleted_are_not_there(tmp_path):
    drawing = Drawing()
    drawing.ring(BLOCK, building="yes")
    drawing.lines[-1] = drawing.lines[-1].replace("<way ", '<way action="delete" ')
    assert imported(drawing, tmp_path).solids == []


def test_a_building_mapped_as_a_point_is_reported(tmp_path):
    drawing = Drawing()
    drawing.raw('<node id="500000" lat="50.001" lon="9.001"><tag k="building" v="house"/></node>')
    assert imported(drawing, tmp_path).notices["import.building_point"].count == 1


def test_a_building_that_crosses_itself_gives_both_of_its_halves(tmp_path):
    drawing = Drawing()
    drawing.ring([(100, 100), (200, 200), (200, 100), (100, 200)], building="yes", height="9")
    town = imported(drawing, tmp_path)
    assert (town.top_m(180, 150), town.top_m(120, 150), town.top_m(150, 190)) == (9.0, 9.0, 0.0)


def test_a_roof_on_posts_is_open_below_and_storeys_and_feet_count(tmp_path):
    drawing = Drawing()
    drawing.ring(square(100, 100, 20), building="roof", height="5")
    drawing.ring(square(200, 100, 20), building="yes", building__levels="3", roof__levels="1")
    drawing.ring(square(300, 100, 20), building="yes", height="40'")
    town = imported(drawing, tmp_path)
    assert (town.base_m(110, 110), town.top_m(110, 110)) == (pytest.approx(4.7), 5.0)
    assert (town.top_m(210, 110), town.top_m(310, 110)) == (12.0, pytest.approx(12.192))
