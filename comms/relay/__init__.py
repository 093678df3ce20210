"""Which station passes messages on between two that cannot reach each other."""

from v2xsim.comms.relay.rule import RelayRule, RelayView

__all__ = ["RelayRule", "RelayView"]
