"""The libraries import on a machine that has numpy, numba and jaxtyping (comms) or torch and scipy besides (gpu), and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LACKING = {
    "annotated_types",
    "libsumo",
    "matplotlib",
    "networkx",
    "open3d",
    "pyarrow",
    "pydantic",
    "rich",
    "shapely",
    "simpy",
    "typer",
    "yaml",
}
IMPORT_ALL = """
import importlib, pkgutil, sys

class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {lacking!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Lacking())
package = importlib.import_module("v2xsim.{library}")
names = [info.name for info in pkgutil.walk_packages(package.__path__, "v2xsim.{library}.") if not info.name.endswith("_triton")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


@pytest.mark.parametrize(
    ("library", "lacking", "least"), [("comms", LACKING | {"torch", "scipy"}, 60), ("gpu", LACKING, 45)]
)
def test_a_library_imports_where_only_its_own_packages_are(library, lacking, least):
    code = IMPORT_ALL.format(lacking=lacking, library=library)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= least
