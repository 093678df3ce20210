"""Rules for messages cannot read what they say they do not read: it would be empty, and nobody would notice."""

from pathlib import Path

import numpy as np
import pytest

from v2xsim.comms.messages.redundancy.rule import RedundancyRule, omitted_by
from v2xsim.comms.messages.retelling.rule import RetellingRule, told_on_by
from v2xsim.part_trials import redundancy_view, retelling_view
from v2xsim.parts import PartError

FIELDS = {
    "view.uniform < 0.5": ("draws", lambda view: view.uniform < 0.5),
    "view.sees.any": ("reads_matrices", lambda view: view.sees.any(axis=1)),
    "a row of sees": ("reads_matrices", lambda view: np.full(5, view.sees[0].any())),
    "sees as numbers": ("reads_matrices", lambda view: view.sees.astype("float64").sum(axis=1) > 0),
    "view.nearby.sees": ("reads_matrices", lambda view: view.nearby.sees.any(axis=1)),
    "the number of stations nearby": ("reads_matrices", lambda view: np.full(5, len(view.nearby.agent) > 1)),
    "view.nearby.relevance": ("reads_matrices", lambda view: (view.nearby.relevance > 0.9).any(axis=1)),
    "view.copies.told_us": ("reads_copies", lambda view: np.full(5, (view.copies.told_us > 0).any())),
    "view.apart_m()": ("reads_copies", lambda view: (view.apart_m() < 3.0).any(axis=1)),
}


def rule_that(reads, setting, value, base):
    """Return a rule of a user's file that reads something of its view, with a class setting."""
    method = "told_on" if base is RetellingRule else "omitted"
    body = {method: lambda self, view: reads(view), "name": "own", "file": Path(__file__), setting: value}
    return type("Own", (base,), body)()


@pytest.mark.parametrize("what", FIELDS)
def test_a_rule_that_reads_what_it_says_it_does_not_is_told_what_to_set(what):
    setting, reads = FIELDS[what]
    retells = setting == "draws" or ("nearby" not in what and setting == "reads_matrices")
    base = RetellingRule if retells else RedundancyRule
    asked, view = (told_on_by, retelling_view(5)) if retells else (omitted_by, redundancy_view(5))
    with pytest.raises(PartError, match=rf"test_unread.py:\d+: .*must set {setting} = True"):
        asked(rule_that(reads, setting, False, base), view)
    assert asked(rule_that(reads, setting, True, base), view).shape == (5,)
