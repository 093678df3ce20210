"""Success of cycles of cooperation, over all that were wanted, and the reasons of failure."""

import numpy as np
import pytest
from small_tables import counts, read, table, values

from v2xsim.evaluation.cycles import FAILURES
from v2xsim.evaluation.metrics import all_metrics
from v2xsim.results.columns import COLUMNS


def rows_of(outcomes, complete=0):
    return all_metrics(read({"cycles": table("cycles", outcome=list(outcomes), complete=complete)}), {}, 1.0, 150.0)


def test_success_is_a_share_of_all_cycles_those_that_asked_nobody_included():
    rows = rows_of(["complete", "nobody_known", "nobody_useful", "not_asked", "answer_lost"])
    assert (values(rows)["cycle_success", ""], counts(rows)["cycle_success", ""]) == (0.2, 5)


@pytest.mark.parametrize("reason", FAILURES)
def test_each_reason_of_failure_is_a_share_of_all_cycles(reason):
    rows = rows_of(["complete", reason, "complete", reason, reason])
    assert (values(rows)[f"cycle_{reason}", ""], counts(rows)[f"cycle_{reason}", ""]) == (0.6, 5)


def test_success_and_all_reasons_sum_to_one():
    found = values(rows_of([*FAILURES, *list(FAILURES)[:3], "complete"]))
    assert sum(found[f"cycle_{word}", ""] for word in ("success", *FAILURES)) == pytest.approx(1.0)


def test_one_complete_answer_is_an_answer_although_another_was_lost():
    rows = rows_of(["answer_lost", "complete", "request_lost", "not_asked"], complete=[1, 2, 0, 0])
    assert values(rows)["cycle_any_answer", ""] == 0.5
    assert values(rows)["cycle_success", ""] == 0.25


def test_without_a_cycle_nothing_is_measured():
    assert all(np.isnan(value) for (name, _), value in values(rows_of([])).items() if name.startswith("cycle_"))


def test_the_table_names_every_reason_in_order_with_its_meaning():
    (meaning,) = [text for name, _, text in COLUMNS["cycles"] if name == "outcome"]
    assert meaning.endswith(": " + ", ".join(f"{word} ({why})" for word, why in FAILURES.items()))
