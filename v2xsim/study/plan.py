"""The plan of a sweep: its settings, checked with the scenario; and its points, each with a key that identifies it."""

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from v2xsim.errors import UserError
from v2xsim.mobility.inputs import input_files
from v2xsim.scenario.choices import word_in
from v2xsim.scenario.describe import described_by
from v2xsim.scenario.errors import Document, ScenarioError
from v2xsim.scenario.explain import problems
from v2xsim.scenario.load import checked, document_of, document_of_kind, find, resolved, section_in
from v2xsim.scenario.mistaken import Kind
from v2xsim.scenario.no_effect import UNUSED_FILE
from v2xsim.scenario.overrides import with_values
from v2xsim.scenario.paths import paths_of
from v2xsim.scenario.schema import Scenario
from v2xsim.study.axes import Setting, count_of, factors_of, has_values, settings_of
from v2xsim.study.labels import counted, value_text
from v2xsim.study.places import Places, named, without_name
from v2xsim.study.sweepfile import SweepFile
from v2xsim.version import __version__

# Version of the plan in sweep.json; readers refuse newer ones.
FORMAT = 1
MOST_POINTS = 1_000_000
# Largest number of settings that a message names.
_MOST_NAMED = 8
# Largest size of a file named by a scenario whose content is part of the point's key; of larger files, size and date are used.
_READ_BYTES = 64_000_000


class PlanError(UserError):
    """A sweep cannot be planned as requested."""


@dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Attributes:
        index: Position of the point in the plan, from 0.
        setting: Row of the point's setting.
        seed: Seed of the run.
        key: Text that identifies the run among all runs of all plans.
    """

    index: int
    setting: int
    seed: int
    key: str


@dataclass(frozen=True)
class Plan:
    """All points that a sweep runs.

    Attributes:
        file: Content of the sweep file.
        source: Name of the sweep, as the user gave it.
        scenario: The scenario without the varied keys.
        keys: The varied keys, dotted.
        settings: Values of the varied keys in each setting.
        scenarios: Scenario of each setting.
        seeds: Seeds with which every setting is run.
        points: All points, sorted by setting and then by seed.
        baseline: Row of the setting with which the others are compared.
        inputs: Digest of each file from which the scenarios are made and that they read, by path.
        owners: Name of what each setting belongs to, such as a rule of a study, by which messages name it; empty for a sweep, whose settings have numbers.
    """

    file: SweepFile
    source: str
    scenario: Scenario
    keys: tuple[str, ...]
    settings: tuple[Setting, ...]
    scenarios: tuple[Scenario, ...]
    seeds: tuple[int, ...]
    points: tuple[Point, ...]
    baseline: int
    inputs: Mapping[str, str]
    owners: tuple[str, ...] = ()

    @property
    def plugins(self) -> dict[str, str]:
        """Digest of each plug-in file whose parts the scenarios of the plan may choose, by path."""
        scenarios = (self.scenario, *self.scenarios)
        return {str(plugin.path): plugin.sha256 for scenario in scenarios for plugin in scenario.loaded_plugins}

    def notes(self) -> list[str]:
        """Return the notes of all settings, each once: keys that have no effect, and plug-in files of which no part is used.

        A plug-in file is noted only if no setting chooses a part of it.
        """
        notes = {row: list(scenario.notes) for row, scenario in enumerate(self.scenarios)}
        every = [note for of_setting in notes.values() for note in of_setting]
        used = {n for n in every if UNUSED_FILE in n and every.count(n) < len(notes)}
        kept = {row: [note for note in of_setting if note not in used] for row, of_setting in notes.items()}
        return grouped(self.source, len(self.settings), kept, self.owners)

    def scenario_of(self, point: Point) -> Scenario:
        """Return the scenario that a point runs."""
        return _seeded(self.scenarios[point.setting], point.seed)

    def manifest(self) -> dict[str, Any]:
        """Return the plan as data for JSON."""
        return {
            "format": FORMAT,
            "kind": "sweep",
            "name": self.file.name,
            "question": self.file.question,
            "source": self.file.scenario,
            "scenario": resolved(self.scenario),
            "automatic": sorted(self.scenario.automatic),
            "keys": list(self.keys),
            "settings": list(self.settings),
            "seeds": list(self.seeds),
            "baseline": self.baseline,
            "baseline_values": self.file.baseline,
            "factors": factors_of(self.file),
            "keep": self.file.keep,
            "plugins": self.plugins,
            "inputs": dict(self.inputs),
            "points": [{"setting": p.setting, "seed": p.seed, "key": p.key} for p in self.points],
            "versions": {"v2xsim": __version__},
        }


def plan_of(sweep: str | Path | Mapping[str, Any] | SweepFile | Document) -> Plan:
    """Return the plan of a sweep.

    Args:
        sweep: Path of a sweep file in YAML, or its content, with or without the place of each value.

    Raises:
        ScenarioError: If the sweep file, the scenario or a setting is not valid; the message lists all settings that are not.
        PlanError: If no key is varied, or the sweep has too many points.
    """
    folder = Path()
    if isinstance(sweep, SweepFile):
        file, content = sweep, Document(sweep.name, None)
    elif isinstance(sweep, Document):
        folder = sweep.base.get((), folder)
        file, content = section_in(sweep, folder, SweepFile), sweep
    elif isinstance(sweep, Mapping):
        file, content = _from_data(sweep), Document("sweep", dict(sweep))
    else:
        folder = Path(sweep).parent
        content = document_of_kind(Path(sweep), str(sweep), Kind.SWEEP)
        file = section_in(content, folder, SweepFile)
        if "name" not in file.model_fields_set:
            file = file.model_copy(update={"name": Path(sweep).stem[:80]})
    source, places = content.source, Places(content, file)
    seeds = tuple(range(1, file.seeds + 1)) if isinstance(file.seeds, int) else tuple(file.seeds)
    # Counted before the settings are made, because a few lines can stand for more settings than the memory holds.
    count = count_of(file) * len(seeds)
    if count > MOST_POINTS:
        raise PlanError(f"{source}: must have at most {MOST_POINTS:,} points, got {_digits(count)}")
    settings = tuple(settings_of(file))
    document, own, written = _base(file.scenario, folder, content)
    word = word_in(Scenario)
    document = with_values(document, file.fixed, places.fixed(), folder, word)
    scenario = checked(document, own)
    scenarios: list[Scenario] = []
    reasons: dict[int, list[str]] = {}
    for row, setting in enumerate(settings):
        try:
            scenarios.append(checked(with_values(document, setting, places.varied(row, setting), folder, word), own))
        except ScenarioError as error:
            reasons[row] = str(error).splitlines()
    if reasons:
        raise refused(source, len(settings), reasons)
    digest = [_digest(scenario) for scenario in scenarios]
    points = [
        Point(row * len(seeds) + k, row, seed, _key(digest[row], seed))
        for row in range(len(settings))
        for k, seed in enumerate(seeds)
    ]
    doubled = len(points) - len({point.key for point in points})
    if doubled:
        raise PlanError(
            f"{source}: {counted(doubled, 'point')} would run the same scenario with the same seed as another; values must differ"
        )
    keys = tuple(settings[0])
    return Plan(
        file, source, scenario, keys, settings, tuple(scenarios), seeds, tuple(points),
        _baseline(file, settings, content.where(("baseline",))), _inputs(written, [scenario, *scenarios]),
    )  # fmt: skip


def refused(source: str, count: int, reasons: Mapping[int, Sequence[str]], owners: Sequence[str] = ()) -> ScenarioError:
    """Return the error that lists the settings of a sweep that cannot be run.

    Args:
        source: Name of the sweep, as the user gave it.
        count: Number of all settings.
        reasons: Reasons why a setting cannot be run, by its row.
        owners: Names of the settings, as in `Plan`.
    """
    listed = "".join(f"\n  {line}" for line in grouped(source, count, reasons, owners))
    return ScenarioError(
        f"{source}: {len(reasons)} of {count} {'setting' if count == 1 else 'settings'} cannot be run, so the sweep does not start; correct the "
        f"values, or leave these settings out (list: in a sweep file, rules: in a study file):{listed}"
    )


def grouped(source: str, count: int, texts: Mapping[int, Sequence[str]], owners: Sequence[str] = ()) -> list[str]:
    """Return texts about settings, each once and with the settings that it concerns.

    Args:
        source: Name of the sweep.
        count: Number of all settings.
        texts: Texts by row of a setting; they may begin with the setting's name.
        owners: Names of the settings, as in `Plan`.
    """
    rows: dict[tuple[str | None, str], list[int]] = {}
    for row, lines in texts.items():
        for line in dict.fromkeys(lines):
            rows.setdefault(without_name(line, row), []).append(row)
    grouped_texts = []
    for (place, text), concerned in rows.items():
        names = names_of(place or source, count, concerned, owners)
        if names is None and place is not None:
            names = f"{place}: all {count} settings" if count > 1 else named(place, 0)
        grouped_texts.append(text if names is None else f"{names}: {text}")
    return grouped_texts


def names_of(source: str, count: int, rows: Sequence[int], owners: Sequence[str] = ()) -> str | None:
    """Return the names of some settings of a sweep, of many the first; None if they are all settings.

    Args:
        source: Name of the sweep.
        count: Number of all settings.
        rows: Rows of the settings.
        owners: Names of the settings, as in `Plan`: a name stands for all settings that have it if they are all among the rows.
    """
    if len(rows) == count:
        return None
    whole = [
        name for name in dict.fromkeys(owners) if all(row in rows for row, own in enumerate(owners) if own == name)
    ]
    single = [row for row in rows if not owners or owners[row] not in whole]
    if whole and not single:
        more = f" and {len(whole) - _MOST_NAMED} more" if len(whole) > _MOST_NAMED else ""
        return f"{source}: {', '.join(whole[:_MOST_NAMED])}{more}"
    if len(rows) == 1:
        return named(source, rows[0])
    more = f" and {len(rows) - _MOST_NAMED} more" if len(rows) > _MOST_NAMED else ""
    return f"{source}: settings {', '.join(map(str, rows[:_MOST_NAMED]))}{more}"


def _digits(count: int) -> str:
    """Return a number with its digits, or as a power of ten if it is very large."""
    return f"{count:,}" if count < 10**15 else f"about 10^{int(math.log10(count))}"


def _from_data(data: Mapping[str, Any]) -> SweepFile:
    try:
        return SweepFile.model_validate_json(json.dumps(dict(data)), strict=True)
    except ValidationError as error:
        with described_by(SweepFile):
            raise Document("sweep", data).error(problems(error, data)) from None
    except (TypeError, ValueError) as error:
        raise PlanError(f"sweep: must be plain data (maps, lists, text, numbers): {error}") from None


def _base(name: str, folder: Path, content: Document) -> tuple[Document, Path, Path]:
    """Return the unchecked content of the scenario that a sweep file names, the scenario's folder, and its file.

    The name is taken as a path relative to the sweep file; if there is no such file, as on the command line.
    """
    beside = folder / name
    given = beside if beside.exists() else name
    try:
        file = find(given)
    except ScenarioError as error:
        place = content.where(("scenario",))
        raise error if place == name else ScenarioError(f"{place}: scenario: {error}") from None
    return *document_of(given), Path(os.path.abspath(file))


def _inputs(written: Path, scenarios: Sequence[Scenario]) -> dict[str, str]:
    """Return the digest of the file in which the scenario is written, and of all files that scenarios read, by path."""
    paths = {written, *(path for scenario in scenarios for path in _read_by(scenario))}
    return {str(path): content_of(path) for path in sorted(paths)}


def _read_by(scenario: Scenario) -> list[Path]:
    """Return the files that a scenario names, and those that its SUMO configuration names, or that a run to be replayed holds."""
    named = [path for _, path in sorted(paths_of(scenario), key=lambda item: item[0])]
    return list(dict.fromkeys([*named, *input_files(scenario)]))


def _baseline(file: SweepFile, settings: tuple[Setting, ...], place: str) -> int:
    for row, setting in enumerate(settings):
        if has_values(setting, file.baseline):
            return row
    raise PlanError(f"{place}: baseline: no setting has {value_text(file.baseline)}")


def _seeded(scenario: Scenario, seed: int) -> Scenario:
    return scenario.model_copy(update={"run": scenario.run.model_copy(update={"seed": seed})})


def _digest(scenario: Scenario) -> str:
    """Return a digest of everything on which the results of a scenario depend, except the seed."""
    content = resolved(_seeded(scenario, 0))
    for words in ("name", "description"):
        del content[words]
    files = [content_of(path) for path in _read_by(scenario)]
    text = json.dumps([content, files, __version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def content_of(path: Path) -> str:
    """Return the digest of a file's content; of a very large file, its size and date."""
    about = path.stat()
    if about.st_size > _READ_BYTES:
        return f"{about.st_size} {about.st_mtime_ns}"
    return _sha256(path, about.st_size, about.st_mtime_ns)


# A sweep may have thousands of settings that read the same files.
@lru_cache(maxsize=1024)
def _sha256(path: Path, _size: int, _date_ns: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _key(digest: str, seed: int) -> str:
    return hashlib.sha256(f"{digest} {seed}".encode()).hexdigest()[:24]
