"""Kills a small sweep again and again at random instants, and compares what it ends with to an undisturbed one.

    python tools/kill_sweep.py --kills 100 --seed 1

Each time, the sweep continues with --resume and gets SIGKILL or SIGTERM after a random time. At the end, the results must be byte for
byte those of a sweep that nobody disturbed, no folder or file of killed processes may be left, and files that the tool itself put beside
them, which look like those of a sweep but are not, must still be there. The exit code is 0 if all this holds.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SWEEP = {
    "name": "small", "scenario": "scene.yaml", "set": {"run.duration_s": 0.3}, "keep": "tables",
    "grid": {"cooperation.relay": ["none", "hybrid"], "stations.penetration": [0.5, 0.75, 1.0]},
}  # fmt: skip
# Road users on SUMO's highway, so that points also have temporary folders of SUMO.
SCENE = """
name: scene
run: {seed: 1, begin_s: 2.0, duration_s: 0.3, step_s: 0.1}
traffic:
  highway: {length_m: 300, lanes: 1, density_per_km: 40}
stations: {penetration: 1.0}
lidars: {count: 1, model: beam16}
"""
# Files of somebody else with names like those of a sweep.
FOREIGN = (
    "points/.mine.7.draft",
    "runs/.k.0123abcd.partial/thesis.tex",
    "runs/.k.0123abcd.owner",
    "logs/mine.reason",
    "notes.txt",
)


def main() -> int:
    """Run the sweeps, print what happened, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="number of kills (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random instants and signals (default: 1)")
    parser.add_argument("--points", type=int, default=30, help="least number of points of the sweep (default: 30)")
    parser.add_argument(
        "--longest", type=float, default=4.0, help="longest time before a kill, in seconds (default: 4)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill-sweep-") as folder:
        place = Path(folder)
        (place / "tmp").mkdir()
        (place / "scene.yaml").write_text(SCENE)
        (place / "small.yaml").write_text(json.dumps(SWEEP | {"seeds": -(-options.points // 6)}))
        return _compare(place, options)


def _compare(place: Path, options: argparse.Namespace) -> int:
    begun_s = time.monotonic()
    _finish(place, "undisturbed")
    print(f"undisturbed sweep: {time.monotonic() - begun_s:.1f} s", flush=True)
    chance, codes = random.Random(options.seed), Counter[str]()
    foreign = False
    for number in range(options.kills):
        signal_sent = chance.choice([signal.SIGKILL, signal.SIGTERM])
        # Every third kill may come while the sweep is still being planned, the others while its points run.
        codes[_killed(place, signal_sent, number % 3 > 0, chance.uniform(0.1, options.longest))] += 1
        if not foreign and (place / "killed" / "sweep.json").exists():
            _put_foreign(place / "killed")
            foreign = True
        if number % 10 == 9:
            done = len(list((place / "killed" / "points").glob("*.arrow")))
            print(f"{number + 1} kills, {done} points finished, {time.monotonic() - begun_s:.0f} s", flush=True)
            _forget_some(place / "killed", chance)
    _finish(place, "killed")
    print("ends of the killed commands: " + ", ".join(f"{count} {end}" for end, count in sorted(codes.items())))
    faults = _faults(place)
    print("\n".join(faults) or "the same bytes, nothing left behind, nothing of others touched")
    return 1 if faults else 0


def _command(place: Path, out: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "v2xsim",
        "sweep",
        str(place / "small.yaml"),
        "--out",
        str(place / out),
        "--workers",
        "2",
        "--resume",
    ]


def _environment(place: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(place / "tmp")}


def _finish(place: Path, out: str) -> None:
    done = subprocess.run(_command(place, out), env=_environment(place), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"the sweep {out} failed with {done.returncode}: {done.stderr}")


def _killed(place: Path, number: signal.Signals, at_work: bool, after_s: float) -> str:
    """Start the sweep, kill it, and return how it ended.

    Args:
        place: Folder of the sweep.
        number: Signal to send.
        at_work: Whether the time begins when a point begins to write, and not with the start of the command.
        after_s: Time until the signal.
    """
    runs = place / "killed" / "runs"
    before = set(runs.glob(".*.owner"))
    process = subprocess.Popen(
        _command(place, "killed"), env=_environment(place), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    while at_work and process.poll() is None and not set(runs.glob(".*.owner")) - before:
        time.sleep(0.01)
    try:
        _, said = process.communicate(timeout=after_s)
        end = f"finished before {number.name}"
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        _, said = process.communicate()
        end = f"ended by {number.name}"
    expected = {0, -signal.SIGKILL, 128 + signal.SIGTERM, -signal.SIGTERM}
    if process.returncode not in expected or "Traceback" in said:
        sys.exit(f"after {number.name} the sweep exited with {process.returncode}: {said}")
    return end + (" before Python was ready" if process.returncode == -signal.SIGTERM else "")


def _put_foreign(folder: Path) -> None:
    for name in FOREIGN:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("years of work")


def _forget_some(folder: Path, chance: random.Random) -> None:
    """Remove some results, as if these points had not run, so that there is always something to kill."""
    for result in sorted((folder / "points").glob("*.arrow")):
        if chance.random() < 0.7:
            result.unlink()


def _faults(place: Path) -> list[str]:
    """Return what differs between the two sweeps, and what should not be there."""
    kept = {name: (place / name) for name in ("undisturbed", "killed")}
    content = {name: _content(folder) for name, folder in kept.items()}
    faults = [
        f"differs: {name}"
        for name in sorted(content["undisturbed"])
        if content["killed"].get(name) != content["undisturbed"][name]
    ]
    extra = set(content["killed"]) - set(content["undisturbed"]) - set(FOREIGN)
    faults += [f"left behind: {name}" for name in sorted(extra)]
    faults += [f"touched: {name}" for name in FOREIGN if content["killed"].get(name) != b"years of work"]
    faults += [f"left behind in the folder for temporary files: {path.name}" for path in (place / "tmp").iterdir()]
    return faults


def _content(folder: Path) -> dict[str, bytes]:
    """Return the files of a sweep by name, without those that have computing times."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("timing.")
    }


if __name__ == "__main__":
    sys.exit(main())
