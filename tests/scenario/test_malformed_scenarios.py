"""A wrong scenario gets one message that says where and what, exit code 2, and leaves nothing behind."""

import gzip
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app
from v2xsim.scenario import ScenarioError, from_data

GOOD = """\
name: good
run: {duration_s: 1.0}
traffic:
  script:
    - {id: ego, waypoints: [[0, 0, 0], [10, 50, 0]]}
    - {id: other, waypoints: [[0, 30, 0]]}
"""


def with_line(text):
    return (GOOD + text + "\n").encode()


def instead(old, new):
    assert old in GOOD
    return GOOD.replace(old, new).encode()


# Name: (content, what the message must hold). A line number stands as `:N:`.
FILES = {
    # Not a scenario at all.
    "empty": (b"", ["is empty", "traffic"]),
    "only a comment": (b"# nothing yet\n", ["is empty"]),
    "an empty map": (b"{}", ["is empty"]),
    "a list": (b"- run\n- traffic\n", ["got a list"]),
    "a number": (b"42\n", ["got a single value"]),
    "text": (b"hello world\n", ["got a single value"]),
    "binary junk": (bytes(range(128, 256)) * 8, [":1:", "UTF-8"]),
    "NUL bytes": (b"run:\x00\x00{}\n", [":1:"]),
    "UTF-16": (GOOD.encode("utf-16"), ["UTF-16", "save it as UTF-8"]),
    "a gzip file": (gzip.compress(GOOD.encode(), mtime=0), [":1:", "UTF-8"]),
    "a Parquet file": (b"PAR1\x15\x00\x15\xff" + b"\x00" * 40 + b"PAR1", ["UTF-8"]),
    "JSON cut off": (b'{"run": {"seed": 1', [":1:", "YAML"]),
    "too large": (b"# " + b"x" * 2_100_000, ["2,000,000 bytes"]),
    "two documents": (GOOD.encode() + b"---\n" + GOOD.encode(), [":7:", "single document"]),
    # Not YAML as a scenario may use it.
    "a tab": (b"run:\n\tseed: 1\n", [":2:"]),
    "an open bracket": (b"run: {seed: 1\ntraffic: {}\n", [":2:"]),
    "a colon too many": (b"run: seed: 1\n", [":1:"]),
    "the same key twice": (with_line("run: {seed: 3}"), [":7:", "run", "twice"]),
    "the same inner key twice": (instead("{duration_s: 1.0}", "{seed: 1, seed: 2}"), [":2:", "seed", "twice"]),
    "a tag for Python objects": (with_line("stations: !!python/object/apply:os.system ['true']"), [":7:", "python"]),
    "a tag for Python names": (with_line("stations: !!python/name:os.system"), [":7:", "python"]),
    "an own tag": (with_line("stations: !mine {count: 3}"), [":7:", "!mine"]),
    "a date": (with_line("description: !!timestamp 2026-01-01"), [":7:", "timestamp"]),
    "binary data": (with_line("description: !!binary aGVsbG8="), [":7:", "binary"]),
    "an alias of nothing": (with_line("radio: *none"), [":7:", "none"]),
    "an alias within itself": (b"a: &a\n  b: *a\n", ["a"]),
    "a bomb of aliases": (
        b"a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + b"".join(b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 10)) for c in range(98, 106)),
        ["values"],
    ),
    "nested too deep": (b"[" * 3000 + b"]" * 3000, [":1:"]),
    "a key that is a list": (with_line("[1, 2]: 3"), [":7:", "key"]),
    # Keys.
    "no traffic": (b"run: {seed: 1}\n", ["traffic"]),
    "an unknown section": (with_line("weather: {rain: 1}"), [":7:", "weather"]),
    "a section misspelt": (with_line("raido: {tx_power_dbm: 20}"), [":7:", "raido", "did you mean 'radio'"]),
    "a key misspelt": (with_line("radio: {tx_power_dBm: 20}"), [":7:", "tx_power_dbm"]),
    "a key without its unit": (with_line("radio: {tx_power: 20}"), [":7:", "radio.tx_power", "tx_power_dbm"]),
    "a key in the wrong section": (with_line("lidars: {bandwidth_mhz: 20}"), [":7:", "lidars.bandwidth_mhz"]),
    "an unknown key in a list": (
        instead("{id: other,", "{id: other, colour: red,"),
        [":6:", "traffic.script.1.colour"],
    ),
    "a dotted key in the file": (with_line("radio.mcs: 3"), [":7:", "radio.mcs"]),
    # Types.
    "a section that is a number": (with_line("radio: 5"), [":7:", "radio", "section"]),
    "a section that is a list": (with_line("stations: [1, 2]"), [":7:", "stations", "section"]),
    "a section that is nothing": (with_line("radio:"), [":7:", "radio"]),
    "text for a number": (with_line("radio: {tx_power_dbm: high}"), [":7:", "radio.tx_power_dbm", "number", "'high'"]),
    "a quoted number": (with_line('radio: {tx_power_dbm: "20"}'), [":7:", "radio.tx_power_dbm", "number"]),
    "a number with its unit": (with_line("radio: {tx_power_dbm: 20 dBm}"), [":7:", "20 dBm"]),
    "a fraction for a count": (with_line("stations: {count: 2.5}"), [":7:", "stations.count", "whole number"]),
    "yes for a number": (with_line("stations: {count: true}"), [":7:", "stations.count"]),
    "a number for a switch": (with_line("radio: {shadowing: 1}"), [":7:", "radio.shadowing", "true or false"]),
    "a list for a number": (with_line("radio: {mcs: [1, 2]}"), [":7:", "radio.mcs"]),
    "a map for a list": (with_line("lidars: {mounts: {x_m: 1}}"), [":7:", "lidars.mounts"]),
    "a number for a name": (instead("{id: ego,", "{id: 7,"), [":5:", "traffic.script.0.id"]),
    # Limits.
    "a negative seed": (instead("{duration_s: 1.0}", "{seed: -1}"), [":2:", "run.seed", "-1"]),
    "no time": (instead("1.0", "0"), [":2:", "run.duration_s"]),
    "negative time": (instead("1.0", "-5"), [":2:", "run.duration_s", "-5"]),
    "time without end": (instead("1.0", ".inf"), [":2:", "run.duration_s"]),
    "not a number": (with_line("radio: {tx_power_dbm: .nan}"), [":7:", "radio.tx_power_dbm", "finite"]),
    "a huge number": (with_line("stations: {count: 1" + "0" * 60 + "}"), [":7:"]),
    "a step of nothing": (instead("{duration_s: 1.0}", "{step_s: 0}"), [":2:", "run.step_s"]),
    "a step longer than the run": (instead("{duration_s: 1.0}", "{duration_s: 0.2, step_s: 0.5}"), [":2:", "step_s"]),
    "negative sizes": (instead("{id: other,", "{id: other, size_m: [4, -2, 1.5],"), [":6:", "size_m"]),
    "a negative height": (
        with_line("world: {buildings: [{footprint_m: [[0,0],[1,0],[1,1]], height_m: -3}]}"),
        [":7:", "height_m", "-3"],
    ),
    "a footprint of two corners": (
        with_line("world: {buildings: [{footprint_m: [[0,0],[1,0]], height_m: 3}]}"),
        [":7:", "footprint_m"],
    ),
    "a street of one place": (
        with_line("world: {roads: [{center_m: [[0,0],[5,0],[5,0]]}]}"),
        [":7:", "world.roads.0.center_m", "same point twice in a row"],
    ),
    "a street beyond every map": (with_line("world: {roads: [{center_m: [[0,0],[2e8,0]]}]}"), [":7:", "100,000,000 m"]),
    "a street without lanes": (with_line("world: {roads: [{center_m: [[0,0],[5,0]], lanes: 0}]}"), [":7:", "lanes"]),
    "a share above one": (with_line("stations: {penetration: 1.5}"), [":7:", "stations.penetration", "1.5"]),
    "a bandwidth nobody has": (with_line("radio: {bandwidth_mhz: 15}"), [":7:", "10, 20 or 40", "15"]),
    "an access scheme nobody has": (with_line("radio: {access: aloha}"), [":7:", "radio.access", "random_slot"]),
    "a lidar nobody makes": (with_line("lidars: {model: beam65}"), [":7:", "lidars.model", "beam64"]),
    "no mounts": (with_line("lidars: {mounts: []}"), [":7:", "lidars.mounts"]),
    "a region of three numbers": (with_line("stations: {region: [0, 0, 10]}"), [":7:", "stations.region"]),
    "a region turned over": (with_line("stations: {region: [10, 0, 0, 10]}"), [":7:", "stations.region"]),
    "a waypoint of two numbers": (instead("[[0, 30, 0]]", "[[0, 30]]"), [":6:", "waypoints"]),
    "no waypoints": (instead("[[0, 30, 0]]", "[]"), [":6:", "waypoints"]),
    "waypoints back in time": (instead("[[0, 0, 0], [10, 50, 0]]", "[[5, 0, 0], [1, 5, 0]]"), [":5:", "rise"]),
    "a name with a slash": (instead("name: good", "name: ../../etc"), [":1:", "name"]),
    "a deadline before detection": (with_line("cooperation: {deadline_ms: 5, detect_ms: 6}"), [":7:", "detect_ms"]),
    # What does not fit together.
    "two sources of traffic": (instead("traffic:", "traffic:\n  highway: {}"), ["exactly one", "script, highway"]),
    "no source of traffic": (b"traffic: {}\n", [":1:", "exactly one"]),
    "the same road user twice": (instead("id: other", "id: ego"), ["'ego'", "twice"]),
    "count and penetration": (with_line("stations: {count: 1, penetration: 0.5}"), [":7:", "not both"]),
    "an ego nobody knows": (with_line("cooperation: {egos: [eggo]}"), [":7:", "eggo", "'ego'"]),
    "a lidar for nobody": (with_line("lidars: {include: [ghost]}"), [":7:", "ghost"]),
    # Files.
    "no such sumocfg": (b"traffic: {sumocfg: not_there.sumocfg}\n", [":1:", "traffic.sumocfg", "does not exist"]),
    "a folder for a trace": (b"traffic: {fcd: .}\n", [":1:", "traffic.fcd", "directory"]),
    "no such buildings": (with_line("world: {buildings: town.poly.xml}"), [":7:", "world.buildings", "does not exist"]),
    "a path with a NUL": (b'traffic: {fcd: "a\\0b"}\n', [":1:", "traffic.fcd"]),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def left_behind(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.name not in GIVEN)


GIVEN = {"wrong.yaml", "inputs"}


def refused(command, folder):
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    # SUMO starts in another process while the kernels are compiled, which takes a while in the first run.
    message = re.sub(r"(?m)^\[\d+ s\] compiling\n", "", result.stderr)
    assert message.startswith("error: ")
    assert "Traceback" not in message
    assert len(message) < 1500
    assert left_behind(folder) == []
    return message


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("name", FILES)
def test_a_malformed_file_is_refused_with_its_place_and_what_is_allowed(name, command, folder):
    content, expected = FILES[name]
    (folder / "wrong.yaml").write_bytes(content)
    message = refused([command, "wrong.yaml"], folder)
    assert message.startswith("error: wrong.yaml")
    for words in expected:
        assert words in message, message


def test_there_are_at_least_fifty_of_them():
    assert len(FILES) >= 50


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere.yaml"], ["nowhere.yaml", "existing file"]),
        (["demoo"], ["packaged scenarios", "'demo'"]),
        (["."], ["must be a scenario", "got a folder"]),
        (["demo", "--set", "radio.tx_power_dbm"], ["--set", "KEY=VALUE"]),
        (["demo", "--set", "radio.tx_power_dbm=loud"], ["--set radio.tx_power_dbm=loud", "number"]),
        (["demo", "--set", "radio.txpower_dbm=3"], ["tx_power_dbm"]),
        (["demo", "--set", "traffic.script.99.id=x"], ["traffic.script", "list of"]),
        (["demo", "--set", "radio.mcs=!!python/name:os.system"], ["python"]),
        (["demo", "--set", "run.seed=-4"], ["run.seed"]),
    ],
)
@pytest.mark.parametrize("command", ["run", "check"])
def test_wrong_arguments_are_refused_likewise(command, arguments, expected, folder):
    message = refused([command, *arguments], folder)
    for words in expected:
        assert words in message, message


