"""Texts without quotes that YAML reads as something else, and files that are no YAML: what to write instead."""

import pytest

import v2xsim
from v2xsim.scenario.errors import ScenarioError

SCRIPT = "traffic:\n  script:\n    - {id: %s, waypoints: [[0, 0, 0]]}\n"


def refusal(tmp_path, text):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(ScenarioError) as caught:
        v2xsim.load(tmp_path / "s.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "read"),
    [("012", "12"), ("1e3", "1000.0"), ("0x1F", "31"), (".5", "0.5"), ("null", "nothing"), ("~", "nothing"), ("True", "true")],
)  # fmt: skip
def test_a_name_that_is_read_as_another_value_must_be_in_quotes(tmp_path, written, read):
    message = refusal(tmp_path, SCRIPT % written)
    assert message.endswith(
        f's.yaml:3: traffic.script.0.id: must be text, got {written}, which is read as {read}; put it into quotes: "{written}"'
    )


def test_a_name_that_is_a_number_must_be_in_quotes_also_in_lists_and_options(tmp_path):
    assert 'include.0: must be text, got 7; put it into quotes: "7"' in refusal(
        tmp_path, "stations: {include: [7]}\n" + SCRIPT % "a"
    )
    with pytest.raises(
        ScenarioError, match='name: must be text, got 012, which is read as 12; put it into quotes: "012"'
    ):
        v2xsim.load("demo", ["name=012"])


def test_a_value_that_a_program_replaced_is_not_shown_as_written(tmp_path):
    (tmp_path / "s.yaml").write_text("run: {seed: 012}\n" + SCRIPT % "a")
    with pytest.raises(ScenarioError, match=r"got 5$"):
        v2xsim.load(tmp_path / "s.yaml").with_({"name": 5})


@pytest.mark.parametrize("word", ["no", "on", "off", "yes", "2026-01-01", "12:30", "x:y"])
def test_words_that_older_yaml_reads_as_other_values_are_texts(tmp_path, word):
    (tmp_path / "s.yaml").write_text(SCRIPT % word)
    assert v2xsim.load(tmp_path / "s.yaml").traffic.script[0].id == word


@pytest.mark.parametrize(
    ("text", "repair"),
    [
        ("name: t:junction: x\n", "s.yaml:1: must be YAML; .*put a text into quotes that contains a colon and a space"),
        ("name:x\nrun: {seed: 1}\n", "write a space after the colon in 'name:x'"),
        ("name: 'x\n", "close the quotation mark that line 1 opens"),
        ('name: "x\n', "close the quotation mark that line 1 opens"),
        ("name: *x\n", r"\* begins an alias: put a text into quotes that begins with \*"),
        ("name: @x\n", "put a text into quotes that begins with such a character"),
        ("name: %x\n", "put a text into quotes that begins with such a character"),
        ("run:\n\tseed: 3\n", "indent with spaces, not with tabs"),
        ("run: {seed: 3\n", r"close the \{ that line 1 opens"),
        ("stations: {include: [a, b}\n", r"close the \[ that line 1 opens"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_yaml_is_refused_with_the_repair(tmp_path, text, repair):
    (tmp_path / "s.yaml").write_text(text + SCRIPT % "a")
    with pytest.raises(ScenarioError, match=repair):
        v2xsim.load(tmp_path / "s.yaml")


def test_nothing_in_place_of_a_name_is_refused_because_there_is_no_default(tmp_path):
    assert refusal(tmp_path, SCRIPT % "").endswith("id: must be text, got nothing; it has no default: give a value")
    assert refusal(tmp_path, "run: {seed: }\n" + SCRIPT % "a").endswith(
        "got nothing; remove the line to use the default"
    )


def test_an_item_of_a_list_that_is_nothing_is_refused_because_there_is_no_default(tmp_path):
    message = refusal(tmp_path, "stations: {include: [null]}\n" + SCRIPT % "a")
    assert "include.0: must be text" in message
    assert "default" not in message or "no default" in message
