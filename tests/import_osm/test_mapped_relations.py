"""Relations and tags of the map that are drawn against the rules, and what of them stands."""

import pytest

from tests.import_osm.small_maps import Drawing, imported
from tests.import_osm.test_mapped_buildings import BLOCK, COURT, square


def test_a_court_whose_outer_ring_is_not_in_the_extract_is_no_building(tmp_path):
    drawing = Drawing()
    inner = drawing.ring(COURT)
    drawing.relation((99, "outer"), (inner, "inner"), type="multipolygon", building="yes", height="20")
    town = imported(drawing, tmp_path)
    assert (town.solids, town.notices["import.ring_open"].count) == ([], 1)


def test_an_inner_ring_outside_of_the_outer_one_is_open_ground_and_reported(tmp_path):
    drawing = Drawing()
    outer, stray = drawing.ring(BLOCK), drawing.ring(square(300, 100, 20))
    relation = drawing.relation((outer, "outer"), (stray, "inner"), type="multipolygon", building="yes", height="20")
    town = imported(drawing, tmp_path)
    assert (town.top_m(150, 150), town.top_m(310, 110)) == (20.0, 0.0)
    assert f"(relation {relation})" in town.notices["import.inner_outside"].text


def test_an_outer_ring_directly_in_another_one_is_a_court_and_reported(tmp_path):
    drawing = Drawing()
    rings = [drawing.ring(BLOCK), drawing.ring(COURT)]
    drawing.relation(*((ring, "outer") for ring in rings), type="multipolygon", building="yes", height="20")
    town = imported(drawing, tmp_path)
    assert (town.top_m(145, 145), town.notices["import.outer_in_outer"].count) == (0.0, 1)


def test_rings_in_their_places_are_not_reported(tmp_path):
    drawing = Drawing()
    outer, inner, island = drawing.ring(BLOCK), drawing.ring(COURT), drawing.ring(square(140, 140, 10))
    other = drawing.ring(square(200, 100, 30))
    members = [(outer, "outer"), (inner, "inner"), (island, "outer"), (other, "outer")]
    drawing.relation(*members, type="multipolygon", building="yes", height="20")
    town = imported(drawing, tmp_path)
    assert not {"import.inner_outside", "import.outer_in_outer", "import.ring_open"} & set(town.notices)


def test_a_building_that_is_a_relation_of_another_type_is_reported(tmp_path):
    drawing = Drawing()
    drawing.relation((drawing.ring(BLOCK), "perimeter"), type="site", building="yes", height="20")
    town = imported(drawing, tmp_path)
    assert (len(town.solids), town.notices["import.relation_type"].count) == (0, 1)


def test_the_height_of_a_building_relation_counts_for_its_outline(tmp_path):
    drawing = Drawing()
    outline = drawing.ring(BLOCK, building="office")
    drawing.relation((outline, "outline"), type="building", height="33")
    assert imported(drawing, tmp_path).top_m(150, 150) == 33.0


def test_an_outline_that_is_a_multipolygon_has_the_role_of_its_building_relation(tmp_path):
    drawing = Drawing()
    outer, inner = drawing.ring(BLOCK), drawing.ring(COURT)
    outline = drawing.relation((outer, "outer"), (inner, "inner"), type="multipolygon")
    drawing.number += 1
    drawing.raw(
        f'<relation id="{drawing.number}" version="1"><member type="relation" ref="{outline}" role="outline"/>'
        '<tag k="type" v="building"/><tag k="height" v="14"/></relation>'
    )
    town = imported(drawing, tmp_path)
    assert (town.top_m(110, 110), town.top_m(145, 145)) == (14.0, 0.0)


@pytest.mark.parametrize("key", ["disused:building", "abandoned:building", "ruins:building"])
def test_a_building_that_nobody_uses_still_stands(tmp_path, key):
    drawing = Drawing()
    drawing.ring(BLOCK, **{key.replace(":", "__"): "yes", "height": "9"})
    town = imported(drawing, tmp_path)
    assert (town.top_m(150, 150), "import.not_standing" in town.notices) == (9.0, False)


@pytest.mark.parametrize(
    "tags",
    [
        {"building": "construction"},
        {"building": "ruins"},
        {"building": "yes", "ruins": "yes"},
        {"ruins__building": "yes"},
    ],
)
def test_a_building_site_and_a_ruin_stand_and_are_reported(tmp_path, tags):
    drawing = Drawing()
    drawing.ring(BLOCK, height="9", **tags)
    town = imported(drawing, tmp_path)
    assert (town.top_m(150, 150), town.notices["import.unfinished"].count) == (9.0, 1)


def test_a_road_with_a_tag_of_a_building_is_no_building_but_a_square_that_is_one_stands(tmp_path):
    drawing = Drawing()
    drawing.way([*BLOCK, (100, 90)], highway="service", building="yes", height="9")
    drawing.ring(square(300, 100, 50), highway="pedestrian", building="roof", height="9")
    town = imported(drawing, tmp_path)
    assert (town.top_m(150, 150), town.top_m(320, 120), town.notices["import.building_road"].count) == (0.0, 9.0, 1)


@pytest.mark.parametrize("value", ["none", "No", "entrance"])
def test_a_value_that_denies_a_building_builds_none(tmp_path, value):
    drawing = Drawing()
    drawing.ring(BLOCK, building=value)
    assert imported(drawing, tmp_path).solids == []


