"""`v2xsim study`: compare rules at equal channel load, by a plan that is fixed before its test seeds run."""

from v2xsim.cli.study import report, run

NAME = "study"
HELP = "Compare rules at equal channel load, over families of scenarios, by a study file (docs/studies.md)."
EXAMPLE = "Example: v2xsim study run relay --seeds development"
COMMANDS = (run, report)
