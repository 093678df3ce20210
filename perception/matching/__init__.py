"""Which helper to ask for which blind cells.

The package has perception matrices, the relevance of cells, matching rules, descriptors, and the short list of helpers.
"""

from v2xsim.perception.matching.rule import MatchingRule, MatchingView

__all__ = ["MatchingRule", "MatchingView"]
