"""The bodies of road users: what rays meet on them, how high and wide they are, and that nobody looks into them."""

import numpy as np
import pytest

from v2xsim.gpu.lidar.bodies import MATERIALS, SHAPE_NAMES, Material, mesh_of_shape, shape, shape_of_kind
from v2xsim.gpu.lidar.bodies.shapes import part_of_triangle
from v2xsim.mobility.two_parts import articulated_bus, semi_trailer
from v2xsim.world.road_users import CATALOGUE, KINDS

BODIES = [name for name in SHAPE_NAMES if name != "box"]
VEHICLES = [name for name in BODIES if name != "pedestrian"]
CAR_M = CATALOGUE.size_m[KINDS.index("passenger")]
# Open3D works in single precision: a hit on an edge may be told of the triangle behind it.
ROUNDED_SHARE = 2e-4


def first_hits(name, origins_m, toward, size_m=None):
    """Return the range, material and triangle that rays meet on a body at the nominal size, or at another; -1 for no triangle."""
    body, mesh = shape(name), mesh_of_shape(name)
    size_m = np.ptp(mesh.vertices_m, axis=0) if size_m is None else np.asarray(size_m)
    a, b, c = np.moveaxis((body.vertices * size_m)[body.triangles], 1, 0)
    origins, ways = np.broadcast_arrays(np.atleast_2d(np.asarray(origins_m, float)), np.asarray(toward, float))
    # Moeller and Trumbore 1997.
    across = np.cross(ways[:, None], (c - a)[None])
    scale = (across * (b - a)).sum(axis=-1)
    to = origins[:, None] - a[None]
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (across * to).sum(axis=-1) / scale
        over = np.cross(to, (b - a)[None])
        v = (over * ways[:, None]).sum(axis=-1) / scale
        t = (over * (c - a)).sum(axis=-1) / scale
        t = np.where((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0), t, np.inf)
    nearest = t.argmin(axis=1)
    range_m = t[np.arange(len(t)), nearest]
    met = np.isfinite(range_m)
    return range_m, np.where(met, body.material[nearest].astype(int), -1), np.where(met, nearest, -1)


def height_m(name, x_m, y_m=0.0, size_m=None):
    """Return how high a body is at a place, seen from above."""
    return 10.0 - first_hits(name, [(x_m, y_m, 10.0)], (0.0, 0.0, -1.0), size_m)[0][0]


def silhouette(name, axis):
    """Return the share of the front (axis 0) or the side (axis 1) of its box that a body fills."""
    size_m = np.ptp(mesh_of_shape(name).vertices_m, axis=0)
    other = 1 - axis
    grid = (np.arange(40) + 0.5) / 40
    across, up = np.meshgrid((grid - 0.5) * size_m[other], grid * size_m[2])
    origins = np.zeros((across.size, 3))
    origins[:, axis], origins[:, other], origins[:, 2] = 20.0, across.ravel(), up.ravel()
    return float(np.isfinite(first_hits(name, origins, -np.eye(3)[axis])[0]).mean())


@pytest.mark.parametrize("name", BODIES)
def test_a_body_has_enough_triangles_to_be_recognised_and_few_enough_to_be_fast(name):
    assert (200 if name == "car" else 80) <= len(shape(name).triangles) <= 500


@pytest.mark.parametrize(
    ("name", "size_m"),
    [
        ("car", (4.70, 1.85, 1.46)), ("van", (5.50, 2.00, 2.30)), ("truck", (12.00, 2.55, 3.20)), ("tractor", (2.45, 2.55, 4.00)),
        ("semitrailer", (13.60, 2.55, 4.00)), ("trailer", (7.00, 2.55, 3.60)), ("bus", (12.00, 2.55, 3.00)), ("bus_front", (10.62, 2.55, 3.00)),
        ("bus_rear", (7.38, 2.55, 3.00)), ("motorcycle", (2.10, 0.80, 1.50)), ("bicycle", (1.70, 0.60, 1.70)), ("pedestrian", (0.28, 0.50, 1.72)),
    ],
)  # fmt: skip
def test_a_body_has_the_size_that_it_was_modelled_at(name, size_m):
    np.testing.assert_allclose(np.ptp(mesh_of_shape(name).vertices_m, axis=0), size_m, atol=0.012)


