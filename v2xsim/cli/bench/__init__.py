"""`v2xsim bench`: timings of parts of the simulator on this machine, one module for each part."""

from v2xsim.cli.bench import hnsw, lidar, radio, scale, sequence

NAME = "bench"
HELP = "Time parts of the simulator on this machine."
EXAMPLE = "Example: v2xsim bench scale --quick"
COMMANDS = (radio, scale, lidar, hnsw, sequence)
