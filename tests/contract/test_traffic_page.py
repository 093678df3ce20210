"""docs/traffic.md: its table of classes is the vehicle catalogue."""

import re
from pathlib import Path

import pytest

from v2xsim.mobility.fcd_reader import TRACE_SIZE_M
from v2xsim.world.road_users import CATALOGUE, KINDS, kind_of

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "traffic.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## Classes, sizes and antennas", 1)[1].split("\n## ", 1)[0]
ROWS = [[cell.strip() for cell in row.split("|")[1:-1]] for row in re.findall(r"^\| `.*$", SECTION, re.MULTILINE)]


def text_of(size_m):
    return " x ".join(f"{side:g}" for side in size_m)


def test_every_class_has_one_row():
    assert [row[0].strip("`") for row in ROWS] == list(KINDS)


@pytest.mark.parametrize("row", ROWS, ids=KINDS)
def test_a_class_has_the_size_and_the_antenna_of_the_catalogue(row):
    kind = KINDS.index(row[0].strip("`"))
    assert row[1:3] == [text_of(CATALOGUE.size_m[kind]), text_of(TRACE_SIZE_M[kind])]
    height = f"{CATALOGUE.antenna_height_m[kind]:g} m"
    assert row[3:5] == ([f"roof ({height})", "drawn"] if CATALOGUE.is_motor[kind] else [height, "by name"])
    classes = re.findall(r"\w+", row[5].split(" and ")[0])
    assert {KINDS[kind_of(name)] for name in classes} == {KINDS[kind]}
