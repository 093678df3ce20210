"""`v2xsim train` and `v2xsim bench sequence`, as their users meet them."""

import json
from dataclasses import dataclass
from importlib import import_module

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from v2xsim.bench.decode import Length, rows_at
from v2xsim.bench.sequence import MODULES
from v2xsim.claims import sharing as sequence_sharing
from v2xsim.cli import bench_sequence
from v2xsim.cli.app import app
from v2xsim.gpu.sequence.checkpoint import WEIGHTS, load_model
from v2xsim.gpu.sequence.corpus import DRIVER_COLUMNS, FORMAT, MANIFEST, SPLITS, VOCABULARY, Corpus, Sequences
from v2xsim.gpu.sequence.models import MODELS, build
from v2xsim.gpu.sequence.motion_vocabulary import MotionVocabulary
from v2xsim.gpu.training.trainer import evaluate

TOKENS, SEQUENCES, LENGTH = 5, 24, 40
SMALL = ["--dim", "16", "--layers", "2", "--heads", "2", "--window", "16", "--batch", "4", "--threads", "1"]


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A folder with tokens that count up, from another number in each split."""
    folder = tmp_path_factory.mktemp("corpus")
    move = np.column_stack([np.arange(float(TOKENS)), np.zeros(TOKENS), np.zeros(TOKENS)])
    MotionVocabulary(move, np.arange(TOKENS), 0.5, 0.3).save(folder / VOCABULARY)
    for first, split in enumerate(SPLITS):
        token = (first + np.arange(SEQUENCES)[:, None] + np.arange(LENGTH)) % TOKENS
        whole, number = np.arange(SEQUENCES), np.zeros(SEQUENCES, np.int64)
        Sequences(
            token.reshape(-1), np.arange(SEQUENCES + 1) * LENGTH, np.zeros((SEQUENCES, 3)), number, whole, np.array(["town"] * SEQUENCES),
            {name: np.array(["car"] * SEQUENCES) if name in ("kind", "style", "model") else np.ones(SEQUENCES) for name in DRIVER_COLUMNS},
        ).save(folder / f"{split}.npz")  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps({"corpus": FORMAT}))
    return folder


def test_a_training_ends_with_what_it_is_worth_beside_the_unigram_and_a_model_that_is_worth_it(corpus, tmp_path):
    done = call("train", corpus, "--steps", 60, "--rate", 0.02, *SMALL, "--out", tmp_path / "model", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["validation"]["unigram_nats"] == pytest.approx(np.log(TOKENS), abs=0.01)
    assert said["validation"]["nats"] < 0.3
    model = load_model(tmp_path / "model")
    again = evaluate(model, Corpus.open(corpus).validation.windows(16, whole=True))
    assert again.nats == pytest.approx(said["validation"]["nats"], rel=1e-5)
    assert said["parameters"] == model.parameter_count
    assert len(MotionVocabulary.load(tmp_path / "model" / VOCABULARY)) == TOKENS


def test_the_same_command_gives_the_same_weights_also_when_it_was_resumed(corpus, tmp_path):
    for folder in ("a", "b"):
        asked = ["train", corpus, "--model", "gru", "--steps", 6, "--save-every", 2, *SMALL, "--out", tmp_path / folder]
        assert call(*asked).exit_code == 0
        resumed = call(*asked, "--resume")
        assert resumed.exit_code == 0
        assert "nats" in resumed.stdout
        assert str(tmp_path / folder) in resumed.stdout
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == (tmp_path / "b" / WEIGHTS).read_bytes()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--model", "hgrm"], "there is no model 'hgrm'; did you mean 'hgrn'?"),
        (["--model", "kv_sharing", "--option", "kv_layer=1"], "did you mean 'kv_layers'?"),
        (["--option", "tied"], "--option tied: must be KEY=VALUE"),
        (["--dim", "15"], "dim must be an even multiple of heads"),
        (["--window", "99"], "no sequence has 99 tokens; the longest has 40"),
        (["--rate", "0"], "rate and clip must be above 0"),
        (["--warm-up", "9"], "warm_up must be from 0 to the 2 steps, got 9"),
        *([] if torch.cuda.is_available() else [(["--device", "cuda"], "torch finds no GPU here")]),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_exit_code_2(corpus, tmp_path, asked, words):
    done = call("train", corpus, *SMALL, "--steps", 2, *asked, "--out", tmp_path / "model")
    assert done.exit_code == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "model").exists()


def test_a_folder_without_a_corpus_is_named(tmp_path):
    done = call("train", tmp_path / "nowhere", "--out", tmp_path / "model")
    assert done.exit_code == 2
    assert "nowhere" in done.stderr


def test_options_reach_the_model(corpus, tmp_path):
    asked = ["--model", "kv_sharing", "--option", "kind=pizza", "--option", "kv_layers=1", "--option", "tied=true"]
    assert call("train", corpus, *SMALL, "--steps", 1, *asked, "--out", tmp_path / "model").exit_code == 0
    recipe = load_model(tmp_path / "model").recipe
    assert recipe["options"] == {"kind": "pizza", "kv_layers": 1, "tied": True}


def test_help_names_every_model():
    text = call("train", "--help").stdout
    for name in MODELS:
        assert name in text


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


def test_a_claim_is_measured_with_the_settings_that_it_knows_and_the_windows_of_a_corpus(corpus, monkeypatch):
    @dataclass(frozen=True)
    class Row:
        layers: int
        windows: tuple[int, ...]
        begin: tuple[int, ...]
        tokens: int

    def sharing_rows(training, validation, unseen, vocabulary, layers=8):
        splits = training, validation, unseen
        yield Row(layers, tuple(map(len, splits)), tuple(int(split.tokens[0, 0]) for split in splits), vocabulary)

    monkeypatch.setattr(sequence_sharing, "sharing_rows", sharing_rows)
    monkeypatch.setattr(bench_sequence, "_WINDOW", 10)
    done = call("bench", "sequence", "--claim", "sharing", "--corpus", corpus, "--layers", 3, "--json")
    assert done.exit_code == 0, done.output
    # 24 sequences of 40 tokens make 96 windows of 10.
    assert json.loads(done.stdout) == {
        "rows": [{"layers": 3, "windows": [96, 96, 96], "begin": [0, 1, 2], "tokens": TOKENS}]
    }
    assert f"sharing_rows: layers 3, windows 96 96 96, begin 0 1 2, tokens {TOKENS}" in done.stderr


def test_without_a_batch_each_module_has_as_many_rows_as_memory_holds_or_a_quarter_of_them(monkeypatch):
    monkeypatch.setattr("v2xsim.bench.sequence._MOST_ROWS", 8)
    sizes = ["--dim", 16, "--layers", 4, "--prompt", 4, "--generated", 2, "--vocabulary", 7]
    done = call("bench", "sequence", *sizes, "--json")
    assert {row["batch"] for row in json.loads(done.stdout)["rows"]} <= {2, 8}


@pytest.mark.parametrize("claim", bench_sequence.Claim)
def test_every_claim_has_its_measurements(claim):
    for module, name in bench_sequence._MEASUREMENTS[claim]:
        assert callable(getattr(import_module(f"v2xsim.claims.{module}"), name))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--seeds", 3], "--seeds is for claims"),
        (["--claim", "sharing"], "trains on a corpus; name its folder with --corpus"),
        (["--claim", "sharing", "--generated", 3], "--claim sharing has no setting --generated"),
    ],
)
def test_settings_that_a_measurement_does_not_know_are_refused(asked, words):
    done = call("bench", "sequence", *asked)
    assert done.exit_code == 2
    assert words in done.stderr


@pytest.mark.parametrize(("prompt", "generated"), [(0, 1), (4, 2), (3, 9), (8, 40)])
def test_states_for_timing_are_as_long_as_they_are_said_to_be(prompt, generated):
    model = build("block", TOKENS, 16, 2, 2, seed=1).eval()
    said = Length(prompt, generated, period=4, points=3)
    rows, _ = rows_at(model, said)
    assert {prompt, *said.at()} <= rows.keys()
    for length, row in rows.items():
        assert row.seen.tolist() == [length]
