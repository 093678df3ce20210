"""Errors of the system about files and output end commands with one line: what, why, and what to do."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from v2xsim.cli import schema
from v2xsim.cli.app import app
from v2xsim.cli.file_errors import sentence_of
from v2xsim.errors import reason_of

LONG = "n" * 300
FULL = Path("/dev/full")


@pytest.mark.parametrize(("arguments"), [
    ["run", "demo", "--out", LONG], ["run", "demo", "--out", f"{LONG}/a"], ["view", LONG], ["import-osm", LONG, "--out", "x"],
    ["report", LONG], ["compare", LONG, LONG], ["demo", "--out", LONG],
], ids=" ".join)  # fmt: skip
def test_a_name_that_is_too_long_ends_a_command_with_one_line(arguments, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert line.endswith("File name too long; choose a shorter name")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "repair"), [
    (errno.ENOSPC, "free some space"), (errno.EFBIG, "ulimit -f"), (errno.EROFS, "on another one"), (errno.EACCES, "permissions"),
    (errno.ENAMETOOLONG, "shorter name"), (errno.EDQUOT, "quota"),
])  # fmt: skip
def test_the_repair_follows_from_the_reason(number, repair):
    assert repair in reason_of(OSError(number, "so"))
    sentence = sentence_of(OSError(number, "so", "out/a"))
    assert sentence.startswith("out/a: so; ")
    assert repair in sentence


@pytest.mark.skipif(not FULL.exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize("arguments", [["schema", "scenario"], ["--help"]], ids=" ".join)
def test_output_that_cannot_be_printed_ends_with_one_line(arguments):
    with FULL.open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "v2xsim", *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: the output cannot be printed: No space left on device; free some space")


def test_an_error_about_a_file_without_a_name_is_reported_in_one_line(monkeypatch):
    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(schema.typer, "echo", fails)
    result = CliRunner().invoke(app, ["schema", "scenario"])
    assert result.exit_code == 2
    assert "a file cannot be written or read: No space left on device; free some space" in result.stderr
