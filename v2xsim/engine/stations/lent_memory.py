"""Memory for lidar returns that is used again when nobody needs the returns any more.

The returns of 64 x 1,800 rays take 0.8 MB. To get this memory from the operating system takes a third of the time of a scan, and
threads wait for each other meanwhile.
"""

from collections import deque
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32, UInt16
from numba import carray, njit, types  # type: ignore[attr-defined]
from numba.extending import intrinsic

# Bytes of a return: range and object id of four each, and column of two.
_BYTES = 10


class _Memory(np.ndarray):
    """Bytes that are lent.

    If they were those of a plain array, arrays in a block would refer to that array, and not to the block. Unlike those of a
    `bytearray`, they are not set to zero, which would take a tenth of the time of a scan and hold the lock of the interpreter.
    """


class _Lent(np.ndarray):
    """Bytes that return to the free ones as soon as no array lies in them any more."""

    _free: "deque[_Memory] | None" = None

    def __del__(self) -> None:
        # A part of the bytes has no list of free ones.
        if self._free is not None:
            memory: Any = self.base
            self._free.append(memory)


class ReturnMemory:
    """Blocks of memory for the returns of a scan each. Several threads may use it."""

    def __init__(self) -> None:
        self._free: dict[int, deque[_Memory]] = {}

    def block(self, rays: int) -> _Lent:
        """Return a block for the returns of a lidar with so many rays; it is free again when no array of `parts` is left."""
        free = self._free.setdefault(rays, deque())
        try:
            memory = free.pop()
        except IndexError:
            memory = _Memory((rays * _BYTES,), np.uint8)
        block = _Lent((rays * _BYTES,), np.uint8, memory)
        block._free = free
        return block


def address_of(array: np.ndarray) -> int:
    """Return the address of an array's first element, which `array.ctypes.data` gives in three times the time."""
    address: int = array.__array_interface__["data"][0]
    return address


def parts(
    block: np.ndarray, rays: int, count: int
) -> tuple[
    Float32[np.ndarray, " returns"],
    Int32[np.ndarray, " returns"],
    UInt16[np.ndarray, " returns"],
]:
    """Return range, object id and column of the first `count` returns in a block."""
    return (
        np.frombuffer(block, np.float32, count, 0),
        np.frombuffer(block, np.int32, count, 4 * rays),
        np.frombuffer(block, np.uint16, count, 8 * rays),
    )


def _as_pointer(typing_context: Any, address: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.intp), code


# In compiled code, it returns an address as a pointer.
pointer: Any = intrinsic(_as_pointer)


@njit(cache=True, nogil=True)
def written_parts(address, rays):  # type: ignore[no-untyped-def]
    """Return the arrays of `parts` for all rays, in compiled code, to be written; `address` is that of the block."""
    return (
        carray(pointer(address), (rays,), np.float32),
        carray(pointer(address + 4 * rays), (rays,), np.int32),
        carray(pointer(address + 8 * rays), (rays,), np.uint16),
    )
