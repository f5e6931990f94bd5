"""What a set of active claims amounts to.

Rows are never removed after a crash, so of several claims on one stream only the newest can be
alive; the others are leaked for certain. The newest may be leaked too: where a later claim of the
stream came and went, it is the newest active one again, and works on nothing. How many of them are
alive the server says elsewhere, in the dispatch state: a captured healthy report has an active
claim that gave no sign of life for minutes, and no entity that is worked on.
"""

import math
from heapq import nlargest
from typing import Final

import msgspec

from electric_agents_exporter.contract.report import MAX_ID_LENGTH, Claims
from electric_agents_exporter.contract.vocabulary import ClaimStatus


class StartedClaim(msgspec.Struct, frozen=True, gc=False):
    """A claim that was not seen before: which stream it is of, without a slash before it, and when.

    `claimed_at` is seconds since the epoch on the server's clock.
    """

    stream: str
    epoch: int
    claimed_at: float


class ActiveClaim(msgspec.Struct, frozen=True, gc=False):
    """A claim that a report names: of which entity and stream, since when, and its last heartbeat.

    Times are seconds since the epoch on the server's clock; None is what is not known.
    """

    entity: str | None
    stream: str | None
    claimed_at: float | None
    heartbeat_at: float | None


MOST_NAMED: Final = 16
"""The most claims of a runner that are kept with their names: those claimed last."""


class EndedClaim(msgspec.Struct, frozen=True, gc=False):
    """A claim that ended since the last reading; `seconds` is how long it was held, if known."""

    runner_id: str
    status: ClaimStatus
    seconds: float | None


class ClaimNews(msgspec.Struct, frozen=True):
    """What a reading of all claims told that the one before did not.

    `held` are the streams of all claims that are active now.
    """

    started: tuple[StartedClaim, ...] = ()
    ended: tuple[EndedClaim, ...] = ()
    held: frozenset[str] = frozenset()


class ClaimTally:
    """The active claims of one runner, taken in one by one in any order."""

    __slots__ = ("_newest", "_newest_sign", "count")

    def __init__(self) -> None:
        self.count = 0
        self._newest_sign: float | None = None
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
        sign = claimed_at if heartbeat_at is None else heartbeat_at
        if sign is not None and (self._newest_sign is None or sign > self._newest_sign):
            self._newest_sign = sign
        claim = (
            -math.inf if claimed_at is None else claimed_at,
            -math.inf if epoch is None else epoch,
            sign,
        )
        known = self._newest.get(stream_path)
        if known is None or claim[:2] > known[:2]:
            self._newest[stream_path] = claim

    def total(self, active_count: float | None, entities: float | None) -> Claims:
        """Give what the claims amount to.

        `active_count` is how many there are said to be, `entities` on how many entities the runner
        works, None where that is not known. So many of the newest signs of life are taken for those
        of claims that are alive: what leaked falls silent, and so is soon behind the living.
        """
        alive = self._alive(entities)
        superseded = self.count - len(self._newest)
        return Claims(active_count, superseded, alive[-1] if alive else None, self._newest_sign)

    def newest(self, entities: float | None) -> Claims:
        """Give what the claims amount to where older ones were left out, so that none is counted.

        Which sign of life is the oldest is known where the living are all among these.
        """
        alive = self._alive(entities)
        complete = entities is not None and len(alive) >= entities
        return Claims(None, None, alive[-1] if alive and complete else None, self._newest_sign)

    def named(self) -> tuple[ActiveClaim, ...]:
        """Name those claimed last, of each stream the newest; whose entity it is nothing tells."""
        newest = nlargest(MOST_NAMED, self._newest.items(), key=lambda item: item[1][0])
        return tuple(
            ActiveClaim(
                entity=None,
                stream=stream[:MAX_ID_LENGTH],
                claimed_at=claimed_at if math.isfinite(claimed_at) else None,
                heartbeat_at=sign,
            )
            for stream, (claimed_at, _, sign) in newest
        )

    def _alive(self, entities: float | None) -> list[float]:
        """Give the signs of life of the claims that can be alive, the newest first."""
        signs_of_life = sorted(
            (sign for _, _, sign in self._newest.values() if sign is not None), reverse=True
        )
        return signs_of_life if entities is None else signs_of_life[: math.ceil(entities)]
