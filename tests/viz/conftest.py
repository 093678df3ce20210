"""Puts this folder on the import path, for the made-up run beside it, and writes that run once."""

import sys
from pathlib import Path

import pytest

from v2xsim.viz.run.folder import RunFolder, open_run

HERE = Path(__file__).resolve().parent

if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))


@pytest.fixture(scope="session")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that no test may change."""
    # Here, since the folder is on the import path only from now on.
    from crossing_run import write_run

    return write_run(tmp_path_factory.mktemp("runs") / "crossing")


@pytest.fixture(scope="session")
def folder(crossing: Path) -> RunFolder:
    """The same run, opened."""
    return open_run(crossing)
