"""Keys at which a scenario chooses a part, such as `relay: hybrid` or `relay: {rule: hybrid, weight: 0.3}`.

A part's parameters are checked like every other key, by a pydantic model made from the part's fields (`part_models`). The
loaded scenario then holds the part itself.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.fields import Field, FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from v2xsim.parts import Part, PartError, parameters_of, parts_of
from v2xsim.scenario.errors import Keys
from v2xsim.scenario.fields import Section
from v2xsim.scenario.part_models import made, model_of


@dataclass(frozen=True)
class PartChoice:
    """Marks a field of the schema at which a part is chosen.

    Attributes:
        base: Base class of the kind of part.
        default: Name of the part that is used if a section gives parameters but no name.
    """

    base: type[Part]
    default: str

    @property
    def word(self) -> str:
        """Key in YAML that holds the part's name, such as `rule`."""
        return self.base.kind.word

    def models(self) -> Mapping[str, type[Section]]:
        """Return the pydantic model of every part that can be chosen now, by name."""
        return {name: model_of(cls) for name, cls in parts_of(self.base).items()}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return pydantic's check of a choice: the model that the name selects checks the parameters, then the part is made."""
        choices: dict[Any, Any] = {
            name: core_schema.no_info_after_validator_function(
                partial(made, parts_of(self.base)[name]), handler.generate_schema(model)
            )
            for name, model in self.models().items()
        }
        tagged = core_schema.tagged_union_schema(choices, discriminator=self.word)
        return core_schema.json_or_python_schema(
            json_schema=tagged,
            python_schema=core_schema.union_schema(
                [
                    core_schema.is_instance_schema(self.base),
                    core_schema.no_info_before_validator_function(self._named, tagged),
                ]
            ),
            serialization=core_schema.plain_serializer_function_ser_schema(as_data),
        )

    def _named(self, value: Any) -> Any:
        """Return a name alone as a section with that name, so that Python code may use either form; other values unchanged."""
        return {self.word: value} if isinstance(value, str) else value

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the JSON Schema of a choice: a name, or a section with the parameters of one part."""
        return {"anyOf": [{"enum": list(parts_of(self.base)), "type": "string"}, handler(schema)]}


def chosen(base: type[Part], default: str, description: str) -> Any:
    """Return a schema field at which a part is chosen.

    Args:
        base: Base class of the kind of part; the marker `PartChoice` of the field must name the same class.
        default: Name of the default part, as in the marker.
        description: Meaning of the key, for users.
    """
    return Field(
        default_factory=lambda: parts_of(base)[default](),
        description=description,
        json_schema_extra={"unit": "none"},
        validate_default=False,
    )


def chosen_required(description: str) -> Any:
    """Return a schema field at which a part must be chosen, because it has no default."""
    return Field(..., description=description, json_schema_extra={"unit": "none"})


def choice_in(info: FieldInfo | None) -> PartChoice | None:
    """Return the marker `PartChoice` of a field at which a part is chosen; None for any other field."""
    return next((item for item in info.metadata if isinstance(item, PartChoice)), None) if info is not None else None


def choices_in(section: type[Section], above: Keys = ()) -> Iterator[tuple[Keys, PartChoice]]:
    """Yield the keys at which a part is chosen in a section and in all sections inside it, each with its marker."""
    for name, info in section.model_fields.items():
        choice = choice_in(info)
        if choice is not None:
            yield (*above, name), choice
        elif isinstance(info.annotation, type) and issubclass(info.annotation, Section):
            yield from choices_in(info.annotation, (*above, name))


def parts_in(section: Section) -> Iterator[Part]:
    """Yield the parts that are chosen in a scenario, or in a section of another file.

    Raises:
        PartError: If the value at such a key is not a part.
    """
    for keys, choice in choices_in(type(section)):
        value: object = section
        for key in keys:
            value = getattr(value, key)
        if not isinstance(value, choice.base):
            # Python code can set a wrong value with `model_construct`, which skips all checks.
            name = choice.base.kind.name
            raise PartError(f"{'.'.join(keys)} must be a {name} (an instance of {choice.base.__name__}), got {value!r}")
        yield value


def as_data(part: Part) -> Any:
    """Return a part as data for a scenario file: its name alone, or a section with name and parameters if it has any."""
    parameters = {field.name: _plain(getattr(part, field.name)) for field in parameters_of(part)}
    return {part.kind.word: part.name, **parameters} if parameters else part.name


def with_names(data: Any, section: type[Section]) -> Any:
    """Return the data of a file with every choice of a part written as a section that names the part.

    Args:
        data: Content of the file; values that choose no part are copied unchanged.
        section: Schema of the top level of the file.
    """
    for keys, choice in choices_in(section):
        data = _replaced_at(data, keys, choice)
    return data


def word_in(section: type[Section]) -> Callable[[Keys], str | None]:
    """Return a function that returns, for keys at which a part is chosen, the key that holds the part's name; else None."""
    words = {keys: choice.word for keys, choice in choices_in(section)}
    return words.get


def rebuild(section: type[Section]) -> bool:
    """Build the schema of a section again for the parts that can be chosen now; return whether it chooses any part."""
    concerned = False
    for info in section.model_fields.values():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section):
            concerned |= rebuild(info.annotation)
        concerned |= choice_in(info) is not None
    if concerned:
        section.model_rebuild(force=True)
    return concerned


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, bool) or value is None:
        return value
    # A default may be a numpy number, which is converted to the plain type that files hold; numpy's float derives from float.
    return next((kind(value) for kind in (float, int, str) if isinstance(value, kind)), str(value))


def _meant(data: dict[str, Any], choice: PartChoice) -> Any:
    """Return the part that a section without its word probably means: one that another key names, or the default.

    That key is reported as unknown; the other keys are then checked as parameters of the part that is meant.
    """
    known = parts_of(choice.base)
    own = {field.name for field in parameters_of(known[choice.default])} if choice.default in known else set()
    names = [value for key, value in data.items() if key not in own and isinstance(value, str) and value in known]
    return names[0] if len(names) == 1 else choice.default


def _replaced_at(data: Any, keys: Keys, choice: PartChoice) -> Any:
    if not keys:
        if isinstance(data, str):
            return {choice.word: data}
        return {choice.word: _meant(data, choice), **data} if isinstance(data, dict) else data
    if not isinstance(data, dict) or keys[0] not in data:
        return data
    return {**data, keys[0]: _replaced_at(data[keys[0]], keys[1:], choice)}
