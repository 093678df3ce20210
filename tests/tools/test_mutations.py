"""The tool that puts faults into the code: which faults it finds in a file, and what they change."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(scope="module")
def mutations():
    spec = importlib.util.spec_from_file_location("mutations", TOOLS / "mutations.py")
    module = importlib.util.module_from_spec(spec)
    # Data classes look their own module up.
    sys.modules["mutations"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["mutations"]


def faults(mutations, source):
    """Return kind, and the text of the file with the fault, of every fault."""
    text = source.encode()
    return {(m.kind, m.applied(text).decode()) for m in mutations.mutants_of("file.py", text)}


@pytest.mark.parametrize(
    ("source", "kind", "changed"),
    [
        ("a = b + c", "operator", "a = b - c"),
        ("a = b & c", "operator", "a = b | c"),
        ("a = b < c <= d", "comparison", "a = b < c < d"),
        ("a = b not in c", "comparison", "a = b in c"),
        ("a = b and c and d", "boolean", "a = b or c or d"),
        ("a = not b", "sign", "a = b"),
        ("a = np.max(b)", "name", "a = np.min(b)"),
        ("a = (b > 0).all()", "name", "a = (b > 0).any()"),
        ("a = 0", "constant", "a = 1"),
        ("a = 0.4", "constant", "a = 0.8"),
        ("if a:\n    b()", "condition", "if True:\n    b()"),
        ("if a:\n    raise b", "condition", "if False:\n    raise b"),
        ("a = [b for b in c if b]", "filter", "a = [b for b in c if True]"),
        ("a += 1", "assignment", "a -= 1"),
        ("a += 1", "removed", "pass"),
        ("a(b)", "removed", "pass"),
        ("a.b(1)\na.c(2)", "order", "a.c(2)\na.b(1)"),
        ("a = sorted(b)", "sorting", "a = sorted(b, reverse=True)"),
        ("a = np.lexsort((b, c))", "sorting", "a = np.lexsort((c, b))"),
        ("a = b[0]", "index", "a = b[-1]"),
        ("ä = 'ö'; a = b * c", "operator", "ä = 'ö'; a = b / c"),
    ],
)
def test_a_fault_of_each_kind_is_found(mutations, source, kind, changed):
    assert (kind, changed) in faults(mutations, source)


@pytest.mark.parametrize(
    "source",
    [
        '"""Text."""',
        "def f(a: int | None) -> str | None: pass",
        "a: list[int] = b",
        '__all__ = ["a"]',
        "raise ValueError(f'{a} must be at least {1}')",
        "assert a is not None",
        "a = f'{b + 1}'",
        "import a",
        "@a(cache=True)\ndef f(): pass",
    ],
)
def test_texts_types_and_errors_are_left_alone(mutations, source):
    assert faults(mutations, source) == set()


def test_every_fault_of_the_engine_compiles_and_has_a_name_of_its_own(mutations):
    path = TOOLS.parent / "v2xsim" / "engine" / "simulation.py"
    source = path.read_bytes()
    found = mutations.mutants_of("simulation.py", source)
    assert found
    assert len({mutant.key for mutant in found}) == len(found)
    for mutant in found:
        assert ast.dump(ast.parse(mutant.applied(source))) != ast.dump(ast.parse(source))
