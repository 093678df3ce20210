"""The scenario: one YAML file, read once, checked, and frozen."""

from v2xsim.scenario.errors import ScenarioError
from v2xsim.scenario.load import find, from_data, load, packaged, resolved, to_yaml
from v2xsim.scenario.schema import Scenario

__all__ = ["Scenario", "ScenarioError", "find", "from_data", "load", "packaged", "resolved", "to_yaml"]
