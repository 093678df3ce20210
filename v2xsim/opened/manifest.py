"""The manifest of a finished run: read, and checked before anything else of the run is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from v2xsim.errors import in_command
from v2xsim.notices import Notice
from v2xsim.opened.errors import OpenError
from v2xsim.results.manifest import FORMAT
from v2xsim.scenario.load import as_written, from_data, recorded, unfilled
from v2xsim.scenario.manifest_files import MANIFEST, ManifestError, manifest_at, manifest_of_folder
from v2xsim.scenario.manifests import change_of
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.steered import replay_text

# The first format with the truth of every tick and with uncut detections.
FIRST_FORMAT = 2
# The first format whose random draws depend on the names of road users and stations, not on their agent ids.
DRAWN_BY_NAME = 3
# Settings of the scenario that every opened run needs, with their types in JSON.
_SETTINGS: dict[str, type | tuple[type, ...]] = {
    "name": str, "run.seed": int, "run.begin_s": (int, float), "run.duration_s": (int, float), "run.step_s": (int, float),
    "run.device": str, "record.evaluation_range_m": (int, float), "record.prr_range_m": (int, float),
    "record.packet_share": (int, float), "record.link_ticks": int, "record.states": bool, "record.state_ticks": int,
}  # fmt: skip
# A name has at most 80 characters.
_LONGEST_NAME = 73


def read_manifest(folder: Path) -> Mapping[str, Any]:
    """Return the manifest of the run in a folder.

    Raises:
        OpenError: If the folder holds no finished run, or one that this version cannot read.
    """
    try:
        content = manifest_of_folder(folder)
    except ManifestError as error:
        raise OpenError(str(error)) from None
    _check(folder / MANIFEST, content)
    if content.get("complete") is not True:
        path = folder / MANIFEST
        raise OpenError(f"{path}: must be of a finished run; run it again: v2xsim run {in_command(path)}")
    return content


def read_begun_manifest(path: Path) -> Mapping[str, Any]:
    """Return the manifest that a run wrote when it began.

    Raises:
        OpenError: If it cannot be read, or this version cannot read what the run has written.
    """
    try:
        content = manifest_at(path)
    except ManifestError as error:
        raise OpenError(str(error)) from None
    _check(path, content)
    return content


def notices_of(manifest: Mapping[str, Any]) -> tuple[Notice, ...]:
    """Return the notices of a run."""
    return tuple(Notice(item["subject"], item["count"], item["text"]) for item in manifest.get("notices", ()))


def setting(manifest: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key of the run's scenario, in the form that JSON has."""
    value: Any = manifest["scenario"]
    for name in key.split("."):
        value = value[name]
    return value


def run_scenario(manifest: Mapping[str, Any], folder: Path) -> Scenario:
    """Return the scenario of a run; its plug-ins must be those of the run.

    Raises:
        UserError: If a plug-in has changed since the run, or cannot be loaded, or the scenario is not valid.
    """
    path = folder / MANIFEST
    for plugin in manifest.get("plugins", ()):
        # Before the file is loaded, because loading runs its code.
        trouble = change_of(Path(plugin["path"]), plugin["sha256"])
        if trouble is not None:
            raise OpenError(f"{path}: the plug-in {plugin['path']} {trouble}; put the former file back")
    return recorded(as_written(manifest, str(path)), str(path))


def replayed(scenario: Scenario, manifest: Mapping[str, Any], folder: Path, step_s: float | None) -> Scenario:
    """Return a scenario whose road users and buildings are those that its run recorded.

    Args:
        scenario: Scenario of the run.
        manifest: Manifest of the run.
        folder: Folder of the run.
        step_s: Time step of the replay; None for that of the run.
    """
    # Values that follow from other keys follow again from those that a user changes in the replay.
    data = unfilled(scenario)
    if step_s is not None:
        # As many whole steps as fit between the first and the last recorded tick.
        steps = int((scenario.run.duration_s - scenario.run.step_s) / step_s + 1e-9) + 1
        data["run"] |= {"step_s": step_s, "duration_s": round(steps * step_s, 6)}
        data["record"]["state_ticks"] = 1
    data["name"] = f"{scenario.name[:_LONGEST_NAME]}-replay"
    data["traffic"] = {"recorded": {"run": str((folder / MANIFEST).resolve())}}
    # The recorded run brings its buildings and roads.
    data["world"] = {}
    steered = replay_text(manifest)
    return from_data(data, f"replay of {folder}", notes=() if steered is None else (f"{folder}: {steered}",))


def _check(path: Path, content: Mapping[str, Any]) -> None:
    layout = content.get("format")
    if not isinstance(layout, int) or isinstance(layout, bool):
        raise OpenError(f"{path}: must be the manifest of a run; it has no format number")
    versions = content.get("versions")
    made_by = versions.get("v2xsim", "unknown") if isinstance(versions, dict) else "unknown"
    if layout < FIRST_FORMAT:
        raise OpenError(
            f"{path}: must have format {FIRST_FORMAT} to {FORMAT}, got {layout} of v2xsim {made_by}, which recorded no states; "
            f"run it again: v2xsim run {in_command(path)}"
        )
    if layout > FORMAT:
        raise OpenError(
            f"{path}: must have format {FIRST_FORMAT} to {FORMAT}, got {layout}; it needs v2xsim {made_by} or a later version"
        )
    for key, kind in _SETTINGS.items():
        try:
            value = setting(content, key)
        except (KeyError, TypeError):
            raise OpenError(f"{path}: must be the manifest of a run; its scenario has no {key}") from None
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise OpenError(f"{path}: must be the manifest of a run; {key} of its scenario is {value!r}")
    if not isinstance(content.get("tables", {}), dict) or not _are_notices(content.get("notices", [])):
        raise _damaged(path, "its entries tables or notices have another form")


def _are_notices(items: Any) -> bool:
    kinds = {"subject": str, "count": int, "text": str}
    return isinstance(items, list) and all(
        isinstance(item, dict) and all(isinstance(item.get(key), kind) for key, kind in kinds.items()) for item in items
    )


def _damaged(path: Path, why: str) -> OpenError:
    return OpenError(f"{path}: is damaged: {why}; copy the folder again, or run the scenario again")
