"""Keys of a map that are almost those that the import reads."""

import pytest

from tests.import_osm.small_maps import Drawing
from v2xsim.import_osm.mistyped_keys import key_notices
from v2xsim.import_osm.osm_map import OsmMap, Relation, Way, read_osm


def subjects(tags, kind="way"):
    """Return the notices about one element, by subject."""
    osm = OsmMap()
    if kind == "way":
        osm.ways[7] = Way(7, [1, 2, 3, 1], tags)
    else:
        osm.relations.append(Relation(7, [], tags))
    return {notice.subject: notice for notice in key_notices(osm)}


@pytest.mark.parametrize("kind", ["way", "relation"])
@pytest.mark.parametrize(
    ("tags", "key"),
    [
        ({"Building": "yes"}, "Building (building)"),
        ({"buidling": "house"}, "buidling (building)"),
        ({"building ": "yes"}, "building  (building)"),
        ({"Building": "yes", "levels": "5"}, "levels (building:levels)"),
        ({"building": "yes", "levels": "5"}, "levels (building:levels)"),
        ({"building": "yes", "Height": "5"}, "Height (height)"),
        ({"building": "yes", "building_levels": "5"}, "building_levels (building:levels)"),
        ({"building": "yes", "building:level": "5"}, "building:level (building:levels)"),
        ({"building:part": "yes", "heigth": "5"}, "heigth (height)"),
        ({"building": "yes", "minheight": "5"}, "minheight (min_height)"),
        ({"Highway": "residential"}, "Highway (highway)"),
        ({"highway": "residential", "max_speed": "30"}, "max_speed (maxspeed)"),
        ({"highway": "residential", "Lanes": "2"}, "Lanes (lanes)"),
        ({"highway": "residential", "one-way": "yes"}, "one-way (oneway)"),
    ],
)
def test_a_key_that_is_almost_one_that_is_read_is_reported(tags, key, kind):
    notice = subjects(tags, kind)["map.key_unknown"]
    assert f"{kind} 7: {key}" in notice.text
    assert notice.is_warning


@pytest.mark.parametrize(
    "tags",
    [
        {"building": "yes", "height": "6", "building:levels": "2", "building:levels:underground": "1", "level": "0", "roof:shape": "flat"},
        {"building": "yes", "height": "6", "Height": "6"},
        {"Building": "no"},
        {"levels": "5"},
        {"highway": "primary", "maxweight": "7.5", "lanes:bus": "1", "maxspeed:hgv": "60", "height": "4"},
        {"landuse": "forest", "name": "High Way", "weight": "3"},
    ],
)  # fmt: skip
def test_other_keys_of_the_map_are_not(tags):
    assert subjects(tags) == {}


@pytest.mark.parametrize(("second", "count"), [("9", 1), ("6", 0)])
def test_a_key_that_a_building_has_twice_is_reported_if_the_values_differ(tmp_path, second, count):
    drawing = Drawing()
    drawing.ring([(100, 100), (200, 100), (200, 200)], building="yes", height="6")
    source = tmp_path / "small.osm"
    source.write_text(drawing.text().replace('v="6"/>', f'v="6"/><tag k="height" v="{second}"/>'))
    notices = {notice.subject: notice for notice in key_notices(read_osm(source))}
    assert len(notices) == count
    assert not count or "(way 1001: height)" in notices["map.key_repeated"].text
