"""The templates of definitions: Jinja2, with what Prometheus's templates have, and nothing else.

What comes from outside is only ever a value of a template, and never one itself.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec
from jinja2 import StrictUndefined, Template, TemplateError, Undefined
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from electric_agents_exporter.alerting import go_text
from electric_agents_exporter.fleet.selection import Pattern

_NAMES: Final = frozenset({"labels", "value", "facts"})
"""What a template is rendered with."""

_RENDERING_FAILS: Final = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


class Sample(msgspec.Struct, frozen=True, gc=False):
    """A sample as a template gets it."""

    labels: Mapping[str, str]
    value: float


class Labels(dict[str, str]):
    """Labels of which a missing one is empty, as in Go."""

    def __missing__(self, name: str) -> str:
        return ""


class BadTemplateError(ValueError):
    """A text is no template, or uses what templates do not have."""


class Text:
    """A template, compiled. Most have nothing to fill in, and cost nothing."""

    def __init__(self, source: str) -> None:
        """Compile it.

        Raises:
            BadTemplateError: it is none.
        """
        self._source = source
        self._template = _compiled(source) if "{" in source else None

    def render(self, labels: Labels, value: float, facts: object) -> str:
        """Fill it in. Where that fails, the text says so, as Prometheus's does."""
        if self._template is None:
            return self._source
        try:
            # Prometheus knows no whole numbers: a count is written as any other number.
            return self._template.render(labels=labels, value=float(value), facts=facts)
        except _RENDERING_FAILS as error:
            return f"<error expanding template: {error}>"


@lru_cache(maxsize=1024)
def _compiled(source: str) -> Template:
    """Compile a template once: it is checked and then used, and many alerts share theirs."""
    try:
        unknown = find_undeclared_variables(_ENVIRONMENT.parse(source)) - _NAMES
        template = _ENVIRONMENT.from_string(source)
    except TemplateError as error:
        raise BadTemplateError(error.message) from None
    except (RecursionError, SyntaxError) as error:
        raise BadTemplateError(f"it is nested too deeply: {error}") from None
    if unknown:
        raise BadTemplateError(f"there is no {min(unknown)!r}")
    return template


_Samples: TypeAlias = Iterable[Sample]


def _written(value: object) -> object:
    """Give what stands for a value in a text."""
    if isinstance(value, str | Undefined):
        return value
    if isinstance(value, float):
        return go_text.plain(value)
    raise TypeError(f"a {type(value).__name__} is no text")


def _first(samples: _Samples) -> Sample:
    for sample in samples:
        return sample
    raise LookupError("first() called on vector with no elements")


def _label(sample: Sample, name: str) -> str:
    return sample.labels.get(name, "")


def _sorted_by_label(samples: _Samples, name: str) -> list[Sample]:
    return sorted(samples, key=lambda sample: _label(sample, name))


def _matches(text: str, pattern: str) -> bool:
    return Pattern(pattern).occurs_in(text)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        finalize=_written,
        keep_trailing_newline=True,
        autoescape=False,  # what it makes is no page, but text for Alertmanager
    )
    filters: dict[str, Any] = {
        "first": _first,
        "value": lambda sample: sample.value,
        "label": _label,
        "sort_by_label": _sorted_by_label,
        "length": len,
        "match": _matches,
        "fixed": go_text.fixed,
        "humanize_duration": go_text.humanize_duration,
        "humanize_percentage": go_text.humanize_percentage,
        "urlquery": go_text.urlquery,
    }
    environment.filters = filters
    environment.globals = {}
    return environment


_ENVIRONMENT: Final = _environment()
