"""The relay rule that takes any station that qualifies."""

from dataclasses import replace

import numpy as np

import v2xsim
from v2xsim.comms.relay.choice import chosen_relays
from v2xsim.comms.relay.rules.random_qualified import RandomQualified
from v2xsim.part_trials import relay_view


def test_every_qualified_station_relays_equally_often_and_no_other_ever():
    rng, runs = np.random.default_rng(5), 3000
    view = relay_view(5)
    view.usable[:, 5] = False
    count = np.zeros(7)
    for _ in range(runs):
        drawn = replace(view, draw=lambda: rng.random((3, 7)))
        count[chosen_relays(RandomQualified(), drawn, np.full(3, -1)).relay[0]] += 1
    # Station 0 asks station 2; stations 1, 3, 4 and 6 are left. Five standard errors of a share of a quarter.
    assert count[[0, 2, 5]].sum() == 0
    np.testing.assert_allclose(count[[1, 3, 4, 6]] / runs, 0.25, atol=5 * np.sqrt(0.25 * 0.75 / runs))


def test_the_draws_come_from_the_seed_alone():
    def relays(seed):
        setting = ["run.begin_s=7", "run.duration_s=2", "cooperation.relay=random_qualified", "lidars.model=beam16"]
        table = v2xsim.run(v2xsim.load("demo", setting, seed)).tables["relays"]
        return list(zip(table["helper"].to_pylist(), table["relay"].to_pylist(), strict=True))

    first = relays(1)
    assert any(relay >= 0 for _, relay in first)
    assert first == relays(1)
