"""Mutation test: put small faults into a copy of the code, one at a time, and report which ones the tests detect.

See docs/tests.md. Example:

python tools/mutants.py --seed 1 --count 200
"""

import argparse
import ast
import collections
import concurrent.futures
import contextlib
import importlib
import json
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mutations import Mutant, mutants_of

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Room:
    """A part of the code, with the tests that cover it.

    Attributes:
        code: Folder of the code.
        tests: Test files and folders that mirror this folder.
        wider: Further tests that use this code, in the order in which they run.
    """

    code: str
    tests: str
    wider: tuple[str, ...]


_RUNS = ("tests/recorded", "tests/engine/test_whole_runs.py")
_EVERY_PART = (
    "tests/contract/test_every_access_scheme.py",
    "tests/contract/test_every_channel_part.py",
    "tests/contract/test_every_message_rule.py",
    "tests/contract/test_every_relay_and_matching_rule.py",
    "tests/contract/test_every_detector_and_fusion.py",
)
_RADIO = (
    *_EVERY_PART,
    "tests/comms",
    *_RUNS,
    "tests/cli/validate",
    "tests/contract/test_faulty_parts.py",
)
_PERCEPTION = (*_EVERY_PART, "tests/perception", *_RUNS, "tests/contract/test_faulty_parts.py")
ROOMS = {
    "engine": Room(
        "v2xsim/engine", "tests/engine", ("tests/recorded", "tests/evaluation", "tests/viz", "tests/cli", "tests/contract")
    ),
    "evaluation": Room("v2xsim/evaluation", "tests/evaluation", (*_RUNS, "tests/viz")),
    "import_osm": Room("v2xsim/import_osm", "tests/import_osm", ("tests/world",)),
    "mobility": Room("v2xsim/mobility", "tests/mobility", (*_RUNS, "tests/cli")),
    "views": Room("v2xsim/views", "tests/views", ()),
    "world": Room("v2xsim/world", "tests/world", ("tests/import_osm", *_RUNS)),
    "results": Room("v2xsim/results", "tests/results", ("tests/evaluation", *_RUNS, "tests/study", "tests/viz", "tests/cli")),
    "opened": Room("v2xsim/opened", "tests/opened", ("tests/mobility", "tests/contract")),
    "study": Room("v2xsim/study", "tests/study", ("tests/viz", "tests/cli")),
    "access": Room("comms/access", "tests/comms/access", _RADIO),
    "packets": Room("comms/messages", "tests/comms/messages", _RADIO),
    "tracking": Room("perception/tracking", "tests/perception/tracking", _PERCEPTION),
    "matching": Room("perception/matching", "tests/perception/matching", _PERCEPTION),
}  # fmt: skip


def files_of(room: Room, root: Path) -> list[Path]:
    """Return the paths of the Python files of a room, relative to the root of the tree."""
    return sorted(path.relative_to(root) for path in (root / room.code).rglob("*.py"))


def drawn(rooms: list[str], seed: int, count: int, root: Path = ROOT) -> list[tuple[str, Mutant]]:
    """Return randomly drawn faults, each with its room.

    Every line that can have a fault is equally likely to be drawn, and then each fault of that line. If all faults were
    equally likely, most draws would fall on tables of constants.

    Args:
        rooms: Names of the rooms to draw from.
        seed: Seed of the random draw.
        count: Number of faults to draw; if there are fewer, all of them.
        root: Root folder of the code to read.
    """
    lines: dict[tuple[str, str, int], list[Mutant]] = collections.defaultdict(list)
    for name in rooms:
        for path in files_of(ROOMS[name], root):
            for mutant in mutants_of(path.as_posix(), (root / path).read_bytes()):
                lines[name, mutant.path, mutant.line].append(mutant)
    chance = random.Random(seed)
    places = sorted(lines)
    found = []
    while places and len(found) < count:
        n = chance.randrange(len(places))
        here = lines[places[n]]
        found.append((places[n][0], here.pop(chance.randrange(len(here)))))
        if not here:
            places.pop(n)
    return found


