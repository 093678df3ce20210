"""Faulty files of users: each fault is told once, with the file and its line, exits with 2, and leaves nothing behind."""

import json
import re

import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app

IMPORTS = """\
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from v2xsim.comms.access.scheme import AccessScheme
from v2xsim.comms.access.schemes.random_slot import RandomSlotAccess
from v2xsim.comms.channel.blockage.model import VehicleBlockage
from v2xsim.comms.channel.building_loss.model import BuildingLoss
from v2xsim.comms.channel.fading.model import Fading
from v2xsim.comms.channel.path_loss.model import PathLoss
from v2xsim.comms.messages.awareness.periodic import Periodic
from v2xsim.comms.messages.awareness.rule import AwarenessRule
from v2xsim.comms.messages.redundancy.rule import RedundancyRule
from v2xsim.comms.messages.retelling.rule import RetellingRule
from v2xsim.comms.relay.foresight.model import LinkForecast
from v2xsim.comms.relay.rule import RelayRule
from v2xsim.gpu.bev.fusion.scheme import FusedObjects, FusionScheme
from v2xsim.parts import AtLeast, AtMost, part
from v2xsim.perception.detection.detector import Detector
from v2xsim.perception.matching.rule import MatchingRule
from v2xsim.records import Boxes, Detections
"""
LINE = IMPORTS.count("\n") + 5  # of the method in a file of `source`

WRAPPED = """
class Wrapped:
    def __init__(self, inner):
        self.inner = inner
    def __getattr__(self, name):
        return getattr(self.inner, name)
"""

SCENARIO = """\
name: small
run: {duration_s: 0.4}
traffic:
  script:
    - {id: ego, waypoints: [[0, 0, 0], [10, 50, 0]]}
    - {id: helper, waypoints: [[0, 60, 5], [10, 60, 5]]}
    - {id: truck, kind: truck, waypoints: [[0, 30, 5], [10, 30, 5]]}
stations: {penetration: 1.0}
cooperation: {egos: [ego]}
"""

# Key at which a scenario chooses a part of the kind, base class, method.
KINDS = {
    "relay": ("cooperation.relay", "RelayRule", "score(self, view)"),
    "forecast": ("cooperation.foresight", "LinkForecast", "deaths(self, view)"),
    "matching": ("cooperation.matching", "MatchingRule", "choose(self, view)"),
    "fusion": ("cooperation.fusion", "FusionScheme", "fuse(self, view)"),
    "awareness": ("cooperation.awareness_rule", "AwarenessRule", "generator(self)"),
    "redundancy": ("cooperation.redundancy", "RedundancyRule", "omitted(self, view)"),
    "retelling": ("cooperation.retelling", "RetellingRule", "told_on(self, view)"),
    "access": ("radio.access", "AccessScheme", "layer(self, settings, time_us)"),
    "path loss": ("radio.channel", "PathLoss", "loss_db(self, view)"),
    "blockage": ("radio.propagation.vehicle_blockage", "VehicleBlockage", "loss_db(self, view)"),
    "building loss": ("radio.propagation.building_loss", "BuildingLoss", "loss_db(self, view)"),
    "fading": ("radio.propagation.fading", "Fading", "shape(self, view)"),
    "detector": ("detector", "Detector", "detect(self, view)"),
}


def source(kind, returns, name="mine", parameters="", more=""):
    """Return a user's file with one part whose method returns something."""
    _, base, method = KINDS[kind]
    lines = [
        f'@part("{name}")',
        "@dataclass(frozen=True)",
        f"class Mine({base}):",
        f"    def {method}:",
        f"        return {returns}",
    ]
    lines[3:3] = [f"    {line}" for line in parameters.splitlines()]
    return IMPORTS + "\n" + "\n".join(lines) + "\n" + more


