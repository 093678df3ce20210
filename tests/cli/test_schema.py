"""`v2xsim schema`: what editors are told."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app
from v2xsim.evaluation.catalogue import KINDS
from v2xsim.results.columns import COLUMNS, ROWS
from v2xsim.scenario import Scenario
from v2xsim.scenario.describe import all_keys

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"

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


@pytest.mark.parametrize("page", ["scenario", "setup", "study", "sweep", "tables", "metrics"])
def test_the_reference_page_is_up_to_date(page):
    printed = CliRunner().invoke(app, ["schema", page, "--markdown"]).stdout
    assert (REFERENCE / f"{page}.md").read_text() == printed, (
        f"write it again: v2xsim schema {page} --markdown > docs/reference/{page}.md"
    )


def test_the_reference_has_every_key_of_a_scenario():
    text = (REFERENCE / "scenario.md").read_text() + (REFERENCE / "parts.md").read_text()
    assert [keys for keys, _ in all_keys(Scenario) if f"`{keys[-1]}`" not in text] == []


def test_the_reference_has_every_column_of_every_table():
    text = (REFERENCE / "tables.md").read_text()
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(COLUMNS) == list(ROWS)
    for table, columns in COLUMNS.items():
        assert re.findall(r"^\| `(\w+)` \|", sections[table], re.MULTILINE) == [name for name, _, _ in columns]


def test_the_reference_has_every_metric_with_a_direction_and_a_formula():
    rows = re.findall(
        r"^\| `([\w.]+)` \|.*\| (higher|lower|-) \| (.+) \| (.+) \|$",
        (REFERENCE / "metrics.md").read_text(),
        re.MULTILINE,
    )
    assert sorted(name for name, *_ in rows) == sorted(KINDS)
    assert {row["metric"] for row in json.loads(CliRunner().invoke(app, ["schema", "metrics"]).stdout)} == set(KINDS)


def test_links_of_the_reference_lead_to_headings_that_exist():
    headings = re.findall(r"^## (.*)$", (REFERENCE / "parts.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for page in ("scenario", "setup"):
        links = set(re.findall(r"\(parts\.md#([\w-]+)\)", (REFERENCE / f"{page}.md").read_text()))
        assert links
        assert links <= anchors


def test_the_schemas_of_the_other_files_are_json():
    for kind, key in (("setup", "road"), ("sweep", "grid")):
        assert key in json.loads(CliRunner().invoke(app, ["schema", kind]).stdout)["properties"]
    assert json.loads(CliRunner().invoke(app, ["schema", "tables"]).stdout)["agents"][0]["name"] == "agent"


@pytest.mark.parametrize("kind", ["study", "sweep", "tables", "metrics"])
def test_parts_of_ones_own_belong_to_scenarios_and_set_ups_only(kind):
    found = CliRunner().invoke(app, ["schema", kind, "--plugin", "own.py"])
    assert found.exit_code == 2
    assert "--plugin: must not be given" in found.stderr
