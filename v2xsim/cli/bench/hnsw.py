"""`v2xsim bench hnsw`: the HNSW index compared with other libraries."""

import typer

from v2xsim.cli.arguments import AsCsv, AsJson, check_one_format
from v2xsim.cli.tables import print_rows, reported
from v2xsim.cli.threads import use_one_thread

NAME = "hnsw"
EXAMPLE = "Example: v2xsim bench hnsw --json > hnsw.json"


def command(as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Measure recall and queries per second of the HNSW index, hnswlib, usearch and brute force.

    All libraries run in one process, on the same data and on one thread, in turns.
    """
    check_one_format(as_json, as_csv)
    use_one_thread()
    from v2xsim.bench.hnsw import absent, all_rows

    for name in absent():
        typer.echo(f"{name} is not installed and left out: pip install 'v2xsim[bench]'", err=True)
    print_rows("hnsw", reported("hnsw", all_rows()), as_json, as_csv)
