"""Rules of when stations send awareness messages, one a file; `rule` says what a rule is."""

from v2xsim.comms.messages.awareness.rule import AwarenessRule, AwarenessView, Generator

__all__ = ["AwarenessRule", "AwarenessView", "Generator"]
