"""Moments and durations as people read them."""

from datetime import UTC, datetime
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


def spell_duration(seconds: float) -> str:
    """Say how long something takes or took, in one unit or two: `4 min`, `1 h 20 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    whole = round(seconds)
    if whole < 2 * _MINUTE:
        return f"{whole} s"
    if whole < 2 * _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < 2 * _DAY:
        hours, rest = divmod(whole, _HOUR)
        minutes = rest // _MINUTE
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{whole // _DAY} days"


def spell_age(seconds: float) -> str:
    """Say how long ago something was; what lies ahead is now."""
    return f"{spell_duration(max(1.0, seconds))} ago" if seconds >= 1 else "now"


def spell_moment(at: float) -> str:
    """Write a moment, seconds since the epoch, as RFC 3339 in UTC; empty for one beyond dates."""
    try:
        written = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return ""
    return written.replace("+00:00", "Z")


def clock_time(at: float) -> str:
    """Write the time of day of a moment, in UTC."""
    return spell_moment(at)[11:19]


def plural(count: int, one: str, many: str = "") -> str:
    """Say how many there are of something: `1 runner`, `2 runners`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
