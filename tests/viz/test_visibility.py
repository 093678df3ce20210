"""The map of what lidars saw: a truck hides a car and the ground behind it."""

import numpy as np
import pytest
from typer.testing import CliRunner

import v2xsim
from tests.engine.recording import shadow
from v2xsim.cli.app import app
from v2xsim.opened.errors import OpenError
from v2xsim.scenario.load import from_data
from v2xsim.viz import render_visibility

# The map lies where stations are, not where they believe to be.
SCENE = {**shadow.SCENE, "errors": {"gnss_sigma_m": 5.0}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("shadow")
    v2xsim.run(from_data(SCENE, "test"), out=path)
    return path


@pytest.fixture(scope="module")
def view(folder):
    return v2xsim.open(folder).visibility()


def share_at(view, x_m, y_m):
    x, y = np.floor(np.array([x_m, y_m]) / view.cell_m).astype(int) - view.lower
    assert view.reached[x, y] == 10
    return view.observed[x, y] / len(view.times_us)


def test_ground_in_the_open_is_seen_all_the_time_and_ground_behind_the_truck_never(view):
    """With a position error of 5 m, which does not count: the map is placed by the true pose."""
    assert share_at(view, 10, 10) == 1.0
    assert share_at(view, 40, 0) == 0.0


def test_the_car_is_hidden_at_five_ticks_and_the_far_one_out_of_range_at_all(view):
    hidden, far = view.unseen_m[view.in_range], view.unseen_m[~view.in_range]
    # The watcher itself is not seen by another station: it counts as out of range of all others.
    np.testing.assert_allclose(hidden[:, 1], [-1, 0, 1, 2, 3], atol=1e-9)
    assert sorted(set(np.round(far[:, 1]).tolist())) == [-200.0, 0.0]
    assert (len(far), view.users, view.all_ticks) == (20, 40, 10)


def test_of_one_station_its_own_body_does_not_count(folder):
    view = v2xsim.open(folder).visibility("watcher")
    assert (view.users, int((~view.in_range).sum())) == (30, 10)


def test_fewer_ticks_are_evenly_spaced(folder):
    view = v2xsim.open(folder).visibility(most_ticks=4)
    assert view.times_us == (0, 300_000, 600_000, 900_000)


def test_a_station_that_is_not_there_is_refused(folder):
    with pytest.raises(OpenError, match="did you mean 'watcher'"):
        render_visibility(folder, station="watcherr")


def test_the_command_draws_the_map(folder):
    result = CliRunner().invoke(app, ["view", str(folder), "--picture", "visibility", "--station", "watcher"])
    assert result.exit_code == 0, result.output
    assert (folder / "pictures" / "visibility_watcher.png").is_file()


@pytest.mark.parametrize("options", [["--station", "watcher"], ["--picture", "visibility", "--frame", "0"]])
def test_options_without_effect_are_refused(folder, options):
    assert CliRunner().invoke(app, ["view", str(folder), *options]).exit_code == 2
