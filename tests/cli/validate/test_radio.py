"""`v2xsim validate radio`: options that contradict each other."""

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--reference", "{tmp}", "is not compared with published curves"),
        ("--out", "{tmp}/report", "has no report"),
        ("--seed", "3", "set the key seed in its file"),
    ],
)
def test_what_a_set_up_of_ones_own_does_not_know_is_refused_beside_it(option, value, why, tmp_path):
    (tmp_path / "setup.yaml").write_text("access: ieee80211p\nroad: {density_per_km: 40}\n")
    asked = ["validate", "radio", "--config", str(tmp_path / "setup.yaml"), option, value.format(tmp=tmp_path)]
    done = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert f"{option} must not be given with --config" in done.stderr
    assert why in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["setup.yaml"]


@pytest.fixture
def setup_file(tmp_path):
    path = tmp_path / "setup.yaml"
    path.write_text("access: ieee80211p\nroad: {density_per_km: 40}\nwarm_up_s: 0.2\nmeasured_s: 0.4\n")
    return str(path)


def test_a_piped_table_of_curves_has_every_column_of_every_bin(setup_file):
    done = CliRunner().invoke(app, ["validate", "radio", "--config", setup_file], env={"COLUMNS": "40"})
    lines = done.stdout.splitlines()
    assert "\u2026" not in done.stdout
    assert lines[1].split()[-3:] == ["collision", "gap", "[ms]"]
    # Distance, sent, seven outcomes or fewer, and the gap are words without spaces.
    assert len({len(line.split()) for line in lines[2:]}) == 1


def test_curves_of_a_set_up_are_comma_separated_values(setup_file):
    done = CliRunner().invoke(app, ["validate", "radio", "--config", setup_file, "--csv"])
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    twin = json.loads(CliRunner().invoke(app, ["validate", "radio", "--config", setup_file, "--json"]).stdout)["bins"]
    assert [float(row["delivered"]) for row in rows] == [bin_["delivered"] for bin_ in twin]
    assert list(rows[0]) == list(twin[0])


def test_a_narrow_terminal_repeats_the_distance_for_further_curves(setup_file, monkeypatch, capsys):
    monkeypatch.setattr("v2xsim.cli.validate.radio.terminal_width", lambda: 60)
    app(["validate", "radio", "--config", setup_file], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    heads = [line for line in lines if line.startswith("distance [m]")]
    assert len(heads) == 3
    assert max(map(len, lines[1:])) <= 60
