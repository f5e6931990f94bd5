"""What a set of active claims amounts to.

Rows are never removed after a crash, so of several claims on one stream only the newest can be
alive; the others are leaked for certain.
"""

import math

from electric_agents_exporter.contract.report import Claims


class ClaimTally:
    """The active claims of one runner, taken in one by one in any order."""

    __slots__ = ("_newest", "count")

    def __init__(self) -> None:
        self.count = 0
        self._newest: dict[str, tuple[float, float, float | None]] = {}

    def add(
        self,
        stream_path: str,
        claimed_at: float | None,
        epoch: float | None,
        heartbeat_at: float | None,
    ) -> None:
        """Take in a claim; times are seconds since the epoch on the server's clock."""
        self.count += 1
        claim = (
            -math.inf if claimed_at is None else claimed_at,
            -math.inf if epoch is None else epoch,
            claimed_at if heartbeat_at is None else heartbeat_at,
        )
        known = self._newest.get(stream_path)
        if known is None or claim[:2] > known[:2]:
            self._newest[stream_path] = claim

    def total(self, active_count: float | None) -> Claims:
        """Give what the claims amount to, beside how many there are said to be."""
        signs_of_life = [sign for _, _, sign in self._newest.values() if sign is not None]
        oldest = min(signs_of_life, default=None)
        return Claims(active_count, self.count - len(self._newest), oldest)
