"""The formats of an exposition, and which of them a scraper is given."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Format(StrEnum):
    """The two formats of an exposition; the value is its content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def accepted(accept: str) -> Format:
    """Choose a format by an Accept header: OpenMetrics where it is liked at least as well."""
    best = {Format.TEXT: 0.0, Format.OPENMETRICS: 0.0}
    for clause in accept.split(","):
        media, *parameters = (part.strip().lower() for part in clause.split(";"))
        options = dict(p.split("=", 1) for p in parameters if "=" in p)
        fmt = _BY_MEDIA.get((media, options.get("version", "")))
        if fmt is not None:
            best[fmt] = max(best[fmt], _quality(options.get("q", "1")))
    liked = best[Format.OPENMETRICS] >= best[Format.TEXT] and best[Format.OPENMETRICS] > 0
    return Format.OPENMETRICS if liked else Format.TEXT


_BY_MEDIA: Final[Mapping[tuple[str, str], Format]] = {
    ("application/openmetrics-text", "1.0.0"): Format.OPENMETRICS,
    ("application/openmetrics-text", ""): Format.OPENMETRICS,
    ("text/plain", "0.0.4"): Format.TEXT,
    ("text/plain", ""): Format.TEXT,
    ("text/*", ""): Format.TEXT,
    ("*/*", ""): Format.TEXT,
}


def _quality(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0
