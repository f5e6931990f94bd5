"""When targets are polled: one job each, coalesced, never two at once.

All of it goes by a clock that neither jumps nor sleeps, whatever is done to the machine's own.
"""

import asyncio
import logging
import math
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobExecutionEvent
from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from typing_extensions import override

from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.poll import Poll, PollResult
from electric_agents_exporter.fleet.reasons import Skip
from electric_agents_exporter.fleet.target import Target
from electric_agents_exporter.fleet.trace import Trace
from electric_agents_exporter.sources.source import Source

log = logging.getLogger(__name__)

TICK_SECONDS: Final = 1.0
_TICK_JOB: Final = "tick"
_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)  # APScheduler takes 1970 for no time at all
_JITTER: Final = 0.1
_MOST_WAITING: Final = 16  # for a probe of one target
_BETWEEN_PROBES: Final = 1.0  # seconds from the beginning of one to that of the next
_END_SECONDS: Final = 0.2  # from when a poll is cut short until it is known what it came to
_LONGEST_BACKOFF: Final = 4  # intervals, so that recovery is seen soon


class TooManyProbesError(Exception):
    """As many wait for one target as may."""


class Probed(NamedTuple):
    """What a probe came to, and all that was asked, where that was wanted."""

    result: PollResult
    trace: Trace | None


class _Probe:
    """A poll that is asked for and has not begun: by when it must be over, and its task."""

    def __init__(self) -> None:
        self.until = 0.0
        self.traced = False
        self.task: asyncio.Task[Probed | None]