class Place:
    """A folder with a scenario that lists part.py and chooses its part `mine`, and a function that runs commands in it."""

    def __init__(self, folder):
        self.folder = folder

    def file(self, text, name="part.py"):
        (self.folder / name).write_text(text)

    def scenario(self, key="cooperation.relay", chosen="mine", plugins="[part.py]"):
        (self.folder / "scenario.yaml").write_text(f"{SCENARIO}plugins: {plugins}\n")
        self.choice = ["--set", f"{key}={chosen}"] if chosen else []

    def refused(self, *command):
        """Return the one line of the error that a command ends with."""
        before = sorted(path.name for path in self.folder.rglob("*") if "__pycache__" not in path.parts)
        ran = CliRunner().invoke(app, [*command, *self.choice])
        assert (ran.exit_code, ran.stdout) == (2, ""), ran.output
        after = sorted(path.name for path in self.folder.rglob("*") if "__pycache__" not in path.parts)
        assert after == before
        error, *more = [
            line for line in ran.stderr.strip().splitlines() if not line.startswith(("note: ", "warning: "))
        ]
        assert not more
        return error

    def refused_by_check_and_run(self):
        said = str(self.folder / "scenario.yaml")
        checked = self.refused("check", said)
        # The first folder above is new, too.
        assert self.refused("run", said, "--out", str(self.folder / "runs" / "mine")) == checked
        return checked


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


WRONG_ANSWERS = {
    "relay: wrong shape": (source("relay", "np.zeros((3, 7))"), r"score must return an array of 5 candidates, got shape \(3, 7\)"),
    "relay: wrong dtype": (source("relay", "np.zeros(view.shape, int)"), "score must return float64 numbers, got int64"),
    "relay: NaN": (source("relay", "np.full(view.shape, np.nan)"), r"score must return finite numbers, got nan"),
    "relay: exception": (source("relay", "view.nonsense"), "score raised AttributeError: 'RelayView' object has no attribute"),
    "relay: masked": (source("relay", "np.ma.masked_all(view.shape)"), "score must return an array of 5 candidates, got MaskedArray"),
    "relay: writes": (source("relay", "view.to_helper.delivery.fill(1.0)"), "score raised ValueError: .*read-only"),
    "relay: writes draws": (source("relay", "view.uniform.sort()"), "score raised ValueError: .*read-only"),
    "relay: leaves": (source("relay", "exit(0)"), "score raised SystemExit: 0"),
    "relay: huge": (source("relay", "np.full(view.shape, -1e300)"), "score must return numbers of at least -1e\\+38, got -1e\\+300"),
    "relay: huger": (source("relay", "np.full(view.shape, 1e300)"), "score must return numbers of at most 1e\\+38, got 1e\\+300"),
    "forecast: wrong shape": (source("forecast", "np.zeros(4)"), r"deaths must return an array of 5 links, got shape \(4,\)"),
    "forecast: NaN": (source("forecast", "np.full(view.shape, np.nan)"), r"deaths must return numbers, got nan"),
    "forecast: past": (source("forecast", "np.full(view.shape, -0.1)"), "deaths must return numbers of at least 0, got -0.1"),
    "forecast: wrong dtype": (source("forecast", "np.zeros(view.shape, int)"), "deaths must return float64 numbers, got int64"),
    "forecast: writes": (source("forecast", "view.vehicles.course.position_m.fill(1.0)"), "deaths raised ValueError: .*read-only"),
    "forecast: no time": (
        source("forecast", "view.expected(np.arange(5), np.nan)[0]"), "deaths raised ValueError: times must be finite numbers of seconds",
    ),
    "relay: memory": (source("relay", "np.zeros((10**9, 10**9))"), "score raised .*MemoryError"),
    "path loss: wrong shape": (source("path loss", "np.zeros(2)"), r"loss_db must return an array of 15 links, got shape \(2,\)"),
    "path loss: list": (source("path loss", "[90.0]"), "loss_db must return an array of 15 links, got list"),
    "blockage: infinity": (source("blockage", "np.full(len(view.distance_m), np.inf)"), "loss_db must return finite numbers, got inf"),
    "building loss: None": (source("building loss", "None"), "loss_db must return an array of 5 links, got NoneType"),
    "fading: float32": (source("fading", "np.ones(len(view.state), np.float32)"), "shape must return float64 numbers, got float32"),
    "matching: floats": (source("matching", "np.arange(5.0)"), "choose must return int64 numbers, got float64"),
    "matching: twice": (source("matching", "np.array([1, 1])"), r"choose must return rows of helpers \(0 to 4\), each at most once"),
    "matching: list": (source("matching", "[0]"), "choose must return one array with rows of helpers, got list"),
    "fusion: None": (source("fusion", "None"), "fuse must return v2xsim.gpu.bev.fusion.FusedObjects, got NoneType"),
    "fusion: points": (
        source("fusion", "FusedObjects(view.own_detections, view.own_points[:2])"),
        r"fuse must return as points an array of 5 objects, got shape \(2,\)",
    ),
    "detector: NaN boxes": (
        source(
            "detector",
            "Detections(Boxes(view.objects.center_m * np.nan, view.objects.size_m, view.objects.yaw_rad), "
            "np.zeros((5, 2)), np.ones(5), view.agent)",
        ),
        "detect must return as boxes.center_m finite numbers, got nan",
    ),
    "detector: score": (
        source("detector", "Detections(view.objects, np.zeros((5, 2)), np.full(5, 2.0), view.agent)"),
        "detect must return scores from 0 to 1, got 2 to 2",
    ),
    "retelling: ints": (source("retelling", "np.ones(5, int)"), r"told_on must return truth values \(bool\), got int64"),
    "redundancy: ints": (source("redundancy", "np.zeros(5, int)"), r"omitted must return truth values \(bool\), got int64"),
    "awareness: due returns ints": (
        source("awareness", "Wrapped(Periodic().generator())", more=WRAPPED + "    def due(self, view):\n        return self.inner.due(view).astype(int)\n"),
        r"generator.due must return truth values \(bool\), got int64",
    ),
    "awareness: None": (source("awareness", "None"), r"generator must return an object with due\(view\), got NoneType"),
    "access: advance raises": (
        source("access", "Wrapped(RandomSlotAccess().layer(settings, time_us))", more=WRAPPED + "    def advance(self, until_us, field):\n        return {}['x']\n"),
        "layer.advance raised KeyError: 'x'",
    ),
    "access: receptions": (
        source(
            "access",
            "Wrapped(RandomSlotAccess().layer(settings, time_us))",
            more="from dataclasses import replace\n" + WRAPPED + "    def advance(self, until_us, field):\n"
            "        found, busy_us = self.inner.advance(until_us, field)\n"
            "        return replace(found, receiver=found.receiver + 100), busy_us\n",
        ),
        "layer.advance must return as receiver 0 to 4, got 10",
    ),
    "access: None": (source("access", "None"), "layer must return an object with submit, advance, reindexed"),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG_ANSWERS)
