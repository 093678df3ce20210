"""The examples of docs/stepping.md run as they are."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "stepping.md"
EXAMPLES = re.findall(r"## ([^\n]+)\n\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
SAYS = {
    "Log what one ego knows": "helpers: [(",
    "Send a message": "truck got b'thanks' from ego",
    "Set a speed": "m/s",
    "Every fused frame of a run": "ego detects",
}


def test_all_examples_are_found():
    assert {title for title, _ in EXAMPLES} == set(SAYS)


@pytest.mark.parametrize(("title", "code"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_an_example_runs(title, code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, title, "exec"), {"__name__": "__main__"})
    assert SAYS[title] in capsys.readouterr().out
    assert (tmp_path / "runs" / "stepped" / "manifest.json").exists() == (title == "Log what one ego knows")