class TargetPoller:
    """Polls one target, one poll at a time: the only place where a bug is caught and counted.

    A target that gives no list is left alone for one, two, then four intervals at a time.
    `on_tick` is called whenever it was time to poll, and what came of it is known.
    """

    def __init__(
        self,
        target: Target,
        source: Source,
        clock: Clock,
        on_tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._target = target
        self._source = source
        self._next_source: Source | None = None
        self._clock = clock
        self._on_tick = on_tick
        self._turn = asyncio.Lock()
        self._without_list = 0
        self._skips_left = 0
        self._ticked_at: float | None = None
        self._logged: set[str] = set()
        self._failing_since = 0.0
        self._logged_empty: set[str] = set()
        self._under_way: Poll | None = None
        self._next_probe: _Probe | None = None
        self._probes: set[asyncio.Task[Probed | None]] = set()
        self._probed_at: float | None = None
        self._waiting = 0
        self._closed = False

    def replace_source(self, source: Source) -> None:
        """Ask another source from the next poll on."""
        self._next_source = source
        self._ticked_at = None  # the interval may be another
        self._without_list = self._skips_left = 0

    async def aclose(self) -> None:
        """Close what is open, once the poll in progress has ended; a probe is broken off."""
        self._closed = True
        for task in self._probes:
            task.cancel()
        async with self._turn:
            await self._source.aclose()
            if self._next_source is not None:
                await self._next_source.aclose()

    async def tick(self) -> None:
        """Poll if it is time to; called every interval.

        A probe that polled within the last interval is as good, and counts as no skip.
        """
        self._count_misfires()
        if self._was_probed_lately():
            self._target.attend()
            self._on_tick()
            return
        if self._skips_left > 0:
            self._skips_left -= 1
            self._target.attend()
            self._target.skip(Skip.BACKOFF)
            self._on_tick()
            return
        try:
            async with self._turn:
                # One may have come while this tick waited for its turn.
                if not self._was_probed_lately():
                    await self._poll(paced=self._target.polled)
        except asyncio.CancelledError:
            # Only stopping cancels a job, which ends here; APScheduler would call it an error.
            return
        if self._without_list:
            self._skips_left = min(2 ** (self._without_list - 1), _LONGEST_BACKOFF) - 1
        self._on_tick()

    def overrun(self) -> None:
        """Note that a poll was due while one still ran."""
        self._count_misfires()
        self._target.skip(Skip.OVERRUN)
        self._on_tick()

    async def poll(self, *, paced: bool) -> PollResult:
        """Poll now, or as soon as the poll in progress has ended; gives what it came to."""
        async with self._turn:
            return await self._poll(paced=paced)

    async def probe(self, seconds: float, *, traced: bool = False) -> Probed | None:
        """Poll now, within so many seconds; all who ask before that poll begins share it.

        It is a poll as any other, so that counters stay counters. One that is under way hurries.

        Returns:
            What it came to, with its trace if that was asked for; None where it was not over in
            time.

        Raises:
            TooManyProbesError: many wait for a poll of this target already.
        """
        if self._waiting >= _MOST_WAITING:
            raise TooManyProbesError
        now = asyncio.get_running_loop().time()
        probe = self._next_probe
        if probe is None:
            probe = self._next_probe = _Probe()
            probe.task = asyncio.create_task(self._run(probe))
            self._probes.add(probe.task)
            probe.task.add_done_callback(self._probes.discard)
        probe.until = max(probe.until, now + seconds)
        probe.traced |= traced
        if self._under_way is not None:
            self._under_way.hurried = True
        self._waiting += 1
        try:
            # Whoever goes takes nothing from the others, who wait for the same one.
            done, _ = await asyncio.wait({probe.task}, timeout=seconds + _END_SECONDS)
        finally:
            self._waiting -= 1
        return None if not done or probe.task.cancelled() else probe.task.result()

    async def _run(self, probe: "_Probe") -> Probed | None:
        if self._probed_at is not None:
            # Whoever asks without end must not have the server asked without end.
            await asyncio.sleep(_BETWEEN_PROBES - (self._clock.awake() - self._probed_at))
        async with self._turn:
            # Who comes from now on would be told what was asked before.
            self._next_probe = None
            seconds = probe.until - asyncio.get_running_loop().time()
            if self._closed or seconds <= 0:
                return None
            self._probed_at = self._clock.awake()
            trace = Trace() if probe.traced else None
            result = await self._poll(paced=False, seconds=seconds, trace=trace)
        if self._target.policy.scheduled:
            self._on_tick()
        return Probed(result, trace)

    def _was_probed_lately(self) -> bool:
        if self._probed_at is None:
            return False
        return self._clock.awake() - self._probed_at < self._target.policy.interval

    async def _poll(
        self, *, paced: bool, seconds: float = math.inf, trace: Trace | None = None
    ) -> PollResult:
        """Poll, having the turn to."""
        if self._next_source is not None:
            self._next_source.take_over(self._source)
            await self._source.aclose()
            self._source, self._next_source = self._next_source, None
        self._target.attend()
        poll = self._under_way = Poll(self._target, trace)
        try:
            complete = await self._ask(poll, paced=paced, seconds=seconds)
        finally:
            self._under_way = None
        self._target.credential_changed_at = self._source.credential_changed_at()
        self._target.certificate_ends_at = self._source.certificate_ends_at()
        result = poll.end(complete=complete)
        self._target.attend()
        self._without_list = 0 if result.got_list else self._without_list + 1
        self._log_transition(result)
        self._log_empty_lists()
        return result

    async def _ask(self, poll: Poll, *, paced: bool, seconds: float) -> bool:
        fields = {"target": self._target.policy.name}
        # Past this age the first reports of the sweep would be stale: time to begin anew.
        longest = self._target.policy.stale_after
        try:
            async with asyncio.timeout(min(seconds, longest)):
                return await self._source.poll(poll, paced=paced)
        except TimeoutError:
            # Whoever probes is told, and may well have given it too little time.
            level = logging.DEBUG if seconds < longest else logging.WARNING
            log.log(level, "poll cut short", extra=fields)
        except Exception:
            log.exception("poll failed by a bug", extra=fields)
        return False

    def _log_transition(self, result: PollResult) -> None:
        """Log what is wrong with a target when that changes, and not at every poll."""
        fields = {"target": self._target.policy.name}
        kinds = {fault.kind for fault in result.faults}
        if kinds and not self._logged:
            self._failing_since = self._clock.monotonic()
        if kinds and kinds != self._logged:
            why = "; ".join(fault.text for fault in result.faults)
            last = self._target.last_success_at
            when = f"{datetime.fromtimestamp(last, UTC):%Y-%m-%dT%H:%M:%SZ}" if last else "never"
            told = {"why": why, "last_success": when}
            log.warning("target is not polled in full", extra=fields | told)
        elif self._logged and not kinds:
            whole = timedelta(seconds=round(self._clock.monotonic() - self._failing_since))
            log.info("target is polled in full again", extra=fields | {"after": str(whole)})
        self._logged = kinds

    def _log_empty_lists(self) -> None:
        """Log a list that is empty, once: a principal that is none has one too."""
        listed = self._target.inventory.listed()
        empty = {principal for principal, count in listed.items() if not count}
        for principal in sorted(empty - self._logged_empty):
            fields = {"target": self._target.policy.name, "principal": principal}
            log.warning("0 runners listed for %s", principal, extra=fields)
        self._logged_empty = empty

    def _count_misfires(self) -> None:
        """Count the ticks that never came since the last one, the process being too busy.

        Those of a machine that slept are none.
        """
        now = self._clock.awake()
        if self._ticked_at is not None:
            missed = round((now - self._ticked_at) / self._target.policy.interval) - 1
            if missed > 0:
                self._target.skip(Skip.MISFIRE, missed)
        self._ticked_at = now


class PollScheduler:
    """Runs the pollers, and a tick every second that tells whether the scheduler lives."""

    def __init__(self, on_tick: Callable[[], None], clock: Clock) -> None:
        self._zone = _SteadyZone(clock)
        self._scheduler = AsyncIOScheduler(
            timezone=self._zone,
            executors={"default": AsyncIOExecutor()},
            # A late job still runs, once: the default grace of 1 s would lose whole polls.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._pollers: dict[str, TargetPoller] = {}
        self._intervals: dict[str, float] = {}
        self._on_tick = on_tick
        self._scheduler.add_listener(self._overran, EVENT_JOB_MAX_INSTANCES)

    def start(self) -> None:
        """Begin. Must be called on the running loop."""
        self._scheduler.add_job(
            self._tick,
            Every(TICK_SECONDS),
            id=_TICK_JOB,
            next_run_time=datetime.now(self._zone),
        )
        self._scheduler.start()

    def configure(self, pollers: Mapping[str, tuple[TargetPoller, float]]) -> None:
        """Poll these targets, by name, each every so many seconds, and no others.

        A target whose interval stays goes on in its own time; any other is polled at once.
        """
        for name in self._intervals.keys() - pollers.keys():
            self._scheduler.remove_job(_job_id(name))
        for name, (poller, interval) in pollers.items():
            if self._intervals.get(name) != interval:
                self._scheduler.add_job(
                    poller.tick,
                    Every(interval, up_to_later=interval * _JITTER),
                    id=_job_id(name),
                    next_run_time=datetime.now(self._zone),
                    replace_existing=True,
                )
        self._pollers = {name: poller for name, (poller, _) in pollers.items()}
        self._intervals = {name: interval for name, (_, interval) in pollers.items()}

    def stop(self) -> None:
        """End at once; polls in progress are cancelled."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def _tick(self) -> None:
        self._on_tick()

    def _overran(self, event: JobExecutionEvent) -> None:
        poller = self._pollers.get(event.job_id.removeprefix(_job_id("")))
        if poller is not None:
            poller.overrun()


class Every(BaseTrigger):  # type: ignore[misc]  # no types are published for it
    """Fires every so many seconds, each time up to a few later. What was missed is not made up for.

    A runner sends a heartbeat every 30 s, always at the same seconds of a minute. Where two
    processes have one id, polls at fixed seconds could come after the same one of them every time,
    and never see the other; with real runners they did. Polls that drift come after each of them
    within five minutes or so.
    """

    def __init__(self, interval: float, *, up_to_later: float = 0.0) -> None:
        self._interval = interval
        self._up_to_later = up_to_later

    @override
    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Give the next moment; it lies ahead, however long this process stood still."""
        later = random.uniform(0.0, self._up_to_later)  # noqa: S311  (nobody is to be kept out)
        gap = timedelta(seconds=self._interval + later)
        if previous_fire_time is not None and previous_fire_time + gap > now:
            return previous_fire_time + gap
        return now + gap


class _SteadyZone(tzinfo):
    """A time zone whose now is told by a steady clock, counted from 2000.

    APScheduler asks `datetime.now(zone)` for the time, always and only. Told by the wall clock, one
    that is set back by an hour would stop all polls for an hour. A moment of this zone converts to
    itself, as in any zone; moments of other zones have no place here.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @override
    def fromutc(self, dt: datetime) -> datetime:
        """Give the clock's now, whatever the wall clock says it is."""
        return _BEGINNING.replace(tzinfo=self) + timedelta(seconds=self._clock.monotonic())

    @override
    def utcoffset(self, dt: datetime | None) -> timedelta:
        """Give none."""
        return timedelta()

    @override
    def dst(self, dt: datetime | None) -> timedelta:
        """Give none."""
        return timedelta()

    @override
    def tzname(self, dt: datetime | None) -> str:
        """Give a name that is no place's."""
        return "steady"


def _job_id(target: str) -> str:
    return f"poll {target}"
