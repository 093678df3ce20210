"""`v2xsim bench hnsw`, as its users meet it."""

import json

from typer.testing import CliRunner

from v2xsim.bench import hnsw
from v2xsim.cli.app import app


def test_rows_are_told_as_they_come_and_absent_libraries_are_named(monkeypatch):
    monkeypatch.setattr(hnsw, "absent", lambda: ["usearch"])
    monkeypatch.setattr(
        hnsw, "all_rows", lambda: iter([hnsw.Row("v2xsim", "uniform", 1000, 16, 10, 0.9, 12345.6, 2.0)])
    )
    done = CliRunner().invoke(app, ["bench", "hnsw", "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rows"][0]["qps"] == 12345.6
    assert "usearch is not installed and left out: pip install 'v2xsim[bench]'" in done.stderr
    assert "library v2xsim, data uniform, n 1,000, dim 16, ef 10, recall 0.900, qps 12,346" in done.stderr
