"""Tables that grow by blocks of rows, and the schema that every one of them keeps."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.results.columns import COLUMNS, schema_of
from v2xsim.results.tables import Coded, Columns

WORDS = st.sampled_from(["LOS", "NLOSv", "NLOSb"])


def channel(*blocks):
    columns = Columns("channel")
    for block in blocks:
        columns.add(**block)
    return columns.finished()


def unheard(*states):
    """Return the words of a table whose blocks are these, once as text and once as numbers of texts."""
    columns = Columns("unheard")
    for state in states:
        columns.add(bin_m=np.zeros(len(state)), link_state=state, count=1)
    return columns.finished().column("link_state")


@pytest.mark.parametrize("name", COLUMNS)
def test_a_table_without_rows_has_its_columns_all_the_same(name):
    table = Columns(name).finished()
    assert table.num_rows == 0
    assert table.schema.equals(schema_of(name), check_metadata=True)


@pytest.mark.parametrize("name", COLUMNS)
def test_every_column_says_what_it_means(name):
    assert [item.metadata[b"meaning"].decode() for item in schema_of(name)] == [
        meaning for _, _, meaning in COLUMNS[name]
    ]


def test_each_word_for_a_type_stands_for_one_arrow_type():
    kinds = {kind: str(schema_of(name).field(column).type) for name in COLUMNS for column, kind, _ in COLUMNS[name]}
    assert kinds == {
        "us": "int64", "long": "int64", "int": "int32", "f4": "float", "f8": "double", "bool": "bool", "text": "string",
        "bytes": "binary", "ints": "list<item: int32>", "word": "dictionary<values=string, indices=int8, ordered=0>",
    }  # fmt: skip


def test_blocks_follow_each_other():
    table = channel(
        {"time_us": np.array([1, 2]), "station": np.array([5, 6]), "busy_share": np.array([0.25, 0.5])},
        {"time_us": np.array([3]), "station": np.array([7]), "busy_share": np.array([0.75])},
    )
    assert table.to_pydict() == {"time_us": [1, 2, 3], "station": [5, 6, 7], "busy_share": [0.25, 0.5, 0.75]}


def test_one_value_holds_for_its_whole_block():
    table = channel(
        {"time_us": 10, "station": [5, 6], "busy_share": 0.5}, {"time_us": 20, "station": [5, 6, 7], "busy_share": 0.25}
    )
    assert table["time_us"].to_pylist() == [10, 10, 20, 20, 20]


def test_a_block_of_single_values_is_one_row():
    assert channel({"time_us": 10, "station": 5, "busy_share": 0.5}).num_rows == 1


def test_a_block_of_no_rows_adds_none():
    table = channel({"time_us": 10, "station": np.zeros(0, int), "busy_share": 0.5})
    assert table.num_rows == 0


def test_texts_and_bytes_are_kept_as_they_are():
    columns = Columns("metrics")
    columns.add(metric=["prr", "on_air"], bin=["", "0-50 m"], value=np.array([0.5, np.nan]), unit=["1", "B/s"], count=3)
    assert columns.finished()["bin"].to_pylist() == ["", "0-50 m"]


def test_words_may_come_as_text_or_as_numbers_of_texts():
    text = unheard(np.array(["LOS", "NLOSb"], object), np.array(["NLOSv"], object))
    coded = unheard(Coded(np.array([2, 0]), ["NLOSb", "NLOSv", "LOS"]), Coded(np.array([1]), ["LOS", "NLOSv"]))
    assert coded.to_pylist() == text.to_pylist() == ["LOS", "NLOSb", "NLOSv"]


def test_words_are_numbered_in_the_order_in_which_they_appear():
    words = unheard(np.array(["NLOSb", "LOS", "NLOSb"], object), Coded(np.array([1, 0]), ["NLOSv", "LOS"]))
    (block,) = words.chunks
    assert block.dictionary.to_pylist() == ["NLOSb", "LOS", "NLOSv"]


def test_a_number_without_a_text_is_an_error():
    with pytest.raises(IndexError, match="2"):
        unheard(Coded(np.array([2]), ["LOS", "NLOSv"]))


def test_one_word_holds_for_its_whole_block():
    columns = Columns("unheard")
    columns.add(bin_m=np.zeros(3), link_state="LOS", count=1)
    assert columns.finished()["link_state"].to_pylist() == ["LOS"] * 3


def test_numbers_of_texts_may_fill_a_column_of_plain_text():
    columns = Columns("metrics")
    columns.add(metric=Coded(np.array([1, 0, 1]), ["a", "b"]), bin="", value=np.zeros(3), unit="1", count=1)
    assert columns.finished()["metric"].to_pylist() == ["b", "a", "b"]


def test_blocks_with_one_value_may_have_no_row_or_many():
    columns = Columns("unheard")
    for rows in (0, 2):
        columns.add(bin_m=rows, link_state=np.array(["LOS"] * rows, object), count=1)
    assert columns.finished()["bin_m"].to_pylist() == [2, 2]


def test_more_words_than_a_column_can_have_are_an_error():
    with pytest.raises(pa.ArrowInvalid):
        unheard(np.array([f"state {n}" for n in range(200)], object))


def test_numbers_of_texts_count_as_rows():
    assert len(Coded(np.array([1, 0, 1]), ["a", "b"])) == 3


def test_a_column_that_a_block_leaves_out_is_an_error():
    with pytest.raises(KeyError, match="busy_share"):
        channel({"time_us": 10, "station": 5})


@given(st.lists(st.lists(WORDS, max_size=5), min_size=1, max_size=4))
def test_words_of_any_blocks_are_the_words_put_in(blocks):
    assert unheard(*(np.array(block, object) for block in blocks)).to_pylist() == [w for block in blocks for w in block]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8))
def test_whole_numbers_keep_all_their_digits(numbers):
    table = channel({"time_us": np.array(numbers, np.int64), "station": 0, "busy_share": 0.0})
    assert table["time_us"].to_pylist() == numbers


def test_the_finished_table_is_in_memory_as_arrow():
    assert isinstance(channel({"time_us": 1, "station": 2, "busy_share": 0.5}), pa.Table)
