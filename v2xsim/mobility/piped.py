"""Messages between two processes of one run: an object as JSON, and arrays behind it, byte for byte."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import IO, Any

import numpy as np

Message = tuple[dict[str, Any], list[np.ndarray]]
"""An object, and arrays."""

_ARRAYS = "arrays"


def send(pipe: IO[bytes], content: Mapping[str, Any], arrays: Sequence[np.ndarray] = ()) -> None:
    """Write a message.

    Args:
        pipe: Pipe to the other process.
        content: What `json` can write; it must not have the key "arrays".
        arrays: Arrays of numbers.

    Raises:
        OSError: If the other process does not read any more.
    """
    forms = [(array.dtype.str, array.shape) for array in arrays]
    pipe.write(json.dumps({**content, _ARRAYS: forms}).encode() + b"\n")
    for array in arrays:
        pipe.write(np.ascontiguousarray(array).tobytes())
    pipe.flush()


def receive(pipe: IO[bytes]) -> Message | None:
    """Read a message; None if the other process has ended, or has closed its end of the pipe."""
    line = pipe.readline()
    if not line.endswith(b"\n"):
        return None
    content, arrays = json.loads(line), []
    for form, shape in content.pop(_ARRAYS):
        dtype = np.dtype(form)
        size = math.prod(shape) * dtype.itemsize
        if len(data := pipe.read(size)) < size:
            return None
        # A copy, which may be written to.
        arrays.append(np.frombuffer(data, dtype).reshape(shape).copy())
    return content, arrays
