"""The trainer: what it learns, and that stopping it at any time changes nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from v2xsim.errors import UserError
from v2xsim.gpu.sequence import checkpoint
from v2xsim.gpu.sequence.checkpoint import (
    CHECKPOINT,
    HISTORY,
    MODEL,
    WEIGHTS,
    load_model,
    read_tensors,
    save_model,
    tensors_of,
)
from v2xsim.gpu.sequence.models import build
from v2xsim.gpu.sequence.tokens import TokenModel
from v2xsim.gpu.sequence.transformer import Transformer
from v2xsim.gpu.sequence.windows import Windows, unigram_nats
from v2xsim.gpu.training.trainer import TrainSettings, evaluate, train

SETTINGS = TrainSettings(steps=12, batch=4, rate=3e-3, warm_up=3, seed=5, evaluate_every=4, save_every=4)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def counting(windows=64, time=12, vocabulary=7):
    """Each token is the one before it plus the row's stride."""
    row = torch.arange(windows)
    return Windows((row[:, None] + (row % 3 + 1)[:, None] * torch.arange(time)) % vocabulary)


def small(name="transformer", **options):
    return build(name, 7, 16, 2, 2, seed=3, **options)


def weights(model):
    return {name: tensor.clone() for name, tensor in tensors_of(model).items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


class StoppedError(Exception):
    pass


def stop_after(step):
    def on_step(progress):
        if progress.step == step:
            raise StoppedError

    return on_step


@pytest.mark.parametrize(("name", "options"), [("transformer", {"dropout": 0.2}), ("gru", {"tied": True})])
@pytest.mark.parametrize("stop", [3, 6, 11])
def test_a_training_that_was_stopped_ends_with_the_same_weights_as_one_that_was_not(tmp_path, name, options, stop):
    whole = small(name, **options)
    # Dropout must not hang on what the global generator has come to.
    torch.manual_seed(stop)
    history = train(whole, counting(), SETTINGS, counting())
    torch.manual_seed(77)
    with pytest.raises(StoppedError):
        train(small(name, **options), counting(), SETTINGS, counting(), tmp_path, on_step=stop_after(stop))
    model = build(name, 7, 16, 2, 2, seed=99, **options)
    if stop < SETTINGS.save_every:
        model = small(name, **options)
    resumed = train(model, counting(), SETTINGS, counting(), tmp_path, resume=True)
    assert same(weights(whole), weights(model))
    assert resumed == history


def test_the_same_seed_writes_the_same_bytes_and_leaves_the_global_generator_alone(tmp_path):
    torch.manual_seed(0)
    expected = torch.get_rng_state()
    for folder in ("a", "b"):
        train(small(dropout=0.1), counting(), SETTINGS, counting(), tmp_path / folder)
        assert torch.equal(torch.get_rng_state(), expected)
        torch.rand(3)
        torch.manual_seed(0)
    for file in (MODEL, WEIGHTS, CHECKPOINT, HISTORY):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_another_seed_draws_other_batches():
    first, second = (train(small(), counting(), replace(SETTINGS, seed=seed)) for seed in (1, 2))
    assert first.losses != second.losses


def test_a_file_half_written_leaves_the_checkpoint_before_it(tmp_path, monkeypatch):
    written = []

    def dies(path, content):
        written.append(path.name)
        if written.count(CHECKPOINT) == 2 and path.name == CHECKPOINT:
            path.with_name(f".{path.name}.1.draft").write_bytes(content[: len(content) // 2])
            raise StoppedError
        write(path, content)

    write = checkpoint.write_atomically
    monkeypatch.setattr(checkpoint, "write_atomically", dies)
    with pytest.raises(StoppedError):
        train(small(), counting(), SETTINGS, None, tmp_path)
    monkeypatch.undo()
    assert len(read_tensors(tmp_path / CHECKPOINT)["losses"]) == SETTINGS.save_every
    model, whole = small(), small()
    train(model, counting(), SETTINGS, None, tmp_path, resume=True)
    train(whole, counting(), SETTINGS)
    assert same(weights(whole), weights(model))
    assert not list(tmp_path.glob(".*.draft"))


def test_a_process_killed_outright_goes_on_to_the_same_weights(tmp_path):
    # It waits at step 25, so that it cannot be done before it is killed.
    code = (
        "import sys, time, torch; from pathlib import Path; torch.set_num_threads(1);"
        "from v2xsim.gpu.sequence.models import build; from v2xsim.gpu.training.trainer import TrainSettings, train;"
        "from v2xsim.gpu.sequence.windows import Windows;"
        "windows = Windows((torch.arange(64)[:, None] + torch.arange(12)) % 7);"
        "train(build('transformer', 7, 16, 2, 2, seed=3), windows, TrainSettings(steps=30, batch=4, save_every=3),"
        " None, Path(sys.argv[1]), on_step=lambda progress: progress.step < 25 or time.sleep(600))"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "killed")])
    while not (tmp_path / "killed" / CHECKPOINT).exists():
        assert child.poll() is None
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert 3 <= len(read_tensors(tmp_path / "killed" / CHECKPOINT)["losses"]) <= 25
    windows = Windows((torch.arange(64)[:, None] + torch.arange(12)) % 7)
    for folder in ("killed", "whole"):
        settings = TrainSettings(steps=30, batch=4, save_every=3)
        train(small(), windows, settings, None, tmp_path / folder, resume=True)
    assert (tmp_path / "killed" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_a_loss_that_is_no_number_stops_with_advice_and_keeps_the_last_checkpoint(tmp_path):
    model = small()

    def poison(progress):
        if progress.step == 5:
            with torch.no_grad():
                model.embedding.weight[0] = torch.inf

    with pytest.raises(UserError, match=r"step 6: loss and gradients must be finite.*lower rate"):
        train(model, counting(), SETTINGS, None, tmp_path, on_step=poison)
    held = read_tensors(tmp_path / CHECKPOINT)
    assert len(held["losses"]) == 4
    assert all(bool(torch.isfinite(tensor).all()) for tensor in held.values())


@pytest.mark.parametrize("name", ["transformer", "gru"])
def test_counting_is_learnt(name):
    model = small(name)
    before = evaluate(model, counting()).nats
    history = train(model, counting(), TrainSettings(steps=100, batch=16, rate=1e-2, warm_up=10), counting())
    after = evaluate(model, counting())
    # A row's stride may be any of three, which nothing can know: log(3) / 11 = 0.1 a token is left at best.
    assert before > 1.8
    assert 0.1 < after.nats < 0.9
    assert history.evaluations == [(100, after.nats)]
    assert after.bits == pytest.approx(after.nats / 0.693147, rel=1e-5)


def test_masked_windows_are_judged_by_what_is_there():
    windows = counting()
    mask = torch.ones_like(windows.tokens, dtype=torch.bool)
    mask[:40, 8:] = False
    garbled = torch.where(mask, windows.tokens, 6)
    model = small()
    found = evaluate(model, Windows(garbled, mask), batch=48)
    assert found.tokens == 40 * 7 + 24 * 11
    parts = [evaluate(model, Windows(windows.tokens[:40, :8])), evaluate(model, Windows(windows.tokens[40:]))]
    assert found.nats == pytest.approx(sum(p.nats * p.tokens for p in parts) / found.tokens, rel=1e-6)


def test_the_rate_rises_then_falls_to_nothing():
    settings = TrainSettings(steps=100, rate=1.0, warm_up=10)
    rates = [settings.rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.5)
    assert rates[99] < 0.001
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_matrices_decay_and_vectors_do_not():
    model = small()
    before = weights(model)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    model.loss = lambda tokens, mask, generator: sum((p * 0.0).sum() for p in model.parameters())
    train(model, counting(), TrainSettings(steps=1, rate=0.1, weight_decay=0.5))
    for name, tensor in weights(model).items():
        assert torch.allclose(tensor, before[name] * (0.95 if tensor.ndim == 2 else 1.0))


@pytest.mark.parametrize(("name", "options"), [("transformer", {"windows": [3, 0]}), ("gru", {"tied": True})])
def test_a_model_comes_back_from_its_folder_as_it_was(tmp_path, name, options):
    model = small(name, **options).double()
    save_model(model, tmp_path, corpus="toy")
    loaded = load_model(tmp_path)
    assert same(weights(model), weights(loaded))
    assert torch.equal(model(counting().tokens)[0], loaded(counting().tokens)[0])
    assert json.loads((tmp_path / MODEL).read_text())["corpus"] == "toy"


def test_saying_tokens_by_their_share_costs_their_entropy():
    windows = Windows(torch.arange(4096)[:, None].expand(-1, 5) % 4)
    assert unigram_nats(windows, windows, 4) == pytest.approx(1.386294, abs=1e-5)


def test_a_folder_in_use_is_refused_unless_the_same_training_goes_on(tmp_path):
    train(small(), counting(), SETTINGS, None, tmp_path)
    with pytest.raises(UserError, match="holds a training already; continue with resume, or take another folder"):
        train(small(), counting(), SETTINGS, None, tmp_path)
    with pytest.raises(UserError, match=r"settings rate 0\.003 there and 0\.1 here"):
        train(small(), counting(), replace(SETTINGS, rate=0.1), None, tmp_path, resume=True)
    with pytest.raises(UserError, match="recipe name 'transformer' there and 'gru' here"):
        train(small("gru"), counting(), SETTINGS, None, tmp_path, resume=True)
    with pytest.raises(UserError, match="holds a training with data"):
        train(small(), counting(time=13), SETTINGS, None, tmp_path, resume=True)
    assert len(train(small(), counting(), SETTINGS, None, tmp_path, resume=True).losses) == SETTINGS.steps


@pytest.mark.parametrize("keep", [0, 5, 900])
def test_a_damaged_file_is_named(tmp_path, keep):
    save_model(small(), tmp_path)
    content = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).write_bytes(content[:keep])
    with pytest.raises(UserError, match=r"weights\.safetensors: is not a complete safetensors file"):
        load_model(tmp_path)


def test_weights_of_another_size_say_both_sizes(tmp_path):
    save_model(small(), tmp_path)
    other = build("transformer", 7, 32, 2, 2, seed=3)
    with pytest.raises(UserError, match=r"norm.weight is \(16,\) there and \(32,\) in the model"):
        checkpoint.load_weights(other, tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not JSON"),
        ("[]", "must hold an object"),
        ("{}", "has no description of the model"),
        ('{"recipe": {}}', "no recipe"),
    ],
)
def test_a_folder_without_a_recipe_is_refused(tmp_path, text, words):
    save_model(small(), tmp_path)
    (tmp_path / MODEL).write_text(text)
    with pytest.raises(UserError, match=words):
        load_model(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere/model.json: cannot be read"):
        load_model(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"steps": 0}, "steps must be at least 1"), ({"batch": 0}, "batch"), ({"rate": 0.0}, "rate and clip"),
        ({"clip": float("nan")}, "rate and clip"), ({"warm_up": 13}, "warm_up must be from 0 to the 12 steps, got 13"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(said, words):
    with pytest.raises(UserError, match=words):
        replace(SETTINGS, **said)


@pytest.mark.passes_wrong_types
def test_windows_must_be_whole_numbers():
    with pytest.raises(UserError, match=r"got \(3, 4\) of torch.float32"):
        Windows(torch.zeros(3, 4))
    with pytest.raises(UserError, match="mask of windows"):
        Windows(torch.zeros(3, 4, dtype=torch.int64), torch.ones(3, 5, dtype=torch.bool))


def test_every_step_and_every_seed_draws_other_windows():
    drawn = []

    class Recorder:
        fingerprint = "recorded"

        def draw(self, count, generator):
            tokens, mask = Windows(torch.arange(1000)[:, None] % 7 + torch.zeros(1, 3, dtype=torch.int64)).draw(
                count, generator
            )
            drawn.append(torch.randint(1_000_000, (1,), generator=generator).item())
            return tokens, mask

    for seed in (1, 2):
        train(small(), Recorder(), replace(SETTINGS, seed=seed))
    assert len(set(drawn)) == 2 * SETTINGS.steps


def test_dropout_leaves_out_other_entries_in_every_step():
    model, windows = small(dropout=0.5), Windows(counting().tokens[:1].expand(4, -1))
    # A rate of next to nothing: the weights and the windows stay, so only dropout can change the loss.
    losses = train(model, windows, replace(SETTINGS, rate=1e-12)).losses
    assert len(set(losses)) == SETTINGS.steps


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["transformer", "gru", "hgrn", "block", "kv_sharing", "skipdecode", "shared"])
def test_a_gpu_learns_in_mixed_precision_and_goes_on_from_its_checkpoint(tmp_path, name):
    settings = TrainSettings(steps=60, batch=16, rate=1e-2, warm_up=10, save_every=30)

    def fresh():
        return build(name, 7, 32, 2, 2, seed=3).to("cuda")

    with pytest.raises(StoppedError):
        train(fresh(), counting(), settings, counting(), tmp_path, on_step=stop_after(40))
    model = fresh()
    history = train(model, counting(), settings, counting(), tmp_path, resume=True)
    assert len(history.losses) == 60
    assert history.evaluations[-1][1] < history.losses[0]
    assert load_model(tmp_path, "cuda").device.type == "cuda"


def test_a_checkpoint_with_one_wrong_bit_is_refused(tmp_path):
    train(small("transformer"), counting(), SETTINGS, None, tmp_path)
    path = tmp_path / CHECKPOINT
    whole = path.read_bytes()
    for place in range(len(whole) // 3, len(whole), len(whole) // 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(UserError, match="damaged"):
            train(small("transformer"), counting(), SETTINGS, None, tmp_path, resume=True)


def test_a_training_is_not_resumed_with_another_validation_set(tmp_path):
    train(small("transformer"), counting(), SETTINGS, counting(), tmp_path)
    with pytest.raises(UserError, match="validation data"):
        train(small("transformer"), counting(), SETTINGS, None, tmp_path, resume=True)


def test_a_training_is_not_resumed_with_another_model_where_no_recipe_tells_them_apart(tmp_path):
    windowed, whole = (TokenModel(Transformer(16, 2, 2, windows=windows), 7) for windows in (2, 0))
    train(windowed, counting(), SETTINGS, None, tmp_path)
    with pytest.raises(UserError, match=r"training with model .*windows 2_2"):
        train(whole, counting(), SETTINGS, None, tmp_path, resume=True)
