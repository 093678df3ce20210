"""v2xsim: a cooperative-perception simulator for autonomous driving.

`import v2xsim` loads no heavy library; each public name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from v2xsim.numba_settings import keep_out_the_working_folder
from v2xsim.version import __version__

if TYPE_CHECKING:
    from v2xsim.opened import open  # noqa: A004  # as users write it
    from v2xsim.results import Results
    from v2xsim.scenario import Scenario, ScenarioError, load
    from v2xsim.simulate import Simulation, run
    from v2xsim.study.sweep import sweep
    from v2xsim.together import run_together

keep_out_the_working_folder()

__all__ = [
    "Results",
    "Scenario",
    "ScenarioError",
    "Simulation",
    "__version__",
    "load",
    "open",
    "run",
    "run_together",
    "sweep",
]

_HOME = {
    "Results": "v2xsim.results",
    "Scenario": "v2xsim.scenario",
    "ScenarioError": "v2xsim.scenario",
    "Simulation": "v2xsim.simulate",
    "load": "v2xsim.scenario",
    "open": "v2xsim.opened",
    "run": "v2xsim.simulate",
    "run_together": "v2xsim.together",
    "sweep": "v2xsim.study.sweep",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'v2xsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
