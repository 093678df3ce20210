"""docs/engine.md names files and functions; they exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "v2xsim" / "engine"
ROWS = [row for row in (ROOT / "docs" / "engine.md").read_text(encoding="utf-8").splitlines() if ".py`" in row]


@pytest.mark.parametrize("row", ROWS)
def test_every_file_and_function_that_the_page_names_exists(row):
    source = ""
    for name in re.findall(r"`([^`]+)`", row):
        if name.endswith(".py"):
            path = ROOT / name if name.startswith("v2xsim/") else ENGINE / name
            source = path.read_text(encoding="utf-8")
        elif source and re.fullmatch(r"[A-Za-z_]+(\.[a-z_]+)?", name) and not name.islower():
            for part in name.split("."):
                assert re.search(rf"(class|def) {part}\b", source), name


def test_the_page_names_every_module_of_the_cooperation_that_a_reader_may_want_to_change():
    named = {name for row in ROWS for name in re.findall(r"`([^`]+\.py)`", row)}
    unnamed = {"__init__", "exchange", "blind_zone", "directory", "reassembly"}
    modules = {path.stem for path in (ENGINE / "cooperation").glob("*.py")} - unnamed
    assert {f"cooperation/{module}.py" for module in modules} <= named
