"""What a program did in a run that it stepped, and what a repetition or a replay of that run has of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeGuard

STEERED = "steered"
"""Name of the entry in the manifest of a run."""
NOTICE = "run.steered"
"""Subject of the notice of a run in which a program acted."""


@dataclass(frozen=True)
class Steered:
    """How often a program acted in a run.

    Attributes:
        messages_sent: Messages that it sent.
        speeds_set: Speeds of vehicles that it set, or left to SUMO again.
    """

    messages_sent: int = 0
    speeds_set: int = 0

    def __bool__(self) -> bool:
        return self.messages_sent + self.speeds_set > 0

    def __str__(self) -> str:
        return f"sent {_counted(self.messages_sent, 'message')} and set {_counted(self.speeds_set, 'speed')}"

    def as_object(self) -> dict[str, int]:
        """Return the numbers as data for JSON."""
        return asdict(self)


def is_steered(manifest: Mapping[str, Any]) -> bool:
    """Return whether a program acted in the run of a manifest."""
    notices = manifest.get("notices")
    listed = notices if isinstance(notices, list) else []
    return bool(_in(manifest)) or any(isinstance(item, dict) and item.get("subject") == NOTICE for item in listed)


def again_text(manifest: Mapping[str, Any]) -> str | None:
    """Return what running the scenario of a manifest again has of the acts of a program; None if no program acted."""
    if not is_steered(manifest):
        return None
    return (
        f"{_acts(manifest)}; its scenario alone repeats none of that, so this run has other results. Run that program again for the same, or "
        "replay the recorded traffic (v2xsim.open(...).replay()), which has the speeds that it set"
    )


def replay_text(manifest: Mapping[str, Any]) -> str | None:
    """Return what a replay of the run of a manifest has of the acts of a program; None if no program acted."""
    if not is_steered(manifest):
        return None
    steered = _in(manifest)
    speeds = "the speeds that it set are in the recorded traffic"
    messages = "its messages are not sent again, so the radio and what depends on it can have other results"
    if steered is not None and not steered.messages_sent:
        return f"{_acts(manifest)}; {speeds}, so the replay has their effect"
    if steered is not None and not steered.speeds_set:
        return f"{_acts(manifest)}; {messages}"
    return f"{_acts(manifest)}; {speeds}, but {messages}"


def _acts(manifest: Mapping[str, Any]) -> str:
    steered = _in(manifest)
    return f"the program that stepped this run {steered}" if steered else "a program steered this run"


def _in(manifest: Mapping[str, Any]) -> Steered | None:
    """Return how often a program acted; None if the manifest is of a version that did not count it, or says that none acted."""
    held = manifest.get(STEERED)
    messages, speeds = (held.get(name) if isinstance(held, dict) else None for name in ("messages_sent", "speeds_set"))
    return Steered(messages, speeds) or None if _is_count(messages) and _is_count(speeds) else None


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
