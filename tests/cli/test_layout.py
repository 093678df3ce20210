"""Tables as text: nothing is cut, and a narrow terminal gets fewer columns or further tables."""

import csv
import io

import pytest

from v2xsim.cli.layout import Column, print_columns, print_csv, print_markdown, print_stacked, print_text
from v2xsim.cli.tables import print_rows, print_table
from v2xsim.study.csvtext import csv_text

NAMES = Column("metric", ["prr", "age_of_information"], left=True)
MEAN = Column("mean", ["0.5", "1,234"], rank=1)
EFFECT = Column("effect", ["1.25", "-"], rank=2)


def test_words_start_at_the_left_and_numbers_end_at_the_right(capsys):
    print_columns([NAMES, MEAN], None)
    assert (
        capsys.readouterr().out == "metric               mean\nprr                   0.5\nage_of_information  1,234\n"
    )


@pytest.mark.parametrize(
    ("width", "heads", "left_out"),
    [
        (33, "metric               mean  effect", None),
        (32, "metric               mean", "effect"),
        (25, "metric               mean", "effect"),
        (24, "metric", "mean, effect"),
        (18, "metric", "mean, effect"),
    ],
)
def test_columns_that_do_not_fit_are_left_out_and_named(capsys, width, heads, left_out):
    """Widths: 18 characters of names, 5 of means, 6 of effects, with gaps of 2."""
    print_columns([NAMES, MEAN, EFFECT], width)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == heads
    if left_out:
        told = " ".join(lines[3:])
        assert (
            told
            == f"Left out at {width} characters: {left_out}. A terminal of 33 characters, --csv and --json show all columns."
        )
    else:
        assert len(lines) == 3


def test_every_cell_has_a_line_where_not_even_the_first_column_fits(capsys):
    assert print_columns([NAMES, MEAN, EFFECT], 17) == ()
    assert capsys.readouterr().out.splitlines() == [
        "prr", "  mean: 0.5", "  effect: 1.25", "age_of_information", "  mean: 1,234", "  effect: -",
    ]  # fmt: skip


def test_a_table_that_goes_on_below_has_a_line_for_every_cell_where_no_column_fits(capsys):
    print_stacked([NAMES, MEAN, EFFECT], 25)
    assert capsys.readouterr().out.splitlines()[:2] == ["prr", "  mean: 0.5"]


def test_a_paragraph_is_wrapped_between_words_and_whole_in_a_pipe(capsys):
    text = "run: runs/a-folder-with-a-long-name is complete"
    print_text(text, 20)
    print_text(text, None)
    assert capsys.readouterr().out.splitlines() == ["run:", "runs/a-folder-with-a-long-name", "is complete", text]


def test_a_file_or_a_pipe_gets_all_columns(capsys):
    print_columns([NAMES, MEAN, EFFECT] * 30, None)
    assert capsys.readouterr().out.splitlines()[0].count("effect") == 30


def test_a_table_goes_on_below_with_the_columns_that_identify_a_row(capsys):
    print_stacked([NAMES, MEAN, EFFECT], 26)
    assert capsys.readouterr().out.splitlines() == [
        "metric               mean", "prr                   0.5", "age_of_information  1,234",
        "", "further columns, 2 of 2:",
        "metric              effect", "prr                   1.25", "age_of_information       -",
    ]  # fmt: skip


PAGE = "# Head\n\nA sentence of several words.\n\n| model | value |\n|---|---|\n| a | 1.5 |\n| long one | 12.25 |\n"


def test_a_markdown_page_fits_into_a_terminal(capsys):
    print_markdown(PAGE, 16)
    assert capsys.readouterr().out.splitlines() == [
        "# Head", "", "A sentence of", "several words.", "", "model     value", "a           1.5", "long one  12.25",
    ]  # fmt: skip


def test_a_markdown_page_is_unchanged_in_a_pipe(capsys):
    print_markdown(PAGE, None)
    assert capsys.readouterr().out == PAGE + "\n"


def test_a_table_of_one_column_is_printed(capsys):
    print_stacked([MEAN], 5)
    assert capsys.readouterr().out == " mean\n  0.5\n1,234\n"


def test_comma_separated_values_can_be_read_again(capsys):
    rows = [
        {"name": 'a "b", c', "value": 1.5, "none": None, "yes": True},
        {"name": "line\nbreak", "value": [1, 2], "further": 3},
    ]
    print_csv(rows)
    assert list(csv.DictReader(io.StringIO(capsys.readouterr().out))) == [
        {"name": 'a "b", c', "value": "1.5", "none": "", "yes": "true", "further": ""},
        {"name": "line\nbreak", "value": "1 2", "none": "", "yes": "", "further": "3"},
    ]


def test_no_rows_are_an_empty_line():
    assert csv_text([]) == "\n"


ROWS = [
    {"module": f"long_name_of_a_module_{n}", "device": "cpu", "tokens": 1000 * n, "seconds": 0.1 * n} for n in (1, 2)
]


def test_measurements_are_never_cut_in_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setattr("v2xsim.cli.tables.terminal_width", lambda: 40)
    print_table("times", ROWS)
    output = capsys.readouterr().out
    assert "\u2026" not in output
    assert output.count("long_name_of_a_module_2") == 2
    assert max(map(len, output.splitlines())) <= 40


def test_measurements_as_comma_separated_values_have_all_digits(capsys):
    print_rows("times", [{"module": "a", "seconds": 0.123456789}], as_json=False, as_csv=True)
    assert capsys.readouterr().out == "module,seconds\na,0.123456789\n"


def test_a_value_that_does_not_exist_is_a_dash(capsys):
    print_table("situations", [{"scenario": "highway", "choice": None}])
    assert capsys.readouterr().out.split() == ["situations", "scenario", "choice", "highway", "-"]
