"""Texts of values: short ones are complete, long ones are told apart by size and digest."""

import pytest

from v2xsim.study.labels import value_text, word_text


@pytest.mark.parametrize(
    ("value", "text"),
    [("none", '"none"'), (0.3, "0.3"), (True, "true"), (None, "null"), ([1, 2], "[1, 2]"), ({"a": 1}, '{"a": 1}')],
)
def test_a_short_value_is_complete(value, text):
    assert value_text(value) == text


def test_a_list_is_shortened_to_its_beginning_with_its_length():
    text = value_text(list(range(1000)))
    assert text.startswith("[0, 1, 2, ")
    assert "(1,000 values, digest " in text
    assert len(text) < 80


def test_a_path_is_shortened_to_its_end():
    assert value_text("/home/" + "a" * 100 + "/town/scenario.yaml").startswith('"...aaa')
    assert "/town/scenario.yaml" in value_text("/home/" + "a" * 100 + "/town/scenario.yaml")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (list(range(1000)), [*range(999), 0]),
        ("a" * 100 + "b" * 50, "c" * 100 + "b" * 50),
        ({str(n): n for n in range(99)}, {str(n): n or 1 for n in range(99)}),
    ],
)
def test_two_long_values_never_have_one_text(one, two):
    assert value_text(one) != value_text(two)


def test_numbers_that_differ_in_the_ninth_digit_differ_as_words():
    assert word_text(1609459200.4) != word_text(1609459201.4)
    assert word_text(0.1 + 0.2) == "0.3"
