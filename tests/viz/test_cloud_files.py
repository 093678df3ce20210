from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.viz.ply_files import read_ply
from v2xsim.viz.export.cloud_file import Cloud, offset_m, write_pcd, write_ply

POINTS_M = np.array([(1.5, -2.25, 0.0), (1e3, 2e3, -0.5), (-7.0, 0.125, 12.0)])
# UTM, the largest coordinates of a scenario, and a cloud that lies on both sides of the distance from which an offset is used.
FAR_M = [np.array([500_000.0, 5_500_000.0, 0.0]), np.array([-9e7, 9.9e7, 0.0]), np.array([8_190.0, 0.0, 0.0])]
RGB = np.array([(255, 0, 0), (1, 2, 3), (230, 159, 0)], np.uint8)
WRITERS = {"ply": write_ply, "pcd": write_pcd}
PCD_ROW = [
    ("xyz", "<f4", 3),
    ("rgb", "<u4"),
    ("source", "<i4"),
    ("object", "<i4"),
    ("time", "<f8"),
    ("intensity", "<f4"),
]


def cloud_of(points_m: np.ndarray = POINTS_M, rgb: np.ndarray = RGB) -> Cloud:
    count = len(points_m)
    source, objects = np.arange(count) % 2 + 3, np.arange(count) - 2
    intensity = np.linspace(0.0, 1.0, count, dtype=np.float32)
    return Cloud(points_m, rgb, source, objects, 9.5 - 0.07 * np.arange(count), intensity, {3: "helper", 4: "truck"})


def head_and_body(path: Path, last_header_line: bytes) -> tuple[list[str], bytes]:
    content = path.read_bytes()
    end = content.index(last_header_line) + len(last_header_line)
    return content[:end].decode("ascii").splitlines(), content[end:]


def pcd_world_m(path: Path) -> np.ndarray:
    """Return the positions of a PCD file with the header's offset, as the text of its comment says."""
    header, body = head_and_body(path, b"DATA binary\n")
    lines = [line for line in header if line.startswith("# offset")]
    taken_off = [float(word) for word in lines[0].split(":")[0].split()[2:]] if lines else [0.0, 0.0, 0.0]
    return np.frombuffer(body, PCD_ROW)["xyz"].astype(float) + taken_off


@pytest.mark.parametrize("kind", ["ply", "pcd"])
def test_open3d_reads_the_points_back(tmp_path: Path, kind: str) -> None:
    open3d: Any = pytest.importorskip("open3d")
    path = WRITERS[kind](tmp_path / f"cloud.{kind}", cloud_of())
    read = open3d.io.read_point_cloud(str(path))
    np.testing.assert_allclose(np.asarray(read.points), POINTS_M)


@pytest.mark.parametrize("kind", ["ply", "pcd"])
def test_open3d_reads_the_colours_back(tmp_path: Path, kind: str) -> None:
    open3d: Any = pytest.importorskip("open3d")
    path = WRITERS[kind](tmp_path / f"cloud.{kind}", cloud_of())
    read = open3d.io.read_point_cloud(str(path))
    np.testing.assert_allclose(np.asarray(read.colors) * 255, RGB, atol=1e-6)


@pytest.mark.parametrize("kind", ["ply", "pcd"])
def test_open3d_reads_source_object_time_and_intensity_of_each_point(tmp_path: Path, kind: str) -> None:
    open3d: Any = pytest.importorskip("open3d")
    path = WRITERS[kind](tmp_path / f"cloud.{kind}", cloud_of())
    point = open3d.t.io.read_point_cloud(str(path)).point
    assert point["source"].numpy().ravel().tolist() == [3, 4, 3]
    assert point["object"].numpy().ravel().tolist() == [-2, -1, 0]
    np.testing.assert_allclose(point["time"].numpy().ravel(), [9.5, 9.43, 9.36])
    assert point["intensity"].numpy().ravel().tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("at_m", FAR_M)
def test_open3d_reads_map_coordinates_of_a_ply_file_exactly(tmp_path: Path, at_m: np.ndarray) -> None:
    open3d: Any = pytest.importorskip("open3d")
    path = write_ply(tmp_path / "cloud.ply", cloud_of(POINTS_M + at_m))
    assert np.array_equal(np.asarray(open3d.io.read_point_cloud(str(path)).points), POINTS_M + at_m)


@pytest.mark.parametrize("at_m", FAR_M)
@pytest.mark.parametrize("reader", ["io", "t.io"])
def test_open3d_reads_the_shape_of_a_cloud_at_map_coordinates_from_a_pcd_file(
    tmp_path: Path, at_m: np.ndarray, reader: str
) -> None:
    open3d: Any = pytest.importorskip("open3d")
    path = str(write_pcd(tmp_path / "cloud.pcd", cloud_of(POINTS_M + at_m)))
    if reader == "io":
        read_m = np.asarray(open3d.io.read_point_cloud(path).points)
    else:
        read_m = open3d.t.io.read_point_cloud(path).point["positions"].numpy()
    np.testing.assert_allclose(read_m - read_m[0], POINTS_M - POINTS_M[0], atol=1e-3)


