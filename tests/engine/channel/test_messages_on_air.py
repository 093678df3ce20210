"""What stations send each other beyond awareness: data sent again, whole frames, collective perception."""

import json

import pytest
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


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    return metrics(tmp_path_factory.mktemp("dense"), DENSE)[0]


def test_more_data_arrives_where_it_is_sent_again(tmp_path, dense):
    again, _ = metrics(tmp_path, DENSE, "--set", "radio.retries=4")
    assert again["data_arrived_whole"]["value"] > dense["data_arrived_whole"]["value"] + 0.05
    assert again["channel_busy_ratio"]["value"] > dense["channel_busy_ratio"]["value"]


def test_whole_lidar_frames_saturate_the_channel_and_the_run_says_so(tmp_path):
    found, said = metrics(tmp_path, DENSE, "--set", "cooperation.fusion=raw", "--set", "lidars.count=20")
    assert found["channel_busy_ratio"]["value"] > 0.9
    assert found["data_arrived_whole"]["value"] < 0.02
    assert found["packets_not_sent"]["value"] > 0.5
    assert "channel saturated" in said


def test_collective_perception_brings_objects_that_the_ego_alone_does_not_detect(tmp_path):
    found, _ = metrics(tmp_path, DENSE, "--set", "cooperation.fusion=cpm", "--set", "run.duration_s=3")
    assert found["ap_0.5_fused"]["value"] > found["ap_0.5_ego"]["value"] + 0.01
    assert found["helpers_used"]["value"] > 2
    spared, _ = metrics(
        tmp_path, DENSE, "--set", "cooperation.fusion=cpm", "--set", "cooperation.redundancy=self_announcing"
    )
    # All road users are stations: nobody is left to tell of.
    assert spared["helpers_used"]["value"] < found["helpers_used"]["value"] / 3


def test_listing_a_share_of_the_stations_changes_what_is_kept_and_nothing_else(tmp_path, dense):
    some, _ = metrics(tmp_path, DENSE, "--set", "record.packet_share=0.4", "--set", "record.link_ticks=5")
    for name in ("ap_0.5_fused", "data_arrived_whole", "channel_busy_ratio", "received_per_frame", "age_of_fused_data"):
        assert some[name] == dense[name], name
    # What is estimated from a share is near what it estimates.
    for name, near in (("prr", 0.08), ("on_air", 0.25), ("links_LOS", 0.05)):
        assert some[name] != dense[name], name
        assert abs(some[name]["value"] / dense[name]["value"] - 1) < near, name
