"""Measure how many deaths of links egos foresee: python tools/measure_foresight.py [SCENARIO ...] [--model M] [--seeds S ...] [--set KEY=VALUE ...].

Prints one row of Markdown for each scenario: deaths by buildings and by known vehicles, the share that was foretold by 0.3 s or more,
alarms, the share that was false, and the median of the warning time. The definitions are those of docs/models.md, "Foresight".
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import v2xsim
from v2xsim.evaluation.foresight import CAUSES, Foresight

SCENARIOS = ("nlos_grid", "t_junction", "overtaking", "motorway", "urban_grid")
TEST_SEEDS = (11, 12, 13)
"""Seeds to which nothing was fitted; the thresholds of `sampled` were chosen on seeds 901 to 903."""
# More than any agent id.
_AGENTS = 1 << 20
HEADER = "| scenario | deaths by buildings | foreseen | by known vehicles | foreseen | by either | foreseen | alarms | false | warning time |"


def of_run(table: pa.Table, run: int) -> pa.Table:
    """Return a table of a run with agent ids that no other run has."""
    for name in ("station", "neighbour"):
        column = table.column_names.index(name)
        table = table.set_column(column, name, pc.add(table[name], run * _AGENTS))
    return table


def row(name: str, runs: Iterable[tuple[pa.Table, pa.Table]]) -> str:
    """Return the row of a scenario from the tables `deaths` and `foretold` of some runs."""
    foresight = Foresight()
    for run, (deaths, foretold) in enumerate(runs):
        foresight.add_deaths(of_run(deaths, run))
        foresight.add_foretold(of_run(foretold, run))
    found = {metric: value for metric, _, value in foresight.rows()}
    building, body = (found[f"deaths_foreseen_{cause}"] for cause in CAUSES)
    deaths = building.count + body.count
    # A share of no deaths is NaN.
    foreseen = sum(one.value * one.count for one in (building, body) if one.count)
    alarms, time = found["alarms_false"], found["warning_time"]
    either = foreseen / deaths if deaths else float("nan")
    return (
        f"| `{name}` | {building.count} | {building.value:.0%} | {body.count} | {body.value:.0%} | {deaths} | {either:.0%} | "
        f"{alarms.count} | {alarms.value:.0%} | {time.value:.2f} s |"
    )


def tables(name: str, model: str, seed: int, keys: list[str]) -> tuple[pa.Table, pa.Table]:
    """Return the tables `deaths` and `foretold` of a run."""
    result = v2xsim.run(v2xsim.load(name, [f"cooperation.foresight={model}", *keys], seed))
    return result.tables["deaths"], result.tables["foretold"]


def main() -> None:
    """Run the scenarios and print their rows, and one for all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", default=SCENARIOS)
    parser.add_argument("--model", default="sampled", help="link forecast, such as tracks")
    parser.add_argument("--seeds", nargs="+", type=int, default=TEST_SEEDS)
    parser.add_argument("--set", nargs="+", default=[], dest="keys")
    args = parser.parse_args()
    print(HEADER + "\n" + "|---" * HEADER.count(" |") + "|", flush=True)
    every = []
    for name in args.scenarios:
        runs = [tables(name, args.model, seed, args.keys) for seed in args.seeds]
        every += runs
        print(row(name, runs), flush=True)
    print(row("all", every), flush=True)


if __name__ == "__main__":
    main()
