"""Small faults (mutants) of a Python file: find all of them, and return the text of the file with one of them."""

import ast
import hashlib
import io
import itertools
import token
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

Edit = tuple[int, int, str]
"""First and last byte of the text to replace, and the new text."""

_OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "*"), ast.Pow: ("**", "*"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"), ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"), ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"), ast.And: ("and", "or"), ast.Or: ("or", "and"),
}  # fmt: skip
_NAMES = {
    "max": "min", "maximum": "minimum", "all": "any", "argmax": "argmin", "floor": "ceil", "nanmax": "nanmin",
    "isfinite": "isnan", "fmax": "fmin", "union1d": "intersect1d", "cumsum": "cumprod",
}  # fmt: skip
_NAMES |= {new: old for old, new in _NAMES.items()}
_SIDES = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class Mutant:
    """One fault that can be put into a file.

    Attributes:
        path: Path of the file, relative to the root of the tree.
        line: Number of the first line that the fault changes.
        kind: Kind of fault.
        before: Text before the change.
        after: Text after the change.
        edits: Pieces of text to replace, in rising order and without overlap.
        scope: Names of the class and function that contain the fault.
        key: Identifier of the fault; it stays the same while the statement and its function keep their text and names.
    """

    path: str
    line: int
    kind: str
    before: str
    after: str
    edits: tuple[Edit, ...]
    scope: str
    key: str = ""

    def applied(self, source: bytes) -> bytes:
        """Return the text of the file with the fault."""
        for begin, end, text in reversed(self.edits):
            source = source[:begin] + text.encode() + source[end:]
        return source


def mutants_of(path: str, source: bytes) -> list[Mutant]:
    """Return all faults that can be put into a file and with which the file still compiles.

    Args:
        path: Path of the file, which is stored in the mutants.
        source: Text of the file.
    """
    reader = _Reader(path, source)
    reader.body(reader.tree.body, ())
    seen: dict[str, int] = {}
    mutants: list[Mutant] = []
    for mutant in reader.mutants:
        text = f"{path} {mutant.scope} {mutant.kind} {mutant.before} {mutant.after}"
        seen[text] = seen.get(text, 0) + 1
        key = hashlib.sha256(f"{text} {seen[text]}".encode()).hexdigest()[:8]
        try:
            compile(mutant.applied(source), path, "exec")
        except SyntaxError:
            continue
        mutants.append(replace(mutant, key=key))
    return mutants


