"""Functions that methods of sections call, although the modules of these functions import the sections.

Each function is entered here when its module is imported, so that imports have no cycle. `v2xsim.scenario` imports all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _not_entered(*_: Any) -> Any:
    raise AssertionError("import v2xsim.scenario first")


@dataclass
class Hooks:
    """The functions.

    Attributes:
        section_error: `v2xsim.scenario.explain.section_error`.
        check_keys_together: `v2xsim.scenario.load.check_keys_together`.
        changed: `v2xsim.scenario.load.changed`.
    """

    section_error: Callable[..., Exception] = _not_entered
    check_keys_together: Callable[..., None] = _not_entered
    changed: Callable[..., Any] = _not_entered


HOOKS = Hooks()
