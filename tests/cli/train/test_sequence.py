"""`v2xsim train sequence`, as its users meet it."""

import csv
import io
import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from v2xsim.cli.app import app
from v2xsim.gpu.sequence.checkpoint import WEIGHTS, load_model
from v2xsim.gpu.sequence.corpus import VOCABULARY, Corpus
from v2xsim.gpu.sequence.models import MODELS
from v2xsim.gpu.sequence.motion_vocabulary import MotionVocabulary
from v2xsim.gpu.training.trainer import evaluate

pytestmark = pytest.mark.usefixtures("one_thread")

TOKENS = 5
SMALL = ["--dim", "16", "--layers", "2", "--heads", "2", "--window", "16", "--batch", "4", "--threads", "1"]


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_a_training_ends_with_what_it_is_worth_beside_the_unigram_and_a_model_that_is_worth_it(corpus, tmp_path):
    done = call(
        "train", "sequence", corpus, "--steps", 60, "--rate", 0.02, *SMALL, "--out", tmp_path / "model", "--json"
    )
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["validation"]["unigram_nats"] == pytest.approx(np.log(TOKENS), abs=0.01)
    assert said["validation"]["nats"] < 0.3
    model = load_model(tmp_path / "model")
    again = evaluate(model, Corpus.open(corpus).validation.windows(16, whole=True))
    assert again.nats == pytest.approx(said["validation"]["nats"], rel=1e-5)
    assert said["parameters"] == model.parameter_count
    assert len(MotionVocabulary.load(tmp_path / "model" / VOCABULARY)) == TOKENS


def test_comma_separated_values_of_a_training_have_a_line_for_each_split(corpus, tmp_path):
    done = call("train", "sequence", corpus, "--steps", 2, *SMALL, "--out", tmp_path / "model", "--csv")
    table = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["split"] for row in table] == ["validation", "test"]
    assert all(float(row["nats"]) > 0 and float(row["unigram_nats"]) > 0 for row in table)
    assert f"model: {tmp_path / 'model'}" in done.stderr


def test_the_same_command_gives_the_same_weights_also_when_it_was_resumed(corpus, tmp_path):
    for folder in ("a", "b"):
        asked = [
            "train",
            "sequence",
            corpus,
            "--model",
            "gru",
            "--steps",
            6,
            "--save-every",
            2,
            *SMALL,
            "--out",
            tmp_path / folder,
        ]
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
    done = call("train", "sequence", corpus, *SMALL, "--steps", 2, *asked, "--out", tmp_path / "model")
    assert done.exit_code == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "model").exists()


def test_a_folder_without_a_corpus_is_named(tmp_path):
    done = call("train", "sequence", tmp_path / "nowhere", "--out", tmp_path / "model")
    assert done.exit_code == 2
    assert "nowhere" in done.stderr


def test_options_reach_the_model(corpus, tmp_path):
    asked = ["--model", "kv_sharing", "--option", "kind=pizza", "--option", "kv_layers=1", "--option", "tied=true"]
    assert call("train", "sequence", corpus, *SMALL, "--steps", 1, *asked, "--out", tmp_path / "model").exit_code == 0
    recipe = load_model(tmp_path / "model").recipe
    assert recipe["options"] == {"kind": "pizza", "kv_layers": 1, "tied": True}


def test_help_names_every_model():
    text = call("train", "sequence", "--help").stdout
    for name in MODELS:
        assert name in text
