"""A doubt about the value of one key of a scenario."""

from dataclasses import dataclass

from v2xsim.notices import Notice


@dataclass(frozen=True)
class Doubt:
    """A value with which a run means little.

    Attributes:
        key: Key of the scenario, dotted; with numbers or names where it lies in a list or a map.
        value: The value with its unit.
        reason: What it does to the run, and what a usual value is.
        count: Number of values of this kind; the first one is named.
        subject: Key without numbers and names, if they differ.
    """

    key: str
    value: str
    reason: str
    count: int = 1
    subject: str = ""

    def notice(self) -> Notice:
        """Return the doubt as a notice."""
        others = f" and {self.count - 1} more" if self.count > 1 else ""
        return Notice(
            f"doubtful.{self.subject or self.key}", self.count, f"{self.key} ({self.value}){others}: {self.reason}"
        )
