"""The radio, as functions on arrays: links (`channel`), physical layer (`phy`), access, messages and relays.

Nothing here knows a clock, a scenario or a run. numpy and numba only.
"""

__all__ = ["access", "channel", "draws", "messages", "pairs", "phy", "relay"]
