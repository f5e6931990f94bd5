"""One claimed wake in work: confirmed, kept alive, and released when its handler has ended."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from electric_agents_simulator.clock import Clock, sleep
from electric_agents_simulator.runner.api import LOST_REQUEST, AgentsApi
from electric_agents_simulator.values import Json

CLAIM_HEARTBEAT_SECONDS: Final = 10.0
"""How often a claim that is worked on is kept alive."""

Handler = Callable[[Json], Awaitable[None]]
"""Does the work of a wake notification."""


class Dispatch:
    """One claimed wake, and the handler that works on it.

    `run` ends with the claim released. The work is acknowledged if the handler succeeded and no
    heartbeat of the claim was rejected: otherwise its result is discarded, and it wakes again.
    Only cancelling `run` itself leaves the claim behind, as the death of a process does.
    """

    def __init__(self, api: AgentsApi, clock: Clock, notification: Json, handler: Handler) -> None:
        self._api = api
        self._clock = clock
        self._notification = notification
        self._handler = handler
        self._rejected = False

    async def run(self) -> None:
        """Do the work.

        Raises:
            ApiFailure, httpx.TransportError: the server did not take a callback.
        """
        await self._call_back({"wakeId": self._notification["wakeId"]})
        heartbeats = asyncio.create_task(self._heartbeat())
        try:
            succeeded = await self._handle()
        finally:
            heartbeats.cancel()
        streams = self._notification["streams"] if succeeded and not self._rejected else []
        acks = [{"path": stream["path"], "offset": stream["offset"]} for stream in streams]
        await self._call_back({"acks": acks, "done": True})

    async def _handle(self) -> bool:
        """Run the handler in a task of its own; False when it failed."""
        handling = asyncio.ensure_future(self._handler(self._notification))
        try:
            await asyncio.wait([handling])
        except asyncio.CancelledError:
            handling.cancel()
            raise
        return not handling.cancelled() and handling.exception() is None

    async def _heartbeat(self) -> None:
        while True:
            await sleep(self._clock, CLAIM_HEARTBEAT_SECONDS)
            try:
                await self._call_back({})
            except LOST_REQUEST:
                self._rejected = True

    async def _call_back(self, body: Json) -> None:
        await self._api.call_back(
            self._notification["callback"],
            self._notification["claimToken"],
            {"epoch": self._notification["epoch"], **body},
        )
