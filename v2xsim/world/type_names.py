"""The class of road user that the words in the name of a vehicle type suggest, for traces, which have no other sign of it.

Only whole words count: `city_bus2`, `CityBus` and `bus@3` name a bus, `Columbus` and `carbus` do not.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from v2xsim.world.road_users import BICYCLE, BUS, MOTORCYCLE, PASSENGER, PEDESTRIAN, TRUCK, VAN

# The most reliable words come first.
_WORDS = (
    ("motorcycle motorcyclist motorbike moped", MOTORCYCLE),
    ("bicycle bicyclist bike ebike cyclist", BICYCLE),
    ("truck firetruck trailer semitrailer lorry lorries hgv lkw", TRUCK),
    ("minibus minibuses minivan", VAN),
    ("bus buses busses citybus schoolbus trolleybus omnibus autobus railbus coach coaches tram tramway rail railcar railway train subway", BUS),
    ("delivery emergency van", VAN),
)  # fmt: skip
_KIND_OF_WORD = {word: kind for words, kind in _WORDS for word in words.split()}
_RANK = {word: rank for rank, word in enumerate(_KIND_OF_WORD)}
_RAIL = frozenset(["tram", "tramway", "rail", "railcar", "railway", "railbus", "train", "subway"])
# Further words that name a class, but do not decide it.
_CAR = frozenset(["car", "pkw", "taxi", "sedan", "suv", "hatchback", "passenger"])
_ON_FOOT = frozenset(["pedestrian", "ped"])
# A "passenger bus" is a bus.
_WITH_PASSENGERS = frozenset(["bus", "van", "coach", "rail", "tram", "train"])
_ALSO_CARS = _CAR | frozenset(
    ["veh", "wagon", "auto", "evehicle", "personenwagen", "stationwagon", "passengercar", "racecar"]
)
_KNOWN = _KIND_OF_WORD.keys() | _ALSO_CARS | _ON_FOOT

# Letters without digits and signs; in these, a capital after a small letter, or before one, begins a word.
_LETTERS = re.compile(r"[^\W\d_]+")
_CASE = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][^\W\d_A-Z])")


def kind_of_type_name(name: str) -> int:
    """Return the class that a word in the name of a vehicle type suggests; passenger car if there is no such word.

    It is never a pedestrian: traces have elements of their own for persons, and a word such as "person" is part of many
    names of cars.
    """
    named = [word for word in _words_in(name) if word in _RANK]
    return _KIND_OF_WORD[min(named, key=_RANK.__getitem__)] if named else PASSENGER


def kinds_in_type_name(name: str) -> tuple[int, ...]:
    """Return the classes that words in the name of a vehicle type name, the one that `kind_of_type_name` takes first."""
    words = list(_words_in(name))
    kinds = {_KIND_OF_WORD[word]: None for word in sorted(set(words) & _RANK.keys(), key=_RANK.__getitem__)}
    carries = any(word == "passenger" and after in _WITH_PASSENGERS for word, after in pairwise(words))
    cars = _CAR - {"passenger"} if carries else _CAR
    kinds.update({PASSENGER: None} if cars & set(words) else {})
    kinds.update({PEDESTRIAN: None} if _ON_FOOT & set(words) else {})
    return tuple(kinds)


def is_passenger_type_name(name: str) -> bool:
    """Return whether a word in the name of a vehicle type is one for a passenger car."""
    return not _ALSO_CARS.isdisjoint(_words_in(name))


def is_rail_type_name(name: str) -> bool:
    """Return whether a word in the name of a vehicle type is one for a tram or train."""
    return not _RAIL.isdisjoint(_words_in(name))


def _words_in(name: str) -> Iterator[str]:
    """Yield the words of a name in small letters; known ones without the ending of a plural, and without "type"."""
    for letters in _LETTERS.findall(name):
        whole = _known(letters)
        if whole is not None:
            yield whole
        else:
            yield from (_known(part) or part.lower() for part in _CASE.split(letters))


def _known(word: str) -> str | None:
    """Return the word of the lists that a word is; None if it is none of them."""
    text = word.lower()
    forms = (text, text.removesuffix("s"), text.removesuffix("type"), text.removesuffix("types"))
    return next((form for form in forms if form in _KNOWN), None)
