"""How the phases of compiled loops are compiled.

A phase is a small function over named tuples of arrays. It allocates nothing, so it is compiled without numba's reference
counts. With them each tuple that a phase takes costs two atomic operations per array; the slot loop of the sidelink over 1,000
stations then takes 1.7 times as long. What a phase calls inherits the option.
"""

from typing import Any

PHASE: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
"""Options of `njit` for a phase."""

INLINED_PHASE: dict[str, Any] = PHASE | {"inline": "always"}
"""For a phase of a link or a reception: LLVM does not inline it, and a call that hands the arrays on costs more than it does."""

ALLOCATING_PHASE: dict[str, Any] = PHASE | {"_nrt": True}
"""For a function that allocates arrays and is called by a phase."""
