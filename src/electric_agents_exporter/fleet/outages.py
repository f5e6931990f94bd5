"""When a server could record nobody: silence in such a time says nothing of anybody."""

import math
from collections import deque
from collections.abc import Sequence
from typing import Final

from electric_agents_exporter.conditions import Gap

_REMEMBERED: Final = 16
_HALF: Final = 0.5


class Outages:
    """The last outages of one server, on our own clock.

    Invariant: they do not overlap, and only the last one may be open. A server that answers again
    has not heard everybody yet, so an outage lasts `recovery` seconds longer than it was seen, and
    one that begins within that time is the same. But where half of the runners were heard in
    between, who still was not is excused by the new one alone: otherwise lists that fail now and
    then would excuse every death.
    """

    def __init__(self) -> None:
        self._outages: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)
        self._open_since: float | None = None
        self._well_at = -math.inf
        self._failed_at = -math.inf
        self._heard = False

    @property
    def any(self) -> bool:
        """Whether there was any outage that is remembered."""
        return bool(self._outages) or self._open_since is not None

    @property
    def open(self) -> bool:
        """Whether the server was last found not to serve."""
        return self._open_since is not None

    def failed(self, monotonic: float) -> None:
        """Note that the server was found not to serve: perhaps since it last was found to."""
        self._failed_at = monotonic
        if self._open_since is None:
            self._open_since = self._well_at

    def served(self, monotonic: float, recovery: float, heard: Sequence[float] = ()) -> None:
        """Note that the server was found to serve.

        `heard` is when each runner last gave a sign of life that the server recorded; it is read
        where an outage is open only.
        """
        self._well_at = monotonic
        if self._open_since is None:
            return
        self._outages = self._ended_at(monotonic + recovery)
        self._open_since = None
        self._heard = self._heard_half(recovery, heard)

    def gaps(self, monotonic: float, recovery: float) -> tuple[Gap, ...]:
        """Give them as they look at a moment; one that is open lasts for a while yet."""
        outages = self._ended_at(monotonic + recovery)
        return tuple(Gap(monotonic - began, monotonic - ended) for began, ended in outages)

    def _ended_at(self, moment: float) -> deque[tuple[float, float]]:
        """Give all outages; one that is open ends at a moment."""
        outages = self._outages.copy()
        if self._open_since is None:
            return outages
        began = self._open_since
        if outages and outages[-1][1] >= began:
            before, _ = outages.pop()
            began = began if self._heard else before
        outages.append((began, moment))
        return outages

    def _heard_half(self, recovery: float, heard: Sequence[float]) -> bool:
        """Tell whether the server heard half of those since it failed who were there lately."""
        lately = [at for at in heard if at > self._failed_at - recovery]
        since = [at for at in lately if at > self._failed_at]
        return bool(since) and len(since) >= _HALF * len(lately)
