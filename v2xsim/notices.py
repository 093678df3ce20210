"""Notices: what a run left out, repaired or assumed in its inputs, and what it was asked for and did not find.

A notice does not stop a run; an input that makes results meaningless is refused instead. Each notice is printed by `v2xsim run`
and `v2xsim check`, and stored in the manifest of the run.
"""

from dataclasses import dataclass

_USUAL = frozenset(
    {
        "buildings.height_assumed", "buildings.other_polygons", "buildings.outside_region", "buildings.repeated", "cooperation.left_out", "cooperation.nothing_told_on",
        "cooperation.told_on", "cooperation.unread_matrices",
        "radio.no_corner",
        "sumo.outputs_left_out",
        "sumo.seed_replaced", "trace.containers", "trace.interpolated", "trace.no_speeds", "trace.riders", "traffic.elevation", "traffic.one_body", "traffic.riders",
    }
)  # fmt: skip


@dataclass(frozen=True, order=True)
class Notice:
    """One fact about the inputs of a run that its results do not show.

    Attributes:
        subject: Fixed dotted name of the fact, such as `buildings.left_out`, by which programs recognise it.
        count: Number of things that it concerns, at least 1.
        text: A sentence with the file or key, the numbers, and what the user can do.
    """

    subject: str
    count: int
    text: str

    def __post_init__(self) -> None:
        """Check that there is something to report."""
        if self.count < 1:
            raise ValueError(f"a notice needs something to report; {self.subject} counts {self.count}")

    @property
    def is_warning(self) -> bool:
        """Whether something is probably wrong; otherwise the notice is about what is usual for inputs of its kind.

        Most towns on a map lack heights, for example. What a map has and the simulator does not is usual too.
        """
        return self.subject not in _USUAL and not self.subject.startswith("import.")

    def as_object(self) -> dict[str, str | int]:
        """Return the notice as data for JSON."""
        return {"subject": self.subject, "count": self.count, "text": self.text}
