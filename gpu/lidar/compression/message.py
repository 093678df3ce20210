"""The head of an encoded cloud: which encoding and coder, and the numbers that the decoder needs."""

import struct

from v2xsim.gpu.lidar.compression.entropy import CODERS, Coder, squeezed, swollen


def joined(kind: int, coder: Coder, head: bytes, body: bytes) -> bytes:
    """Return a message: one byte for encoding and coder, the head, and the body after the coder."""
    return bytes([kind << 4 | CODERS.index(coder)]) + head + squeezed(body, coder)


def opened(data: bytes, kind: int, layout: str) -> tuple[tuple[int | float, ...], bytes]:
    """Return the numbers of the head and the body of a message.

    Args:
        data: The message.
        kind: Number of its encoding.
        layout: Layout of the head, as `struct` has it.

    Raises:
        ValueError: It is a message of another encoding, or a damaged one.
    """
    size = 1 + struct.calcsize(layout)
    if len(data) < size or data[0] >> 4 != kind or data[0] & 15 >= len(CODERS):
        raise ValueError(
            "this is no message of this encoding, or its start is missing; decode with the module that encoded it"
        )
    return struct.unpack(layout, data[1:size]), swollen(data[size:], CODERS[data[0] & 15])
