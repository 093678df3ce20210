"""The rules that choose helpers, each by a case worked by hand: bytes, budget, delivery, order."""

import numpy as np
import pytest

from tests.perception.matching.single import asked_by, shared_by
from v2xsim.perception.matching.gain import gains
from v2xsim.perception.matching.rule import MatchingView
from v2xsim.perception.matching.rules.blind_cells import BlindCells
from v2xsim.perception.matching.rules.nearest import Nearest
from v2xsim.perception.matching.rules.none import NoMatching


def rows_of(*cells):
    """Return what helpers observe of one row of cells, given as text: x for an observed cell."""
    return np.array([[[letter == "x" for letter in row]] for row in cells])


def view(observed, cost=None, delivery=None, distance=None, weight=None, budget=1e9, most=99):
    helpers, cells = len(observed), observed.shape[2]
    return MatchingView(
        np.ones((1, cells)) if weight is None else np.array([weight], float), observed.astype(np.uint8), 10 + np.arange(helpers),
        np.arange(helpers, dtype=float) if distance is None else np.array(distance, float),
        np.ones(helpers) if delivery is None else np.array(delivery, float), np.zeros(helpers, bool),
        np.full(helpers, 100.0) if cost is None else np.array(cost, float), budget, most, lambda: np.zeros(helpers),
        lambda: np.full(helpers, np.nan),
    )  # fmt: skip


def asked(rule, *given, **more):
    return [choice.helper for choice in asked_by(rule, view(*given, **more))]


def test_of_two_that_see_the_same_the_cheaper_is_asked():
    assert asked(BlindCells(), rows_of("xxxx", "xxxx"), cost=[300.0, 200.0]) == [1]


def test_helpers_come_by_the_cells_that_they_add_for_each_byte():
    # 6 cells for 300 bytes, 5 for 200, 1 for 30: 0.020, 0.025 and 0.033 of a cell for each byte.
    observed = rows_of("xxxxxx      ", "      xxxxx ", "           x")
    assert asked(BlindCells(), observed, cost=[300.0, 200.0, 30.0]) == [2, 1, 0]


def test_what_an_earlier_helper_sees_counts_for_nothing_later():
    # The third sees most after the first; the second adds a single cell.
    assert asked(BlindCells(), rows_of("xxxxx   ", " xxxxx  ", "     xxx"), most=2) == [0, 2]


def test_the_budget_is_shared_by_all_helpers_and_not_given_to_each():
    observed = rows_of("xxx     ", "   xxx  ", "      xx")
    assert asked(BlindCells(), observed, cost=[600.0, 600.0, 600.0], budget=1000.0) == [0]


def test_who_no_longer_fits_into_the_budget_is_passed_over_for_who_does():
    # 4 cells for 600 bytes, 3 for 500, 1 for 400: the second no longer fits after the first.
    observed = rows_of("xxxx    ", "    xxx ", "       x")
    assert asked(BlindCells(), observed, cost=[600.0, 500.0, 400.0], budget=1000.0) == [0, 2]


def test_a_budget_may_be_spent_to_the_last_byte():
    assert asked(BlindCells(), rows_of("xxx ", "   x"), cost=[600.0, 400.0], budget=1000.0) == [0, 1]


def test_a_helper_one_byte_over_the_budget_is_not_asked():
    assert asked(BlindCells(), rows_of("xxx "), cost=[1001.0], budget=1000.0) == []


def test_half_the_cells_at_more_than_twice_the_delivery_come_first():
    assert asked(BlindCells(), rows_of("xxxx  ", "    xx"), delivery=[0.4, 0.9]) == [1, 0]


def test_who_is_never_received_is_not_asked():
    assert asked(BlindCells(), rows_of("xxxx", "x   "), delivery=[0.0, 0.5]) == [1]


def test_cells_count_by_their_weight():
    assert asked(BlindCells(), rows_of("xxx ", "   x"), weight=[1.0, 1.0, 1.0, 4.0]) == [1, 0]


def test_gains_are_compared_to_the_last_digit_in_every_round():
    # 0.50000002 in two cells against 0.50000003 in one: rounded up in steps of a millionth, two cells would count more.
    weight = [0.25000001, 0.25000001, 0.50000003, 1.0]
    assert asked(BlindCells(), rows_of("xx  ", "  x ", "   x"), weight=weight) == [2, 1, 0]
    assert asked(BlindCells(), rows_of("xx  ", "  x ", "    "), weight=weight) == [1, 0]


def test_no_more_helpers_are_asked_than_allowed():
    assert asked(BlindCells(), rows_of("xx  ", "  x ", "   x"), most=2) == [0, 1]


