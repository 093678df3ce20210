"""Rules by which stations tell on what others reported; each rule is one file in this folder.

The interface of all retelling rules is in the module `rule`.
"""

from v2xsim.comms.messages.retelling.rule import RetellingRule, RetellingView

__all__ = ["RetellingRule", "RetellingView"]
