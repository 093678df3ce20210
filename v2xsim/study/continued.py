"""What may differ between the plan that began a sweep and the plan that continues it: points may be added, finished ones must not be lost."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from v2xsim.errors import UserError
from v2xsim.study.axes import canonical
from v2xsim.study.labels import counted, value_text
from v2xsim.study.plan import Plan

# Number of changed files, seeds or settings that an error lists.
_MOST_LISTED = 5


class StoreError(UserError):
    """A sweep cannot be written into a folder, or the folder holds another sweep."""


def check_inputs_since(folder: Path, plan: Plan, manifest: Mapping[str, Any]) -> None:
    """Raise an error if files from which the plan is made, or that its points read, have changed since the sweep began."""
    before = {**_texts(manifest.get("plugins")), **_texts(manifest.get("inputs"))}
    changed = [
        path for path, digest in sorted({**plan.plugins, **plan.inputs}.items()) if before.get(path, digest) != digest
    ]
    if not changed:
        return
    now = {**plan.plugins, **plan.inputs}
    digests = [f"sha256 {before[path][:12]}, now {now[path][:12]}" for path in changed]
    others = ", ".join(f"{path} ({digest})" for path, digest in zip(changed[1:_MOST_LISTED], digests[1:], strict=False))
    more = f" and {len(changed) - _MOST_LISTED} more" if len(changed) > _MOST_LISTED else ""
    raise StoreError(
        f"{changed[0]}: has changed since the sweep in {folder} began ({digests[0]}){f', and so have {others}{more}' if others else ''}, so its "
        f"points would be of two studies; put the file{'s' if others else ''} back, or name another folder with --out"
    )


def _texts(digests: Any) -> dict[str, str]:
    """Return the digests in a plan by path; nothing for a plan of a version that had none."""
    return {str(path): str(digest) for path, digest in digests.items()} if isinstance(digests, Mapping) else {}


def dropped(folder: Path, plan: Plan, manifest: Mapping[str, Any], finished: set[str]) -> set[str]:
    """Return the keys of the points that a plan no longer has; a value that made points fail may be corrected or removed.

    Args:
        folder: Path of the sweep's folder.
        plan: The plan that continues the sweep.
        manifest: The plan that began it.
        finished: Keys of all points with a result.

    Raises:
        StoreError: If results would be lost to the study: those of a setting in which no point failed.
    """
    points = [point for point in manifest.get("points", []) if isinstance(point, Mapping)]
    now = {point.key for point in plan.points}
    gone = [point for point in points if str(point["key"]) not in now]
    failed = {path.stem for path in (folder / "failed").glob("*.json")} - finished
    removed = _removed(plan, manifest)
    at_fault = {point["setting"] for point in gone if str(point["key"]) in failed} & removed
    lost = [point for point in gone if str(point["key"]) in finished and point["setting"] not in at_fault]
    if lost:
        raise StoreError(
            f"{folder}: {len(lost)} of its {counted(len(finished), 'finished point')} {'is' if len(lost) == 1 else 'are'} not in this plan ({_why(plan, manifest, lost)}); put back what was "
            "changed, or name another folder with --out"
        )
    return {str(point["key"]) for point in gone}


def _removed(plan: Plan, manifest: Mapping[str, Any]) -> set[int]:
    """Return the rows of the settings of an earlier plan that a plan does not have."""
    now = {canonical(setting) for setting in plan.settings}
    return {row for row, setting in enumerate(manifest.get("settings", [])) if canonical(setting) not in now}


def _why(plan: Plan, manifest: Mapping[str, Any], lost: Sequence[Mapping[str, Any]]) -> str:
    """Return why a plan lacks points of an earlier one."""
    made_by, current = manifest.get("versions", {}).get("v2xsim"), plan.manifest()["versions"]["v2xsim"]
    if made_by != current:
        return f"v2xsim {made_by} began it, this is {current}"
    settings = manifest.get("settings", [])
    seeds = sorted({point["seed"] for point in lost} - set(plan.seeds))
    rows = sorted({point["setting"] for point in lost} & _removed(plan, manifest))
    reasons = []
    if seeds:
        reasons.append(f"the {'seed' if len(seeds) == 1 else 'seeds'} {_listed([str(seed) for seed in seeds])} removed")
    if rows:
        named = [", ".join(f"{key}={value_text(value)}" for key, value in settings[row].items()) for row in rows]
        reasons.append(f"the {'setting' if len(rows) == 1 else 'settings'} {_listed(named, '; ')} removed")
    known = {str(point["key"]) for point in lost if point["seed"] in seeds or point["setting"] in rows}
    if len(known) < len(lost):
        reasons.append("the scenario, its files, or the values under set have changed since")
    return ", ".join(reasons)


def _listed(names: Sequence[str], between: str = ", ") -> str:
    """Return the first of some names with the verb that belongs to their number."""
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"{between.join(names[:_MOST_LISTED])}{more} {'was' if len(names) == 1 else 'were'}"
