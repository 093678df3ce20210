"""Rules that leave perceived objects out of a message because other stations report them, one per file.

The interface of all redundancy rules is in the module `rule`.
"""

from v2xsim.comms.messages.redundancy.rule import Copies, RedundancyRule, RedundancyView

__all__ = ["Copies", "RedundancyRule", "RedundancyView"]
