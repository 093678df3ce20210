"""Every key says what it means, and a resolved scenario is a scenario again."""

import json
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

import v2xsim
from v2xsim.cli.app import app
from v2xsim.scenario import from_data, packaged, resolved, to_yaml
from v2xsim.scenario.errors import ScenarioError
from v2xsim.scenario.schema import Scenario

UNIT_ENDS = {
    "_s": "s", "_ms": "ms", "_m": "m", "_deg": "deg", "_dbm": "dBm", "_db": "dB", "_dbi": "dBi", "_mhz": "MHz", "_ghz": "GHz",
    "_hz": "Hz", "_bytes": "B", "_kmh": "km/h", "_per_km": "1/km", "_per_hour": "1/h",
}  # fmt: skip


def sections_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType, list, dict, tuple, Annotated):
        for inner in get_args(annotation):
            yield from sections_in(inner)


def all_sections(section=Scenario, known=None):
    known = {} if known is None else known
    if section not in known:
        known[section] = True
        for field in section.model_fields.values():
            for inner in sections_in(field.annotation):
                all_sections(inner, known)
    return list(known)


FIELDS = [(s, name) for s in all_sections() for name in s.model_fields]


def test_all_sections_are_found():
    assert len(all_sections()) >= 18
    assert len(FIELDS) > 90


@pytest.mark.parametrize(("section", "name"), FIELDS, ids=[f"{s.__name__}.{n}" for s, n in FIELDS])
def test_every_key_has_a_description_and_quantities_a_unit(section, name):
    field = section.model_fields[name]
    assert field.description
    assert len(field.description) > 5
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    unit = extra.get("unit")
    for end, expected in UNIT_ENDS.items():
        if name.endswith(end) and not any(name.endswith(longer) and len(longer) > len(end) for longer in UNIT_ENDS):
            assert unit is not None
            assert expected in unit
    if field.annotation in (int, float):
        assert unit, "a number without a unit; dimensionless ones say 1"


def test_the_json_schema_carries_descriptions_and_units():
    result = CliRunner().invoke(app, ["schema"])
    assert result.exit_code == 0
    schema = json.loads(result.stdout)
    radio = schema["$defs"]["Radio"]["properties"]
    assert "dBm" in json.dumps(radio["tx_power_dbm"])
    assert all(prop.get("description") for prop in radio.values())
    assert schema["$defs"]["Radio"]["additionalProperties"] is False


@pytest.mark.parametrize("key", [
    "run.seed", "run.begin_s", "run.duration_s", "run.step_s", "world.buildings", "world.region", "traffic.sumocfg", "traffic.fcd",
    "traffic.script", "stations.count", "stations.penetration", "stations.region", "stations.roadside", "lidars.count",
    "lidars.model", "lidars.mounts", "radio.access", "radio.channel", "radio.bandwidth_mhz", "radio.tx_power_dbm",
    "cooperation.awareness_rule", "cooperation.matching", "cooperation.relay", "cooperation.fusion", "cooperation.deadline_ms",
    "cooperation.budget_bytes", "errors.gnss_sigma_m", "errors.heading_sigma_deg", "errors.clock_sigma_ms",
])  # fmt: skip
def test_promised_keys_exist(key):
    section = Scenario
    for part in key.split("."):
        field = section.model_fields[part]
        section = next(sections_in(field.annotation), None)


@pytest.mark.parametrize("name", packaged())
def test_a_packaged_scenario_survives_the_way_through_manifest_and_yaml(name, tmp_path):
    scenario = v2xsim.load(name)
    assert from_data(json.loads(json.dumps(resolved(scenario)))) == scenario
    file = tmp_path / "again.yaml"
    file.write_text(to_yaml(scenario))
    assert v2xsim.load(file) == scenario


def test_a_value_from_outside_replaces_one_and_only_one():
    plain, changed = v2xsim.load("demo"), v2xsim.load("demo", ["radio.tx_power_dbm=3.5"])
    assert changed.radio.tx_power_dbm == 3.5
    assert changed.model_copy(update={"radio": plain.radio}) == plain


def test_lists_and_their_items_can_be_set():
    scenario = v2xsim.load("demo", ["lidars.mounts=[{z_m: 1.0}, {yaw_deg: 90}]", "traffic.script.0.id=first", "stations.include=[]",
                                    "cooperation.egos=all", "lidars.include=[]"])  # fmt: skip
    assert [m.z_m for m in scenario.lidars.mounts] == [1.0, 0.3]
    assert scenario.traffic.script[0].id == "first"


def test_the_seed_option_wins_over_the_file():
    assert v2xsim.load("demo", seed=77).run.seed == 77


def test_a_wrong_value_from_outside_names_the_option():
    with pytest.raises(ScenarioError, match=r"--set radio\.mcs=9: radio\.mcs: must be .*7.*got 9"):
        v2xsim.load("demo", ["radio.mcs=9"])


def test_paths_count_from_the_files_folder(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "trace.xml").write_text("<fcd-export/>")
    file = tmp_path / "deep" / "s.yaml"
    file.write_text("traffic: {fcd: trace.xml}\n")
    assert v2xsim.load(file).traffic.fcd == (tmp_path / "deep" / "trace.xml")
