"""`v2xsim bench radio`, as its users meet it."""

import json

import pytest
from typer.testing import CliRunner

from v2xsim.bench import radio
from v2xsim.cli.app import app


def call(*arguments):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


@pytest.fixture(autouse=True)
def measured(monkeypatch):
    """Costs that are known at once."""

    def measure(access, channel, vehicles):
        return radio.Cost(access, channel, vehicles, vehicles / 1e4, 0.5, 0.3, 0.2, 0.9)

    monkeypatch.setattr(radio, "measure", measure)


def test_every_scheme_is_measured_with_every_number_of_vehicles():
    done = call("bench", "radio", "--vehicles", "20", "--vehicles", "40", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert {(row["access"], row["channel"], row["vehicles"]) for row in rows} == {
        (access, channel, count) for access in radio.ACCESSES for channel in radio.CHANNELS for count in (20, 40)
    }
    assert "nr_mode2, geometric, 40 vehicles: 0.004" in done.stderr


def test_the_table_has_shares_in_percent_and_keeps_its_columns():
    lines = call("bench", "radio", "--vehicles", "2000").stdout.splitlines()
    assert lines[0] == "CPU seconds per simulated second"
    row = next(line for line in lines if "ieee80211p" in line and "validation" in line)
    assert row.split() == ["ieee80211p", "validation", "2,000", "0.200", "5.0", "50%", "30%", "20%", "0.90"]


def test_the_usual_numbers_of_vehicles_are_those_of_the_documentation():
    rows = json.loads(call("bench", "radio", "--json").stdout)["rows"]
    assert {row["vehicles"] for row in rows} == {100, 200, 500, 1000, 2000}
