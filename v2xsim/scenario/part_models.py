"""One pydantic model for each registered part, which checks types and limits of its parameters and refuses unknown keys.

The parts themselves do not import pydantic, so that they load on a machine without it.
"""

import dataclasses
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types
from pydantic import ConfigDict, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import Field
from pydantic_core import SchemaError

from v2xsim.part_attributes import check_attributes
from v2xsim.parts import Above, AtLeast, AtMost, Auto, Below, Limit, Part, PartError, Unit, parameters_of
from v2xsim.plugins import place_of, said_of
from v2xsim.scenario.fields import Section, as_automatic

_BOUND = {AtLeast: "ge", Above: "gt", AtMost: "le", Below: "lt"}
_BOUND_INSIDE = {
    AtLeast: annotated_types.Ge,
    Above: annotated_types.Gt,
    AtMost: annotated_types.Le,
    Below: annotated_types.Lt,
}
# Unit for each ending of a parameter's name; the longest ending that matches is used.
_UNITS = {
    "_per_km": "1/km", "_per_hour": "1/h", "_bytes": "B", "_mps": "m/s", "_kmh": "km/h", "_ghz": "GHz", "_mhz": "MHz",
    "_dbm": "dBm", "_dbi": "dBi", "_deg": "deg", "_rad": "rad", "_hz": "Hz", "_db": "dB", "_ms": "ms", "_us": "us",
    "_s": "s", "_m": "m",
}  # fmt: skip


class _Parameters(Section):
    """Base class of the pydantic models of parts."""

    model_config = ConfigDict(defer_build=True)


_models: dict[type[Part], type[Section]] = {}


def model_of(cls: type[Part]) -> type[Section]:
    """Return the pydantic model that checks the parameters of a part.

    Raises:
        PartError: If the type of a parameter cannot be checked, or a default breaks the parameter's own limits.
    """
    if cls in _models and cls.name == _models[cls].model_fields[cls.kind.word].default:
        return _models[cls]
    word, called = cls.kind.word, f"{cls.kind.name} {cls.name!r}"
    prefix = f"{place_of_class(cls)}: " if cls.file is not None else ""
    fields: dict[str, Any] = {
        word: (
            Literal[cls.name],
            Field(cls.name, description=f"Name of the {cls.kind.name}", json_schema_extra={"unit": "none"}),
        )
    }
    try:
        hints = get_type_hints(cls, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise PartError(f"{prefix}{called}: the type of a parameter cannot be read: {error}") from None
    for field in parameters_of(cls):
        if hasattr(Section, field.name):
            raise PartError(f"{prefix}{called} must give its parameter {field.name!r} another name: this one is taken")
        if not _can_hold(hints[field.name]):
            raise PartError(
                f"{prefix}{called}: the parameter {field.name!r} must be of a type that a scenario can hold (float, int, bool, str, "
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
            f"{prefix}{called}: a parameter has a type or a limit that a scenario cannot hold: {first}"
        ) from None
    _check_defaults(cls, model, prefix, called)
    _models[cls] = model
    return model


def place_of_class(cls: type[Part], error: BaseException | None = None) -> str:
    """Return file and line of a user's part, or the line of that file at which an exception passed."""
    method = next((m for m in cls.kind.methods if m in vars(cls)), cls.kind.methods[0])
    return place_of(cls, method, error)


def _can_hold(annotation: Any) -> bool:
    """Return whether YAML can store all values of a type so that they are read back unchanged."""
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


def _check_defaults(cls: type[Part], model: type[Section], prefix: str, called: str) -> None:
    defaults = {}
    for field in parameters_of(cls):
        if field.default is not dataclasses.MISSING:
            defaults[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            try:
                defaults[field.name] = field.default_factory()
            except BaseException as error:
                raise _unmade(cls, f"the default of {field.name} cannot be made", error) from error
    needed = [name for name, info in model.model_fields.items() if info.is_required()]
    try:
        # Parameters without a default are missing here, which is no error of the class.
        model.model_validate(defaults, strict=True)
    except ValidationError as error:
        for one_error in error.errors(include_url=False):
            name = str(one_error["loc"][0]) if one_error["loc"] else ""
            if one_error["type"] == "missing" and name in needed:
                continue
            message = str(one_error["msg"])[:1].lower() + str(one_error["msg"])[1:]
            raise PartError(
                f"{prefix}{called}: the default of {name or 'a parameter'} must fit its own type and limits: {message}, got "
                f"{defaults.get(name)!r}"
            ) from None
    except (TypeError, ValueError) as error:
        raise PartError(f"{prefix}{called}: the defaults cannot be checked: {error}") from None
    if not needed:
        try:
            cls()
        except BaseException as error:
            raise _unmade(cls, "cannot be made from its defaults", error) from error


def _unmade(cls: type[Part], says: str, error: BaseException) -> PartError:
    """Return a PartError for an exception in a part's own code; raise an exception from other code again."""
    if isinstance(error, KeyboardInterrupt):
        raise error
    prefix = f"{place_of_class(cls, error)}: " if cls.file is not None else ""
    return PartError(f"{prefix}{cls.kind.name} {cls.name!r}: {says}: {said_of(error)}")


def _field_of(field: "dataclasses.Field[Any]", annotation: Any) -> tuple[Any, Any]:
    """Return the declaration of a parameter for pydantic: its type, and a field with default, meaning, unit and limits."""
    kept, limits, meaning, unit = annotation, {}, "", unit_of(field.name)
    rule: str | None = None
    if get_origin(annotation) is Annotated:
        kept, *metadata = get_args(annotation)
        for item in metadata:
            if isinstance(item, Limit):
                limits[_BOUND[type(item)]] = item.limit
            elif isinstance(item, str):
                meaning = item
            elif isinstance(item, Unit):
                unit = item.name
            elif isinstance(item, Auto):
                rule = item.rule
    if limits and not _is_number(kept):
        raise TypeError(f"limits are for numbers, got {_type_name(kept)} for {field.name!r}")
    kept = _with_inner_limits(kept)
    if unit is None:
        unit = "1" if _is_number(kept) else "none"
    meaning = meaning or field.name.replace("_", " ")
    about: dict[str, Any] = {
        "description": f"{meaning} [{unit}]" if unit != "none" else meaning,
        "json_schema_extra": {"unit": unit}, **limits,
    }  # fmt: skip
    if field.default is not dataclasses.MISSING:
        about["default"] = field.default
    elif field.default_factory is not dataclasses.MISSING:
        about["default_factory"] = field.default_factory
    info = Field(**about)
    return kept, info if rule is None else as_automatic(info, rule)


def _is_number(annotation: Any) -> bool:
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return all(member in (int, float, type(None)) for member in members)


def _with_inner_limits(annotation: Any) -> Any:
    """Return a type in which limits on inner values, such as on each number of a list, are in pydantic's form."""
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
    """Return the unit that the ending of a parameter's name gives, or None if it gives none."""
    return next((unit for end, unit in _UNITS.items() if name.endswith(end)), None)


def made(cls: type[Part], model: Section) -> Part:
    """Return the part with the parameters that its pydantic model holds."""
    try:
        part = cls(**{field.name: getattr(model, field.name) for field in parameters_of(cls)})
        if cls.file is not None:
            check_attributes(part)
        return part
    except ValueError:
        # The exception has the part's own message about its parameters; pydantic puts the key before it.
        raise
    except BaseException as error:
        # An exception of any other type would look to the user like a fault of pydantic.
        raise _unmade(cls, "cannot be made", error) from error
