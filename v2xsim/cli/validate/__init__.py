"""`v2xsim validate`: comparison with published figures, one module for each part of the simulator."""

from v2xsim.cli.validate import radio

NAME = "validate"
HELP = "Compare the simulator's models with published results."
EXAMPLE = "Example: v2xsim validate radio --reference curves --out validation"
COMMANDS = (radio,)
