"""Row groups: bounded pieces of tables that depend on the rows alone."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.results import row_groups
from v2xsim.results.columns import schema_of
from v2xsim.results.row_groups import Cutter, cut

STATES = ["LOS", "NLOSv", "NLOSb"]


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    monkeypatch.setattr(row_groups, "GROUP_ROWS", 7)
    monkeypatch.setattr(row_groups, "GROUP_ITEMS", 20)


def unheard(states):
    schema = schema_of("unheard")
    words = pa.array(states, pa.string()).dictionary_encode().cast(schema.field("link_state").type)
    numbers = np.arange(len(states))
    return pa.Table.from_arrays([pa.array(numbers, pa.int32()), words, pa.array(numbers)], schema=schema)


def contributions(lengths):
    schema = schema_of("contributions")
    columns = {
        field.name: pa.array([[0] * n for n in lengths] if field.name == "points" else [0] * len(lengths), field.type)
        if not pa.types.is_boolean(field.type)
        else pa.array([True] * len(lengths))
        for field in schema
    }
    return pa.Table.from_pydict(columns, schema=schema)


def pieces_of(table, ends):
    bounds = [0, *sorted(min(end, table.num_rows) for end in ends), table.num_rows]
    return [table.slice(first, last - first) for first, last in pairwise(bounds)]


def dictionaries(groups):
    return [group.column("link_state").chunk(0).dictionary.to_pylist() for group in groups]


@given(st.lists(st.sampled_from(STATES), max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_groups_do_not_depend_on_the_pieces_in_which_rows_came(states, ends):
    table = unheard(states)
    whole, in_pieces = list(cut([table], "unheard")), list(cut(pieces_of(table, ends), "unheard"))
    assert [group.to_pydict() for group in whole] == [group.to_pydict() for group in in_pieces]
    assert dictionaries(whole) == dictionaries(in_pieces)
    assert [row for group in whole for row in group.to_pylist()] == table.to_pylist()


def test_every_group_but_the_last_has_the_largest_number_of_rows():
    assert [group.num_rows for group in cut([unheard(STATES * 6)], "unheard")] == [7, 7, 4]


def test_the_words_of_a_group_are_those_that_occur_in_it_in_order_of_appearance():
    states = ["NLOSb"] * 7 + ["NLOSv", "LOS", "NLOSv"]
    assert dictionaries(cut([unheard(states)], "unheard")) == [["NLOSb"], ["NLOSv", "LOS"]]


@given(st.lists(st.integers(0, 30), max_size=25), st.lists(st.integers(0, 25), max_size=4))
def test_a_group_ends_with_the_row_with_which_its_lists_are_full(lengths, ends):
    groups = list(cut(pieces_of(contributions(lengths), ends), "contributions"))
    sizes = [[len(points) for points in group.column("points").to_pylist()] for group in groups]
    assert [length for group in sizes for length in group] == lengths
    for group in sizes:
        assert sum(group[:-1]) < 20
        assert len(group) <= 7
    for group in sizes[:-1]:
        assert sum(group) >= 20 or len(group) == 7


def test_a_table_without_rows_has_no_group():
    assert list(cut([unheard([])], "unheard")) == []


@given(
    states=st.lists(st.sampled_from(STATES), max_size=30), ends=st.lists(st.integers(0, 30), max_size=6), moves=st.sets(st.integers(0, 6)),
)  # fmt: skip
def test_rows_that_wait_elsewhere_for_their_row_group_come_into_it(states, ends, moves):
    table, cutter, disk, groups = unheard(states), Cutter("unheard"), [], []
    for number, piece in enumerate(pieces_of(table, ends)):
        complete = list(cutter.add(piece))
        groups += complete
        if complete:
            disk.clear()
        if number in moves:
            disk += cutter.moved(disk.copy)
            assert cutter.moved(disk.copy) == []
            assert sum(moved.num_rows for moved in disk) == len(cutter)
    groups += cutter.rest()
    assert [group.to_pydict() for group in groups] == [group.to_pydict() for group in cut([table], "unheard")]
