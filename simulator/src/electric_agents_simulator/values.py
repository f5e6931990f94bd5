"""What travels between servers and runners: JSON objects, and moments as text."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

Json = dict[str, Any]
"""A JSON object as it came or will go."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def from_seconds(seconds: float) -> datetime:
    """Give the moment, cut to the millisecond as JavaScript's dates are."""
    # A float of seconds is a hair off its millisecond; less than a microsecond is no time.
    return from_milliseconds(seconds * 1000 + 1e-3)


def from_milliseconds(milliseconds: float) -> datetime:
    """Give the moment so many milliseconds after the epoch, cut to whole ones.

    Raises:
        OverflowError: beyond the year 9999 (the server's own limit is the year 275760).
    """
    return EPOCH + timedelta(milliseconds=int(milliseconds))


def to_milliseconds(moment: datetime) -> int:
    """Give whole milliseconds since the epoch."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def to_text(moment: datetime) -> str:
    """Write it as the server does: ISO 8601 with milliseconds and Z, the year with four digits."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def from_text(text: str) -> datetime:
    """Read what `to_text` wrote.

    Raises:
        ValueError: it is no such text.
    """
    return datetime.fromisoformat(text).astimezone(UTC)
