"""The shares of deaths foreseen and of false alarms, from the tables of a run."""

import numpy as np
import pyarrow as pa
import pytest

from v2xsim.evaluation.foresight import Foresight
from v2xsim.results.columns import schema_of
from v2xsim.results.tables import Columns

EGO, OTHER = 1, 2


def table(name, *rows):
    columns = Columns(name)
    for row in rows:
        columns.add(**row)
    return columns.finished() if rows else schema_of(name).empty_table()


def death(time_us, cause="building", *, neighbour=OTHER, known=True):
    return {
        "time_us": time_us, "station": EGO, "neighbour": neighbour, "cause": cause, "state": "NLOSb", "blocker": -1, "known": known,
    }  # fmt: skip


def alarm(raised_us, death_us, *, neighbour=OTHER):
    return {"time_us": raised_us, "station": EGO, "neighbour": neighbour, "death_us": death_us, "cause": "building"}


def metrics(deaths, alarms):
    foresight = Foresight()
    foresight.add_deaths(table("deaths", *deaths))
    foresight.add_foretold(table("foretold", *alarms))
    return {name: (metric.value, metric.count) for name, _, metric in foresight.rows()}


def test_a_death_foretold_three_tenths_of_a_second_before_is_foreseen():
    found = metrics([death(1_000_000)], [alarm(700_000, 1_100_000)])
    assert found["deaths_foreseen_building"] == (1.0, 1)
    assert found["alarms_false"] == (0.0, 1)
    assert found["warning_time"] == (pytest.approx(0.3), 1)


def test_a_later_alarm_comes_too_late_but_is_not_false():
    found = metrics([death(1_000_000)], [alarm(710_000, 1_100_000)])
    assert found["deaths_foreseen_building"] == (0.0, 1)
    assert found["alarms_false"] == (0.0, 1)


def test_an_alarm_for_another_time_or_another_link_is_false():
    found = metrics([death(2_000_000)], [alarm(700_000, 1_400_000), alarm(1_500_000, 2_000_000, neighbour=3)])
    assert found["alarms_false"] == (1.0, 2)
    assert found["deaths_foreseen_building"] == (0.0, 1)


def test_an_alarm_whose_link_ended_alive_before_its_time_does_not_count():
    found = metrics([death(900_000, "gone")], [alarm(700_000, 1_000_000)])
    assert np.isnan(found["alarms_false"][0])
    assert found["deaths_foreseen_building"][1] == 0


def test_an_alarm_of_the_last_tick_of_a_link_does_not_count():
    # It is raised when the detection in the frame of that tick is finished.
    found = metrics([death(900_000, "gone")], [alarm(920_000, 1_200_000)])
    assert np.isnan(found["alarms_false"][0])


def test_an_alarm_for_a_link_that_ended_alive_long_ago_is_false():
    assert metrics([death(900_000, "gone")], [alarm(3_000_000, 3_200_000)])["alarms_false"] == (1.0, 1)


def test_deaths_by_vehicles_that_the_ego_did_not_know_are_left_out_but_make_no_alarm_false():
    found = metrics([death(1_000_000, "body", known=False)], [alarm(600_000, 1_000_000)])
    assert found["deaths_foreseen_body"][1] == 0
    assert found["alarms_false"] == (0.0, 1)


def test_a_run_without_deaths_and_alarms_has_no_shares():
    assert all(np.isnan(value) and count == 0 for value, count in metrics([], []).values())


def test_rows_may_come_in_several_groups():
    whole, parts = Foresight(), Foresight()
    deaths = [death(1_000_000), death(3_000_000, "body"), death(5_000_000, "other")]
    alarms = [alarm(600_000, 1_000_000), alarm(2_600_000, 3_000_000)]
    whole.add_deaths(table("deaths", *deaths))
    whole.add_foretold(table("foretold", *alarms))
    for row in alarms:
        parts.add_foretold(table("foretold", row))
    for row in deaths:
        parts.add_deaths(table("deaths", row))
    assert [str(row) for row in whole.rows()] == [str(row) for row in parts.rows()]
    assert isinstance(table("deaths"), pa.Table)
