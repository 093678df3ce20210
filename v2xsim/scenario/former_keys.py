"""Keys of earlier versions that are now parameters of a part: they are still read, or refused with the name of the new key.

So files written for an earlier version keep working. `resolved` and a run's manifest hold the new keys.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from v2xsim.parts import parts_of
from v2xsim.scenario.choices import PartChoice, choices_in
from v2xsim.scenario.errors import Document, Keys, Problem, enumerated
from v2xsim.scenario.fields import Section
from v2xsim.scenario.part_models import made


@dataclass(frozen=True)
class Moved:
    """A key of an earlier version, and the keys that replace it.

    Attributes:
        old: The former key.
        new: The present keys, each as the keys at which a part is chosen and the name of the part's parameter; the name is
            empty for a section whose keys keep their names.
        owners: If the old key was a section, names of the parts whose parameters it held. If none of them is chosen, the
            section has no effect, as in earlier versions. Empty if the old key was a single value.
    """

    old: Keys
    new: tuple[tuple[Keys, str], ...]
    owners: tuple[str, ...] = ()


def moved(old: str, *new: str, owners: tuple[str, ...] = ()) -> Moved:
    """Return a former key with the keys that replace it.

    Args:
        old: The former key, dotted.
        new: Each present key as `key.of.the.choice:parameter`, or without `:parameter` for a whole section.
        owners: If the old key was a section, names of the parts whose parameters it held; otherwise empty.
    """
    places = []
    for target in new:
        part, _, parameter = target.partition(":")
        places.append((tuple(part.split(".")), parameter))
    return Moved(tuple(old.split(".")), tuple(places), owners)


@dataclass(frozen=True)
class Renamed:
    """A key of an earlier version that now has another name or place.

    Attributes:
        old: The former key.
        new: The present key.
        value: Function that returns the present value for a former one.
    """

    old: Keys
    new: Keys
    value: Callable[[Any], Any]


def renamed(old: str, new: str, value: Callable[[Any], Any] = lambda value: value) -> Renamed:
    """Return a former key with the key that replaces it, both dotted."""
    return Renamed(tuple(old.split(".")), tuple(new.split(".")), value)


def with_present_names(document: Document, names: tuple[Renamed, ...]) -> tuple[Document, tuple[str, ...]]:
    """Return a document with former names of keys replaced, and a note that lists them, if there are any.

    Raises:
        ScenarioError: If the document has a key under both names.
    """
    data, place, taken, wrong = document.data, dict(document.place), [], []
    for item in names:
        value = _at(data, item.old)
        above = [_at(data, item.new[:depth]) for depth in range(1, len(item.new))]
        # Where a section is no section, the schema reports it later.
        if value is _ABSENT or any(held is not _ABSENT and not isinstance(held, dict) for held in above):
            continue
        if _at(data, item.new) is not _ABSENT:
            wrong.append(
                Problem(item.old, f"is called {'.'.join(item.new)} now, and the file has both; remove this one")
            )
            continue
        data = _with(_without(data, item.old), item.new, item.value(value))
        for keys in [keys for keys in place if keys[: len(item.old)] == item.old]:
            place[(*item.new, *keys[len(item.old) :])] = place[keys]
        taken.append(item)
    if wrong:
        raise document.error(wrong)
    if not taken:
        return document, ()
    for section in {item.old[0] for item in taken if len(item.old) > 1}:
        if data[section] == {}:
            data = _without(data, (section,))
    listed = ", ".join(f"{'.'.join(item.old)} is {'.'.join(item.new)}" for item in taken)
    return replace(document, data=data, place=place), (
        f"{document.source}: keys have new names: {listed}; the former ones still work",
    )


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


@dataclass
class Present:
    """The content of a file with former keys replaced by present ones.

    Attributes:
        data: Content of the file with present keys only.
        came_from: Former key of each present key that replaced one.
        unused: Former keys of parts that are not chosen, each with a message that they have no effect.
        wrong: Errors in former keys.
    """

    data: Any
    came_from: dict[Keys, Keys] = field(default_factory=dict)
    unused: list[tuple[Keys, str]] = field(default_factory=list)
    wrong: list[Problem] = field(default_factory=list)


def with_present_keys(data: Any, section: type[Section], former: tuple[Moved, ...]) -> Present:
    """Return the content of a file with former keys replaced by present ones.

    Args:
        data: Content of the file, in which every choice of a part is a section that names the part.
        section: Schema of the top level of the file.
        former: The former keys that this kind of file may use.
    """
    choices, present = dict(choices_in(section)), Present(data)
    for item in former:
        value = _at(present.data, item.old)
        if value is _ABSENT:
            continue
        present.data = _without(present.data, item.old)
        (_move_section if item.owners else _move_parameter)(present, item, value, choices)
    return present


def _move_parameter(present: Present, item: Moved, value: Any, choices: Mapping[Keys, PartChoice]) -> None:
    """Move the value of a former key to the chosen parts that have it as a parameter."""
    taken = False
    for keys, parameter in item.new:
        held, model = _chosen(present.data, keys, choices[keys])
        if model is None:
            # The schema reports errors of the choice itself, with the allowed values.
            return
        if parameter not in model.model_fields:
            continue
        if parameter in held:
            present.wrong.append(_twice(item.old, keys))
            return
        present.data = _with(present.data, keys, {**held, parameter: value})
        present.came_from[(*keys, parameter)] = item.old
        taken = True
    if not taken:
        keys, parameter = item.new[0]
        owners = [name for name, model in choices[keys].models().items() if parameter in model.model_fields]
        _leave(present, item.old, choices[keys], owners[0], {parameter: value})
        name = _chosen(present.data, keys, choices[keys])[0][choices[keys].word]
        present.unused.append((item.old, _no_effect(choices[keys], owners, name, keys)))


def _move_section(present: Present, item: Moved, value: Any, choices: Mapping[Keys, PartChoice]) -> None:
    """Move the keys of a former section to the part to which it belongs, if that part is chosen."""
    keys = item.new[0][0]
    choice = choices[keys]
    held, model = _chosen(present.data, keys, choice)
    if model is None:
        return
    name, kind_name = held[choice.word], choice.base.kind.name
    if not isinstance(value, dict):
        present.wrong.append(
            Problem(item.old, f"must be a section with parameters of {kind_name} {' or '.join(item.owners)}")
        )
        return
    if name not in item.owners:
        _leave(present, item.old, choice, item.owners[-1], value, nested=True)
        present.unused.append((item.old, _no_effect(choice, item.owners, name, keys)))
        return
    for key, inner in value.items():
        if key in held:
            present.wrong.append(_twice((*item.old, key), keys))
        elif key not in model.model_fields:
            present.wrong.append(Problem((*item.old, key), _homeless(choice, name, keys, key)))
        else:
            held = {**held, key: inner}
            present.came_from[(*keys, key)] = (*item.old, key)
    present.data = _with(present.data, keys, held)


def _leave(
    present: Present, old: Keys, choice: PartChoice, owner: str, parameters: dict[str, Any], nested: bool = False
) -> None:
    """Record that the former keys of a part that is not chosen have no effect.

    A value that the part would refuse is still an error.
    """
    try:
        made(
            parts_of(choice.base)[owner],
            choice.models()[owner].model_validate_json(json.dumps(parameters), strict=True),
        )
    except ValidationError as error:
        for one_error in error.errors(include_url=False):
            inner = tuple(map(str, one_error["loc"][:1])) if nested else ()
            present.wrong.append(Problem((*old, *inner), _said(one_error)))
    except ValueError as error:
        present.wrong.append(Problem(old, str(error)))


def _no_effect(choice: PartChoice, owners: Sequence[str], name: str, keys: Keys) -> str:
    return f"has no effect: it belongs to {choice.base.kind.name} {enumerated(owners)}, and {'.'.join(keys)} is {name}"


def _chosen(data: Any, keys: Keys, choice: PartChoice) -> tuple[dict[str, Any], type[Section] | None]:
    """Return the section in which a part is chosen, and the model of the chosen part; None if no existing part is chosen."""
    held = _at(data, keys)
    if held is _ABSENT:
        held = {choice.word: choice.default}
    if not isinstance(held, dict):
        return {}, None
    name = held.get(choice.word)
    return held, choice.models().get(name) if isinstance(name, str) else None


def _twice(old: Keys, keys: Keys) -> Problem:
    return Problem(old, f"stands in {'.'.join(keys)}, too; write it there alone")


def _said(one_error: Any) -> str:
    """Return pydantic's message about a value, in the form of v2xsim's other messages."""
    if one_error["type"] == "extra_forbidden":
        return f"is no parameter of the parts that this section is for, got {one_error.get('input')!r}"
    message = str(one_error["msg"]).removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}, got {one_error.get('input')!r}"


def _homeless(choice: PartChoice, name: str, keys: Keys, parameter: str) -> str:
    owners = [other for other, model in choice.models().items() if parameter in model.model_fields]
    kind = choice.base.kind
    if not owners:
        return f"is no parameter of {kind.name} {name}"
    return (
        f"is a parameter of {kind.name} {enumerated(owners)} now, and {'.'.join(keys)} is {name}; remove it, or write "
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
