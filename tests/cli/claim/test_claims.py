"""`v2xsim claim`: each claim of the documentation can be measured again, with the settings of its measurements."""

import inspect
import json
import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from unittest.mock import create_autospec

import pytest
from typer.testing import CliRunner

from v2xsim.cli import claim
from v2xsim.cli.app import app
from v2xsim.cli.claim import block, skip

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).resolve().parents[3]
TOKENS = 5
MEASUREMENTS = {
    "memory": ["memory.memory_rows"],
    "block": ["block.block_rows", "block.equal_loss_rows"],
    "kv-sharing": ["kv_sharing.sharing_rows"],
    "skip": ["skip.speed_rows", "skip.skip_rows"],
    "sharedllm": ["sharedllm.recall_rows", "sharedllm_cost.cost_rows", "sharedllm_context.context_rows"],
    "descriptors": ["descriptors.all_rankings"],
    "city": ["city.city_rows"],
    "situations": ["situations.situation_rows"],
    "tall-relay": ["tall_relay.range_rows"],
    "relay-choices": ["relay_choices.choice_rows", "relay_worth.worth_rows", "relay_choices.term_rows"],
    "matching": [
        "matching_greedy.greedy_rows",
        "matching_time.time_rows",
        "matching_asked.asked_rows",
        "matching_asked.pick_rows",
    ],
}
TRAINED = {"block.equal_loss_rows", "kv_sharing.sharing_rows", "skip.skip_rows"}
NAMES = [module.NAME for module in claim.COMMANDS]


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def documented():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return {name for page in pages for name in re.findall(r"v2xsim claim ([a-z-]+)", page.read_text())}


def real(measurement):
    module, name = measurement.split(".")
    return getattr(import_module(f"v2xsim.claims.{module}"), name)


@pytest.fixture
def measured(monkeypatch):
    """Measurements by name, each replaced by one that takes the same arguments and finds nothing."""
    found = {}
    for name in [name for names in MEASUREMENTS.values() for name in names]:
        found[name] = create_autospec(real(name), return_value=[])
        monkeypatch.setattr(f"v2xsim.claims.{name}", found[name])
    monkeypatch.setattr("v2xsim.claims.corpus.WINDOW", 20)
    return found


def called(measured):
    return [name for name, measurement in measured.items() if measurement.called]


def test_every_claim_of_the_documentation_has_a_command_and_the_other_way_round():
    assert documented() == set(NAMES) == set(MEASUREMENTS)


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_runs_its_measurements(name, measured, corpus):
    trains = TRAINED & set(MEASUREMENTS[name])
    done = call("claim", name, "--json", *(["--corpus", corpus] if trains else []))
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"rows": []}
    assert called(measured) == MEASUREMENTS[name]


@pytest.mark.parametrize("name", ["block", "skip"])
def test_without_a_corpus_what_trains_is_left_out_aloud(name, measured):
    done = call("claim", name, "--json")
    assert done.exit_code == 0
    assert called(measured) == [kept for kept in MEASUREMENTS[name] if kept not in TRAINED]
    assert "trains on a corpus and is left out; name its folder with --corpus" in done.stderr


def test_a_claim_that_only_trains_wants_a_corpus(measured):
    done = call("claim", "kv-sharing")
    assert done.exit_code == 2
    assert "claim kv-sharing trains on a corpus; name its folder with --corpus" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert called(measured) == []


@pytest.mark.parametrize(("name", "option"), [
    ("kv-sharing", "--generated"), ("memory", "--dim"), ("sharedllm", "--device"), ("city", "--corpus"), ("descriptors", "--seeds"),
])  # fmt: skip
def test_an_option_that_the_measurement_does_not_know_is_refused(name, option, measured):
    done = call("claim", name, option, 3)
    assert done.exit_code == 2
    assert "No such option" in done.stderr
    assert option in done.stderr
    assert called(measured) == []


@pytest.mark.parametrize("name", ["block", "skip"])
def test_a_prompt_that_leaves_nothing_of_a_window_is_refused_before_anything_is_measured(name, measured, corpus):
    done = call("claim", name, "--corpus", corpus, "--prompt", 20)
    assert done.exit_code == 2
    assert "prompt must be below the 20 tokens of a window" in done.stderr
    assert called(measured) == []


def test_a_claim_is_measured_on_the_windows_of_a_corpus_and_told_row_by_row(corpus, monkeypatch):
    @dataclass(frozen=True)
    class Row:
        layers: int
        windows: tuple[int, ...]
        begin: tuple[int, ...]
        tokens: int

    def sharing_rows(windows, dim, layers, kv_layers, seeds, on_step):
        splits = windows.training, windows.validation, windows.unseen
        yield Row(
            layers, tuple(map(len, splits)), tuple(int(split.tokens[0, 0]) for split in splits), windows.vocabulary
        )

    monkeypatch.setattr("v2xsim.claims.kv_sharing.sharing_rows", sharing_rows)
    monkeypatch.setattr("v2xsim.claims.corpus.WINDOW", 10)
    done = call("claim", "kv-sharing", "--corpus", corpus, "--layers", 3, "--json")
    assert done.exit_code == 0, done.output
    # 24 sequences of 40 tokens make 96 windows of 10.
    assert json.loads(done.stdout) == {
        "rows": [{"layers": 3, "windows": [96, 96, 96], "begin": [0, 1, 2], "tokens": TOKENS}]
    }
    assert f"sharing: layers 3, windows 96 96 96, begin 0 1 2, tokens {TOKENS}" in done.stderr


def test_a_claim_prints_a_table_of_what_its_rows_differ_in():
    sizes = ["--dim", 8, "--layers", 5, "--batch", 1, "--prompt", 2, "--generated", 5, "--vocabulary", 7]
    done = call("claim", "skip", *sizes)
    assert done.exit_code == 0, done.output
    assert "speed: layers 5, dim 8, batch 1, generated 5" in done.stdout
    assert "against full" in done.stdout
    assert "cross-entropy" not in done.stdout


@pytest.mark.parametrize("name", [name for names in MEASUREMENTS.values() for name in names])
def test_defaults_of_options_are_those_of_the_measurement(name):
    command = next(module for module in claim.COMMANDS if name in MEASUREMENTS[module.NAME])
    options = {
        option: parameter.default
        for option, parameter in inspect.signature(command.command).parameters.items()
        if parameter.default is not None and option != "device"
    }
    # What is trained has sizes of its own; the options hold for the other measurement.
    if name == "block.equal_loss_rows":
        options = {"prompt": block._TRAINED_PROMPT}
    elif name == "skip.skip_rows":
        options |= {"dim": skip._TRAINED_DIM, "prompt": skip._TRAINED_PROMPT}
    elif name == "block.block_rows":
        options |= {"prompt": block._PROMPT}
    elif name == "skip.speed_rows":
        options |= {"dim": skip._DIM, "prompt": skip._PROMPT}
    parameters = inspect.signature(real(name)).parameters
    shared = {option for option in options if option in parameters and parameters[option].default is not inspect._empty}
    assert {option: options[option] for option in shared} == {option: parameters[option].default for option in shared}