def mirrors_of(room: Room, path: str, root: Path) -> list[str]:
    """Return the test files that mirror a file of the code: those of `links.py` are `test_links.py` and `test_links_*.py`.

    A file of the code with a longer name takes what fits it better: `test_links_of_relays.py` belongs to `links_of_relays.py`.
    """
    code = root / path
    names = {file.stem for file in code.parent.glob("*.py")}
    folder = root / room.tests / Path(path).parent.relative_to(room.code)
    found = [
        test for test in sorted(folder.glob("test_*.py"))
        if max((name for name in names if f"{test.stem}_".startswith(f"test_{name}_")), key=len, default="") == code.stem
    ]  # fmt: skip
    return [test.relative_to(root).as_posix() for test in found]


def tests_for(room: Room, mutant: Mutant | None, root: Path, near_alone: bool) -> list[str]:
    """Return the tests to run for a fault, those most likely to detect it first.

    Args:
        room: Part of the code that has the fault.
        mutant: The fault (None returns all tests of the room).
        root: Root folder of the code.
        near_alone: Whether to run only the test files that mirror the changed file, if there are any.
    """
    near = [] if mutant is None else mirrors_of(room, mutant.path, root)
    if near_alone and near:
        return near
    wider = () if near_alone else room.wider
    return [test for test in (*near, room.tests, *wider) if (root / test).exists()]


def imported_by(root: Path) -> dict[str, set[str]]:
    """Return for each module the modules that import it, directly or through others."""
    direct: dict[str, set[str]] = collections.defaultdict(set)
    modules = {}
    for folder in ("v2xsim", "comms", "perception", "gpu", "viz"):
        for path in (root / folder).rglob("*.py"):
            name = module_of(path.relative_to(root).as_posix())
            modules[name] = ast.parse(path.read_bytes())
    for name, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for wanted in (node.module, *(f"{node.module}.{item.name}" for item in node.names)):
                    direct[wanted].add(name)
            elif isinstance(node, ast.Import):
                for item in node.names:
                    direct[item.name].add(name)
    reached = {}
    for name in modules:
        seen, waiting = {name}, [name]
        while waiting:
            more = direct[waiting.pop()] - seen
            seen |= more
            waiting += more
        reached[name] = seen
    return reached


def module_of(path: str) -> str:
    """Return the import name of a file."""
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return name if name.startswith("v2xsim") else f"v2xsim.{name}"


def drop_compiled(root: Path, module: str, importers: dict[str, set[str]]) -> None:
    """Remove cached compiled kernels that may contain code of a module.

    Removal is needed because numba only checks whether a kernel's own file has changed.
    """
    for name in importers.get(module, {module}):
        parts = name.split(".")
        folder = root.joinpath(*(parts[1:-1] if parts[1:2] and (root / parts[1]).is_dir() else parts[:-1]))
        for cached in (folder / "__pycache__").glob(f"{parts[-1]}.*.nb[ic]"):
            cached.unlink()


class Copies:
    """A copy of the working tree in another folder, and copies of that copy with one fault each."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.base = folder, folder / "tree"
        if (folder / "shared").exists():
            raise SystemExit(f"{folder / 'shared'}: must not exist, the tests would read it; name another --folder")
        self.refresh()
        self.importers = imported_by(self.base)

    def refresh(self) -> None:
        """Update the copy from the working tree, including links and file times."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout.split("\0")  # fmt: skip
        wanted = {name for name in listed if name and os.path.lexists(ROOT / name)}
        if self.base.exists():
            before = imported_by(self.base)
            old = {p.relative_to(self.base).as_posix() for p in self.base.rglob("*") if not p.is_dir()}
            for name in old - wanted:
                if "__pycache__" not in name:
                    (self.base / name).unlink()
        for name in sorted(wanted):
            source, target = ROOT / name, self.base / name
            if os.path.lexists(target):
                if target.is_symlink() or source.read_bytes() == target.read_bytes():
                    continue
                target.unlink()
                drop_compiled(self.base, module_of(name), before)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)

    def with_fault(self, mutant: Mutant) -> Path:
        """Return a new copy with the fault: its files are links to the first copy, except the file with the fault."""
        tree = self.folder / mutant.key
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(self.base, tree, symlinks=True, copy_function=os.link)
        target = tree / mutant.path
        source = target.read_bytes()
        target.unlink()
        target.write_bytes(mutant.applied(source))
        drop_compiled(tree, module_of(mutant.path), self.importers)
        return tree


