"""Imports by name, which import-linter cannot see, obey the same contracts as plain ones.

A hidden import is a module of v2xsim named in a string: `import_module("v2xsim.x")`, a table of lazy names, `python -m v2xsim.x`.
Each is added to the graph of plain imports, and the contracts of pyproject.toml are checked on the whole.
"""

import ast
import re
from collections.abc import Iterator
from copy import deepcopy
from itertools import pairwise
from pathlib import Path

import grimp
import pytest
from importlinter.api import read_configuration
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = {"layers": LayersContract, "forbidden": ForbiddenContract, "acyclic_siblings": AcyclicSiblingsContract}

# A whole string: a module, an attribute of one after a dot or colon, or the beginning of a name that is completed later.
MODULE = re.compile(r"(v2xsim(?:\.\w+)+)(?:\.|:\w+)?")
COMMAND = re.compile(r"-m (v2xsim(?:\.\w+)*)")
LOADERS = ("import_module", "__import__", "run_module")


def names_in(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each module of v2xsim that a string of the source names, docstrings aside."""
    tree = ast.parse(source)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    # Where the parts of a kind lie, which import its base class: held to a rule of its own below.
    prose |= {id(argument) for call in kinds_in(tree) for argument in call.args}
    strings = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
    ]
    for node in strings:
        if whole := MODULE.fullmatch(node.value):
            yield node.lineno, whole[1]
        for command in COMMAND.finditer(node.value):
            yield node.lineno, run_as(command[1])
    for option, module in pairwise(sorted(strings, key=lambda node: (node.lineno, node.col_offset))):
        # The root alone names a module only here and in a loader's call; elsewhere it is the project's name.
        if (option.value, module.value) == ("-m", "v2xsim"):
            yield module.lineno, run_as(module.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).rpartition(".")[2] in LOADERS:
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and argument.value == "v2xsim":
                yield node.lineno, "v2xsim"


def kinds_in(tree: ast.AST) -> list[ast.Call]:
    """Return the declarations of kinds of parts (`v2xsim.parts.Kind`)."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Kind"]


def run_as(module: str) -> str:
    """Return the module that `python -m` executes."""
    return "v2xsim.__main__" if module == "v2xsim" else module


def hidden_imports(source: str, modules: set[str]) -> list[tuple[int, str]]:
    """Return the line and module of each hidden import; of a name that goes on with an attribute, its module."""
    found = []
    for line, name in names_in(source):
        module = name
        while module not in modules and "." in module:
            module = module.rpartition(".")[0]
        # Only the root is left of a file's name such as v2xsim.schema.json.
        if module != "v2xsim" or name == "v2xsim":
            found.append((line, module))
    return found


@pytest.fixture(scope="module")
def plain() -> grimp.ImportGraph:
    return grimp.build_graph("v2xsim", include_external_packages=True, cache_dir=None)


def source_of(module: str) -> str:
    path = ROOT.joinpath(*module.split("."))
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")


def with_hidden(plain: grimp.ImportGraph, sources: dict[str, str]) -> grimp.ImportGraph:
    """Return the graph of plain imports with the hidden ones in the source of each module added."""
    graph = deepcopy(plain)
    for module, source in sources.items():
        for line, imported in hidden_imports(source, plain.modules):
            if imported != module:
                shown = source.splitlines()[line - 1]
                graph.add_import(importer=module, imported=imported, line_number=line, line_contents=shown)
    return graph


def broken(graph: grimp.ImportGraph) -> list[str]:
    """Return the names of the contracts that a graph breaks; pytest shows what is printed."""
    settings = read_configuration(str(ROOT / "pyproject.toml"))
    names = []
    for options in settings["contracts_options"]:
        contract = CONTRACTS[options["type"]](options["name"], settings["session_options"], options)
        check = contract.check(deepcopy(graph), verbose=False)
        if not check.kept:
            contract.render_broken_contract(check)
            names.append(options["name"])
    return names


def test_imports_by_name_obey_the_contracts_of_plain_imports(plain):
    ours = [module for module in plain.modules if module.partition(".")[0] == "v2xsim"]
    assert broken(with_hidden(plain, {module: source_of(module) for module in ours})) == []


