"""What a study found: its curves, the values of its rules at equal load, the differences with their verdicts, and its claim.

Loads are equalised as `v2xsim.study.equal_load` describes. A seed in which one point of a family is missing is left out of that family.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from v2xsim.study.equal_load import AtLoads, at_loads, best_within, used_seeds
from v2xsim.study.folders import StudyError
from v2xsim.study.gather import RESULTS
from v2xsim.study.statistics import Paired, paired
from v2xsim.study.store import MANIFEST as SWEEP_MANIFEST
from v2xsim.study.studies import Study, read_study
from v2xsim.study.study_plan import setting_rows
from v2xsim.study.studyfile import Member, StudyFile, members_of, rules_of
from v2xsim.study.verdicts import Differences, Ratio, Verdict, differences, share_of_way


@dataclass(frozen=True)
class FamilyRuns:
    """The runs of one family.

    Attributes:
        member: The family.
        study: Its sweep.
        rows: Rows of the settings of each rule, in the order of its load axis.
        used: Which seeds are used: those of which no point of the primary metric or the load is missing.
        lost: Rules of which a point is missing in every seed; the others are compared without them.
    """

    member: Member
    study: Study
    rows: Mapping[str, list[int]]
    used: Bool[np.ndarray, " seeds"]
    lost: tuple[str, ...]

    @property
    def left_out(self) -> tuple[int, ...]:
        """Seeds that are not used."""
        return tuple(seed for seed, used in zip(self.study.seeds, self.used.tolist(), strict=True) if not used)

    @property
    def name(self) -> str:
        """Name of the family."""
        return self.member.name

    def curve(self, rule: str, metric: str) -> Float[np.ndarray, "settings seeds"]:
        """Return a metric of a rule along its load axis, in all seeds."""
        return self.study.of(metric)[self.rows[rule]]


@dataclass(frozen=True)
class Comparison:
    """What is compared in one entry of the differences.

    Attributes:
        family: The family.
        rule: Rule that the reference is compared with.
        load: Channel busy ratio.
        column: Column of the load in the loads of the family.
    """

    family: FamilyRuns
    rule: str
    load: float
    column: int

    @property
    def recommended(self) -> bool:
        """Whether the plan recommends the reference there."""
        return self.load in self.family.member.recommended


@dataclass(frozen=True)
class Claim:
    """Whether the claim of a study holds at one load of one family where its plan recommends the reference.

    Attributes:
        family: Name of the family.
        load: Channel busy ratio.
        reasons: Why it does not hold; empty if it does.
    """

    family: str
    load: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Findings:
    """What a study found.

    Attributes:
        file: The study file.
        families: The families that were run.
        absent: Names of the families that were not.
        unfinished: Names of the families whose runs began, but have not ended.
        reading: In which ways they are read otherwise than the plan says, a sentence each.
        other_load: Metric that is the load instead of that of the plan; empty for that of the plan.
    """

    file: StudyFile
    families: tuple[FamilyRuns, ...]
    absent: tuple[str, ...]
    unfinished: tuple[str, ...] = ()
    reading: tuple[str, ...] = ()
    other_load: str = ""

    @property
    def load_metric(self) -> str:
        """Metric that is the load."""
        return self.other_load or self.file.load_metric

    @cached_property
    def levels(self) -> dict[tuple[str, str, str], AtLoads]:
        """Each rule at the loads of each family, by metric, family and rule; higher and lower as the metric is."""
        metrics = dict.fromkeys([self.file.metric, *self.file.also])
        return {
            (metric, family.name, rule): found
            for metric in metrics
            for family in self.families
            for rule, found in self._levels(family, metric).items()
        }

    def _levels(self, family: FamilyRuns, metric: str) -> dict[str, AtLoads]:
        loads = np.array(family.member.loads)
        curves = {rule: (family.curve(rule, self.load_metric), family.curve(rule, metric)) for rule in family.rows}
        # The seeds of the primary metric, so that all metrics are read at the same loads; fewer only if another one is not measured in some.
        measured, lost = used_seeds({rule: pair for rule, pair in curves.items() if rule not in family.lost} or curves)
        used = family.used & measured
        nothing = np.full((len(loads), int(used.sum())), np.nan)
        return {
            rule: AtLoads(nothing, nothing, np.nan, np.nan, 0)
            if rule in (*family.lost, *lost)
            else at_loads(busy[:, used], values[:, used], loads)
            for rule, (busy, values) in curves.items()
        }

    def common_loads(self, family: str) -> tuple[float, float]:
        """Return the lowest and the highest load that the curves of all rules but bounds reach; the lowest is above the highest if there is none, and both are NaN without a seed."""
        ends = [
            self.levels[self.file.metric, family, rule]
            for rule in rule_names(self.file)
            if rule not in self.file.bounds
        ]
        reached = [end for end in ends if not np.isnan(end.lowest)]
        if not reached:
            return np.nan, np.nan
        return max(end.lowest for end in reached), min(end.highest for end in reached)

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """All comparisons of the reference with another rule, in the order of the file."""
        return tuple(
            Comparison(family, rule, load, column)
            for family in self.families
            for rule in self.file.compared()
            for column, load in enumerate(family.member.loads)
        )

    @cached_property
    def differences(self) -> Differences:
        """Differences of the primary metric at equal load, positive where the reference is better, with their verdicts."""
        return self.differences_of(self.file.metric, 1.0 if self.file.better == "higher" else -1.0)

    def differences_of(self, metric: str, sign: float = 1.0) -> Differences:
        """Return the differences reference minus other rule of a metric at equal load, in the order of `comparisons`."""
        most = max((len(family.study.seeds) for family in self.families), default=0)
        sides = np.full((2, len(self.comparisons), most), np.nan)
        for row, one in enumerate(self.comparisons):
            for side, rule in enumerate((self.file.reference, one.rule)):
                values = self.levels[metric, one.family.name, rule].value[one.column]
                sides[side, row, : len(values)] = sign * values
        return differences(sides[0], sides[1], self.file.margin, self.file.confidence)

    @cached_property
    def within(self) -> Paired:
        """Differences of the primary metric at the best place of each rule at no more than the load, in the order of `comparisons`; positive where the reference is better."""
        higher = self.file.better == "higher"
        most = max((len(family.study.seeds) for family in self.families), default=0)
        sides = np.full((2, len(self.comparisons), most), np.nan)
        for row, one in enumerate(self.comparisons):
            used, names = one.family.used, (self.file.reference, one.rule)
            if set(names) & set(one.family.lost):
                continue
            for side, rule in enumerate(names):
                busy, metric = (one.family.curve(rule, name)[:, used] for name in (self.load_metric, self.file.metric))
                sides[side, row, : int(used.sum())] = best_within(busy, metric, np.array([one.load]), higher)[0]
        sign = 1.0 if higher else -1.0
        return paired(sign * sides[1], sign * sides[0], self.file.confidence)

    def load_gap(self, one: Comparison) -> float:
        """Return the largest difference in load between both rules in a seed, before the correction for it; NaN without overlap."""
        a, b = (
            self.levels[self.file.metric, one.family.name, rule].busy[one.column]
            for rule in (self.file.reference, one.rule)
        )
        return float(np.abs(a - b).max(initial=0.0)) if len(a) else float("nan")

    def spread(self, one: Comparison) -> float:
        """Return the standard deviation over seeds of the difference from a rule; NaN with fewer than two seeds."""
        a, b = (
            self.levels[self.file.metric, one.family.name, rule].value[one.column]
            for rule in (self.file.reference, one.rule)
        )
        return float(np.std(a - b, ddof=1)) if len(a) > 1 else float("nan")

    def share_of_way(self, family: str, rule: str, column: int) -> Ratio | None:
        """Return which share of the way from direct to the oracle a rule goes at a load; None if the study has no such way."""
        if self.file.direct is None or self.file.oracle is None:
            return None
        sign = 1.0 if self.file.better == "higher" else -1.0
        value, start, end = (
            sign * self.levels[self.file.metric, family, name].value[column]
            for name in (rule, self.file.direct, self.file.oracle)
        )
        return share_of_way(value, start, end, self.file.confidence)

    def headroom(self) -> list[tuple[FamilyRuns, str, str, float, Paired]]:
        """Return what bounds have over other rules at each load: family, bound, rule, load, and the difference of the primary metric, positive where the bound is better.

        The rules are the reference, and for the oracle also direct.
        """
        file, found = self.file, []
        sign = 1.0 if file.better == "higher" else -1.0
        pairs = [(file.oracle, file.direct)] if file.oracle and file.direct else []
        pairs += [
            (bound, file.reference) for bound in dict.fromkeys([*([file.oracle] if file.oracle else []), *file.bounds])
        ]
        for family in self.families:
            for bound, rule in pairs:
                upper, lower = (sign * self.levels[file.metric, family.name, str(name)].value for name in (bound, rule))
                for column, load in enumerate(family.member.loads):
                    one = paired(lower[[column]], upper[[column]], file.confidence)
                    found.append((family, str(bound), str(rule), load, one))
        return found

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """Whether the claim holds, at each load of each family where the plan recommends the reference."""
        return tuple(
            Claim(family.name, load, self._against(family.name, load))
            for family in self.families
            for load in family.member.recommended
        )

    def supported(self) -> bool | None:
        """Return whether the claim is supported: it holds wherever the plan recommends the reference; None if it recommends it nowhere."""
        planned = sum(len(member.recommended) for member in members_of(self.file))
        return None if not planned else len(self.claims) == planned and not any(claim.reasons for claim in self.claims)

    def _against(self, family: str, load: float) -> tuple[str, ...]:
        """Return what speaks against the claim at a load: rules that are not beaten, and rules that may be better by more than the margin."""
        reasons = []
        for row, one in enumerate(self.comparisons):
            if (one.family.name, one.load) != (family, load):
                continue
            verdict, low = self.differences.verdict[row], float(self.differences.low[row])
            if one.rule in self.file.beats and verdict is not Verdict.BETTER:
                reasons.append(f"against {one.rule}: {verdict}, not better")
            if not low >= -self.file.margin:
                end = (
                    "has no interval"
                    if np.isnan(low)
                    else f"may be worse by more than {self.file.margin:g} (interval from {low:+.4f})"
                )
                reasons.append(f"against {one.rule}: {end}")
        return tuple(reasons)


def read_findings(folder: Path, file: StudyFile) -> Findings:
    """Return what a study found.

    Args:
        folder: Folder of the study.
        file: Study file with which it was run.

    Raises:
        StudyError: If no family was run, or a family's sweep cannot be read or is of another study.
    """
    families, absent, unfinished = [], [], []
    for member in members_of(file):
        place = folder / member.name
        if not (place / SWEEP_MANIFEST).is_file():
            absent.append(member.name)
        elif not (place / RESULTS).exists():
            unfinished.append(member.name)
        else:
            families.append(_family(place, member, file))
    if not families:
        state = "was run to its end" if unfinished else "was run"
        raise StudyError(f"{folder}: no family of the study {state}; run it with v2xsim study run")
    return Findings(file, tuple(families), tuple(absent), tuple(unfinished))


def _family(folder: Path, member: Member, file: StudyFile) -> FamilyRuns:
    study = read_study(folder)
    try:
        rows = setting_rows(file, study.settings)
    except ValueError as error:
        raise StudyError(
            f"{folder}: is not a sweep of this study: {error}; run the study into another folder"
        ) from None
    used, lost = used_seeds(
        {rule: (study.of(file.metric)[some], study.of(file.load_metric)[some]) for rule, some in rows.items()}
    )
    return FamilyRuns(member, study, rows, used, lost)


def rule_names(file: StudyFile) -> list[str]:
    """Return the names of all rules, the reference first."""
    names = [rule.name for rule in rules_of(file)]
    return [file.reference, *(name for name in names if name != file.reference)]
