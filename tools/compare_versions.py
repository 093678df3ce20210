"""Compare the speed of two versions: python tools/compare_versions.py OLD NEW SCENARIO [KEY=VALUE ...] [--new KEY=VALUE ...] [--runs N].

OLD and NEW are folders with the source of two versions. Each runs the scenario in a process of its own, on one thread, and the two
take turns after every tick, so that whatever else slows the machine down slows both. Prints the processor time of ticks of each run,
and how much more time the new version takes: by the sums over all runs, and by the least time of each tick.
The keys after --new are set for the new version alone, such as for a model whose default has changed. A first run, in which kernels
are compiled, does not count.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def work(runs: int, scenario: str, overrides: Sequence[str]) -> None:
    """Run ticks of the version in the working folder, one for each line on standard input, and print the time of each."""
    sys.path.insert(0, os.getcwd())
    # What the run prints must not get between the times.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import v2xsim

    if not v2xsim.__file__.startswith(os.getcwd()):
        sys.exit(f"{os.getcwd()}: there is no v2xsim here")
    for _ in range(runs + 1):
        with v2xsim.Simulation(v2xsim.load(scenario, list(overrides)), threads=1) as simulation:
            goes_on = True
            while goes_on and sys.stdin.readline():
                began = time.process_time()
                goes_on = simulation.step() is not None
                print(time.process_time() - began, int(goes_on), file=replies, flush=True)


class Version:
    """A version of v2xsim that runs in its own process, tick by tick."""

    def __init__(self, folder: Path, runs: int, scenario: str, overrides: Sequence[str]) -> None:
        order = [sys.executable, str(Path(__file__).resolve()), "--work", str(runs), scenario, *overrides]
        self._process = subprocess.Popen(
            order, cwd=folder.resolve(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.tick_s: list[list[float]] = [[]]
        self._runs = runs

    def tick(self) -> bool:
        """Run one tick, and return whether there are more."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        reply = self._process.stdout.readline().split()
        if len(reply) != 2:
            sys.exit("a version failed: see above")
        self.tick_s[-1].append(float(reply[0]))
        if reply[1] == "0":
            self.tick_s.append([])
        return len(self.tick_s) <= self._runs + 1

    def times_s(self) -> np.ndarray:
        """Return the processor time of each tick of each run that counts."""
        self._process.communicate()
        return np.array(self.tick_s[1:-1])


def main() -> None:
    """Compare two versions."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new_folder", metavar="new", type=Path)
    parser.add_argument("scenario")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--new", nargs="+", default=[], metavar="KEY=VALUE", help="keys for the new version alone")
    parser.add_argument("--runs", type=int, default=5, help="runs that count; default 5")
    order = parser.parse_args()
    old = Version(order.old, order.runs, order.scenario, order.overrides)
    new = Version(order.new_folder, order.runs, order.scenario, [*order.overrides, *order.new])
    # Both have the same number of ticks, so none waits for the other.
    while [version.tick() for version in (old, new)] != [False, False]:
        pass
    before_s, now_s = old.times_s(), new.times_s()
    print("old:", " ".join(f"{total:.3f}" for total in before_s.sum(axis=1)), "s")
    print("new:", " ".join(f"{total:.3f}" for total in now_s.sum(axis=1)), "s")
    least = now_s.min(axis=0).sum() / before_s.min(axis=0).sum()
    print(f"new over old: {now_s.sum() / before_s.sum():.3f}, by least times {least:.3f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(int(sys.argv[2]), sys.argv[3], sys.argv[4:])
    else:
        main()
