"""Users' files that are right work, wherever they lie; what one scenario lists is not seen by the next."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import v2xsim
from v2xsim.cli.app import app
from v2xsim.parts import PartError, base_of, part, parts_of
from v2xsim.plugins import ask
from v2xsim.scenario import resolved, to_yaml
from v2xsim.scenario.choices import choices_in
from v2xsim.scenario.errors import ScenarioError
from v2xsim.scenario.load import from_data
from v2xsim.scenario.schema import Scenario
from v2xsim.study.plan import plan_of
from v2xsim.study.point import as_bytes

RELAY = """\
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from v2xsim.comms.relay.rule import RelayRule
from v2xsim.parts import AtLeast, AtMost, part


@part("mine")
@dataclass(frozen=True)
class Mine(RelayRule):
    weight: Annotated[float, AtLeast(0), AtMost(1), "Share"] = 0.5

    def score(self, view):
        return self.weight * view.height
"""
KERNEL = RELAY.replace(
    "        return self.weight * view.height\n", "        return filled(view.to_helper.delivery, view.pair)\n"
) + ("\nfrom numba import njit\n\n@njit(cache=True)\ndef filled(delivery, pair):\n    return delivery + pair\n")
FLAT = RELAY.replace("comms.relay.rule import RelayRule", "comms.channel.path_loss.model import PathLoss").replace(
    "(RelayRule)", "(PathLoss)"
).replace("def score", "def loss_db").replace("self.weight * view.height", "np.full(len(view.state), 80.0) + self.weight")  # fmt: skip
SHORT = ["run.duration_s=0.3"]


@pytest.fixture
def wrote(tmp_path):
    """A function that writes a user's file and a scenario beside it which lists and chooses it; returns the scenario's path."""

    def wrote(text=RELAY, name="part.py", folder=tmp_path, relay="mine"):
        folder.mkdir(exist_ok=True)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        demo = resolved(v2xsim.load("demo", SHORT))
        demo["plugins"], demo["cooperation"]["relay"] = [name], relay
        (folder / "scenario.yaml").write_text(json.dumps(demo))
        return folder / "scenario.yaml"

    return wrote


def relay_of(scenario):
    return scenario.cooperation.relay


@pytest.mark.parametrize(
    "name", ["my part.py", "Straße ä/é.py", "50%.py", "%s.py", "a'b\".py", "#x.py", "-x.py", "part"]
)
def test_a_file_may_lie_anywhere(name, wrote):
    assert relay_of(v2xsim.load(wrote(name=name))).name == "mine"


TEXTS = {
    "CRLF": RELAY.replace("\n", "\r\n"),
    "byte-order mark": b"\xef\xbb\xbf" + RELAY.encode(),
    "another coding": b"# coding: latin-1\nx = '\xe4'\n" + RELAY.encode(),
    "annotations as text": "from __future__ import annotations\n" + RELAY,
    "slots": RELAY.replace("frozen=True", "frozen=True, slots=True"),
    "keywords": RELAY.replace("frozen=True", "frozen=True, kw_only=True"),
    "two parts": RELAY + RELAY[RELAY.index("@part") :].replace("mine", "second").replace("Mine", "Second"),
    "two kinds": RELAY + FLAT,
    "a built-in part's child": RELAY.replace("comms.relay.rule import RelayRule", "comms.relay.rules.hybrid import Hybrid as RelayRule"),
    "a thread": RELAY + "import threading\nthreading.Thread(target=print).start()\n",
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_file_may_be_written_in_many_ways(text, wrote):
    scenario = v2xsim.load(wrote(TEXTS[text]), ["cooperation.relay.weight=0.25"])
    assert relay_of(scenario).weight == 0.25
    assert from_data(resolved(scenario)) == scenario


def test_a_link_to_a_file_is_a_file(wrote, tmp_path):
    scenario = wrote()
    (tmp_path / "part.py").rename(tmp_path / "real.py")
    (tmp_path / "part.py").symlink_to("real.py")
    assert relay_of(v2xsim.load(scenario)).name == "mine"


TYPES = {
    "float | None = None": [1.5, None],
    "Literal['a', 'b'] = 'a'": ["b"],
    "tuple[float, float] = (1.0, 2.0)": [[3.0, 4.0]],
    "tuple[tuple[float, float], ...] = ()": [[[3.0, 4.0], [5.0, 6.0]]],
    "list[int] = field(default_factory=list)": [[1, 2]],
    "dict[str, float] = field(default_factory=dict)": [{"a": 1.0}],
    "bool = True": [False],
    "str = 'x'": ["on"],
    "int = 1": [2],
    "float = np.float64(1.0)": [2],
}


@pytest.mark.parametrize("kind", TYPES)
def test_a_parameter_of_any_type_that_a_scenario_can_hold_is_read_back(kind, wrote, tmp_path):
    for value in ({}, *({"x": value} for value in TYPES[kind])):
        scenario = v2xsim.load(
            wrote(RELAY.replace("    weight", f"    x: {kind}\n    weight"), relay={"rule": "mine", **value})
        )
        assert from_data(json.loads(json.dumps(resolved(scenario)))) == scenario
        (tmp_path / "again.yaml").write_text(to_yaml(scenario))
        assert v2xsim.load(tmp_path / "again.yaml") == scenario


def test_limits_hold_for_each_number_in_a_list(wrote):
    file = wrote(RELAY.replace("    weight", "    x: tuple[Annotated[float, AtLeast(0)], ...] = ()\n    weight"))
    assert relay_of(v2xsim.load(file, ["cooperation.relay.x=[0, 1]"])).x == (0.0, 1.0)
    with pytest.raises(ScenarioError, match=r"cooperation\.relay\.x\.1: must be at least 0, got -1"):
        v2xsim.load(file, ["cooperation.relay.x=[0, -1]"])


def test_a_field_that_the_part_is_not_made_from_is_no_parameter(wrote):
    text = RELAY.replace("    def score", "    twice: float = field(default=3.0, init=False)\n\n    def score")
    assert resolved(v2xsim.load(wrote(text)))["cooperation"]["relay"] == {"rule": "mine", "weight": 0.5}
    with pytest.raises(ScenarioError, match=r"relay\.twice: unknown parameter"):
        v2xsim.load(wrote(text), ["cooperation.relay.twice=1"])


def test_a_path_among_the_parameters_counts_from_the_scenarios_folder(wrote, tmp_path, monkeypatch):
    text = RELAY.replace(
        "    weight", "    table: Path = Path('table.csv')\n    more: tuple[Path, ...] = ()\n    weight"
    )
    file = wrote(text, folder=tmp_path / "there")
    with pytest.raises(
        ScenarioError, match=r"cooperation\.relay\.table: must be a file that can be read, got 'table.csv'"
    ):
        v2xsim.load(file)
    table = tmp_path / "there" / "table.csv"
    table.write_text("1")
    monkeypatch.chdir(tmp_path)
    assert relay_of(v2xsim.load(file)).table == table
    assert relay_of(v2xsim.load(file, ["cooperation.relay.more=[there/table.csv]"])).more == (table,)
    key = plan_of({"scenario": str(file), "seeds": 1}).points[0].key
    table.write_text("2")
    assert plan_of({"scenario": str(file), "seeds": 1}).points[0].key != key


@pytest.mark.slow
def test_a_compiled_kernel_is_kept_from_one_process_to_the_next(wrote, tmp_path):
    file, cache = wrote(KERNEL), tmp_path / "cache"
    script = (
        "import sys, v2xsim; from v2xsim.part_trials import try_own_parts; scenario = v2xsim.load(sys.argv[1]); try_own_parts(scenario)\n"
        "print(sum(sys.modules[type(scenario.cooperation.relay).__module__].filled.stats.cache_hits.values()))"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", script, str(file)],
            env=os.environ | {"NUMBA_CACHE_DIR": str(cache)}, capture_output=True, text=True, check=True,
        ).stdout.split()
        for _ in range(2)
    ]  # fmt: skip
    assert told == [["0"], ["1"]]


def test_what_one_scenario_lists_the_next_does_not_see(wrote):
    file = wrote()
    with_part = v2xsim.load(file)
    said = resolved(with_part)
    assert relay_of(v2xsim.load("demo")).name == "hybrid"
    with pytest.raises(ScenarioError, match=r"got 'mine'; .*/part.py registers it: list that file under plugins"):
        v2xsim.load("demo", ["cooperation.relay=mine"])
    with pytest.raises(ScenarioError, match="unknown parameter"):
        v2xsim.load("demo", ["cooperation.relay.nonsense=1"])
    # The first one is whole all the same.
    assert from_data(said) == with_part
    v2xsim.load("demo")
    assert v2xsim.run(with_part).tables["frames"].num_rows


def test_two_scenarios_may_list_two_files_with_one_name(wrote, tmp_path):
    one, other = wrote(folder=tmp_path / "a"), wrote(RELAY.replace("0.5", "0.75"), folder=tmp_path / "b")
    for _ in range(2):
        assert [relay_of(v2xsim.load(file)).weight for file in (one, other)] == [0.5, 0.75]
    found = plan_of({"scenario": str(one), "grid": {"plugins": [[str(tmp_path / n / "part.py")] for n in "ab"]}})
    assert [relay_of(scenario).weight for scenario in found.scenarios] == [0.5, 0.75]


def test_a_changed_file_is_run_again_and_leaves_earlier_scenarios_as_they_were(wrote, tmp_path):
    file = wrote()
    before = v2xsim.load(file)
    (tmp_path / "part.py").write_text("x = = 1")
    with pytest.raises(ScenarioError, match=r"part.py:1: must be Python"):
        v2xsim.load(file)
    (tmp_path / "part.py").write_text(RELAY.replace("0.5", "0.75"))
    assert relay_of(v2xsim.load(file)).weight == 0.75
    assert relay_of(before).weight == 0.5


def test_a_file_cannot_load_the_scenario_that_lists_it(wrote):
    file = wrote(RELAY + "import v2xsim\nv2xsim.load(Path(__file__).parent / 'scenario.yaml')\n")
    with pytest.raises(ScenarioError, match="must not load a scenario that lists it") as raised:
        v2xsim.load(file)
    assert "\n" not in str(raised.value)


def test_what_a_file_prints_keeps_out_of_what_programs_read(wrote, tmp_path):
    file = wrote(RELAY + "print('hello')\n")
    ran = CliRunner().invoke(app, ["run", str(file), "--json", "--out", str(tmp_path / "out")])
    assert json.loads(ran.stdout)["scenario"] == "demo"
    assert ran.stderr == "hello\n"


def test_a_part_can_write_into_nothing_that_it_is_given(wrote):
    record = v2xsim.records.Boxes(np.zeros((2, 3)), np.ones((2, 3)), np.zeros(2))
    own = v2xsim.load(wrote(RELAY.replace("view.height", "view(record)"))).cooperation.relay

    def spoil(given):
        given.center_m[:] = 1.0

    object.__setattr__(own, "spoil", spoil)
    with pytest.raises(PartError, match="spoil raised ValueError: assignment destination is read-only"):
        ask(own, "spoil", record)
    assert not record.center_m.any()


# By key, two parts of each kind that read much of their view.
COPIED = {
    "radio.access": ("ieee80211p", "nr_mode2"), "radio.channel": ("tr37885_urban", "winner_b1"),
    "radio.propagation.vehicle_blockage": ("tr37885", "knife_edges"), "radio.propagation.building_loss": ("tr37885", "corner"),
    "radio.propagation.fading": ("nakagami", "rician"), "cooperation.awareness_rule": ("periodic", "cam"),
    "cooperation.matching": ("blind_cells", "nearest"), "cooperation.relay": ("hybrid", "random_qualified"),
    "cooperation.fusion": ("early", "cpm"), "cooperation.redundancy": ("none", "self_announcing"), "cooperation.retelling": ("none", "unheard"),
    "detector": ("visibility", "visibility"), "cooperation.foresight": ("tracks", "none"), "cooperation.bound": ("none", "oracle"),
}  # fmt: skip


def a_copy(cls):
    method = next(m for m in cls.kind.methods if getattr(cls, m) is not getattr(base_of(cls), m))
    own = f"My{cls.__qualname__}"
    return (
        f"import {cls.__module__}\n@part('my_{cls.name}')\n@dataclass(frozen=True)\nclass {own}({cls.__module__}.{cls.__qualname__}):\n"
        f"    def {method}(self, *given):\n        return super().{method}(*given)\n\n"
    )


@pytest.mark.parametrize("number", [0, 1])
def test_a_users_copy_of_a_built_in_part_finds_the_same_to_the_byte(number, wrote, tmp_path):
    kinds = {".".join(keys): choice.base for keys, choice in choices_in(Scenario)}
    chosen = {key: names[number] for key, names in COPIED.items()}
    assert set(chosen) == set(kinds)
    copies = "".join(a_copy(parts_of(kinds[key])[name]) for key, name in chosen.items())
    file = wrote(RELAY[: RELAY.index("@part")] + copies, relay="none")
    found = []
    for prefix in ("", "my_"):
        options = [
            "run.duration_s=0.5",
            "radio.mtu_bytes=300",
            *(f"{key}={prefix}{name}" for key, name in chosen.items()),
        ]
        tables = v2xsim.run(v2xsim.load(file, options)).tables
        found.append({name: as_bytes(table) for name, table in tables.items()})
    assert found[0] == found[1]


# Values set from outside.


def test_files_set_from_outside_count_from_where_they_were_written(wrote, tmp_path, monkeypatch):
    file = wrote()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "other.py").write_text(RELAY.replace("0.5", "0.75"))
    monkeypatch.chdir(tmp_path / "sub")
    assert relay_of(v2xsim.load(file, ["plugins=[other.py]"])).weight == 0.75
    assert relay_of(v2xsim.load(file, ["plugins.0=other.py"])).weight == 0.75
    (tmp_path / "sub" / "sweep.yaml").write_text("scenario: ../scenario.yaml\nset: {plugins: [other.py]}\nseeds: 2\n")
    monkeypatch.chdir(tmp_path)
    assert relay_of(plan_of("sub/sweep.yaml").scenario).weight == 0.75


def test_a_parameter_is_set_beside_the_name_of_its_part():
    assert relay_of(v2xsim.load("demo", ["cooperation.relay.weight=0.25"])).weight == 0.25
    chosen = ["cooperation.relay=none", "cooperation.relay.rule=hybrid", "cooperation.relay.weight=0.25"]
    assert relay_of(v2xsim.load("demo", chosen)).weight == 0.25
    with pytest.raises(
        ScenarioError, match=r"--set cooperation.relay.weight=0.25: .*unknown parameter of relay rule 'none'"
    ):
        v2xsim.load("demo", ["cooperation.relay=none", "cooperation.relay.weight=0.25"])


def test_a_later_option_does_not_undo_an_earlier_one_unseen():
    with pytest.raises(
        ScenarioError, match=r"--set cooperation.relay=hybrid: must come before --set cooperation.relay.weight=0.25"
    ):
        v2xsim.load("demo", ["cooperation.relay.weight=0.25", "cooperation.relay=hybrid"])
    with pytest.raises(ScenarioError, match=r"cooperation\.relay is given twice"):
        v2xsim.load("demo", ["cooperation.relay=none", "cooperation.relay=hybrid"])


def test_a_sweep_varies_whole_choices_and_writes_them_as_text(tmp_path):
    out, grid = tmp_path / "sweep", "cooperation.relay={rule: hybrid, weight: 0.3},none"
    ran = CliRunner().invoke(
        app, ["sweep", "demo", "--set", *SHORT, "--grid", grid, "--out", str(out), "--workers", "2"]
    )
    assert ran.exit_code == 0, ran.output
    assert set(pq.read_table(out / "results.parquet")["cooperation.relay"].to_pylist()) == {
        '{"rule": "hybrid", "weight": 0.3}',
        "none",
    }
    ran = CliRunner().invoke(app, ["compare", str(out)])
    assert 'cooperation.relay: {"rule": "hybrid", "weight": 0.3} -> "none"' in ran.stdout


def test_a_sweep_varies_a_parameter_of_the_part_that_it_sets():
    said = {
        "scenario": "demo",
        "set": {"cooperation.relay": "hybrid"},
        "grid": {"cooperation.relay.weight": [0.25, 0.75]},
    }
    assert [relay_of(scenario).weight for scenario in plan_of(said).scenarios] == [0.25, 0.75]
    with pytest.raises(ScenarioError, match=r"cooperation.relay.weight lies within cooperation.relay; set one of them"):
        plan_of({"scenario": "demo", "grid": {"cooperation.relay.weight": [0.25], "cooperation.relay": ["hybrid"]}})


# Former keys.

FORMER = {
    ("cooperation.relay_weight=0.25", "cooperation.relay=hybrid"): None,
    ("cooperation.relay_weight=2", "cooperation.relay=hybrid"): r"cooperation\.relay\.weight: must be at least 0 and at most 1, got 2",
    ("cooperation.relay_weight=2", "cooperation.relay=none"): r"cooperation\.relay_weight: .*less than or equal to 1, got 2",
    ("cooperation.relay_weight=0.25", "cooperation.relay={rule: hybrid, weight: 0.1}"): r"relay_weight: stands in cooperation\.relay, too",
    ("radio.sidelink={nonsense: 1}", "radio.access=ideal"): r"radio\.sidelink\.nonsense: is no parameter of the parts",
    ("radio.sidelink=[1]", "radio.access=nr_mode2"): r"radio\.sidelink: must be a section with parameters of access scheme lte_mode4 or nr_mode2",
}  # fmt: skip


@pytest.mark.parametrize("options", FORMER)
def test_a_former_key_is_read_or_refused_with_its_place(options):
    ran = CliRunner().invoke(app, ["check", "demo", *(item for option in options for item in ("--set", option))])
    if FORMER[options] is None:
        assert ran.exit_code == 0
        # Lines of progress come where the machine is slow.
        assert [line for line in ran.stderr.splitlines() if not line.startswith("[")] == []
    else:
        assert ran.exit_code == 2
        assert len(ran.stderr.strip().splitlines()) == 1
        assert re.search(FORMER[options], ran.stderr)


def test_a_former_key_of_a_part_that_is_not_chosen_gets_a_warning():
    ran = CliRunner().invoke(
        app, ["check", "demo", "--set", "cooperation.relay=none", "--set", "cooperation.relay_weight=0.25"]
    )
    assert ran.exit_code == 0
    assert ran.stderr.splitlines()[0] == (
        "warning: --set cooperation.relay_weight=0.25: cooperation.relay_weight has no effect: it belongs to relay rule hybrid, and "
        "cooperation.relay is none"
    )


# From Python.


def with_relay(value):
    demo = v2xsim.load("demo", SHORT)
    return demo.model_copy(update={"cooperation": demo.cooperation.model_copy(update={"relay": value})})


def test_a_part_made_in_python_runs(tmp_path):
    from v2xsim.comms.relay.rules.hybrid import Hybrid

    here = part("here")(
        type(
            "Here",
            (Hybrid,),
            {"__dataclass_params__": Hybrid.__dataclass_params__, "score": lambda self, view: view.height},
        )
    )
    v2xsim.run(with_relay(here()), out=tmp_path / "run")
    assert (
        json.loads((tmp_path / "run" / "manifest.json").read_text())["scenario"]["cooperation"]["relay"]["rule"]
        == "here"
    )


@pytest.mark.parametrize("value", ["hybrd", None, 3])
def test_what_is_no_part_is_refused_where_it_is_set(value):
    with pytest.raises(ScenarioError, match=r"section Cooperation: relay: .*, got"):
        with_relay(value)


def test_what_is_no_part_is_refused_before_the_run():
    demo = v2xsim.load("demo", SHORT)
    unchecked = demo.cooperation.model_construct(**{**demo.cooperation.__dict__, "relay": "hybrid"})
    with pytest.raises(PartError, match=r"cooperation.relay must be a relay rule \(an instance of RelayRule\), got"):
        v2xsim.run(demo.model_copy(update={"cooperation": unchecked}))


# Set-ups of the radio's validation.

SET_UP = "plugins: [part.py]\naccess: random_slot\nroad: {length_m: 500, density_per_km: 20}\nwarm_up_s: 0.1\nmeasured_s: 0.3\n"


def test_a_set_up_takes_a_users_path_loss(tmp_path):
    def ran(channel, text=FLAT):
        (tmp_path / "part.py").write_text(text)
        (tmp_path / "set-up.yaml").write_text(f"{SET_UP}channel: {{path_loss: {channel}}}\n")
        return CliRunner().invoke(app, ["validate", "radio", "--json", "--config", str(tmp_path / "set-up.yaml")])

    assert json.loads(ran("mine").stdout)["bins"]
    assert json.loads(ran("{model: mine, weight: 0.1}").stdout)["bins"]
    for wrong, says in (
        (
            ran("{model: mine, weight: 2}"),
            "set-up.yaml:6: radio.channel.weight: must be at least 0 and at most 1, got 2",
        ),
        (
            ran("mine", FLAT.replace("80.0", "np.nan")),
            "part.py:16: path loss 'mine': loss_db must return finite numbers, got nan",
        ),
        (ran("mine", FLAT + "x = = 1"), "set-up.yaml:1: plugins.0: "),
    ):
        assert (wrong.exit_code, wrong.stdout) == (2, "")
        assert says in wrong.stderr
