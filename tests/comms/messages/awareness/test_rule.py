"""What a rule for awareness messages is unless its class says otherwise, and which answers of a user's rule are refused."""

from pathlib import Path

import numpy as np
import pytest

from v2xsim.comms.messages.awareness.rule import Announcer, AwarenessRule, AwarenessView
from v2xsim.parts import PartError

# Answers are made wrong on purpose.
pytestmark = pytest.mark.passes_wrong_types

VIEW = AwarenessView(np.array([4, 9]), np.zeros((2, 2)), np.zeros(2), np.zeros(2), 0, np.zeros(2))


class Answering:
    """A generator that gives the same answer every time."""

    def __init__(self, answer):
        self.answer, self.views = answer, []

    def due(self, view):
        self.views.append(view)
        return self.answer


def rule_of(generator, file=Path("/home/me/mine.py")):
    """Return a rule, a user's or with no file a built-in one, with the given generator."""

    class Mine(AwarenessRule):
        def generator(self):
            return generator

    Mine.name, Mine.file = "mine", file
    return Mine()


def test_a_rule_of_ones_own_looks_every_100_ms_and_counts_as_silent_after_five_seconds():
    # Five times its longest pace.
    assert (AwarenessRule().check_us, AwarenessRule().longest_us) == (100_000, 1_000_000.0)


def test_a_rule_must_say_itself_when_stations_send():
    with pytest.raises(NotImplementedError):
        AwarenessRule().generator()


@pytest.mark.parametrize("file", [None, Path("/home/me/mine.py")])
def test_the_stations_that_a_generator_names_send(file):
    generator = Answering(np.array([True, False]))
    assert Announcer(rule_of(generator, file)).due(VIEW).tolist() == [True, False]
    assert generator.views[0].agent.tolist() == [4, 9]


@pytest.mark.parametrize("generator", [None, object(), type("Due", (), {"due": True})()])
def test_a_users_generator_without_a_method_due_is_refused(generator):
    with pytest.raises(
        PartError, match=rf"generator must return an object with due\(view\), got {type(generator).__name__}"
    ):
        Announcer(rule_of(generator))


def test_the_generator_of_a_built_in_rule_is_not_checked():
    # It is checked by the contract tests instead, so that a run does not pay for checks.
    Announcer(rule_of(None, file=None))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (np.ones(1, bool), r"generator\.due must return an array of 2 stations, got shape \(1,\)"),
        (np.ones(2), r"generator\.due must return truth values \(bool\), got float64"),
        ([True, False], r"generator\.due must return an array of 2 stations, got list"),
    ],
)
def test_a_users_generator_gives_one_truth_value_for_each_station(answer, why):
    with pytest.raises(PartError, match=why):
        Announcer(rule_of(Answering(answer))).due(VIEW)


def test_an_exception_in_a_users_generator_names_the_method():
    generator = Answering(None)
    generator.due = lambda view: 1 // 0
    with pytest.raises(PartError, match=r"'mine': generator\.due raised ZeroDivisionError"):
        Announcer(rule_of(generator)).due(VIEW)
