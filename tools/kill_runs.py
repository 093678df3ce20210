"""Kills a run again and again at random instants, and reads what is left of it each time.

    python tools/kill_runs.py --kills 50 --seed 1

Each time, a run starts and gets SIGKILL after a random time. Its folder must then not be there, or hold the finished run. What it had
written must open as an incomplete run, and each of its tables must be the beginning of the table of an undisturbed run, with whole rows.
At the end, a run into the same folder must give the files of the undisturbed run, and nothing may be left beside it. The exit code is 0 if
all this holds, and at least a quarter of the kills met a run that had written rows.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

import v2xsim
from v2xsim.opened import OpenError, Run

ROOT = Path(__file__).resolve().parent.parent
# Rows are stored after two seconds of work, and a run needs some seconds before it begins: it must take much longer than both.
SCENARIO = ["highway", "--set", "run.duration_s=60", "--set", "record.clouds_every_s=1"]
AT_WORK = "killed at work"


def main() -> int:
    """Run and kill, print what happened, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="number of kills (default: 50)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random instants (default: 1)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill-runs-") as folder:
        return _compare(Path(folder), options)


def _compare(place: Path, options: argparse.Namespace) -> int:
    # The first run compiles.
    _finish(place, "undisturbed")
    begun_s = time.monotonic()
    _finish(place, "undisturbed")
    longest_s = time.monotonic() - begun_s
    print(f"undisturbed run: {longest_s:.1f} s", flush=True)
    whole = v2xsim.open(place / "undisturbed")
    chance, ends, faults = random.Random(options.seed), Counter[str](), list[str]()
    shares: list[float] = []
    for number in range(options.kills):
        _kill(place, chance.uniform(0.1, longest_s))
        end, share, wrong = _read(place, whole)
        ends[end] += 1
        shares += [share] if share is not None else []
        faults += [f"kill {number}: {text}" for text in wrong]
    _finish(place, "killed")
    faults += _differences(place)
    if 4 * ends[AT_WORK] < options.kills:
        faults.append(
            f"only {ends[AT_WORK]} of {options.kills} runs had written rows when they were killed; make the run longer"
        )
    print(
        f"ends: {', '.join(f'{count} {end}' for end, count in sorted(ends.items()))}; {time.monotonic() - begun_s:.0f} s"
    )
    if shares:
        print(f"rows that were there, of all rows: {min(shares):.0%} to {max(shares):.0%}")
    print(
        "\n".join(faults) or "no folder that looks complete, whole rows, the same bytes at the end, nothing left behind"
    )
    return 1 if faults else 0


def _command(place: Path, out: str) -> list[str]:
    return [sys.executable, "-m", "v2xsim", "run", *SCENARIO, "--out", str(place / out)]


def _finish(place: Path, out: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(_command(place, out), env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"the run {out} failed with {done.returncode}: {done.stderr}")


def _kill(place: Path, after_s: float) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        _command(place, "killed"), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _read(place: Path, whole: Run) -> tuple[str, float | None, list[str]]:
    """Return how a killed run ended, the share of the rows that it had written, and what is wrong with it."""
    folder = place / "killed"
    if folder.exists():
        finished = [f"{folder} exists, and is no finished run: {text}" for text in _differences(place)]
        subprocess.run(["rm", "-rf", str(folder)], check=True)
        return "finished before", None, finished
    try:
        run = v2xsim.open(folder, partial=True)
    except OpenError as error:
        return "killed before the first row", None, [] if "there is no such folder" in str(error) else [str(error)]
    wrong, there, all_rows = [], 0, 0
    for name in whole.tables:
        part, table = run.tables[name], whole.tables[name]
        if name == "agents":
            continue
        there, all_rows = there + part.num_rows, all_rows + table.num_rows
        if not _same(part, table.slice(0, part.num_rows)):
            wrong.append(f"table {name}: its {part.num_rows:,} rows are not the first of the undisturbed run")
    _ = run.evaluate() if there else None
    return AT_WORK, there / all_rows, wrong


def _same(one: pa.Table, other: pa.Table) -> bool:
    return one.num_rows == other.num_rows and all(
        _plain(one.column(name)).equals(_plain(other.column(name)))
        or (
            pa.types.is_floating(one.column(name).type)
            and np.array_equal(one.column(name), other.column(name), equal_nan=True)
        )
        for name in other.column_names
    )


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column with its words themselves: the dictionary of a part lacks words that come later."""
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _differences(place: Path) -> list[str]:
    """Return what differs between the finished run and the undisturbed one, and what is left beside it."""
    one, other = ({path.name: path for path in (place / name).iterdir()} for name in ("undisturbed", "killed"))
    names = sorted(set(one) ^ set(other))
    names += [n for n in set(one) & set(other) if n != "timing.json" and one[n].read_bytes() != other[n].read_bytes()]
    left = [path.name for path in place.iterdir() if path.name not in ("undisturbed", "killed")]
    return [f"differs: {name}" for name in names] + [f"left behind: {name}" for name in left]


if __name__ == "__main__":
    sys.exit(main())