@pytest.mark.parametrize("name", BODIES)
def test_a_body_stands_on_the_ground_in_the_middle_of_its_box(name):
    vertices_m = mesh_of_shape(name).vertices_m
    np.testing.assert_allclose(vertices_m.min(axis=0)[2], 0.0, atol=1e-9)
    np.testing.assert_allclose((vertices_m.min(axis=0) + vertices_m.max(axis=0))[1], 0.0, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_wheels_stay_round_at_the_size_of_the_catalogue(kind):
    number = shape_of_kind(kind)
    stretched = CATALOGUE.size_m[KINDS.index(kind)] / np.ptp(mesh_of_shape(SHAPE_NAMES[number]).vertices_m, axis=0)
    # A pedestrian of SUMO is thinner than any adult.
    assert stretched[0] / stretched[2] == pytest.approx(1.0, abs=0.16 if kind != "pedestrian" else 0.25)


@pytest.mark.parametrize("name", [name for name in BODIES if name != "bicycle"])
def test_left_and_right_are_mirror_images(name):
    vertices = shape(name).vertices

    def ordered(rows):
        return rows[np.lexsort(np.round(rows, 9).T)]

    np.testing.assert_allclose(ordered(vertices), ordered(vertices * [1.0, -1.0, 1.0]), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("car", 0.5, 0.7), ("van", 0.65, 0.8), ("truck", 0.6, 0.8), ("tractor", 0.6, 0.8), ("semitrailer", 0.65, 0.8), ("trailer", 0.5, 0.7),
        ("bus", 0.75, 0.9), ("bus_front", 0.75, 0.9), ("bus_rear", 0.7, 0.9), ("motorcycle", 0.08, 0.25), ("bicycle", 0.03, 0.12),
        ("pedestrian", 0.2, 0.45),
    ],
)  # fmt: skip
def test_open3d_finds_the_same_volume_part_by_part_and_all_parts_fill_a_plausible_share_of_the_box(name, low, high):
    open3d = pytest.importorskip("open3d", reason="Open3D judges what lies inside a body; `make test` installs it")
    body, parts = shape(name), part_of_triangle(shape(name).triangles)
    points = np.random.default_rng(7).uniform([-0.5, -0.5, 0.0], [0.5, 0.5, 1.0], (4000, 3)).astype(np.float32)
    inside = np.zeros(len(points), int)
    for part in range(parts.max() + 1):
        scene = open3d.t.geometry.RaycastingScene()
        triangles = open3d.core.Tensor(body.triangles[parts == part].astype(np.uint32))
        scene.add_triangles(open3d.core.Tensor(body.vertices.astype(np.float32)), triangles)
        inside += scene.compute_occupancy(open3d.core.Tensor(points), nsamples=3).numpy().astype(int)
    # The sum over the parts, as by the divergence theorem, within four standard errors; and then what at least one part fills.
    assert inside.mean() == pytest.approx(body.volume(), abs=4.0 * inside.std() / np.sqrt(len(points)))
    assert low < (inside > 0).mean() < high


@pytest.mark.parametrize("name", BODIES)
def test_open3d_finds_every_part_watertight(name):
    open3d = pytest.importorskip("open3d", reason="Open3D judges whether meshes are closed; `make test` installs it")
    body, parts = shape(name), part_of_triangle(shape(name).triangles)
    for part in range(parts.max() + 1):
        mesh = open3d.geometry.TriangleMesh(
            open3d.utility.Vector3dVector(body.vertices), open3d.utility.Vector3iVector(body.triangles[parts == part])
        )
        mesh.remove_unreferenced_vertices()
        assert mesh.is_edge_manifold(allow_boundary_edges=False)
        assert mesh.is_orientable()
        assert mesh.get_volume() > 0.0


@pytest.mark.parametrize("name", BODIES)
def test_no_ray_from_outside_sees_the_inside_of_a_surface(name):
    open3d = pytest.importorskip("open3d", reason="Open3D casts the rays; `make test` installs it")
    body = shape(name)
    rng = np.random.default_rng(3)
    origins = rng.normal(size=(20_000, 3))
    origins = [0.0, 0.0, 0.5] + 3.0 * origins / np.linalg.norm(origins, axis=1, keepdims=True)
    toward = rng.uniform([-0.5, -0.5, 0.0], [0.5, 0.5, 1.0], origins.shape) - origins
    scene = open3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        open3d.core.Tensor(body.vertices.astype(np.float32)), open3d.core.Tensor(body.triangles.astype(np.uint32))
    )
    answer = scene.cast_rays(open3d.core.Tensor(np.concatenate([origins, toward], axis=1).astype(np.float32)))
    met = np.isfinite(answer["t_hit"].numpy())
    from_inside = (answer["primitive_normals"].numpy()[met] * toward[met]).sum(axis=1) > 0.0
    assert met.sum() > 1000
    assert from_inside.mean() <= ROUNDED_SHARE


