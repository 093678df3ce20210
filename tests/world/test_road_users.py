"""Which body and antenna a road user has."""

from typing import get_args

import numpy as np
import pytest

from v2xsim.scenario.schema_world import Kind
from v2xsim.world.road_users import (
    CATALOGUE,
    KINDS,
    antenna_height_m,
    body_height_m,
    kind_of,
)
from v2xsim.world.type_names import kind_of_type_name, kinds_in_type_name


def test_the_scenario_offers_the_classes_of_the_catalogue_in_its_order():
    assert get_args(Kind) == KINDS


@pytest.mark.parametrize(
    ("kind", "size", "antenna"), [("passenger", (5, 2, 1.6), 1.6), ("truck", (13, 2.6, 3), 3), ("bus", (13, 2.6, 3), 3)]
)
def test_bodies_and_antennas_are_those_of_tr_37885_clause_6_1_2(kind, size, antenna):
    row = KINDS.index(kind)
    assert tuple(CATALOGUE.size_m[row]) == size
    assert CATALOGUE.antenna_height_m[row] == antenna


@pytest.mark.parametrize(
    ("vehicle_class", "shape", "kind"),
    [
        ("passenger", "passenger/sedan", "passenger"),
        ("passenger", "passenger/van", "van"),
        ("passenger", "delivery", "van"),
        ("delivery", "delivery", "van"),
        ("ignoring", "", "passenger"),
        ("custom1", "passenger", "passenger"),
        ("bus", "passenger", "bus"),
        ("bus", "bus/city", "bus"),
        ("coach", "bus/coach", "bus"),
        ("truck", "truck/semitrailer", "truck"),
        ("trailer", "truck/1trailer", "truck"),
        ("passenger", "truck", "truck"),
        ("tram", "rail/railcar", "bus"),
        ("bicycle", "bicycle", "bicycle"),
        ("moped", "moped", "motorcycle"),
        ("pedestrian", "pedestrian", "pedestrian"),
        ("passenger", "ant", "passenger"),
        ("", "", "passenger"),
    ],
)
def test_the_shape_tells_the_class_where_it_can(vehicle_class, shape, kind):
    assert KINDS[kind_of(vehicle_class, shape)] == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("DEFAULT_VEHTYPE", "passenger"),
        ("DEFAULT_PEDTYPE", "passenger"),
        ("Personenwagen", "passenger"),
        ("DEFAULT_BIKETYPE", "bicycle"),
        ("motorbike1", "motorcycle"),
        ("CityBus", "bus"),
        ("truck@3", "truck"),
        ("delivery_van", "van"),
        ("xyz", "passenger"),
        ("semitrailer", "truck"),
        ("CityTram", "bus"),
        ("DEFAULT_RAILTYPE", "bus"),
        ("myVan2", "van"),
        ("advanced_driver", "passenger"),
        ("personal_car", "passenger"),
        ("business", "passenger"),
        ("motorcyclist", "motorcycle"),
        ("regional_train", "bus"),
        ("trainee", "passenger"),
        ("Columbus", "passenger"),
        ("syllabus", "passenger"),
        ("caravan", "passenger"),
        ("handtruck", "passenger"),
        ("carbus", "passenger"),
        ("trail", "passenger"),
        ("bus@3", "bus"),
        ("buses/line.4", "bus"),
        ("LKWs", "truck"),
        ("heavyTruck7", "truck"),
        ("BUSType", "bus"),
        ("MiniBus", "van"),
        ("eBike", "bicycle"),
    ],
)
def test_the_id_of_a_type_in_a_trace_tells_the_class_where_it_can(name, kind):
    assert KINDS[kind_of_type_name(name)] == kind


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("bus_truck", "truck bus"), ("car_pedestrian", "passenger pedestrian"), ("carTruck", "truck passenger"),
        ("delivery_truck", "truck van"), ("motorbike", "motorcycle"), ("minibus", "van"), ("passenger_bus", "bus"), ("cargo_truck", "truck"),
        ("railcar", "bus"), ("DEFAULT_PEDTYPE", "pedestrian"), ("t7", ""), ("carbus", ""), ("caravan", ""), ("passengerBus", "bus"),
    ],
)  # fmt: skip
def test_all_classes_that_the_id_of_a_type_names_are_found(name, kinds):
    assert " ".join(KINDS[kind] for kind in kinds_in_type_name(name)) == kinds


def test_a_height_that_sumo_filled_in_is_not_taken_for_the_vehicles_own():
    assert body_height_m(KINDS.index("van"), "passenger", 1.5) == CATALOGUE.size_m[KINDS.index("van"), 2]


def test_a_height_that_the_vehicle_type_sets_is_kept():
    assert body_height_m(KINDS.index("truck"), "truck", 3.8) == 3.8


def test_the_antenna_is_on_the_roof_of_a_motor_vehicle_and_carried_by_a_pedestrian():
    kind = np.array([KINDS.index("truck"), KINDS.index("pedestrian")], np.int8)
    np.testing.assert_allclose(antenna_height_m(kind, np.array([3.8, 1.8])), [3.8, 1.5])
