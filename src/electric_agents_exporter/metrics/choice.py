"""Which families are shown, by their names."""

from collections.abc import Iterable
from dataclasses import dataclass

from electric_agents_exporter.fleet.selection import Pattern


@dataclass(frozen=True, slots=True)
class Choice:
    """The families that some pattern allows, if any are set, and none denies.

    A pattern matches the whole name; a name is a pattern of itself alone.
    """

    allow: tuple[Pattern, ...] | None = None
    deny: tuple[Pattern, ...] = ()

    def shows(self, name: str) -> bool:
        """Tell whether a family is shown."""
        allowed = self.allow is None or _any(self.allow, name)
        return allowed and not _any(self.deny, name)


def _any(patterns: Iterable[Pattern], name: str) -> bool:
    return any(pattern.matches(name) for pattern in patterns)
