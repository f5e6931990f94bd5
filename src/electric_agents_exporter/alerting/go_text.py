"""Values as Go and Prometheus write them in a template, so that an alert has one text from both."""

import math
from typing import Final
from urllib.parse import quote_plus

_LEAST_EXPONENT: Final = -4
_LARGEST_EXPONENT: Final = 5
_MINUTE: Final = 60
_PREFIXES: Final = ("m", "u", "n", "p", "f", "a", "z", "y")


def plain(value: float) -> str:
    """Write a number as `{{ $value }}` does: as few digits as it is exact with."""
    if not math.isfinite(value):
        return _not_finite(value)
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    digits, point = _digits(abs(value))
    if not _LEAST_EXPONENT <= point - 1 <= _LARGEST_EXPONENT:
        mantissa = f"{digits[0]}.{digits[1:]}" if digits[1:] else digits
        return f"{sign}{mantissa}e{point - 1:+03d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return f"{sign}{digits.ljust(point, '0')}"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def fixed(value: float, digits: int) -> str:
    """Write a number with so many digits behind the point, as `printf "%.0f"`."""
    return f"{value:.{digits}f}" if math.isfinite(value) else _not_finite(value)


def humanize_percentage(value: float) -> str:
    """Write a share in per cent, with four digits."""
    return f"{_short(value * 100)}%"


def humanize_duration(value: float) -> str:
    """Write seconds in the units that people use."""
    if not math.isfinite(value):
        return _not_finite(value)
    size = abs(value)
    if size == 0:
        return f"{_short(value)}s"
    if size < 1:
        return _below_a_second(value)
    sign = "-" if value < 0 else ""
    if size < _MINUTE:
        return f"{sign}{_short(size)}s"
    minutes, seconds = divmod(int(size), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    while not parts[0][0]:
        del parts[0]
    return sign + " ".join(f"{number}{unit}" for number, unit in parts)


def urlquery(text: str) -> str:
    """Write text so that it may stand in a URL's query."""
    return quote_plus(text, errors="replace")


def _digits(size: float) -> tuple[str, int]:
    """Give the digits of a number without zeros around them, and where its point is."""
    mantissa, _, exponent = f"{size!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = f"{whole}{fraction}".lstrip("0")
    point = len(digits) - len(fraction) + int(exponent or 0)
    digits = digits.rstrip("0")
    return (digits, point) if digits else ("0", 1)


def _below_a_second(value: float) -> str:
    prefix = ""
    for smaller in _PREFIXES:
        if abs(value) >= 1:
            break
        prefix = smaller
        value *= 1000
    return f"{_short(value)}{prefix}s"


def _short(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else _not_finite(value)


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"
