"""Defaults that follow from other keys, such as the size of a packet from the access scheme.

So that a change of one key, or a sweep over it, is not refused because of a value that nobody wrote. A value that is written
is never changed; if it does not fit the others, the scenario is refused.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from v2xsim.comms.access.scheme import AccessScheme
from v2xsim.comms.access.sidelink_scheme import SidelinkScheme
from v2xsim.comms.phy.sidelink import RESOURCE_BLOCKS, SUBCHANNEL_BLOCKS
from v2xsim.parts import PartError, parts_of
from v2xsim.scenario.choices import choices_in
from v2xsim.scenario.errors import Keys
from v2xsim.scenario.fields import AUTO, Section, rule_of
from v2xsim.scenario.part_models import made, model_of

HEADERS_BYTES = 200
"""Largest number of bytes of a packet besides its payload (v2xsim.comms.messages.sizes), the relay's header included."""
LEAST_MTU_BYTES = 100
"""Smallest payload of a packet that a scenario may have."""
# Usual values, which hold unless another key rules them out.
_MTU_BYTES, _SLOT_MS, _DETECT_MS, _DEADLINE_MS = 1400, 0.5, 20.0, 100.0
_PSFCH_SLOTS = 4
# Limits of the schema on keys that the rules read; a number outside is refused later, and no rule follows it.
_BLOCKS, _SUBCHANNELS, _SLOTS, _WINDOW_MS = (1, 275), (1, 50), (0, 100), (0.05, 1000)
_ACCESS = ("radio", "access")


class Values:
    """The values of a file that is not checked yet, with the schema's defaults for keys that are not written."""

    def __init__(self, data: Mapping[str, Any], section: type[Section]) -> None:
        self._data, self._section = data, section
        self._choices = dict(choices_in(section))

    def written(self, *keys: str) -> Any:
        """Return the value that the file has for a key; None if it has none, or leaves it to the program."""
        value: Any = self._data
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return None if value == AUTO else value

    def number(self, usual: float, limits: tuple[float, float], *keys: str) -> float:
        """Return the number that the file has for a key, or the usual one if the file has no number within the limits."""
        value = self.written(*keys)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return value if is_number and limits[0] <= value <= limits[1] else usual

    def is_left_open(self, keys: Keys) -> bool:
        """Return whether a key exists in such files, for the chosen parts, and the file leaves its value to the program."""
        above: Any = self._data
        section: Any = self._section
        for depth, key in enumerate(keys):
            info = section.model_fields.get(key)
            if info is None or not isinstance(above, Mapping):
                return False
            if depth == len(keys) - 1:
                return rule_of(info) is not None and above.get(key) in (None, AUTO)
            above = above.get(key, {})
            cls = self.part_class(*keys[: depth + 1]) if keys[: depth + 1] in self._choices else None
            section = info.annotation if cls is None else model_of(cls)
            if not (isinstance(section, type) and issubclass(section, Section)):
                return False
        return False

    def part_class(self, *keys: str) -> type[Any] | None:
        """Return the class of the part that is chosen at a key; None if the name there is no part's name."""
        choice = self._choices[keys]
        name = self.written(*keys, choice.word) or choice.default
        return parts_of(choice.base).get(name) if isinstance(name, str) else None

    def part(self, *keys: str) -> Any:
        """Return the part that is chosen at a key, or None if its parameters are wrong; the schema reports those later."""
        cls = self.part_class(*keys)
        if cls is None:
            return None
        section = self.written(*keys)
        parameters = section if isinstance(section, Mapping) else {}
        try:
            return made(cls, model_of(cls).model_validate_json(json.dumps(parameters), strict=True))
        except (ValueError, PartError):
            return None


@dataclass(frozen=True)
class Rule:
    """How the default of one key follows from other keys.

    Attributes:
        keys: The key.
        value: Function that returns the default; None keeps the schema's default.
    """

    keys: Keys
    value: Callable[[Values], Any]