def test_walls_of_an_impossible_height_or_without_ground_are_counted_by_kind(tmp_path):
    drawing = Drawing()
    drawing.way([(400, 500), (600, 500)], barrier="wall", height="900")
    drawing.way([(400, 600), (402, 600)], barrier="wall", height="2")
    drawing.way([(400, 700), (600, 700)], barrier="hedge", height="2")
    town = imported(drawing, tmp_path)
    assert (town.solids, "(wall 2, hedge 1)" in town.notices["import.walls"].text) == ([], True)


def test_a_city_wall_that_is_drawn_as_an_area_is_filled(tmp_path):
    drawing = Drawing()
    drawing.ring(square(300, 300, 12), barrier="city_wall", area="yes", height="8")
    assert imported(drawing, tmp_path).top_m(306, 306) == 8.0


def test_trees_and_decks_of_bridges_are_counted_as_not_modelled(tmp_path):
    drawing = Drawing()
    drawing.raw('<node id="500000" lat="50.001" lon="9.001"><tag k="natural" v="tree"/></node>')
    drawing.ring(square(300, 300, 12), man_made="bridge")
    notice = imported(drawing, tmp_path).notices["import.not_modelled"]
    assert (notice.count, "natural=tree 1" in notice.text, "man_made=bridge 1" in notice.text) == (2, True, True)


def test_a_building_relation_whose_outline_is_not_in_the_extract_is_reported(tmp_path):
    drawing = Drawing()
    relation = drawing.relation((99, "outline"), type="building", building="yes", height="20")
    town = imported(drawing, tmp_path)
    assert f"(relation {relation})" in town.notices["import.relation_empty"].text


def test_a_disused_building_stands_although_it_is_no_building_in_use(tmp_path):
    drawing = Drawing()
    drawing.ring(BLOCK, building="no", disused__building="yes", height="9")
    assert imported(drawing, tmp_path).top_m(150, 150) == 9.0


def test_each_outer_ring_stands_as_high_as_its_own_way_says(tmp_path):
    drawing = Drawing()
    members = [
        (drawing.ring(square(100, 100, 30), building="yes", height="6"), "outer"),
        (drawing.ring(square(130, 100, 30), building="yes", height="30"), "outer"),
        (drawing.ring(square(300, 100, 30), building__levels="3", min_height="3"), "outer"),
        (drawing.ring(square(400, 100, 30), building="garage"), "outer"),
        (drawing.ring(square(500, 100, 30)), "outer"),
    ]
    drawing.relation(*members, type="multipolygon", building="yes")
    town = imported(drawing, tmp_path)
    tops_m = [town.top_m(x, 110) for x in (110, 140, 310, 410, 510)]
    assert (tops_m, town.base_m(310, 110)) == ([6.0, 30.0, 9.0, 2.5, 7.5], 3.0)
    assert town.notices["buildings.height_assumed"].count == 2


def test_outer_rings_of_a_relation_without_tags_keep_their_own_heights(tmp_path):
    drawing = Drawing()
    low, high = (
        drawing.ring(square(x, 100, 30), building="yes", height=height) for x, height in ((100, "6"), (200, "30"))
    )
    drawing.relation((low, "outer"), (high, "outer"), type="multipolygon")
    town = imported(drawing, tmp_path)
    assert (town.top_m(110, 110), town.top_m(210, 110)) == (6.0, 30.0)


def test_an_outer_ring_in_the_court_of_a_higher_one_keeps_its_own_height(tmp_path):
    drawing = Drawing()
    outer, inner = drawing.ring(BLOCK, height="20"), drawing.ring(COURT)
    island = drawing.ring(square(140, 140, 10), height="6")
    drawing.relation((outer, "outer"), (inner, "inner"), (island, "outer"), type="multipolygon", building="yes")
    town = imported(drawing, tmp_path)
    assert [town.top_m(x, x) for x in (110, 135, 145)] == [20.0, 0.0, 6.0]


def test_an_outer_ring_in_several_ways_has_their_height(tmp_path):
    drawing = Drawing()
    (a, b, c, d), other = square(100, 100, 30), drawing.ring(square(300, 100, 30), height="6")
    halves = [drawing.way([a, b, c], height="30"), drawing.way([c, d, a])]
    drawing.relation(*((way, "outer") for way in (*halves, other)), type="multipolygon", building="yes")
    town = imported(drawing, tmp_path)
    assert (town.top_m(110, 110), town.top_m(310, 110)) == (30.0, 6.0)


@pytest.mark.parametrize(
    ("way", "relation", "top_m", "contradict"),
    [
        ({"height": "6"}, {"height": "12"}, 12.0, True),
        ({"height": "30"}, {"building__levels": "4"}, 12.0, True),
        ({"height": "13"}, {"building__levels": "4"}, 12.0, False),
        ({"height": "12.0 m"}, {"height": "12"}, 12.0, False),
        ({"building": "garage"}, {"building": "church"}, 15.0, True),
        ({"roof__height": "4"}, {"building__levels": "4"}, 16.0, False),
    ],
)
def test_the_tags_of_a_relation_count_before_those_of_its_outer_way(tmp_path, way, relation, top_m, contradict):
    drawing = Drawing()
    outer, inner = drawing.ring(BLOCK, **way), drawing.ring(COURT)
    drawing.relation((outer, "outer"), (inner, "inner"), **{"type": "multipolygon", "building": "yes"} | relation)
    town = imported(drawing, tmp_path)
    assert (town.top_m(110, 110), "import.outer_differs" in town.notices) == (top_m, contradict)
