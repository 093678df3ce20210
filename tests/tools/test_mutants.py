"""The tool that tries faults: which test files it runs for a changed file."""

import importlib.util
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(scope="module")
def mutants():
    sys.path.insert(0, str(TOOLS))
    spec = importlib.util.spec_from_file_location("mutants", TOOLS / "mutants.py")
    module = importlib.util.module_from_spec(spec)
    # Data classes look their own module up.
    sys.modules["mutants"] = module
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(TOOLS))
    for name in ("mutants", "mutations"):
        del sys.modules[name]


@pytest.mark.parametrize(
    ("changed", "tests"),
    [
        ("code/links.py", ["test_links.py", "test_links_budget.py"]),
        ("code/links_of_relays.py", ["test_links_of_relays.py", "test_links_of_relays_late.py"]),
        ("code/inner/air.py", ["inner/test_air.py"]),
        ("code/link.py", []),
    ],
)
def test_the_tests_of_a_changed_file_are_those_of_its_name(mutants, tmp_path, changed, tests):
    for name in ("links.py", "links_of_relays.py", "link.py", "inner/air.py"):
        (tmp_path / "code" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "code" / name).touch()
    for name in ("links", "links_budget", "links_of_relays", "links_of_relays_late", "linkage"):
        (tmp_path / "tests" / "inner").mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / f"test_{name}.py").touch()
    (tmp_path / "tests" / "inner" / "test_air.py").touch()
    room = mutants.Room("code", "tests", ())
    assert mutants.mirrors_of(room, changed, tmp_path) == [f"tests/{name}" for name in tests]


def test_every_room_exists_with_its_tests(mutants):
    for room in mutants.ROOMS.values():
        for folder in (room.code, room.tests, *room.wider):
            assert (mutants.ROOT / folder).exists(), folder