def test_the_choice_by_gain_counts_only_where_more_is_expected_to_arrive():
    # By rate the first (5 cells for 100 bytes), then nobody fits. By gain the second (9 cells for 1000 bytes).
    observed = rows_of("xxxxx         ", "     xxxxxxxxx")
    assert asked(BlindCells(), observed, cost=[100.0, 1000.0], budget=1000.0) == [1]
    # Of 9 cells at half the delivery 4.5 are expected.
    assert asked(BlindCells(), observed, cost=[100.0, 1000.0], delivery=[1.0, 0.5], budget=1000.0) == [0]


def test_between_choices_of_equal_worth_the_one_by_rate_is_taken():
    observed = rows_of("xxxx    ", "    xxxx")
    assert asked(BlindCells(), observed, cost=[1000.0, 900.0], budget=1000.0) == [1]


def test_each_cell_is_asked_of_the_first_helper_that_sees_it():
    first, second = asked_by(BlindCells(), view(rows_of("xxxx  ", "  xxxx")))
    assert (first.cells[0].tolist(), second.cells[0].tolist()) == ([True] * 4 + [False] * 2, [False] * 4 + [True] * 2)


def test_gains_are_shares_of_the_whole_blind_weight():
    first, second = asked_by(BlindCells(), view(rows_of("xx  ", "  x "), weight=[3.0, 1.0, 2.0, 4.0]))
    assert (first.gain, second.gain) == (0.4, 0.2)


def test_cells_that_the_requester_sees_are_asked_of_nobody():
    (only,) = asked_by(BlindCells(), view(rows_of("xxxx"), weight=[0.0, 1.0, 0.0, 1.0]))
    assert only.cells[0].tolist() == [False, True, False, True]


def test_the_largest_gain_comes_first_and_nobody_is_chosen_who_adds_nothing():
    assert BlindCells().choose(view(rows_of("xx   ", "xxx  ", "  xx "))).tolist() == [1, 2]


@pytest.mark.parametrize(("most", "rows"), [(0, []), (1, [2]), (2, [2, 0]), (9, [2, 0, 1])])
def test_helpers_are_allowed_in_their_order_up_to_the_most(most, rows):
    choices = shared_by([2, 0, 1], view(rows_of("x  ", " x ", "  x"), cost=[10.0] * 3, budget=30.0, most=most))
    assert [choice.helper for choice in choices] == rows


def test_a_helper_that_does_not_fit_leaves_its_bytes_to_the_next():
    choices = shared_by([0, 1, 2], view(rows_of("x  ", " x ", "  x"), cost=[60.0, 50.0, 40.0], budget=100.0, most=9))
    assert [choice.helper for choice in choices] == [0, 2]


def test_a_helper_without_a_cell_to_offer_keeps_its_place_and_its_bytes():
    observed = rows_of("   ", "x  ", "xx ")
    assert [choice.helper for choice in shared_by([0, 1, 2], view(observed, most=2))] == [1]
    assert [choice.helper for choice in shared_by([0, 1, 2], view(observed, budget=200.0))] == [1]


def test_the_nearest_helpers_come_first_and_of_equally_near_ones_the_lower_row():
    order = Nearest().choose(view(rows_of("x", "x", "x", "x"), distance=[30.0, 10.0, 30.0, 5.0]))
    assert order.tolist() == [3, 1, 0, 2]


def test_without_matching_nobody_is_asked():
    assert asked(NoMatching(), rows_of("xxxx")) == []
    assert NoMatching().choose(view(rows_of("xxxx"))).tolist() == []


class Silent(Nearest):
    """Knows whom to ask and asks nobody."""

    asks = False


class Unwilling(Nearest):
    """Cannot choose."""

    def choose(self, view):
        """Raise an error."""
        raise AssertionError


def test_a_rule_that_does_not_ask_asks_none_of_those_it_would_choose():
    assert asked(Silent(), rows_of("xxxx")) == []


def test_a_rule_without_helpers_is_not_consulted():
    assert asked(Unwilling(), np.zeros((0, 1, 4), bool)) == []


def test_of_no_helpers_none_is_chosen():
    assert BlindCells().choose(view(np.zeros((0, 1, 4), bool))).tolist() == []


def test_the_gain_of_a_helper_is_what_it_adds_over_the_whole_blind_weight():
    weight, observed = np.array([[4.0, 3.0, 2.0, 1.0]]), rows_of("xx  ", " xx ", "    ")
    covered = np.array([[False, True, False, False]])
    assert gains(weight, observed, covered).tolist() == [0.4, 0.2, 0.0]


def test_who_is_blind_nowhere_gains_nothing_from_anybody():
    assert gains(np.zeros((1, 2)), rows_of("xx"), np.zeros((1, 2), bool)).tolist() == [0.0]
