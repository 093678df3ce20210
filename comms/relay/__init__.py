"""Relays: which station forwards messages between two stations that cannot reach each other."""

from v2xsim.comms.relay.rule import RelayRule, RelayView

__all__ = ["RelayRule", "RelayView"]
