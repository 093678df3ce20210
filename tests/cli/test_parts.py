"""`v2xsim parts`, and the page of the documentation that it writes."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app
from v2xsim.parts import visible_files
from v2xsim.scenario.part_list import as_markdown, listed_kinds

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "parts.md"
OWN = '''
from dataclasses import dataclass
from typing import Annotated, Literal

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import AtMost, Unit, part


@part("listed_rule")
@dataclass(frozen=True)
class ListedRule(RelayRule):
    """The rule of this test."""

    slope: Annotated[float, AtMost(3), Unit("dB/m"), "How steep"]
    mode: Literal["a", "b"] = "a"
    rows: tuple[float, ...] = (1.0, 2.5)

    def score(self, view: RelayView):
        return view.height
'''


def call(*arguments):
    return CliRunner().invoke(app, ["parts", *arguments], catch_exceptions=False)


@pytest.fixture
def own_file(tmp_path):
    file = tmp_path / "listed_rule.py"
    file.write_text(OWN)
    return file


def test_every_kind_is_listed_with_its_key_base_class_and_parts():
    said = call().stdout
    for kind in listed_kinds():
        assert f"{kind.key}: {kind.kind}" in said
        for part in kind.parts:
            assert f"\n    {part.name} " in said
    assert "from v2xsim.comms.relay.rule import RelayRule" in said
    assert "weight = 0.5" in said
    assert "at least 0 and at most 1" in said


def test_comma_separated_values_have_a_line_for_each_parameter():
    table = list(csv.DictReader(io.StringIO(call("--csv").stdout)))
    (weight,) = (row for row in table if row["part"] == "hybrid" and row["parameter_name"] == "weight")
    assert (weight["key"], weight["is_default"], weight["parameter_default"]) == ("cooperation.relay", "true", "0.5")
    parts = {(kind.key, part.name) for kind in listed_kinds() for part in kind.parts}
    assert {(row["key"], row["part"]) for row in table} == parts


@pytest.mark.parametrize("formats", [("--csv", "--json"), ("--markdown", "--csv"), ("--markdown", "--json")])
def test_standard_output_takes_one_format(formats):
    refused = call(*formats)
    assert (refused.exit_code, "takes one format" in refused.stderr) == (2, True)


@pytest.mark.parametrize("name", ["relay", "cooperation.relay", "relay rule", "relay-rule", "Relay_Rule"])
def test_one_kind_is_found_by_name_or_key(name):
    (kind,) = json.loads(call(name, "--json").stdout)["kinds"]
    assert kind["key"] == "cooperation.relay"
    (hybrid,) = [part for part in kind["parts"] if part["name"] == "hybrid"]
    weight = hybrid["parameters"][0]
    assert [one["name"] for one in hybrid["parameters"]] == ["weight", "load_weight", "prediction", "unconnected"]
    assert weight["default"] == 0.5
    assert weight["limits"] == {"at_least": 0.0, "at_most": 1.0}


def test_a_kind_that_there_is_not_is_refused_with_the_nearest():
    result = call("relais")
    assert result.exit_code == 2
    assert "cooperation.relay" in result.stderr
    assert "did you mean 'relay'?" in result.stderr


def test_parts_of_a_users_file_are_listed_beside_the_built_in_ones(own_file):
    result = call("relay", "--plugin", str(own_file), "--json")
    assert result.exit_code == 0, result.stderr
    (part,) = [part for part in json.loads(result.stdout)["kinds"][0]["parts"] if part["name"] == "listed_rule"]
    assert part["file"] == str(own_file)
    slope, mode, rows = part["parameters"]
    assert (slope["required"], slope["unit"], slope["limits"], slope["meaning"]) == (
        True, "dB/m", {"at_most": 3.0}, "How steep",
    )  # fmt: skip
    assert (mode["type"], mode["default"]) == ("a or b", "a")
    assert rows["default"] == [1.0, 2.5]
    assert "rows = [1, 2.5]" in call("relay", "--plugin", str(own_file)).stdout
    # The next command of the same process does not see them.
    assert own_file not in visible_files()
    assert "listed_rule" not in call("relay").stdout


def test_a_users_file_with_a_fault_is_refused(own_file):
    own_file.write_text(OWN.replace("def score", "def scores"))
    result = call("--plugin", str(own_file))
    assert result.exit_code == 2
    assert f"{own_file}:" in result.stderr
    assert "must define score(self, view)" in result.stderr


def test_two_files_with_one_name_are_refused(own_file, tmp_path):
    other = tmp_path / "other_file.py"
    other.write_text(OWN)
    result = call("--plugin", str(own_file), "--plugin", str(other))
    assert result.exit_code == 2
    assert f"{other}:" in result.stderr
    assert f"registered by {own_file}" in result.stderr


def test_listing_parts_loads_nothing_heavy():
    code = (
        "import sys; from typer.testing import CliRunner; from v2xsim.cli.app import app;"
        "assert CliRunner().invoke(app, ['parts']).exit_code == 0;"
        "print(*sorted({'torch', 'numba', 'pyarrow', 'matplotlib', 'libsumo', 'scipy', 'simpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_reference_is_up_to_date():
    assert REFERENCE.read_text() == as_markdown(listed_kinds()), (
        "write it again: v2xsim parts --markdown > docs/reference/parts.md"
    )
    assert call("--markdown").stdout == REFERENCE.read_text()