def run_tests(tree: Path, tests: list[str], limit_s: float, *more: str) -> tuple[str, str]:
    """Run tests in a copy until the first one fails.

    Returns:
        Name of the test that failed ("" if none did), and the last part of the output of pytest.
    """
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            _become_pytest(tree, [*more, *tests], output.fileno())
        code = _exit_code(child, limit_s)
        # Processes that a test started and left behind would slow down all later runs.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if code == 0:
        return "", text[-2000:]
    if code is None:
        return f"no end after {limit_s:.0f} s", text[-2000:]
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", text, re.MULTILINE)
    return failed[1] if failed else f"exit code {code}", text[-4000:]


def load_libraries() -> None:
    """Import the libraries that most tests need, but no module of v2xsim, so that forked processes start faster."""
    for name in (
        "matplotlib",
        "numba",
        "pyarrow.parquet",
        "pydantic",
        "scipy.stats",
        "simpy",
        "torch",
        "typer",
        "yaml",
    ):
        importlib.import_module(name)


def _become_pytest(tree: Path, arguments: list[str], output: int) -> NoReturn:
    code = 99
    try:
        # The process gets its own session, so that processes started by a test can be ended with it.
        os.setsid()
        for stream, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
            os.dup2(stream, target)
        os.chdir(tree)
        os.environ.pop("V2XSIM_SHARED", None)
        os.environ["PYTHONPATH"] = str(tree)
        sys.path[:] = [str(tree), *(path for path in sys.path if path not in ("", str(ROOT), str(ROOT / "tools")))]
        import pytest

        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--no-header", *arguments]))
        sys.stdout.flush()
    finally:
        os._exit(code)


def _exit_code(child: int, limit_s: float) -> int | None:
    """Return the exit code of a process (None if it had to be killed after `limit_s`)."""
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def warmed(copies: Copies, rooms: list[str], more: list[str], near_alone: bool) -> dict[str, float]:
    """Return the time limit of the tests of a fault, by room; the tests must pass in the copy without a fault."""
    limits = {}
    for name in rooms:
        tests = tests_for(ROOMS[name], None, copies.base, near_alone)
        begun_s = time.monotonic()
        failed, text = run_tests(copies.base, tests, 3600.0, *more)
        if failed:
            raise SystemExit(f"{text}\n{failed}: must pass without a fault")
        limits[name] = 120.0 + 4.0 * (time.monotonic() - begun_s)
        print(f"{name}: tests pass without a fault, {time.monotonic() - begun_s:.0f} s", flush=True)
    return limits


def summary(rows: list[dict[str, str]]) -> str:
    """Return the share of faults that the tests detected, by room."""
    lines = []
    for name in [*ROOMS, ""]:
        here = [row for row in rows if not name or row["room"] == name]
        caught = sum(bool(row["caught_by"]) for row in here)
        if here:
            lines.append(f"{name or 'all':12} {caught:4} of {len(here):4} caught, {caught / len(here):6.1%}")
    return "\n".join(lines)


def line_of(row: dict[str, str]) -> str:
    """Return one line of text about a fault and its outcome."""
    what = f"{row['id']} {row['at']} {row['kind']}: {row['before'][:90]} -> {row['after'][:90]}"
    return f"{what} | {row['caught_by'] or 'SURVIVED'}" if "caught_by" in row else what


