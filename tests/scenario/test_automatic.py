"""Defaults that follow from other keys: a change of one key is not refused because of a value that nobody wrote."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app
from v2xsim.comms.phy.sidelink import RESOURCE_BLOCKS
from v2xsim.scenario import ScenarioError, from_data, load, packaged, resolved, to_yaml
from v2xsim.scenario.choices import choice_in
from v2xsim.scenario.describe import all_keys, members_of
from v2xsim.scenario.fields import rule_of
from v2xsim.scenario.schema import Scenario

SIDELINKS = ("lte_mode4", "nr_mode2")


def cooperation(**keys: float) -> Any:
    return load("highway", [f"cooperation.{key}={value}" for key, value in keys.items()]).cooperation


@pytest.mark.parametrize("name", packaged())
@pytest.mark.parametrize("bandwidth_mhz", [10, 20, 40])
@pytest.mark.parametrize("scheme", ["ideal", "random_slot", "ieee80211p", *SIDELINKS])
def test_every_access_scheme_can_be_chosen_at_every_bandwidth(name, scheme, bandwidth_mhz):
    # LTE has no acknowledgements, so it takes no retries.
    retries = ["radio.retries=0"] if scheme == "lte_mode4" else []
    radio = load(name, [f"radio.access={scheme}", f"radio.bandwidth_mhz={bandwidth_mhz}", *retries]).radio
    assert radio.access.name == scheme


@pytest.mark.parametrize(("scheme", "payload_bytes"), [("lte_mode4", 907 - 200), ("nr_mode2", 1008 - 200)])
def test_a_packet_is_as_large_as_a_slot_carries(scheme, payload_bytes):
    # 4 subchannels of 12 blocks with 108 (LTE) or 120 (NR) elements of 2 bits, 0.7 of them data; 200 B are headers.
    assert load("demo", [f"radio.access={scheme}"]).radio.mtu_bytes == pytest.approx(payload_bytes, abs=1)


@pytest.mark.parametrize("scheme", ["ideal", "random_slot", "ieee80211p"])
def test_a_packet_has_1400_bytes_where_no_slot_limits_it(scheme):
    assert load("demo", [f"radio.access={scheme}"]).radio.mtu_bytes == 1400


def test_a_slow_mcs_makes_packets_smaller_and_a_fast_one_makes_them_1400_bytes():
    sizes = [
        load("demo", [f"radio.access={{scheme: nr_mode2, nr_mcs: {mcs}}}"]).radio.mtu_bytes for mcs in range(3, 10)
    ]
    assert sizes == sorted(set(sizes))
    assert load("demo", ["radio.access={scheme: nr_mode2, nr_mcs: 28}"]).radio.mtu_bytes == 1400


def test_an_mcs_whose_slot_cannot_carry_the_smallest_packet_is_refused_with_what_it_carries():
    with pytest.raises(ScenarioError, match=r"radio\.access: a slot must carry a packet of 100 B .* it carries 168 B"):
        load("demo", ["radio.access={scheme: nr_mode2, nr_mcs: 0}"])


def test_a_written_packet_size_that_fits_no_slot_is_refused():
    with pytest.raises(ScenarioError, match=r"radio\.mtu_bytes: .*got 1400; with the value auto, the size follows"):
        load("demo", ["radio.access=nr_mode2", "radio.mtu_bytes=1400"])


def test_the_word_auto_is_the_same_as_no_value():
    left_out = load("demo", ["radio.access=nr_mode2"])
    assert load("demo", ["radio.access=nr_mode2", "radio.mtu_bytes=auto", "radio.access.subchannels=auto"]) == left_out


def test_the_word_auto_is_refused_where_the_default_is_fixed():
    with pytest.raises(ScenarioError, match=r"radio\.range_m: must be a number"):
        load("demo", ["radio.range_m=auto"])


@pytest.mark.parametrize("scheme", SIDELINKS)
@pytest.mark.parametrize("bandwidth_mhz", [10, 20, 40])
@pytest.mark.parametrize("subchannels", ["auto", 1, 2, 3, 4, 5, 8, 10, 20])
def test_subchannels_fill_the_channel_and_never_more(scheme, bandwidth_mhz, subchannels):
    access = load(
        "demo",
        [f"radio.bandwidth_mhz={bandwidth_mhz}", f"radio.access={{scheme: {scheme}, subchannels: {subchannels}}}"],
    ).radio.access
    blocks = RESOURCE_BLOCKS[scheme][bandwidth_mhz]
    assert blocks / 2 <= access.subchannels * access.rb_per_subchannel <= blocks or access.rb_per_subchannel >= 100


@pytest.mark.parametrize(("blocks", "subchannels"), [(5, 10), (10, 5), (25, 2), (50, 1)])
def test_as_many_subchannels_as_fit_are_used(blocks, subchannels):
    access = load("demo", [f"radio.access={{scheme: lte_mode4, rb_per_subchannel: {blocks}}}"]).radio.access
    assert access.subchannels == subchannels


def test_subchannels_wider_than_the_channel_are_refused():
    with pytest.raises(ScenarioError, match=r"50 resource blocks at radio\.bandwidth_mhz 10, got 5 of 12"):
        load("demo", ["radio.access={scheme: lte_mode4, subchannels: 5, rb_per_subchannel: 12}"])


@pytest.mark.parametrize("deadline_ms", [0, 5, 20, 50, 400])
def test_an_early_deadline_shortens_the_time_of_detection(deadline_ms):
    assert cooperation(deadline_ms=deadline_ms).detect_ms == min(20, deadline_ms)


def test_a_slow_detection_moves_the_deadline():
    assert [cooperation(detect_ms=ms).deadline_ms for ms in (0, 60, 100, 200)] == [100, 100, 100, 280]


def test_a_deadline_before_the_end_of_detection_is_refused_if_both_are_written():
    with pytest.raises(ScenarioError, match="must not be below detect_ms"):
        cooperation(deadline_ms=10, detect_ms=20)


def test_named_stations_are_the_only_ones_unless_a_share_is_written():
    assert load("demo", ["stations={}"]).stations.penetration == 1.0
    assert load("demo", ["stations={include: [ego]}"]).stations.penetration == 0.0
    assert load("demo", ["stations={include: [ego], penetration: 0.5}"]).stations.penetration == 0.5
    assert load("demo", ["stations={count: 3}"]).stations.penetration is None


@pytest.mark.parametrize("name", packaged())
@pytest.mark.parametrize("scheme", ["random_slot", "nr_mode2"])
def test_a_manifest_has_the_value_in_effect_and_runs_again(name, scheme):
    scenario = load(name, [f"radio.access={scheme}"])
    data = resolved(scenario)
    assert data["radio"]["mtu_bytes"] == scenario.radio.mtu_bytes
    assert from_data(data) == scenario


def test_check_prints_the_values_in_effect():
    printed = CliRunner().invoke(app, ["check", "demo", "--set", "radio.access=lte_mode4"]).stdout
    assert "radio.mtu_bytes 707" in printed
    assert "packets of up to 707 B" in printed


def test_the_schema_allows_the_word_auto_and_explains_it():
    described = Scenario.model_json_schema()["$defs"]["Radio"]["properties"]["mtu_bytes"]
    assert described["default"] == "auto"
    assert described["anyOf"][0]["const"] == "auto"
    assert "1400, or less" in described["anyOf"][0]["description"]


@pytest.mark.parametrize(
    "change",
    [
        "radio.access.t1_slots=.nan", "radio.access.subchannels=1e308", "radio.access.rb_per_subchannel=1e-320",
        "radio.access.subchannels=-1", "radio.access=[1]", "radio.access=7", "radio.bandwidth_mhz=11", "radio=[]",
        "cooperation.detect_ms=1e400", "cooperation.deadline_ms=-3", "stations=3", "radio.selection_window_ms=x",
    ],
)  # fmt: skip
def test_a_wrong_value_that_others_follow_is_refused_by_its_own_name_alone(change):
    with pytest.raises(ScenarioError) as refused:
        load("demo", ["radio.access=nr_mode2", change] if "access." in change else [change])
    lines = str(refused.value).splitlines()
    assert len(lines) == 1
    assert change.split("=")[0] in lines[0]


@pytest.mark.parametrize(
    ("access", "key", "value", "noted"),
    [
        ("ieee80211p", "slot_ms", 1, True), ("random_slot", "slot_ms", 1, False), ("ieee80211p", "slot_ms", 0.5, False),
        ("ieee80211p", "slot_ms", "auto", False), ("nr_mode2", "awareness_mcs", 4, True), ("ieee80211p", "awareness_mcs", 4, False),
        ("ideal", "dcc", "reactive", True), ("lte_mode4", "dcc", "reactive", False), ("random_slot", "queue_packets", 5, True),
        ("ieee80211p", "ack_timeout_ms", 2, True), ("nr_mode2", "selection_window_ms", 30, False),
    ],
)  # fmt: skip
def test_a_chosen_value_that_the_access_scheme_does_not_use_is_noted(access, key, value, noted):
    notes = load("demo", [f"radio.access={access}", f"radio.{key}={value}"]).notes
    assert any(f"radio.{key} has no effect" in note for note in notes) == noted


IDEAL, AT_ONCE, CPM = "radio.access=ideal", "cooperation.transport=synchronous", "cooperation.fusion=cpm"
NOTHING, TRACKS, TALLEST = (
    "cooperation.fusion=none",
    "cooperation.foresight=tracks",
    "cooperation.relay=tallest_antenna",
)
DARK, TOLD = "radio.shadowing=false", "cooperation.retelling=unheard"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ([TRACKS], ""), ([TRACKS, IDEAL], "cooperation.foresight"), ([TRACKS, AT_ONCE], "cooperation.foresight"),
        ([TRACKS, CPM], "cooperation.foresight"), ([TRACKS, NOTHING], "cooperation.foresight"), ([IDEAL], ""), ([AT_ONCE], ""), ([NOTHING], ""),
        ([TALLEST], ""), ([TALLEST, CPM], ""), ([TALLEST, IDEAL], "cooperation.relay"), ([TALLEST, AT_ONCE], "cooperation.relay"),
        ([TALLEST, NOTHING], "cooperation.relay"), (["cooperation.relay=none", IDEAL], ""),
        ([TOLD, CPM], ""), ([TOLD], "cooperation.retelling"), ([TOLD, CPM, IDEAL], "cooperation.retelling"), ([TOLD, CPM, AT_ONCE], "cooperation.retelling"),
        ([DARK], ""), ([DARK, "radio.propagation.common_share=0.2"], "radio.propagation.common_share"),
        ([DARK, "radio.propagation.common_share=0.2", "radio.propagation.vehicle_blockage=tr37885"], ""),
        ([DARK, "radio.propagation.shadowing_sigma_db=2"], "radio.propagation.shadowing_sigma_db"),
        ([DARK, "radio.propagation.decorrelation_m=9"], "radio.propagation.decorrelation_m"),
    ],
)  # fmt: skip
def test_a_key_that_another_one_switches_off_is_noted(changes, key):
    # The demo limits the bytes of requests.
    notes = load("demo", ["cooperation.budget_bytes=6000", *changes]).notes
    assert [note.split(": ", 1)[1].split(" has no effect")[0] for note in notes] == ([key] if key else [])


@pytest.mark.parametrize(("changes", "why"), [
    ([CPM], "it is for requests, and fusion scheme cpm sends none"), (["cooperation.max_helpers=0"], "it is for requests, and cooperation.max_helpers is 0"),
    (["cooperation.matching=none"], "it is for requests, and matching rule none asks nobody"), (["cooperation.budget_bytes=0"], ""), ([NOTHING], ""), ([], ""),
])  # fmt: skip
def test_a_limit_of_requests_that_nobody_sends_is_noted(changes, why):
    notes = load("demo", changes).notes
    assert [note.split("cooperation.budget_bytes has no effect: ")[1] for note in notes] == ([why] if why else [])


@pytest.mark.parametrize(
    ("changes", "noted"),
    [
        ("{passenger: 1.0}", True), ("{passenger: 0.5, bus: 0.5}", False), ("{passenger: 1.0, bus: 0.0}", True),
    ],
)  # fmt: skip
def test_the_size_of_a_kind_that_generated_traffic_has_not_is_noted(changes, noted):
    for name in ("highway", "grid"):
        source = f"traffic.{name}"
        sizes = f"{source}.sizes_m={{bus: [18, 2.55, 3.2]}}"
        (note, *_) = [
            *load({"highway": "highway", "grid": "urban_grid"}[name], [f"{source}.mix={changes}", sizes]).notes,
            "",
        ]
        assert (f"{source}.sizes_m.bus has no effect" in note) == noted


@pytest.mark.parametrize(
    ("changes", "noted"),
    [
        (["record.evaluation_range_m=70"], False), (["record.evaluation_range_m=71"], True),
        (["record.evaluation_range_m=140", "cooperation.matrix.extent_m=100"], False),
        (["record.evaluation_range_m=200", "cooperation.fusion=none"], False),
        (["radio.range_m=149"], True), (["radio.range_m=149", "record.prr_range_m=149"], False),
    ],
)  # fmt: skip
def test_a_range_of_a_metric_beyond_what_it_measures_is_noted(changes, noted):
    assert bool(load("demo", changes).notes) == noted


# Refusals of one changed key that no default can avoid: what they contradict is written, or two keys must change together.
EXPECTED = (
    "traffic needs exactly one of", "stations takes count or penetration, not both", "holds a single value, so it has no key",
    "shortlist needs transport synchronous", "must be a whole number of steps", "must not be more than subchannels",
    "below every antenna of the vehicle catalogue", "must be less than half of block_m", "steps of run.step_s",
    "must be at least run.step_s", "must be a whole number of microseconds", "highest_deg must not be below lowest_deg",
    "deadline_ms (100.0) must not be below",
    "traffic.recorded.run: is required",
    "a slot must carry a packet of 100 B", "the subchannels must fit into the channel",
    "without a feedback channel, no packet is acknowledged",
    "needs bodies to diffract at", "a packet must fit into a slot",
)  # fmt: skip


def one_key_changes() -> Iterator[tuple[str, ...]]:
    """Yield changes of one key: every option, every part with every parameter, and the limits of every number."""
    parts = [keys for keys, info in all_keys(Scenario) if choice_in(info) is not None]
    for keys, info in all_keys(Scenario):
        key, choice = ".".join(keys), choice_in(info)
        if choice is not None:
            for name, model in choice.models().items():
                yield (f"{key}={name}",)
                for parameter, field in model.model_fields.items():
                    for value in values_of(field) if parameter != choice.word else ():
                        yield f"{key}={name}", f"{key}.{parameter}={value}"
        elif "*" not in keys and not any(keys[: len(part)] == part for part in parts):
            yield from ((f"{key}={value}",) for value in values_of(info))


LIMITS = ("ge", "gt", "le", "lt")


def within(value: float, bounds: dict[str, float]) -> bool:
    return (
        bounds.get("ge", value) <= value <= bounds.get("le", value)
        and value > bounds.get("gt", value - 1)
        and value < bounds.get("lt", value + 1)
    )


@pytest.mark.parametrize("name", packaged())
def test_a_scenario_that_is_written_and_read_leaves_the_same_values_open(name, tmp_path):
    scenario = load(name, ["radio.access=nr_mode2"])
    (tmp_path / "again.yaml").write_text(to_yaml(scenario))
    again = load(tmp_path / "again.yaml")
    assert resolved(again) == resolved(scenario)
    assert again.automatic == scenario.automatic != {}
    assert load(tmp_path / "again.yaml", ["radio.access=ieee80211p"]).radio.mtu_bytes == 1400


def values_of(info: Any) -> Iterator[Any]:
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    for member in members_of(info.annotation):
        if member is bool:
            yield from ("true", "false")
        elif get_origin(member) is Literal:
            yield from get_args(member)
        elif member in (int, float):
            bounds = {word: getattr(item, word) for item in info.metadata for word in LIMITS if hasattr(item, word)}
            scaled = [default * factor for factor in (0.25, 4)] if type(default) in (int, float) else []
            limits = [bounds[word] for word in ("ge", "le") if word in bounds]
            yield from (member(value) for value in [*limits, *scaled] if within(value, bounds))
    if rule_of(info) is not None:
        yield "auto"


def test_no_single_change_of_a_packaged_scenario_is_refused_because_of_a_default():
    refused, places = {}, packaged()
    for number, change in enumerate(one_key_changes()):
        # The parameters of a part concern no other section, so that one scenario is enough for them. Other changes take turns with
        # the scenarios: all changes in all scenarios take minutes.
        for name in {"demo", places[number % len(places)]} if len(change) == 1 else ["demo"]:
            try:
                load(name, change)
            except ScenarioError as error:
                unexpected = [line for line in str(error).splitlines() if not any(text in line for text in EXPECTED)]
                if unexpected:
                    refused[name, change] = unexpected
    assert not refused
