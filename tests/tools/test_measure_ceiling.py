"""The tool that tries cycles several times: copies differ by the draws for packets alone, and the ceiling is that of the true probabilities."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import v2xsim

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(scope="module")
def tool():
    sys.path.insert(0, str(TOOLS))
    spec = importlib.util.spec_from_file_location("measure_ceiling", TOOLS / "measure_ceiling.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["measure_ceiling"] = module
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(TOOLS))
    for name in ("measure_ceiling", "fit_cycle_forecast"):
        del sys.modules[name]


def tried(tool, probability, predicted, draws=8):
    """Return cycles with true probabilities, ten at each instant."""
    rng = np.random.default_rng(5)
    whole = rng.random((len(probability), draws)) < probability[:, None]
    number = np.arange(len(probability))
    return tool.Tries(number // 10 * 100_000, number % 10, predicted, whole.astype(float))


def test_the_best_possible_is_the_share_of_the_variance_that_true_probabilities_explain(tool):
    probability = np.random.default_rng(3).uniform(0.2, 0.8, 8000)
    found = tool.ceiling([tried(tool, probability, probability)])
    expected = probability.var() / (probability.mean() * (1.0 - probability.mean()))
    assert found.best == pytest.approx(expected, abs=0.01)
    assert found.low < expected < found.high
    # Who predicts the true probabilities reaches the ceiling.
    assert found.forecast == pytest.approx(found.best, abs=0.01)


def test_who_knows_pairs_and_seconds_knows_the_part_that_lasts(tool):
    rng = np.random.default_rng(4)
    # Ten pairs, ten instants in each second: one part of the probability lasts a second, the other one an instant.
    lasting, brief = rng.choice([-0.2, 0.2], (80, 1, 10)), rng.choice([-0.1, 0.1], (80, 10, 10))
    probability = (0.5 + lasting + brief).reshape(-1)
    found = tool.ceiling([tried(tool, probability, probability, draws=4)])
    assert found.best == pytest.approx((0.2**2 + 0.1**2) / 0.25, abs=0.015)
    assert found.steady == pytest.approx(0.2**2 / 0.25, abs=0.015)


def test_where_all_is_chance_nothing_is_possible_and_two_tries_are_enough_to_see_it(tool):
    even = np.full(8000, 0.5)
    found = tool.ceiling([tried(tool, even, even, draws=2)])
    assert found.best == pytest.approx(0.0, abs=0.02)


def test_where_nothing_is_chance_all_is_possible(tool):
    sure = (np.arange(4000) % 4 == 0).astype(float)
    found = tool.ceiling([tried(tool, sure, np.full(4000, 0.25))])
    assert found.best == 1.0
    assert found.forecast == pytest.approx(0.0)


def test_a_copy_draws_anew_what_concerns_packets_and_nothing_else(tool, monkeypatch):
    streams = tool.Redrawn(7)
    packets, wait, phase = streams.keys("packet", [(1, 2)]), streams.uniform("processing.request", 1), 0.0
    phase, fading = streams.uniform("announcement.phase", 1), streams.keys("lidar", [(1, 2)])
    assert packets == v2xsim.streams.Streams(7).keys("packet", [(1, 2)])
    monkeypatch.setattr(tool.Redrawn, "copy", 1)
    assert streams.keys("packet", [(1, 2)]) != packets
    assert streams.uniform("processing.request", 1) != wait
    assert streams.uniform("announcement.phase", 1) == phase
    assert streams.keys("lidar", [(1, 2)]) == fading


def test_copies_change_nothing_in_the_run_and_differ_from_each_other(tool):
    keys = ["stations.count=20", "lidars.count=8", "run.duration_s=0.4", "run.begin_s=60", "radio.access=random_slot"]
    scenario = v2xsim.load("urban_grid", keys, 4)
    found, results = tool.tries(scenario, 3, 1)
    assert found.whole.shape == (len(found.predicted), 3)
    assert 0.0 < found.whole.mean() < 1.0
    assert (found.whole != found.whole[:, :1]).any()
    # The rehearsal of the run, which begins at 0, is not among them.
    assert found.frame_us.min() >= 60_000_000
    alone = v2xsim.run(scenario, threads=1)
    # Answers have no prediction, and NaN equals nothing.
    ours, theirs = (one.tables["transfers"].drop_columns("predicted") for one in (results, alone))
    assert ours.equals(theirs)
