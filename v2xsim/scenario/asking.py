"""Whether egos of a scenario ask other stations for data at all, and if not, which key keeps them from it."""

from v2xsim.scenario.schema import Cooperation


def why_nobody_asks(work: Cooperation) -> str | None:
    """Return why no ego ever sends a request, as a clause with the key; None if egos may ask."""
    if not work.fusion.shares.asked_for:
        return f"fusion scheme {work.fusion.name} sends none"
    if not work.matching.asks:
        return f"matching rule {work.matching.name} asks nobody"
    zeros = [key for key in ("max_helpers", "budget_bytes") if getattr(work, key) == 0]
    return f"cooperation.{zeros[0]} is 0" if zeros else None
