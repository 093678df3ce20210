"""Sizes of models and of fresh states that cannot be: each was once taken silently, or ended in an error of torch's."""

import math

import numpy as np
import pytest
import torch

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.block import BlockTransformer
from v2xsim.gpu.sequence.block_decoder import Decoder
from v2xsim.gpu.sequence.checkpoint import load_model, read_json, save_model, write_json
from v2xsim.gpu.sequence.gru import Gru
from v2xsim.gpu.sequence.hgrn import Hgrn
from v2xsim.gpu.sequence.hgrn_both_ways import HgrnEncoder
from v2xsim.gpu.sequence.kv_sharing import sharing_map
from v2xsim.gpu.sequence.models import MODELS, build, options_of
from v2xsim.gpu.sequence.sharedllm import SharedModel
from v2xsim.gpu.sequence.sharedllm_parts import ChunkEnd
from v2xsim.gpu.sequence.sharedllm_tree import ContextTree
from v2xsim.gpu.sequence.skip_schedule import ExitSchedule
from v2xsim.gpu.sequence.tokens import TokenModel
from v2xsim.gpu.sequence.transformer import Transformer


def block_transformer(vocabulary, dim, layers, heads, hidden=None, windows=0, **sizes):
    return BlockTransformer(vocabulary, dim, Decoder(layers, heads, hidden, windows=windows), Decoder(2, 2), **sizes)


every_model = pytest.mark.parametrize("name", MODELS)
# What is built, its sizes that fit, and which of them must be at least 0 and at least 1.
MADE = [
    (Transformer, {"dim": 8, "layers": 2, "heads": 2}, ["windows"], ["dim", "layers", "heads", "hidden"]),
    (Hgrn, {"dim": 8, "layers": 2}, [], ["dim", "layers", "hidden"]),
    (HgrnEncoder, {"dim": 8, "layers": 2}, [], ["dim", "layers", "hidden"]),
    (Gru, {"dim": 8, "layers": 2}, [], ["dim", "layers"]),
    (
        block_transformer,
        {"vocabulary": 7, "dim": 8, "layers": 2, "heads": 2},
        ["windows"],
        ["vocabulary", "dim", "layers", "heads", "block", "prefix", "hidden"],
    ),
    (
        SharedModel,
        {"vocabulary": 7, "dim": 8, "layers": 2, "heads": 2, "tree": ContextTree(8, 2)},
        ["inject"],
        ["vocabulary", "dim", "layers", "heads", "hidden"],
    ),
    (ContextTree, {"chunk": 8, "depth": 2}, ["seed"], ["chunk", "depth", "kept"]),
    (ChunkEnd, {}, ["window"], []),
    (TokenModel, {"body": Gru(8, 1), "vocabulary": 7}, [], ["vocabulary"]),
    (ExitSchedule, {"layers": 4, "most": 3, "least": 2, "horizon": 5}, ["prompt"], ["layers", "horizon", "warm_up"]),
    (sharing_map, {"kind": "pizza", "target": "top", "layers": 4, "kv_layers": 2}, [], ["layers", "kv_layers"]),
]
each_made = pytest.mark.parametrize(("make", "fits", "none", "one"), MADE, ids=[case[0].__name__ for case in MADE])


@pytest.mark.passes_wrong_types
@each_made
def test_a_size_that_cannot_be_is_refused_by_its_name_with_what_is_allowed_and_what_came(make, fits, none, one):
    make(**fits)
    for name, least in [*((name, 0) for name in none), *((name, 1) for name in one)]:
        for wrong in (least - 1, -3, 2.0, 1.5, math.nan, "2", True, torch.ones(3, dtype=torch.int64)):
            with pytest.raises(UserError, match=rf"{name} must be .*whole number.*, got"):
                make(**{**fits, name: wrong})


@pytest.mark.passes_wrong_types
@each_made
def test_whole_numbers_of_numpy_are_sizes(make, fits, none, one):
    make(**{name: np.int64(size) if isinstance(size, int) else size for name, size in fits.items()})


