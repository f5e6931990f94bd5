"""What was asked during one poll, for whoever wants to see it."""

from collections.abc import Mapping
from typing import Final, NamedTuple

_MOST: Final = 1000


class Asked(NamedTuple):
    """One request: our clock once it was over, seconds since the epoch, and what came of it."""

    at: float
    fields: Mapping[str, str]


class Trace:
    """The first thousand requests of a poll, and how many more there were."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.more = 0

    def note(self, at: float, fields: Mapping[str, str]) -> None:
        """Note a request; no field may hold a secret."""
        if len(self.asked) < _MOST:
            self.asked.append(Asked(at, fields))
        else:
            self.more += 1