INPUTS = {
    "sumocfg of junk": ("sumocfg", "a.sumocfg", b"\x00\x01junk"),
    "sumocfg of HTML": ("sumocfg", "a.sumocfg", b"<html><body>404</body></html>"),
    "sumocfg without a network": ("sumocfg", "a.sumocfg", b"<configuration></configuration>"),
    "sumocfg of a lost network": (
        "sumocfg",
        "a.sumocfg",
        b'<configuration><input><net-file value="lost.net.xml"/></input></configuration>',
    ),
    "empty sumocfg": ("sumocfg", "a.sumocfg", b""),
    "trace of junk": ("fcd", "a.xml", b"\x00\x01junk"),
    "trace cut off": ("fcd", "a.xml", b'<fcd-export><timestep time="0.00"><vehicle id="a" x="1" y="2"'),
    "trace of something else": ("fcd", "a.xml", b"<routes/>"),
    "trace with words for numbers": (
        "fcd",
        "a.xml",
        b'<fcd-export><timestep time="0"><vehicle id="a" x="here" y="2" angle="0" speed="0" type="t"/></timestep></fcd-export>',
    ),
    "empty trace": ("fcd", "a.xml.gz", b""),
}


@pytest.mark.parametrize("name", INPUTS)
def test_broken_inputs_are_refused_before_anything_is_written(name, folder):
    key, file, content = INPUTS[name]
    (folder / "inputs").mkdir()
    (folder / "inputs" / file).write_bytes(content)
    GIVEN.add(file)
    (folder / "wrong.yaml").write_text(f"traffic: {{{key}: inputs/{file}}}\nrun: {{duration_s: 0.2}}\n")
    message = refused(["run", "wrong.yaml"], folder)
    assert file in message


