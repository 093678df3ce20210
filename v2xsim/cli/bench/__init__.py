"""`v2xsim bench`: timings of parts of the simulator on this machine, one module for each part."""

from v2xsim.cli.bench import hnsw, radio, sequence

NAME = "bench"
HELP = "Time parts of the simulator on this machine."
EXAMPLE = "Example: v2xsim bench radio --vehicles 200 --vehicles 1000"
COMMANDS = (radio, hnsw, sequence)
