"""Rules that decide when stations send awareness messages, one a file; the interface is in `rule`."""

from v2xsim.comms.messages.awareness.rule import AwarenessRule, AwarenessView, Generator

__all__ = ["AwarenessRule", "AwarenessView", "Generator"]