def test_a_wrong_answer_is_told_before_the_run_begins(fault, place):
    text, says = WRONG_ANSWERS[fault]
    place.file(text)
    place.scenario(KINDS[fault.partition(":")[0]][0])
    assert re.match(rf"error: {place.folder}/part.py:\d+: [a-z ]+ 'mine': {says}", place.refused_by_check_and_run())


def test_an_exception_is_placed_at_its_line_and_an_answer_at_its_method(place):
    place.scenario()
    place.file(source("relay", "view.nonsense"))
    assert place.refused_by_check_and_run().startswith(f"error: {place.folder}/part.py:{LINE + 1}: ")
    place.file(source("relay", "None"))
    assert place.refused_by_check_and_run().startswith(f"error: {place.folder}/part.py:{LINE}: ")


# Base class attributes and further methods, each with what is said of it.
WRONG_ATTRIBUTES = {
    "relay": [("hysteresis = 'x'", "hysteresis must be a finite number at least 0, got 'x'")],
    "path loss": [
        ("shadowing_sigma_db = (1.0, 2.0)", "shadowing_sigma_db must be 3 values, each a finite number at least 0"),
        ("urban = 'no'", "urban must be True or False, got 'no'"),
        ("def pieces_db(self, carrier_ghz): return 3", "pieces_db must return an array of 3 states x 1 pieces x 3 numbers, got int"),
        ("def reach_m(self, loss_db, carrier_ghz): return None", "reach_m must return a distance of at least 0 m, got None"),
    ],
    "blockage": [("def moments_db(self): return np.zeros(3), np.zeros(4)", "moments_db must return as means an array of 4 cases")],
    "fusion": [
        ("shares = 'boxes'", "shares must be one of Share.NOTHING, .*, got 'boxes'"),
        ("thinned_to_m = property(lambda self: 1 / 0)", "thinned_to_m raised ZeroDivisionError: division by zero"),
    ],
    "awareness": [("check_us = property(lambda self: 0)", "check_us must be a whole number at least 1, got 0")],
    "access": [("def most_bytes(self): return 'x'", "most_bytes must return a whole number at least 1 or None, got 'x'")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "attribute", "says"), [(kind, *item) for kind, items in WRONG_ATTRIBUTES.items() for item in items]
)
def test_a_wrong_attribute_or_further_method_is_told(kind, attribute, says, place):
    place.file(source(kind, "None", parameters=attribute))
    place.scenario(KINDS[kind][0])
    assert re.search(rf"{place.folder}/part.py(:\d+)?: [a-z ]+ 'mine': {says}", place.refused_by_check_and_run())


