"""The results of a run, and how they are written to a folder."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from v2xsim.errors import reason_of
from v2xsim.evaluation.metric import Metric, Rows
from v2xsim.notices import Notice
from v2xsim.results.errors import ResultsError
from v2xsim.results.file_tables import FileTables, write_groups
from v2xsim.results.listed import Listed
from v2xsim.results.manifest import manifest_of
from v2xsim.results.row_groups import cut
from v2xsim.results.store import MetricsAlone, end_segments
from v2xsim.results.tables import Columns
from v2xsim.scenario.manifest_files import MANIFEST
from v2xsim.scenario.manifests import sha256_of
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.steered import Steered
from v2xsim.staging import added


@dataclass(frozen=True)
class Results:
    """The results of a run.

    Attributes:
        scenario: The scenario that was run.
        tables: Arrow tables by name; v2xsim.results.columns has the meaning of their columns. After `run(out=...)`, each table
            is read from the folder of the run whenever it is used.
        metrics: Metrics of the whole run, by name.
        timing: Wall-clock times of the run's phases and stages, and processor times. They differ from run to run, so they are not in the tables.
        rung: Variant of each model that produced the results.
        notices: What the run left out, repaired or assumed, and what it was asked for and did not find.
        inputs: SHA-256 digest of each file that the run read, by absolute path; plug-ins are in the scenario.
        steered: How often a program that stepped the run acted in it; the scenario alone repeats none of that.
    """

    scenario: Scenario
    tables: Mapping[str, pa.Table]
    metrics: dict[str, Metric]
    timing: dict[str, float] = field(default_factory=dict)
    rung: dict[str, str] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    inputs: dict[str, str] = field(default_factory=dict)
    steered: Steered = field(default_factory=Steered)

    def __repr__(self) -> str:
        tables = self.tables
        rows = sum(tables.rows(n) if isinstance(tables, FileTables) else tables[n].num_rows for n in tables)
        run = self.scenario.run
        return (
            f"results of {self.scenario.name} (seed {run.seed}, {run.duration_s:g} s): {len(self.tables)} tables with {rows:,} rows, "
            f"{len(self.metrics)} metrics, {len(self.notices)} notices; see .metrics and .tables"
        )

    @property
    def names(self) -> Mapping[int, str]:
        """Names of road users and roadside units, by the agent ids that all tables use."""
        agents, names = (self.tables["agents"].column(name).to_pylist() for name in ("agent", "name"))
        return Listed(zip(agents, names, strict=True))

    def write(self, folder: Path | str) -> None:
        """Write tables, timing and manifest into a folder. Files of an earlier run are replaced, others stay.

        The files are moved into the folder when all are written, the manifest last: a folder without a manifest is not a finished run.

        Raises:
            ResultsError: If the folder cannot be written, or the run kept no tables (`run(tables=False)`).
        """
        if isinstance(self.tables, MetricsAlone):
            raise ResultsError(
                f"{folder}: results must have all tables to be written, but this run kept only its metrics; run it without tables=False"
            )
        if not os.fspath(folder):
            raise ResultsError("folder must be a path, got an empty text; '.' is the working folder")
        with added(Path(folder), ResultsError, last=MANIFEST) as draft:
            self.fill(draft, Path(folder))
        if isinstance(self.tables, FileTables) and self.tables.folder == Path(folder).resolve():
            # Its own files were replaced by equal ones.
            self.moved(Path(folder))

    def fill(self, draft: Path, folder: Path) -> None:
        """Write all files into a folder that nobody reads yet.

        Args:
            draft: The folder; tables that are there already stay as they are.
            folder: The folder to which it will be moved, for messages.
        """
        try:
            digests = {name: self._written(name, draft / f"{name}.parquet") for name in self.tables}
            _write_json(draft / "timing.json", self.timing)
            manifest = manifest_of(self.scenario, self.rung, self.notices, self.inputs, digests, self.steered)
            # Under its final name only when it is whole: from then on, the folder is that of a finished run.
            new = draft / f"{MANIFEST}.new"
            _write_json(new, manifest)
            new.replace(draft / MANIFEST)
            # Not before: a run that is killed until now is opened as one that has not ended, and from now on as a finished one.
            end_segments(draft)
        except OSError as error:
            raise ResultsError(f"{folder}: results cannot be written: {reason_of(error)}") from error

    def moved(self, folder: Path) -> None:
        """Note that the folder into which the run wrote its tables has been moved; without effect on tables in memory."""
        if isinstance(self.tables, FileTables):
            self.tables.moved(folder.resolve())

    def _written(self, name: str, path: Path) -> str:
        """Write a table into a file, unless it is there, and return the SHA-256 digest of the file."""
        tables = self.tables
        if isinstance(tables, FileTables):
            if tables.folder == path.parent and name in tables.digests:
                return tables.digests[name]
            if tables.folder != path.parent:
                write_groups(tables.groups(name), path, name)
        else:
            write_groups(cut([tables[name]], name), path, name)
        return sha256_of(path)


def metrics_table(rows: Rows) -> pa.Table:
    """Return the metrics of a run as a table."""
    columns = Columns("metrics")
    if rows:
        columns.add(
            metric=[r[0] for r in rows], bin=[r[1] for r in rows], value=np.array([r[2].value for r in rows]),
            unit=[r[2].unit for r in rows], count=np.array([r[2].count for r in rows]),
        )  # fmt: skip
    return columns.finished()


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
