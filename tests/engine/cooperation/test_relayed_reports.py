"""Collective perception over relays: what came through a relay is recorded as such."""

import v2xsim

OPTIONS = ["cooperation.fusion=cpm", "run.duration_s=1.5", "lidars.model=beam16", "record.clouds_every_s=0.5"]


def test_a_report_that_came_through_a_relay_first_names_the_relay_that_sent_it():
    results = v2xsim.run(v2xsim.load("t_junction_rsu", OPTIONS), threads=1)
    packets = results.tables["packets"].to_pylist()
    senders = {
        hop: {
            (row["rx"], row["tx"])
            for row in packets
            if (row["kind"], row["hop"], row["outcome"]) == ("cpm", hop, "delivered")
        }
        for hop in (1, 2)
    }
    contributions = results.tables["contributions"].to_pylist()
    for row in contributions:
        hop, sender = (1, row["helper"]) if row["relay"] < 0 else (2, row["relay"])
        assert (row["ego"], sender) in senders[hop]
    # The houses block all direct links from the main road.
    relayed = [row for row in contributions if row["relay"] >= 0]
    assert len(relayed) == len(contributions) > 10
    assert results.metrics["helpers_used_by_relay"].value == results.metrics["helpers_used"].value
    roles = set(results.tables["frame_links"]["role"].to_pylist())
    assert "relay_hop" in roles
