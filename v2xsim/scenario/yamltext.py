"""Conversion of YAML text to plain data and back, with the line of every key.

Single values follow the core schema of YAML 1.2 (chapter 10.3.2): `1e3` is a number, and `on`, `no` and `12:30` are text.
PyYAML by itself follows YAML 1.1, where `1e3` is text, `on` and `no` are truth values and `12:30` is a number. The result
consists only of maps, lists, text, numbers, truth values and null, so a file cannot create other objects.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from v2xsim.scenario.errors import Document, Keys, ScenarioError, dotted

# Limits far above what any scenario needs; without them, a small file with nested aliases could fill the memory.
DEEPEST = 40
MOST_VALUES = 200_000
# Most digits of a whole number.
LONGEST_NUMBER = 40

_TAG = "tag:yaml.org,2002:"
_CORE = (
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF"),
    ("int", re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), "-+0123456789"),
    (
        "float",
        re.compile(
            r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        "-+.0123456789",
    ),
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
)
_PATTERN = {name: pattern for name, pattern, _ in _CORE}
_MERGE = _TAG + "merge"
_QUOTES = "put a text into quotes that {}"
# A key without a space after its colon.
_NO_SPACE = re.compile(r"^\s*(?:- )?[A-Za-z_][\w.]*:[^\s/]")


class _Loader(yaml.SafeLoader):
    """YAML loader that composes nodes and raises an error for files nested deeper than any scenario."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # as the base declares it
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.MarkedYAMLError(
                problem=f"nested more than {DEEPEST} deep",
                problem_mark=self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    """YAML dumper whose output is read back unchanged: text that looks like a number is quoted."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # as the base declares it

    def ignore_aliases(self, data: Any) -> bool:
        return True


# The order matters: a whole number also matches the pattern of a float.
for _name, _pattern, _first in _CORE:
    _Loader.add_implicit_resolver(_TAG + _name, _pattern, list(_first))
    _Dumper.add_implicit_resolver(_TAG + _name, _pattern, list(_first))
_Loader.add_implicit_resolver(_MERGE, re.compile(r"^<<$"), ["<"])
_Dumper.add_implicit_resolver(_MERGE, re.compile(r"^<<$"), ["<"])


def read_yaml(text: str, source: str) -> Document:
    """Read one YAML document.

    Args:
        text: Text of the document.
        source: Name of the document in messages.

    Raises:
        ScenarioError: If the text is not YAML, or has a tag, a repeated key, or more values than any scenario needs.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ScenarioError(f"{source}:{line}: must be text; found the control character {error.character!r}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = f"{source}:{mark.line + 1}" if mark else source
        context = f" {error.context}" if error.context else ""
        raise ScenarioError(
            f"{position}: must be YAML; {error.problem or 'not readable'}{context}{_repair(error, text)}"
        ) from None
    if root is None:
        return Document(source, None)
    return _Reading(source).document(root)


def _repair(error: yaml.MarkedYAMLError, text: str) -> str:
    """Return what is probably missing where a text is no YAML: quotes, a space, or a closing bracket."""
    problem, mark = error.problem or "", error.problem_mark or error.context_mark
    lines = text.splitlines()
    line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    opened = f" that line {error.context_mark.line + 1} opens" if error.context_mark is not None else ""
    if "quoted scalar" in (error.context or ""):
        return f"; close the quotation mark{opened}"
    if "'\\t'" in problem:
        return "; indent with spaces, not with tabs"
    if "mapping values are not allowed" in problem:
        before = next((one for one in reversed(lines[: mark.line] if mark else []) if one.strip()), "")
        if _NO_SPACE.match(before):
            return f"; write a space after the colon in {before.strip()[:40]!r}"
        return f"; {_QUOTES.format('contains a colon and a space')}" if ": " in line else ""
    if "undefined alias" in problem:
        return f"; * begins an alias: {_QUOTES.format('begins with *')}"
    if "cannot start any token" in problem or "expected the node content" in problem:
        return f"; {_QUOTES.format('begins with such a character')}"
    if problem.startswith("expected ',' or"):
        bracket = "[" if "sequence" in (error.context or "") else "{"
        return f"; close the {bracket}{opened}, and {_QUOTES.format('contains one of : , # { } [ ]')}"
    return ""


def write_yaml(data: Any) -> str:
    """Return plain data as YAML that `read_yaml` reads back unchanged."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
    return text


class _Reading:
    """One conversion of a document's nodes to data, which counts the values: nested aliases cannot fill the memory."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.place: dict[Keys, str] = {}
        self.written: dict[Keys, str] = {}
        self.values = 0

    def document(self, root: yaml.Node) -> Document:
        return Document(self.source, self._value(root, ()), self.place, written=self.written)

    def _fail(self, node: yaml.Node, keys: Keys, says: str) -> ScenarioError:
        name = dotted(keys)
        return ScenarioError(f"{self._at(node)}: {name + ': ' if name else ''}{says}")

    def _at(self, node: yaml.Node) -> str:
        return f"{self.source}:{node.start_mark.line + 1}"

    def _value(self, node: yaml.Node, keys: Keys) -> Any:
        self.values += 1
        if self.values > MOST_VALUES:
            raise self._fail(node, (), f"holds more than {MOST_VALUES} values once its aliases (*name) are replaced")
        if len(keys) > DEEPEST:
            raise self._fail(
                node, (), f"nested more than {DEEPEST} deep; does an alias (*name) refer to what holds it?"
            )
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._map(node, keys)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            items = []
            for number, item in enumerate(node.value):
                self.place[(*keys, str(number))] = self._at(item)
                items.append(self._value(item, (*keys, str(number))))
            return items
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, keys)
        raise self._fail(node, keys, _no_tag(node.tag))

    def _map(self, node: yaml.MappingNode, keys: Keys) -> dict[str, Any]:
        first_line: dict[str, int] = {}
        data: dict[str, Any] = {}
        merged: list[tuple[yaml.Node, yaml.Node]] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged.extend(self._merged(value_node, keys, len(keys)))
                continue
            key = self._key(key_node, keys)
            line = key_node.start_mark.line + 1
            if key in first_line:
                raise self._fail(key_node, (*keys, key), f"this key is there twice, first on line {first_line[key]}")
            first_line[key] = line
            self.place[(*keys, key)] = f"{self.source}:{line}"
            data[key] = self._value(value_node, (*keys, key))
        for key_node, value_node in merged:
            key = self._key(key_node, keys)
            if key not in data:
                self.place[(*keys, key)] = self._at(key_node)
                data[key] = self._value(value_node, (*keys, key))
        return data

    def _merged(self, node: yaml.Node, keys: Keys, depth: int) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        """Yield the keys and values that `<<: *name` or `<<: [*name, *other]` merges into a map, in order of precedence."""
        if depth > DEEPEST:
            raise self._fail(node, keys, "<< refers to what holds it")
        self.values += 1
        if isinstance(node, yaml.SequenceNode) and all(isinstance(part, yaml.MappingNode) for part in node.value):
            for part in node.value:
                yield from self._merged(part, keys, depth + 1)
        elif isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                self.values += 1
                if self.values > MOST_VALUES:
                    raise self._fail(node, (), f"holds more than {MOST_VALUES} values once its aliases are replaced")
                if key_node.tag == _MERGE:
                    yield from self._merged(value_node, keys, depth + 1)
                else:
                    yield key_node, value_node
        else:
            raise self._fail(node, keys, "<< must be followed by an alias of a section, such as `<<: *name`")

    def _key(self, node: yaml.Node, keys: Keys) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._fail(node, keys, "a key must be a word, got a list or a section")
        if not node.tag.startswith(_TAG) or node.tag.removeprefix(_TAG) not in (*_PATTERN, "str"):
            raise self._fail(node, keys, _no_tag(node.tag))
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode, keys: Keys) -> Any:
        name = node.tag.removeprefix(_TAG) if node.tag.startswith(_TAG) else ""
        text = str(node.value)
        if name in ("str", "merge"):
            return text
        if name not in _PATTERN:
            raise self._fail(node, keys, _no_tag(node.tag))
        self.written[keys] = text
        if not _PATTERN[name].match(text):
            raise self._fail(node, keys, f"!!{name} does not fit {text[:40]!r}")
        if name == "int":
            if len(text) > LONGEST_NUMBER:
                raise self._fail(
                    node, keys, f"must be a number of at most {LONGEST_NUMBER} digits, got {len(text)} digits"
                )
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if name == "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        return {"t": True, "f": False}[text[0].lower()] if name == "bool" else None


def _no_tag(tag: str) -> str:
    shown = tag.replace(_TAG, "!!")
    return f"the tag {shown} is not allowed; a scenario holds sections, lists, text, numbers, true and false only"