class _Reader:
    """Walks through the syntax tree of a file and collects faults.

    Strings, annotations, decorators and raised exceptions are left out.
    """

    def __init__(self, path: str, source: bytes) -> None:
        self.path, self.source = path, source
        self.tree = ast.parse(source)
        self.mutants: list[Mutant] = []
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        # Columns of tokens count characters; columns of the syntax tree count bytes.
        lines = source.decode().splitlines(keepends=True)
        self._tokens: list[tuple[int, int, str]] = []
        for item in tokenize.generate_tokens(io.StringIO(source.decode()).readline):
            if item.type in (token.OP, token.NAME):
                begin = self._starts[item.start[0] - 1] + len(lines[item.start[0] - 1][: item.start[1]].encode())
                self._tokens.append((begin, begin + len(item.string.encode()), item.string))
        self._scope: tuple[str, ...] = ()

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return the first and last byte of a syntax node in the file."""
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def text(self, node: ast.AST) -> str:
        """Return the source text of a syntax node."""
        begin, end = self.span(node)
        return self.source[begin:end].decode()

    def add(self, kind: str, node: ast.AST, *edits: Edit) -> None:
        """Record a fault; the text of `node` is shown in the report."""
        begin, end = self.span(node)
        begin, end = min(begin, edits[0][0]), max(end, edits[-1][1])
        after = self.source[:end]
        for first, last, text in reversed(edits):
            after = after[:first] + text.encode() + after[last:]
        line = self.source[: edits[0][0]].count(b"\n") + 1
        self.mutants.append(
            Mutant(
                self.path,
                line,
                kind,
                _short(self.source[begin:end].decode()),
                _short(after[begin:].decode()),
                edits,
                ".".join(self._scope),
            )
        )

    def body(self, statements: list[ast.stmt], scope: tuple[str, ...]) -> None:
        """Collect the faults of a sequence of statements."""
        outer, self._scope = self._scope, scope
        for first, second in itertools.pairwise(statements):
            if _can_swap(first, second):
                (a, b), (c, d) = self.span(first), self.span(second)
                between = self.source[b:c].decode()
                self.add("order", first, (a, d, self.text(second) + between + self.text(first)))
        for statement in statements:
            self.statement(statement, scope)
        self._scope = outer

    def statement(self, node: ast.stmt, scope: tuple[str, ...]) -> None:
        """Collect the faults of one statement."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not isinstance(node, ast.ClassDef):
                for default in (*node.args.defaults, *node.args.kw_defaults):
                    if default is not None:
                        self.expression(default)
            self.body(node.body, (*scope, node.name))
            return
        if isinstance(node, ast.Raise | ast.Import | ast.ImportFrom | ast.Pass | ast.Global | ast.Nonlocal):
            return
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Assert) and "is not None" in ast.unparse(node.test):
            return
        self._removed(node)
        if isinstance(node, ast.Continue | ast.Break):
            self.add("flow", node, (*self.span(node), "break" if isinstance(node, ast.Continue) else "continue"))
        if isinstance(node, ast.If):
            # A branch that begins with raise, return, continue or break is never taken; any other branch is always
            # taken.
            leaves = isinstance(node.body[0], ast.Raise | ast.Return | ast.Continue | ast.Break)
            self.add("condition", node.test, (*self.span(node.test), "False" if leaves else "True"))
        if isinstance(node, ast.AugAssign) and type(node.op) in _OPERATORS and not isinstance(node.value, ast.List):
            self._operator("assignment", node, node.op, node.target, node.value, "=")
        for name, value in ast.iter_fields(node):
            if name in ("body", "orelse", "finalbody"):
                self.body(value, scope)
            elif name == "handlers":
                for handler in value:
                    self.body(handler.body, scope)
            elif name == "cases":
                for case in value:
                    self.body(case.body, scope)
            elif name == "items":
                for item in value:
                    self.expression(item.context_expr)
            elif name not in ("annotation", "msg"):
                for part in value if isinstance(value, list) else [value]:
                    if isinstance(part, ast.expr):
                        self.expression(part)

    def _removed(self, node: ast.stmt) -> None:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        writes = isinstance(node, ast.AugAssign) or (
            isinstance(node, ast.Assign) and isinstance(target, ast.Attribute | ast.Subscript)
        )
        call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Yield | ast.YieldFrom)
        if writes or call:
            self.add("removed", node, (*self.span(node), "pass"))

    def expression(self, node: ast.AST) -> None:
        """Collect the faults of an expression and of its parts."""
        if isinstance(node, ast.JoinedStr):
            return
        if isinstance(node, ast.BinOp) and not _is_type(node) and not _is_text(node):
            self._operator("operator", node, node.op, node.left, node.right)
        elif isinstance(node, ast.Compare):
            for left, op, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
                self._operator("comparison", node, op, left, right)
        elif isinstance(node, ast.BoolOp):
            pairs = itertools.pairwise(node.values)
            old, new = _OPERATORS[type(node.op)]
            edits = [self._found(self.span(a)[1], self.span(b)[0], old) for a, b in pairs]
            self.add("boolean", node, *((begin, end, new) for begin, end in edits))
        elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
            self.add("sign", node, (self.span(node)[0], self.span(node.operand)[0], ""))
        elif isinstance(node, ast.Constant):
            self._constant(node)
        elif isinstance(node, ast.IfExp):
            self.add("condition", node.test, (*self.span(node.test), "True"))
        elif isinstance(node, ast.Call):
            self._call(node)
        elif isinstance(node, ast.Subscript):
            self._index(node)
        elif isinstance(node, ast.comprehension):
            for test in node.ifs:
                self.add("filter", test, (*self.span(test), "True"))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "cast"):
            return
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr | ast.comprehension | ast.keyword):
                self.expression(part)

    def _operator(self, kind: str, node: ast.AST, op: ast.AST, left: ast.AST, right: ast.AST, ending: str = "") -> None:
        old, new = _OPERATORS.get(type(op), ("", ""))
        if old:
            begin, end = self._found(self.span(left)[1], self.span(right)[0], old + ending)
            self.add(kind, node, (begin, end, new + ending))

    def _found(self, begin: int, end: int, text: str) -> tuple[int, int]:
        """Return the position of an operator, which may have one word or two."""
        words = text.split()
        inside = [item for item in self._tokens if begin <= item[0] < end]
        for n, item in enumerate(inside):
            if [t for _, _, t in inside[n : n + len(words)]] == words:
                return item[0], inside[n + len(words) - 1][1]
        raise ValueError(f"{self.path}: no {text!r} between bytes {begin} and {end}")

    def _constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            changed = [str(not value)]
        elif isinstance(value, int):
            changed = ["1"] if value == 0 else [str(value + 1), str(value * 2)] if value != 1 else ["2", "0"]
        elif isinstance(value, float):
            changed = ["1.0"] if value == 0 else [repr(value * 2), repr(value / 2)]
        elif isinstance(value, str) and value in _SIDES:
            changed = [f'"{_SIDES[value]}"']
        else:
            return
        for text in changed:
            self.add("constant", node, (*self.span(node), text))

    def _call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        end = self.span(node.func)[1]
        if name in _NAMES:
            self.add("name", node, (end - len(name), end, _NAMES[name]))
        reverse = any(item.arg == "reverse" for item in node.keywords)
        if name == "sorted" and not reverse:
            last = self.span(node)[1] - 1
            comma = ", " if not self.source[:last].rstrip().endswith(b",") else " "
            self.add("sorting", node, (last, last, comma + "reverse=True"))
        if name == "argsort":
            end = self.span(node)[1]
            self.add("sorting", node, (end, end, "[::-1]"))
        if name == "lexsort" and isinstance(node.args[0], ast.Tuple):
            first, last = node.args[0].elts[0], node.args[0].elts[-1]
            self.add("sorting", node, (*self.span(first), self.text(last)), (*self.span(last), self.text(first)))

    def _index(self, node: ast.Subscript) -> None:
        written = ast.unparse(node.slice)
        if written in ("0", "-1") and isinstance(node.ctx, ast.Load):
            self.add("index", node, (*self.span(node.slice), "-1" if written == "0" else "0"))


