"""One system read in two ways: reports from its database, liveness and wakes over HTTP."""

import asyncio

from electric_agents_exporter.fleet.heard import WakeQuestion
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.sources.http import HttpServer, Pacer, WakeSweep, share
from electric_agents_exporter.sources.postgres import PostgresSource
from electric_agents_exporter.sources.source import Source


class SystemSource:
    """A source of an agents-server whose database may be read as well."""

    def __init__(self, server: HttpServer, database: PostgresSource, *, wakes: bool = True) -> None:
        self._server = server
        self.database = database
        self._wakes = wakes

    def take_over(self, before: Source) -> None:
        """Go on from what was learned of the same database, by itself or beside a server."""
        self.database.take_over(before.database if isinstance(before, SystemSource) else before)

    def credential_changed_at(self) -> float | None:
        """When the newest credential file changed, seconds since the epoch; None without one."""
        moments = (self._server.credential_changed_at(), self.database.credential_changed_at())
        return max((at for at in moments if at is not None), default=None)

    def certificate_ends_at(self) -> float | None:
        """Until when the certificate is valid that the server showed last; None without one."""
        return self._server.certificate_ends_at()

    async def aclose(self) -> None:
        """Close every connection."""
        await asyncio.gather(self._server.aclose(), self.database.aclose())

    async def poll(self, poll: Poll, *, paced: bool) -> bool:
        """Ask once; see `Source.poll`."""
        requests = await self._server.requests(poll)
        if isinstance(requests, Reason):
            poll.requested(Operation.SERVER, 0.0, requests)
            complete = await self.database.poll(poll, paced=paced)
            for question in poll.wake_questions():
                poll.wakes_read(question, requests)
            return complete
        complete, _ = await asyncio.gather(
            self.database.poll(poll, paced=paced), self._server.ask_health(requests)
        )
        if self._wakes:
            options = self._server.options
            questions = poll.wake_questions()
            pacer = Pacer.over(options.interval, len(questions), poll, paced=paced)
            sweep = WakeSweep(self._server.wake_streams(requests), poll)

            async def ask(question: WakeQuestion) -> None:
                await pacer.turn()
                await sweep.ask(question)

            await share(questions, options.concurrency, ask)
        return complete
