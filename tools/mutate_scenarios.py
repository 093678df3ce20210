"""Check thousands of scenario files with random mistakes in them, and run some of those that are accepted.

Every file must be accepted or refused with a message: a traceback, or a check or a run that takes too long, is a fault of
v2xsim. See docs/tests.md. Example:

python tools/mutate_scenarios.py --count 10000 --runs 300 --seed 1 --keep faults
"""

import argparse
import collections
import contextlib
import copy
import faulthandler
import io
import json
import random
import signal
import string
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
import yaml

import v2xsim
from v2xsim.cli import check
from v2xsim.errors import UserError
from v2xsim.scenario import Scenario, load
from v2xsim.scenario.choices import PartChoice, choice_in
from v2xsim.scenario.describe import all_keys, members_of
from v2xsim.scenario.errors import Keys

ROOT = Path(__file__).resolve().parent.parent
PACKAGED = ROOT / "scenarios"
FIRST = ROOT / "docs" / "first_scenario.md"
# A run of more road users than this shows no other faults, but takes minutes.
MOST_VEHICLES = 400
ODD = (
    0, 1, -1, 2, 3, 7, 10, 100, 1000, 10**6, 10**19, -(10**19), 2**63, 2**63 - 1, 0.0, -0.0, 0.1, 0.5, 1e-9, 1e-320, 1e-3, 0.3333333, 1.5, 1e5,
    1e6, 1e7, 1e16, 1e308, -1e308, float("nan"), float("inf"), -float("inf"), True, False, None, "", " ", "a", "ego", "all", "none", "auto",
    "mounts", "roadside", "bus", "null", "1", "1e3", "ä", "\u2028", "a.b", "../x", "demo", "x" * 300, [], [[]], [None], {}, {"": 1}, [0, 0], [1, 2, 3, 4],
    [[0, 0, 0]], [["a"]], {"a": {}}, [{}], [1e308, 1e308, 1e308], [[0, 1e6, -1e6], [1e-9, 0, 0]],
)  # fmt: skip


@dataclass
class Tally:
    """The outcomes so far.

    Attributes:
        outcomes: Number of files by outcome.
        faults: Number of files by the last line of the traceback, or by the reason.
        slowest_s: Longest time of one check or run.
        slowest: Number of the file that took longest.
    """

    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)
    faults: collections.Counter[str] = field(default_factory=collections.Counter)
    slowest_s: float = 0.0
    slowest: int = -1


class TooSlowError(Exception):
    """A check or a run took longer than allowed."""


def bases() -> list[str]:
    """Return the texts of valid scenarios, each of which has other sections."""
    block = FIRST.read_text().split("```yaml\n", 1)[1].split("```", 1)[0]
    texts = [file.read_text() for file in sorted(PACKAGED.glob("*.yaml"))]
    return [*texts, block, _every_section()]


def _every_section() -> str:
    """Return a scripted scenario in which every section is written, with the default of each of its keys."""
    road_users = [
        {"id": "ego", "waypoints": [[0, 0, 0], [10, 80, 0]]},
        {"id": "line7", "kind": "bus", "waypoints": [[0, 20, 4], [10, 100, 4]]},
    ]
    scenario = v2xsim.load({"traffic": {"script": road_users}, "run": {"duration_s": 0.5}})
    data = scenario.model_dump(mode="json")
    data["traffic"] = {"script": data["traffic"]["script"]}
    data["lidars"] |= {"rigs": {"two": [{}, {"x_m": 1.0}]}, "carry": {"ego": "two"}}
    data["stations"]["roadside"] = [{"id": "rsu", "position_m": [5, 9]}]
    return yaml.safe_dump(data, sort_keys=False)


def mutated(text: str, chance: random.Random) -> str:
    """Return a scenario with one to four random mistakes, most of them in its data, some in its text."""
    if chance.random() < 0.2:
        for _ in range(chance.randint(1, 3)):
            text = chance.choice(TEXT_MISTAKES)(text, chance)
        return text
    data = yaml.safe_load(text)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        chance.choice(DATA_MISTAKES)(data, chance)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def _paths(data: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*above, key)
        yield from _paths(value, (*above, key))


