"""Rules that decide when stations send awareness messages, one per file; their interface is in `rule`."""

from v2xsim.comms.messages.awareness.rule import AwarenessRule, AwarenessView, Generator

__all__ = ["AwarenessRule", "AwarenessView", "Generator"]
