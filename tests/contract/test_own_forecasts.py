"""A link forecast in a user's file: it is tried before a run and called in the run with what it asks for."""

import pytest

import v2xsim
from v2xsim.part_trials import try_own_parts

FORECAST = """\
from dataclasses import dataclass

import numpy as np

from v2xsim.comms.relay.foresight.model import LinkForecast
from v2xsim.parts import part


@part("mine")
@dataclass(frozen=True)
class Mine(LinkForecast):
    learns = {learns}

    def deaths(self, view):
        print(len(view.group), len(view.history.mean), len(view.silent_s))
        return np.where(np.ones(view.shape) > 2.0, 1.0, np.inf)
"""


@pytest.mark.parametrize("learns", [True, False])
def test_a_forecast_gets_a_history_of_each_link_if_it_learns_when_tried_and_in_a_run(learns, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(FORECAST.format(learns=learns))
    options = [
        f"plugins=[{tmp_path / 'mine.py'}]",
        "cooperation.foresight=mine",
        "run.duration_s=0.5",
        "lidars.model=beam16",
    ]
    scenario = v2xsim.load("demo", options)
    capsys.readouterr()
    try_own_parts(scenario)
    tried = capsys.readouterr()
    v2xsim.run(scenario, threads=1)
    ran = capsys.readouterr()
    for text, least in ((tried, 1), (ran, 3)):
        sizes = [
            [int(number) for number in line.split()]
            for line in (text.out + text.err).splitlines()
            if line[:1].isdigit()
        ]
        assert len(sizes) >= least
        assert all(one == [one[0], one[0] * learns, one[0] * learns] for one in sizes)
