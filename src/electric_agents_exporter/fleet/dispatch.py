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

    Invariant: a wake is pending until a claim of its stream is seen that is not older, its entity
    is found at rest, or its runner is gone; its time is observed once at most.
    """

    def __init__(self) -> None:
        self._seconds = {kind: Observations(_BOUNDS) for kind in RunnerKind}
        self._pending: dict[str, list[_Pending]] = {}
        self._unmatched: dict[str, list[StartedClaim]] = {}
        self._newest: dict[str, float] = {}
        self._held: Collection[str] = frozenset()

    def claims(self, started: Iterable[StartedClaim], held: Collection[str]) -> None:
        """Take in claims that were not seen before, and the streams that are claimed now."""
        self._held = held
        seen = set()
        for claim in started:
            self._remember(claim)
            seen.add(claim.stream)
        if not seen:
            return
        for runner_id, pending in list(self._pending.items()):
            # Of two wakes that one claim could answer, the newer one is meant.
            left = [
                one
                for one in reversed(pending)
                if one.wake.stream not in seen or not self._answered(one)
            ]
            self._keep(runner_id, left[::-1])

    def wakes(
        self,
        runner_id: str,
        kind: RunnerKind,
        reading: WakeReading,
        monotonic: float,
        asked: Collection[str],
    ) -> None:
        """Take in a reading of a runner's stream; the entities of `asked` were asked for."""
        pending = self._pending.get(runner_id, [])
        for wake in reading.news:
            one = _Pending(wake, kind)
            if not self._answered(one):
                pending.append(one)
        unheard = set(reading.wakes)
        for one in pending:
            if one.heard_at is None and one.wake not in unheard:
                one.heard_at = monotonic
            if one.wake.stream in asked:
                one.awake = True
        left = [one for one in pending if one.wake.stream not in reading.at_rest]
        self._keep(runner_id, left[-_MOST_PENDING:])

    def overdue(self, runner_id: str, monotonic: float, patience: float) -> tuple[str, ...]:
        """Give the streams of wakes that were heard so long ago, and that nobody works on."""
        return tuple({one.wake.stream for one in self._overdue(runner_id, monotonic, patience)})

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
        ]

    def _answered(self, one: _Pending) -> bool:
        """Tell whether a claim took a wake up, and observe how long its own claim took to come."""
        wake = one.wake
        newest = self._newest.get(wake.stream)
        if newest is None or (wake.at is not None and newest < wake.at):
            return False
        if wake.at is not None:
            for claim in self._unmatched.get(wake.stream, ()):
                if claim.epoch == wake.generation and claim.claimed_at >= wake.at:
                    self._seconds[one.kind].observe(claim.claimed_at - wake.at)
                    self._unmatched[wake.stream].remove(claim)
                    break
        return True

    def _keep(self, runner_id: str, pending: list[_Pending]) -> None:
        if pending:
            self._pending[runner_id] = pending
        else:
            self._pending.pop(runner_id, None)

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
            self._unmatched.pop(oldest, None)
