"""How an access layer is built, and which results of a user's layer are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from groups import keys, packets, repeated, square

from v2xsim.comms.access.packets import COLLISION, DELIVERED, Receptions
from v2xsim.comms.access.scheme import AccessScheme, RadioSettings, error_points_of, layer_of
from v2xsim.comms.access.schemes.ideal import Ideal
from v2xsim.comms.access.schemes.random_slot import RandomSlotAccess
from v2xsim.parts import PartError

# Results are made wrong on purpose.
pytestmark = pytest.mark.passes_wrong_types

STATIONS = 3
FIELD = repeated(1, square(STATIONS))
NO_BUSY_TIME = np.zeros(STATIONS, np.int64)


class Scripted:
    """An access layer that returns what it is given, and keeps what it is asked."""

    def __init__(self, *results):
        self.results, self.dropped, self.asked = list(results), [], []

    def submit(self, submitted):
        self.asked.append(("submit", submitted.number.tolist()))

    def advance(self, until_us, field):
        self.asked.append(("advance", until_us, field.stations))
        return self.results.pop(0)

    def reindexed(self, row, station_key):
        self.asked.append(("reindexed", row.tolist(), station_key.tolist()))


def scheme_of(layer, file=Path("/home/me/mine.py")):
    """Return a scheme, a user's or with no file a built-in one, whose layer is the given object."""

    class Mine(AccessScheme):
        def layer(self, settings, time_us):
            self.asked = settings, time_us
            return layer

    Mine.name, Mine.file = "mine", file
    return Mine()


def receptions(**columns):
    """Return the receptions of packets 0 and 1 of station 0: one at station 1, two at stations 1 and 2."""
    right = Receptions(
        np.array([0, 1]), np.array([0, 0]), np.array([10, 500]), np.array([400, 900]), np.array([-95.0, -95.0]),
        np.array([0, 1, 3]), np.array([1, 1, 2], np.int32), np.array([DELIVERED, DELIVERED, COLLISION], np.int8),
        np.full(3, -60.0, np.float32), np.full(3, 35.0, np.float32),
    )  # fmt: skip
    return replace(right, **{name: np.asarray(value) for name, value in columns.items()})


def advanced(*results):
    """Return what a user's layer is taken to have returned last; packets 0 and 1 were submitted."""
    layer = layer_of(scheme_of(Scripted(*results)), RadioSettings(), 0)
    layer.submit(packets([(0, 0, 0), (0, 0, 0)]))
    for _ in results:
        last = layer.advance(1_000, FIELD)
    return last


def refused(*results):
    """Return why the last result of a user's layer is refused."""
    with pytest.raises(PartError) as error:
        advanced(*results)
    return str(error.value)


# How a layer is built.


def test_a_layer_is_built_from_the_radio_settings_and_the_time():
    scheme, settings = scheme_of(Scripted()), RadioSettings(slot_us=123)
    layer_of(scheme, settings, 4_000)
    assert scheme.asked == (settings, 4_000)


@pytest.mark.parametrize("file", [None, Path("/home/me/mine.py")])
def test_stations_that_exist_at_the_start_join_as_newcomers(file):
    inner = Scripted()
    layer_of(scheme_of(inner, file), RadioSettings(), 0, np.array([7, 8], np.uint64))
    assert inner.asked == [("reindexed", [-1, -1], [7, 8])]


def test_without_stations_at_the_start_no_station_joins():
    inner = Scripted()
    layer_of(scheme_of(inner), RadioSettings(), 0)
    assert inner.asked == []


def test_the_layer_of_a_built_in_scheme_is_used_as_it_is():
    # It is checked by the contract tests instead, so that a run does not pay for checks.
    inner = object()
    assert layer_of(scheme_of(inner, file=None), RadioSettings(), 0) is inner


@pytest.mark.parametrize("method", ["submit", "advance", "reindexed"])
def test_a_users_layer_without_one_of_the_three_methods_is_refused(method):
    inner = Scripted()
    setattr(inner, method, None)
    with pytest.raises(PartError, match="must return an object with submit, advance, reindexed and a list `dropped`"):
        layer_of(scheme_of(inner), RadioSettings(), 0)


@pytest.mark.parametrize("dropped", [None, (), np.zeros(0)])
def test_a_users_layer_without_a_list_of_dropped_packets_is_refused(dropped):
    inner = Scripted()
    inner.dropped = dropped
    with pytest.raises(PartError, match=r"list `dropped`, got Scripted"):
        layer_of(scheme_of(inner), RadioSettings(), 0)


