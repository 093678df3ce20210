"""Checks the annotations of v2xsim while the tests run: shapes and dtypes of arrays, and the types of everything else.

jaxtyping has an import hook for this, but it also decorates functions that numba or Triton compiles, which then no longer
compile. The hook here does the same work and leaves those functions as they are.
"""

import ast
import sys
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from inspect import isgeneratorfunction
from types import ModuleType
from typing import Any, get_args, runtime_checkable

from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, config, jaxtyped

PACKAGE = "v2xsim"
# What compiles a function, and what makes it unfit to be wrapped.
COMPILERS = frozenset({"njit", "jit", "vectorize", "guvectorize", "intrinsic", "overload", "cfunc"})
# The name under which a checked module reaches `check`.
_NAME = "__check_shapes__"

# An int passes where a float is asked for, as it does for mypy.
_typechecker: Callable[[Any], Any] = beartype(conf=BeartypeConf(is_pep484_tower=True))
# Entered by each call of a function with arrays: "links" has one length in one call.
_own_axes = jaxtyped("context")


def check(checked: Any) -> Any:
    """Return a function that checks its arguments and its result, or a dataclass that checks its fields when it is made."""
    if not isinstance(checked, type):
        return _checked_function(checked)
    if getattr(checked, "_is_protocol", False):
        # Only such a protocol can be compared with an object.
        return runtime_checkable(checked)
    if is_dataclass(checked) and "__init__" in vars(checked):
        checked.__init__ = _checked_function(checked.__init__)
    return checked


def _checked_function(function: Any) -> Any:
    hints = getattr(function, "__annotations__", {}).values()
    if not hints:
        return function
    if any(isinstance(hint, str) for hint in hints) or isgeneratorfunction(function):
        # jaxtyping reads names that are not defined yet as anything, and leaves what a generator yields alone.
        return jaxtyped(function, typechecker=_typechecker)
    # Not `jaxtyped(function, typechecker=...)`: it binds the arguments by name and checks them twice, which takes longer than
    # many a function.
    typed = _typechecker(function)
    if not any(_has_an_array(hint) for hint in hints):

        @wraps(function)
        def checked(*arguments: Any, **named: Any) -> Any:
            return (function if config.jaxtyping_disable else typed)(*arguments, **named)

        return checked

    @wraps(function)
    def checked_with_axes(*arguments: Any, **named: Any) -> Any:
        if config.jaxtyping_disable:
            return function(*arguments, **named)
        with _own_axes:
            return typed(*arguments, **named)

    return checked_with_axes


def _has_an_array(hint: Any) -> bool:
    """Return whether a type annotation has axes somewhere in it."""
    return (isinstance(hint, type) and issubclass(hint, AbstractArray)) or any(map(_has_an_array, get_args(hint)))


def install() -> None:
    """Check every module of v2xsim that is imported from now on.

    Raises:
        RuntimeError: If a module of v2xsim is loaded already: it would never be checked.
    """
    if PACKAGE in sys.modules:
        raise RuntimeError(f"the shape checks must be installed before {PACKAGE} is imported")
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != PACKAGE and not fullname.startswith(PACKAGE + "."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def path_stats(self, path: Any) -> Any:
        # Without the file's times Python neither reads nor writes byte code: it has to be the plain code, for other processes.
        raise OSError

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:
        tree = _Decorate().visit(ast.parse(data, path))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True, optimize=_optimize)

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, _NAME, check)
        super().exec_module(module)


class _Decorate(ast.NodeTransformer):
    """Decorates every class and every function that no compiler takes."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        if any(_name(decorator) in COMPILERS for decorator in node.decorator_list):
            return node
        # Last, so that property, staticmethod, cached_property and their like receive the function that checks.
        node.decorator_list.append(_decorator(node))
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        # First, so that `dataclass` has made the __init__ that is to check.
        node.decorator_list.insert(0, _decorator(node))
        self.generic_visit(node)
        return node


def _name(decorator: ast.expr) -> str:
    """Return the last word of a decorator: `jit` of `@triton.jit(do_not_specialize=["slot"])`."""
    if isinstance(decorator, ast.Call):
        decorator = decorator.func
    return decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")


def _decorator(node: ast.AST) -> ast.expr:
    return ast.copy_location(ast.Name(_NAME, ast.Load()), node)
