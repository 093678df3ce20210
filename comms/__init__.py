"""The radio as functions on arrays: links (`channel`), physical layer (`phy`), access, messages and relays.

Nothing here depends on a clock, a scenario or a run. Only numpy and numba are imported.
"""

__all__ = ["access", "channel", "draws", "messages", "pairs", "phy", "relay"]
