"""The exporter as it is, whose time passes only while it waits, and quickly: a day in an hour.

`python -m chaos.quick_time SPEED CONFIG` runs one with the settings of a file. All that waits for a
time (polls, timeouts, ages, what is forgotten after hours) waits for a part of it, and work takes
no time at all, so that it does not matter how busy the machine is.

Two thousand requests over sockets are more than a shared machine does in a fraction of a second. So
of a poll only what may go wrong is asked for: its list, and every 20th runner. What is said of the
others comes from memory, to the same reading. All else is the exporter's own: its scheduler, its
fleet, its connections and scrapes.
"""

import asyncio
import selectors
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import httpx
from typing_extensions import override

from chaos.churning_server import HIT, ChurningFleet, numbers_in
from electric_agents_exporter import logs
from electric_agents_exporter.contract.reading import read_health
from electric_agents_exporter.contract.wakes import WakeReading, read_wakes
from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.inventory import DueRunner
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.service import Service
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.model import Settings
from electric_agents_exporter.settings.targets import HttpTarget
from electric_agents_exporter.sockets import listen
from electric_agents_exporter.sources.http import HttpOptions, HttpServer, HttpSource
from electric_agents_exporter.sources.http_transport import Tls, aiohttp_transport
from electric_agents_exporter.sources.source import Source

_EPOCH: Final = 1_790_000_000.0
_TOOK: Final = 0.002
_AT_ONCE: Final = 50  # reports, before the loop has its turn
_SHORTEST: Final = 0.001  # an event loop cannot wait for less


class _QuickSelector(selectors.DefaultSelector):
    """Waits for a part of the time that it is asked to, and counts all of it."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed
        self.waited = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout else timeout)
        if ready or not timeout:
            return ready
        began, least = time.monotonic(), timeout / self._speed
        if least >= _SHORTEST:
            ready = super().select(least)
        passed = (time.monotonic() - began) * self._speed
        self.waited += min(timeout, passed) if ready else timeout
        return ready


class _QuickLoop(asyncio.SelectorEventLoop):
    def __init__(self, speed: float) -> None:
        self.quick = _QuickSelector(speed)
        super().__init__(self.quick)

    @override
    def time(self) -> float:
        return self.quick.waited


class _LoopClock:
    """The loop's time as both clocks."""

    def __init__(self, quick: _QuickSelector) -> None:
        self._quick = quick

    def time(self) -> float:
        """Seconds since the epoch."""
        return _EPOCH + self._quick.waited

    def monotonic(self) -> float:
        """Seconds since the loop began."""
        return self._quick.waited

    def awake(self) -> float:
        """Seconds since the loop began."""
        return self._quick.waited


class _Telling(httpx.AsyncBaseTransport):
    """Tells the server which turn it is, and what time: it knows neither by itself."""

    def __init__(self, wrapped: httpx.AsyncBaseTransport, clock: Clock) -> None:
        self._wrapped = wrapped
        self._clock = clock
        self.turn = 0

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.turn += request.url.path == "/_electric/runners"
        request.headers["x-turn"] = str(self.turn)
        request.headers["x-time"] = str(self._clock.time())
        return await self._wrapped.handle_async_request(request)

    @override
    async def aclose(self) -> None:
        await self._wrapped.aclose()


class _FarPoll:
    """A poll as its sweep sees it: only every 20th runner is due, and the others are `near`."""

    def __init__(self, poll: Poll) -> None:
        self._poll = poll
        self.near: list[int] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._poll, name)

    def due(self) -> list[DueRunner]:
        """Give whom to ask after over sockets."""
        numbered = [(numbers_in(due.runner_id)[0], due) for due in self._poll.due()]
        self.near = [number for number, _ in numbered if number % HIT]
        return [due for number, due in numbered if not number % HIT]


class _NearbySource(HttpSource):
    """A source that has most reports from memory, where the server gives the others."""

    def __init__(self, options: HttpOptions, clock: Clock) -> None:
        self._clock = clock
        far = aiohttp_transport(options.url, Tls(), options.concurrency)
        self._telling = _Telling(far, clock)
        super().__init__(HttpServer(options, clock, lambda _: self._telling))

    @override
    async def poll(self, poll: Poll, *, paced: bool) -> bool:
        far = _FarPoll(poll)
        complete = await super().poll(cast("Poll", far), paced=paced)
        if complete:
            for start in range(0, len(far.near), _AT_ONCE):
                await asyncio.sleep(0)
                self._take_in(poll, far.near[start : start + _AT_ONCE])
        return complete

    def _take_in(self, poll: Poll, numbers: Sequence[int]) -> None:
        fleet, now = ChurningFleet(self._telling.turn, self._clock.time()), self._clock.monotonic()
        for number in numbers:
            poll.requested(Operation.HEALTH, _TOOK, None)
            poll.reported(read_health(fleet.report(number)), now, _TOOK)
            for question in poll.wake_questions():
                reply = fleet.wakes(number, question.offset)
                failed = Reason.SERVER_ERROR if reply.status != httpx.codes.OK else None
                poll.requested(Operation.WAKES, _TOOK, failed)
                reading = WakeReading(question.offset, reply.tail, read_wakes(reply.body))
                poll.wakes_read(question, failed or reading)


class _NearbyTarget(HttpTarget):
    """A target with such a source."""

    @override
    def source(self, clock: Clock) -> Source:
        options = HttpOptions(
            self.url, tuple(self.principals), interval=self.interval, timeout=self.timeout
        )
        return _NearbySource(options, clock)


def _read(config: Path) -> Settings:
    settings = load(config, {}, {})
    targets = [_NearbyTarget.model_construct(**dict(target)) for target in settings.targets]
    return settings.model_copy(update={"targets": targets})


def main(speed: float, config: Path) -> None:
    """Run an exporter until it is told to stop."""
    settings = _read(config)
    logs.configure(settings.log.level, settings.log.format, beside=True)
    loop = _QuickLoop(speed)

    async def run() -> None:
        service = Service(settings, lambda: _read(config), clock=_LoopClock(loop.quick))
        await service.run(listen(settings.listen))

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(run())


if __name__ == "__main__":
    main(float(sys.argv[1]), Path(sys.argv[2]))