def _short(text: str) -> str:
    return " ".join(text.split())


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def _is_type(node: ast.BinOp) -> bool:
    """Return whether a syntax node is a union of types."""
    if not isinstance(node.op, ast.BitOr):
        return False
    text = ast.unparse(node)
    return "None" in text or any(word in text.split() for word in ("str", "int", "float", "list", "dict"))


def _can_swap(first: ast.stmt, second: ast.stmt) -> bool:
    """Return whether two statements can be exchanged such that the result may differ."""
    if not all(isinstance(s, ast.Expr | ast.Assign | ast.AugAssign) for s in (first, second)):
        return False
    if any(isinstance(s, ast.Expr) and not isinstance(s.value, ast.Call | ast.Yield | ast.YieldFrom) for s in (first, second)):  # fmt: skip
        return False
    # If the second statement needs a name that the first assigns, the exchange fails at once and shows nothing.
    bound = {t.id for s in (first,) if isinstance(s, ast.Assign) for target in s.targets for t in ast.walk(target) if isinstance(t, ast.Name)}  # fmt: skip
    bound = bound if isinstance(first, ast.Assign) and not _written_outside(first) else set()
    if bound & {n.id for n in ast.walk(second) if isinstance(n, ast.Name)}:
        return False
    if any(isinstance(n, ast.Yield | ast.YieldFrom) for s in (first, second) for n in ast.walk(s)):
        return True
    writes, others = _writes(first), _writes(second)
    return _touch(writes, others | _reads(second)) or _touch(others, _reads(first))


def _written_outside(node: ast.Assign) -> bool:
    return all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets)


def _paths(node: ast.AST, wanted: Callable[[ast.AST], bool]) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name | ast.Attribute) and wanted(part):
            yield ast.unparse(part)


def _reads(node: ast.stmt) -> set[str]:
    return set(_paths(node, lambda part: isinstance(part.ctx, ast.Load)))


def _writes(node: ast.stmt) -> set[str]:
    """Return what a statement changes: the targets of assignments, and the object whose method it calls."""
    if isinstance(node, ast.Expr):
        value = node.value
        return {ast.unparse(value.func.value)} if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) else set()  # fmt: skip
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {ast.unparse(part.value if isinstance(part, ast.Subscript) else part) for part in targets}


def _touch(writes: set[str], others: set[str]) -> bool:
    return any(a == b or a.startswith(b + ".") or b.startswith(a + ".") for a in writes for b in others if b != "self")
