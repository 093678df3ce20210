"""The folder of a study with one purpose: a sweep's folder for each family, the study file, and when its first run began.

`study.json` has the SHA-256 digest of the study file, the time at which the first run with it began, and for each call of `v2xsim study run` the versions
that ran and what git knows of the files (`v2xsim.study.study_provenance`), so that a reader can compare them with the date of the plan. `study.yaml` is a copy of the study file.

A test is run with one plan: after its first run, another study file is refused. A development may change its file; each is recorded.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from v2xsim.atomic import write_atomically
from v2xsim.errors import reason_of
from v2xsim.scenario.load import section_in
from v2xsim.scenario.yamltext import read_yaml
from v2xsim.study.continued import StoreError
from v2xsim.study.folders import STUDY_MANIFEST, StudyError, damaged, json_in
from v2xsim.study.git_state import utc
from v2xsim.study.labels import counted
from v2xsim.study.store import MANIFEST as SWEEP_MANIFEST
from v2xsim.study.store import as_json
from v2xsim.study.study_plan import FamilyPlan, Purpose
from v2xsim.study.study_provenance import Call, age_of_plan, call_from, call_now
from v2xsim.study.studyfile import StudyFile
from v2xsim.version import __version__

MANIFEST, COPY = STUDY_MANIFEST, "study.yaml"
FORMAT = 1
_REPAIR = "copy the folder again, or run the study into another folder"


@dataclass(frozen=True)
class Provenance:
    """Which study file a folder was run with, and since when.

    Attributes:
        purpose: Which seeds were run.
        sha256: Digest of the study file.
        begun: Time in UTC at which the first run with this file began.
        version: Version of v2xsim that began it.
        earlier: The same of earlier files; only of a development.
        calls: Calls of `v2xsim study run` that ran points, in their order.
    """

    purpose: Purpose
    sha256: str
    begun: str
    version: str
    earlier: tuple[Mapping[str, str], ...] = ()
    calls: tuple[Call, ...] = ()

    @property
    def age_of_plan(self) -> str:
        """Whether git shows that the study file is older than the first run with it."""
        return age_of_plan(self.calls, self.sha256)


def default_folder(file: StudyFile, purpose: Purpose) -> Path:
    """Return the default folder of a study."""
    return Path("studies") / file.name / purpose


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something else than a study.

    Raises:
        StoreError: If it does, or cannot be read.
    """
    try:
        is_foreign = (
            folder.exists() and not (folder / MANIFEST).exists() and (not folder.is_dir() or any(folder.iterdir()))
        )
    except OSError as error:
        raise StoreError(f"{folder}: cannot be read: {reason_of(error)}") from None
    if is_foreign:
        raise StoreError(f"{folder}: must be new, empty, or hold this study; name another with --out")


def begin(folder: Path, file: Path, purpose: Purpose, plans: Sequence[FamilyPlan] = ()) -> None:
    """Record with which study file a folder is run from now on, and by what, before its first run.

    Args:
        folder: Folder of the study.
        file: Study file.
        purpose: Which seeds will run.
        plans: Families of which points will run now; none if all are finished.

    Raises:
        StoreError: If the folder holds something else, a test with another file, or runs with other seeds; or it cannot be written.
    """
    try:
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        earlier: list[Mapping[str, str]] = []
        calls = [call_now(file, digest, plans)] if plans else []
        begun, version = utc(datetime.now(UTC)), __version__
        if (folder / MANIFEST).exists():
            known = provenance_in(folder)
            _check_same_plan(folder, file, digest, known, purpose)
            earlier, calls = list(known.earlier), [*known.calls, *calls]
            if known.sha256 == digest:
                begun, version = known.begun, known.version
                if not plans:
                    return
            else:
                earlier.append({"sha256": known.sha256, "begun": known.begun, "version": known.version})
        else:
            check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / COPY, content)
        manifest = {
            "format": FORMAT, "kind": "study", "purpose": purpose, "sha256": digest, "begun": begun, "version": version, "earlier": earlier,
            "calls": [asdict(call) for call in calls],
        }  # fmt: skip
        write_atomically(folder / MANIFEST, as_json(manifest))
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {reason_of(error)}") from None


def _check_same_plan(folder: Path, file: Path, digest: str, known: Provenance, purpose: Purpose) -> None:
    """Raise an error if a folder holds runs with other seeds, or a test with another study file."""
    if known.purpose != purpose:
        raise StoreError(f"{folder}: holds the {known.purpose} runs of a study; name another folder with --out")
    if purpose == "test" and known.sha256 != digest:
        raise StoreError(
            f"{folder}: the plan of a test must not change after its first run: {file} has the SHA-256 digest {digest[:12]}, but the test began on "
            f"{known.begun} with {known.sha256[:12]}; put the former file back ({folder / COPY} is a copy), or name another folder with --out"
        )


def provenance_in(folder: Path) -> Provenance:
    """Return with which study file a folder was run, and since when.

    Raises:
        StudyError: If the folder holds no study, or a newer version of v2xsim wrote it.
    """
    path = folder / MANIFEST
    if not path.is_file():
        inside = sorted(str(each.parent) for each in folder.glob(f"*/{MANIFEST}")) if folder.is_dir() else []
        hint = (
            f"; name one of {', '.join(inside)}"
            if inside
            else "; name the folder that v2xsim study run printed at its end"
        )
        if (folder / SWEEP_MANIFEST).is_file():
            hint = f"; this is the folder of a sweep, which v2xsim report reads, or of one family of a study: name the folder above, {folder.parent}"
        raise StudyError(f"{folder}: must be the folder of a study with a file {MANIFEST}{hint}")
    data: Any = json_in(path, _REPAIR)
    try:
        if data["kind"] != "study" or data["purpose"] not in ("development", "test"):
            raise damaged(path, "it is not the manifest of a study", _REPAIR)
        if data["format"] > FORMAT:
            raise StudyError(
                f"{folder}: made by a newer version: format {data['format']}, this one reads {FORMAT}; update v2xsim"
            )
        return Provenance(
            data["purpose"], str(data["sha256"]), str(data["begun"]), str(data["version"]), tuple(data["earlier"]),
            tuple(call_from(call) for call in data.get("calls", [])),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, f"it is not the manifest of a study ({error})", _REPAIR) from None


def study_file_in(folder: Path) -> StudyFile:
    """Return the study file with which a folder was run.

    Raises:
        StudyError: If the copy of the study file is not the one of the runs.
    """
    path, known = folder / COPY, provenance_in(folder)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {reason_of(error)}; {_REPAIR}") from None
    if hashlib.sha256(content).hexdigest() != known.sha256:
        raise StudyError(
            f"{path}: is not the study file of the runs, whose SHA-256 digest is {known.sha256}; put that file back"
        )
    return section_in(read_yaml(content.decode("utf-8-sig"), str(path)), folder, StudyFile)


def is_begun(folder: Path, plan: FamilyPlan) -> bool:
    """Return whether the sweep of a family has begun in a folder."""
    return (folder / plan.name / SWEEP_MANIFEST).is_file()


def points_text(plans: tuple[FamilyPlan, ...]) -> str:
    """Return the size of a study in words."""
    points = sum(len(plan.plan.points) for plan in plans)
    families = f"{len(plans)} {'family' if len(plans) == 1 else 'families'}"
    each = len(plans[0].plan.settings)
    return f"{families} x {counted(each, 'setting')} x {counted(len(plans[0].plan.seeds), 'seed')} = {counted(points, 'point')}"