def test_a_users_layer_without_the_attribute_dropped_is_refused():
    inner = Scripted()
    del inner.dropped
    with pytest.raises(PartError, match="list `dropped`"):
        layer_of(scheme_of(inner), RadioSettings(), 0)


# What a user's layer may return.


def test_right_results_of_a_users_layer_are_passed_on_unchanged():
    right = receptions()
    found, busy_us = advanced((right, NO_BUSY_TIME))
    assert found is right
    assert busy_us is NO_BUSY_TIME


@pytest.mark.parametrize(
    "columns",
    [
        {"receiver": np.array([0, 0, 2], np.int32)},
        {"by": np.array([-1, 2])},
        {"outcome": np.array([0, 5, 5], np.int8)},
        {"offset": np.array([0, 0, 3])},
        {"offset": np.array([0, 3, 3])},
        {"power_dbm": np.array([-np.inf, -60.0, np.inf], np.float32)},
    ],
)
def test_results_at_the_limits_are_allowed(columns):
    found, _ = advanced((receptions(**columns), NO_BUSY_TIME))
    assert len(found) == 3


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("receiver", np.array([-1, 1, 2], np.int32), "must return as receiver 0 to 2, got -1 to 2"),
        ("receiver", np.array([1, 1, 3], np.int32), "must return as receiver 0 to 2, got 1 to 3"),
        ("by", np.array([-2, 0]), "must return as by -1 to 2, got -2 to 0"),
        ("by", np.array([0, 3]), "must return as by -1 to 2, got 0 to 3"),
        ("outcome", np.array([0, 0, 6], np.int8), "must return as outcome 0 to 5, got 0 to 6"),
        ("outcome", np.array([-1, 0, 0], np.int8), "must return as outcome 0 to 5, got -1 to 0"),
        ("offset", np.array([1, 1, 3]), "must return as offset numbers that rise from 0 to the 3 receptions"),
        ("offset", np.array([0, 1, 2]), "must return as offset numbers that rise from 0 to the 3 receptions"),
        ("offset", np.array([0, 4, 3]), "must return as offset numbers that rise from 0 to the 3 receptions"),
        ("number", np.array([0, 0]), "must return as number the packets that were submitted, each once"),
        ("number", np.array([0, 2]), "must return as number the packets that were submitted, each once"),
        ("power_dbm", np.array([np.nan, 0, 0], np.float32), "must return as power_dbm numbers, got nan"),
    ],
)
def test_values_that_cannot_be_are_refused(column, value, why):
    assert why in refused((receptions(**{column: value}), NO_BUSY_TIME))


# Columns with their number of entries, type and axis.
COLUMNS = [
    ("number", 2, "int64", "packets"), ("by", 2, "int64", "packets"), ("began_us", 2, "int64", "packets"),
    ("ended_us", 2, "int64", "packets"), ("noise_dbm", 2, "float64", "packets"), ("offset", 3, "int64", "packets"),
    ("receiver", 3, "int32", "receptions"), ("outcome", 3, "int8", "receptions"),
    ("power_dbm", 3, "float32", "receptions"), ("sinr_db", 3, "float32", "receptions"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "length", "dtype", "axis"), COLUMNS)
def test_every_column_has_its_type(column, length, dtype, axis):
    other = receptions(**{column: np.zeros(length, np.complex128)})
    assert f"must return as {column} {dtype} numbers, got complex128" in refused((other, NO_BUSY_TIME))


@pytest.mark.parametrize(("column", "length", "dtype", "axis"), COLUMNS)
def test_every_column_is_an_array(column, length, dtype, axis):
    other = receptions()
    object.__setattr__(other, column, [0] * length)
    assert f"must return as {column} an array of" in refused((other, NO_BUSY_TIME))


# `number` and `receiver` say how many packets and receptions there are.
@pytest.mark.parametrize(
    ("column", "length", "dtype", "axis"), [c for c in COLUMNS if c[0] not in ("number", "receiver")]
)
def test_every_column_has_an_entry_for_each_packet_or_reception(column, length, dtype, axis):
    longer = receptions(**{column: np.zeros(length + 1, dtype)})
    why = f"must return as {column} an array of {length} {axis}, got shape ({length + 1},)"
    assert why in refused((longer, NO_BUSY_TIME))


