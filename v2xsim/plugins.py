"""Loading of parts from a user's own file: the file runs as a module, and errors in it are reported with their line.

A plug-in can do whatever a Python program can do: list only files that you trust under `plugins`.
"""

import ast
import contextlib
import dataclasses
import hashlib
import inspect
import itertools
import linecache
import sys
import traceback
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from v2xsim.parts import PLUGIN_MODULE, Part, PartError, forget_file, parts_from

# A file larger than this is probably data that was named by mistake.
LARGEST_FILE_BYTES = 1_000_000


@dataclass(frozen=True)
class Plugin:
    """A user's file with parts, after it was loaded.

    Attributes:
        path: Absolute path of the file.
        sha256: SHA-256 digest of the content that was run, in hexadecimal.
        copy: Number of this run of the file in this process: parts of two runs of a file share none of its variables.
        draws: Whether the file seems to draw random numbers with a generator that other code of the process may use, too.
    """

    path: Path
    sha256: str
    copy: int = field(default=0, compare=False)
    draws: bool = field(default=False, compare=False)


_loaded: dict[Path, Plugin] = {}
_copies = itertools.count(1)
# Files that are being run now. Without this record, a file that loads a scenario which lists the same file would be loaded
# endlessly.
_running: set[Path] = set()


def load_plugin(path: Path) -> Plugin:
    """Run a user's file so that it registers its parts. A file with unchanged content is not run again.

    Args:
        path: Absolute path of a Python file.

    Raises:
        PartError: If the file cannot be read or run, or registers no part; the message begins with the file and the line.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise PartError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_FILE_BYTES:
        raise PartError(f"{path}: must be a Python file of at most {LARGEST_FILE_BYTES:,} bytes")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise PartError(f"{path}: must be text in UTF-8, got UTF-16; save it as UTF-8")
    plugin = Plugin(path, hashlib.sha256(content).hexdigest())
    if _loaded.get(path) == plugin:
        return _loaded[path]
    if path in _running:
        raise PartError(f"{path}: must not load a scenario that lists it; put what runs scenarios into another file")
    _forget(path)
    _running.add(path)
    try:
        tree = _run(path, content)
        if not parts_from(path):
            raise PartError(f"{path}: must register a part with @part(...); it registers none")
    except BaseException:
        _forget(path)
        raise
    finally:
        _running.discard(path)
    _loaded[path] = Plugin(path, plugin.sha256, next(_copies), _draws(tree))
    return _loaded[path]


def load_again() -> None:
    """Let the next scenario that is read run all its users' files again, so that its parts share no variable with those of earlier scenarios."""
    _loaded.clear()


def ask(part: Part, method: str, *arguments: Any) -> Any:
    """Call a part's method. An exception in a user's part is reported with the user's file and line.

    A user's part gets records with read-only arrays, so that it cannot change the state of the simulation. Built-in parts
    get the records themselves; an exception in a built-in part is a fault of v2xsim and keeps its traceback.

    Raises:
        PartError: If a user's part raises an exception.
    """
    return call(part, method, getattr(part, method), *arguments)


