"""docs/first_scenario.md: a reader who copies its files and commands gets what the page shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


def run(folder, *arguments):
    """Run Python in the folder of a reader; return its exit status and all that it prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
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
    return [run(folder, "-m", "v2xsim", *command.split()) for command, _ in COMMANDS]


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
    status, text = run(folder, "-m", "v2xsim", "check", "crossing.yaml", "--strict")
    assert status == 0, text


@pytest.mark.parametrize(("name", "lines"), [("first_look.py", 2), ("two_radios.py", 2)])
def test_a_program_of_the_page_runs(name, lines, folder, printed):
    status, text = run(folder, name)
    assert status == 0, text
    assert len(text.splitlines()) == lines


def test_packets_of_nr_are_smaller_as_the_page_says(folder):
    _, text = run(folder, "two_radios.py")
    sizes = {line.split()[0]: int(line.split()[1]) for line in text.splitlines()}
    assert sizes["nr_mode2"] < sizes["ieee80211p"]
