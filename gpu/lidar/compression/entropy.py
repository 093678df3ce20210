"""Arrays of whole numbers as few bytes: small numbers first, then byte planes, then a general coder.

The high bytes of small numbers are 0. As planes they lie beside each other, and a general coder makes hardly anything of them.

References:
    zlib and LZMA of the Python standard library. LZMA is stored without the container of .xz files, which would take 60 bytes.
"""

import lzma
import zlib
from typing import Literal

import numpy as np
from jaxtyping import Int64, UInt64

Coder = Literal["none", "zlib", "lzma"]
"""General coder of the bytes. lzma makes the least of them and takes the longest; none leaves them as they are."""

CODERS: tuple[Coder, ...] = ("none", "zlib", "lzma")
"""All coders; the number of one in its place is that in the first byte of a message."""

_LZMA = [{"id": lzma.FILTER_LZMA2, "preset": 6}]


def squeezed(data: bytes, coder: Coder) -> bytes:
    """Return bytes after a general coder."""
    if coder == "zlib":
        return zlib.compress(data, 6)
    if coder == "lzma":
        return lzma.compress(data, lzma.FORMAT_RAW, filters=_LZMA)
    return data


def swollen(data: bytes, coder: Coder) -> bytes:
    """Return the bytes of which `squeezed` made these.

    Raises:
        ValueError: They are not what the coder makes.
    """
    try:
        if coder == "zlib":
            return zlib.decompress(data)
        if coder == "lzma":
            return lzma.decompress(data, lzma.FORMAT_RAW, filters=_LZMA)
    except (zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"a compressed cloud is damaged: {error}; decode the whole of what was encoded") from None
    return data


def small(signed: Int64[np.ndarray, " numbers"]) -> UInt64[np.ndarray, " numbers"]:
    """Return signed numbers as unsigned ones that are small where they are near 0: 0, -1, 1, -2, 2 become 0, 1, 2, 3, 4."""
    return ((signed << 1) ^ (signed >> 63)).astype(np.uint64)


def signed(small: UInt64[np.ndarray, " numbers"]) -> Int64[np.ndarray, " numbers"]:
    """Return the signed numbers of which `small` made these."""
    return (small >> np.uint64(1)).astype(np.int64) ^ -(small & np.uint64(1)).astype(np.int64)


def planes(numbers: UInt64[np.ndarray, " numbers"]) -> bytes:
    """Return unsigned numbers as bytes: how many bytes the largest of them takes, then their lowest bytes, their second bytes and so on."""
    width = max(1, (int(numbers.max(initial=0)).bit_length() + 7) // 8)
    split = numbers.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width]
    return bytes([width]) + split.T.tobytes()


def from_planes(data: bytes, count: int) -> UInt64[np.ndarray, " numbers"]:
    """Return the numbers of which `planes` made these bytes.

    Raises:
        ValueError: The bytes are not those of so many numbers.
    """
    width = data[0] if data else 0
    if not 1 <= width <= 8 or len(data) != 1 + width * count:
        raise ValueError(
            f"a compressed cloud of {count} numbers has {len(data)} bytes, which is damaged; decode the whole of what was encoded"
        )
    split = np.zeros((count, 8), np.uint8)
    split[:, :width] = np.frombuffer(data, np.uint8, offset=1).reshape(width, count).T
    return split.view("<u8")[:, 0].astype(np.uint64)