@pytest.mark.parametrize(
    ("name", "low", "high"),
    # A real car fills 0.78 to 0.86 of width times height (recalled, from frontal areas in tables of drag).
    [("car", 0.78, 0.86), ("van", 0.8, 0.92), ("bus", 0.85, 0.95), ("truck", 0.75, 0.95), ("motorcycle", 0.3, 0.55), ("bicycle", 0.25, 0.5), ("pedestrian", 0.5, 0.8)],
)  # fmt: skip
def test_seen_from_the_front_a_body_fills_the_share_of_its_box_that_a_real_one_does(name, low, high):
    assert low < silhouette(name, 0) < high


def test_from_the_side_rays_pass_below_a_semitrailer_and_through_the_wheels_of_a_bicycle():
    # Between its legs and the driven axle, and between the spokes.
    assert np.isinf(first_hits("semitrailer", [(3.6, 10.0, 0.8)], (0.0, -1.0, 0.0))[0][0])
    assert np.isinf(first_hits("bicycle", [(0.6, 10.0, 0.45)], (0.0, -1.0, 0.0))[0][0])
    assert 0.7 < silhouette("semitrailer", 1) < 0.9
    assert 0.15 < silhouette("bicycle", 1) < 0.3


@pytest.mark.parametrize("name", BODIES)
def test_only_rubber_touches_the_ground(name):
    body = shape(name)
    lowest = (body.vertices[body.triangles][:, :, 2] < 1e-9).any(axis=1)
    assert lowest.any()
    assert set(body.material[lowest].tolist()) == {Material.RUBBER}


@pytest.mark.parametrize(
    ("name", "axles"),
    [("car", 2), ("van", 2), ("truck", 3), ("tractor", 1), ("semitrailer", 4), ("trailer", 2), ("bus", 2), ("bus_front", 2), ("bus_rear", 1), ("motorcycle", 2), ("bicycle", 2)],
)  # fmt: skip
def test_a_vehicle_stands_on_its_axles(name, axles):
    mesh = mesh_of_shape(name)
    x_m = np.sort(mesh.vertices_m[mesh.vertices_m[:, 2] < 1e-6, 0])
    assert 1 + (np.diff(x_m) > 0.5).sum() == axles


def test_a_level_ray_10_cm_above_the_ground_passes_under_a_car_between_its_wheels():
    for toward in ((0.0, -1.0, 0.0), (-1.0, 0.0, 0.0)):
        origin = -10.0 * np.array(toward) + [0.0, 0.0, 0.1]
        assert np.isinf(first_hits("car", [origin], toward, CAR_M)[0][0])
    # At a wheel, and above the sill, it does not.
    x_m = 1.42 * CAR_M[0] / 4.70
    assert first_hits("car", [(x_m, 10.0, 0.1)], (0.0, -1.0, 0.0), CAR_M)[1][0] == Material.RUBBER
    assert np.isfinite(first_hits("car", [(0.0, 10.0, 0.4)], (0.0, -1.0, 0.0), CAR_M)[0][0])


def test_below_a_car_there_are_12_to_30_cm_and_below_a_truck_more():
    car_m = first_hits("car", [(0.0, 0.0, -5.0)], (0.0, 0.0, 1.0), CAR_M)[0][0] - 5.0
    truck_m = (
        first_hits("truck", [(0.0, 0.0, -5.0)], (0.0, 0.0, 1.0), CATALOGUE.size_m[KINDS.index("truck")])[0][0] - 5.0
    )
    assert 0.12 < car_m < 0.3 < truck_m


@pytest.mark.parametrize(
    ("origin_m", "toward"),
    [((0.3, 10.0, 1.25), (0.0, -1.0, 0.0)), ((-0.8, 10.0, 1.25), (0.0, -1.0, 0.0)), ((10.0, 0.1, 1.3), (-1.0, 0.0, 0.0)), ((-10.0, 0.1, 1.35), (1.0, 0.0, 0.0))],
)  # fmt: skip
def test_at_the_height_of_its_windows_a_ray_meets_the_glass_of_a_car(origin_m, toward):
    assert first_hits("car", [origin_m], toward, CAR_M)[1][0] == Material.GLASS


