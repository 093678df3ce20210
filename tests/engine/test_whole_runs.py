"""What must hold of whole runs, on a short form of the shipped demo."""

import numpy as np
import pyarrow.parquet as pq
import pytest

import v2xsim

SHORT = ["run.duration_s=1.5", "lidars.model=beam16", "record.clouds_every_s=0.5"]


def run(*overrides, out=None, seed=None):
    # Each key can be set once; those of the test come before those of all tests.
    keys = [override.split("=")[0] for override in overrides]
    short = [setting for setting in SHORT if setting.split("=")[0] not in keys]
    return v2xsim.run(v2xsim.load("demo", [*short, *overrides], seed), out=out)


def late_demo(*overrides):
    # The last seconds of the demo, where helpers overlap most.
    return run("run.begin_s=7.0", *overrides)


@pytest.fixture(scope="module")
def by_radio():
    return late_demo()


@pytest.mark.parametrize("fusion", ["early", "late"])
def test_no_latency_and_no_loss_is_synchronous_fusion_exactly(fusion):
    ideal = late_demo("radio.access=ideal", f"cooperation.fusion={fusion}")
    direct = late_demo("cooperation.transport=synchronous", f"cooperation.fusion={fusion}")
    assert ideal.tables["detections"].num_rows > 0
    for name in ("detections", "awareness", "frames", "clouds"):
        assert ideal.tables[name].equals(direct.tables[name]), name
    assert ideal.metrics["helpers_used"].value > 0


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        run(out=tmp_path / name)
    files = sorted(p.name for p in (tmp_path / "one").iterdir() if p.name != "timing.json")
    assert "manifest.json" in files
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_another_seed_gives_other_packets(by_radio):
    other = run("run.begin_s=7.0", seed=99)
    assert not other.tables["packets"].equals(by_radio.tables["packets"])


def test_one_more_picture_changes_no_draw(by_radio):
    other = late_demo("record.clouds_every_s=0")
    # Not links and relays: what does not apply is NaN there, and NaN equals nothing. Answers have no prediction either.
    for name in ("packets", "transfers", "detections", "fusion"):
        one, two = (
            tables[name].drop_columns(["predicted"] if name == "transfers" else [])
            for tables in (other.tables, by_radio.tables)
        )
        assert one.equals(two), name


def test_every_packet_has_one_outcome_of_the_cause_list(by_radio):
    outcome = set(by_radio.tables["packets"].column("outcome").to_pylist())
    causes = {"delivered", "half_duplex", "sensing", "receiver_busy", "propagation", "collision"}
    assert outcome <= causes
    assert "delivered" in outcome


def test_the_instants_of_a_transfer_come_in_order(by_radio):
    table = by_radio.tables["transfers"]
    capture, detect, queue, air, arrive, fuse = (
        table.column(f"{name}_us").to_numpy() for name in ("capture", "detect", "queue", "air", "arrive", "fuse")
    )
    used = (capture >= 0) & (arrive >= 0) & (fuse >= 0)
    assert used.any()
    for before, after in ((capture, detect), (detect, queue), (queue, air), (air, arrive), (arrive, fuse)):
        assert (before[used] <= after[used]).all()


def test_the_relay_reaches_a_helper_that_the_direct_link_does_not():
    begin = "run.begin_s=2.0"
    with_relay, without = run(begin, "run.duration_s=3"), run(begin, "run.duration_s=3", "cooperation.relay=none")
    assert with_relay.metrics["helpers_used_by_relay"].value > 0
    assert without.metrics["helpers_used_by_relay"].value == 0
    assert with_relay.metrics["blind_covered"].value > without.metrics["blind_covered"].value


def test_fusion_covers_more_than_the_ego_alone(by_radio):
    before, after = (by_radio.tables["fusion"].column(f"coverage_{name}").to_numpy() for name in ("before", "after"))
    assert len(after) > 10
    assert (after >= before).all()
    assert (after > before).any()


