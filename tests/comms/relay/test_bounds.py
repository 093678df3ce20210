"""Bounds of relaying: with which links they choose."""

import numpy as np

from v2xsim.comms.relay.bound import RelayBound, TrueChannel, usable_links
from v2xsim.parts import parts_of

BOUNDS = parts_of(RelayBound)
CHANNEL = TrueChannel(np.array([[[0.0, 0.9], [0.8, 0.0]], [[0.0, 0.3], [0.95, 0.0]]]))


def test_the_oracle_chooses_with_the_links_of_now():
    assert usable_links(BOUNDS["oracle"](), CHANNEL).tolist() == [[0.0, 0.9], [0.8, 0.0]]


def test_the_clairvoyant_chooses_with_what_holds_until_the_deadline():
    assert usable_links(BOUNDS["clairvoyant"](), CHANNEL).tolist() == [[0.0, 0.3], [0.8, 0.0]]


def test_only_the_clairvoyant_looks_ahead_and_without_a_bound_nothing_is_seen():
    assert {name: (bound.sees, bound.looks_ahead) for name, bound in BOUNDS.items()} == {
        "none": (False, False), "oracle": (True, False), "clairvoyant": (True, True),
    }  # fmt: skip
