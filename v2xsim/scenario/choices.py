"""Keys at which a scenario chooses a part: `relay: hybrid`, or `relay: {rule: hybrid, weight: 0.3}`.

For each registered part there is a model made from its fields, closed to unknown keys, so that a part's parameters are checked
like every other key. What a scenario holds afterwards is the part itself.
"""

import dataclasses
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types
from pydantic import ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import Field, FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, SchemaError, core_schema

from v2xsim.part_attributes import check_attributes
from v2xsim.parts import Above, AtLeast, AtMost, Below, Limit, Part, PartError, Unit, parameters_of, parts_of
from v2xsim.plugins import place_of, said_of
from v2xsim.scenario.errors import Keys
from v2xsim.scenario.fields import Section

_BOUND = {AtLeast: "ge", Above: "gt", AtMost: "le", Below: "lt"}
_BOUND_INSIDE = {
    AtLeast: annotated_types.Ge,
    Above: annotated_types.Gt,
    AtMost: annotated_types.Le,
    Below: annotated_types.Lt,
}
# By the end of a parameter's name, longest first.
_UNITS = {
    "_per_km": "1/km", "_per_hour": "1/h", "_bytes": "B", "_mps": "m/s", "_kmh": "km/h", "_ghz": "GHz", "_mhz": "MHz",
    "_dbm": "dBm", "_dbi": "dBi", "_deg": "deg", "_rad": "rad", "_hz": "Hz", "_db": "dB", "_ms": "ms", "_us": "us",
    "_s": "s", "_m": "m",
}  # fmt: skip


class _Parameters(Section):
    """Base of the models of parts: checked as part of the section that chooses, hardly ever alone."""

    model_config = ConfigDict(defer_build=True)


@dataclass(frozen=True)
class PartChoice:
    """Marks a field of the schema at which a part is chosen.

    Attributes:
        base: Base class of the kind.
        default: Name of the part that is meant where a section gives parameters but no name.
    """

    base: type[Part]
    default: str

    @property
    def word(self) -> str:
        """Key that names the part."""
        return self.base.kind.word

    def models(self) -> Mapping[str, type[Section]]:
        """Return the model of every part that can be chosen now."""
        return {name: model_of(cls) for name, cls in parts_of(self.base).items()}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return what checks a choice: the model that its name selects, then the part made from it."""
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
        """Return a name as the section that it stands for, so that Python code may write one too."""
        return {self.word: value} if isinstance(value, str) else value

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the JSON Schema of a choice: a name, or a section with the parameters of one part."""
        return {"anyOf": [{"enum": list(parts_of(self.base)), "type": "string"}, handler(schema)]}


def chosen(base: type[Part], default: str, description: str) -> Any:
    """Return a field that chooses a part; the marker beside it (`PartChoice`) names the same kind and default."""
    return Field(
        default_factory=lambda: parts_of(base)[default](),
        description=description,
        json_schema_extra={"unit": "none"},
        validate_default=False,
    )


def chosen_required(description: str) -> Any:
    """Return a field that chooses a part and must be there."""
    return Field(..., description=description, json_schema_extra={"unit": "none"})


def choice_in(info: FieldInfo | None) -> PartChoice | None:
    """Return the marker of a field that chooses a part; None for any other."""
    return next((item for item in info.metadata if isinstance(item, PartChoice)), None) if info is not None else None


def choices_in(section: type[Section], above: Keys = ()) -> Iterator[tuple[Keys, PartChoice]]:
    """Yield the keys at which a section, or a section in it, chooses a part."""
    for name, info in section.model_fields.items():
        choice = choice_in(info)
        if choice is not None:
            yield (*above, name), choice
        elif isinstance(info.annotation, type) and issubclass(info.annotation, Section):
            yield from choices_in(info.annotation, (*above, name))


def as_data(part: Part) -> Any:
    """Return a part as a scenario says it: its name, with its parameters where it has some."""
    parameters = {field.name: _plain(getattr(part, field.name)) for field in parameters_of(part)}
    return {part.kind.word: part.name, **parameters} if parameters else part.name


def with_names(data: Any, section: type[Section]) -> Any:
    """Return what a file says with every choice of a part written as a section that names the part.

    Args:
        data: What the file says; anything that is no choice stays as it is.
        section: What stands at the top of the file.
    """
    for keys, choice in choices_in(section):
        data = _replaced_at(data, keys, choice)
    return data