@pytest.mark.parametrize("name", ["car", "van", "truck", "bus"])
def test_a_number_plate_of_52_cm_is_seen_from_the_front_and_from_behind(name):
    y_m, z_m = np.meshgrid(np.arange(-0.395, 0.4, 0.01), np.arange(0.3, 1.0, 0.03))
    for side in (1.0, -1.0):
        origins = np.column_stack([np.full(y_m.size, 20.0 * side), y_m.ravel(), z_m.ravel()])
        plate = (first_hits(name, origins, (-side, 0.0, 0.0))[1] == Material.RETROREFLECTOR).reshape(y_m.shape)
        assert 0.01 * plate.any(axis=0).sum() == pytest.approx(0.52, abs=0.02)


def test_bonnet_roof_and_boot_of_a_car_are_as_high_as_those_of_real_ones():
    # Recalled of saloons: leading edge of the bonnet 0.65 to 0.8 m, its rear edge 0.9 to 1.05 m, roof 1.4 to 1.5 m, boot 0.95 to 1.1 m.
    assert 0.65 < height_m("car", 2.2) < 0.8
    assert 0.9 < height_m("car", 1.0) < 1.05
    assert 1.4 < height_m("car", -0.4) < 1.5
    assert 0.95 < height_m("car", -2.0) < 1.1
    # At the size of the catalogue all is 1.1 times as high.
    assert height_m("car", -0.4, size_m=CAR_M) == pytest.approx(1.6, abs=0.02)


def test_a_rider_is_higher_than_the_handlebar_and_a_truck_higher_than_its_cab():
    assert height_m("truck", 5.2) < height_m("truck", 0.0) - 0.3
    assert height_m("motorcycle", 0.46, 0.38) < 1.1 < 1.45 < height_m("motorcycle", 0.13)
    assert height_m("bicycle", 0.28, 0.28) < 1.1 < 1.65 < height_m("bicycle", 0.05)


def test_the_parts_of_articulated_vehicles_fit_the_boxes_that_the_simulator_gives_them():
    truck, bus = semi_trailer(16.5), articulated_bus(18.0)
    for name, length_m in (
        ("tractor", truck.front_m(16.5, 2.55)), ("semitrailer", truck.rear_m), ("bus_front", bus.front_m(18.0, 2.55)), ("bus_rear", bus.rear_m),
    ):  # fmt: skip
        assert np.ptp(mesh_of_shape(name).vertices_m[:, 0]) == pytest.approx(length_m, abs=0.02)
    # The driven axle is below the kingpin, and the axle of the semi-trailer, the middle one of three, where the simulator has it.
    mesh = mesh_of_shape("semitrailer")
    contact_m = (
        6.8 - np.unique(np.round(mesh.vertices_m[mesh.vertices_m[:, 2] < 1e-6, 0], 6)).reshape(-1, 2).mean(axis=1)[::-1]
    )
    assert contact_m[0] == pytest.approx(truck.ahead_m(16.5), abs=0.01)
    assert contact_m[2] - contact_m[0] == pytest.approx(truck.rear_axle_m, abs=0.03)


def test_each_kind_of_road_user_has_a_shape_and_others_are_refused():
    assert [SHAPE_NAMES[shape_of_kind(kind)] for kind in KINDS] == ["car", *KINDS[1:]]
    assert SHAPE_NAMES[shape_of_kind("truck", "rear")] == "semitrailer"
    assert SHAPE_NAMES[shape_of_kind("bus", "front")] == "bus_front"
    with pytest.raises(ValueError, match=r"must be one of passenger whole, .*pedestrian whole, .* got 'tram' 'whole'"):
        shape_of_kind("tram")
    with pytest.raises(ValueError, match="got 'van' 'rear'"):
        shape_of_kind("van", "rear")


def test_the_table_of_materials_follows_their_codes():
    assert [material.name.replace(" ", "_").upper() for material in MATERIALS] == [code.name for code in Material]
    assert all(0.0 < material.reflectivity <= 1.0 or material.name == "retroreflector" for material in MATERIALS)
    dark = [material.reflectivity for material in MATERIALS if material.name in ("rubber", "glass", "dark paint")]
    assert (
        max(dark)
        < 0.1
        < MATERIALS[Material.GROUND].reflectivity
        < MATERIALS[Material.WALL].reflectivity
        < MATERIALS[Material.PAINT].reflectivity
    )
    assert MATERIALS[Material.RETROREFLECTOR].reflectivity > 1.0
