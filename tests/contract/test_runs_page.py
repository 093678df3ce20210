"""docs/runs.md: a reader who copies its code gets what the page shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "runs.md").read_text()
# Each block of code, with the output below it.
BLOCKS = [
    (code, expected.strip())
    for code, _, expected in re.findall(
        r"^```python\n(.*?)^```\n(\n```text\n(.*?)^```)?", PAGE, re.MULTILINE | re.DOTALL
    )
]


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Return what each block prints, after the command of the page, in one Python."""
    pytest.importorskip("open3d")
    folder = tmp_path_factory.mktemp("reader")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    commands = re.findall(r"^(v2xsim .*?)\s+#", PAGE, re.MULTILINE)
    assert commands
    for command in commands:
        subprocess.run([sys.executable, "-m", *command.split()], cwd=folder, env=environment, check=True)
    script = "\n".join(f"{code}\nprint('{'=' * 40}')" for code, _ in BLOCKS)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "speeds.png").stat().st_size > 1000
    return [text.strip() for text in done.stdout.split("=" * 40)]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_code_prints_what_the_page_shows(number, printed):
    assert printed[number] == BLOCKS[number][1]


def test_most_blocks_show_what_they_print():
    assert len(BLOCKS) >= 7
    assert sum(bool(expected) for _, expected in BLOCKS) >= 5
