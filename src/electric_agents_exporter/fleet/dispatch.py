"""From wakes to the claims that answered them: how long that took, and which stand unanswered.

A wake is answered by the claim of its stream whose epoch is the wake's generation. Both begin anew
with the server, so a claim answers only what was written before it. A wake that was heard and not
answered is never repeated: its entity stands still until a later claim takes it up.

Source: `consumer_claims` beside the wake streams, agents-server 0.6.4 (84 of 84 joined).
"""

from collections.abc import Collection, Iterable, Mapping
from operator import attrgetter
from typing import Final

from electric_agents_exporter.contract.claims import StartedClaim
from electric_agents_exporter.contract.vocabulary import RunnerKind
from electric_agents_exporter.contract.wakes import Wake, WakeReading
from electric_agents_exporter.fleet.histogram import Observations
from electric_agents_exporter.fleet.snapshot import Histogram

_BOUNDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
_MOST_PENDING: Final = 256
_STREAMS_REMEMBERED: Final = 20_000
_CLAIMS_OF_A_STREAM: Final = 8


class _Pending:
    """A wake that no claim is known to have answered.

    `heard_at` is our clock when its runner was first seen to have heard it; `awake` says that its
    entity was asked for since, and can work.
    """

    __slots__ = ("awake", "heard_at", "kind", "wake")

    def __init__(self, wake: Wake, kind: RunnerKind) -> None:
        self.wake = wake
        self.kind = kind
        self.heard_at: float | None = None
        self.awake = False


class DispatchTracker:
    """The wakes and claims of one target.

    Invariant: a wake is pending until its runner's stream is read after a claim that took it up,
    its entity is found at rest, or its runner is gone; its time is observed once at most. Claims
    wait for that reading: one that is read before its own wake is not an older wake's.
    """

    def __init__(self) -> None:
        self._seconds = {kind: Observations(_BOUNDS) for kind in RunnerKind}
        self._pending: dict[str, list[_Pending]] = {}
        self._unmatched: dict[str, list[StartedClaim]] = {}
        self._newest: dict[str, float] = {}  # of the same streams
        self._held: Collection[str] = frozenset()

    def claims(self, started: Iterable[StartedClaim], held: Collection[str]) -> None:
        """Take in claims that were not seen before, and the streams that are claimed now."""
        self._held = held
        for claim in started:
            self._remember(claim)

    def wakes(
        self,
        runner_id: str,
        kind: RunnerKind,
        reading: WakeReading,
        monotonic: float,
        asked: Collection[str],
    ) -> None:
        """Take in a reading of a runner's stream; the entities of `asked` were asked for."""
        pending = [*self._pending.get(runner_id, ()), *(_Pending(w, kind) for w in reading.news)]
        unheard = set(reading.wakes)
        for one in pending:
            if one.heard_at is None and reading.whole and one.wake not in unheard:
                one.heard_at = monotonic
            if one.wake.stream in asked:
                one.awake = True
        # Of two wakes that one claim could answer, the newer one is meant.
        left = [
            one
            for one in reversed(pending)
            if not self._answer(one) and one.wake.stream not in reading.at_rest
        ]
        self._pending.pop(runner_id, None)
        if left:
            self._pending[runner_id] = left[:_MOST_PENDING][::-1]

    def overdue(self, runner_id: str, monotonic: float, patience: float) -> tuple[str, ...]:
        """Give the streams of wakes heard so long ago that nobody works on, the oldest first."""
        overdue = self._overdue(runner_id, monotonic, patience)
        return tuple(dict.fromkeys(one.wake.stream for one in overdue))

    def refuses(self, runner_id: str, monotonic: float, patience: float) -> bool:
        """Tell whether a wake that a runner heard so long ago stands without an answer."""
        return any(one.awake for one in self._overdue(runner_id, monotonic, patience))

    def forget(self, runners: Collection[str]) -> None:
        """Forget what is pending of runners other than these."""
        for runner_id in self._pending.keys() - runners:
            del self._pending[runner_id]

    def snapshot(self) -> Mapping[RunnerKind, Histogram]:
        """Give how long it took from wakes to their claims."""
        return {kind: seen.snapshot() for kind, seen in self._seconds.items()}

    def _overdue(self, runner_id: str, monotonic: float, patience: float) -> list[_Pending]:
        return [
            one
            for one in self._pending.get(runner_id, ())
            if one.heard_at is not None
            and monotonic - one.heard_at > patience
            and one.wake.stream not in self._held
            and not self._answered(one.wake)
        ]

    def _answered(self, wake: Wake) -> bool:
        """Tell whether a claim took a wake up, be it its own or a later one."""
        newest = self._newest.get(wake.stream)
        return newest is not None and (wake.at is None or newest >= wake.at)

    def _answer(self, one: _Pending) -> bool:
        """Tell whether a wake was taken up, and observe how long its own claim took to come."""
        wake = one.wake
        if not self._answered(wake):
            return False
        if wake.at is not None:
            for claim in self._unmatched[wake.stream]:
                if claim.epoch == wake.generation and claim.claimed_at >= wake.at:
                    self._seconds[one.kind].observe(claim.claimed_at - wake.at)
                    self._unmatched[wake.stream].remove(claim)
                    break
        return True

    def _remember(self, claim: StartedClaim) -> None:
        """Remember a claim for a wake that is read later; of a stream, some of the newest."""
        newest = self._newest.pop(claim.stream, claim.claimed_at)
        # Put last, so that what goes first is the stream that was claimed longest ago.
        self._newest[claim.stream] = max(newest, claim.claimed_at)
        unmatched = self._unmatched.setdefault(claim.stream, [])
        unmatched.append(claim)
        unmatched.sort(key=attrgetter("claimed_at"))
        del unmatched[:-_CLAIMS_OF_A_STREAM]
        while len(self._newest) > _STREAMS_REMEMBERED:
            oldest = next(iter(self._newest))
            del self._newest[oldest]
            del self._unmatched[oldest]
