"""The content of `manifest.json`: scenario, seed, plug-ins with their digests, notices, versions."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from v2xsim.notices import Notice
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.steered import STEERED, Steered
from v2xsim.version import __version__

# Version of the layout of run folders; readers refuse newer ones.
FORMAT = 4
_LIBRARIES = ("v2xsim", "numpy", "numba", "simpy", "scipy", "pyarrow", "libsumo", "torch")


def manifest_of(
    scenario: Scenario, rung: Mapping[str, str], notices: Sequence[Notice] = (), inputs: Mapping[str, str] | None = None,
    tables: Mapping[str, str] | None = None, steered: Steered | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the data that identify a run; they do not depend on the time of day or on the machine's folders.

    Args:
        scenario: Scenario of the run.
        rung: Variant of each model that produced the results.
        notices: Notices of the run.
        inputs: SHA-256 digest of each file that the run read, by path.
        tables: SHA-256 digest of the file of each table, by the table's name.
        steered: How often a program that stepped the run acted in it.
    """
    return {
        "format": FORMAT,
        "complete": True,
        "scenario": scenario.model_dump(mode="json"),
        "seed": scenario.run.seed,
        "automatic": sorted(scenario.automatic),
        "plugins": [{"path": str(p.path), "sha256": p.sha256} for p in scenario.loaded_plugins],
        "inputs": [{"path": path, "sha256": digest} for path, digest in sorted((inputs or {}).items())],
        "tables": dict(tables or {}),
        "models": dict(rung),
        STEERED: (steered or Steered()).as_object(),
        "sees_truth": [f"cooperation.bound: {bound.name}"] if (bound := scenario.cooperation.bound).sees else [],
        "notices": [notice.as_object() for notice in notices],
        "versions": library_versions(),
    }


def about(
    scenario: Scenario, rung: Mapping[str, str], notices: Sequence[Notice], inputs: Mapping[str, str]
) -> dict[str, Any]:
    """Return the manifest of a run that has not ended, as far as it is known; its key `complete` is false.

    Arguments as in `manifest_of`; the notices are those that are known when the run begins.
    """
    return manifest_of(scenario, rung, notices, inputs) | {"complete": False}


def library_versions() -> dict[str, str]:
    """Return the versions of v2xsim, of the libraries on which results depend, and of Python."""
    return {name: _version(name) for name in _LIBRARIES} | {"python": platform.python_version()}


def _version(name: str) -> str:
    if name == "v2xsim":
        return __version__
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
