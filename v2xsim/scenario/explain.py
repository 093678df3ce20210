"""Translation of pydantic's errors into messages that a user of a scenario understands."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from v2xsim.parts import hidden_part, parts_of
from v2xsim.scenario.choices import PartChoice
from v2xsim.scenario.describe import all_keys, described_by, root, slot
from v2xsim.scenario.errors import Document, Keys, PlacedError, Problem, ScenarioError, dotted, enumerated
from v2xsim.scenario.fields import AUTO, Section, rule_of
from v2xsim.scenario.hooks import HOOKS

_MISMATCH = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a section (key: value)",
    "model_type": "a section (key: value)",
    "model_attributes_type": "a section (key: value)",
}

# Words with which other programs switch something off and on.
_OFF = ("off", "no", "false", "null", "disabled", "nothing", "without")
_ON = ("on", "yes", "true", "enabled")
# Most keys that a hint names.
_MOST_HINTS = 3

# pydantic's error types when it cannot decide which part of a kind is meant.
_NO_PART = ("union_tag_invalid", "union_tag_not_found", "model_type", "model_attributes_type", "dict_type")


@dataclass(frozen=True)
class _Finding:
    """One error of pydantic, with its position in the data.

    Attributes:
        keys: Keys that lead to the wrong value in the data, without pydantic's names of union members.
        branches: For every union of types on the way: its position, and the member type that was tried.
        error: The error as pydantic reports it.
    """

    keys: Keys
    branches: tuple[tuple[Keys, str], ...]
    error: dict[str, Any]


def problems(error: ValidationError, data: Any) -> list[Problem]:
    """Return the problems that a validation error of pydantic contains, in the order of the file, at most one for each key."""
    findings = [_placed(dict(item), data) for item in error.errors(include_url=False)]
    by_keys: dict[Keys, Problem] = {}
    for group in _by_place(_likely_branches(findings)):
        by_keys.setdefault(group[0].keys, _with_file(_problem(group, data)))
    # A missing key has no position in the file, so it is sorted with the section above it.
    order = {keys: number for number, keys in enumerate(_all_places(data, ()))}
    return sorted(by_keys.values(), key=lambda problem: order.get(problem.keys, order.get(problem.keys[:-1], 0)))


def section_error(error: ValidationError, section: type[Section], values: dict[str, Any]) -> ScenarioError:
    """Return the error for values that a program gave to a section.

    Args:
        error: Error of pydantic.
        section: Class of the section.
        values: Values of the section, by key.
    """
    with described_by(section, values):
        return Document(f"section {section.__name__}", values).error(problems(error, values))


HOOKS.section_error = section_error


def nearest(word: str, words: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` with the most similar of some words, or an empty text if none is similar."""
    close = get_close_matches(word.lower(), list(words), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def shown(value: Any) -> str:
    """Return a value as text for a message: in YAML's form, shortened if it is long."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return (
            "a section with " + (", ".join(str(key) for key in list(value)[:4]) or "no keys")
            if value
            else "an empty section"
        )
    if isinstance(value, list) and len(value) > 4:
        return f"a list of {len(value)}"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    # A program may give a value that no file can hold, such as an array.
    text = json.dumps(value, default=repr, skipkeys=True)
    return text if len(text) <= 60 else text[:57] + "..."


def _placed(error: dict[str, Any], data: Any) -> _Finding:
    keys: list[str] = []
    branches: list[tuple[Keys, str]] = []
    here = data
    location = [str(part) for part in error["loc"]]
    for number, part in enumerate(location):
        if isinstance(here, dict) and part in here:
            here = here[part]
            keys.append(part)
        elif isinstance(here, list) and part.isdigit() and int(part) < len(here):
            here = here[int(part)]
            keys.append(part)
        elif number == len(location) - 1 and error["type"] == "missing":
            keys.append(part)
        # All other items of pydantic's location are names of union members.
        elif part != "[key]":
            branches.append((tuple(keys), part))
    return _Finding(tuple(keys), tuple(branches), error)


def _likely_branches(findings: Sequence[_Finding]) -> list[_Finding]:
    """Return the errors without those of union members that the user clearly did not mean.

    A member whose only error is a wrong type (such as "this is not a list") was not meant if another member accepts the
    type and reports errors inside the value.
    """
    meant: dict[Keys, set[str]] = {}
    for finding in findings:
        for union_keys, member in finding.branches:
            if finding.keys != union_keys or finding.error["type"] not in (*_MISMATCH, "literal_error"):
                meant.setdefault(union_keys, set()).add(member)
    return [f for f in findings if all(member in meant.get(union_keys, {member}) for union_keys, member in f.branches)]


def _by_place(findings: Sequence[_Finding]) -> list[list[_Finding]]:
    groups: dict[Keys, list[_Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.keys, []).append(finding)
    return list(groups.values())


def _all_places(data: Any, keys: Keys) -> Iterable[Keys]:
    yield keys
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from _all_places(value, (*keys, str(key)))


def _problem(group: Sequence[_Finding], data: Any) -> Problem:
    # A program may give a part itself; a wrong name or section is explained as in a file.
    finding = next((f for f in group if f.error["type"] != "is_instance_of"), group[0])
    keys, error = finding.keys, finding.error
    error_type = str(error["type"])
    given = error.get("input")
    key_slot = slot(keys)
    if error_type in _NO_PART and key_slot is not None and key_slot.choice is not None:
        return Problem(keys, _no_part(key_slot.choice, error, given))
    if len(group) > 1 and all(f.error["type"] in (*_MISMATCH, "literal_error") for f in group):
        return Problem(
            keys,
            f"must be {' or '.join(dict.fromkeys(_expected(f) for f in group))}, got {shown(given)}" + _guess(group),
        )
    if error_type == "extra_forbidden":
        return Problem(keys, _unknown_key(keys, given))
    if error_type == "missing":
        return _missing(keys, data)
    if error_type in _MISMATCH:
        return Problem(keys, f"must be {_expected(finding)}, got {shown(given)}" + _hint(error_type, given, keys))
    if error_type == "literal_error":
        subject = "keys must be" if finding.error["loc"][-1] == "[key]" else "must be"
        return Problem(keys, f"{subject} {error['ctx']['expected']}, got {shown(given)}" + _guess(group))
    if error_type in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        return Problem(keys, f"must be {_limits(keys, error)}, got {shown(given)}")
    if error_type in ("too_short", "too_long"):
        return Problem(keys, _wrong_length(keys, error, given))
    if error_type == "string_pattern_mismatch":
        return Problem(keys, f"must be of letters, digits, '_', '-' and '.' only, got {shown(given)}")
    if error_type in ("string_too_short", "string_too_long"):
        bound = error["ctx"].get("min_length") or error["ctx"].get("max_length")
        return Problem(
            keys,
            f"must have at {'least' if error_type.endswith('short') else 'most'} {bound} characters, got {shown(given)}",
        )
    if error_type == "value_error":
        raised = error.get("ctx", {}).get("error")
        at = (*keys, *raised.keys) if isinstance(raised, PlacedError) else ()
        return Problem(keys, str(error["msg"]).removeprefix("Value error, "), at)
    return Problem(keys, f"{str(error['msg'])[:1].lower()}{str(error['msg'])[1:]}, got {shown(given)}")


def _no_part(choice: PartChoice, error: dict[str, Any], given: Any) -> str:
    """Return the message for a value at which a part should be chosen but that names no part."""
    names, word = list(choice.models()), choice.word
    listed = " or ".join(filter(None, [", ".join(repr(name) for name in names[:-1]), repr(names[-1])]))
    if error["type"] != "union_tag_invalid":
        off = "; did you mean 'none'?" if "none" in names and (given is None or given is False) else ""
        return f"must be {listed}, or a section such as {{{word}: {names[0]}}}, got {shown(given)}{off}"
    # pydantic's error has the name always as text; in the file it may have another type.
    named = given[word] if isinstance(given, dict) else error["ctx"]["tag"]
    if not isinstance(named, str):
        return f"{word} must be {listed}, got {shown(named)}"
    file = hidden_part(choice.base, named)
    if file is not None:
        return f"must be {listed}, got {named!r}; {file} registers it: list that file under plugins"
    return f"must be {listed}, got {shown(named)}{_nearest_part(named, names)}"


def _nearest_part(named: str, names: Sequence[str]) -> str:
    """Return a hint at the part that a user meant; one that is switched off is called `none`."""
    if "none" in names and named.lower() in _OFF:
        return "; did you mean 'none'?"
    return "" if named.lower() in _ON else nearest(named, names)


def _expected(finding: _Finding) -> str:
    error_type = str(finding.error["type"])
    if error_type == "literal_error":
        return str(finding.error["ctx"]["expected"])
    words = _MISMATCH[error_type]
    key_slot = slot(finding.keys)
    if key_slot is None:
        return words
    if error_type in ("model_type", "model_attributes_type") and key_slot.section is not None:
        return f"a section with keys such as {', '.join(list(key_slot.section.model_fields)[:4])}"
    if error_type == "tuple_type" and key_slot.length:
        return f"a list of {key_slot.length} numbers" + (f" ({key_slot.unit})" if key_slot.unit else "")
    limits = key_slot.limits if "number" in words else ""
    words += f", {limits}" if limits else f" ({key_slot.unit})" if key_slot.unit and "number" in words else ""
    return words if rule_of(key_slot.info) is None else f"{words}, or {AUTO}"


def _limits(keys: Keys, error: dict[str, Any]) -> str:
    key_slot = slot(keys)
    if key_slot is not None and key_slot.limits:
        return key_slot.limits
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    return " and ".join(f"{words[name]} {limit:g}" for name, limit in error["ctx"].items() if name in words)


def _wrong_length(keys: Keys, error: dict[str, Any], given: Any) -> str:
    key_slot = slot(keys)
    if key_slot is not None and key_slot.length:
        bound = f"exactly {key_slot.length}"
    elif error["type"] == "too_short":
        bound = f"at least {error['ctx'].get('min_length')}"
    else:
        bound = f"at most {error['ctx'].get('max_length')}"
    unit = f" ({key_slot.unit})" if key_slot is not None and key_slot.unit else ""
    entries = "entry" if bound.endswith(" 1") else "entries"
    return f"must have {bound} {entries}{unit}, got {len(given) if isinstance(given, list | dict) else shown(given)}"


def _missing(keys: Keys, data: Any) -> Problem:
    above = slot(keys[:-1])
    if above is not None and above.length:
        here = data
        for key in keys[:-1]:
            here = here[int(key)] if isinstance(here, list) else here[key]
        return Problem(keys[:-1], f"must have exactly {above.length} entries, got {len(here)}")
    key_slot = slot(keys)
    meaning = f": {key_slot.info.description}" if key_slot is not None and key_slot.info is not None else ""
    return Problem(keys, f"is required{meaning}")


def _unknown_key(keys: Keys, given: Any) -> str:
    above = slot(keys[:-1])
    section = above.section if above is not None else None
    allowed = [info.alias or name for name, info in section.model_fields.items()] if section is not None else []
    if above is not None and above.choice is not None and section is not None:
        return _unknown_parameter(above.choice, section, keys[-1], given)
    guess = _same_words(keys, allowed) or nearest(keys[-1], allowed) or _nearest_elsewhere(keys[-1])
    if keys[:-1] == ("lidars",) and isinstance(given, str) and "carry" in allowed:
        guess = f"; to give a station a rig, write lidars.carry: {{{keys[-1]}: {given}}}"
    return f"unknown key, got {shown(given)}; allowed: {', '.join(allowed)}{guess}"


def _unknown_parameter(choice: PartChoice, section: type[Section], key: str, given: Any) -> str:
    """Return the message for a key that is not a parameter of the chosen part."""
    name = str(section.model_fields[choice.word].default)
    own = [parameter for parameter in section.model_fields if parameter != choice.word]
    owners = [other for other, model in choice.models().items() if key in model.model_fields]
    names_a_part = isinstance(given, str) and given in choice.models()
    if key not in own and (key in ("rule", "scheme", "model") or names_a_part):
        return f"unknown key, got {shown(given)}; the {choice.base.kind.name} is named by '{choice.word}', as in {{{choice.word}: {given}}}"
    if key in choice.models() and isinstance(given, dict | None):
        return (
            f"unknown key; the {choice.base.kind.name} is named by '{choice.word}', and its parameters stand beside that name, as in "
            f"{{{', '.join([f'{choice.word}: {key}', *(f'{name}: {shown(value)}' for name, value in list((given or {}).items())[:2])])}}}"
        )
    # What another part has is hardly a slip of the pen: `share` is none of `heard`.
    owned = f"; it is a parameter of {enumerated(owners)}" if owners else ""
    guess = owned or nearest(key, own) or nearest(key, [choice.word])
    allowed = f"its parameters are {', '.join(own)}" if own else "it has no parameters"
    return f"unknown parameter of {choice.base.kind.name} {name!r}{_from(choice, name)}, got {shown(given)}; {allowed}{guess}"


def _with_file(problem: Problem) -> Problem:
    """Return a problem; if it concerns a parameter of a user's part, the user's file is added to its message."""
    for length in range(1, len(problem.keys)):
        key_slot = slot(problem.keys[:length])
        if key_slot is not None and key_slot.choice is not None and isinstance(key_slot.data, dict):
            name = str(key_slot.data.get(key_slot.choice.word))
            cls = parts_of(key_slot.choice.base).get(name)
            if cls is not None and cls.file is not None and str(cls.file) not in problem.says:
                return Problem(problem.keys, f"{problem.says} ({cls.kind.name} {name!r} of {cls.file})")
    return problem


def _from(choice: PartChoice, name: str) -> str:
    """Return a text for a message that names the user's file of a part; empty for a built-in part."""
    cls = parts_of(choice.base).get(name)
    return f" ({cls.file})" if cls is not None and cls.file is not None else ""


def _same_words(keys: Keys, allowed: Sequence[str]) -> str:
    """Return a hint at keys that have all words of an unknown key, such as `run.duration_s` for `duration`; an empty text if none has.

    The same key in another section is the best hint, then keys of the same section. Many keys with one word, such as `m`, are no hint.
    """
    words = set(keys[-1].lower().split("_"))
    places = [place for place, _ in all_keys(root()) if "*" not in place]
    exact = [place for place in places if place[-1] == keys[-1]]
    own = [(*keys[:-1], name) for name in allowed if words <= set(name.split("_"))]
    some = [place for place in places if words <= set(place[-1].split("_"))]
    for matching in (exact, own, some):
        names = list(dict.fromkeys(map(dotted, sorted(matching, key=len))))
        if 0 < len(names) <= _MOST_HINTS:
            return f"; did you mean {' or '.join(map(repr, names))}?"
    return ""


def _nearest_elsewhere(key: str) -> str:
    """Return a hint at the most similar key of any section; an empty text if none is very similar."""
    places = [place for place, _ in all_keys(root()) if "*" not in place]
    close = get_close_matches(key.lower(), {place[-1] for place in places}, n=1, cutoff=0.8)
    names = list(dict.fromkeys(dotted(place) for place in places if place[-1] in close))
    return f"; did you mean {' or '.join(map(repr, names))}?" if 0 < len(names) <= _MOST_HINTS else ""


def _guess(group: Sequence[_Finding]) -> str:
    given = group[0].error.get("input")
    if not isinstance(given, str):
        return ""
    words = []
    for finding in group:
        if finding.error["type"] == "literal_error":
            words += [w.strip(" '") for w in str(finding.error["ctx"]["expected"]).replace(" or ", ",").split(",")]
    return nearest(given, words)


def _hint(kind: str, given: Any, keys: Keys) -> str:
    if kind in ("list_type", "tuple_type") and isinstance(given, dict) and all(str(key).isdecimal() for key in given):
        return "; there is no list yet of which a key could change an item: give the whole list"
    if kind == "bool_type" and isinstance(given, str) and given.lower() in ("yes", "on", "no", "off", "y", "n"):
        return f"; write {'true' if given.lower() in ('yes', 'on', 'y') else 'false'}"
    if kind.startswith("int") and isinstance(given, float) and given == given // 1:
        return f"; write {given:.0f}"
    if isinstance(given, str) and kind in ("int_type", "float_type") and keys:
        try:
            number = float(given)
        except ValueError:
            return ""
        return "; write it without quotes" if math.isfinite(number) else "; it must be finite"
    if given is not None:
        return ""
    return "; it has no default: give a value" if _has_no_default(keys) else "; remove the line to use the default"


def _has_no_default(keys: Keys) -> bool:
    """Return whether a key must have a value; items of lists must."""
    if keys and str(keys[-1]).isdecimal():
        return True
    return any(
        len(place) == len(keys)
        and all(part in ("*", key) for part, key in zip(place, keys, strict=True))
        and info.is_required()
        for place, info in all_keys(root())
    )
