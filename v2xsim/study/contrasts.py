"""Which settings of a sweep are compared with each other: those that differ in the compared keys and agree in all others."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from v2xsim.study.axes import canonical, has_values
from v2xsim.study.folders import StudyError
from v2xsim.study.labels import value_text, word_text
from v2xsim.study.studies import Study

# Largest number of settings that a message lists.
_MOST_LISTED = 5


@dataclass(frozen=True)
class Contrast:
    """Two settings that differ in some keys and agree in all others.

    Attributes:
        keys: Keys in which the settings differ.
        base: Row of the baseline.
        other: Row of the setting that is compared with the baseline.
    """

    keys: tuple[str, ...]
    base: int
    other: int


@dataclass(frozen=True)
class Contrasts:
    """All pairs of settings that a comparison of a sweep consists of.

    Attributes:
        pairs: The pairs, sorted by baseline value and then by setting.
        rule: One sentence that states how the pairs were chosen.
        unpaired: Rows of the settings that are compared with nothing.
    """

    pairs: tuple[Contrast, ...]
    rule: str
    unpaired: tuple[int, ...]

    def notes(self, study: Study) -> tuple[str, ...]:
        """Return a sentence about the settings that are compared with nothing, if there are any."""
        if not self.unpaired:
            return ()
        names = "; ".join(study.label(row) for row in self.unpaired[:_MOST_LISTED])
        more = len(self.unpaired) - _MOST_LISTED
        return (
            f"{len(self.unpaired)} of {len(study.settings)} settings are compared with nothing, because no baseline agrees with "
            f"them in all other keys: {names}{f' and {more} more' if more > 0 else ''}",
        )


def contrasts_of(study: Study, wanted: Mapping[str, Any] | None = None) -> Contrasts:
    """Return the pairs of settings to compare.

    With values for some keys, each setting is compared with the setting that has these values and agrees with it in all
    other keys. Without values, this is done for each key of a grid, and for the keys of a list together, with the values of
    the sweep's first setting. Keys that were drawn at random have no baseline of their own.

    Args:
        study: A sweep.
        wanted: Keys and values of the baseline. If empty, those of the sweep file.

    Raises:
        StudyError: If a key is not varied, no setting has the values, or no two settings form a pair.
    """
    values = dict(wanted or study.baseline_values)
    if values:
        _check(study, values)
        others = [key for key in study.keys if key not in values]
        within = f", within each combination of {', '.join(others)}" if others else ""
        pairs, rule = _pairs(study, values), f"Baseline: {named(values)}{within}."
        firsts = [values]
    else:
        first = study.settings[study.baseline]
        firsts = [{key: first[key] for key in factor} for factor in study.fixed_factors if _varies(study, factor)]
        pairs = [pair for chosen in firsts for pair in _pairs(study, chosen)]
        if len(firsts) == 1 and len(firsts[0]) == len(study.keys):
            rule = f"Baseline: {named(firsts[0])}, the first setting."
        else:
            rule = (
                f"No baseline is chosen, so each key is compared with its first value ({'; '.join(map(named, firsts))}), with all "
                "other keys equal; choose one with --baseline KEY=VALUE."
            )
    if not pairs:
        raise StudyError(_nothing(study, firsts))
    met = {row for pair in pairs for row in (pair.base, pair.other)}
    return Contrasts(tuple(pairs), rule, tuple(row for row in range(len(study.settings)) if row not in met))


def with_baseline(study: Study, values: Mapping[str, Any]) -> Study:
    """Return a study with another baseline.

    Raises:
        StudyError: If a key is not varied, or no setting has the values.
    """
    _check(study, values)
    row = next(row for row, setting in enumerate(study.settings) if has_values(setting, values))
    return replace(study, baseline_values=dict(values), baseline=row)


def named(values: Mapping[str, Any]) -> str:
    """Return keys with their values as a text, such as `cooperation.relay=none`."""
    return ", ".join(f"{key}={word_text(value)}" for key, value in values.items())


def _pairs(study: Study, values: Mapping[str, Any]) -> list[Contrast]:
    """Return each setting with the setting that has some values and agrees with it in all other keys."""
    keys = tuple(key for key in study.keys if key in values)
    goal = [canonical(values[key]) for key in keys]
    own = [[canonical(setting[key]) for key in keys] == goal for setting in study.settings]
    rest = [tuple(canonical(v) for k, v in setting.items() if k not in values) for setting in study.settings]
    base = {rest[row]: row for row in range(len(rest)) if own[row]}
    return [
        Contrast(keys, base[rest[row]], row) for row in range(len(rest)) if not own[row] and rest[row] in base
    ]  # fmt: skip


def _varies(study: Study, keys: tuple[str, ...]) -> bool:
    return len({tuple(canonical(setting[key]) for key in keys) for setting in study.settings}) > 1


def _check(study: Study, values: Mapping[str, Any]) -> None:
    # Imported here, because a comparison needs nothing else from that module.
    from v2xsim.scenario.explain import nearest

    for key, value in values.items():
        if key not in study.keys:
            raise StudyError(
                f"--baseline: {key} is not varied{nearest(key, list(study.keys))}; varied are {', '.join(study.keys) or 'no keys'}"
            )
        known = list(dict.fromkeys(value_text(setting[key]) for setting in study.settings))
        if canonical(value) not in {canonical(setting[key]) for setting in study.settings}:
            shown = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
            raise StudyError(f"--baseline: no setting has {key}={value_text(value)}; its values are {shown}")
    if not any(has_values(setting, values) for setting in study.settings):
        raise StudyError(f"--baseline: no setting has {named(values)} together; name fewer keys")


def _nothing(study: Study, firsts: list[dict[str, Any]]) -> str:
    if len(study.settings) < 2:
        return f"{study.folder}: holds a single setting; name another folder to compare it with"
    if not firsts:
        why = "its keys are drawn at random, so none of its settings is a baseline for the others"
    else:
        why = (
            f"no two settings differ in {' and in '.join(', '.join(one) for one in firsts)} and agree in all other keys"
        )
    return (
        f"{study.folder}: {why}; name every key that may differ in one --baseline KEY=VALUE each, or use v2xsim report, which draws "
        "metrics over the keys"
    )