def word_in(section: type[Section]) -> Callable[[Keys], str | None]:
    """Return what finds the key that names a part, where keys lead to a choice of one in a kind of file."""
    words = {keys: choice.word for keys, choice in choices_in(section)}
    return words.get


def rebuild(section: type[Section]) -> bool:
    """Build the schema of a section again, for the parts that can be chosen now; return whether it chooses any."""
    concerned = False
    for info in section.model_fields.values():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section):
            concerned |= rebuild(info.annotation)
        concerned |= choice_in(info) is not None
    if concerned:
        section.model_rebuild(force=True)
    return concerned


_models: dict[type[Part], type[Section]] = {}


def model_of(cls: type[Part]) -> type[Section]:
    """Return the model that checks a part's parameters.

    Raises:
        PartError: If a parameter's type cannot be checked, or a default breaks the parameter's own limits.
    """
    if cls in _models and cls.name == _models[cls].model_fields[cls.kind.word].default:
        return _models[cls]
    word, called = cls.kind.word, f"{cls.kind.name} {cls.name!r}"
    place = f"{place_of_class(cls)}: " if cls.file is not None else ""
    fields: dict[str, Any] = {
        word: (
            Literal[cls.name],
            Field(cls.name, description=f"The {cls.kind.name}", json_schema_extra={"unit": "none"}),
        )
    }
    try:
        hints = get_type_hints(cls, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise PartError(f"{place}{called}: the type of a parameter cannot be read: {error}") from None
    for field in parameters_of(cls):
        if hasattr(Section, field.name):
            raise PartError(f"{place}{called} must call its parameter {field.name!r} otherwise: that name is taken")
        if not _can_hold(hints[field.name]):
            raise PartError(
                f"{place}{called}: the parameter {field.name!r} must be of a type that a scenario can hold (float, int, bool, str, "
                f"Path, Literal, or a tuple, list, dict or union of these), got {_type_name(hints[field.name])}"
            )
    try:
        fields.update({field.name: _field_of(field, hints[field.name]) for field in parameters_of(cls)})
        model: type[Section] = create_model(cls.__name__, __base__=_Parameters, __doc__=cls.__doc__, **fields)
        if cls.file is not None:
            model.model_rebuild(force=True)
    except (PydanticUserError, SchemaError, TypeError) as error:
        first = str(error).splitlines()[-1].strip()
        raise PartError(
            f"{place}{called}: a parameter has a type or a limit that a scenario cannot hold: {first}"
        ) from None
    _check_defaults(cls, model, place, called)
    _models[cls] = model
    return model


def place_of_class(cls: type[Part], error: BaseException | None = None) -> str:
    """Return file and line of a user's part, or of the line in the file at which an exception passed."""
    method = next((m for m in cls.kind.methods if m in vars(cls)), cls.kind.methods[0])
    return place_of(cls, method, error)


def _can_hold(annotation: Any) -> bool:
    """Return whether a scenario can hold all values of a type, and give them back when it is read again."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _can_hold(get_args(annotation)[0])
    if origin is Literal:
        return all(isinstance(value, str | int) for value in get_args(annotation))
    if origin in (Union, types.UnionType, tuple, list):
        return all(inner is Ellipsis or _can_hold(inner) for inner in get_args(annotation))
    if origin is dict:
        key, value = get_args(annotation)
        return key is str and _can_hold(value)
    return annotation in (float, int, bool, str, Path, type(None))


def _type_name(annotation: Any) -> str:
    kept = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return kept.__name__ if isinstance(kept, type) and not get_args(kept) else str(kept)


def _check_defaults(cls: type[Part], model: type[Section], place: str, called: str) -> None:
    said = {}
    for field in parameters_of(cls):
        if field.default is not dataclasses.MISSING:
            said[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            try:
                said[field.name] = field.default_factory()
            except BaseException as error:
                raise _unmade(cls, f"the default of {field.name} cannot be made", error) from error
    needed = [name for name, info in model.model_fields.items() if info.is_required()]
    try:
        # Parameters without a default are not there: that they are missed is no fault of the class.
        model.model_validate(said, strict=True)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            name = str(found["loc"][0]) if found["loc"] else ""
            if found["type"] == "missing" and name in needed:
                continue
            message = str(found["msg"])[:1].lower() + str(found["msg"])[1:]
            raise PartError(
                f"{place}{called}: the default of {name or 'a parameter'} must fit its own type and limits: {message}, got "
                f"{said.get(name)!r}"
            ) from None
    except (TypeError, ValueError) as error:
        raise PartError(f"{place}{called}: the defaults cannot be checked: {error}") from None
    if not needed:
        try:
            cls()
        except BaseException as error:
            raise _unmade(cls, "cannot be made from its defaults", error) from error


def _unmade(cls: type[Part], says: str, error: BaseException) -> PartError:
    """Return what to say of an exception in a part's own code; what is not the part's is raised again."""
    if isinstance(error, KeyboardInterrupt):
        raise error
    place = f"{place_of_class(cls, error)}: " if cls.file is not None else ""
    return PartError(f"{place}{cls.kind.name} {cls.name!r}: {says}: {said_of(error)}")


def _field_of(field: "dataclasses.Field[Any]", annotation: Any) -> tuple[Any, Any]:
    """Return a parameter as pydantic declares it: its type, and default, meaning, unit and limits."""
    kept, limits, meaning, unit = annotation, {}, "", unit_of(field.name)
    if get_origin(annotation) is Annotated:
        kept, *said = get_args(annotation)
        for item in said:
            if isinstance(item, Limit):
                limits[_BOUND[type(item)]] = item.limit
            elif isinstance(item, str):
                meaning = item
            elif isinstance(item, Unit):
                unit = item.name
    if limits and not _is_number(kept):
        raise TypeError(f"limits are for numbers, got {_type_name(kept)} for {field.name!r}")
    kept = _with_inner_limits(kept)
    if unit is None:
        unit = "1" if kept in (int, float) else "none"
    meaning = meaning or field.name.replace("_", " ")
    about: dict[str, Any] = {
        "description": f"{meaning} [{unit}]" if unit != "none" else meaning,
        "json_schema_extra": {"unit": unit}, **limits,
    }  # fmt: skip
    if field.default is not dataclasses.MISSING:
        return kept, Field(field.default, **about)
    if field.default_factory is not dataclasses.MISSING:
        return kept, Field(default_factory=field.default_factory, **about)
    return kept, Field(**about)


def _is_number(annotation: Any) -> bool:
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return all(member in (int, float, type(None)) for member in members)


def _with_inner_limits(annotation: Any) -> Any:
    """Return a type in which the limits on what it holds, such as on each number of a list, are as pydantic wants them."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = [_BOUND_INSIDE[type(item)](item.limit) for item in inner[1:] if isinstance(item, Limit)]
        if limits and not _is_number(inner[0]):
            raise TypeError(f"limits are for numbers, got {_type_name(inner[0])}")
        kept = _with_inner_limits(inner[0])
        return Annotated[kept, *limits] if limits else kept
    if origin in (Union, types.UnionType):
        return Union[tuple(map(_with_inner_limits, inner))]  # noqa: UP007  # of as many as there are
    if origin in (tuple, list, dict) and inner:
        return origin[tuple(item if item is Ellipsis else _with_inner_limits(item) for item in inner)]
    return annotation


def unit_of(name: str) -> str | None:
    """Return the unit that the end of a name gives; None where it gives none."""
    return next((unit for end, unit in _UNITS.items() if name.endswith(end)), None)


def made(cls: type[Part], model: Section) -> Part:
    """Return the part with the parameters that its model holds."""
    try:
        part = cls(**{field.name: getattr(model, field.name) for field in parameters_of(cls)})
        if cls.file is not None:
            check_attributes(part)
        return part
    except ValueError:
        # What the part says of its parameters: pydantic puts the key before it.
        raise
    except BaseException as error:
        # pydantic takes anything but a ValueError for a fault of its own.
        raise _unmade(cls, "cannot be made", error) from error


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, bool) or value is None:
        return value
    # numpy's numbers, as a default may be, are of classes derived from these; files hold the plain ones.
    return next((kind(value) for kind in (float, int, str) if isinstance(value, kind)), str(value))


def _replaced_at(data: Any, keys: Keys, choice: PartChoice) -> Any:
    if not keys:
        if isinstance(data, str):
            return {choice.word: data}
        return {choice.word: choice.default, **data} if isinstance(data, dict) else data
    if not isinstance(data, dict) or keys[0] not in data:
        return data
    return {**data, keys[0]: _replaced_at(data[keys[0]], keys[1:], choice)}