@pytest.mark.parametrize("content", [b"\x00junk", b"<html/>", b"", b"<additional><poly"])
def test_broken_buildings_are_refused_before_anything_is_written(content, folder):
    (folder / "inputs").mkdir()
    (folder / "inputs" / "a.poly.xml").write_bytes(content)
    GIVEN.add("a.poly.xml")
    (folder / "wrong.yaml").write_bytes(with_line("world: {buildings: inputs/a.poly.xml}"))
    assert "a.poly.xml" in refused(["run", "wrong.yaml"], folder)


@pytest.mark.parametrize("name", ["empty", "a tag for Python objects", "negative time"])
def test_a_process_of_its_own_says_the_same(name, folder):
    (folder / "wrong.yaml").write_bytes(FILES[name][0])
    done = subprocess.run(
        [sys.executable, "-m", "v2xsim", "run", "wrong.yaml", "--json"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.match(r"error: wrong\.yaml", done.stderr)
    assert "Traceback" not in done.stderr
    assert left_behind(folder) == []


def test_the_good_one_is_good(folder):
    (folder / "wrong.yaml").write_text(GOOD)
    result = CliRunner().invoke(app, ["check", "wrong.yaml"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(("section", "key"), [
    ({"access": {"rule": "nr_mode2", "code_rate": 0.5}}, "radio.access.rule"),
    ({"access": {"name": "nr_mode2", "code_rate": 0.5}}, "radio.access.name"),
    ({"channel": {"scheme": "winner_b1", "environment_height_m": 1.0}}, "radio.channel.scheme"),
    ({"access": {"nr_mode2": {"code_rate": 0.5}}}, "radio.access.nr_mode2"),
])  # fmt: skip
def test_a_part_with_a_wrong_word_for_its_name_gives_one_message_that_names_the_right_word(section, key):
    with pytest.raises(ScenarioError) as raised:
        from_data({"traffic": {"script": [{"id": "a", "waypoints": [[0, 0, 0]]}]}, "radio": section})
    (line,) = str(raised.value).splitlines()
    assert f"{key}: unknown key" in line
    assert "is named by '" in line
