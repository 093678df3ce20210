"""The city question: seconds of an index beside those of comparing all."""

from v2xsim.claims.city import city_rows


def test_a_city_is_measured_by_rate_of_updates_and_few_vehicles_are_compared():
    rows = list(city_rows((300,), (0.1, 2.0), dim=8))
    assert [(row.vehicles, row.renewals, row.picked) for row in rows] == [(300, 0.1, 0.0), (300, 2.0, 0.0)]
    assert min(row.recall for row in rows) > 0.95