def _subchannels(values: Values) -> int | None:
    scheme = _sidelink(values)
    if scheme is None:
        return None
    size = values.number(scheme.rb_per_subchannel, _BLOCKS, *_ACCESS, "rb_per_subchannel")
    blocks = _blocks(values, scheme)
    return max(1, min(_SUBCHANNELS[1], int(blocks // size))) if blocks is not None else None


def _rb_per_subchannel(values: Values) -> int | None:
    scheme = _sidelink(values)
    subchannels = int(values.number(0, _SUBCHANNELS, *_ACCESS, "subchannels"))
    blocks = _blocks(values, scheme) if scheme is not None else None
    if scheme is None:
        return None
    if blocks is None or not subchannels:
        return scheme.rb_per_subchannel
    share = blocks // subchannels
    return max((size for size in SUBCHANNEL_BLOCKS[scheme.generation] if size <= share), default=max(1, share))


def _t1_slots(values: Values) -> int | None:
    scheme = _sidelink(values)
    if scheme is None:
        return None
    return min(scheme.t1_slots, int(values.number(scheme.t2_slots, (1, 1000), *_ACCESS, "t2_slots")) - 1)


def _t2_slots(values: Values) -> int | None:
    scheme = _sidelink(values)
    if scheme is None:
        return None
    return max(scheme.t2_slots, int(values.number(0, _SLOTS, *_ACCESS, "t1_slots")) + 1)


def _psfch_period_slots(values: Values) -> int:
    return _PSFCH_SLOTS if values.number(0, (0, 15), "radio", "retries") > 0 else 0


def _mtu_bytes(values: Values) -> int | None:
    access = values.part(*_ACCESS)
    most_bytes = access.most_bytes() if isinstance(access, AccessScheme) else None
    payload_bytes = most_bytes - HEADERS_BYTES if isinstance(most_bytes, int) else _MTU_BYTES
    # If not even the smallest packet fits, the usual value stays, and `checks` refuses the access scheme.
    return min(_MTU_BYTES, payload_bytes) if payload_bytes >= LEAST_MTU_BYTES else _MTU_BYTES


def _slot_ms(values: Values) -> float:
    return min(_SLOT_MS, values.number(_SLOT_MS, _WINDOW_MS, "radio", "selection_window_ms"))


def _detect_ms(values: Values) -> float:
    return min(_DETECT_MS, values.number(_DETECT_MS, (0, 5000), "cooperation", "deadline_ms"))


def _deadline_ms(values: Values) -> float:
    detect_ms = values.number(_DETECT_MS, (0, 1000), "cooperation", "detect_ms")
    # A later deadline leaves the usual time for the exchange.
    return _DEADLINE_MS if detect_ms <= _DEADLINE_MS else detect_ms + _DEADLINE_MS - _DETECT_MS


def _penetration(values: Values) -> float | None:
    if values.written("stations", "count") is not None:
        return None
    return 0.0 if values.written("stations", "include") or values.written("stations", "roadside") else 1.0


def _sidelink(values: Values) -> type[SidelinkScheme] | None:
    cls = values.part_class(*_ACCESS)
    return cls if cls is not None and issubclass(cls, SidelinkScheme) else None


def _blocks(values: Values, scheme: type[SidelinkScheme]) -> int | None:
    return RESOURCE_BLOCKS[scheme.generation].get(int(values.number(10, (10, 40), "radio", "bandwidth_mhz")))


# The order matters: a later rule sees the values of the earlier ones.
RULES = (
    Rule((*_ACCESS, "rb_per_subchannel"), _rb_per_subchannel),
    Rule((*_ACCESS, "subchannels"), _subchannels),
    Rule((*_ACCESS, "t1_slots"), _t1_slots),
    Rule((*_ACCESS, "t2_slots"), _t2_slots),
    # The feedback channel takes room from packets.
    Rule((*_ACCESS, "psfch_period_slots"), _psfch_period_slots),
    Rule(("radio", "mtu_bytes"), _mtu_bytes),
    Rule(("radio", "slot_ms"), _slot_ms),
    Rule(("cooperation", "detect_ms"), _detect_ms),
    Rule(("cooperation", "deadline_ms"), _deadline_ms),
    Rule(("stations", "penetration"), _penetration),
)


def with_automatic_values(data: dict[str, Any], section: type[Section]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a file's content with a value for each key that follows from others, and those values by dotted key.

    Args:
        data: Content of the file, in which every choice of a part is a section that names the part; it may be wrong otherwise.
        section: Schema of the top level of the file.
    """
    filled: dict[str, Any] = {}
    for rule in RULES:
        values = Values(data, section)
        if not values.is_left_open(rule.keys):
            continue
        value = rule.value(values)
        data = _with(data, rule.keys, value)
        if value is not None:
            filled[".".join(rule.keys)] = value
    return data, filled


def _with(data: Mapping[str, Any], keys: Keys, value: Any) -> dict[str, Any]:
    """Return a copy of a file's content with one value replaced, or without its key if the value is None."""
    if len(keys) == 1:
        rest = {key: held for key, held in data.items() if key != keys[0]}
        return rest if value is None else {**rest, keys[0]: value}
    held = data.get(keys[0])
    if held is None and value is None:
        return dict(data)
    return {**data, keys[0]: _with(held if isinstance(held, Mapping) else {}, keys[1:], value)}