GOOD = source(
    "relay", "np.zeros(view.shape)", parameters='weight: Annotated[float, AtLeast(0), AtMost(1), "Share"] = 0.5'
)
FAULTY_FILES = {
    "missing method": (GOOD.replace("def score", "def scores"), rf":{LINE - 3}: .*must define score\(self, view\)"),
    "wrong signature": (GOOD.replace("(self, view)", "(self)"), r": .*score must take \(self, view\), got \(self\)"),
    "not frozen": (GOOD.replace("(frozen=True)", ""), ": .*must be frozen"),
    "no dataclass": (GOOD.replace("@dataclass(frozen=True)\n", ""), ": .*must be a dataclass"),
    "no base class": (GOOD.replace("(RelayRule)", ""), ": .*must stand above a class that derives from the base class"),
    "two kinds at once": (GOOD.replace("(RelayRule)", "(RelayRule, PathLoss)"), ": .*derives from the base class of one kind of part"),
    "own kind": (GOOD.replace("    weight", "    kind = 3\n    weight"), ": .*must not have a `kind` of its own"),
    "no name": (GOOD.replace('@part("mine")', "@part"), ": @part must give a name"),
    "odd name": (GOOD.replace('"mine"', '"my part"'), ": the name of a relay rule must be of small letters"),
    "name with a line break": (GOOD.replace('"mine"', r'"mine\n"'), ": the name of a relay rule must be of small letters"),
    "name that is no text in YAML": (GOOD.replace('"mine"', '"null"'), ": .*must not be a word that YAML takes for something else"),
    "name of a built-in part": (GOOD.replace('"mine"', '"hybrid"'), ": .*'hybrid' must have a name of its own; 'hybrid' is a built-in part"),
    "bad default": (GOOD.replace("0.5", "1.5"), ": .*the default of weight must fit its own type and limits: .*got 1.5"),
    "syntax error": (GOOD + "def f(:\n", rf":{GOOD.count(chr(10)) + 1}: must be Python: invalid syntax"),
    "missing package": ("import nonexistent_package\n", ":1: imports 'nonexistent_package', which is not installed"),
    "package beside it": ("import part\n", ":1: imports 'part' from its own folder; a plug-in is one file"),
    "leaves": (GOOD + "exit(0)\n", ": cannot be loaded: SystemExit: 0"),
    "unprintable exception": (
        "class Odd(Exception):\n    def __str__(self):\n        return 1\nraise Odd\n", ":4: cannot be loaded: Odd",
    ),
    "no part": ("x = 1\n", r": must register a part with @part\(...\); it registers none"),
    "empty": ("", ": must register a part"),
    "two parts of a name": (GOOD + GOOD.replace(IMPORTS, ""), ": .*must have a name of its own"),
    "parameter of a taken name": (GOOD.replace("weight", "score"), ": .*must give its parameter 'score' another name"),
    "parameter with a name of the schema's": (GOOD.replace("weight", "copy"), ": .*must give its parameter 'copy' another name"),
    "parameter of an array": (GOOD.replace("Annotated[float,", "Annotated[np.ndarray,"), ": .*'weight' must be of a type that a scenario can hold .*, got ndarray"),
    "limit on text": (GOOD.replace("Annotated[float,", "Annotated[str,").replace("= 0.5", "= 'x'"), ": .*limits are for numbers, got str for 'weight'"),
    "cannot be made": (GOOD + "    def __post_init__(self):\n        raise SystemExit(0)\n", ": .*cannot be made from its defaults: SystemExit: 0"),
    "default cannot be made": (
        GOOD.replace("] = 0.5", "] = field(default_factory=lambda: 1 / 0)").replace("import dataclass\n", "import dataclass, field\n"),
        ": .*the default of weight cannot be made: ZeroDivisionError",
    ),
}  # fmt: skip


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize("fault", FAULTY_FILES)
def test_a_faulty_file_is_told_with_the_line_that_lists_it(fault, place):
    text, says = FAULTY_FILES[fault]
    place.file(text)
    place.scenario()
    error = place.refused_by_check_and_run()
    assert re.match(
        rf"error: {place.folder}/scenario.yaml:\d+: plugins\.0: {place.folder}/part\.py(:\d+)?{says}", error
    )
    # A sweep finds it out before it begins.
    assert place.refused(
        "sweep", str(place.folder / "scenario.yaml"), "--seeds", "2", "--out", str(place.folder / "s")
    ).endswith(error.partition("plugins.0: ")[2])


