"""The wheel holds what a user needs and runs the demo with nothing of the checkout near."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    return next(WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"]))


def test_it_holds_every_package_and_data_file_once_and_no_test(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert len(names) == len(set(names))
    for expected in (
        "v2xsim/cli/app.py", "v2xsim/comms/access/sidelink_selection.py", "v2xsim/comms/phy/data/frame_error_rate.csv", "v2xsim/gpu/lidar/cast.py",
        "v2xsim/perception/matching/choice.py", "v2xsim/viz/run/pictures.py", "v2xsim/scenarios/demo.yaml", "v2xsim/scenarios/highway.yaml",
        "v2xsim/scenarios/urban_grid.yaml",
    ):  # fmt: skip
        assert expected in names
    assert all(name.startswith(("v2xsim/", "v2xsim-")) for name in names)
    parts = [(name, part) for name in names for part in name.split("/")]
    assert not [
        name for name, part in parts if part.startswith(("test", "conftest")) or part.endswith((".pyc", ".nbc", ".nbi"))
    ]
    sources = {
        str(path.relative_to(ROOT))
        for folder in ("comms", "perception", "gpu", "viz", "v2xsim")
        for path in (ROOT / folder).rglob("*.py")
        if not any(parent.is_symlink() for parent in path.parents)
    }
    packed = {name.removeprefix("v2xsim/") for name in names if name.endswith(".py")}
    assert packed == {source.removeprefix("v2xsim/") for source in sources}


def bring_compiled_kernels(installed):
    """Put the kernels that other tests have compiled beside the same files of an installation: to compile all takes two minutes.

    Numba uses a kernel if the time and size of its source are those of the file that it was compiled from.
    """
    for path in installed.rglob("*.py"):
        source = ROOT / path.relative_to(installed)
        if source.exists():
            shutil.copystat(source, path)
    for folder in {path.parent for path in installed.rglob("*.py")}:
        for kernel in (ROOT / folder.relative_to(installed) / "__pycache__").glob("*.nb[ic]"):
            (folder / "__pycache__").mkdir(exist_ok=True)
            shutil.copy2(kernel, folder / "__pycache__")


def test_it_runs_the_packaged_demo_outside_the_checkout(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    bring_compiled_kernels(tmp_path / "installed")
    (tmp_path / "elsewhere").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "v2xsim", "run", "demo", "--set", "run.duration_s=0.5", "--view", "--json", "--out", "out"],
        cwd=tmp_path / "elsewhere", env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["prr"]["value"] > 0
    assert (tmp_path / "elsewhere" / "out" / "pictures" / "fused_frame.png").stat().st_size > 10_000
