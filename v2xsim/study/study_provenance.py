"""Which code and which files a study was run with, and whether its plan is older than its first run.

Each call of `v2xsim study run` that runs points adds an entry to `study.json`. Times and commits differ when a study is made again, so they are no part
of the tables and the summary, but of a file `provenance.md` beside them.
"""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from v2xsim.results.manifest import library_versions
from v2xsim.study.git_state import InGit, code_state, file_state, utc
from v2xsim.study.study_plan import FamilyPlan


@dataclass(frozen=True)
class ReadFile:
    """A file that a call read.

    Attributes:
        path: Path of the file; in its repository if git tracks it.
        sha256: Digest of its content; of a very large file, its size and date.
        state: What git knew of it.
        commit: Last commit that changed it; empty without one.
        committed: Time of this commit in UTC.
    """

    path: str
    sha256: str
    state: InGit
    commit: str
    committed: str


@dataclass(frozen=True)
class Call:
    """A call of `v2xsim study run` that ran points.

    Attributes:
        begun: Time in UTC at which it began.
        versions: Versions of v2xsim, of libraries and of Python.
        machine: Kind of processor and operating system.
        commit: Commit of the checkout from which v2xsim ran; empty for an installed copy, or without git.
        changed: Number of files of the checkout that differed from this commit.
        families: Names of the families of which points ran.
        files: Study file, scenarios, plug-ins and their inputs; the study file first.
    """

    begun: str
    versions: Mapping[str, str]
    machine: str
    commit: str
    changed: int
    families: tuple[str, ...]
    files: tuple[ReadFile, ...]


def call_now(file: Path, digest: str, plans: Sequence[FamilyPlan]) -> Call:
    """Return the entry of a call that begins now.

    Args:
        file: Study file.
        digest: SHA-256 digest of its content.
        plans: Families of which points will run.
    """
    digests = {os.path.abspath(file): digest}
    for family in plans:
        digests |= {**family.plan.inputs, **family.plan.plugins}
    states = {path: file_state(Path(path)) for path in digests}
    files = tuple(
        ReadFile(state.path or path, digests[path], state.state, state.commit, state.committed)
        for path, state in states.items()
    )
    code = code_state()
    return Call(
        utc(datetime.now(UTC)), library_versions(), f"{platform.machine()}, {platform.system()}", code.commit, code.changed,
        tuple(family.name for family in plans), files,
    )  # fmt: skip


def call_from(data: Any) -> Call:
    """Return an entry of `study.json`.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: If it is none.
    """
    files = tuple(ReadFile(**(dict(one) | {"state": InGit(one["state"])})) for one in data["files"])
    versions = {str(name): str(version) for name, version in data["versions"].items()}
    return Call(
        str(data["begun"]), versions, str(data["machine"]), str(data["commit"]), int(data["changed"]), tuple(map(str, data["families"])), files,
    )  # fmt: skip


def age_of_plan(calls: Sequence[Call], sha256: str) -> str:
    """Return whether git shows that a study file is older than the first run with it, as a sentence without a full stop.

    Args:
        calls: Calls of the study.
        sha256: Digest of the study file.
    """
    first = next((call for call in calls if call.files and call.files[0].sha256 == sha256), None)
    if first is None:
        return "no call recorded what git knew of the study file"
    file = first.files[0]
    if file.state is InGit.UNKNOWN:
        return "the study file was not in git, so nothing shows when it was made"
    if file.state is not InGit.COMMITTED:
        return f"at the first run, the study file was {file.state}, so git does not show that it is older than the run"
    before_s = (_time(first.begun) - _time(file.committed)).total_seconds()
    if before_s < 0:
        return f"the commit of the study file ({file.commit[:12]}, {file.committed}) is later than the first run ({first.begun})"
    return f"the study file was committed on {file.committed} ({file.commit[:12]}), {_duration(before_s)} before the first run"


def provenance_lines(title: str, sha256: str, begun: str, calls: Sequence[Call]) -> Iterator[str]:
    """Yield the lines of `provenance.md`.

    Args:
        title: Name of the study, with its purpose.
        sha256: Digest of the study file.
        begun: Time of the first run with it.
        calls: Calls of the study.
    """
    yield from (f"# Provenance of {title}", "")
    yield "When, with what and from which files the study was run. This page has times and commits, so it is not the same when the study is made again; all other files are."
    yield from ("", f"- Study file: SHA-256 `{sha256}`", f"- First run with it: {begun}")
    yield f"- Plan: {age_of_plan(calls, sha256)}."
    yield f"- Code: {_code(calls)}."
    if not calls:
        return
    yield from (
        "",
        "## Calls",
        "",
        "| begun | v2xsim | commit | changed files | machine | families |",
        "|---|---|---|---|---|---|",
    )
    for call in calls:
        commit = call.commit[:12] or "installed copy"
        yield f"| {call.begun} | {call.versions.get('v2xsim', '')} | {commit} | {call.changed} | {call.machine} | {', '.join(call.families)} |"
    versions = dict.fromkeys(
        ", ".join(f"{name} {version}" for name, version in call.versions.items()) for call in calls
    )
    yield from ("", "Versions: " + "; ".join(versions) + ".")
    yield from ("", "## Files", "", "| file | SHA-256 | in git | last commit |", "|---|---|---|---|")
    for one in dict.fromkeys(file for call in calls for file in call.files):
        last = f"{one.commit[:12]}, {one.committed}" if one.commit else ""
        yield f"| `{one.path}` | `{one.sha256}` | {one.state} | {last} |"


def _code(calls: Sequence[Call]) -> str:
    """Return with which code the calls ran, and whether it was the same."""
    codes = codes_of(calls)
    mixed = ": points of one study ran with different code" if len(codes) > 1 else ""
    return f"{'; '.join(codes)}{mixed}" if codes else "not recorded"


def codes_of(calls: Sequence[Call]) -> list[str]:
    """Return the versions and commits of the code with which calls ran, each once."""
    texts = []
    for call in calls:
        changes = " with changes" if call.changed else ""
        commit = f"commit {call.commit[:12]}{changes}" if call.commit else "an installed copy, or no git"
        texts.append(f"v2xsim {call.versions.get('v2xsim', '')}, {commit}")
    return list(dict.fromkeys(texts))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _duration(seconds: float) -> str:
    """Return a time in the unit in which a reader would say it."""
    for unit, size in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2.0 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
