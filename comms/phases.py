"""Compiler options for the phases of compiled loops.

A phase is a small function over named tuples of arrays. A phase allocates no memory, so it is compiled without numba's
reference counting. With reference counting, each tuple passed to a phase needs two atomic operations per array, and the
slot loop of the sidelink with 1,000 stations takes 1.7 times as long. Functions that a phase calls inherit the option.
"""

from typing import Any

PHASE: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
"""Options of `njit` for a phase."""

INLINED_PHASE: dict[str, Any] = PHASE | {"inline": "always"}
"""Options for a phase that handles one link or reception: LLVM does not inline it, and the call would take longer than it."""

ALLOCATING_PHASE: dict[str, Any] = PHASE | {"_nrt": True}
"""Options for a function that allocates arrays and is called by a phase."""
