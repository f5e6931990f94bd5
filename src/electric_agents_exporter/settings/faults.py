"""What is wrong with settings, in words that never hold what was set: it may be a secret."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Place = tuple[str | int, ...]
"""Where a setting stands: `("targets", 0, "interval")`."""

UNKNOWN_ALERT: Final = "unknown_alert"
"""Our own kind of error, with the names that are `known`."""

UNKNOWN_FAMILY: Final = "unknown_family"
"""As `UNKNOWN_ALERT`, for families of metrics."""

_SHOWN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")
_CLOSE_ENOUGH: Final = 0.6

_NOT_A_NUMBER: Final = "expected a whole number"
_NOT_A_BOOL: Final = "expected true or false"
_NOT_TEXT: Final = "expected text; put quotes around it"
_NOT_A_SECTION: Final = "expected settings as `name: value`"
_PLAIN: Final[Mapping[str, str]] = {
    "int_type": _NOT_A_NUMBER,
    "int_parsing": _NOT_A_NUMBER,
    "int_parsing_size": _NOT_A_NUMBER,
    "int_from_float": _NOT_A_NUMBER,
    "finite_number": "expected a shorter duration",
    "bool_type": _NOT_A_BOOL,
    "bool_parsing": _NOT_A_BOOL,
    "string_type": _NOT_TEXT,
    "string_unicode": "expected text without halves of characters",
    "string_too_short": "expected text that is not empty",
    "string_too_long": "expected at most {max_length} characters",
    "path_type": "expected the path of a file",
    "list_type": "expected a list, such as [a, b]",
    "too_short": "expected at least one",
    "dict_type": _NOT_A_SECTION,
    "model_type": _NOT_A_SECTION,
    "missing": "is missing",
    "greater_than": "expected more than {gt:g}",
    "greater_than_equal": "expected at least {ge}",
    "less_than_equal": "expected at most {le}",
    "literal_error": "expected {expected}",
    UNKNOWN_ALERT: "no alert is called so",
    UNKNOWN_FAMILY: "no family is called so",
}
"""pydantic's kinds of error, in an operator's words."""

_NO_TEXT: Final[Mapping[type, str]] = {
    dict: "expected text; put quotes around text that holds a colon and a space",
    list: "expected text, not a list",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where it stands, what was expected, what was likely meant."""

    place: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        hint = f" (did you mean {self.suggestion!r}?)" if self.suggestion else ""
        return f"{self.place}: {self.message}{hint}"


class SettingsFault(Exception):  # noqa: N818  (it carries faults, and is one)
    """The settings cannot be used; `faults` are all that is wrong with them."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


def explain(kind: str, context: Mapping[str, Any], value: object) -> tuple[str, str]:
    """Put an error of pydantic in plain words.

    Args:
        kind: pydantic's name for the kind of error.
        context: what pydantic tells with it.
        value: what was set; it chooses the words, and is never repeated.

    Returns:
        What was expected, and the nearest right spelling or nothing.
    """
    if kind == "value_error":
        return str(context["error"]), ""
    # A kind without words here is one that no setting of ours has; a test sees to that.
    message = _PLAIN.get(kind, "is not as expected").format_map(context)
    if kind == "literal_error":
        return message, nearest(str(value), re.findall(r"'([^']*)'", context["expected"]))
    if kind in {UNKNOWN_ALERT, UNKNOWN_FAMILY}:
        return message, nearest(str(value), context["known"])
    if value is None:
        return "has no value", ""
    if kind == "string_type":
        message = _NO_TEXT.get(type(value), message)
    return message, ""


def nearest(name: str, known: Sequence[str]) -> str:
    """Find the known name that is most like a given one; empty if none is."""
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=_CLOSE_ENOUGH)), "")


def spell(place: Place) -> str:
    """Write a place as people do: `targets[0].interval`.

    A name that does not look like one is left out: it may be a secret in the wrong place.
    """
    spelled = ""
    for part in place:
        if isinstance(part, int):
            spelled += f"[{part}]"
        else:
            spelled += f".{part}" if _SHOWN.fullmatch(part) else ".(hidden)"
    return spelled.removeprefix(".")
