"""Values that the schema allows, but with which a run means little, are reported with number, reason and repair."""

import pytest

import v2xsim
from v2xsim.doubtful import unread_matrices, value_notices
from v2xsim.errors import UserError
from v2xsim.scenario.describe import all_keys
from v2xsim.scenario.load import packaged

FINE = {
    "lidars.count": 3, "cooperation.fusion": "late", "radio.channel": "winner_b1", "radio.bandwidth_mhz": 40,
    "run.step_s": 0.5, "run.duration_s": 1.2, "cooperation.transport": "synchronous", "lidars.model": "beam16",
}  # fmt: skip
ACCESS = ["random_slot", "ieee80211p", "lte_mode4", "nr_mode2", "ideal"]


def subjects(changes, name="demo"):
    scenario = v2xsim.load(name).with_(changes)
    return [notice.subject.removeprefix("doubtful.") for notice in value_notices(scenario)]


def texts(changes):
    return [notice.text for notice in value_notices(v2xsim.load("demo").with_(changes))]


@pytest.mark.parametrize("name", packaged())
@pytest.mark.parametrize("changes", [{}, *({key: value} for key, value in FINE.items())], ids=str)
def test_no_shipped_scenario_and_no_usual_change_of_it_is_doubtful(name, changes):
    # Its reports need no announced matrices, but requests do.
    asks = (name, changes) == ("retelling", {"cooperation.fusion": "late"})
    assert subjects(changes, name) == ["cooperation.matrix.interval_ms"] * asks


@pytest.mark.parametrize("access", ACCESS)
@pytest.mark.parametrize("fusion", ["early", "late", "raw", "cpm", "matrices", "none"])
def test_no_access_scheme_and_no_fusion_scheme_is_doubtful(access, fusion):
    assert subjects({"radio.access": access, "cooperation.fusion": fusion}) == []


@pytest.mark.parametrize(("key", "value"), [
    ("record.evaluation_range_m", 0.06), ("record.prr_range_m", 0.1), ("radio.range_m", 1.0), ("cooperation.budget_bytes", 6),
    ("cooperation.deadline_ms", 0.1), ("radio.tx_power_dbm", -40.0), ("radio.busy_threshold_dbm", -30.0),
    ("radio.carrier_ghz", 100.0), ("radio.mtu_bytes", 100), ("radio.mtu_bytes", 65000), ("radio.selection_window_ms", 1000.0),
    ("radio.processing_spread_ms", 100.0), ("radio.propagation.decorrelation_m", 0.01), ("cooperation.min_delivery", 1.0),
    ("cooperation.hidden_speed_mps", 0.01), ("cooperation.deadline_ms", 5000.0), ("run.duration_s", 0.1), ("lidars.dropout", 1.0),
    ("lidars.range_noise_m", 5.0), ("detector.half_points", 9000.0), ("detector.steepness", 0.01), ("detector.center_sigma_m", 5.0),
    ("detector.yaw_sigma_deg", 80.0), ("detector.size_sigma_m", 5.0), ("detector.false_per_frame", 100.0),
    ("errors.gnss_sigma_m", 100.0), ("errors.heading_sigma_deg", 90.0), ("errors.clock_sigma_ms", 5000.0),
    ("record.packet_share", 0.0001), ("record.link_ticks", 1000), ("record.state_ticks", 1000), ("record.seen_ticks", 1000), ("cooperation.fusion.voxel_m", 5.0),
    ("cooperation.awareness_rule.rate_hz", 0.001), ("cooperation.min_delivery", 0.0),
])  # fmt: skip
def test_a_value_with_which_a_run_means_little_is_named(key, value):
    usual = {
        "radio.carrier_ghz": {
            "radio.channel": "abbas_urban",
            "radio.antenna_gain_dbi": 20.0,
            "radio.propagation.building_loss": "tr37885",
        },
        "cooperation.deadline_ms": {"run.duration_s": 3.0},
    }
    (notice,) = [
        notice
        for notice in value_notices(v2xsim.load("demo").with_({key: value, **usual.get(key, {})}))
        if notice.subject == f"doubtful.{key}"
    ]
    assert notice.text.startswith(
        f"{key} ({value:,g} " if value < 1000 or isinstance(value, float) else f"{key} ({value:,}"
    ) or (notice.text.startswith(f"{key} ({value:g}"))
    assert "; " in notice.text
    assert notice.is_warning


