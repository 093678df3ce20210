"""Road users whose names a source of traffic uses again."""

import pytest

from v2xsim.mobility.base import Identities, Names, NameTakenError

CAR, LORRY, VAN = (0, 4.5, 1.8, 1.5), (2, 12.0, 2.5, 4.0), (1, 6.0, 2.0, 2.5)


def entered(*users, names=None):
    """Return names and agent ids of road users that are entered one after the other."""
    names = Names() if names is None else names
    identities = Identities(names)
    agents = [identities.agent(name, "a vehicle", body) for name, body in users]
    return [names.name_of(agent) for agent in agents], agents, identities


def test_a_name_with_the_same_body_is_the_same_road_user():
    assert entered(("a", CAR), ("b", CAR), ("a", CAR))[1] == [0, 1, 0]


def test_a_name_with_another_body_is_another_road_user_with_a_number():
    names, agents, identities = entered(("a", CAR), ("a", LORRY), ("a", CAR), ("a", VAN), ("a", LORRY))
    assert names == ["a", "a#2", "a", "a#3", "a#2"]
    assert (agents, identities.renamed) == ([0, 1, 0, 2, 1], ["a#2", "a#3"])
    assert identities.sharing == {0: "a", 1: "a", 2: "a"}


def test_a_name_like_that_of_a_renamed_road_user_is_taken():
    with pytest.raises(NameTakenError, match="'a#2'"):
        entered(("a", CAR), ("a", LORRY), ("a#2", LORRY))
    with pytest.raises(NameTakenError, match="'a#2'"):
        entered(("a#2", LORRY), ("a", CAR), ("a", LORRY))


def test_the_name_of_a_roadside_unit_is_taken():
    names = Names()
    names.register("a", "the roadside unit 'a'")
    with pytest.raises(NameTakenError, match="the roadside unit"):
        entered(("b", CAR), ("a", CAR), names=names)
    names.register("z", "the roadside unit 'z'")
    with pytest.raises(NameTakenError, match="the roadside unit"):
        entered(("c", CAR), ("z", CAR), names=names)