def test_what_announced_matrices_show_is_what_arrived_before_the_fusion_whatever_is_asked():
    over_ideal, nobody_asks, dead, later = (
        late_demo(*keys)
        for keys in (
            ("radio.access=ideal",), ("radio.access=ideal", "cooperation.fusion=none"), ("radio.tx_power_dbm=-30",),
            ("radio.access=ideal", "cooperation.deadline_ms=300"),
        )
    )  # fmt: skip
    told, asked_nobody, heard_nobody, held_later = (
        ran.tables["fusion"].column("blind_told").to_numpy() for ran in (over_ideal, nobody_asks, dead, later)
    )
    assert (told > 0.0).any()
    np.testing.assert_array_equal(told, asked_nobody)
    assert (heard_nobody == 0.0).all()
    # Other matrices are held at another instant of fusion.
    assert (held_later != told).any()
    share = {name: over_ideal.tables["fusion"].column(f"blind_{name}").to_numpy() for name in ("covered", "beyond")}
    assert (share["beyond"] <= share["covered"]).all()
    assert (told + share["beyond"] <= 1.0 + 1e-6).all()


def test_relays_bring_an_ego_the_matrices_of_stations_that_it_does_not_hear():
    begin, alone = ("run.begin_s=2.0", "run.duration_s=3"), "cooperation.fusion=matrices"
    with_relay, without = run(*begin, alone), run(*begin, alone, "cooperation.relay=none")
    assert with_relay.metrics["blind_told"].value > without.metrics["blind_told"].value


def test_matrices_alone_fill_what_they_tell_and_nothing_else_is_sent(by_radio):
    alone, nothing = (
        late_demo(f"cooperation.fusion={scheme}", "cooperation.relay=none") for scheme in ("matrices", "none")
    )
    assert set(alone.tables["packets"].column("kind").to_pylist()) == {"awareness"}
    # The same packets as if nothing were fused, so what the ego holds is the same, too.
    assert alone.tables["packets"].equals(nothing.tables["packets"])
    covered, told, beyond = (
        alone.tables["fusion"].column(f"blind_{name}").to_numpy() for name in ("covered", "told", "beyond")
    )
    assert (told > 0.0).any()
    np.testing.assert_array_equal(covered, told)
    assert (beyond == 0.0).all()
    np.testing.assert_array_equal(told, nothing.tables["fusion"].column("blind_told").to_numpy())
    # It is what asking is compared with: there, most of what answers fill is told.
    assert by_radio.metrics["blind_beyond"].value < by_radio.metrics["blind_covered"].value


def test_the_corner_building_blocks_the_link_between_ego_and_helper(by_radio):
    agents = dict(zip(*(by_radio.tables["agents"].column(c).to_pylist() for c in ("name", "agent")), strict=True))
    links = by_radio.tables["links"]
    a, b, state = (np.array(links.column(c).to_pylist()) for c in ("a", "b", "state"))
    pair = {agents["ego"], agents["helper"]}
    chosen = np.array([{x, y} == pair for x, y in zip(a, b, strict=True)])
    assert chosen.sum() > 10
    assert (state[chosen] == "NLOSb").all()


def test_more_power_is_received_with_more_power(by_radio):
    louder = late_demo("radio.tx_power_dbm=20")
    gain = (
        louder.tables["links"].column("power_dbm").to_numpy() - by_radio.tables["links"].column("power_dbm").to_numpy()
    )
    np.testing.assert_allclose(gain, 6.0, atol=1e-3)


def test_a_lost_run_leaves_tables_that_can_be_read(tmp_path):
    run("lidars.count=0", "lidars.include=[]", "cooperation.egos=all", out=tmp_path / "blind")
    assert pq.read_table(tmp_path / "blind" / "fusion.parquet").num_rows == 0


def test_a_short_list_of_everybody_changes_nothing_and_one_of_a_few_keeps_most_of_the_gain():
    """Ten of nineteen: the directory's descriptors find nearly all that comparing every matrix would."""
    said = ["run.duration_s=1", "run.begin_s=40", "lidars.count=20", "cooperation.transport=synchronous"]
    every, listed, few = (
        v2xsim.run(v2xsim.load("urban_grid", [*said, f"cooperation.shortlist={n}"])) for n in (0, 30, 10)
    )
    # As text, since NaN is not equal to itself.
    assert str(every.tables["fusion"].to_pydict()) == str(listed.tables["fusion"].to_pydict())
    full, part = (r.metrics["blind_covered"].value for r in (every, few))
    assert full > 0.0
    assert 0.85 * full < part <= full + 0.02
