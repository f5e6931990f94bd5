"""Counts of observations by how large they were."""

import bisect
from itertools import accumulate

from electric_agents_exporter.fleet.snapshot import Histogram


class Observations:
    """Observations of one thing, counted by upper bound."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, amount: float) -> None:
        """Count one observation."""
        self._counts[bisect.bisect_left(self._bounds, amount)] += 1
        self._sum += amount

    def snapshot(self) -> Histogram:
        """Give the counts as a cumulative histogram."""
        counts = tuple(accumulate(self._counts))
        return Histogram((*self._bounds, float("inf")), counts, self._sum)
