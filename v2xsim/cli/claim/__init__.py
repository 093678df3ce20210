"""`v2xsim claim`: the experiments behind the claims of the documentation, one module for each claim."""

from v2xsim.cli.claim import block, city, descriptors, memory, shared, sharing, skip

NAME = "claim"
HELP = "Repeat the experiment behind a claim of the documentation (docs/benchmarks.md)."
EXAMPLE = "Example: v2xsim claim memory --seeds 1"
COMMANDS = (memory, block, sharing, skip, shared, descriptors, city)
