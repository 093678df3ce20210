"""The sweeps of a study: one for each family, whose settings are all rules with all values of their load axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from v2xsim.scenario.errors import Document, Keys, ScenarioError
from v2xsim.scenario.explain import nearest
from v2xsim.scenario.fields import AUTO
from v2xsim.scenario.load import resolved
from v2xsim.scenario.schema import Scenario
from v2xsim.study.axes import canonical
from v2xsim.study.labels import counted, word_text
from v2xsim.study.plan import Plan, plan_of
from v2xsim.study.studyfile import Family, Member, Rule, StudyFile, members_of, rules_of

Purpose = Literal["development", "test"]
"""Which seeds of a study run."""


@dataclass(frozen=True)
class FamilyPlan:
    """The sweep of one family.

    Attributes:
        name: Name of the family, and of its folder.
        family: The family in the study file; of several by `vary`, the same for all.
        plan: Plan of the sweep.
    """

    name: str
    family: Family
    plan: Plan


def settings_of_rules(file: StudyFile) -> tuple[tuple[Rule, int | float], ...]:
    """Return rule and value of the load axis of each setting of a family, in the order of its sweep."""
    return tuple((rule, value) for rule in rules_of(file) for value in rule.load.values)


def plans_of(
    file: StudyFile, document: Document, folder: Path, purpose: Purpose, families: Sequence[str] = ()
) -> tuple[FamilyPlan, ...]:
    """Return the sweeps of a study.

    Args:
        file: The study file.
        document: Its content, with the line of each key.
        folder: Folder from which paths in the file count.
        purpose: Which seeds run.
        families: Names of the families to run; all if empty.

    Raises:
        ScenarioError: If a scenario or a setting is not valid, or a family is unknown.
    """
    members = members_of(file)
    names = [member.name for member in members]
    for wanted in families:
        if wanted not in names:
            raise ScenarioError(
                f"--family: must be one of the families of {document.source}, {', '.join(names)}, got {wanted!r}{nearest(wanted, names)}"
            )
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise ScenarioError(
            f"{document.where(('families',))}: families: two families have the name {doubled}; rename one"
        )
    return tuple(
        FamilyPlan(member.name, member.family, _plan(file, document, folder, member, getattr(file.seeds, purpose)))
        for member in members
        if not families or member.name in families
    )


def _plan(file: StudyFile, document: Document, folder: Path, member: Member, seeds: Sequence[int]) -> Plan:
    fixed = {**file.fixed, **member.family.fixed, **member.chosen}
    _check_owners(file, document, member, fixed)
    place: dict[Keys, str] = {
        ("scenario",): document.where(("families", member.key, "scenario")),
        **{("set", key): _place_of(document, member, key) for key in fixed},
    }
    beside = folder / member.family.scenario
    data = {
        "name": member.name, "question": file.question, "scenario": str(beside if beside.exists() else member.family.scenario),
        "set": fixed, "seeds": list(seeds), "threads": file.threads,
    }  # fmt: skip
    if file.timeout_s is not None:
        data["timeout_s"] = file.timeout_s
    source = f"{document.source}: {member.name}"
    base = plan_of(Document(source, data, place, {(): folder})).scenario
    settings = settings_of_rules(file)
    keys = list(dict.fromkeys(key for rule, _ in settings for key in (*rule.values, rule.load.key)))
    usual = {key: _value_in(base, key, document, _owner(file, key)) for key in keys}
    rows = [{**usual, **rule.values, rule.load.key: value} for rule, value in settings]
    for number, (rule, _) in enumerate(settings):
        for key in keys:
            place["list", str(number), key] = _rule_place(document, rule, key)
    # A key that a rule sets has a value in each row: its own, or that of `set` for the rules without one.
    of_rules = {key for rule, _ in settings for key in rule.values}
    data["set"] = {key: value for key, value in fixed.items() if key not in of_rules}
    plan = plan_of(Document(source, {**data, "list": rows}, place, {(): folder}))
    _check_bounds(file, document, plan)
    return replace(plan, owners=tuple(rule.name for rule, _ in settings))


def _check_bounds(file: StudyFile, document: Document, plan: Plan) -> None:
    """Raise an error if a rule that is no bound sees the truth, or needs no radio: it would compete with rules that cannot."""
    for (rule, _), scenario in zip(settings_of_rules(file), plan.scenarios, strict=True):
        work = scenario.cooperation
        seen = f"cooperation.bound {work.bound.name}" if work.bound.sees else "cooperation.transport synchronous"
        if rule.name not in file.bounds and (work.bound.sees or work.transport == "synchronous"):
            raise ScenarioError(
                f"{document.where(rule.place)}: {rule.name} must be listed under bounds, since it runs with {seen}; a rule that is compared must not"
            )


def _check_owners(file: StudyFile, document: Document, member: Member, fixed: Mapping[str, Any]) -> None:
    """Raise an error if nobody knows which value of a key counts: one of `vary` and of a rule, or one of a family and of a load axis."""
    for rule in rules_of(file):
        for key, others in (*((key, member.chosen) for key in rule.values), (rule.load.key, fixed)):
            if key in others:
                raise ScenarioError(
                    f"{_rule_place(document, rule, key)}: {key} must be set in one place, but {_place_of(document, member, key)} sets it for "
                    f"{member.name}, too; remove one of them"
                )


def _place_of(document: Document, member: Member, key: str) -> str:
    """Return file and line of a value of a family: of the last block that sets it."""
    blocks: tuple[Keys, ...] = (
        ("families", member.key, "vary", key),
        ("families", member.key, "set", key),
        ("set", key),
    )
    return document.where(next((keys for keys in blocks if keys in document.place), blocks[-1]))


def _rule_place(document: Document, rule: Rule, key: str) -> str:
    """Return file and line of a value of a rule, with the rule's name unless the value is of the load axis of all rules."""
    own_load = (*rule.place, "load")
    if key == rule.load.key and own_load not in document.place:
        return document.where(("load", "key"))
    keys = (*rule.place, key) if key in rule.values else own_load if key == rule.load.key else rule.place
    return f"{document.where(keys)}: {rule.name}"


