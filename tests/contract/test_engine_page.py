"""docs/engine.md names files and functions; they exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "v2xsim" / "engine"
PAGE = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")


def cells(heading, column):
    """Return a column of all tables whose first row begins with a heading."""
    tables = [rest.split("\n\n")[0].splitlines()[2:] for rest in PAGE.split(heading)[1:]]
    return [row.split("|")[column] for rows in tables for row in rows]


CELLS = cells("| step | file and function", 2) + cells("| what | until", 3)


@pytest.mark.parametrize("cell", CELLS)
def test_every_file_and_function_that_the_page_names_exists(cell):
    source = ""
    for name in re.findall(r"`([^`]+)`", cell):
        if name.endswith(".py"):
            source = (ROOT / name if (ROOT / name).exists() else ENGINE / name).read_text(encoding="utf-8")
            continue
        if name.endswith("/"):
            assert (ROOT / name).is_dir()
            continue
        for part in name.split("."):
            assert re.search(rf"(class|def) {part}\b|^{part}\b.* = ", source, re.MULTILINE), name


def test_the_page_names_every_step_of_cooperation():
    text = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
    # Parts of other steps.
    unnamed = {"__init__", "exchange", "blind_zone", "directory", "reassembly"}
    modules = {path.stem for path in (ENGINE / "cooperation").glob("*.py")} - unnamed
    assert {module for module in modules if f"{module}.py`" not in text} == set()
