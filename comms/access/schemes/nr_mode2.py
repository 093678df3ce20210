"""NR-V2X mode 2: a station senses, does not rank resources, and checks a resource again before its first use.

`v2xsim.comms.access.sidelink_selection` chooses the resources for both sidelinks, LTE and NR.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from v2xsim.comms.access.sidelink_scheme import SidelinkScheme
from v2xsim.parts import AtLeast, AtMost, part

# 3GPP TS 38.214, table 5.1.3.1-1: bits per symbol and code rate of each index; written from memory, not checked against
# the document.
NR_CODING = tuple(
    (bits, rate / 1024.0)
    for bits, rates in (
        (2, (120, 157, 193, 251, 308, 379, 449, 526, 602, 679)),
        (4, (340, 378, 434, 490, 553, 616, 658)),
        (6, (438, 466, 517, 567, 616, 666, 719, 772, 822, 873, 910, 948)),
    )
    for rate in rates
)


@part("nr_mode2")
@dataclass(frozen=True)
class NrMode2(SidelinkScheme):
    """NR-V2X sidelink mode 2: as mode 4 without ranking, but a resource is checked again before its first use (TS 38.214, 8.1.4).

    Attributes:
        nr_mcs: Index of modulation and code rate, 0 to 28; replaces bits_per_symbol and code_rate.
    """

    nr_mcs: Annotated[
        int | None, AtLeast(0), AtMost(28),
        "MCS index that sets modulation and code rate (TS 38.214, table 5.1.3.1-1); replaces bits_per_symbol and code_rate",
    ] = None  # fmt: skip

    ranked: ClassVar[bool] = False
    recheck_slots: ClassVar[int] = 2

    @property
    def coding(self) -> tuple[int, float]:
        """Bits per symbol of the modulation, and code rate (0 to 1)."""
        return super().coding if self.nr_mcs is None else NR_CODING[self.nr_mcs]
