"""exporter-toolkit's file of how to serve, with the meaning that it has for exporters in Go.

What cannot mean the same here is refused, and nothing is passed over.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BeforeValidator, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from electric_agents_exporter.settings.faults import (
    Fault,
    Place,
    SettingsFault,
    explain,
    nearest,
)
from electric_agents_exporter.settings.layers import Layer, describe, is_excused, placeholders
from electric_agents_exporter.settings.section import Section
from electric_agents_exporter.settings.server_tls import ServerTlsSettings
from electric_agents_exporter.settings.values import Number, User, parse_duration
from electric_agents_exporter.settings.web_values import BcryptHash, HeaderText
from electric_agents_exporter.settings.yaml_file import read_file

_PATHS: Final = ("cert_file", "key_file", "client_ca_file")
_HEADERS: Final = "headers"
_NO: Final[tuple[object, ...]] = (None, "", {}, [])
_NO_INTERVAL: Final[tuple[object, ...]] = (0, "0", "0s")
_ONE_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-Content-Type-Options": ("nosniff",),
}

Header = Literal[
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
    "Content-Security-Policy",
]


def _interval(value: object) -> float:
    # Whatever stands there may be no member of a set; and False equals 0.
    is_none = value in _NO_INTERVAL and value is not False
    return 0.0 if is_none else parse_duration(value)


class HttpServerConfig(Section):
    """How HTTP is spoken."""

    http2: bool = False
    headers: dict[Header, HeaderText] = Field(default_factory=dict)

    @field_validator("http2")
    @classmethod
    def _one_version(cls, value: bool) -> bool:  # noqa: FBT001  (pydantic gives it so)
        if value:
            raise ValueError("HTTP/1.1 is all that is spoken here; leave it out, or say false")
        return value

    @field_validator("headers")
    @classmethod
    def _known(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, expected in _ONE_OF.items():
            if headers.get(name, "") not in {"", *expected}:
                raise ValueError(f"expected {name} to be {' or '.join(expected)}")
        return headers


class RateLimitConfig(Section):
    """How many requests are answered: one every `interval` seconds, and `burst` at once."""

    interval: Annotated[float, BeforeValidator(_interval)] = 0.0
    burst: Number = Field(0, ge=0)

    @field_validator("burst")
    @classmethod
    def _some(cls, burst: int) -> int:
        if burst == 0:
            raise ValueError("expected at least 1, or every request would be refused")
        return burst


class WebConfig(Section):
    """Everything that the file can hold."""

    tls_server_config: ServerTlsSettings | None = None
    http_server_config: HttpServerConfig = Field(default_factory=HttpServerConfig)
    basic_auth_users: dict[User, BcryptHash] = Field(default_factory=dict)
    rate_limit: RateLimitConfig = Field(default_factory=RateLimitConfig)


_SECTIONS: Final[Mapping[str, Iterable[str]]] = {
    "tls_server_config": ServerTlsSettings.model_fields,
    "http_server_config": HttpServerConfig.model_fields,
    "rate_limit": RateLimitConfig.model_fields,
}
"""The names in each section whose names are not the operator's."""


def read_web_config(file: Path) -> WebConfig:
    """Read a file; its paths are relative to its folder.

    Raises:
        SettingsFault: something is wrong with it; it names every fault.
    """
    layer = read_file(file)
    faults = [*layer.faults, *placeholders([layer])]
    try:
        config = WebConfig.model_validate(_without_blanks(layer.content, file.parent))
    except ValidationError as error:
        faults += _explained(error, layer)
    if faults:
        raise SettingsFault(faults)
    return config


def _without_blanks(content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Leave out what is known and holds nothing, as good as unset in Go; write paths in full."""
    kept = {}
    for section, value in content.items():
        inner = _filled(value, _SECTIONS.get(section, ()))
        if section == "tls_server_config" and isinstance(inner, dict):
            inner |= {
                name: str(folder / inner[name])
                for name in _PATHS
                if isinstance(inner.get(name), str)
            }
        if section not in WebConfig.model_fields or inner not in (None, {}):
            kept[section] = inner
    return kept


def _filled(values: object, known: Iterable[str]) -> object:
    """Leave out of values by name those that are known and hold nothing."""
    if not isinstance(values, Mapping):
        return values
    filled = {
        name: _filled(value, get_args(Header)) if name == _HEADERS else value
        for name, value in values.items()
    }
    return {name: value for name, value in filled.items() if name not in known or value not in _NO}


def _explained(error: ValidationError, layer: Layer) -> Iterator[Fault]:
    for detail in error.errors(include_url=False):
        place: Place = tuple(part for part in detail["loc"] if part != "[key]")
        if not is_excused(place, [layer]):
            yield _explain(detail, place, describe(place, [layer]))


def _explain(detail: ErrorDetails, place: Place, where: str) -> Fault:
    if detail["type"] == "extra_forbidden":
        return Fault(where, "unknown setting", nearest(str(place[-1]), _names_beside(place)))
    return Fault(where, *explain(detail["type"], detail.get("ctx", {}), detail["input"]))


def _names_beside(place: Place) -> list[str]:
    """Give the names that are known in the section of a place."""
    return list(_SECTIONS[str(place[0])] if len(place) > 1 else WebConfig.model_fields)
