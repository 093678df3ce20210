"""Which helper to ask for which blind cells: perception matrices, relevance, matching rules, descriptors, short list."""

from v2xsim.perception.matching.rule import MatchingRule, MatchingView

__all__ = ["MatchingRule", "MatchingView"]
