"""The names that the settings know, read from the model."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from electric_agents_exporter.settings.model import NOT_YET, Settings

Names = tuple[str, ...]
"""A place without the positions in lists: `("targets", "interval")`."""


def fields() -> Iterator[tuple[Names, FieldInfo]]:
    """Give every setting in the model's order; a section comes before what stands in it."""
    yield from _fields(Settings, ())


def names_in(section: Names) -> list[str]:
    """Give the names that may stand in a section; none if it is no section."""
    model = model_at(section)
    return list(model.model_fields) if model else []


def field_at(names: Names) -> FieldInfo | None:
    """Find a setting; None if there is none."""
    model = model_at(names[:-1])
    return model.model_fields.get(names[-1]) if model and names else None


def model_at(section: Names) -> type[BaseModel] | None:
    """Find a section; None if there is none."""
    model: type[BaseModel] | None = Settings
    for name in section:
        field = model.model_fields.get(name) if model else None
        model = _model_in(field.annotation) if field else None
    return model


def instead_of(names: Names) -> str | None:
    """Tell what to do until a planned setting is supported; None if it is not planned."""
    parts = (names[:length] for length in range(1, len(names) + 1))
    return next((NOT_YET[part] for part in parts if part in NOT_YET), None)


def is_map(field: FieldInfo) -> bool:
    """Tell whether a setting holds names that the operator chooses."""
    return dict in _origins(field.annotation)


def is_structured(field: FieldInfo) -> bool:
    """Tell whether a setting is a list, a map or a section, and no single value."""
    return bool({dict, list} & _origins(field.annotation)) or bool(_model_in(field.annotation))


def _fields(model: type[BaseModel], above: Names) -> Iterator[tuple[Names, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield (*above, name), field
        section = _model_in(field.annotation)
        if section:
            yield from _fields(section, (*above, name))


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)


def _origins(annotation: object) -> set[object]:
    """Give what an annotation is made of on its outside, through `Annotated` and `| None`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _origins(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        return {found for arg in get_args(annotation) for found in _origins(arg)}
    return {origin}
