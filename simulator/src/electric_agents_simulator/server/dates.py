"""Dates as JavaScript reads them (`new Date(text)` of V8, in UTC): ISO 8601, and much else.

A text is read as ISO 8601 as far as it can be, and from there token by token: numbers are of a day,
or of a time where a colon says so; words are months, time zones, or nothing. A day too many of a
month rolls over into the next.
"""

import re
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import Final

_ISO_DATE: Final = re.compile(
    r"([+-]\d{6}|\d{4})(?!\d)(?:-(?:(0[1-9]|1[0-2])(?!\d)(?:-(?:(0[1-9]|[12]\d|3[01])(?!\d))?)?)?)?",
    re.ASCII,
)
_ISO_TIME: Final = re.compile(
    r"T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|([+-])(\d\d):?(\d\d))?", re.ASCII | re.IGNORECASE
)
_TOKEN: Final = re.compile(
    r"(?P<number>\d+)|(?P<word>[A-Za-z]+)|(?P<space>\s+)|(?P<symbol>.)", re.ASCII | re.DOTALL
)
_MOST_DIGITS: Final = 9
_MONTHS: Final = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)
_ZONES: Final = {"ut": 0, "utc": 0, "z": 0, "gmt": 0} | {
    f"{zone}{kind}": hours + (kind == "dt")
    for zone, hours in {"e": -5, "c": -6, "m": -7, "p": -8}.items()
    for kind in ("st", "dt")
}
_HALVES_OF_THE_DAY: Final = {"am": 0, "pm": 12}
_TIME_LIMITS: Final = (24, 59, 59, 999)
_NOON: Final = 12
_CENTURY_BEGINS: Final = 50
_LAST_DAY: Final = 31


def parse_date(text: str) -> datetime:
    """Read a date.

    Raises:
        ValueError: JavaScript takes it for no date.
        OverflowError: it is before the year 1 or after 9999.
    """
    match = _ISO_DATE.match(text)
    if match is None:
        return _Tokens([], text).read()
    day = [int(part) for part in match.groups() if part is not None]
    rest = text[match.end() :]
    if not match[0].endswith("-"):
        if not rest:
            return _moment(*day, *[1] * (3 - len(day)))
        if re.match(r"T(?![A-Za-z])", rest, re.IGNORECASE):
            return _moment(*day, *[1] * (3 - len(day))) + _iso_time(rest)
    return _Tokens(day, rest).read()


def _iso_time(text: str) -> timedelta:
    match = _ISO_TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no time")
    hour, minute, second, fraction, _, sign, zone_hours, zone_minutes = match.groups()
    east = _time_of_day([int(zone_hours or 0), int(zone_minutes or 0), 0, 0])
    time = [int(hour), int(minute), int(second or 0), _milliseconds(fraction or "0")]
    return _time_of_day(time) - (-east if sign == "-" else east)


def _milliseconds(fraction: str) -> int:
    return int(fraction[:3].ljust(3, "0"))


def _time_of_day(time: list[int]) -> timedelta:
    hour, minute, second, millisecond = time
    in_range = all(0 <= part <= limit for part, limit in zip(time, _TIME_LIMITS, strict=True))
    if not in_range or (hour == _TIME_LIMITS[0] and any(time[1:])):
        raise ValueError("no time of a day")
    return timedelta(hours=hour, minutes=minute, seconds=second, milliseconds=millisecond)


def _moment(year: int, month: int, day: int) -> datetime:
    if not (1 <= month <= len(_MONTHS) and 1 <= day <= _LAST_DAY):
        raise ValueError("no day of a year")
    if not MINYEAR <= year <= MAXYEAR:
        raise OverflowError("a year that is not stored")
    return datetime(year, month, 1, tzinfo=UTC) + timedelta(days=day - 1)


