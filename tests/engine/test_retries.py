"""Packets to one station: sent again until they arrive or the tries are used up."""

import json

from typer.testing import CliRunner

from v2xsim.cli.app import app

DENSE = """
traffic: {highway: {length_m: 600, density_per_km: 100}}
run: {duration_s: 1.5}
stations: {count: 60}
lidars: {count: 10}
radio: {access: ieee80211p, channel: tr37885_highway}
"""


def metrics(tmp_path, text, *more):
    (tmp_path / "dense.yaml").write_text(text)
    found = CliRunner().invoke(
        app,
        ["run", str(tmp_path / "dense.yaml"), *more, "--out", str(tmp_path / "run"), "--json"],
        catch_exceptions=False,
    )
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)["metrics"], found.stdout + found.stderr


def test_more_data_arrives_where_it_is_sent_again(tmp_path):
    once, _ = metrics(tmp_path, DENSE)
    again, _ = metrics(tmp_path, DENSE, "--set", "radio.retries=4")
    assert again["data_arrived_whole"]["value"] > once["data_arrived_whole"]["value"] + 0.1
    assert again["channel_busy_ratio"]["value"] > once["channel_busy_ratio"]["value"]


def test_whole_lidar_frames_saturate_the_channel_and_the_run_says_so(tmp_path):
    found, said = metrics(tmp_path, DENSE, "--set", "cooperation.fusion=raw", "--set", "lidars.count=20")
    assert found["channel_busy_ratio"]["value"] > 0.9
    assert found["data_arrived_whole"]["value"] < 0.02
    assert found["packets_not_sent"]["value"] > 0.5
    assert "channel saturated" in said
