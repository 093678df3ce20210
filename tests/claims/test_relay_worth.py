"""What the choice among candidates is worth, by the true channel."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.claims.test_relay_choices import tallied
from tests.claims.test_situations import corner
from tests.comms.relay.relay_views import FIRST_CANDIDATE, HELPER, REQUESTER, view_of
from v2xsim.claims.relay_choices import Tally, counted
from v2xsim.claims.relay_worth import ANY, BEST, DIRECT, WORST, Worth, worth_rows
from v2xsim.engine.channel.true_delivery import TrueDelivery

NEAR, FAR = (100, 20, 1.5), (100, 30, 1.5)
# Rows: helper, requester, a station that is no candidate, both candidates.
AGENTS = [HELPER, REQUESTER, 9, FIRST_CANDIDATE, FIRST_CANDIDATE + 1]
SHARE = np.array([
    [0.0, 0.1, 0.9, 0.5, 0.8],
    [0.1, 0.0, 1.0, 0.6, 0.7],
    [0.9, 1.0, 0.0, 0.0, 0.0],
    [0.5, 0.6, 0.0, 0.0, 0.0],
    [0.8, 0.7, 0.0, 0.0, 0.0],
])  # fmt: skip


@pytest.fixture
def worth(monkeypatch):
    """What choices are worth where packets cross each link with these shares, with one retry."""
    monkeypatch.setattr(TrueDelivery, "square", lambda self, links: SHARE)
    radio = corner().with_({"radio.retries": 1}).radio
    return Worth(radio, lambda: SimpleNamespace(agent=np.array(AGENTS)))


def test_a_pick_is_worth_the_product_of_the_shares_of_its_two_hops(worth):
    picks = {"first": np.array([0]), "second": np.array([1]), "nobody": np.array([-1])}
    worth.add(view_of([NEAR, FAR]), picks)
    assert worth.choices == 1
    assert worth.once == pytest.approx({
        DIRECT: 0.1, WORST: 0.5 * 0.6, "first": 0.5 * 0.6, "second": 0.8 * 0.7, "nobody": 0.1, BEST: 0.8 * 0.7, ANY: 0.9,
    })  # fmt: skip


def test_with_retries_a_hop_is_lost_only_if_all_tries_are(worth):
    worth.add(view_of([NEAR, FAR]), {"first": np.array([0])})
    assert worth.retried["first"] == pytest.approx((1 - 0.5**2) * (1 - 0.4**2))


def test_a_candidate_alone_is_no_choice(worth):
    worth.add(view_of([NEAR]), {"first": np.zeros(0, np.int64)})
    assert worth.choices == 0


def test_in_a_run_every_rule_lies_between_the_worst_and_the_best_candidate():
    scene = corner(("at_corner", (0, 0)), ("beside_it", (-4, -4)))
    tally = counted(scene.with_({"run.duration_s": 1.5, "run.step_s": 0.1, "radio.retries": 1}))
    assert tally.worth.choices == tally.choices > 0
    for sums in (tally.worth.once, tally.worth.retried):
        assert all(sums[WORST] - 1e-9 <= value <= sums[BEST] + 1e-9 for name, value in sums.items() if name[0] != "(")
        assert sums[BEST] <= sums[ANY] + 1e-9
    assert all(tally.worth.once[name] <= retried for name, retried in tally.worth.retried.items())


def test_rows_have_the_mean_over_seeds_of_the_mean_over_choices():
    runs = [
        Tally(worth=Worth(corner().radio, lambda: None, choices, {"a": once}, {"a": 2 * once}))
        for choices, once in ((2, 1.0), (4, 1.0))
    ]
    (row,) = worth_rows([tallied(*runs)])
    assert (row.rule, row.seeds, row.choices, row.once, row.retried) == ("a", 2, 3.0, 0.375, 0.75)
    assert (row.retried_least, row.retried_most) == (0.5, 1.0)
    assert list(worth_rows([tallied(Tally())])) == []