WITHOUT_DROPOUT = (Gru, ContextTree, ChunkEnd, TokenModel, ExitSchedule, sharing_map)


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize("make", [case[0] for case in MADE if case[0] not in WITHOUT_DROPOUT])
def test_a_dropout_that_is_no_share_is_refused(make):
    fits = next(case[1] for case in MADE if case[0] is make)
    for wrong in (1.0, 2, -0.1, math.nan, math.inf, "x", None):
        with pytest.raises(UserError, match="dropout must be a number from 0 to below 1, got"):
            make(**fits, dropout=wrong)


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Transformer(8, 2, 2, kv_map=[0.9, 1.2]), "a sharing map must be whole numbers"),
        (lambda: Transformer(8, 2, 2, windows=[1, 2.5]), "windows must be one whole number .*, or one for each of 2 layers"),
        (lambda: Transformer(8, 2, 2, passes=(1,)), "passes must be two numbers"),
        (lambda: Transformer(8, 2, 2, passes=(1.5, 2)), "passes without gradients must be a whole number of at least 0"),
        (lambda: Transformer(8, 2, 2, passes=(1, 0)), "passes with gradients must be a whole number of at least 1"),
        (lambda: ContextTree(8, 2, kept=[1, 1.0]), "kept must be one whole number"),
        (lambda: ContextTree(8, 2, seed=2**62), "seed must be a whole number from 0 to"),
        (lambda: TokenModel(None, 7), "a body that is a sequence module of vectors, got NoneType"),
        (lambda: ExitSchedule.of_speed(4, "2", 5), "speed-up must be from 1"),
        (lambda: ExitSchedule.of_speed(4, math.nan, 5), "speed-up must be from 1"),
        (lambda: build(["gru"], 7, 8, 2, 2), "there is no model"),
        (lambda: build("gru", 7, 8, 2, 2, seed=1.5), "seed must be a whole number"),
        (lambda: build("block", 7, 8, 2, 2, block=0, times=1.0), "block must be a whole number"),
        (lambda: build("block", 7, 8, 2, 2, token_layers="1"), "token_layers must be a whole number of at least 1"),
    ],
)  # fmt: skip
def test_what_else_cannot_be_built_is_refused(call, words):
    with pytest.raises(UserError, match=words):
        call()


@pytest.mark.passes_wrong_types
@every_model
def test_a_model_of_no_sizes_is_refused_whichever_it_is(name):
    sizes = {"vocabulary": 7, "dim": 16, "layers": 4, "heads": 2}
    for size in sizes:
        for wrong in (0, 2.5, "4"):
            with pytest.raises(UserError, match=f"{size} must be a whole number of at least 1"):
                build(name, **{**sizes, size: wrong})


@pytest.mark.passes_wrong_types
@every_model
def test_a_state_of_no_rows_less_or_of_no_precision_is_refused(name):
    model = build(name, 7, 16, 4, 2, seed=1)
    for size, wrongs in (("batch", (-1, 1.5, "2", None)), ("room", (-1, 2.5, None))):
        for wrong in wrongs:
            with pytest.raises(UserError, match=f"{size} must be a whole number of at least 0, got"):
                model.init_state(**{"batch": 2, size: wrong})
    for wrong in (torch.int64, torch.complex64, "float32"):
        with pytest.raises(UserError, match="dtype must be a floating-point type"):
            model.init_state(2, dtype=wrong)
    if name in ("transformer", "block", "kv_sharing", "skipdecode"):
        for wrong in (-3, 2.5):
            with pytest.raises(UserError, match="prompt must be a whole number of at least 0, got"):
                model.init_state(2, prompt=wrong)


@pytest.mark.passes_wrong_types
def test_a_recipe_with_sizes_that_cannot_be_is_refused_by_its_file(tmp_path):
    save_model(build("transformer", 7, 8, 2, 2, seed=1), tmp_path)
    whole = read_json(tmp_path / "model.json")["recipe"]
    assert "dropout" in options_of("transformer")
    for wrong in ({"options": {"dropout": "x"}}, {"dim": 8.5}, {"dim": "8"}, {"layers": None}, {"name": ["gru"]}):
        write_json(tmp_path / "model.json", {"recipe": {**whole, **wrong}})
        with pytest.raises(UserError, match=r"model\.json: is no recipe of a model"):
            load_model(tmp_path)
