"""LTE-V2X mode 4: a station senses, ranks the remaining resources by their power, and keeps one for several packets.

Resources are chosen in `v2xsim.comms.access.sidelink_selection`, for both sidelinks.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from v2xsim.comms.access.sidelink_scheme import SidelinkScheme
from v2xsim.parts import part


@part("lte_mode4")
@dataclass(frozen=True)
class LteMode4(SidelinkScheme):
    """LTE-V2X sidelink mode 4: a station senses for 1 s, ranks the free resources and reserves one (3GPP TS 36.213 V14, 14.1.1.6)."""

    generation: ClassVar[Literal["lte_mode4", "nr_mode2"]] = "lte_mode4"
