"""Texts of the values of a scenario's keys: complete if short, otherwise the beginning or end with size and digest."""

import hashlib
import json
from typing import Any

# Longest text of a value that is given completely, and the part of a longer one that is given beside its size and digest.
_LONGEST, _PART = 60, 36


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 seed` or `2 seeds`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def value_text(value: Any, longest: int = _LONGEST) -> str:
    """Return a value as JSON; a long one is shortened to its beginning, or its end if it is a text such as a path.

    A shortened value has its size and a digest, so that two values with the same text are the same.

    Args:
        value: Value of a key.
        longest: Largest number of characters of a value that is given completely.
    """
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= longest:
        return text
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]
    if isinstance(value, str):
        return f'"...{value[-_PART:]}" ({len(value):,} characters, digest {digest})'
    size = f"{len(value):,} {'keys' if isinstance(value, dict) else 'values'}" if isinstance(value, dict | list) else ""
    return f"{text[:_PART]}... ({', '.join(filter(None, [size, f'digest {digest}']))})"


def word_text(value: Any) -> str:
    """Return a value as in `value_text`; a short text without quotation marks, and a number with at most 12 digits."""
    if isinstance(value, float):
        return f"{value:.12g}"
    return value if isinstance(value, str) and len(value) <= _LONGEST else value_text(value)
