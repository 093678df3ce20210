"""The results of a run, and how they are written to a folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from v2xsim.errors import UserError, reason_of
from v2xsim.evaluation.metric import Metric, Rows
from v2xsim.notices import Notice
from v2xsim.results.listed import Listed
from v2xsim.results.manifest import manifest_of
from v2xsim.results.tables import Columns
from v2xsim.scenario.manifest_files import MANIFEST
from v2xsim.scenario.manifests import sha256_of
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.steered import Steered
from v2xsim.staging import added

# The bytes of equal rank of all numbers are stored one after the other: point clouds, by far the largest table, take a fifth
# less space.
_SPLIT_COLUMNS = {"clouds": ["x_m", "y_m", "z_m"]}


class ResultsError(UserError):
    """A run's results cannot be written or read."""


@dataclass(frozen=True)
class Results:
    """The results of a run.

    Attributes:
        scenario: The scenario that was run.
        tables: Arrow tables by name; v2xsim.results.columns has the meaning of their columns.
        metrics: Metrics of the whole run, by name.
        timing: Wall-clock times of the run's phases, which differ from run to run and are therefore not in the tables.
        rung: Variant of each model that produced the results.
        notices: What the run left out, repaired or assumed, and what it was asked for and did not find.
        inputs: SHA-256 digest of each file that the run read, by absolute path; plug-ins are in the scenario.
        steered: How often a program that stepped the run acted in it; the scenario alone repeats none of that.
    """

    scenario: Scenario
    tables: dict[str, pa.Table]
    metrics: dict[str, Metric]
    timing: dict[str, float] = field(default_factory=dict)
    rung: dict[str, str] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    inputs: dict[str, str] = field(default_factory=dict)
    steered: Steered = field(default_factory=Steered)

    def __repr__(self) -> str:
        rows = sum(table.num_rows for table in self.tables.values())
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
        """
        folder = Path(folder)
        with added(folder, ResultsError, last=MANIFEST) as draft:
            try:
                digests = {
                    name: _written(table, draft / f"{name}.parquet", name) for name, table in self.tables.items()
                }
                _write_json(draft / "timing.json", self.timing)
                manifest = manifest_of(self.scenario, self.rung, self.notices, self.inputs, digests, self.steered)
                _write_json(draft / MANIFEST, manifest)
            except OSError as error:
                raise ResultsError(f"{folder}: results cannot be written: {reason_of(error)}") from error


def _written(table: pa.Table, path: Path, name: str) -> str:
    """Write a table into a file, and return the SHA-256 digest of the file."""
    split = _SPLIT_COLUMNS.get(name, [])
    pq.write_table(
        table, path, compression="zstd", use_byte_stream_split=split,
        use_dictionary=[column for column in table.column_names if column not in split],
    )  # fmt: skip
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
