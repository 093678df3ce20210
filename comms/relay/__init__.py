"""Relays: the stations that forward messages between two stations which cannot reach each other."""

from v2xsim.comms.relay.rule import RelayRule, RelayView

__all__ = ["RelayRule", "RelayView"]
