"""Pictures of a finished run. The package reads only the run's folder, and draws without a display.

Importing the package loads no drawing library; calling `render` or `render_visibility` does.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from v2xsim.viz.run.folder import ViewError
    from v2xsim.viz.run.pictures import render, render_visibility

__all__ = ["ViewError", "render", "render_visibility"]

_HOME = {
    "ViewError": "v2xsim.viz.run.folder",
    "render": "v2xsim.viz.run.pictures",
    "render_visibility": "v2xsim.viz.run.pictures",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'v2xsim.viz' has no attribute {name!r}")
