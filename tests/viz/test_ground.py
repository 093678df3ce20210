import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from v2xsim.viz.drawing.ground import draw_scale_bar, lane_borders, road_surfaces, round_length_m, set_ticks
from v2xsim.world.roads import FOOT, JUNCTION, LANE, MOTOR, Road, Roads

LOWER_M, UPPER_M = np.array([-50.0, -50.0]), np.array([50.0, 50.0])
STREET = Road("a_0", LANE, MOTOR, 4.0, np.array([(-200.0, 0.0), (200.0, 0.0)]))
PATH = Road("b_0", LANE, FOOT, 2.0, np.array([(0.0, 300.0), (0.0, 400.0)]))
CROSSING = Road("J", JUNCTION, MOTOR, 0.0, np.array([(0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0)]))


def map_of(low_m: float, high_m: float) -> Axes:
    axes = Figure().add_axes((0.1, 0.1, 0.8, 0.8))
    axes.set(xlim=(low_m, high_m), ylim=(low_m, high_m))
    return axes


def test_the_surface_of_a_lane_is_as_wide_as_the_lane_and_ends_at_the_border_of_the_map() -> None:
    (area_m,) = road_surfaces(Roads.of([STREET]), LOWER_M, UPPER_M)
    assert (area_m.min(0).tolist(), area_m.max(0).tolist()) == ([-50, -2], [50, 2])


def test_the_surface_of_a_junction_is_its_outline() -> None:
    (area_m,) = road_surfaces(Roads.of([CROSSING]), LOWER_M, UPPER_M)
    assert sorted(area_m.tolist()) == [[0, 0], [0, 9], [9, 0], [9, 9]]


def test_a_road_beyond_the_map_is_not_drawn() -> None:
    assert road_surfaces(Roads.of([PATH]), LOWER_M, UPPER_M) == []
    assert lane_borders(Roads.of([PATH]), LOWER_M, UPPER_M) == []


def test_a_lane_has_two_borders_and_a_junction_none() -> None:
    borders = lane_borders(Roads.of([CROSSING, STREET]), LOWER_M, UPPER_M)
    assert [border[:, 1].tolist() for border in borders] == [[2, 2], [-2, -2]]


def test_a_map_without_roads_has_no_surfaces() -> None:
    assert road_surfaces(Roads.none(), LOWER_M, UPPER_M) == []


def test_ticks_near_the_origin_are_coordinates() -> None:
    axes = map_of(-40, 60)
    set_ticks(axes)
    assert axes.get_xlabel() == "x, east [m]"
    assert [float(t.get_text().replace("\N{MINUS SIGN}", "-")) for t in axes.get_xticklabels()] == list(
        axes.get_xticks()
    )


@pytest.mark.parametrize(
    ("low_m", "name"),
    [(5_499_950.0, "y \N{MINUS SIGN} 5,500,000, north [m]"), (-99_000_040.0, "y + 99,000,000, north [m]")],
)
def test_ticks_at_map_coordinates_count_from_a_round_position_that_the_axis_names(low_m: float, name: str) -> None:
    axes = map_of(low_m, low_m + 90)
    set_ticks(axes)
    assert axes.get_ylabel() == name
    assert max(len(text.get_text()) for text in axes.get_yticklabels()) <= 3
    base_m = 5_500_000 if low_m > 0 else -99_000_000
    labels = [float(t.get_text().replace("\N{MINUS SIGN}", "-")) for t in axes.get_yticklabels()]
    assert labels == (np.asarray(axes.get_yticks()) - base_m).tolist()


@given(st.floats(20, 1000))
def test_a_scale_bar_is_as_long_as_its_label_says(across_m: float) -> None:
    axes = map_of(0, across_m)
    draw_scale_bar(axes)
    drawn_m = np.ptp(np.asarray(axes.lines[-1].get_xdata(), float))
    assert f"{drawn_m:g} m" == axes.texts[0].get_text()
    assert 0.1 * across_m <= drawn_m <= 0.25 * across_m


@given(st.floats(1e-3, 1e6))
def test_the_length_of_a_scale_bar_is_1_2_or_5_and_zeros(most_m: float) -> None:
    length_m = round_length_m(most_m)
    assert f"{length_m:e}"[0] in "125"
    assert most_m / 2.5001 <= length_m <= most_m * 1.0001