def call(part: Part, method: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of a part, or of an object that a part's method returned, in the same way as `ask`.

    Args:
        part: The part to which the function belongs.
        method: Name of the function in messages.
        function: Function to call.
        arguments: Arguments of the function.
    """
    if part.file is None:
        return function(*arguments)
    try:
        return function(*(read_only(argument) for argument in arguments))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PartError(
            f"{place_of(part, method, error)}: {_called(part)}: {method} raised {said_of(error)}"
        ) from error


def place_of(part: Part | type[Part], method: str, error: BaseException | None = None) -> str:
    """Return the file and line of a part's method, or, given an exception, of the line in the user's file that caused it."""
    cls = part if isinstance(part, type) else type(part)
    file = str(cls.file)
    if error is not None and (file_and_line := _place_in(file, error)) != file:
        return file_and_line
    # For an error in a method of an object that the part's method returned (`layer.advance`), the line of the part's method
    # is reported.
    item = inspect.getattr_static(cls, method.partition(".")[0], None)
    code = getattr(item.fget if isinstance(item, property) else item, "__code__", None)
    return f"{file}:{code.co_firstlineno}" if code is not None and code.co_filename == file else file


def wrong_answer(part: Part, method: str, says: str) -> PartError:
    """Return an error which states that a part's method returned a result that its kind does not allow.

    Args:
        part: The part.
        method: Name of the method.
        says: What the kind demands, and what the method returned.
    """
    prefix = f"{place_of(part, method)}: " if part.file is not None else ""
    return PartError(f"{prefix}{_called(part)}: {method} {says}")


def read_only(value: Any) -> Any:
    """Return a copy of a record with read-only arrays; the arrays share memory with those of the original record."""
    flags = getattr(value, "flags", None)
    if flags is not None and hasattr(value, "view") and getattr(flags, "writeable", False):
        shared = value.view()
        shared.flags.writeable = False
        return shared
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: read_only(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
        return dataclasses.replace(value, **changed)
    if inspect.isroutine(value):
        # Functions of a view may also return shared arrays.
        return lambda *arguments: read_only(value(*arguments))
    if isinstance(value, tuple | list) and any(dataclasses.is_dataclass(item) for item in value):
        return type(value)(read_only(item) for item in value)
    return value


def _called(part: Part) -> str:
    return f"{part.kind.name} {part.name!r}"


def said_of(error: BaseException) -> str:
    """Return a text with the type of an exception and the first line of its message."""
    try:
        text = str(error).strip().splitlines()
    except Exception:  # noqa: BLE001  # a user's exception may fail at that, too
        text = []
    return type(error).__name__ + (f": {text[0]}" if text else "")


def _module_name(path: Path) -> str:
    return f"{PLUGIN_MODULE}{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"


def _forget(path: Path) -> None:
    _loaded.pop(path, None)
    sys.modules.pop(_module_name(path), None)
    linecache.checkcache(str(path))
    forget_file(path)


def _run(path: Path, content: bytes) -> ast.Module:
    """Run a file as a module, and return its syntax tree."""
    module = types.ModuleType(_module_name(path))
    module.__file__ = str(path)
    # The module must be registered before the file runs, because dataclasses and numba look it up by name.
    sys.modules[module.__name__] = module
    try:
        tree = ast.parse(content, str(path))
        code = compile(tree, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        line = f":{error.lineno}" if error.lineno else ""
        raise PartError(f"{path}{line}: must be Python: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise PartError(f"{path}: must be Python: {error}") from None
    try:
        # What the file prints while it loads must not mix with the JSON output of a command.
        with contextlib.redirect_stdout(sys.stderr):
            exec(code, module.__dict__)
    except KeyboardInterrupt:
        raise
    except PartError as error:
        raise PartError(f"{_place_in(path, error)}: {error}") from None
    except ModuleNotFoundError as error:
        # The file's folder is not on the import path, because another file there could change without changing the digest.
        beside = (path.parent / f"{(error.name or '').partition('.')[0]}.py").is_file()
        why = (
            "from its own folder; a plug-in is one file, and does not see those beside it: put that code into this file"
            if beside
            else "which this version does not have; v2xsim parts lists the built-in parts, docs/own_parts.md the modules for parts of your own"
            if (error.name or "").startswith("v2xsim.")
            else "which is not installed; install it, or import it where it is used"
        )
        raise PartError(f"{_place_in(path, error)}: imports {error.name!r}{' ' if beside else ', '}{why}") from error
    except BaseException as error:
        raise PartError(f"{_place_in(path, error)}: cannot be loaded: {said_of(error)}") from error
    return tree


def _draws(tree: ast.Module) -> bool:
    """Return whether code uses a module of random numbers, such as `np.random`, or seeds a generator."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Import):
            names = [name for alias in node.names for name in alias.name.split(".")]
        elif isinstance(node, ast.ImportFrom):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
        if {"random", "seed", "manual_seed"} & set(names):
            return True
    return False


def _place_in(file: Path | str, error: BaseException) -> str:
    """Return a file's path with the last of its lines in an exception's traceback; without a line if there is none."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f"{file}:{lines[-1]}" if lines else str(file)


def loaded_plugins(paths: Sequence[Path]) -> tuple[Plugin, ...]:
    """Return the users' files with the given paths, as they were last loaded."""
    return tuple(_loaded[path] for path in paths)
