"""Other readings of the runs of a study: with another reference, or with another metric as the load. They have no claim, because the plan made none."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from v2xsim.evaluation.catalogue import KINDS
from v2xsim.scenario.explain import nearest
from v2xsim.study.equal_load import at_loads, used_seeds
from v2xsim.study.folders import StudyError
from v2xsim.study.study_findings import FamilyRuns, Findings, rule_names

# Digits of a load that is read off a curve: its name in tables and figures, and the load at which rules are compared.
_DIGITS = 3


def other_reading(findings: Findings, reference: str | None = None, load_metric: str | None = None) -> Findings:
    """Return what a study found, read in another way.

    Args:
        findings: What it found, read as its plan says.
        reference: Rule with which the others are compared; None for that of the plan.
        load_metric: Metric that is the load; None for that of the plan. The loads are those that the reference of the plan has in this metric at the loads of the plan,
            in the mean over seeds, with three digits; loads that its curve does not reach are left out.

    Raises:
        StudyError: If there is no such rule, it is a bound, there is no such metric, it is the one on which rules are compared, or the reference has no load in it.
    """
    file, planned = findings.file, findings.file.reference
    if reference is not None:
        rules = [name for name in rule_names(file) if name not in file.bounds]
        if reference not in rules:
            raise StudyError(
                f"--reference: must be a rule that is no bound, one of {', '.join(rules)}; got {reference!r}{nearest(reference, rules)}"
            )
        if reference != file.reference:
            findings = _unclaimed(
                replace(findings, file=file.model_copy(update={"reference": reference, "beats": []})),
                f"The reference is {reference}; the plan has {file.reference}.",
            )
    if load_metric is None or load_metric == file.load_metric:
        return findings
    if load_metric not in KINDS:
        raise StudyError(
            f"--load-metric: must be a metric, got {load_metric!r}{nearest(load_metric, KINDS)}; v2xsim schema metrics lists all"
        )
    if load_metric == file.metric:
        raise StudyError(
            f"--load-metric: must not be the metric, {file.metric}: rules at an equal value of it do not differ in it"
        )
    loads = [_loads_of(family, planned, file.load_metric, load_metric) for family in findings.families]
    left_out = [
        f"{family.name} at {load:g}"
        for family, found in zip(findings.families, loads, strict=True)
        for load, translated in zip(family.member.loads, found, strict=True)
        if np.isnan(translated)
    ]
    missing = f" Left out, because its curve does not reach them: {', '.join(left_out)}." if left_out else ""
    families = [_reloaded(file.metric, load_metric, *each) for each in zip(findings.families, loads, strict=True)]
    for family in families:
        if not family.member.loads:
            raise StudyError(
                f"--load-metric: {planned} has no {load_metric} at the loads of {family.name}; choose a metric that all runs measure"
            )
    return _unclaimed(
        replace(findings, families=tuple(families), other_load=load_metric),
        f"The load is `{load_metric}` instead of `{file.load_metric}`, as in the plan; loads are those that {planned} has in it at the loads of the plan.{missing}",
    )


def _unclaimed(findings: Findings, note: str) -> Findings:
    """Return findings without a claim, with one more note on how they were read."""
    file = findings.file
    families = {name: family.model_copy(update={"recommended": []}) for name, family in file.families.items()}
    return replace(
        findings,
        file=file.model_copy(update={"beats": [], "families": families}),
        families=tuple(replace(family, member=replace(family.member, recommended=())) for family in findings.families),
        reading=(*findings.reading, note),
    )


def _loads_of(family: FamilyRuns, rule: str, planned: str, load_metric: str) -> list[float]:
    """Return the loads of a family in another metric, read off the curve of a rule; NaN where the curve ends before."""
    used, lost = used_seeds({rule: (family.curve(rule, planned), family.curve(rule, load_metric))})
    if lost:
        return [float("nan")] * len(family.member.loads)
    before, after = (family.curve(rule, name)[:, used & family.used] for name in (planned, load_metric))
    found = at_loads(before, after, np.array(family.member.loads)).value
    return [float(f"{mean:.{_DIGITS}g}") for mean in found.mean(axis=1).tolist()]


def _reloaded(metric: str, load_metric: str, family: FamilyRuns, loads: Sequence[float]) -> FamilyRuns:
    """Return the runs of a family with loads of another metric: each once, without those that are NaN."""
    used, lost = used_seeds(
        {rule: (family.curve(rule, metric), family.curve(rule, load_metric)) for rule in family.rows}
    )
    kept = tuple(dict.fromkeys(load for load in loads if not np.isnan(load)))
    return replace(family, member=replace(family.member, loads=kept), used=used, lost=lost)
