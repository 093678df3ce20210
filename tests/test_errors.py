"""Paths in the commands that messages give to be copied."""

import shlex

import pytest

from v2xsim.errors import in_command
from v2xsim.results.table_files import repair_of


@pytest.mark.parametrize("path", ["Out ü & 100%,x/town.yaml", "it's $HOME/a;b", "plain/town.yaml"])
def test_a_path_in_a_command_is_one_word_of_a_shell(path):
    assert shlex.split(f"v2xsim run {in_command(path)}") == ["v2xsim", "run", path]


def test_a_path_with_a_dash_in_front_is_no_option():
    assert in_command("-out/town.yaml") == "./-out/town.yaml"


def test_the_command_that_runs_a_folder_again_can_be_copied(tmp_path):
    folder = tmp_path / "my runs & more"
    assert shlex.split(repair_of(folder))[-3:] == ["v2xsim", "run", str(folder / "manifest.json")]
