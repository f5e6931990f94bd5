"""The pull-wake runner: tails its wake stream, claims wakes, dispatches them, and heartbeats.

It behaves as `pull-wake-runner.ts` and `pull-wake-machine.ts` of `packages/agents-runtime` do.
`diagnostics` says what is surprising in that.
"""

import asyncio
import json
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import httpx

from electric_agents_exporter.contract.vocabulary import ClientStatus
from electric_agents_simulator.clock import Clock, Timer, sleep
from electric_agents_simulator.runner.api import LOST_REQUEST, AgentsApi, ApiFailure
from electric_agents_simulator.runner.diagnostics import Diagnostics
from electric_agents_simulator.runner.dispatch import Dispatch, Handler
from electric_agents_simulator.values import Json

FIRST_BACKOFF_SECONDS: Final = 1.0
LONGEST_BACKOFF_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = 0.025
_REPLAY_ALL: Final = "-1"
_CONFLICT: Final = 409
_NO_CONTENT: Final = 204
_HARMLESS: Final = ("ALREADY_CLAIMED", "NO_PENDING_WORK")
_FAILURES: Final = (*LOST_REQUEST, httpx.StreamError)


@dataclass(frozen=True)
class HeartbeatTiming:
    """How often a runner heartbeats, and for how long each heartbeat counts."""

    heartbeat_seconds: float = 30.0
    throttle_seconds: float = 2.0
    """At most one heartbeat on change in so many seconds."""
    lease_seconds: float | None = None
    """None: three times the interval."""

    @property
    def lease_ms(self) -> int:
        """The lease that each heartbeat asks for, in milliseconds."""
        return int((self.lease_seconds or 3 * self.heartbeat_seconds) * 1000)