@given(
    arrays(np.float64, st.tuples(st.integers(1, 20), st.just(3)), elements=st.floats(-300, 300)),
    st.tuples(st.floats(-9e7, 9e7), st.floats(-9e7, 9e7)),
)
def test_a_pcd_file_keeps_the_millimetres_of_a_cloud_anywhere(
    tmp_path_factory: pytest.TempPathFactory, points_m: np.ndarray, at_m: tuple[float, float]
) -> None:
    world_m = points_m + np.array((*at_m, 0.0))
    path = write_pcd(
        tmp_path_factory.mktemp("clouds") / "cloud.pcd", cloud_of(world_m, np.zeros((len(world_m), 3), "u1"))
    )
    np.testing.assert_allclose(pcd_world_m(path), world_m, rtol=0, atol=1e-3)


def test_the_viewpoint_of_a_pcd_file_is_the_offset(tmp_path: Path) -> None:
    header, _ = head_and_body(write_pcd(tmp_path / "a.pcd", cloud_of(POINTS_M + FAR_M[0])), b"DATA binary\n")
    assert "VIEWPOINT 500500 5501000 0 1 0 0 0" in header
    assert "# offset 500500 5501000 0: add it to x, y and z for world coordinates" in header


def test_near_the_origin_a_pcd_file_has_world_coordinates(tmp_path: Path) -> None:
    header, _ = head_and_body(write_pcd(tmp_path / "a.pcd", cloud_of()), b"DATA binary\n")
    assert "VIEWPOINT 0 0 0 1 0 0 0" in header
    assert not any("offset" in line for line in header)


def test_a_cloud_without_points_has_no_offset() -> None:
    assert offset_m(np.zeros((0, 3))).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("kind", "end"), [("ply", b"end_header\n"), ("pcd", b"DATA binary\n")])
def test_the_header_names_each_source_and_says_what_intensity_is(tmp_path: Path, kind: str, end: bytes) -> None:
    header, _ = head_and_body(WRITERS[kind](tmp_path / "cloud", cloud_of()), end)
    text = "\n".join(header)
    assert 'source 3 is "helper"' in text
    assert 'source 4 is "truck"' in text
    assert "intensity: cosine of the angle of incidence" in text


@pytest.mark.parametrize("name", ["Köpenick", "two\nlines", "end_header", 'a"b'])
@pytest.mark.parametrize(("kind", "end"), [("ply", b"\nend_header\n"), ("pcd", b"DATA binary\n")])
def test_no_name_of_a_source_breaks_the_header(tmp_path: Path, name: str, kind: str, end: bytes) -> None:
    named = Cloud(POINTS_M, RGB, np.full(3, 3), np.zeros(3, np.int64), np.zeros(3), np.zeros(3, np.float32), {3: name})
    plain = Cloud(POINTS_M, RGB, np.full(3, 3), np.zeros(3, np.int64), np.zeros(3), np.zeros(3, np.float32), {3: "x"})
    odd, usual = (head_and_body(WRITERS[kind](tmp_path / "cloud", cloud), end) for cloud in (named, plain))
    assert odd[1] == usual[1]
    assert len(odd[0]) == len(usual[0])


def test_a_ply_header_declares_little_endian_and_the_number_of_points(tmp_path: Path) -> None:
    lines, body = head_and_body(write_ply(tmp_path / "cloud.ply", cloud_of()), b"end_header\n")
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert "element vertex 3" in lines
    sizes = {"double": 8, "float": 4, "int": 4, "uchar": 1}
    assert len(body) == 3 * sum(sizes[line.split()[1]] for line in lines if line.startswith("property"))


def test_a_pcd_header_follows_version_0_7_in_its_order(tmp_path: Path) -> None:
    header, body = head_and_body(write_pcd(tmp_path / "cloud.pcd", cloud_of()), b"DATA binary\n")
    keys = [line.split()[0] for line in header if not line.startswith("#")]
    # "The PCD file format", order of the header entries.
    assert keys == ["VERSION", "FIELDS", "SIZE", "TYPE", "COUNT", "WIDTH", "HEIGHT", "VIEWPOINT", "POINTS", "DATA"]
    sizes = next(line for line in header if line.startswith("SIZE")).split()[1:]
    assert len(body) == 3 * sum(map(int, sizes))


def test_a_pcd_colour_is_one_word_with_red_above_green_above_blue(tmp_path: Path) -> None:
    _, body = head_and_body(write_pcd(tmp_path / "cloud.pcd", cloud_of()), b"DATA binary\n")
    assert np.frombuffer(body, PCD_ROW)["rgb"][1] == 0x010203


@given(
    arrays(np.float64, st.tuples(st.integers(0, 20), st.just(3)), elements=st.floats(-1e8, 1e8)),
    st.integers(0, 255),
)
def test_every_cloud_comes_back_from_ply_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, points_m: np.ndarray, shade: int
) -> None:
    rgb = np.full(points_m.shape, shade, np.uint8)
    cloud = cloud_of(points_m, rgb)
    rows = read_ply(write_ply(tmp_path_factory.mktemp("clouds") / "cloud.ply", cloud))
    for name, column in (
        ("xyz", points_m), ("rgb", rgb), ("source", cloud.source), ("object", cloud.object_id), ("time", cloud.time_s),
    ):  # fmt: skip
        assert np.array_equal(rows[name], column)