@pytest.mark.parametrize("column", ["number", "receiver"])
def test_a_single_number_is_no_column(column):
    assert f"must return as {column} an array of 0" in refused((receptions(**{column: 0}), NO_BUSY_TIME))


def test_no_packets_are_a_right_result():
    found, _ = advanced((Receptions.none(), NO_BUSY_TIME))
    assert len(found) == 0


@pytest.mark.parametrize(
    ("result", "got"),
    [
        ([receptions(), NO_BUSY_TIME], "list"),
        ((receptions(),), "tuple"),
        ((receptions(), NO_BUSY_TIME, 0), "tuple"),
        ((NO_BUSY_TIME, receptions()), "tuple"),
        (None, "NoneType"),
    ],
)
def test_anything_but_receptions_and_busy_times_is_refused(result, got):
    assert f"layer.advance must return receptions and busy times, got {got}" in refused(result)


@pytest.mark.parametrize(
    ("busy_us", "why"),
    [
        (np.zeros(2, np.int64), "must return as busy times an array of 3 stations, got shape (2,)"),
        (np.zeros(3), "must return as busy times int64 numbers, got float64"),
    ],
)
def test_every_station_has_a_busy_time(busy_us, why):
    assert why in refused((receptions(), busy_us))


def test_the_ends_that_a_users_layer_returns_are_passed_on():
    layer = Scripted()
    layer.submit = lambda submitted: submitted.ready_us + 400
    watched = layer_of(scheme_of(layer), RadioSettings(), 0, keys(STATIONS))
    assert watched.submit(packets([(0, 1_000, 0), (1, 2_000, 0)])).tolist() == [1_400, 2_400]


def test_a_users_layer_may_not_know_when_packets_end():
    assert layer_of(scheme_of(Scripted()), RadioSettings(), 0, keys(STATIONS)).submit(packets([(0, 0, 0)])) is None


@pytest.mark.parametrize("ends_us", [np.zeros(2), np.zeros(3, np.int64), 400])
def test_each_packet_has_an_end(ends_us):
    layer = Scripted()
    layer.submit = lambda submitted: ends_us
    with pytest.raises(PartError, match=r"layer\.submit must return as ends of the packets"):
        layer_of(scheme_of(layer), RadioSettings(), 0, keys(STATIONS)).submit(packets([(0, 0, 0), (1, 0, 0)]))


def test_a_packet_ends_when_the_layer_said_that_it_would():
    layer = Scripted((receptions(), NO_BUSY_TIME))
    layer.submit = lambda submitted: np.array([400, 800])
    watched = layer_of(scheme_of(layer), RadioSettings(), 0)
    watched.submit(packets([(0, 0, 0), (0, 0, 0)]))
    with pytest.raises(PartError, match=r"must return as ended_us what submit returned: 800 for packet 1, got 900"):
        watched.advance(1_000, FIELD)


def test_a_packet_does_not_end_twice():
    again = (receptions(), NO_BUSY_TIME)
    assert "must return as number the packets that were submitted, each once" in refused(again, again)


def test_a_packet_that_was_dropped_does_not_end():
    inner = Scripted((receptions(), NO_BUSY_TIME))
    layer = layer_of(scheme_of(inner), RadioSettings(), 0)
    layer.submit(packets([(0, 0, 0), (0, 0, 0)]))
    inner.dropped = [1]
    assert layer.dropped == [1]
    with pytest.raises(PartError, match="the packets that were submitted, each once"):
        layer.advance(1_000, FIELD)


def test_packets_may_end_one_call_after_the_other():
    first = receptions().of(np.array([True, False]))
    second = receptions().of(np.array([False, True]))
    found, _ = advanced((first, NO_BUSY_TIME), (second, NO_BUSY_TIME))
    assert found.number.tolist() == [1]


def test_a_users_layer_is_asked_what_a_built_in_one_is_asked():
    inner = Scripted((Receptions.none(), NO_BUSY_TIME))
    layer = layer_of(scheme_of(inner), RadioSettings(), 0)
    layer.submit(packets([(0, 0, 0), (0, 0, 0)]))
    layer.advance(1_000, FIELD)
    layer.reindexed(np.array([1, -1]), np.array([3, 4], np.uint64))
    assert inner.asked == [("submit", [0, 1]), ("advance", 1_000, 3), ("reindexed", [1, -1], [3, 4])]


