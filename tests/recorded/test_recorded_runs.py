"""Short runs with little left out, compared with what they gave when they were recorded: every column of every table."""

import copy

import pytest
from recorded_runs import NAMES, difference, recorded, run

from v2xsim.results.columns import COLUMNS


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_run_gives_what_it_gave(name):
    changed = difference(recorded(name), run(name))
    assert not changed, f"{changed}; if this is meant: python tests/recorded/record.py"


def values(name, table, column):
    return recorded(name)[table][column]["values"]


@pytest.mark.parametrize("table", COLUMNS)
def test_each_table_has_rows_in_some_recorded_run(table):
    first = COLUMNS[table][0][0]
    assert any(values(name, table, first) for name in NAMES)


def test_packets_of_every_outcome_are_recorded():
    found = {cell for name in NAMES for cell in values(name, "packets", "outcome")}
    assert found == {
        "delivered", "half_duplex", "sensing", "receiver_busy", "propagation", "collision", "not_sent",
        "duplicate",
    }  # fmt: skip


def test_packets_of_every_kind_are_recorded():
    found = {cell for name in NAMES for cell in values(name, "packets", "kind")}
    assert found == {"awareness", "cpm", "request", "data", "ack"}


def test_transfers_of_nearly_every_outcome_are_recorded():
    found = {cell for name in NAMES for cell in values(name, "transfers", "outcome")}
    assert found == {"answered", "used", "late", "superseded", "lost"}


def test_direct_and_relayed_transfers_are_recorded():
    relays = values("relayed", "transfers", "relay")
    assert any(relay >= 0 for relay in relays)
    assert any(relay < 0 for relay in relays)


def test_links_of_each_state_are_recorded():
    assert set(values("relayed", "links", "state")) == {"LOS", "NLOSv", "NLOSb"}


def test_links_of_each_role_are_recorded():
    assert set(values("relayed", "frame_links", "role")) == {"direct", "relay_hop", "replaced"}


def test_the_first_cell_that_differs_is_named():
    expected = recorded("relayed")
    found = copy.deepcopy(expected)
    found["packets"]["rx"]["values"][7] += 1
    before = expected["packets"]["rx"]["values"][7]
    assert difference(expected, found) == f"packets.rx, row 7: expected {before}, found {before + 1}"


def test_a_row_that_is_missing_at_the_end_is_named():
    expected = recorded("relayed")
    found = copy.deepcopy(expected)
    for column in found["packets"].values():
        column["values"].pop()
    count = len(expected["packets"]["rx"]["values"])
    assert difference(expected, found) == f"packets: expected {count} rows, found {count - 1}"


def test_a_column_of_another_type_is_named():
    expected = recorded("relayed")
    found = copy.deepcopy(expected)
    found["packets"]["rx"]["type"] = "int32"
    assert difference(expected, found) == "packets.rx: expected type int64, found int32"


def test_a_float_in_its_last_bits_is_no_difference_and_a_thousandth_is_one():
    expected = recorded("relayed")
    near, far = copy.deepcopy(expected), copy.deepcopy(expected)
    near["links"]["loss_db"]["values"][0] *= 1 + 1e-7
    far["links"]["loss_db"]["values"][0] *= 1 + 1e-3
    assert difference(expected, near) == ""
    assert difference(expected, far).startswith("links.loss_db, row 0")