def main() -> None:
    """Draw faults, run the tests against each of them, and print which were detected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the random draw of faults")
    parser.add_argument("--count", type=int, default=200, help="number of faults to draw")
    parser.add_argument(
        "--rooms", nargs="+", choices=[*ROOMS], default=[*ROOMS], help="parts of the code from which faults are drawn"
    )
    parser.add_argument("--files", default="", help="draw only from files whose path contains this text")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="ID",
        help="run only the faults with these names; --seed and --count do not matter",
    )
    parser.add_argument("--list", action="store_true", help="print the drawn faults without running tests")
    parser.add_argument(
        "--again", action="store_true", help="run only the faults again that survived in an earlier call"
    )
    parser.add_argument("--jobs", type=int, default=1, help="number of faults that are tried in parallel")
    parser.add_argument(
        "--near",
        action="store_true",
        help="run only the test files that mirror the changed file; if there are none, all tests of its room",
    )
    parser.add_argument(
        "--deselect", default="", metavar="TEXT", help="leave out the tests that match this pytest -k expression"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()) / "v2xsim-mutants",
        help="folder for the copies of the code and for the results",
    )
    parser.add_argument(
        "--results", type=Path, help="file of results in JSON lines, also read to resume; default: FOLDER/results.jsonl"
    )
    said = parser.parse_args()
    everything = bool(said.only or said.files)
    faults = drawn(said.rooms, said.seed, 10**9 if everything else said.count)
    if said.only:
        faults = [(room, mutant) for room, mutant in faults if mutant.key in said.only]
    elif said.files:
        faults = [(room, mutant) for room, mutant in faults if said.files in mutant.path][: said.count]
    rows = {
        mutant.key: {
            "id": mutant.key, "room": room, "at": f"{mutant.path}:{mutant.line}", "kind": mutant.kind,
            "before": mutant.before, "after": mutant.after,
        }
        for room, mutant in faults
    }  # fmt: skip
    if said.list:
        print("\n".join(line_of(row) for row in rows.values()))
        return
    said.folder.mkdir(parents=True, exist_ok=True)
    results = said.results or said.folder / "results.jsonl"
    for line in results.read_text().splitlines() if results.exists() else []:
        row = json.loads(line)
        if row["id"] in rows and (row["caught_by"] or not (said.again or said.only)):
            rows[row["id"]]["caught_by"] = row["caught_by"]
        elif row["id"] in rows:
            rows[row["id"]].pop("caught_by", None)
    waiting = [(room, mutant) for room, mutant in faults if "caught_by" not in rows[mutant.key]]
    if waiting:
        load_libraries()
        copies = Copies(said.folder.resolve())
        chosen = ["-k", f"not ({said.deselect})"] if said.deselect else []
        limits = warmed(copies, [name for name in ROOMS if name in {room for room, _ in waiting}], chosen, said.near)

        def tried(item: tuple[str, Mutant]) -> None:
            room, mutant = item
            tree = copies.with_fault(mutant)
            caught_by, _ = run_tests(tree, tests_for(ROOMS[room], mutant, tree, said.near), limits[room], *chosen)
            shutil.rmtree(tree, ignore_errors=True)
            done.put((mutant.key, caught_by))

        done: queue.Queue[tuple[str, str]] = queue.Queue()
        with concurrent.futures.ThreadPoolExecutor(said.jobs) as pool:
            ended = [pool.submit(tried, item) for item in waiting]
            for future in concurrent.futures.as_completed(ended):
                future.result()
                key, rows[key]["caught_by"] = done.get()
                print(line_of(rows[key]), flush=True)
                with results.open("a") as stream:
                    stream.write(json.dumps(rows[key]) + "\n")
    print(summary([*rows.values()]))
    print(f"\n{results}; those that survived:")
    print("\n".join(line_of(row) for row in rows.values() if not row["caught_by"]))


if __name__ == "__main__":
    main()