@pytest.mark.parametrize(
    ("module", "imported"),
    [("v2xsim", "v2xsim.simulate"), ("v2xsim.viz", "v2xsim.viz.run.pictures"), ("v2xsim.study.local_runner", "v2xsim.study.fork_server")],
)  # fmt: skip
def test_the_hidden_imports_of_the_tree_are_found(plain, module, imported):
    assert imported in [name for _, name in hidden_imports(source_of(module), plain.modules)]


@pytest.mark.parametrize(
    ("source", "imported"),
    [
        ('import_module("v2xsim.simulate").run', "v2xsim.simulate"),
        ('importlib.import_module(name="v2xsim.simulate")', "v2xsim.simulate"),
        ('__import__("v2xsim.simulate")', "v2xsim.simulate"),
        ('import_module("v2xsim").run', "v2xsim"),
        ('_HOME = {"run": "v2xsim.simulate"}', "v2xsim.simulate"),
        ('_PARTS = ("v2xsim.simulate.run", "v2xsim.simulate:run")', "v2xsim.simulate"),
        ('import_module(f"v2xsim.claims.{name}")', "v2xsim.claims"),
        ('import_module("v2xsim.claims." + name)', "v2xsim.claims"),
        ('Popen([sys.executable, "-m", "v2xsim.study.fork_server"])', "v2xsim.study.fork_server"),
        ('Popen([sys.executable, "-m", "v2xsim", "run", "demo"])', "v2xsim.__main__"),
        ('os.system("python -m v2xsim.study.fork_server <jobs")', "v2xsim.study.fork_server"),
        ('os.system("python -m v2xsim run demo")', "v2xsim.__main__"),
    ],
)
def test_a_module_is_found_however_a_string_names_it(plain, source, imported):
    assert {name for _, name in hidden_imports(source, plain.modules)} == {imported}


@pytest.mark.parametrize(
    "source",
    [
        '"""Run it as python -m v2xsim.study.fork_server."""',
        'raise ValueError("see v2xsim.simulate for what a run needs")',
        'EXAMPLE = "v2xsim schema > v2xsim.schema.json"',
        'FILE, NAME = "v2xsim.schema.json", "v2xsim"',
    ],
)
def test_prose_and_file_names_are_no_imports(plain, source):
    assert hidden_imports(source, plain.modules) == []


@pytest.mark.parametrize(
    ("module", "source", "contract"),
    [
        ("v2xsim.records", 'import_module("v2xsim.simulate")', "Imports point one way"),
        ("v2xsim.records", 'import_module("v2xsim").run', "Imports point one way"),
        ("v2xsim.engine.clock", '["-m", "v2xsim"]', "Imports point one way"),
        ("v2xsim.perception.hnsw.index", '_HOME = {"draws": "v2xsim.comms.draws"}', "Imports point one way"),
        ("v2xsim.gpu.lidar.cast", 'import_module(f"v2xsim.gpu.training.{name}")', "Inside gpu"),
        ("v2xsim.comms.access.packets", '__import__("v2xsim.comms.access.csma")', "No cycles"),
        ("v2xsim.comms.access.csma", '__import__("v2xsim.scenario.schema")', "comms is numpy and numba"),
    ],
)
def test_an_upward_import_by_name_breaks_a_contract(plain, module, source, contract):
    assert any(name.startswith(contract) for name in broken(with_hidden(plain, {module: source})))


def test_a_downward_import_by_name_breaks_none(plain):
    assert broken(with_hidden(plain, {"v2xsim.simulate": 'import_module("v2xsim.records")'})) == []


def test_the_parts_of_a_kind_lie_beside_or_below_its_base_class(plain):
    homes = []
    for module in plain.modules:
        if module.partition(".")[0] == "v2xsim":
            homes += [(module, call.args[3].value) for call in kinds_in(ast.parse(source_of(module)))]
    assert len(homes) >= 10
    for module, home in homes:
        assert home in plain.modules
        assert f"{home}.".startswith(f"{module.rpartition('.')[0]}.")
