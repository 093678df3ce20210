"""`v2xsim claim`: the experiments behind the claims of the documentation, one module for each claim."""

from v2xsim.cli.claim import (
    block,
    city,
    descriptors,
    kv_sharing,
    matching,
    memory,
    relay_choices,
    sharedllm,
    situations,
    skip,
    tall_relay,
)

NAME = "claim"
HELP = "Repeat the experiment behind a claim of the documentation (docs/benchmarks.md, docs/nlos.md)."
EXAMPLE = "Example: v2xsim claim memory --seeds 1"
COMMANDS = (
    memory,
    block,
    kv_sharing,
    skip,
    sharedllm,
    descriptors,
    city,
    situations,
    tall_relay,
    relay_choices,
    matching,
)