FAULTY_BYTES = {
    "UTF-16": (GOOD.encode("utf-16"), ": must be text in UTF-8, got UTF-16"),
    "Latin-1": (b"x = '\xe4'\n" + GOOD.encode(), ":1: must be Python: .*utf-8"),
    "binary": (bytes(range(256)), ": must be Python: "),
    "5 MB": (GOOD.encode() + b"# x\n" * 1_250_000, ": must be a Python file of at most 1,000,000 bytes"),
}


@pytest.mark.parametrize("fault", FAULTY_BYTES)
def test_a_file_that_is_no_python_is_refused(fault, place):
    content, says = FAULTY_BYTES[fault]
    (place.folder / "part.py").write_bytes(content)
    place.scenario()
    assert re.search(rf"plugins\.0: {place.folder}/part\.py(:\d+)?{says}", place.refused_by_check_and_run())


WRONG_LISTS = {
    "part.py": r"plugins: must be a list of Python files such as \[my_part.py\], got 'part.py'",
    "": r"plugins: must be a list of Python files .*, got nothing",
    "[3]": r"plugins\.0: must be the path of a Python file, got 3",
    "[gone.py]": r"plugins\.0: must be a Python file with a part in it, got 'gone.py' \(.*/gone.py does not exist\)",
    "[.]": r"plugins\.0: .*is a directory\)",
    "[/dev/null]": r"plugins\.0: .*cannot be read\)",
    f"[{'x' * 5000}]": r"plugins\.0: .*is no path: File name too long\)",
    "[part.py, part.py]": r"plugins\.1: must be listed once, got 'part.py' twice",
    "[part.py, ./part.py]": r"plugins\.1: must be listed once, got './part.py' twice",
    "[part.py, copy.py]": r"plugins\.1: .*/copy.py:\d+: .*'mine' is registered by .*/part.py",
}


@pytest.mark.parametrize("plugins", WRONG_LISTS, ids=lambda text: text[:20])
def test_a_wrong_list_of_files_is_told_once(plugins, place):
    place.file(GOOD)
    place.file(GOOD, "copy.py")
    place.scenario(plugins=plugins)
    assert re.match(
        rf"error: {place.folder}/scenario.yaml:\d+: {WRONG_LISTS[plugins]}", place.refused_by_check_and_run()
    )


WRONG_CHOICES = {
    "{rule: mine, wieght: 0.3}": r"relay\.wieght: unknown parameter of relay rule 'mine' \(/.*\.py\), got 0.3; its parameters are weight; did you mean 'weight'",
    "{rule: midpoint, weight: 0.3}": r"relay\.weight: unknown parameter of relay rule 'midpoint', got 0.3; .*it is a parameter of hybrid and mine",
    "{rule: mine, weight: 2}": r"relay\.weight: must be at least 0 and at most 1, got 2 \(relay rule 'mine' of /.*\.py\)",
    "{rule: mine, weight: x}": r"relay\.weight: must be a number, at least 0 and at most 1, got 'x'",
    "{rule: 3}": "relay: rule must be .*, got 3",
    "{rule: }": "relay: rule must be .*, got nothing",
    "mien": "relay: must be .*, got 'mien'; did you mean 'mine'",
    "5": r"relay: must be .*, or a section such as \{rule: .*\}, got 5",
    "[]": r"relay: must be .*, got \[\]",
    "": "relay: must be .*, got nothing",
}


@pytest.mark.parametrize("chosen", WRONG_CHOICES)
def test_a_mistake_in_the_scenario_is_told_with_its_line_and_the_part(chosen, place):
    place.file(GOOD)
    place.scenario(chosen="")
    said = (place.folder / "scenario.yaml").read_text()
    (place.folder / "scenario.yaml").write_text(said.replace("{egos: [ego]}", f"\n  egos: [ego]\n  relay: {chosen}"))
    assert re.match(
        rf"error: {place.folder}/scenario.yaml:11: cooperation\.{WRONG_CHOICES[chosen]}",
        place.refused_by_check_and_run(),
    )