def test_the_sensitivity_and_the_noise_limit_the_reach_of_a_radio():
    (text,) = texts({"radio.sensitivity_dbm": -30.0})
    assert "no station farther than 0.64 m is heard at -30 dBm" in text
    # 14 dBm in free space at 100 GHz: 14 - 72.45 - 20 log10(d) = -65 gives 2.1 m.
    (text,) = [
        text
        for text in texts({"radio.noise_figure_db": 30.0, "radio.carrier_ghz": 100.0, "radio.sensitivity_dbm": -65.0})
        if "heard" in text
    ]
    assert "no station farther than 2.1 m is heard at -65 dBm" in text


def test_power_and_gain_together_are_more_than_may_be_radiated():
    assert texts({"radio.tx_power_dbm": 23.0, "radio.antenna_gain_dbi": 10.0}) == []
    (text,) = texts({"radio.tx_power_dbm": 40.0, "radio.antenna_gain_dbi": 30.0})
    assert "70 dBm are radiated" in text


def test_a_threshold_of_carrier_sensing_that_nobody_reaches_is_named():
    access = {"scheme": "ieee80211p", "cca_preamble_dbm": -30.0, "cca_energy_dbm": -30.0}
    assert subjects({"radio.access": access}) == ["radio.access.cca_preamble_dbm"]


def test_a_matrix_with_a_cell_larger_than_itself_is_named():
    (text,) = texts({"cooperation.matrix": {"cell_m": 20.0, "extent_m": 5.0}})
    assert "the cell is larger than the matrix" in text
    assert subjects({"cooperation.matrix": {"cell_m": 20.0, "extent_m": 50.0}}) == ["cooperation.matrix.cell_m"]
    assert subjects({"cooperation.matrix": {"cell_m": 4.0, "extent_m": 30.0}}) == []


@pytest.mark.parametrize(("model", "key"), [
    ({"range_m": 1.0}, "range_m"), ({"lowest_deg": 0.0}, "lowest_deg"), ({"lowest_deg": -90.0, "highest_deg": -80.0}, "highest_deg"),
    ({"columns": 8}, "columns"),
])  # fmt: skip
def test_a_lidar_that_sees_nobody_is_named(model, key):
    assert subjects({"lidars.model": model}) == [f"lidars.mounts.model.{key}"]
    rig = {"lidars.rigs": {"low": [{"model": model}]}, "lidars.carry": {"ego": "low"}}
    assert subjects(rig) == [f"lidars.rigs.model.{key}"]


def test_a_tilted_lidar_is_judged_by_where_its_beams_go():
    assert subjects({"lidars.mounts": [{"pitch_deg": 30.0, "model": {"lowest_deg": 0.0, "highest_deg": 20.0}}]}) == []


def test_a_lidar_on_a_mast_must_reach_the_ground():
    unit = {"id": "mast", "position_m": [9.0, 9.0], "height_m": 40.0}
    changes = {
        "stations.roadside": [unit],
        "lidars.rigs": {"pole": [{"model": {"range_m": 30.0}}]},
        "lidars.carry": {"mast": "pole"},
    }
    (text,) = texts(changes)
    assert "less than its height above ground (40.3 m)" in text
    assert subjects({**changes, "stations.roadside": [{**unit, "height_m": 20.0}]}) == []


@pytest.mark.parametrize(("unit", "named"), [(0.2, True), (6.0, False), (90.0, True)])
def test_an_antenna_of_a_roadside_unit_near_the_ground_or_in_the_sky_is_named(unit, named):
    changes = {"stations.roadside": [{"id": "mast", "position_m": [9.0, 9.0], "height_m": unit, "lidar": False}]}
    assert (subjects(changes) == ["stations.roadside.height_m"]) == named


