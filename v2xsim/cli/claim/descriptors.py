"""`v2xsim claim descriptors`: how well descriptors of perception matrices find good helpers."""

from v2xsim.cli.arguments import AsCsv, AsJson
from v2xsim.cli.claim.measurements import print_measured

NAME = "descriptors"
EXAMPLE = "Example: v2xsim claim descriptors"


def command(as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Measure how well each descriptor ranks helpers, compared with the gains that exact matching computes."""
    from v2xsim.claims.descriptors import all_rankings

    print_measured({"descriptors": lambda show: all_rankings()}, as_json, as_csv)
