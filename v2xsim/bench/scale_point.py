"""One point of `bench scale`, in a process of its own: `python -m v2xsim.bench.scale_point JSON` runs a scenario and prints its cost.

Each point needs a process of its own, because the largest memory of a process never falls, and because SUMO runs only once in a process.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from v2xsim.estimate.workload import workload_of
from v2xsim.scenario import load
from v2xsim.simulate import run
from v2xsim.staging import Scratch


def measured(overrides: list[str], threads: int, scenario: str = "highway") -> dict[str, Any]:
    """Run a scenario into a temporary folder, and return its timing, memory, disk and workload."""
    loaded = load(scenario, overrides)
    began, cpu_s = time.perf_counter(), time.process_time()
    with Scratch("scale") as folder:
        results = run(loaded, out=Path(folder) / "run", threads=threads)
        disk_bytes = sum(path.stat().st_size for path in (Path(folder) / "run").iterdir())
    timing, peak_bytes = dict(results.timing), largest_memory_bytes()
    whole_s, whole_cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    return {
        "timing": timing, "whole_s": whole_s, "whole_cpu_s": whole_cpu_s, "peak_bytes": peak_bytes, "disk_bytes": disk_bytes,
        "workload": workload_of(loaded).as_object(),
    }  # fmt: skip


def largest_memory_bytes() -> int:
    """Return the largest resident memory of this process.

    `VmHWM` of Linux is the value of this program alone; `getrusage` also includes the process from which this one was forked.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    print(json.dumps(measured(order["overrides"], order["threads"], order["scenario"])))
