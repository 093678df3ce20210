"""Every built-in part of every kind keeps what its kind promises, and what a user's own part is held to."""

import dataclasses
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

import numpy as np
import pytest

import v2xsim
from v2xsim.part_trials import TRIALS, try_part
from v2xsim.parts import Above, AtLeast, AtMost, Below, Limit, Part, base_of, parameters_of, parts_of
from v2xsim.scenario import resolved, to_yaml
from v2xsim.scenario.choices import choices_in
from v2xsim.scenario.errors import ScenarioError
from v2xsim.scenario.load import from_data
from v2xsim.scenario.part_models import model_of
from v2xsim.scenario.schema import Scenario

CHOICES = dict(choices_in(Scenario))
PARTS = [(keys, cls) for keys, choice in CHOICES.items() for cls in parts_of(choice.base).values()]


def limits_of(cls, name):
    """Return the limits on a parameter, and whether it is a whole number."""
    annotation = get_type_hints(cls, include_extras=True)[name]
    kept, said = (
        (get_args(annotation)[0], get_args(annotation)[1:]) if get_origin(annotation) is Annotated else (annotation, ())
    )
    return [item for item in said if isinstance(item, Limit)], kept is int or int in get_args(kept)


LIMITS = [
    (keys, cls, field.name, limit, limits_of(cls, field.name)[1])
    for keys, cls in PARTS
    for field in parameters_of(cls)
    for limit in limits_of(cls, field.name)[0]
]


def title(value):
    if isinstance(value, tuple):
        return value[-1]
    if isinstance(value, type) and issubclass(value, Part):
        return value.name
    return f"{type(value).__name__.lower()}_{value.limit:g}" if isinstance(value, Limit) else None


def said(keys, cls, **parameters):
    """Return what a small scenario says that chooses a part."""
    data = {
        "name": "small",
        "run": {"duration_s": 0.2},
        "traffic": {"script": [{"id": "ego", "waypoints": [[0, 0, 0], [10, 50, 0]]}]},
        # Sidelinks take no larger packets in a slot.
        "radio": {"mtu_bytes": 300},
    }
    inner = data
    for key in keys[:-1]:
        inner = inner.setdefault(key, {})
    inner[keys[-1]] = {cls.kind.word: cls.name, **parameters}
    return data


def trouble_with(data):
    try:
        from_data(data)
    except ScenarioError as error:
        return str(error)
    return ""


def chosen(scenario, keys):
    for key in keys:
        scenario = getattr(scenario, key)
    return scenario


def beside(limit, whole, step):
    """Return the number nearest to a limit: on the allowed side (step 1) or on the other (step -1)."""
    up = step if isinstance(limit, AtLeast | Above) else -step
    nearest = int(limit.limit) + up if whole else float(np.nextafter(limit.limit, up * np.inf))
    on_it = isinstance(limit, AtLeast | AtMost) == (step > 0)
    return (int(limit.limit) if whole else float(limit.limit)) if on_it else nearest


def same(one, other):
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if dataclasses.is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def as_a_users(cls):
    """Return the part as one that comes from a user's file, so that its inputs are protected and its answers checked."""
    return type(cls.__name__, (cls,), {"file": Path(inspect.getfile(cls))})()


def test_the_kinds_that_can_be_tried_are_those_that_a_scenario_chooses():
    assert set(TRIALS) == {choice.base for choice in CHOICES.values()}


@pytest.mark.parametrize(("keys", "cls"), PARTS, ids=title)
class TestEveryPart:
    def test_is_a_frozen_dataclass_that_says_what_it_is(self, keys, cls):
        assert cls.__dataclass_params__.frozen
        assert cls.__doc__
        assert not cls.__doc__.startswith(f"{cls.__name__}(")
        assert cls.file is None

    def test_gives_every_parameter_a_meaning_and_every_number_a_unit(self, keys, cls):
        hints = get_type_hints(cls, include_extras=True)
        for field in parameters_of(cls):
            kept, *about = get_args(hints[field.name])
            assert get_origin(hints[field.name]) is Annotated
            assert any(isinstance(item, str) for item in about)
            if kept in (int, float):
                assert model_of(cls).model_fields[field.name].json_schema_extra["unit"] != "none"

    def test_is_read_back_as_it_was_resolved(self, keys, cls, tmp_path):
        scenario = from_data(said(keys, cls))
        assert type(chosen(scenario, keys)) is cls
        # Made from its defaults, which are within its own limits.
        assert chosen(scenario, keys) == cls()
        assert from_data(json.loads(json.dumps(resolved(scenario)))) == scenario
        (tmp_path / "again.yaml").write_text(to_yaml(scenario))
        assert v2xsim.load(tmp_path / "again.yaml") == scenario

    def test_refuses_parameters_that_it_does_not_have(self, keys, cls):
        own = {field.name for field in parameters_of(cls)}
        others = {field.name for other in parts_of(base_of(cls)).values() for field in parameters_of(other)} - own
        for name in ("nonsense", *others):
            with pytest.raises(
                ScenarioError, match=rf"{'.'.join(keys)}\.{name}: unknown parameter of {cls.kind.name} '{cls.name}'"
            ):
                from_data(said(keys, cls, **{name: 1}))

    def test_answers_as_a_users_part_must_and_leaves_its_input_alone(self, keys, cls):
        # What is written to raises, and what is answered wrongly: `v2xsim.plugins.ask`, `v2xsim.part_answers`.
        try_part(as_a_users(cls))

    def test_answers_the_same_to_the_same(self, keys, cls):
        trial, sizes = TRIALS[base_of(cls)]
        for size in sizes:
            assert same(trial(cls(), size), trial(cls(), size))

    def test_is_in_the_schema(self, keys, cls, schema):
        assert f'"const": "{cls.name}"' in schema


@pytest.mark.parametrize(("keys", "cls", "name", "limit", "whole"), LIMITS, ids=title)
def test_every_limit_of_a_parameter_holds_in_a_scenario(keys, cls, name, limit, whole):
    place = rf"{'.'.join(keys)}\.{name}"
    with pytest.raises(ScenarioError, match=rf"{place}: must be"):
        from_data(said(keys, cls, **{name: beside(limit, whole, -1)}))
    # With so extreme a value other keys may not go; its own limits let it pass.
    own = re.compile(rf"{place}: must be (at least|above|at most|below) [^,]*, got")
    assert not own.search(trouble_with(said(keys, cls, **{name: beside(limit, whole, 1)})))


@pytest.fixture(scope="module")
def schema():
    return json.dumps(Scenario.model_json_schema())


def test_limits_of_both_sides_and_kinds_are_there_to_be_tested():
    assert {type(limit) for *_, limit, _ in LIMITS} <= {AtLeast, Above, AtMost, Below}
    assert len(LIMITS) > 40


def test_only_a_check_that_runs_the_traffic_loads_compiled_code_and_none_loads_torch():
    script = (
        "import sys\n"
        "from v2xsim.parts import parts_of\n"
        "from v2xsim.scenario.choices import choices_in\n"
        "from v2xsim.scenario.schema import Scenario\n"
        "for _, choice in choices_in(Scenario): assert parts_of(choice.base)\n"
        "from v2xsim.cli.app import app\n"
        "for said in (['--help'], ['schema'], ['check', 'demo', '--no-traffic'], ['check', 'demo']):\n"
        "    try: app(said, standalone_mode=False)\n"
        "    except SystemExit as left: assert not left.code\n"
        "    print([name for name in ('torch', 'numba', 'numba.core') if name in sys.modules], file=sys.stderr)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stderr.splitlines() == ["[]", "[]", "[]", "['numba', 'numba.core']"]