class _Tokens:
    """Reads what is no ISO 8601 any more, from its first token to its last."""

    def __init__(self, day: list[int], text: str) -> None:
        self._tokens = [(match.lastgroup, match[0]) for match in _TOKEN.finditer(text)]
        self._next = 0
        self._day = day
        self._month: int | None = None
        self._time: list[int] = []
        self._half: int | None = None
        self._zone_sign: int | None = None
        self._zone = timedelta()
        self._zone_lacks_minutes = False
        self._has_number = bool(day)

    def read(self) -> datetime:
        while self._next < len(self._tokens):
            kind, text = self._take()
            if kind == "number":
                self._read_number(text)
            elif kind == "word":
                self._read_word(text.lower())
            elif kind == "symbol":
                self._read_symbol(text)
        return self._moment()

    def _take(self) -> tuple[str | None, str]:
        self._next += 1
        return self._tokens[self._next - 1]

    def _peek(self) -> tuple[str | None, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else (None, "")

    def _skip(self, symbol: str) -> bool:
        found = self._peek() == ("symbol", symbol)
        self._next += found
        return found

    def _read_number(self, digits: str) -> None:
        number = int(digits.lstrip("0")[:_MOST_DIGITS] or 0)
        self._has_number = True
        if self._skip(":"):
            self._begin_time(number)
        elif self._expects_time(number) and self._skip("."):
            self._end_time(number, self._take_fraction())
        elif self._zone_lacks_minutes and number <= _TIME_LIMITS[1]:
            self._zone += timedelta(minutes=number)
            self._zone_lacks_minutes = False
        elif self._expects_time(number):
            self._end_time(number)
        else:
            self._skip(".")
            self._add_day(number)
            self._skip("-")

    def _begin_time(self, number: int) -> None:
        if self._skip(":"):
            if self._time:
                raise ValueError("a time twice")
            self._time = [number, 0]
            return
        if len(self._time) == len(_TIME_LIMITS):
            raise ValueError("a time twice")
        self._time.append(number)

    def _expects_time(self, number: int) -> bool:
        begun = len(self._time)
        return 0 < begun < len(_TIME_LIMITS) and number <= _TIME_LIMITS[begun]

    def _take_fraction(self) -> int:
        kind, digits = self._peek()
        if kind != "number":
            raise ValueError("a second without its fraction")
        self._next += 1
        return _milliseconds(digits)

    def _end_time(self, number: int, milliseconds: int | None = None) -> None:
        parts = [*self._time, number] + ([] if milliseconds is None else [milliseconds])
        self._time = (parts + [0] * len(_TIME_LIMITS))[: len(_TIME_LIMITS)]
        kind, text = self._peek()
        ends = kind in {None, "space"} or text.lower() in {"z", "+", "-"}
        if milliseconds is None and not ends:
            raise ValueError("a time that does not end")

    def _add_day(self, number: int) -> None:
        if len(self._day) == len(("year", "month", "day")):
            raise ValueError("too many numbers")
        self._day.append(number)

    def _read_word(self, word: str) -> None:
        if word in _HALVES_OF_THE_DAY and self._time:
            self._half = _HALVES_OF_THE_DAY[word]
        elif word[:3] in _MONTHS:
            self._month = _MONTHS.index(word[:3]) + 1
            self._skip("-")
        elif word in _ZONES and self._has_number:
            self._zone_sign, self._zone = 1, timedelta(hours=_ZONES[word])
        elif self._has_number or self._peek()[0] == "number":
            raise ValueError(f"{word!r} says nothing of a date")

    def _read_symbol(self, symbol: str) -> None:
        is_utc = self._zone_sign is not None and not self._zone
        if symbol == "(":
            self._skip_comment()
        elif symbol in "+-" and (is_utc or self._time):
            self._read_zone(-1 if symbol == "-" else 1)
        elif symbol in "+-)" and self._has_number:
            raise ValueError(f"a {symbol!r} where none belongs")

    def _skip_comment(self) -> None:
        depth = 1
        while depth and self._next < len(self._tokens):
            depth += {"(": 1, ")": -1}.get(self._take()[1], 0)

    def _read_zone(self, sign: int) -> None:
        digits = self._take()[1] if self._peek()[0] == "number" else ""
        self._has_number = True
        number = int(digits or 0)
        if self._peek() == ("symbol", ":"):
            hours, minutes, self._zone_lacks_minutes = number, 0, True
        elif len(digits) in {1, 2}:
            hours, minutes = number, 0
        elif len(digits) in {3, 4}:
            hours, minutes = divmod(number, 100)
        else:
            raise ValueError("no time zone")
        self._zone_sign = sign
        self._zone = timedelta(hours=hours, minutes=minutes)

    def _moment(self) -> datetime:
        if not self._day:
            raise ValueError("no day")
        year, month, day = self._year_month_day()
        if year < _CENTURY_BEGINS:
            year += 2000
        elif year < 2 * _CENTURY_BEGINS:
            year += 1900
        time = self._time + [0] * (len(_TIME_LIMITS) - len(self._time))
        if self._half is not None:
            if time[0] > _NOON:
                raise ValueError("no hour of half a day")
            time[0] = time[0] % _NOON + self._half
        zone = self._zone * (self._zone_sign or 1)
        return _moment(year, month, day) + _time_of_day(time) - zone

    def _year_month_day(self) -> tuple[int, int, int]:
        first, second, third = self._day + [1] * (3 - len(self._day))
        first_is_day = 1 <= first <= _LAST_DAY
        if self._month is not None:
            day, year = (first, second) if first_is_day else (second, first)
            return (year, self._month, day)
        return (third, first, second) if first_is_day else (first, second, third)
