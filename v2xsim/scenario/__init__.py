"""The scenario of a run: one YAML file that is read once, checked, and turned into frozen records."""

from v2xsim.scenario.errors import ScenarioError
from v2xsim.scenario.load import find, from_data, load, packaged, resolved, to_yaml
from v2xsim.scenario.schema import Scenario

__all__ = ["Scenario", "ScenarioError", "find", "from_data", "load", "packaged", "resolved", "to_yaml"]