@pytest.mark.parametrize(("height_m", "named"), [(0.016, True), (0.4, False), (4.0, False), (8.0, True)])
def test_an_antenna_on_a_vehicle_in_another_unit_is_named(height_m, named):
    changes = {"stations.antennas": {"ego": {"height_m": height_m}, "van": {"height_m": 2.0}, "bus": {}}}
    assert (subjects(changes) == ["stations.antennas.height_m"]) == named


@pytest.mark.parametrize(("road", "key"), [
    ({"speed_kmh": 0.05}, "speed_kmh"), ({"lane_m": 0.0035}, "lane_m"), ({"speed_kmh": 5.0, "lane_m": 2.0}, ""),
])  # fmt: skip
def test_a_road_on_which_nobody_can_drive_is_named(road, key):
    streets = [{"center_m": [[-100, 0], [100, 0]]}, {"center_m": [[0, -100], [0, 100]], **road}]
    assert subjects({"world.roads": streets}) == ([f"world.roads.{key}"] if key else [])


@pytest.mark.parametrize(("trailer", "key"), [
    ({"length_m": 1.5, "hitch_m": 5.0}, "hitch_m"), ({"length_m": 8.0, "hitch_m": 5.0, "front_height_m": 0.003}, "front_height_m"),
    ({"length_m": 8.0, "hitch_m": 5.0, "front_height_m": 3.0}, ""), ({"length_m": 4.0, "hitch_m": 5.0}, ""), ("none", ""),
])  # fmt: skip
def test_a_trailer_with_a_gap_before_it_or_behind_a_flat_tractor_is_named(trailer, key):
    script = v2xsim.load("demo").model_dump(mode="json")["traffic"]["script"]
    (truck,) = [agent for agent in script if agent["id"] == "truck"]  # 13 m long
    truck["trailer"] = trailer
    assert subjects({"traffic.script": script}) == ([f"traffic.script.trailer.{key}"] if key else [])


@pytest.mark.parametrize(("changes", "key"), [
    ({"cooperation.foresight": "tracks", "run.step_s": 1.0}, "run.step_s"), ({"cooperation.foresight": "tracks", "run.step_s": 0.5}, ""),
    ({"cooperation.foresight": {"model": "tracks", "horizon_s": 2.0}, "run.step_s": 1.0}, ""),
    ({"cooperation.foresight": "sampled", "run.step_s": 0.4}, "run.step_s"), ({"cooperation.foresight": "sampled", "run.step_s": 0.3}, ""),
    ({"cooperation.foresight": "sampled", "radio.propagation.gain_by_kind_dbi": {"truck": 5.0}}, "radio.propagation.gain_by_kind_dbi"),
    ({"cooperation.foresight": "sampled", "radio.propagation.gain_by_kind_dbi": {"truck": 0.0}}, ""),
    ({"cooperation.foresight": "none", "radio.propagation.gain_by_kind_dbi": {"truck": 5.0}, "run.step_s": 1.0}, ""),
    ({"cooperation.foresight": "tracks", "radio.propagation.states": "tr37885", "radio.propagation.vehicle_blockage": "tr37885"}, "radio.propagation.states"),
])  # fmt: skip
def test_a_link_forecast_that_cannot_be_right_is_named(changes, key):
    drawn = {"radio.propagation.building_loss": "tr37885"} if "radio.propagation.states" in changes else {}
    assert subjects({"run.duration_s": 12.0, **changes, **drawn}) == ([key] if key else [])


def test_heights_in_another_unit_are_named_once_with_their_number():
    house = {"footprint_m": [[0, 30], [10, 30], [10, 40]], "height_m": 0.012}
    (notice,) = value_notices(v2xsim.load("demo").with_({"world.buildings": [house, house]}))
    assert (notice.subject, notice.count) == ("doubtful.world.buildings.height_m", 2)
    assert "world.buildings.0.height_m (0.012 m) and 1 more" in notice.text


