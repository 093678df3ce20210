"""Common part of the sidelink schemes LTE-V2X mode 4 and NR-V2X mode 2: semi-persistent scheduling after sensing."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from v2xsim.comms.access.scheme import AccessLayer, AccessScheme, RadioSettings, ReceptionLevels
from v2xsim.comms.phy.error_points import ErrorPoints
from v2xsim.comms.phy.sidelink import bits_per_subchannel, in_band_emission_db, sidelink_error_curve
from v2xsim.parts import Above, AtLeast, AtMost, Auto, Below

Feedback = tuple[int, int, float]
"""Period of the feedback channel in slots (0 for none), smallest gap from a packet to its feedback in slots, least SNR in dB."""


@dataclass(frozen=True)
class SidelinkScheme(AccessScheme):
    """Sensing-based semi-persistent scheduling (`v2xsim.comms.access.sidelink`).

    Attributes:
        subchannels: Number of subchannels in the channel.
        rb_per_subchannel: Number of resource blocks in each subchannel.
        bits_per_symbol: Bits per symbol of the modulation: 2, 4 or 6.
        code_rate: Data bits per coded bit, 0 to 1.
        packet_subchannels: Number of subchannels that every packet takes (None computes it from the packet size).
        t1_slots: First slot of the selection window, counted from the slot in which a packet is ready.
        t2_slots: Last slot of the selection window, counted from the slot in which a packet is ready. For a packet
            without a period, it is at most the length of the selection window for single packets.
        candidate_share: Least share of the resources that must stay candidates, 0 to 1; the exclusion threshold is
            raised until this share remains.
        rsrp_threshold_dbm: First value of the exclusion threshold: resources reserved by a signal received above this
            power per resource element are excluded.
        keep_probability: Probability that a stream keeps its resource when its use counter reaches 0, from 0 to 1.
        repetitions: Largest number of blind retransmissions of each packet; fewer are sent if too few slots are free.
        interference_share: Share of another packet's power in a subchannel that falls on a packet's own resource
            blocks, 0 to 1.
        in_band_emission: Whether transmissions in other subchannels of the same slot interfere.
        generation: Radio generation, LTE or NR; it sets the amount of data that a slot carries.
        ranked: Whether the candidates are ranked by the power measured on them.
        recheck_slots: How many slots before its first use a resource is checked again; 0 for never.
    """

    subchannels: Annotated[
        int,
        AtLeast(1),
        AtMost(50),
        Auto("as many as fit into radio.bandwidth_mhz; 4 for 10 MHz and 12 resource blocks each"),
        "Number of subchannels into which the channel is divided",
    ] = 4
    rb_per_subchannel: Annotated[
        int,
        AtLeast(1),
        AtMost(275),
        Auto("12; if subchannels is written, the largest size of the standard at which so many fit into the channel"),
        "Number of resource blocks in each subchannel",
    ] = 12
    bits_per_symbol: Annotated[
        Literal[2, 4, 6], "Bits per symbol of the modulation: 2 is QPSK, 4 is 16-QAM, 6 is 64-QAM"
    ] = 2
    code_rate: Annotated[
        float,
        Above(0),
        Below(1),
        "Code rate: data bits per coded bit; a higher rate carries more data and needs a higher SINR",
    ] = 0.7
    packet_subchannels: Annotated[
        int | None,
        AtLeast(1),
        AtMost(50),
        "Number of subchannels that every packet occupies; null computes the number from the packet's size",
    ] = None
    t1_slots: Annotated[
        int,
        AtLeast(0),
        AtMost(100),
        Auto("1, or the slot before t2_slots if that is earlier"),
        "First slot of the selection window, counted from the slot in which a packet is ready",
    ] = 1
    t2_slots: Annotated[
        int,
        AtLeast(1),
        AtMost(1000),
        Auto("100, or the slot after t1_slots if that is later"),
        "Last slot of the selection window, counted from the slot in which a packet is ready; for packets without a period, at most radio.selection_window_ms",
    ] = 100
    candidate_share: Annotated[
        float,
        Above(0),
        AtMost(1),
        "Least share of the resources that must remain candidates; if fewer remain, the RSRP threshold is raised",
    ] = 0.2
    rsrp_threshold_dbm: Annotated[
        float,
        AtLeast(-150),
        AtMost(0),
        "A resource is excluded if its reservation was received above this power per resource element; a lower threshold excludes more resources",
    ] = -110.0
    keep_probability: Annotated[
        float,
        AtLeast(0),
        AtMost(1),
        "Probability that a station keeps its reserved resource when its reselection counter reaches 0; else it selects a new one",
    ] = 0.0
    repetitions: Annotated[
        int,
        AtLeast(0),
        AtMost(31),
        "Largest number of blind retransmissions of each packet, sent whether or not it was received; fewer are sent if too few slots are free",
    ] = 0
    interference_share: Annotated[
        float,
        Above(0),
        AtMost(1),
        "Share of an interferer's power in a subchannel that falls on the resource blocks of the received packet; 1 counts all of it",
    ] = 1.0
    in_band_emission: Annotated[bool, "Whether transmissions in other subchannels of the same slot interfere"] = False

    dcc_airtime_us: ClassVar[float | None] = 1000.0
    generation: ClassVar[Literal["lte_mode4", "nr_mode2"]] = "nr_mode2"
    ranked: ClassVar[bool] = True
    recheck_slots: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if self.packet_subchannels is not None and self.packet_subchannels > self.subchannels:
            raise ValueError(
                f"packet_subchannels ({self.packet_subchannels}) must not be more than subchannels ({self.subchannels}): "
                "a packet must fit into a slot"
            )
        if self.t2_slots <= self.t1_slots:
            raise ValueError(f"t2_slots ({self.t2_slots}) must be more than t1_slots ({self.t1_slots})")

    @property
    def coding(self) -> tuple[int, float]:
        """Bits per symbol of the modulation, and code rate (0 to 1)."""
        return self.bits_per_symbol, self.code_rate

    @property
    def subchannel_bits(self) -> int:
        """Number of data bits that one subchannel carries in a slot."""
        return bits_per_subchannel(self.generation, self.rb_per_subchannel, *self.coding)

    @property
    def feedback(self) -> Feedback:
        """How targets acknowledge packets: not at all."""
        return 0, 1, 0.0

    def most_bytes(self) -> int:
        """Return the size in bytes of the largest packet: what all subchannels of a slot carry."""
        return (self.packet_subchannels or self.subchannels) * self.subchannel_bits // 8

    def describe(self) -> str:
        """Return the settings that limit the packet size, as text for error messages."""
        return (
            f"{self.name}: {self.subchannels} subchannels of {self.rb_per_subchannel} resource blocks, {self.coding[0]} bits a symbol, "
            f"code rate {self.coding[1]:g}"
        )

    def error_points(self, mcs: int, bandwidth_mhz: int) -> ErrorPoints:
        """Return the error curve of the scheme's own modulation and code rate; `mcs` and the bandwidth change nothing."""
        sinr_db, error_rate = sidelink_error_curve(*self.coding)
        return ErrorPoints(np.array(sinr_db), np.array(error_rate))

    def reception_levels(self, settings: RadioSettings, size_bytes: int) -> ReceptionLevels:
        """Return the noise over the subchannels of a packet, and the sensitivity, which does not depend on the bandwidth."""
        needed = -(-8 * size_bytes // self.subchannel_bits)
        used = min(self.packet_subchannels or needed, self.subchannels)
        noise_dbm = settings.noise_dbm + 10.0 * float(np.log10(used / self.subchannels))
        return ReceptionLevels(noise_dbm, settings.sensitivity_dbm)

    def layer(self, settings: RadioSettings, time_us: int) -> AccessLayer:
        """Return the access layer of the scheme."""
        from v2xsim.comms.access.sidelink import Sidelink, SidelinkParams

        curve_db, curve_rate = sidelink_error_curve(*self.coding)
        if settings.curve:
            curve_db, curve_rate = (tuple(row[k] for row in settings.curve) for k in (0, 1))
        leak_db = in_band_emission_db(self.subchannels, self.rb_per_subchannel) if self.in_band_emission else ()
        period, gap, snr_db = self.feedback
        params = SidelinkParams(
            subchannels=self.subchannels, rb_per_subchannel=self.rb_per_subchannel, packet_subchannels=self.packet_subchannels,
            bits_per_subchannel=self.subchannel_bits, t1_slots=self.t1_slots, t2_slots=self.t2_slots,
            single_t2_slots=max(self.t1_slots + 1, min(self.t2_slots, round(settings.window_us * 1e-3))),
            candidate_share=self.candidate_share, rsrp_threshold_dbm=self.rsrp_threshold_dbm, ranked=self.ranked,
            keep_probability=self.keep_probability, repetitions=self.repetitions, recheck_slots=self.recheck_slots,
            noise_dbm=settings.noise_dbm, sensitivity_dbm=settings.sensitivity_dbm, busy_threshold_dbm=settings.busy_threshold_dbm,
            overlap=self.interference_share, leak_db=leak_db, curve_db=curve_db, curve_rate=curve_rate,
            queue_packets=settings.queue_packets, feedback_period=period, feedback_gap=gap, feedback_sinr_db=snr_db,
        )  # fmt: skip
        return Sidelink(0, params, time_us, np.zeros(0, np.uint64))
