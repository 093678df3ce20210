"""`v2xsim schema`: what editors are told."""

import json

from typer.testing import CliRunner

from v2xsim.cli.app import app

PART = """
from dataclasses import dataclass

import numpy as np

from v2xsim.comms.relay import RelayRule
from v2xsim.parts import part


@part("schooled")
@dataclass(frozen=True)
class Schooled(RelayRule):
    def score(self, view):
        return np.zeros(view.shape)
"""


def relays(*options):
    found = CliRunner().invoke(app, ["schema", *options])
    assert found.exit_code == 0, found.stderr
    choices = json.loads(found.stdout)["$defs"]["Cooperation"]["properties"]["relay"]["anyOf"]
    return next(choice["enum"] for choice in choices if "enum" in choice)


def test_a_part_of_ones_own_is_a_choice_only_where_its_file_is_named(tmp_path):
    (tmp_path / "own.py").write_text(PART)
    assert "schooled" in relays("--plugin", str(tmp_path / "own.py"))
    assert "schooled" not in relays()
    assert "hybrid" in relays()


def test_a_file_that_is_not_there_is_an_error_of_the_users(tmp_path):
    found = CliRunner().invoke(app, ["schema", "--plugin", str(tmp_path / "none.py")])
    assert found.exit_code == 2
    assert "none.py" in found.stderr