@pytest.mark.parametrize(("name", "key", "value"), [
    ("highway", "traffic.highway.density_per_km", 0.5), ("highway", "traffic.highway.density_per_km", 400.0 * 2.01),
    ("highway", "traffic.highway.speed_kmh", 5.0), ("urban_grid", "traffic.grid.vehicles_per_hour", 1.0),
    ("urban_grid", "traffic.grid.building_height_m", 0.5),
])  # fmt: skip
def test_generated_traffic_that_cannot_be_is_named(name, key, value):
    lanes = {"traffic.highway.lanes": 1} if value > 400 else {}
    assert subjects({key: min(value, 400.0), **lanes}, name) == [key]


def test_a_queue_shorter_than_an_answer_is_named():
    changes = {"radio.queue_packets": 1, "cooperation.budget_bytes": 20_000}
    assert subjects({**changes, "radio.access": "ieee80211p"}) == ["radio.queue_packets"]
    assert subjects({**changes, "radio.access": "random_slot"}) == []


def test_a_repetition_after_the_deadline_is_named():
    assert subjects({"radio.retries": 2, "radio.ack_timeout_ms": 100.0}) == ["radio.ack_timeout_ms"]
    assert subjects({"radio.ack_timeout_ms": 100.0}) == []


def test_slots_of_a_sidelink_that_begin_after_the_deadline_are_named():
    assert subjects({"radio.access": {"scheme": "nr_mode2", "t1_slots": 100}}) == ["cooperation.deadline_ms"]
    # A report needs no request before it.
    assert subjects({"radio.access": {"scheme": "nr_mode2", "t1_slots": 50}}) == ["cooperation.deadline_ms"]
    assert subjects({"radio.access": {"scheme": "nr_mode2", "t1_slots": 50}, "cooperation.fusion": "cpm"}) == []


def test_times_of_a_channel_that_is_not_used_are_not_doubtful():
    assert subjects({"radio.access": "ideal", "radio.tx_power_dbm": -40.0, "cooperation.deadline_ms": 0.1}) == []
    assert subjects({"cooperation.fusion": "none", "radio.selection_window_ms": 1000.0}) == []


