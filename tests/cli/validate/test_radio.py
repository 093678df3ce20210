"""`v2xsim validate radio`: options that contradict each other."""

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
