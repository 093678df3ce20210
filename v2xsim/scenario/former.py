"""Keys of earlier versions that are parameters of a part now: read as what they mean, or refused with the new place.

Files written for an earlier version keep working. What `resolved` returns, and what a run's manifest holds, is the new form.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from v2xsim.parts import parts_of
from v2xsim.scenario.choices import PartChoice, choices_in, made
from v2xsim.scenario.errors import Keys, Problem
from v2xsim.scenario.fields import Section


@dataclass(frozen=True)
class Moved:
    """A former key.

    Attributes:
        old: Where it stood.
        new: Keys at which a part is chosen, and the name of the parameter there; empty for a section whose keys keep their names.
        owners: Parts that a section is for: where another part is chosen, the section says nothing, as it never did.
    """

    old: Keys
    new: tuple[tuple[Keys, str], ...]
    owners: tuple[str, ...] = ()


def moved(old: str, *new: str, owners: tuple[str, ...] = ()) -> Moved:
    """Return a former key and its present places, each written `key.of.the.choice:parameter`; no parameter for a whole section."""
    places = []
    for place in new:
        part, _, parameter = place.partition(":")
        places.append((tuple(part.split(".")), parameter))
    return Moved(tuple(old.split(".")), tuple(places), owners)


CSMA, SIDELINK = ("ieee80211p",), ("lte_mode4", "nr_mode2")

SCENARIO = (
    moved("cooperation.relay_weight", "cooperation.relay:weight"),
    moved("cooperation.awareness_hz", "cooperation.awareness_rule:rate_hz"),
    moved("cooperation.voxel_m", "cooperation.fusion:voxel_m"),
    moved("radio.ieee80211p", "radio.access:", owners=CSMA),
    moved("radio.sidelink", "radio.access:", owners=SIDELINK),
    moved("radio.propagation.exponent", "radio.channel:exponent"),
    moved("radio.propagation.permittivity", "radio.channel:permittivity"),
    moved(
        "radio.propagation.environment_height_m", "radio.channel:environment_height_m",
        "radio.propagation.building_loss:environment_height_m",
    ),
    moved("radio.propagation.street_width_m", "radio.propagation.building_loss:street_width_m"),
    moved("radio.propagation.nakagami", "radio.propagation.fading:shapes"),
    moved("radio.propagation.rician_k_db", "radio.propagation.fading:k_db"),
)  # fmt: skip


def with_present_keys(
    data: Any, section: type[Section], former: tuple[Moved, ...]
) -> tuple[Any, dict[Keys, Keys], list[Problem]]:
    """Return what a file says with former keys at their present places, which key came from where, and what is wrong with some.

    Args:
        data: What the file says, every choice written as a section that names its part.
        section: What stands at the top of the file.
        former: The former keys of that kind of file.
    """
    choices, came_from, wrong = dict(choices_in(section)), {}, []
    for item in former:
        value = _at(data, item.old)
        if value is _ABSENT:
            continue
        place = _section if item.owners else _parameter
        data, origin, problems = place(data, item, value, choices)
        data = _without(data, item.old)
        came_from.update(origin)
        wrong += problems
    return data, came_from, wrong


Placed = tuple[Any, dict[Keys, Keys], list[Problem]]


def _parameter(data: Any, item: Moved, value: Any, choices: Mapping[Keys, PartChoice]) -> Placed:
    """Return the data with a value as the parameter of the parts that take it."""
    origin: dict[Keys, Keys] = {}
    for keys, parameter in item.new:
        held, model = _chosen(data, keys, choices[keys])
        if model is None:
            # Whatever is wrong with the choice is for the schema to say.
            return data, {}, []
        if parameter not in model.model_fields:
            continue
        if parameter in held:
            return data, {}, [_twice(item.old, keys)]
        data = _with(data, keys, {**held, parameter: value})
        origin[(*keys, parameter)] = item.old
    if origin:
        return data, origin, []
    keys, parameter = item.new[0]
    name = _chosen(data, keys, choices[keys])[0][choices[keys].word]
    return data, {}, [Problem(item.old, _homeless(choices[keys], name, keys, parameter))]


def _section(data: Any, item: Moved, value: Any, choices: Mapping[Keys, PartChoice]) -> Placed:
    """Return the data with the keys of a section as parameters of the part that it is for, if that part is chosen."""
    keys = item.new[0][0]
    choice = choices[keys]
    held, model = _chosen(data, keys, choice)
    if model is None:
        return data, {}, []
    name, kind = held[choice.word], choice.base.kind.name
    if not isinstance(value, dict):
        return data, {}, [Problem(item.old, f"must be a section with parameters of {kind} {' or '.join(item.owners)}")]
    if name not in item.owners:
        # As before, the section waits for its scheme; but what no scheme could take is wrong all the same.
        widest = item.owners[-1]
        try:
            made(
                parts_of(choice.base)[widest],
                choice.models()[widest].model_validate_json(json.dumps(value), strict=True),
            )
        except ValidationError as error:
            found = error.errors(include_url=False)
            return data, {}, [Problem((*item.old, *map(str, f["loc"][:1])), _said(f)) for f in found]
        except ValueError as error:
            return data, {}, [Problem(item.old, str(error))]
        return data, {}, []
    wrong = [_twice((*item.old, key), keys) for key in value if key in held]
    wrong += [
        Problem((*item.old, key), _homeless(choice, name, keys, key)) for key in value if key not in model.model_fields
    ]
    known = {key: inner for key, inner in value.items() if key in model.model_fields}
    origin = {(*keys, key): (*item.old, key) for key in known}
    return _with(data, keys, {**held, **known}), origin, wrong


def _chosen(data: Any, keys: Keys, choice: PartChoice) -> tuple[dict[str, Any], type[Section] | None]:
    """Return what a file says of a choice, and the model of the part chosen; None where it chooses none that there is."""
    held = _at(data, keys)
    if held is _ABSENT:
        held = {choice.word: choice.default}
    if not isinstance(held, dict):
        return {}, None
    name = held.get(choice.word)
    return held, choice.models().get(name) if isinstance(name, str) else None


def _twice(old: Keys, keys: Keys) -> Problem:
    return Problem(old, f"stands in {'.'.join(keys)}, too; write it there alone")


def _said(found: Any) -> str:
    """Return what pydantic says of a value, in the form of other messages."""
    message = str(found["msg"]).removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}, got {found.get('input')!r}"


def _homeless(choice: PartChoice, name: str, keys: Keys, parameter: str) -> str:
    owners = [other for other, model in choice.models().items() if parameter in model.model_fields]
    kind = choice.base.kind
    if not owners:
        return f"is no parameter of {kind.name} {name}"
    return (
        f"is a parameter of {kind.name} {' and '.join(owners)} now, and {'.'.join(keys)} is {name}; remove it, or write "
        f"{'.'.join(keys)}: {{{kind.word}: {owners[0]}, {parameter}: ...}}"
    )


class _Absent:
    pass


_ABSENT = _Absent()


def _at(data: Any, keys: Keys) -> Any:
    for key in keys:
        if not isinstance(data, dict) or key not in data:
            return _ABSENT
        data = data[key]
    return data


def _with(data: Any, keys: Keys, value: Any) -> Any:
    if not keys:
        return value
    held = data if isinstance(data, dict) else {}
    return {**held, keys[0]: _with(held.get(keys[0], {}), keys[1:], value)}


def _without(data: Any, keys: Keys) -> Any:
    if len(keys) == 1:
        return {key: value for key, value in data.items() if key != keys[0]}
    return {**data, keys[0]: _without(data[keys[0]], keys[1:])}
