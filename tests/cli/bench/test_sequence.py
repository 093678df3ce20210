"""`v2xsim bench sequence`, as its users meet it."""

import json

import pytest
from typer.testing import CliRunner

from v2xsim.bench.sequence import MODULES
from v2xsim.cli.app import app
from v2xsim.gpu.sequence.models import MODELS

pytestmark = pytest.mark.usefixtures("one_thread")


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def bench_rows():
    sizes = ["--dim", 16, "--layers", 4, "--batch", 2, "--prompt", 8, "--generated", 4, "--vocabulary", 7]
    done = call("bench", "sequence", *sizes, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert list(found) == ["rows"]
    return found["rows"]


def test_bench_has_a_row_for_every_model_with_speeds_bytes_and_parameters(bench_rows):
    names = [row["module"] for row in bench_rows]
    assert set(MODELS) == {kind for _, kind, _ in MODULES}
    assert names == [name for name, _, _ in MODULES]
    assert {"transformer", "gru", "hgrn", "block", "block+kv_sharing", "shared"} <= set(names)
    for row in bench_rows:
        assert row["device"] == "cpu"
        assert row["prefill_tokens_per_s"] > 0
        assert row["decode_tokens_per_s"] > 0
        assert row["parameters"] > 0
        assert row["batch"] == 2
        assert (row["dim"], row["layers"], row["threads"]) == (16, 4, 1)


def test_bytes_in_the_bench_are_those_of_the_states(bench_rows):
    held = {row["module"]: row["state_bytes"] for row in bench_rows}
    # 12 positions of 4 layers with keys and values of 16 numbers of 4 bytes; two parts of 16 numbers a layer.
    assert held["transformer"] == 12 * 4 * 2 * 16 * 4
    assert held["gru"] == 4 * 16 * 4
    assert held["hgrn"] == 2 * 4 * 16 * 4
    assert held["kv_sharing/lasagna-bottom"] * 2 == held["transformer"]


def test_bench_prints_a_table_with_its_sizes():
    sizes = ["--dim", 16, "--layers", 4, "--batch", 1, "--prompt", 4, "--generated", 2, "--vocabulary", 7]
    text = call("bench", "sequence", *sizes).stdout
    assert (
        "throughput: dim 16, layers 4, batch 1, prompt 4, prompt_rows 1, generated 2, dtype float32, threads 1" in text
    )
    for words in (
        "prefill tokens",
        "decode tokens",
        "state bytes",
        "parameters",
        "device",
        "transformer",
        "gru",
        "block",
    ):
        assert words in text


def test_without_a_batch_each_module_has_as_many_rows_as_memory_holds_or_a_quarter_of_them(monkeypatch):
    monkeypatch.setattr("v2xsim.bench.sequence._MOST_ROWS", 8)
    sizes = ["--dim", 16, "--layers", 4, "--prompt", 4, "--generated", 2, "--vocabulary", 7]
    done = call("bench", "sequence", *sizes, "--json")
    assert {row["batch"] for row in json.loads(done.stdout)["rows"]} <= {2, 8}