def use(layer):
    layer.submit(packets([(0, 0, 0)]))
    layer.advance(1_000, FIELD)
    layer.reindexed(np.array([0]), keys(1))


@pytest.mark.parametrize("method", ["submit", "advance", "reindexed"])
def test_an_exception_in_a_users_layer_names_the_method(method):
    inner = Scripted((Receptions.none(), NO_BUSY_TIME))

    def fails(*arguments):
        raise KeyError("x")

    setattr(inner, method, fails)
    layer = layer_of(scheme_of(inner), RadioSettings(), 0)
    with pytest.raises(PartError, match=rf"access scheme 'mine': layer\.{method} raised KeyError: 'x'"):
        use(layer)


POINTS = np.array([0.0, 5.0, 9.0]), np.array([1.0, 0.4, 0.0])


def curve_scheme(points):
    """Return a user's scheme that predicts delivery from the given points."""
    scheme = scheme_of(Scripted())
    type(scheme).error_points = lambda self, mcs, bandwidth_mhz: points
    return scheme


def test_a_users_error_curve_is_taken_as_it_is():
    assert error_points_of(curve_scheme(POINTS), 2, 10) is POINTS


@pytest.mark.parametrize(
    ("points", "says"),
    [
        (None, "must return two arrays, SINR in dB and error rate, of at least 2 points, got NoneType"),
        ((np.zeros(1), np.ones(1)), "of at least 2 points"),
        ((POINTS[0], POINTS[1][:2]), "must return as error_rate an array of 3 points, got shape"),
        ((POINTS[0], np.array([1.0, np.nan, 0.0])), "must return as error_rate finite numbers, got nan"),
        ((POINTS[0][::-1].copy(), POINTS[1]), "must return rising SINRs and error rates that never rise"),
        ((POINTS[0], POINTS[1][::-1].copy()), "must return rising SINRs and error rates that never rise"),
        ((POINTS[0], POINTS[1] + 0.1), "from at most 1 to at least 0"),
    ],
)
def test_a_users_error_curve_that_is_none_is_refused(points, says):
    with pytest.raises(PartError, match=f"access scheme 'mine': error_points .*{says}"):
        error_points_of(curve_scheme(points), 2, 10)


# What a scheme is unless its class says otherwise.


def test_a_scheme_of_ones_own_sends_over_the_air_at_the_stations_own_phases_and_draws_fading():
    scheme = AccessScheme()
    assert (scheme.ideal, scheme.spreads_periods, scheme.draws_fading, scheme.dcc_airtime_us) == (
        False, False, True, None
    )  # fmt: skip
    assert scheme.most_bytes() is None


def test_a_scheme_describes_itself_by_its_name():
    assert RandomSlotAccess().describe() == "random_slot"


def test_an_ideal_channel_delivers_without_an_access_layer():
    assert (Ideal.ideal, Ideal.draws_fading, Ideal.spreads_periods) == (True, False, False)
    with pytest.raises(AssertionError, match="has no access layer"):
        layer_of(Ideal(), RadioSettings(), 0)


def test_random_slots_spread_periods_themselves_and_leave_fading_to_the_channel():
    assert (RandomSlotAccess.ideal, RandomSlotAccess.spreads_periods, RandomSlotAccess.draws_fading) == (
        False, True, False
    )  # fmt: skip


def test_a_radio_without_settings_has_10_mhz_and_the_noise_of_a_9_db_receiver():
    radio = RadioSettings()
    assert (radio.bandwidth_mhz, radio.noise_dbm, radio.sensitivity_dbm, radio.busy_threshold_dbm) == (
        10, -95.0, -90.0, -94.0
    )  # fmt: skip
    assert (radio.queue_packets, radio.slot_us, radio.window_us, radio.header_bytes, radio.curve) == (
        1000, 500, 20_000, None, ()
    )  # fmt: skip


@pytest.mark.parametrize(("bandwidth_mhz", "wider_db"), [(10, 0.0), (20, 3.0103), (40, 6.0206)])
def test_a_wider_channel_asks_for_as_much_more_power_as_it_has_more_noise(bandwidth_mhz, wider_db):
    assert RadioSettings(bandwidth_mhz=bandwidth_mhz).wider_db == pytest.approx(wider_db, abs=1e-4)
