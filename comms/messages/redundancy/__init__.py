"""Rules of which perceived objects a station leaves out because others tell of them, one a file; `rule` says what a rule is."""

from v2xsim.comms.messages.redundancy.rule import Copies, RedundancyRule, RedundancyView

__all__ = ["Copies", "RedundancyRule", "RedundancyView"]
