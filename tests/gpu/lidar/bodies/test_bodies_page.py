"""docs/models.md: its tables of bodies and materials are those of the code."""

import re
from pathlib import Path

import numpy as np

from v2xsim.gpu.lidar.bodies import MATERIALS, SHAPE_NAMES, mesh_of_shape, shape

ROOT = Path(__file__).resolve().parents[4]
SECTION = (ROOT / "docs" / "models.md").read_text().split("### Bodies of road users")[1].split("\n### ")[0]


def test_the_page_has_each_shape_with_its_size_and_its_triangles():
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([\d.]+) x ([\d.]+) x ([\d.]+) \| (\d+) \|", SECTION, re.M)
    assert [row[0] for row in rows] == [name for name in SHAPE_NAMES if name != "box"]
    for name, *size_m, triangles in rows:
        np.testing.assert_allclose(
            np.ptp(mesh_of_shape(name).vertices_m, axis=0), [float(side) for side in size_m], atol=0.0051
        )
        assert int(triangles) == len(shape(name).triangles)


def test_the_page_has_each_material_with_its_reflectivity_and_its_source():
    rows = re.findall(r"^\| ([a-z ]+) \| ([\d.]+) \| (.+) \|$", SECTION, re.M)
    assert rows == [(material.name, f"{material.reflectivity:g}", material.source) for material in MATERIALS]


def test_the_page_shows_the_picture():
    assert "](bodies.png)" in SECTION
    assert (ROOT / "docs" / "bodies.png").read_bytes().startswith(b"\x89PNG")
