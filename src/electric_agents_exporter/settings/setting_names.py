"""The names that the settings know, read from the model."""

from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from electric_agents_exporter.settings.model import Settings

Names = tuple[str, ...]
"""A place without the positions in lists: `("targets", "interval")`."""


def fields() -> Iterator[tuple[Names, FieldInfo]]:
    """Give every setting in the model's order; a section comes before what stands in it."""
    yield from _fields([Settings], ())


def names_in(section: Names) -> list[str]:
    """Give the names that may stand in a section; none if it is no section."""
    return list(_fields_at(section))


def field_at(names: Names) -> FieldInfo | None:
    """Find a setting; None if there is none."""
    return _fields_at(names[:-1]).get(names[-1]) if names else None


def is_map(field: FieldInfo) -> bool:
    """Tell whether a setting holds names that the operator chooses."""
    return dict in _origins(field.annotation)


def has_names(field: FieldInfo, kind: object) -> bool:
    """Tell whether the names in a map are of a kind, as `LabelName`."""
    return get_args(field.annotation)[:1] == (kind,)


def is_structured(field: FieldInfo) -> bool:
    """Tell whether a setting is a list, a map or a section, and no single value."""
    return bool({dict, list} & _origins(field.annotation)) or bool(_models_in(field.annotation))


def _fields(models: Sequence[type[BaseModel]], above: Names) -> Iterator[tuple[Names, FieldInfo]]:
    for name, field in _fields_of(models).items():
        yield (*above, name), field
        yield from _fields(_models_in(field.annotation), (*above, name))


def _fields_at(section: Names) -> Mapping[str, FieldInfo]:
    models: Sequence[type[BaseModel]] = [Settings]
    for name in section:
        field = _fields_of(models).get(name)
        models = _models_in(field.annotation) if field else ()
    return _fields_of(models)


def _fields_of(models: Sequence[type[BaseModel]]) -> Mapping[str, FieldInfo]:
    """Give what may stand in a section that is of one of these models."""
    fields: dict[str, FieldInfo] = {}
    # The model with the most fields tells their order best.
    for model in sorted(models, key=lambda model: -len(model.model_fields)):
        fields = {**fields, **{n: f for n, f in model.model_fields.items() if n not in fields}}
    return fields


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for arg in get_args(annotation) for model in _models_in(arg)]


def _origins(annotation: object) -> set[object]:
    """Give what an annotation is made of on its outside, through `Annotated` and `| None`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _origins(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        return {found for arg in get_args(annotation) for found in _origins(arg)}
    return {origin}