# For each number of the schema with limits: whether its lowest and its highest value, with all others as in the demo, are reported or
# refused ("x"), or mean something ("-").
EXTREMES = {
    "run": {"seed": "--", "begin_s": "-x", "duration_s": "x-", "step_s": "x-"},
    "world.buildings.*": {"height_m": "xx", "base_m": "-x"},
    "world.roads.*": {"lanes": "--", "lane_m": "x-", "speed_kmh": "x-"},
    "traffic.script.*": {"heading_deg": "--"},
    "traffic.script.*.trailer": {"axle_m": "xx", "front_axle_m": "xx", "front_height_m": "xx", "hitch_m": "xx", "length_m": "xx"},
    "traffic.trailers.*": {"axle_m": "xx", "front_axle_m": "xx", "front_height_m": "xx", "hitch_m": "xx", "length_m": "xx"},
    "stations.antennas.*": {"height_m": "xx", "x_m": "xx", "y_m": "xx"},
    "traffic.grid": {
        "blocks": "--", "block_m": "--", "lanes": "--", "vehicles_per_hour": "x-", "building_height_m": "--", "setback_m": "-x", "truck_share": "--",
    },
    "traffic.highway": {"length_m": "--", "lanes": "--", "density_per_km": "xx", "speed_kmh": "x-", "truck_share": "--"},
    "stations": {"count": "--", "penetration": "--"},
    "stations.roadside.*": {"height_m": "xx", "heading_deg": "--"},
    "lidars": {"count": "--", "range_noise_m": "-x", "dropout": "-x", "range_reflectivity": "-x"},
    "lidars.air": {"fog_visibility_m": "x-", "rain_mm_per_h": "-x", "snow_mm_per_h": "-x", "least_echo": "xx"},
    "lidars.model": {"beams": "--", "columns": "x-", "lowest_deg": "-x", "highest_deg": "x-", "range_m": "x-"},
    "lidars.mounts.*": {"x_m": "xx", "y_m": "xx", "z_m": "x-", "yaw_deg": "--", "pitch_deg": "--", "roll_deg": "--"},
    "radio.access": {
        "aifs_us": "--", "cw": "--", "cca_preamble_dbm": "-x", "cca_energy_dbm": "-x", "capture_db": "--", "subchannels": "--",
        "rb_per_subchannel": "x-", "code_rate": "x-", "packet_subchannels": "--", "t1_slots": "-x", "t2_slots": "-x",
        "candidate_share": "--", "rsrp_threshold_dbm": "--", "keep_probability": "--", "repetitions": "--", "interference_share": "--",
        "nr_mcs": "--", "cw_max": "--", "psfch_gap_slots": "--", "psfch_snr_db": "--",
    },
    "radio.channel": {"exponent": "--", "permittivity": "--", "environment_height_m": "-x"},
    "radio.propagation.building_loss": {"street_width_m": "x-", "environment_height_m": "--"},
    "radio.propagation": {"shadowing_sigma_db": "--", "decorrelation_m": "x-", "common_share": "--"},
    "radio": {
        "carrier_ghz": "xx", "range_m": "x-", "tx_power_dbm": "x-", "antenna_gain_dbi": "x-", "noise_figure_db": "--",
        "sensitivity_dbm": "-x", "busy_threshold_dbm": "-x", "mcs": "--", "awareness_mcs": "--", "mtu_bytes": "xx", "retries": "--",
        "ack_timeout_ms": "xx", "queue_packets": "xx", "slot_ms": "--", "selection_window_ms": "xx", "processing_spread_ms": "-x",
    },
    "cooperation": {
        "shortlist": "-x", "max_helpers": "x-", "deadline_ms": "x-", "max_age_ms": "--", "budget_bytes": "--", "detect_ms": "-x",
        "min_delivery": "xx", "hidden_speed_mps": "x-", "report_interval_ms": "-x",
    },
    "cooperation.foresight": {
        "horizon_s": "--", "body_horizon_s": "--", "certainty": "--", "soon_certainty": "--", "behind_certainty": "--",
        "body_certainty": "--",
    },
    "cooperation.awareness_rule": {"rate_hz": "x-"}, "cooperation.matching": {"tried": "--"}, "cooperation.relay": {"weight": "--", "load_weight": "--", "forwarders": "--"}, "cooperation.fusion": {"voxel_m": "-x", "explained_m": "--", "score": "--"},
    "cooperation.matrix": {"cell_m": "xx", "extent_m": "xx", "free_share": "--", "interval_ms": "-x"},
    "cooperation.retelling": {"share": "x-", "tellings": "--", "least_gain": "--", "oldest_ms": "x-", "hops": "--", "better": "--"},
    "cooperation.redundancy": {"least_relevance": "--", "senders": "--", "repeat_ms": "--"},
    "detector": {
        "half_points": "-x", "steepness": "x-", "center_sigma_m": "-x", "yaw_sigma_deg": "-x", "size_sigma_m": "-x",
        "false_per_frame": "-x",
    },
    "errors": {"gnss_sigma_m": "-x", "gnss_correlation_s": "--", "heading_sigma_deg": "-x", "clock_sigma_ms": "-x"},
    "record": {
        "clouds_every_s": "--", "cloud_egos": "--", "prr_range_m": "xx", "packet_share": "x-", "link_ticks": "-x", "state_ticks": "-x", "seen_ticks": "-x",
        "evaluation_range_m": "xx",
    },
}  # fmt: skip
# The same mounts and models under other keys.
_COPIES = ("lidars.mounts.*.model", "lidars.rigs.")
# Sections in which the demo can have any value.
_IN_DEMO = (
    "lidars",
    "lidars.air",
    "radio",
    "radio.propagation",
    "cooperation",
    "cooperation.matrix",
    "cooperation.fusion",
    "detector",
    "errors",
    "record",
)
_LIMITS = {
    ".".join(keys): limits for keys, info in all_keys()
    if (limits := {name: getattr(item, name) for item in info.metadata for name in ("gt", "ge", "lt", "le") if hasattr(item, name)})
}  # fmt: skip


