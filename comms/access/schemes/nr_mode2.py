"""NR-V2X mode 2: a station senses, does not rank resources, and checks a resource again before its first use.

`v2xsim.comms.access.sidelink_selection` chooses the resources for both sidelinks, LTE and NR.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from v2xsim.comms.access.sidelink_scheme import Feedback, SidelinkScheme
from v2xsim.comms.phy.sidelink import bits_per_subchannel
from v2xsim.parts import AtLeast, AtMost, Auto, part

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
        psfch_period_slots: Number of slots from one with a feedback channel to the next; 0 for no feedback.
        psfch_gap_slots: Smallest number of slots from a packet to its feedback.
        psfch_snr_db: Least SNR at which feedback is decoded.
    """

    nr_mcs: Annotated[
        int | None, AtLeast(0), AtMost(28),
        "MCS index that sets modulation and code rate (TS 38.214, table 5.1.3.1-1); replaces bits_per_symbol and code_rate",
    ] = None  # fmt: skip

    psfch_period_slots: Annotated[
        Literal[0, 1, 2, 4],
        Auto("4 if radio.retries is above 0, else 0"),
        "Every how many slots there is a feedback channel (PSFCH), on which targets acknowledge packets; it takes 3 of 14 symbols from every packet; 0 for none",
    ] = 0
    psfch_gap_slots: Annotated[
        int, AtLeast(1), AtMost(32), "Smallest number of slots from a packet to its feedback (2 or 3 in the standard)"
    ] = 2
    psfch_snr_db: Annotated[
        float,
        AtLeast(-30),
        AtMost(30),
        "Least SNR at which feedback is decoded, over the one resource block that it takes",
    ] = 0.0

    acknowledges: ClassVar[bool] = True
    ack_bytes: ClassVar[int] = 1
    ranked: ClassVar[bool] = False
    recheck_slots: ClassVar[int] = 2

    @property
    def coding(self) -> tuple[int, float]:
        """Bits per symbol of the modulation, and code rate (0 to 1)."""
        return super().coding if self.nr_mcs is None else NR_CODING[self.nr_mcs]

    @property
    def subchannel_bits(self) -> int:
        """Number of data bits that one subchannel carries in a slot."""
        # A packet must fit into every slot, so the slots without feedback carry no more.
        feedback = self.psfch_period_slots > 0
        return bits_per_subchannel(self.generation, self.rb_per_subchannel, *self.coding, feedback=feedback)

    @property
    def feedback(self) -> Feedback:
        """Period of the feedback channel in slots, smallest gap in slots, and least SNR in dB."""
        return self.psfch_period_slots, self.psfch_gap_slots, self.psfch_snr_db
