"""The YAML file of a study that compares rules at equal channel load: families of scenarios, rules, the load axis, seeds and the analysis.

It is the plan of the study: everything that decides about a verdict is in it, so that it can be fixed before the test seeds run.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from v2xsim.evaluation.catalogue import KINDS
from v2xsim.scenario.errors import Document, Keys, PlacedError, ScenarioError
from v2xsim.scenario.explain import nearest
from v2xsim.scenario.fields import Section, choice, quantity
from v2xsim.scenario.load import PACKAGED, document_of_kind, section_in
from v2xsim.scenario.mistaken import Kind
from v2xsim.study.labels import word_text
from v2xsim.study.sweepfile import Seed, Values

RULE_KEY = "cooperation.relay"
"""Key that a rule sets which is given by its name only."""

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=_NAME, max_length=60)]
Loads = Annotated[list[Annotated[float, Field(gt=0.0)]], Field(max_length=50)]
_ORDER = "must rise or fall throughout, from the least load to the most"
_BUSY = "channel_busy_ratio"
SomeLoads = Annotated[Loads, Field(min_length=1)]
Numbers = Annotated[list[int | float], Field(min_length=2, max_length=100)]


class LoadAxis(Section):
    """The key that sets the channel load, with its values: each rule runs with each of them."""

    key: str = choice(..., "Dotted key of the scenario that sets the load, such as a budget or a rate")
    values: Numbers = choice(
        ..., "Values of the key, from the one that loads the channel least to the one that loads it most"
    )

    @model_validator(mode="after")
    def _ordered(self) -> "LoadAxis":
        if not _is_monotonic(self.values):
            raise PlacedError(("values",), f"values: {_ORDER}, got {self.values}")
        return self


class Family(Section):
    """A scenario in which the rules are compared, with the channel loads at which they are."""

    scenario: str = choice(
        ...,
        "A scenario file (YAML; paths are relative to this file's folder), or a packaged scenario such as nlos_grid",
    )
    fixed: dict[str, Any] = choice({}, "Values of this family, by dotted key", alias="set")
    vary: dict[str, Values] = choice(
        {}, "Keys that make more families of this one: one for each combination of the values, such as shares of trucks"
    )
    loads: SomeLoads | dict[str, SomeLoads] = choice(
        ...,
        "Loads at which the rules are compared, in the unit of load_metric; channel busy ratios are below 1: a list, or, with vary, a map with a list for each of its families",
    )
    recommended: Loads | dict[str, Loads] = choice(
        [],
        "Those of the loads at which the reference is recommended: there the claim of the study is tested; a list, or lists by name as for loads",
    )


class Seeds(Section):
    """Seeds of the runs; test seeds are run once, after the plan is fixed."""

    development: Annotated[list[Seed], Field(min_length=1, max_length=10_000)] = choice(
        ..., "Seeds with which a study is developed: loads, weights and the number of test seeds come from them"
    )
    test: Annotated[list[Seed], Field(min_length=1, max_length=10_000)] = choice(
        ..., "Seeds of the test; none of the development seeds"
    )

    @model_validator(mode="after")
    def _apart(self) -> "Seeds":
        for name in ("development", "test"):
            if len(set(getattr(self, name))) != len(getattr(self, name)):
                raise PlacedError((name,), f"{name}: seeds must differ")
        if shared := sorted(set(self.development) & set(self.test)):
            raise PlacedError(("test",), f"test: must have no development seed, got {shared[0]}")
        return self


class StudyFile(Section):
    """A study: rules are compared with a reference rule at equal channel load, in families of scenarios, paired by seed."""

    name: Name = choice(..., "Short name; also the name of the folder")
    question: str = choice("", "Question that the study should answer; shown at the top of the report", max_length=2000)
    metric: str = choice(..., "Metric on which the rules are compared; docs/reference/metrics.md lists all")
    better: Literal["higher", "lower"] = choice("higher", "Direction in which the metric is better")
    also: list[str] = choice([], "Other metrics to report at the same loads, without verdicts")
    load_metric: str = choice(
        _BUSY, "Metric that is the channel load, such as on_air for the bytes of all stations per second"
    )
    load: LoadAxis = choice(..., "Key that sets the channel load, with its values")
    fixed: dict[str, Any] = choice({}, "Values of all families, by dotted key", alias="set")
    families: dict[Name, Family] = choice(..., "Families of scenarios, by name", min_length=1, max_length=200)
    rules: Annotated[list[str | dict[str, dict[str, Any]]], Field(min_length=2, max_length=200)] = choice(
        ...,
        "Rules to compare. Each is the name of a relay rule, or a name of your choice with the keys that it sets, such as "
        "direct: {cooperation.relay: none}. The key `load` among them gives the rule a load axis of its own: {key: ..., values: [...]}",
    )
    reference: str = choice(..., "Name of the rule with which each other rule is compared")
    beats: list[str] = choice(
        [], "Rules that the reference must beat, where it is recommended, for the claim to be supported"
    )
    bounds: list[str] = choice(
        [], "Rules that know more than a rule can know: reported, but no competitors, so they are not tested"
    )
    direct: str | None = choice(None, "Rule that counts as 0 of the way to the oracle")
    oracle: str | None = choice(None, "Rule that counts as 1 of the way from direct")
    seeds: Seeds = choice(..., "Seeds of the development and of the test")
    margin: float = quantity(
        0.01, "1", "Difference up to which two rules are as good as equal, in the unit of the metric", gt=0
    )
    confidence: float = quantity(0.95, "1", "Confidence level of all intervals", ge=0.5, le=0.999)
    half_width: float = quantity(
        0.01, "1", "Half width that the interval of a difference should have, in the unit of the metric", gt=0
    )
    half_widths: dict[str, Annotated[float, Field(gt=0)]] = choice({}, "Other half widths, by name of the other rule")
    threads: int = quantity(1, "1", "Number of threads of each point", ge=1, le=256)
    timeout_s: float | None = quantity(None, "s", "Time after which a point is stopped and counts as failed", gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> "StudyFile":
        names = [rule.name for rule in self._rules()]
        for number, name in enumerate(names):
            if not re.fullmatch(_NAME, name):
                raise PlacedError(
                    ("rules", str(number)),
                    f"rules: must have names of letters, digits, dots, hyphens and underscores that begin with a letter or a digit, got {name!r}",
                )
            if name in names[:number]:
                raise PlacedError(
                    ("rules", str(number)), f"rules: {name} is given twice; rules must have different names"
                )
        for place, name in self._named_rules():
            if name not in names:
                raise PlacedError(
                    place,
                    f"{place[0]}: must be the name of a rule, got {name!r}{nearest(name, names)}; rules are {', '.join(names)}",
                )
        for place, name in (
            (("metric",), self.metric),
            (("load_metric",), self.load_metric),
            *_items("also", self.also),
        ):
            if name not in KINDS:
                raise PlacedError(
                    place,
                    f"{place[0]}: must be a metric, got {name!r}{nearest(name, KINDS)}; v2xsim schema metrics lists all",
                )
        if self.load_metric == self.metric:
            raise PlacedError(
                ("load_metric",),
                f"load_metric: must not be the metric, {self.metric}: rules at an equal value of it do not differ in it",
            )
        for key in ("beats", "bounds"):
            if self.reference in getattr(self, key):
                raise PlacedError((key,), f"{key}: must not have the reference, {self.reference}")
        self._check_loads()
        if (self.direct is None) != (self.oracle is None):
            missing = "oracle" if self.oracle is None else "direct"
            given = "direct" if missing == "oracle" else "oracle"
            raise PlacedError((given,), f"{given}: needs {missing}, the other end of the way")
        if self.oracle is not None and self.oracle not in self.bounds:
            raise PlacedError(
                ("oracle",), f"oracle: must be one of bounds, got {self.oracle!r}; nothing is tested against it"
            )
        return self

    def _check_loads(self) -> None:
        """Refuse loads by name that do not have each family once, and recommended loads that are no loads."""
        for key, family in self.families.items():
            members = [member for member in members_of(self) if member.key == key]
            names = [member.name for member in members]
            for field, given in (("loads", family.loads), ("recommended", family.recommended)):
                for name in given if isinstance(given, dict) else ():
                    if name not in names:
                        raise PlacedError(
                            ("families", key, field, name),
                            f"families.{key}.{field}: must have the names of its families, {', '.join(names)}, got {name!r}{nearest(name, names)}",
                        )
            for member in members:
                if not member.loads:
                    raise PlacedError(
                        ("families", key, "loads"), f"families.{key}.loads: must have a list of loads for {member.name}"
                    )
                by_name = (member.name,) if isinstance(family.loads, dict) else ()
                for number, load in enumerate(member.loads):
                    if self.load_metric == _BUSY and load >= 1.0:
                        raise PlacedError(
                            ("families", key, "loads", *by_name, str(number)),
                            f"families.{key}.loads.{number}: must be below 1, as a channel busy ratio is, got {load:g}; another load_metric has other units",
                        )
                    if load in member.loads[:number]:
                        raise PlacedError(
                            ("families", key, "loads", *by_name),
                            f"families.{key}.loads: must differ, got {load:g} twice",
                        )
                for number, load in enumerate(member.recommended):
                    if load not in member.loads:
                        by_name = (member.name,) if isinstance(family.recommended, dict) else ()
                        raise PlacedError(
                            ("families", key, "recommended", *by_name, str(number)),
                            f"families.{key}.recommended: must be one of loads of {member.name}, got {load:g}",
                        )

    def _named_rules(self) -> Iterator[tuple[Keys, str]]:
        """Yield each place that names a rule, with the name."""
        yield ("reference",), self.reference
        yield from _items("beats", self.beats)
        yield from _items("bounds", self.bounds)
        yield from ((("half_widths", name), name) for name in self.half_widths)
        yield from (((key,), name) for key in ("direct", "oracle") if (name := getattr(self, key)) is not None)

    def _rules(self) -> tuple["Rule", ...]:
        return tuple(_rule(self, number) for number in range(len(self.rules)))

    def compared(self) -> list[str]:
        """Return the names of the rules that are compared with the reference: all others but the bounds."""
        return [rule.name for rule in rules_of(self) if rule.name != self.reference and rule.name not in self.bounds]

    def wanted_half_width(self, rule: str) -> float:
        """Return the half width that the interval of the difference from a rule should have."""
        return self.half_widths.get(rule, self.half_width)


@dataclass(frozen=True)
class Rule:
    """One of the rules of a study.

    Attributes:
        name: Name of the rule.
        values: Values that it sets, by dotted key.
        load: Its load axis.
        place: Keys in the study file that lead to it.
    """

    name: str
    values: dict[str, Any]
    load: LoadAxis
    place: Keys


def rules_of(file: StudyFile) -> tuple[Rule, ...]:
    """Return the rules of a study in the order of its file."""
    return file._rules()


def _rule(file: StudyFile, number: int) -> Rule:
    place: Keys = ("rules", str(number))
    written = file.rules[number]
    if isinstance(written, str):
        return Rule(written, {RULE_KEY: written}, file.load, place)
    if len(written) != 1:
        raise PlacedError(place, f"rules: must have one name with the keys that it sets, got {len(written)} names")
    ((name, values),) = written.items()
    place = (*place, name)
    own = values.get("load")
    if own is not None and not (
        isinstance(own, dict)
        and set(own) == {"key", "values"}
        and isinstance(own["key"], str)
        and _are_numbers(own["values"])
    ):
        raise PlacedError(
            (*place, "load"),
            f"{name}: load: must be a load axis: {{key: KEY, values: [A, B, ...]}} with at least two numbers",
        )
    if own is not None and not _is_monotonic(own["values"]):
        raise PlacedError((*place, "load"), f"{name}: load: values: {_ORDER}, got {own['values']}")
    axis = file.load if own is None else LoadAxis(key=own["key"], values=own["values"])
    rest = {key: value for key, value in values.items() if key != "load"}
    if axis.key in rest:
        raise PlacedError((*place, axis.key), f"{name}: {axis.key} is the load axis, so the rule cannot set it")
    return Rule(name, rest, axis, place)


def _is_monotonic(values: Sequence[int | float]) -> bool:
    """Return whether values rise throughout, or fall throughout."""
    steps = [later - former for former, later in itertools.pairwise(values)]
    return all(step > 0 for step in steps) or all(step < 0 for step in steps)


def _are_numbers(values: Any) -> bool:
    return (
        isinstance(values, list)
        and len(values) >= 2
        and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    )


@dataclass(frozen=True)
class Member:
    """One of the families of scenarios of a study, with the values of `vary` chosen.

    Attributes:
        name: Name of the family, with the values by which it differs from its siblings.
        key: Name of the family in the file.
        family: The family in the file.
        chosen: Values of the keys under `vary`.
        loads: Channel loads at which the rules are compared.
        recommended: Those of them at which the reference is recommended.
    """

    name: str
    key: str
    family: Family
    chosen: Mapping[str, Any]
    loads: Sequence[float]
    recommended: Sequence[float]


def members_of(file: StudyFile) -> tuple[Member, ...]:
    """Return the families of a study in the order of its file, one for each combination of the values of `vary`."""
    members = []
    for key, family in file.families.items():
        for values in itertools.product(*family.vary.values()):
            chosen = dict(zip(family.vary, values, strict=True))
            ending = [f"{name.rsplit('.', 1)[-1]}={word_text(value)}" for name, value in chosen.items()]
            # The name is that of a folder, too.
            name = re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join([key, *ending]))[:80]
            loads, recommended = (
                given.get(name, ()) if isinstance(given, dict) else given
                for given in (family.loads, family.recommended)
            )
            members.append(Member(name, key, family, chosen, loads, recommended))
    return tuple(members)


def _items(key: str, names: Sequence[str]) -> Iterator[tuple[Keys, str]]:
    return (((key, str(number)), name) for number, name in enumerate(names))


def read_study_file(path: str | Path) -> tuple[StudyFile, Document, Path]:
    """Return a study file, its content with the line of each key, and the file itself.

    Args:
        path: The file, or the name of a study that comes with v2xsim.

    Raises:
        ScenarioError: If the file cannot be read or is not a study file.
    """
    file = Path(path)
    if not file.exists():
        packaged = sorted(each.stem for each in (PACKAGED / "studies").glob("*.yaml"))
        if str(path) not in packaged:
            raise ScenarioError(
                f"{path}: must be an existing study file, or the name of a packaged study; these are {', '.join(packaged)}{nearest(file.name, packaged)}"
            )
        file = PACKAGED / "studies" / f"{path}.yaml"
    document = document_of_kind(file, str(path), Kind.STUDY)
    return section_in(document, file.parent, StudyFile), document, file
