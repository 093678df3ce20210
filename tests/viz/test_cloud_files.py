from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from v2xsim.viz.export.cloud_file import write_pcd, write_ply

POINTS_M = np.array([(1.5, -2.25, 0.0), (1e3, 2e3, -0.5), (-7.0, 0.125, 12.0)])
RGB = np.array([(255, 0, 0), (1, 2, 3), (230, 159, 0)], np.uint8)
WRITERS = {"ply": write_ply, "pcd": write_pcd}


def body_of(path: Path, last_header_line: bytes) -> bytes:
    content = path.read_bytes()
    return content[content.index(last_header_line) + len(last_header_line) :]


@pytest.mark.parametrize("kind", ["ply", "pcd"])
def test_open3d_reads_the_points_back(tmp_path: Path, kind: str) -> None:
    open3d: Any = pytest.importorskip("open3d")
    path = WRITERS[kind](tmp_path / f"cloud.{kind}", POINTS_M, RGB)
    read = open3d.io.read_point_cloud(str(path))
    np.testing.assert_allclose(np.asarray(read.points), POINTS_M)


@pytest.mark.parametrize("kind", ["ply", "pcd"])
def test_open3d_reads_the_colours_back(tmp_path: Path, kind: str) -> None:
    open3d: Any = pytest.importorskip("open3d")
    path = WRITERS[kind](tmp_path / f"cloud.{kind}", POINTS_M, RGB)
    read = open3d.io.read_point_cloud(str(path))
    np.testing.assert_allclose(np.asarray(read.colors) * 255, RGB, atol=1e-6)


def test_a_ply_file_has_fifteen_bytes_per_point_after_its_header(tmp_path: Path) -> None:
    path = write_ply(tmp_path / "cloud.ply", POINTS_M, RGB)
    assert len(body_of(path, b"end_header\n")) == 15 * len(POINTS_M)


def test_a_ply_header_declares_little_endian_and_the_number_of_points(tmp_path: Path) -> None:
    lines = write_ply(tmp_path / "cloud.ply", POINTS_M, RGB).read_bytes().split(b"end_header")[0].decode().splitlines()
    assert [lines[0], lines[1], lines[3]] == ["ply", "format binary_little_endian 1.0", "element vertex 3"]


def test_a_pcd_header_follows_version_0_7_in_its_order(tmp_path: Path) -> None:
    header = write_pcd(tmp_path / "cloud.pcd", POINTS_M, RGB).read_bytes().split(b"DATA binary\n")[0].decode()
    keys = [line.split()[0] for line in header.splitlines() if not line.startswith("#")]
    # "The PCD file format", order of the header entries.
    assert keys == ["VERSION", "FIELDS", "SIZE", "TYPE", "COUNT", "WIDTH", "HEIGHT", "VIEWPOINT", "POINTS"]


def test_a_pcd_colour_is_one_word_with_red_above_green_above_blue(tmp_path: Path) -> None:
    path = write_pcd(tmp_path / "cloud.pcd", POINTS_M, RGB)
    word = np.frombuffer(body_of(path, b"DATA binary\n"), "<u4").reshape(-1, 4)[1, 3]
    assert word == 0x010203


@given(
    arrays(np.float32, st.tuples(st.integers(0, 20), st.just(3)), elements=st.floats(-1e4, 1e4, width=32)),
    st.integers(0, 255),
)
def test_every_cloud_comes_back_from_ply_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, points_m: np.ndarray, shade: int
) -> None:
    rgb = np.full(points_m.shape, shade, np.uint8)
    path = write_ply(tmp_path_factory.mktemp("clouds") / "cloud.ply", points_m, rgb)
    rows = np.frombuffer(body_of(path, b"end_header\n"), [("xyz", "<f4", 3), ("rgb", "u1", 3)])
    assert np.array_equal(rows["xyz"], points_m)
    assert np.array_equal(rows["rgb"], rgb)
