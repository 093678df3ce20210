"""What stations tell each other."""

from v2xsim.engine.stations.contents import EVERYBODY, NOBODY


def test_result_tables_know_nobody_as_minus_one_and_everybody_as_minus_two():
    assert (NOBODY, EVERYBODY) == (-1, -2)
