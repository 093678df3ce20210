"""docs/first_scenario.md: a reader who copies its files and commands gets what the page shows."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "first_scenario.md").read_text()
# A code block whose first line is a comment with a file name is that file.
FILES = {
    name: block
    for block, name in re.findall(r"^```\w+\n((?=# (\w+\.(?:py|yaml))\n).*?)^```", PAGE, re.MULTILINE | re.DOTALL)
}
# Each command with the lines of output below it, in the order of the page.
COMMANDS = [
    (line.removeprefix("$ v2xsim "), expected.strip().splitlines())
    for block in re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line, expected in re.findall(r"^(\$ v2xsim .*)\n((?:(?!\$ ).*\n?)*)", block, re.MULTILINE)
]


def run(folder, command):
    """Run a command of v2xsim in the folder of a reader; return its exit status and all that it prints."""
    with contextlib.chdir(folder):
        done = CliRunner().invoke(app, command.split(), env={"COLUMNS": "200"})
    return done.exit_code, done.output


def run_program(folder, name):
    """Run a program of the page in a Python of its own; return its exit status and all that it prints."""
    done = subprocess.run(
        [sys.executable, name], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which all commands of the page ran, one after the other."""
    folder = tmp_path_factory.mktemp("reader")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def printed(folder):
    return [run(folder, command) for command, _ in COMMANDS]


@pytest.fixture(scope="module")
def programs(folder, printed):
    """What each program of the page ends with and prints, after the commands."""
    return {name: run_program(folder, name) for name in FILES if name.endswith(".py")}


def test_the_page_has_files_and_commands():
    assert set(FILES) == {"crossing.yaml", "first_look.py", "two_radios.py"}
    assert len(COMMANDS) >= 7


@pytest.mark.parametrize("number", range(len(COMMANDS)), ids=[command for command, _ in COMMANDS])
def test_a_command_prints_what_the_page_shows(number, printed):
    (command, expected), (status, text) = COMMANDS[number], printed[number]
    assert expected, f"{command}: the page shows no output"
    assert status == (2 if expected[0].startswith("error: ") else 0), text
    for line in expected:
        assert line.strip() in text


def test_the_intersection_has_nothing_to_report(folder):
    status, text = run(folder, "check crossing.yaml --strict")
    assert status == 0, text


@pytest.mark.parametrize(("name", "lines"), [("first_look.py", 2), ("two_radios.py", 2)])
def test_a_program_of_the_page_runs(name, lines, programs):
    status, text = programs[name]
    assert status == 0, text
    assert len(text.splitlines()) == lines


def test_packets_of_nr_are_smaller_as_the_page_says(programs):
    sizes = {line.split()[0]: int(line.split()[1]) for line in programs["two_radios.py"][1].splitlines()}
    assert sizes["nr_mode2"] < sizes["ieee80211p"]