def test_a_fault_in_a_later_tick_leaves_no_folder_but_that_of_the_rows_so_far(place):
    text = source(
        "path loss",
        "answer(len(view.state))",
        more="CALLS = []\ndef answer(links):\n    CALLS.append(1)\n    return np.full(links, {})\n",
    )
    place.scenario("radio.channel")
    # Two calls are the trial's and a few the rehearsal's; the run has one in every tick.
    for late in ("np.nan if len(CALLS) > 9 else 90.0", "90.0 / (0 if len(CALLS) > 9 else 1)"):
        place.file(text.replace("{}", late))
        run = [
            "run",
            str(place.folder / "scenario.yaml"),
            "--set",
            "run.duration_s=2",
            "--out",
            str(place.folder / "runs" / "late"),
        ]
        said = r"path loss 'mine': loss_db (must return finite|raised ZeroDivisionError)"
        ran = CliRunner().invoke(app, [*run, *place.choice])
        assert ran.exit_code == 2
        assert re.search(rf"error: {place.folder}/part\.py:\d+: {said}", ran.stderr)
        assert not (place.folder / "runs" / "late").exists()


def test_a_fault_that_shows_in_a_later_tick_is_a_failed_point_of_a_sweep(place):
    more = "CALLS = []\ndef answer(links):\n    CALLS.append(1)\n    return np.full(links, np.nan if len(CALLS) > 9 else 90.0)\n"
    place.file(source("path loss", "answer(len(view.state))", more=more))
    place.scenario(chosen="")
    out = place.folder / "sweep"
    ran = CliRunner().invoke(app, [
        "sweep", str(place.folder / "scenario.yaml"), "--grid", "radio.channel=mine,tr37885_highway", "--set", "run.duration_s=2",
        "--out", str(out), "--workers", "2",
    ])  # fmt: skip
    assert ran.exit_code == 1, ran.output
    # Notes, and lines of progress where the machine is slow.
    assert not re.search("error|Traceback|part.py", ran.stderr)
    (failure,) = json.loads((out / "failures.json").read_text())
    assert failure["settings"] == {"radio.channel": "mine"}
    assert re.match(rf"{place.folder}/part\.py:\d+: path loss 'mine': loss_db must return finite", failure["reason"])
    assert failure["kind"] == "scenario"
    assert len(list((out / "points").glob("*"))) == 1


def test_a_fault_that_shows_at_once_refuses_the_sweep(place):
    place.file(GOOD.replace("np.zeros(view.shape)", "np.zeros(3)"))
    place.scenario(chosen="")
    sweep = ["sweep", str(place.folder / "scenario.yaml"), "--grid", "cooperation.relay=mine,none"]
    ran = CliRunner().invoke(app, [*sweep, "--out", str(place.folder / "sweep")])
    assert (ran.exit_code, (place.folder / "sweep").exists()) == (2, False)
    assert "1 of 2 settings cannot be run" in ran.stderr
    assert "relay rule 'mine': score must return an array of 5 candidates, got shape (3,)" in ran.stderr


@pytest.fixture(scope="module")
def finished_sweep(tmp_path_factory):
    """A finished sweep of two points whose relay rule is a user's."""
    place = Place(tmp_path_factory.mktemp("swept"))
    place.file(GOOD)
    place.scenario(chosen="")
    place.command = [
        "sweep", str(place.folder / "scenario.yaml"), "--grid", "cooperation.relay.weight=0.1,0.9", "--set", "cooperation.relay.rule=mine",
        "--out", str(place.folder / "sweep"), "--workers", "2",
    ]  # fmt: skip
    ran = CliRunner().invoke(app, place.command)
    assert ran.exit_code == 0, ran.output
    return place


@pytest.fixture
def swept(finished_sweep):
    """The same sweep; a test may change the user's file."""
    yield finished_sweep
    finished_sweep.file(GOOD)


def test_a_file_that_changed_before_resume_is_named(swept):
    swept.file(GOOD.replace("np.zeros", "np.ones"))
    error = swept.refused(*swept.command, "--resume")
    assert re.match(
        rf"error: {swept.folder}/part\.py: has changed since the sweep in .* began .*put the file back", error
    )


def test_a_file_that_is_gone_before_resume_is_named(swept):
    (swept.folder / "part.py").unlink()
    error = swept.refused(*swept.command, "--resume")
    assert re.match(
        rf"error: {swept.folder}/scenario.yaml:\d+: plugins\.0: must be .*/part\.py does not exist\)", error
    )


def test_a_file_put_back_resumes(swept):
    swept.file(GOOD.replace("np.zeros", "np.ones"))
    swept.file(GOOD)
    assert CliRunner().invoke(app, [*swept.command, "--resume"]).exit_code == 0
