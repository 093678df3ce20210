"""The examples of docs/stepping.md run as they are."""

import re
from pathlib import Path

import pytest

import v2xsim
from v2xsim.errors import UserError
from v2xsim.mobility.sumo_tools import run_tool

PAGE = Path(__file__).resolve().parents[2] / "docs" / "stepping.md"
EXAMPLES = re.findall(r"## ([^\n]+)\n\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
SAYS = {
    "Log what one ego knows": "helpers: [(",
    "Send a message": "truck got b'thanks' from ego",
    "Look for relays": "have a choice",
    "Set a speed": "m/s",
    "Slow down near pedestrians": "slows down",
    "Every fused frame of a run": "ego detects",
}


def test_all_examples_are_found():
    assert {title for title, _ in EXAMPLES} == set(SAYS)


@pytest.mark.parametrize(("title", "code"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_an_example_runs(title, code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, title, "exec"), {"__name__": "__main__"})
    assert SAYS[title] in capsys.readouterr().out
    assert (tmp_path / "runs" / "stepped" / "manifest.json").exists() == (title == "Log what one ego knows")


def test_the_network_with_pedestrians_has_one_that_walks_while_the_speed_of_a_car_is_set(tmp_path):
    text = PAGE.read_text(encoding="utf-8")
    for name, content in re.findall(r"^`(walk\.[\w.]+)`.*?```\w+\n(.*?)```", text, re.DOTALL | re.MULTILINE):
        (tmp_path / name).write_text(content)
    (command,) = re.findall(r"^(netgenerate .*)$", text, re.MULTILINE)
    run_tool("netgenerate", command.split()[1:], tmp_path)
    scenario = v2xsim.load(tmp_path / "walk.yaml").with_({"run.duration_s": 1.0, "lidars.model": "beam16"})
    with v2xsim.Simulation(scenario) as sim:
        for _ in range(9):
            instant = sim.step()
            sim.set_speed("ego", 3.0)
        with pytest.raises(UserError, match="it is no vehicle"):
            sim.set_speed("person:anne", 0.5)
    walker = instant.road_users["person:anne"]
    assert walker.kind == "pedestrian"
    assert 0.5 < walker.speed_mps < 2.5
    assert instant.road_users["ego"].speed_mps < 12.0