class PullWakeRunner:
    """One runner of one server, which has registered before.

    Invariant: `status` is `stopped` exactly when no task of it runs.
    """

    def __init__(
        self,
        api: AgentsApi,
        runner_id: str,
        handler: Handler,
        clock: Clock,
        *,
        timing: HeartbeatTiming = HeartbeatTiming(),
    ) -> None:
        self.id = runner_id
        self._api = api
        self._handler = handler
        self._clock = clock
        self._timing = timing
        self._diagnostics = Diagnostics(clock)
        self._offset = _REPLAY_ALL
        self._heartbeat_due = asyncio.Event()
        self._change: Timer | None = None
        self._interval: Timer | None = None
        self._loops: list[asyncio.Task[None]] = []
        self._session: asyncio.Task[None] | None = None
        self._reset_reason: str | None = None
        self._claims: dict[asyncio.Task[None], str] = {}
        self._dispatches: dict[str, asyncio.Task[None]] = {}
        self._deferred: dict[str, Json] = {}
        self._retries: dict[str, Timer] = {}

    @property
    def status(self) -> ClientStatus:
        """Where in its life it is."""
        return self._diagnostics.status

    @property
    def diagnostics(self) -> Json:
        """What its next heartbeat would say."""
        return self._diagnostics.report()

    def start(self) -> None:
        """Begin; nothing if it runs already."""
        if self.status is not ClientStatus.STOPPED:
            return
        self._diagnostics = Diagnostics.of_a_start(self._clock)
        self._begin_interval()
        self._loops = [
            asyncio.create_task(self._stream_loop()),
            asyncio.create_task(self._heartbeat_loop()),
        ]

    async def stop(self) -> None:
        """End gracefully; returns when the work in hand has ended.

        Heartbeats, the wake stream and claims on their way end at once. A handler goes on, and so
        do its claim's heartbeats, until it has ended and the claim is released.
        """
        if self.status in {ClientStatus.STOPPED, ClientStatus.STOPPING}:
            return
        self._diagnostics.stopping()
        await self._end_loops()
        if self._dispatches:
            await asyncio.wait(self._dispatches.values())
        self._diagnostics.stopped()

    async def kill(self) -> None:
        """End as a crashed process does: what was claimed stays claimed."""
        await self._end_loops()
        await _end([*self._dispatches.values()])
        self._diagnostics.stopped()

    async def _end_loops(self) -> None:
        for timer in (self._interval, self._change, *self._retries.values()):
            if timer:
                timer.cancel()
        self._interval = self._change = None
        self._deferred.clear()
        self._retries.clear()
        await _end([*self._loops, *self._claims])

    # Heartbeats

    def _begin_interval(self) -> None:
        self._heartbeat_due.set()
        self._interval = self._clock.call_later(
            self._timing.heartbeat_seconds, self._begin_interval
        )

    def _changed(self) -> None:
        """Ask for a heartbeat soon; changes that come together share it."""
        if self._change is None and self.status not in {
            ClientStatus.STOPPING,
            ClientStatus.STOPPED,
        }:
            self._change = self._clock.call_later(self._timing.throttle_seconds, self._change_due)

    def _change_due(self) -> None:
        self._change = None
        self._heartbeat_due.set()

    async def _heartbeat_loop(self) -> None:
        while True:
            await self._heartbeat_due.wait()
            self._heartbeat_due.clear()
            await self._send_heartbeat()

    async def _send_heartbeat(self) -> None:
        body = {
            "lease_ms": self._timing.lease_ms,
            "wake_stream_offset": self._offset,
            "diagnostics": self._diagnostics.report(),
        }
        try:
            response = await self._api.heartbeat(self.id, body)
            self._diagnostics.heartbeat_answered()
            if not response.is_success:
                raise ApiFailure(f"Pull-wake runner heartbeat failed for {self.id}", response)
            self._diagnostics.heartbeat_succeeded()
        except _FAILURES as error:
            if self._diagnostics.heartbeat_failed(_message(error)):
                self._reset_stream(_message(error))

    def _reset_stream(self, reason: str) -> None:
        if self._session is not None and not self._session.done():
            self._reset_reason = reason
            self._session.cancel()

    # The wake stream

    async def _stream_loop(self) -> None:
        self._backoff = FIRST_BACKOFF_SECONDS
        while True:
            self._diagnostics.connecting()
            self._changed()
            error = await self._run_session()
            self._diagnostics.disconnected(error)
            self._changed()
            await sleep(self._clock, self._backoff)
            self._backoff = min(self._backoff * 2, LONGEST_BACKOFF_SECONDS)

    async def _run_session(self) -> str | None:
        """Read the wake stream until it ends; tell why, None when there was nothing wrong."""
        self._reset_reason = None
        self._session = asyncio.create_task(self._read_events())
        try:
            await asyncio.wait([self._session])
        except asyncio.CancelledError:
            await _end([self._session])
            raise
        if self._session.cancelled():
            return self._reset_reason
        failure = self._session.exception()
        return None if failure is None else _message(failure)

    async def _read_events(self) -> None:
        heard = False
        async with aclosing(self._api.wake_events(self.id, self._offset)) as events:
            async for name, data in events:
                if name == "open":
                    self._backoff = FIRST_BACKOFF_SECONDS
                    self._diagnostics.connected()
                    self._changed()
                elif name == "data":
                    heard = True
                    for event in json.loads(data):
                        self._on_event(event)
                elif name == "control" and heard:
                    # Before the first event the runner keeps the offset that it had, also `-1`.
                    self._on_offset(json.loads(data)["streamNextOffset"])

    def _on_event(self, event: Json) -> None:
        if event.get("type") == "wake":
            self._diagnostics.event_received()
            self._changed()
            self._spawn_claim(event)

    def _on_offset(self, offset: str) -> None:
        if offset != self._offset:
            self._offset = offset
            self._changed()

    # Claims

    def _spawn_claim(self, event: Json) -> None:
        path = "/" + str(event["stream"]).removeprefix("/")
        if self._is_busy(path):
            self._skip()
            self._defer(path, event)
            return
        task = asyncio.create_task(self._claim_and_dispatch(event, path))
        self._claims[task] = path
        task.add_done_callback(self._claims.pop)

    def _is_busy(self, path: str) -> bool:
        return path in self._claims.values() or path in self._dispatches

    def _defer(self, path: str, event: Json) -> None:
        """Try a busy stream's newest event again in a moment, and so on until it is free."""
        self._deferred[path] = event
        if path not in self._retries:
            self._retries[path] = self._clock.call_later(_RETRY_SECONDS, lambda: self._retry(path))

    def _retry(self, path: str) -> None:
        del self._retries[path]
        event = self._deferred.pop(path)
        if self._is_busy(path):
            self._defer(path, event)
        else:
            self._spawn_claim(event)

    async def _claim_and_dispatch(self, event: Json, path: str) -> None:
        self._diagnostics.claim_started()
        self._changed()
        try:
            notification = await self._claim(event)
        except _FAILURES as error:
            self._diagnostics.claim_failed()
            self._diagnostics.failed(_message(error))
            self._changed()
            return
        if notification is None:
            self._skip()
            return
        self._diagnostics.claim_succeeded()
        self._dispatch(notification, path)
        self._changed()

    async def _claim(self, event: Json) -> Json | None:
        response = await self._api.claim(self.id, event)
        if response.status_code == _NO_CONTENT:
            return None
        if response.status_code == _CONFLICT and any(code in response.text for code in _HARMLESS):
            return None
        if not response.is_success:
            raise ApiFailure(f"Pull-wake claim failed for {self.id}", response)
        notification = dict(response.json())
        return None if notification.get("done") else notification

    def _skip(self) -> None:
        self._diagnostics.claim_skipped()
        self._changed()

    def _dispatch(self, notification: Json, path: str) -> None:
        dispatch = Dispatch(self._api, self._clock, notification, self._handler)
        task = asyncio.create_task(self._run_dispatch(dispatch))
        self._dispatches[path] = task
        task.add_done_callback(lambda _: self._dispatches.pop(path))
        self._diagnostics.dispatched()

    async def _run_dispatch(self, dispatch: Dispatch) -> None:
        try:
            await dispatch.run()
        except _FAILURES as error:
            self._diagnostics.failed(_message(error))


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _message(error: BaseException) -> str:
    return str(error) or type(error).__name__
