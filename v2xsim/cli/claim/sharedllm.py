"""`v2xsim claim sharedllm`: how much SharedLLM recalls of a long context, and the cost in bytes and time."""

from v2xsim.cli.arguments import AsCsv, AsJson, Batch
from v2xsim.cli.claim.measurements import Seeds, print_measured

NAME = "sharedllm"
EXAMPLE = "Example: v2xsim claim sharedllm --seeds 1"


def command(seeds: Seeds = 3, batch: Batch = 8, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Measure SharedLLM on a past in chunks: recall of events, cost by context length, and gain from longer contexts.

    The option --seeds applies only to recall and gain, and --batch only to the cost.
    """
    from v2xsim.claims.sharedllm import recall_rows
    from v2xsim.claims.sharedllm_context import context_rows
    from v2xsim.claims.sharedllm_cost import cost_rows

    print_measured(
        {
            "recall": lambda show: recall_rows(seeds),
            "cost": lambda show: cost_rows(batch),
            "context": lambda show: context_rows(seeds),
        },
        as_json,
        as_csv,
    )
