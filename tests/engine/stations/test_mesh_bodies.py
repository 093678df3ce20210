"""Lidars of a run that meet bodies as meshes."""

import numpy as np
import pytest

import v2xsim
from v2xsim.engine.stations.body_shapes import body_shapes
from v2xsim.errors import UserError
from v2xsim.gpu.lidar.bodies import SHAPE_NAMES
from v2xsim.records import Bodies, Boxes
from v2xsim.world.road_users import KINDS
from v2xsim.world.snapshot import Snapshot

SHORT = ["run.duration_s=1.0", "run.begin_s=3.0"]
MESHES = [*SHORT, "lidars.bodies=meshes"]


def snapshot_of(kinds, parts=None):
    count = len(kinds)
    boxes = Boxes(np.zeros((count, 3)), np.tile([12.0, 2.5, 3.5], (count, 1)), np.zeros(count))
    kind = np.array([KINDS.index(name) for name in kinds], np.int8)
    more = {} if parts is None else {"parts": parts}
    return Snapshot(0, np.arange(count), kind, boxes, np.zeros((count, 2)), np.zeros(count), **more)


def two_parts(owner, front_m):
    """The front and the rear box of one road user."""
    size = np.array([[front_m, 2.5, 3.5], [8.0, 2.5, 3.9]])
    return Bodies(Boxes(np.zeros((2, 3)), size, np.zeros(2)), np.array([owner, owner]))


def test_each_kind_has_the_shape_of_its_kind():
    shape = body_shapes(snapshot_of(KINDS))
    names = [SHAPE_NAMES[n] for n in shape]
    assert names == ["car" if kind == "passenger" else kind for kind in KINDS]


@pytest.mark.parametrize(
    ("kind", "front_m", "front", "rear"),
    [
        ("truck", 6.0, "tractor", "semitrailer"), ("truck", 9.0, "truck", "trailer"), ("bus", 10.5, "bus_front", "bus_rear"),
        ("passenger", 4.5, "car", "trailer"), ("van", 5.5, "van", "trailer"),
    ],
)  # fmt: skip
def test_the_parts_of_a_road_user_have_shapes_of_their_own(kind, front_m, front, rear):
    shape = body_shapes(snapshot_of(["passenger", kind, "pedestrian"], two_parts(1, front_m)))
    assert [SHAPE_NAMES[n] for n in shape] == ["car", front, rear, "pedestrian"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The demo with boxes and with meshes, the latter also with two threads."""
    folder = tmp_path_factory.mktemp("bodies")
    made = {}
    for name, settings, threads in (("boxes", SHORT, 1), ("meshes", MESHES, 1), ("threads", MESHES, 2)):
        v2xsim.run(v2xsim.load("demo", settings), out=folder / name, threads=threads)
        made[name] = v2xsim.open(folder / name)
    return made


def test_meshes_return_fewer_points_than_boxes_and_no_point_outside_a_box(runs):
    hits = {}
    for name in ("boxes", "meshes"):
        cloud = runs[name].frames("ego", time_s=3.5)[0].cloud
        hits[name] = int((cloud.object >= 0).sum())
    assert 0.3 * hits["boxes"] < hits["meshes"] < hits["boxes"]


def test_results_do_not_depend_on_the_number_of_threads(runs):
    one, two = (runs[name].folder for name in ("meshes", "threads"))
    for table in ("clouds.parquet", "metrics.parquet", "packets.parquet"):
        assert (one / table).read_bytes() == (two / table).read_bytes()


def test_every_point_of_a_mesh_has_an_intensity(runs):
    cloud = runs["meshes"].frames("ego", time_s=3.5)[0].cloud
    intensity = cloud.intensity
    on_body = cloud.object >= 0
    assert on_body.sum() > 50
    assert np.isfinite(intensity[on_body]).all()
    assert (intensity[on_body] >= 0).all()
    assert (intensity[on_body] <= 1).all()
    # A car has bent surfaces: more different angles than the few of a box.
    assert len(np.unique(np.round(intensity[on_body], 3))) > 20


def test_meshes_on_a_gpu_are_refused_with_the_repair():
    with pytest.raises(UserError, match=r"lidars\.bodies: must be boxes with run.device cuda"):
        v2xsim.load("demo", [*MESHES, "run.device=cuda"])