def test_what_the_least_and_the_largest_value_of_every_number_mean_is_decided():
    decided = {f"{section}.{key}" for section, keys in EXTREMES.items() for key in keys}
    assert {key for key in _LIMITS if not key.startswith(_COPIES)} == decided


def is_reported(key, value):
    """Return whether a value in the demo is refused, has no effect, or is doubtful."""
    section, leaf = key.rsplit(".", 1)
    is_of_matrices = key in ("cooperation.fusion.explained_m", "cooperation.fusion.score")
    try:
        scenario = v2xsim.load("demo").with_(
            {section: {"scheme": "matrices", leaf: value}} if is_of_matrices else {key: value}
        )
    except UserError:
        return True
    return any(leaf in note for note in scenario.notes) or bool(value_notices(scenario))


@pytest.mark.parametrize("section", _IN_DEMO)
def test_values_at_the_limits_are_reported_as_decided(section):
    for key, meanings in EXTREMES[section].items():
        name, limits = f"{section}.{key}", _LIMITS[f"{section}.{key}"]
        least = limits["ge"] if "ge" in limits else limits["gt"] + 1e-6
        values = [(least, meanings[0]), *([(limits["le"], meanings[1])] if "le" in limits else [])]
        for value, meaning in values:
            assert is_reported(name, value) == (meaning == "x"), (name, value)


@pytest.mark.parametrize(("extent_m", "cell_m"), [(300, 1), (300, 2), (150, 1), (50, 0.25), (100, 0.5)])
@pytest.mark.parametrize("access", ["random_slot", "ieee80211p", "nr_mode2"])
def test_a_matrix_whose_messages_have_many_fragments_is_reported_with_their_sizes(extent_m, cell_m, access):
    changes = {
        "cooperation.matrix.extent_m": extent_m, "cooperation.matrix.cell_m": cell_m, "radio.access": access
    }  # fmt: skip
    (text,) = [text for text in texts(changes) if text.startswith("cooperation.matrix ")]
    request_bytes = 22 + (2 * extent_m / cell_m) ** 2 / 8
    assert f"a request, with one bit for each cell, {request_bytes:,.0f} B (" in text
    assert (f"{request_bytes:,.0f} B ({-(-request_bytes // 1400):.0f} fragments, " in text) == (access != "nr_mode2")
    assert ("on the air" in text) == (access != "nr_mode2")


@pytest.mark.parametrize("changes", [
    {"cooperation.matrix.extent_m": 50, "cooperation.matrix.cell_m": 1}, {"cooperation.matrix.extent_m": 100},
    {"cooperation.matrix.extent_m": 300, "radio.access": "ideal"}, {"cooperation.matrix.extent_m": 300, "cooperation.transport": "synchronous"},
    {"cooperation.matrix.extent_m": 150, "cooperation.fusion": "none"},
])  # fmt: skip
def test_a_matrix_whose_messages_are_small_or_never_lost_is_not_doubtful(changes):
    assert subjects(changes) == []


NO_MATRICES = {"cooperation.matrix.interval_ms": None}
MISSED = {"cooperation.fusion": "cpm", "cooperation.redundancy": "missed"}
UNSEEN = {"cooperation.fusion": "cpm", "cooperation.retelling": "unseen"}


@pytest.mark.parametrize(("changes", "named"), [
    ({}, "matching rule most_weight, which compares them, asks nobody"), (MISSED, "redundancy rule missed does not know what others see"),
    ({"cooperation.matching": "hidden_bodies"}, "matching rule hidden_bodies"), ({"radio.access": "ideal"}, "asks nobody"),
    ({"cooperation.fusion": "matrices"}, "fusion scheme matrices has nothing to fuse"),
])  # fmt: skip
def test_decisions_that_need_matrices_which_nobody_announces_are_named(changes, named):
    (text,) = texts(changes | NO_MATRICES)
    assert text.startswith("cooperation.matrix.interval_ms (null): ")
    assert named in text


