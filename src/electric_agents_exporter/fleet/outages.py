"""When a server could record nobody: silence in such a time says nothing of anybody."""

import math
from collections import deque
from typing import Final

from electric_agents_exporter.conditions import Gap

_REMEMBERED: Final = 16


class Outages:
    """The last outages of one server, on our own clock.

    Invariant: they do not overlap, and only the last one may be open. A server that answers again
    has not heard everybody yet, so an outage lasts `recovery` seconds longer than it was seen.
    """

    def __init__(self) -> None:
        self._outages: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)
        self._open_since: float | None = None
        self._well_at = -math.inf

    @property
    def any(self) -> bool:
        """Whether there was any outage that is remembered."""
        return bool(self._outages) or self._open_since is not None

    def failed(self) -> None:
        """Note that the server was found not to serve: perhaps since it last was found to."""
        if self._open_since is None:
            self._open_since = self._well_at

    def served(self, monotonic: float, recovery: float) -> None:
        """Note that the server was found to serve."""
        self._well_at = monotonic
        if self._open_since is None:
            return
        began, self._open_since = self._open_since, None
        if self._outages and self._outages[-1][1] >= began:
            began = self._outages.pop()[0]
        self._outages.append((began, monotonic + recovery))

    def gaps(self, monotonic: float, recovery: float) -> tuple[Gap, ...]:
        """Give them as they look at a moment; one that is open lasts for a while yet."""
        outages = list(self._outages)
        if self._open_since is not None:
            began = self._open_since
            if outages and outages[-1][1] >= began:
                began = outages.pop()[0]
            outages.append((began, monotonic + recovery))
        return tuple(Gap(monotonic - began, monotonic - ended) for began, ended in outages)
