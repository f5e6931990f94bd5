"""One claimed wake in work: confirmed, kept alive, and released when its handler has ended."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import httpx

from electric_agents_simulator.clock import Clock, sleep
from electric_agents_simulator.runner.api import AgentsApi, ApiFailure
from electric_agents_simulator.values import Json

CLAIM_HEARTBEAT_SECONDS: Final = 10.0
"""How often a claim that is worked on is kept alive."""

Handler = Callable[[Json], Awaitable[None]]
"""Does the work of a wake notification."""


class Dispatch:
    """One claimed wake, and the handler that works on it.

    `run` ends with the claim released, whether the handler succeeded, failed or was aborted: what
    it did not finish is not acknowledged and wakes again. Only cancelling `run` itself leaves the
    claim behind, as the death of a process does.
    """

    def __init__(self, api: AgentsApi, clock: Clock, notification: Json, handler: Handler) -> None:
        self._api = api
        self._clock = clock
        self._notification = notification
        self._handler = handler
        self._handling: asyncio.Future[None] | None = None
        self._aborted = False

    async def run(self) -> None:
        """Do the work.

        Raises:
            ApiFailure, httpx.TransportError: the server did not take a callback.
        """
        await self._call_back({"wakeId": self._notification["wakeId"]})
        alive = asyncio.create_task(self._keep_alive())
        try:
            finished = await self._handle()
        finally:
            alive.cancel()
        streams = self._notification["streams"] if finished else []
        acks = [{"path": stream["path"], "offset": stream["offset"]} for stream in streams]
        await self._call_back({"acks": acks, "done": True})

    def abort(self) -> None:
        """Interrupt the handler; `run` then gives the claim back."""
        self._aborted = True
        if self._handling:
            self._handling.cancel()

    async def _handle(self) -> bool:
        """Run the handler under a task of its own; False when it was aborted or failed."""
        if self._aborted:
            return False
        self._handling = asyncio.ensure_future(self._handler(self._notification))
        try:
            await asyncio.wait([self._handling])
        except asyncio.CancelledError:
            self._handling.cancel()
            raise
        return not self._handling.cancelled() and self._handling.exception() is None

    async def _keep_alive(self) -> None:
        while True:
            await sleep(self._clock, CLAIM_HEARTBEAT_SECONDS)
            with contextlib.suppress(ApiFailure, httpx.TransportError):
                await self._call_back({})

    async def _call_back(self, body: Json) -> None:
        await self._api.call_back(
            self._notification["callback"],
            self._notification["claimToken"],
            {"epoch": self._notification["epoch"], **body},
        )