@pytest.mark.parametrize("changes", [
    {"cooperation.matching": "nearest"}, {"cooperation.fusion": "cpm"}, {"cooperation.fusion": "none"}, {"cooperation.max_helpers": 0},
])  # fmt: skip
def test_whoever_reads_no_matrix_needs_none(changes):
    assert subjects(changes | NO_MATRICES) == []


@pytest.mark.parametrize(("interval_ms", "is_old"), [(1000.0, False), (1001.0, True)])
def test_matrices_that_are_announced_too_rarely_are_named(interval_ms, is_old):
    given = texts(MISSED | {"cooperation.matrix.interval_ms": interval_ms})
    assert [("none that is older than 1 s" in text) for text in given] == [True] * is_old
    assert len(subjects({"cooperation.matrix.interval_ms": interval_ms})) == is_old
    assert len(subjects({"cooperation.matrix.interval_ms": interval_ms, "cooperation.fusion": "matrices"})) == is_old
    assert subjects({"cooperation.matrix.interval_ms": interval_ms, "cooperation.fusion": "cpm"}) == []


def test_a_retelling_rule_that_reads_matrices_needs_them():
    assert [("retelling rule unseen does not know" in text) for text in texts(UNSEEN | NO_MATRICES)] == [True]
    assert texts(UNSEEN) == texts(UNSEEN | {"cooperation.retelling": "unheard"} | NO_MATRICES) == []


@pytest.mark.parametrize(
    ("oldest_ms", "clock_sigma_ms", "is_named"), [(20.0, 0.0, True), (20.1, 0.0, False), (20.0, 1.0, False)]
)
def test_an_age_that_every_report_has_when_it_is_sent_is_named(oldest_ms, clock_sigma_ms, is_named):
    changes = {
        "cooperation.retelling": {"rule": "unheard", "oldest_ms": oldest_ms},
        "errors.clock_sigma_ms": clock_sigma_ms,
    }
    assert subjects({"cooperation.fusion": "cpm"} | changes) == ["cooperation.retelling.oldest_ms"] * is_named
    assert subjects(changes) == []


def test_a_share_of_nothing_is_named():
    def of(share):
        return subjects({"cooperation.fusion": "cpm", "cooperation.retelling": {"rule": "random_told", "share": share}})

    assert (of(0.0), of(0.01)) == (["cooperation.retelling.share"], [])


def unread(changes):
    return [notice.text for notice in unread_matrices(v2xsim.load("demo").with_(changes))]


@pytest.mark.parametrize(("changes", "named"), [
    ({"cooperation.fusion": "cpm"}, "fusion scheme cpm, redundancy rule none and retelling rule none"), ({"cooperation.fusion": "none"}, "fusion scheme none no"),
    ({"cooperation.matching": "nearest"}, "fusion scheme early and matching rule nearest"), ({"cooperation.max_helpers": 0}, "fusion scheme early and cooperation.max_helpers 0"),
    ({"cooperation.budget_bytes": 0}, "fusion scheme early and cooperation.budget_bytes 0"),
])  # fmt: skip
def test_matrices_that_nobody_reads_are_named_with_their_size(changes, named):
    (text,) = unread(changes | {"cooperation.matrix.extent_m": 50, "cooperation.matrix.cell_m": 2})
    # 2,500 cells of 2 bits, and 7 B.
    assert "up to 632 B of an announcement" in text
    assert named in text


@pytest.mark.parametrize("changes", [
    {}, MISSED, UNSEEN, {"cooperation.fusion": "matrices"}, {"cooperation.fusion": "cpm", **NO_MATRICES}, {"cooperation.fusion": "none", "radio.access": "ideal"},
    {"cooperation.fusion": "none", "cooperation.transport": "synchronous"},
])  # fmt: skip
def test_matrices_that_somebody_reads_or_that_load_nothing_are_not_named(changes):
    assert unread(changes) == []


@pytest.mark.parametrize("name", packaged())
def test_in_every_shipped_scenario_somebody_reads_matrices(name):
    assert list(unread_matrices(v2xsim.load(name))) == []
