"""The speed of the batched lidar caster can be measured on a machine that has only what gpu/ needs."""

import json
import subprocess
import sys
from pathlib import Path

from v2xsim.gpu.lidar.models import evenly_spaced
from v2xsim.gpu.lidar.torch_speed import batch_speed

ROOT = Path(__file__).resolve().parents[3]
BARE = """
import sys

class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"simpy", "pydantic", "typer", "rich", "yaml", "pyarrow", "libsumo", "matplotlib", "shapely", "open3d", "scipy"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Lacking())
from v2xsim.gpu.lidar.torch_speed import main
main(["--device", "cpu", "--lidars", "1", "--turns", "1", "--scenes", "town, boxes"])
"""


def test_the_script_runs_where_only_the_packages_of_gpu_are():
    done = subprocess.run([sys.executable, "-c", BARE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert (row["engine"], row["scene"], row["lidars"], row["device"]) == ("v2xsim torch", "town, boxes", 1, "cpu")


def test_rays_are_counted_over_all_lidars():
    speed = batch_speed("square, boxes", "cpu", lidars=3, turns=2, beams=evenly_spaced(2, 90, -5.0, 5.0, 50.0))
    assert abs(speed.rays_per_s * speed.median_ms * 1e-3 - 3 * 2 * 90) < 1e-6
