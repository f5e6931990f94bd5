"""Keeps one Alertmanager told of what holds, and asks it at the start what it knows."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeVar

from electric_agents_exporter.alerting.alert import Alert, AlertState, Identity
from electric_agents_exporter.alerting.alertmanager import (
    BATCH,
    Alertmanager,
    Failure,
    Known,
    Message,
    moment,
)
from electric_agents_exporter.alerting.choice import Choice
from electric_agents_exporter.alerting.sent import Due, Sent
from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.reasons import Reason
from electric_agents_exporter.metrics.process_families import AlertCounts

log = logging.getLogger(__name__)

Result = TypeVar("Result")

LIVES: Final = 4
"""For how many resend intervals an alert fires on of which nothing more is heard."""

_LOOKS: Final = 4  # in a resend interval, so that what is due together goes together
_FIRST_BACKOFF: Final = 1.0
_LONGEST_BACKOFF: Final = 30.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What is sent, and how often: seconds; `generator_url` is where an alert is looked at."""

    choice: Choice = field(default_factory=Choice)
    resend_interval: float = 60.0
    generator_url: str = ""


class Sender:
    """The tasks of one Alertmanager, which wait for no other.

    There is no queue: what is due is found anew at every try, so nothing that is sent is out of
    date, nothing that holds is lost, and nothing piles up. `terms` may change at any time.
    """

    def __init__(
        self,
        alertmanager: Alertmanager,
        alerts: Callable[[], Sequence[Alert]],
        terms: Terms,
        clock: Clock,
        counts: AlertCounts,
    ) -> None:
        self.options = alertmanager.options
        self.terms = terms
        self._alertmanager = alertmanager
        self._alerts = alerts
        self._clock = clock
        self._counts = counts
        self._sent = Sent()
        self._known: Mapping[Identity, Known] = {}
        self._nudged = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._logged: Reason | None = None
        self._failing_since = 0.0

    def start(self, ask_until: float) -> None:
        """Begin, on the running loop; it is asked until that moment of the steady clock."""
        loop = asyncio.get_running_loop()
        if self._clock.monotonic() < ask_until:
            self._tasks.append(loop.create_task(self._ask(ask_until)))
        self._tasks.append(loop.create_task(self._tell()))

    def known(self) -> Mapping[Identity, Known]:
        """Give what it knew at the start, without what has ended there since."""
        now = self._clock.time()
        self._known = {who: known for who, known in self._known.items() if known.ends_at > now}
        return self._known

    def nudge(self) -> None:
        """Look at once for what there is to tell."""
        self._nudged.set()

    async def aclose(self) -> None:
        """End at once, whatever is under way, and close every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._alertmanager.aclose()

    async def _ask(self, until: float) -> None:
        backoff = _Backoff()
        while self._clock.monotonic() < until:
            answer = await self._guarded(self._alertmanager.known())
            if not isinstance(answer, Failure):
                self._known = answer
                self._log(logging.INFO, "Alertmanager told what it knows", alerts=len(answer))
                return
            await asyncio.sleep(backoff.next())
        self._log(logging.WARNING, "Alertmanager did not tell what it knows")

    async def _tell(self) -> None:
        backoff = _Backoff()
        while True:
            failure = await self._guarded(self._tell_all())
            self._log_transition(failure)
            if failure is None:
                backoff = _Backoff()
                await self._nudge_within(self.terms.resend_interval / _LOOKS)
            elif failure.reason is Reason.CLIENT_ERROR:
                # Who refuses an alert listens all the same: another need not wait.
                await self._nudge_within(backoff.next())
            else:
                await asyncio.sleep(backoff.next())

    async def _guarded(self, work: Awaitable[Result]) -> Result | Failure:
        """Take a bug for a failure: other alerts must go on."""
        try:
            return await work
        except Exception:
            log.exception("alerts failed by a bug", extra={"alertmanager": self.options.url})
            return Failure(Reason.OTHER, "")

    async def _nudge_within(self, seconds: float) -> None:
        """Wait until there may be something to tell, for so long at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._nudged.wait()

    async def _tell_all(self) -> Failure | None:
        """Tell what is due, until something new comes up; gives why that failed, if it did."""
        refused: Failure | None = None
        due = self._due()
        while due and (refused or not self._nudged.is_set()):
            batch, due = due[:BATCH], due[BATCH:]
            failure = await self._send(batch)
            if failure is None:
                self._sent.told(batch, self._clock.monotonic())
            elif failure.reason is Reason.CLIENT_ERROR:
                # Of these it has taken those that it could read; the others must not wait for them.
                refused = failure
            else:
                if failure.reason is Reason.CONNECT:
                    # Nobody is there: it may come back without a memory.
                    self._sent.forget()
                return failure
        return refused

    def _due(self) -> Due:
        self._nudged.clear()
        chosen = [
            alert
            for alert in self._alerts()
            if alert.state is not AlertState.PENDING and self.terms.choice.includes(alert)
        ]
        interval = self.terms.resend_interval
        # Half a look sooner is nearer to its time than half a look later.
        resend_after = interval - interval / _LOOKS / 2
        return self._sent.due(chosen, self._clock.monotonic(), resend_after)

    async def _send(self, batch: Due) -> Failure | None:
        now = self._clock.time()
        failure = await self._alertmanager.send([self._message(alert, now) for _, alert in batch])
        if failure is None:
            self._counts.count_sent(self.options.url, len(batch))
        else:
            self._counts.count_error(self.options.url, failure.reason)
        return failure

    def _message(self, alert: Alert, now: float) -> Message:
        fired_at = alert.active_at if alert.fired_at is None else alert.fired_at
        if alert.resolved_at is None:
            latest, ends_at = now, now + LIVES * self.terms.resend_interval
        else:
            latest = ends_at = alert.resolved_at
        return Message(
            labels=alert.labels,
            annotations=alert.annotations,
            # Where the clock was set back it would begin after its end, which is refused.
            starts_at=moment(min(fired_at, latest)),
            ends_at=moment(ends_at),
            generator_url=self.terms.generator_url,
        )

    def _log_transition(self, failure: Failure | None) -> None:
        """Log why alerts do not arrive when that changes, and not at every try."""
        now = self._clock.monotonic()
        if failure is not None and self._logged is None:
            self._failing_since = now
        if failure is not None and failure.reason is not self._logged:
            why = ": ".join(filter(None, (failure.reason.value, failure.words)))
            self._log(logging.WARNING, "Alertmanager does not take alerts", why=why)
        elif self._logged is not None and failure is None:
            after = timedelta(seconds=round(now - self._failing_since))
            self._log(logging.INFO, "Alertmanager takes alerts again", after=str(after))
        self._logged = failure.reason if failure else None

    def _log(self, level: int, text: str, **fields: object) -> None:
        log.log(level, text, extra={"alertmanager": self.options.url, **fields})


class _Backoff:
    """How long to wait after one failure more: twice as long each time, within bounds.

    Up to half is left to chance, so that not everybody comes back at once.
    """

    def __init__(self) -> None:
        self._seconds = _FIRST_BACKOFF

    def next(self) -> float:
        """Give the next wait in seconds."""
        seconds, self._seconds = self._seconds, min(2 * self._seconds, _LONGEST_BACKOFF)
        return seconds * random.uniform(0.5, 1.0)  # noqa: S311  (nobody is to be kept out)
