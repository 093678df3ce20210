"""Rules that leave perceived objects out of a message because others report them, one a file.

The interface is in `rule`.
"""

from v2xsim.comms.messages.redundancy.rule import Copies, RedundancyRule, RedundancyView

__all__ = ["Copies", "RedundancyRule", "RedundancyView"]
