"""Runs a test with each built-in part of a kind; compares answers to the bit."""

from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from v2xsim.parts import parts_of


def every(base, wanted=lambda part: True):
    """Run a test with each built-in part of a kind, made from its defaults."""
    parts = [cls() for cls in parts_of(base).values()]
    return pytest.mark.parametrize("part", [part for part in parts if wanted(part)], ids=lambda part: part.name)


def assert_same(one, other):
    """Assert that two answers are equal to the bit, arrays inside dataclasses and tuples included."""
    if isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    elif is_dataclass(one):
        for item in fields(one):
            assert_same(getattr(one, item.name), getattr(other, item.name))
    elif isinstance(one, tuple | list):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other
