"""LTE-V2X mode 4: a station senses, ranks free resources by their power, and keeps one resource for several packets.

`v2xsim.comms.access.sidelink_selection` chooses the resources for both sidelinks, LTE and NR.
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
