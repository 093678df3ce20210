"""Every packet is delivered at once to all stations in range: the upper bound for comparisons."""

from dataclasses import dataclass
from typing import ClassVar

from v2xsim.comms.access.scheme import AccessLayer, AccessScheme, RadioSettings
from v2xsim.parts import part


@part("ideal")
@dataclass(frozen=True)
class Ideal(AccessScheme):
    """Every message is delivered at once to every station in range, without loss."""

    ideal: ClassVar[bool] = True
    draws_fading: ClassVar[bool] = False

    def layer(self, settings: RadioSettings, time_us: int) -> AccessLayer:
        """Raise an error: this scheme has no access layer, since nothing is sent over the air."""
        raise AssertionError("an ideal channel has no access layer")
