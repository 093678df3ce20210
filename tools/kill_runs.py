"""Kills a run again and again at random instants, and reads what is left of it each time.

    python tools/kill_runs.py --kills 50 --seed 1

Each time, a run starts and gets SIGKILL at a random instant: half of the kills at any time, a quarter in the last tenth of the run, and a
quarter after its last tick, while files are completed and moved. Every other run is that of a program, which moves file by file into a folder;
the others are those of the command, which moves the whole folder. Once a run has ended, the next ones replace it.

The folder must then be refused, or hold a finished run with all its bytes. What the run had written must open as an incomplete run, each of
whose tables is the beginning of the table of an undisturbed run, with whole rows, or as the finished run. At the end, a run into the same
folder must give the files of the undisturbed run, and nothing may be left beside it. The exit code is 0 if all this holds, at least a quarter
of the kills met a run that had written rows, and a tenth one that was at its end.
"""

import argparse
import json
import os
import random
import shutil
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
NAME, SETTINGS = "highway", ["run.duration_s=60", "record.clouds_every_s=1"]
PROGRAM = f"import sys, v2xsim; v2xsim.run(v2xsim.load({NAME!r}, {SETTINGS!r}), out=sys.argv[1])"
COMMAND = ["-m", "v2xsim", "run", NAME, *(word for setting in SETTINGS for word in ("--set", setting)), "--out"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
BEGINNING, AT_WORK = "killed before the first row", "killed at work"
ENDING, MOVING, MOVED = "killed after the last tick", "killed before its files were moved", "killed after that"
FINISHED = "finished before"


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
    whole = v2xsim.open(place / "undisturbed")
    begun_s = time.monotonic()
    process = _begun(place, "killed", number=0)
    _wait_for_end(place, process, whole, time.time())
    ended_s = time.monotonic()
    while process.poll() is None and any(place.glob(".killed.*")):
        time.sleep(0.005)
    # What comes after this, the end of the process, changes no files.
    longest_s, end_s = time.monotonic() - begun_s, time.monotonic() - ended_s
    process.wait()
    print(f"undisturbed run: {longest_s:.1f} s, and {end_s:.2f} s of it after the last tick", flush=True)
    chance, ends, faults = random.Random(options.seed), Counter[str](), list[str]()
    shares: list[float] = []
    for number in range(options.kills):
        began = time.time()
        process = _begun(place, "killed", number)
        if number // 2 % 4 == 3:
            _wait_for_end(place, process, whole, began)
            after_s = chance.uniform(0.0, end_s)
        else:
            after_s = chance.uniform(0.9 * longest_s if number // 2 % 4 == 2 else 0.1, longest_s)
        is_killed = _kill(process, after_s)
        end, share, wrong = _read(place, whole, began)
        ends[end if is_killed else FINISHED] += 1
        shares += [share] if share is not None else []
        faults += [f"kill {number} ({end}): {text}" for text in wrong]
    _finish(place, "killed")
    faults += _differences(place) + _left(place)
    if (
        4 * (ends[AT_WORK] + ends[ENDING] + ends[MOVING]) < options.kills
        or 10 * (ends[ENDING] + ends[MOVING]) < options.kills
    ):
        faults.append("too few runs had written rows or were at their end when they were killed; make the run longer")
    print(
        f"ends: {', '.join(f'{count} {end}' for end, count in sorted(ends.items()))}; {time.monotonic() - begun_s:.0f} s"
    )
    if shares:
        print(f"rows that were there, of all rows: {min(shares):.0%} to {max(shares):.0%}")
    print(
        "\n".join(faults) or "no folder that looks complete, whole rows, the same bytes at the end, nothing left behind"
    )
    return 1 if faults else 0


def _begun(place: Path, out: str, number: int) -> "subprocess.Popen[bytes]":
    """Start a run, that of a program for every other number."""
    words = ["-c", PROGRAM] if number % 2 else COMMAND
    command = [sys.executable, *words, str(place / out)]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _finish(place: Path, out: str) -> None:
    command = [sys.executable, *COMMAND, str(place / out)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"the run {out} failed with {done.returncode}: {done.stderr}")


def _wait_for_end(place: Path, process: "subprocess.Popen[bytes]", whole: Run, began: float) -> None:
    """Wait until a run that began at some time has noted the rows of its end."""
    while process.poll() is None:
        for notes in place.glob(".killed.*.partial/segments/written.jsonl"):
            try:
                lines = notes.read_text().splitlines() if notes.stat().st_mtime > began else []
                if lines and json.loads(lines[-1])["time_us"] == round(whole.until_s * 1e6):
                    return
            except (OSError, ValueError):
                continue
        time.sleep(0.005)


def _kill(process: "subprocess.Popen[bytes]", after_s: float) -> bool:
    """Kill a run after some time; return whether it had not ended."""
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def _read(place: Path, whole: Run, began: float) -> tuple[str, float | None, list[str]]:
    """Return how a run that began at some time was killed, the share of its rows that were written, and what is wrong."""
    folder, wrong = place / "killed", list[str]()
    if (folder / "manifest.json").exists():
        wrong += [f"{folder} looks complete, but {text}" for text in _differences(place)]
    else:
        try:
            v2xsim.open(folder)
            wrong.append(f"{folder} has no manifest, but opens")
        except OpenError:
            pass
    try:
        run = v2xsim.open(folder, partial=True)
    except OpenError as error:
        return BEGINNING, None, wrong + ([] if "has written no rows" in str(error) else [str(error)])
    if not (folder / "manifest.json").exists():
        # A command replaces only a finished run.
        shutil.rmtree(folder, ignore_errors=True)
    is_new = (run.folder / "manifest.json" if run.is_complete else run.folder).stat().st_mtime > began
    if run.is_complete:
        wrong += [f"{run.folder} is complete, but {text}" for text in _differences(place, run.folder)]
        return (MOVED if run.folder == folder else MOVING) if is_new else BEGINNING, None, wrong
    there, all_rows = 0, 0
    for name in run.tables:
        part, table = run.tables[name], whole.tables[name]
        if name == "agents":
            continue
        there, all_rows = there + part.num_rows, all_rows + table.num_rows
        if not _same(part, table.slice(0, part.num_rows)):
            wrong.append(f"table {name}: its {part.num_rows:,} rows are not the first of the undisturbed run")
    if not there or not is_new:
        return BEGINNING, None, wrong
    _ = run.evaluate()
    return ENDING if run.until_s == whole.until_s else AT_WORK, there / all_rows, wrong


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


def _differences(place: Path, folder: Path | None = None) -> list[str]:
    """Return what differs between a finished run, by default that in the folder of the killed ones, and the undisturbed one."""
    one, other = (
        {path.name: path for path in at.glob("*.*") if not path.name.endswith(".moved")}
        for at in (place / "undisturbed", folder or place / "killed")
    )
    names = sorted(set(one) ^ set(other))
    names += [n for n in set(one) & set(other) if n != "timing.json" and one[n].read_bytes() != other[n].read_bytes()]
    return [f"{name} differs" for name in names]


def _left(place: Path) -> list[str]:
    """Return what is left beside the folders of the runs."""
    return [f"left behind: {path.name}" for path in place.iterdir() if path.name not in ("undisturbed", "killed")]


if __name__ == "__main__":
    sys.exit(main())