def _owner(file: StudyFile, key: str) -> Rule:
    """Return the first rule that sets a key."""
    return next(rule for rule in rules_of(file) if key in rule.values or key == rule.load.key)


def _value_in(scenario: Scenario, key: str, document: Document, rule: Rule) -> Any:
    """Return the value of a key in a scenario, for the rules that do not set it.

    Raises:
        ScenarioError: If the scenario has no such key, so that nobody knows what the other rules run with.
    """
    if key in scenario.automatic:
        return AUTO
    value: Any = resolved(scenario)
    for part in key.split("."):
        if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, Mapping) and part in value:
            value = value[part]
        else:
            known = list(value) if isinstance(value, Mapping) else []
            raise ScenarioError(
                f"{_rule_place(document, rule, key)}: {key}: the scenario of a family has no such key{nearest(part, map(str, known))}; "
                "write a part with its parameters as one value, such as cooperation.relay: {rule: hybrid, weight: 0}"
            )
    return value


def setting_rows(file: StudyFile, settings: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Return, for each rule, the rows of its settings in a family's sweep, in the order of its load axis.

    Args:
        file: The study file with which the sweep was run.
        settings: Settings of the sweep, in their order.

    Raises:
        ValueError: If the settings are not those of the study file.
    """
    wanted = settings_of_rules(file)
    if len(settings) != len(wanted):
        raise ValueError(f"it has {counted(len(settings), 'setting')}, not {len(wanted)}")
    rows: dict[str, list[int]] = {}
    for row, (rule, value) in enumerate(wanted):
        for key, own in {**rule.values, rule.load.key: value}.items():
            if key not in settings[row] or canonical(settings[row][key]) != canonical(own):
                raise ValueError(f"setting {row} is not {rule.name} with {key}={word_text(own)}")
        rows.setdefault(rule.name, []).append(row)
    return rows
