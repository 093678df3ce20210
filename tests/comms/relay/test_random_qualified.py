"""The relay rule that takes any station that qualifies."""

from dataclasses import replace

import numpy as np

import v2xsim
from v2xsim.comms.relay.choice import chosen_relays
from v2xsim.comms.relay.rules.random_qualified import RandomQualified
from v2xsim.part_trials import identities, relay_view


def test_every_qualified_station_relays_equally_often_and_no_other_ever():
    rng, runs = np.random.default_rng(5), 3000
    view = relay_view(5)
    relays = [
        int(chosen_relays(RandomQualified(), replace(view, draw=lambda: rng.random(5)), np.full(3, -1)).relay[0])
        for _ in range(runs)
    ]
    agents, count = np.unique(relays, return_counts=True)
    # The first pair has three candidates. Five standard errors of a share of a third.
    assert agents.tolist() == identities(7)[1:4].tolist()
    np.testing.assert_allclose(count / runs, 1 / 3, atol=5 * np.sqrt(2 / 9 / runs))


def test_the_draws_come_from_the_seed_alone():
    def relays(seed):
        setting = ["run.begin_s=7", "run.duration_s=2", "cooperation.relay=random_qualified", "lidars.model=beam16"]
        table = v2xsim.run(v2xsim.load("demo", setting, seed)).tables["relays"]
        return list(zip(table["helper"].to_pylist(), table["relay"].to_pylist(), strict=True))

    first = relays(1)
    assert any(relay >= 0 for _, relay in first)
    assert first == relays(1)