def _holder(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        data = data[key]
    return data


def _some_path(data: Any, chance: random.Random) -> tuple[Any, ...] | None:
    paths = list(_paths(data))
    return chance.choice(paths) if paths else None


def replace_a_value(data: Any, chance: random.Random) -> None:
    """Put an odd value where the file has one."""
    if (path := _some_path(data, chance)) is not None:
        _holder(data, path)[path[-1]] = copy.deepcopy(chance.choice(ODD))


def scale_a_number(data: Any, chance: random.Random) -> None:
    """Make a number of the file much smaller or larger, or negative."""
    paths = [path for path in _paths(data) if type(_holder(data, path)[path[-1]]) in (int, float)]
    if paths:
        path = chance.choice(paths)
        _holder(data, path)[path[-1]] *= chance.choice((-1, 0, 0.001, 0.1, 0.5, 1.0001, 3, 10, 1000, 1e6))


def remove_a_key(data: Any, chance: random.Random) -> None:
    """Remove a key or an item of a list."""
    if (path := _some_path(data, chance)) is not None:
        del _holder(data, path)[path[-1]]


def repeat_an_item(data: Any, chance: random.Random) -> None:
    """Repeat an item of a list."""
    lists = [path for path in _paths(data) if isinstance(_holder(data, path), list)]
    if lists:
        path = chance.choice(lists)
        _holder(data, path).append(copy.deepcopy(_holder(data, path)[path[-1]]))


def swap_two_values(data: Any, chance: random.Random) -> None:
    """Exchange two values of which neither holds the other."""
    first, second = _some_path(data, chance), _some_path(data, chance)
    if first and second and first[: len(second)] != second and second[: len(first)] != first:
        a, b = _holder(data, first), _holder(data, second)
        a[first[-1]], b[second[-1]] = b[second[-1]], a[first[-1]]


def set_a_key_of_the_schema(data: Any, chance: random.Random) -> None:
    """Set a key of the schema, often to a value that its type and limits allow."""
    key = chance.choice(_schema())
    if key.choice is not None:
        value: Any = chance.choice(list(key.choice.models()))
    elif chance.random() < 0.6:
        value = _allowed(key.info, chance)
    else:
        value = copy.deepcopy(chance.choice(ODD))
    key.put(data, value)


def misspell_a_key(data: Any, chance: random.Random) -> None:
    """Change a letter of a key, or move the key into another section."""
    paths = [path for path in _paths(data) if isinstance(path[-1], str)]
    if paths:
        path = chance.choice(paths)
        holder = _holder(data, path)
        value, key = holder.pop(path[-1]), path[-1]
        if chance.random() < 0.5 and isinstance(data, dict):
            holder = data
        else:
            place = chance.randrange(len(key) + 1)
            key = key[:place] + chance.choice(string.ascii_lowercase + "_. ä0") + key[place + 1 :]
        holder[key] = value


def _allowed(info: Any, chance: random.Random) -> Any:
    member = chance.choice(members_of(info.annotation))
    limits = [getattr(item, word) for item in info.metadata for word in ("ge", "gt", "le", "lt") if hasattr(item, word)]
    if member is bool:
        return chance.random() < 0.5
    if get_origin(member) is Literal:
        return chance.choice(get_args(member))
    if member in (int, float) and limits:
        low, high = min(limits), max(limits)
        value = chance.choice((low, high, low + (high - low) * chance.random() ** 3))
        return int(value) if member is int else value
    return copy.deepcopy(chance.choice(ODD))


@dataclass(frozen=True)
class Key:
    """A key of the schema.

    Attributes:
        keys: The key; `*` stands for an item of a list or map.
        info: Its declaration.
        choice: Marker of a key at which a part is chosen; else None.
        part: For a parameter of a part, the key that holds the part's name, and the name.
    """

    keys: Keys
    info: Any
    choice: PartChoice | None = None
    part: tuple[str, str] | None = None

    def put(self, data: Any, value: Any) -> None:
        """Set the key in a file's content; the first item of a list or map stands for all."""
        here = data
        for number, key in enumerate(self.keys):
            if isinstance(here, list) and here:
                found: Any = 0
            elif isinstance(here, dict):
                found = next(iter(here), None) if key == "*" else key
            else:
                return
            if number == len(self.keys) - 1:
                if self.part is not None and isinstance(here, dict):
                    here[self.part[0]] = self.part[1]
                here[found] = value
                return
            inner = here[found] if isinstance(here, list) else here.get(found)
            if not isinstance(inner, dict | list):
                inner = {}
                here[found] = inner
            here = inner


_SCHEMA: list[Key] = []


def _schema() -> list[Key]:
    if not _SCHEMA:
        parts = [(keys, choice) for keys, info in all_keys(Scenario) if (choice := choice_in(info)) is not None]
        for keys, info in all_keys(Scenario):
            inside = next((choice for above, choice in parts if keys[:-1] == above), None)
            if inside is None:
                _SCHEMA.append(Key(keys, info, choice_in(info)))
                continue
            owners = [name for name, model in inside.models().items() if model.model_fields.get(keys[-1]) is info]
            _SCHEMA.extend(Key(keys, info, part=(inside.word, name)) for name in owners)
    return _SCHEMA


def one_key_mistakes(chance: random.Random) -> list[tuple[Key, Any]]:
    """Return, in random order, every key of the schema with odd values: every number for a key that takes one."""
    mistakes: list[tuple[Key, Any]] = []
    for key in _schema():
        takes_number = {int, float} & set(members_of(key.info.annotation))
        odd = (
            ODD if takes_number else tuple(value for value in ODD if type(value) not in (int, float) or value in (0, 1))
        )
        mistakes += [(key, value) for value in odd if takes_number or chance.random() < 0.4]
    chance.shuffle(mistakes)
    return mistakes


def _line_mistake(change: Callable[[list[str], int, random.Random], None]) -> Callable[[str, random.Random], str]:
    def applied(text: str, chance: random.Random) -> str:
        lines = text.split("\n")
        change(lines, chance.randrange(len(lines)), chance)
        return "\n".join(lines)

    return applied


def _delete(lines: list[str], at: int, _: random.Random) -> None:
    del lines[at]


def _double(lines: list[str], at: int, _: random.Random) -> None:
    lines.insert(at, lines[at])


def _indent(lines: list[str], at: int, chance: random.Random) -> None:
    lines[at] = chance.choice((" ", "  ", "\t", "- ", "? ", "<<: *x ", "!!python/object:os.system ")) + lines[at]


def _exchange(lines: list[str], at: int, chance: random.Random) -> None:
    other = chance.randrange(len(lines))
    lines[at], lines[other] = lines[other], lines[at]


def _character(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return (
        text[:at]
        + chance.choice("{}[]:,&*!|>'\"%@`#-?\n\t\0\x07\ufeff\u0085é~0e.")
        + text[at + chance.choice((0, 1)) :]
    )


def _cut(text: str, chance: random.Random) -> str:
    return text[: chance.randrange(len(text) + 1)]


TEXT_MISTAKES = (*map(_line_mistake, (_delete, _double, _indent, _exchange)), _character, _character, _cut)
DATA_MISTAKES = (
    replace_a_value, replace_a_value, scale_a_number, remove_a_key, repeat_an_item, swap_two_values, set_a_key_of_the_schema,
    set_a_key_of_the_schema, set_a_key_of_the_schema, misspell_a_key,
)  # fmt: skip


@contextlib.contextmanager
def at_most(limit_s: float) -> Iterator[None]:
    """Raise TooSlowError in a `with` block that takes longer; a block that never returns to Python ends the process."""

    def stop(*_: object) -> None:
        raise TooSlowError(f"took more than {limit_s:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    # To the real standard error, because a caller may have replaced sys.stderr.
    faulthandler.dump_traceback_later(4 * limit_s, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        faulthandler.cancel_dump_traceback_later()


def outcome_of(call: Callable[[], None], tally: Tally, limit_s: float, number: int = 0) -> str | None:
    """Call a function and count its outcome: accepted, refused, or a fault.

    Returns:
        The traceback of a fault; else None.
    """
    began = time.monotonic()
    try:
        with at_most(limit_s), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            call()
        tally.outcomes["accepted"] += 1
    except (UserError, typer.Exit) as refusal:
        tally.outcomes["refused" if str(refusal).strip() else "refused without a message"] += 1
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # every other exception is what this tool looks for
        tally.outcomes["fault"] += 1
        place = traceback.extract_tb(error.__traceback__)[-1]
        tally.faults[f"{type(error).__name__}: {str(error)[:100]} ({Path(place.filename).name}:{place.lineno})"] += 1
        return traceback.format_exc()
    finally:
        took_s = time.monotonic() - began
        if took_s > tally.slowest_s:
            tally.slowest_s, tally.slowest = took_s, number
    return None


def three_ticks(file: Path) -> Scenario | None:
    """Return a scenario of three ticks without warm-up; None if it has more road users than can be run here."""
    scenario = load(file)
    traffic, step_s = scenario.traffic, scenario.run.step_s
    vehicles = 0.0
    if traffic.highway is not None:
        vehicles = traffic.highway.length_m / 1000 * traffic.highway.density_per_km
    elif traffic.grid is not None:
        vehicles = traffic.grid.vehicles_per_hour / 60 + 10 * traffic.grid.blocks**2
    begin_s = min(scenario.run.begin_s, 10 * step_s) if traffic.script is None else scenario.run.begin_s
    return None if vehicles > MOST_VEHICLES else scenario.with_({"run.begin_s": begin_s, "run.duration_s": 3 * step_s})


def _run(file: Path) -> None:
    scenario = three_ticks(file)
    if scenario is not None:
        v2xsim.run(scenario)


def main(arguments: list[str] | None = None) -> int:
    """Check and run mutated scenarios; return 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="number of files to check")
    parser.add_argument("--runs", type=int, default=0, help="number of accepted files to run for three ticks")
    parser.add_argument("--seed", type=int, default=1, help="seed of the mistakes")
    parser.add_argument("--keep", type=Path, default=Path("mutated"), help="folder for the files that show a fault")
    parser.add_argument(
        "--limit", type=float, default=60.0, help="seconds after which a check or a run counts as a hang"
    )
    options = parser.parse_args(arguments)
    options.keep.mkdir(parents=True, exist_ok=True)
    file = options.keep / "mutated.yaml"
    chance, checks, runs = random.Random(options.seed), Tally(), Tally()
    texts, accepted = bases(), []
    one_key = one_key_mistakes(chance)
    for number in range(options.count):
        text = chance.choice(texts)
        if number % 2 == 0 and one_key:
            key, value = one_key.pop()
            data = yaml.safe_load(text)
            key.put(data, copy.deepcopy(value))
            text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
        else:
            text = mutated(text, chance)
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        before = checks.outcomes["accepted"]
        fault = outcome_of(lambda: check.command(str(file)), checks, options.limit, number)
        if fault is not None:
            (options.keep / f"check_{number}.yaml").write_bytes(file.read_bytes())
            (options.keep / f"check_{number}.txt").write_text(fault)
        if checks.slowest == number:
            (options.keep / "slowest_check.yaml").write_bytes(file.read_bytes())
        if fault is None and checks.outcomes["accepted"] > before:
            accepted.append((number, text))
        if (number + 1) % 1000 == 0:
            print(f"{number + 1} checked: {dict(checks.outcomes)}", flush=True)
    for number, text in chance.sample(accepted, min(options.runs, len(accepted))):
        file.write_bytes(text.encode())
        fault = outcome_of(lambda: _run(file), runs, options.limit, number)
        if fault is not None:
            (options.keep / f"run_{number}.yaml").write_bytes(file.read_bytes())
            (options.keep / f"run_{number}.txt").write_text(fault)
    file.unlink()
    for name, tally in (("checks", checks), ("runs", runs)):
        print(
            json.dumps(
                {
                    name: tally.outcomes,
                    "slowest_s": round(tally.slowest_s, 1),
                    "slowest": tally.slowest,
                    "faults": tally.faults,
                },
                indent=2,
            )
        )
    return 1 if checks.faults or runs.faults else 0


if __name__ == "__main__":
    sys.exit(main())
