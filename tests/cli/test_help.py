"""What `--help` shows: every command, its own options, an example that works; and what the documentation says of them."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from v2xsim.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
TREE = typer.main.get_command(app)
FAMILIES = {
    "bench": ["radio", "scale", "lidar", "hnsw", "sequence"],
    "claim": [
        "memory",
        "block",
        "kv-sharing",
        "skip",
        "sharedllm",
        "descriptors",
        "city",
        "situations",
        "tall-relay",
        "relay-choices",
        "matching",
    ],
    "study": ["run", "report"],
    "train": ["sequence"],
    "validate": ["radio"],
}
SIZES = {"--dim", "--layers", "--prompt", "--generated", "--vocabulary"}
OPTIONS = {
    "bench radio": {"--vehicles"},
    "bench scale": {"--axis", "--quick"},
    "bench hnsw": set(),
    "bench lidar": {"--threads", "--turns", "--torch-on-cpu"},
    "bench sequence": {*SIZES, "--batch", "--device"},
    "claim memory": {"--seeds", "--steps", "--device"},
    "claim block": {*SIZES, "--corpus", "--device"},
    "claim kv-sharing": {"--corpus", "--dim", "--layers", "--kv-layers", "--seeds"},
    "claim skip": {*SIZES, "--corpus", "--batch", "--seeds"},
    "claim sharedllm": {"--seeds", "--batch"},
    "claim descriptors": set(),
    "claim city": {"--vehicles"},
    "claim situations": {"--seeds", "--every", "--set"},
    "claim tall-relay": {"--truck-share", "--seeds"},
    "claim relay-choices": {"--seeds", "--set"},
    "claim matching": {"--cases", "--repeats", "--seeds", "--known", "--set"},
    "study run": {"--seeds", "--family", "--out", "--workers", "--retry-failed", "--dry-run"},
    "study report": {"--out", "--figure", "--reference", "--load-metric"},
    "train sequence": {
        "--out", "--model", "--dim", "--layers", "--heads", "--option", "--steps", "--batch", "--window", "--rate", "--warm-up",
        "--weight-decay", "--seed", "--device", "--threads", "--evaluate-every", "--save-every", "--judged", "--resume",
    },
    "validate radio": {"--reference", "--out", "--config", "--seed"},
}  # fmt: skip


def call(*arguments):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def every_command(group=TREE, path=()):
    """Yield the words of every command, families included."""
    for name, command in group.commands.items():
        yield (*path, name)
        if hasattr(command, "commands"):
            yield from every_command(command, (*path, name))


COMMANDS = [" ".join(words) for words in every_command()]


def resolved(words):
    """Return the command that words begin with, and the words after it."""
    command = TREE
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def options_in(text):
    """Return the options that a help page lists: those that begin a line of a panel."""
    return set(re.findall(r"^│ [* ]?\s{0,3}(--[a-z-]+)", text, re.MULTILINE))


def test_help_names_every_command():
    text = call("--help").stdout
    for name in TREE.commands:
        assert re.search(rf"^│ {name} ", text, re.MULTILINE), name


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_shows_an_example_that_its_options_allow(name):
    result = call(*name.split(), "--help")
    text = " ".join(result.stdout.split())
    assert result.exit_code == 0
    assert "Example: v2xsim " + name in text
    example = text.split("Example: ")[1].replace(" │", "")
    command, words = resolved(shlex.split(re.split(r">|   |\(", example)[0])[1:])
    # Parses without running: unknown options would raise.
    command.make_context(name, words, resilient_parsing=False).close()


def test_families_are_complete():
    assert {
        name: list(command.commands) for name, command in TREE.commands.items() if hasattr(command, "commands")
    } == {name: FAMILIES[name] for name in ("study", "train", "validate", "claim", "bench")}


@pytest.mark.parametrize("name", OPTIONS)
def test_help_of_a_sub_command_shows_its_own_options_and_no_others(name):
    # A study writes its tables into a report.
    formats = set() if name.startswith("study ") else {"--json", "--csv"}
    assert options_in(call(*name.split(), "--help").stdout) == {*OPTIONS[name], *formats, "--help"}


def test_options_are_listed_for_every_sub_command():
    assert set(OPTIONS) == {f"{family} {name}" for family, names in FAMILIES.items() for name in names}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_without_a_sub_command_prints_its_help(family):
    result = call(family)
    assert result.stdout.strip() == call(family, "--help").stdout.strip()
    assert result.stderr == ""
    for name in FAMILIES[family]:
        assert re.search(rf"^│ {name} ", result.stdout, re.MULTILINE)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_subject_that_a_family_does_not_have_is_refused(family):
    result = call(family, "nothing")
    assert result.exit_code == 2
    assert "No such command 'nothing'" in result.stderr


@pytest.mark.parametrize("asked", [["--help"], ["bench"], ["claim", "kv-sharing", "-h"], ["train", "sequence", "-h"]])
def test_help_loads_nothing_heavy(asked):
    code = (
        "import sys; from typer.testing import CliRunner; from v2xsim.cli.app import app;"
        f"assert 'Usage' in CliRunner().invoke(app, {asked!r}).stdout;"
        "heavy = {'torch', 'numba', 'pyarrow', 'matplotlib', 'open3d', 'libsumo', 'scipy', 'pydantic', 'numpy', 'simpy'};"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # Typer itself loads pydantic once it looks at a command's arguments.
    assert done.stdout.split() in ([], ["pydantic"] if asked != ["--help"] else [])


def documented():
    """Yield the page and the text of every command that the documentation shows."""
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
    for page in pages:
        text = page.read_text()
        shown = [
            line
            for block in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
            for line in block.splitlines()
        ]
        shown += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
        for line in shown:
            for found in re.findall(r"(?:^|/|&& )v2xsim ([a-z].*?)(?=\s+#|\s+&&|$)", line.strip()):
                yield page.name, found


@pytest.mark.parametrize(("page", "text"), sorted(set(documented())))
def test_a_command_of_the_documentation_exists_and_has_its_options(page, text):
    words = shlex.split(text.split(">")[0])
    command, rest = resolved(words)
    assert command is not TREE, text
    assert not hasattr(command, "commands") or not [word for word in rest if not word.startswith("-")], text
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    assert {word for word in rest if word.startswith("--")} <= known, text


def test_commands_of_the_documentation_are_found():
    texts = {text for _, text in documented()}
    assert len(texts) > 20
    assert any(text.startswith("claim skip") for text in texts)
