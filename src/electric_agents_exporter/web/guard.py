"""What stands before every path: the rate, passwords, and headers that keep browsers careful."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from electric_agents_exporter.web.access import Access, Rate
from electric_agents_exporter.web.complaints import Complaints
from electric_agents_exporter.web.headers import with_headers
from electric_agents_exporter.web.passwords import Passwords, Verdict

log = logging.getLogger(__name__)

_REFUSED_AFTER: Final = 0.5
_WHO: Final = {"www-authenticate": 'Basic realm="electric-agents-exporter", charset="UTF-8"'}


class Guard:
    """An application behind what protects the port; that is asked for at every request."""

    def __init__(
        self,
        app: ASGIApp,
        access: Callable[[], Access],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._access = access
        self._passwords = Passwords()
        self._bucket = _Bucket(clock)
        self._complaints = Complaints(log, "requests refused")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application do so."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        access = self._access()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = with_headers(message.get("headers", ()), access.headers)
            await send(message)

        refused: Response | None = None
        if access.rate is not None and not self._bucket.takes(access.rate):
            refused = PlainTextResponse("too many requests (rate_limit)\n", status_code=429)
        elif access.users:
            refused = await self._refused(Request(scope), access)
        await (refused or self._app)(scope, receive, send_with_headers)

    async def _refused(self, request: Request, access: Access) -> Response | None:
        """Give the answer to who is not let in; None to who is."""
        given = request.headers.get("authorization", "")
        address = request.client.host if request.client else "unknown"
        verdict = await self._passwords.judge(access.users, given, address)
        if verdict is Verdict.ADMITTED:
            return None
        if verdict is Verdict.BUSY:
            self._complaints.note("too many new names and passwords at once", address)
            # Whoever asks again at once would take the polls' time with that.
            await asyncio.sleep(_REFUSED_AFTER)
            return PlainTextResponse(
                "too many new names and passwords at once\n",
                status_code=503,
                headers={"retry-after": "1"},
            )
        if given:
            self._complaints.note("a name or a password is wrong", address)
        return PlainTextResponse("unauthorized\n", status_code=401, headers=_WHO)


class _Bucket:
    """Holds as many requests as may be answered at once, and gets one back at every interval."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rate: Rate | None = None
        self._left = 0.0
        self._at = 0.0

    def takes(self, rate: Rate) -> bool:
        """Take one out, and tell whether there was one."""
        now = self._clock()
        if rate != self._rate:
            self._rate, self._left, self._at = rate, float(rate.burst), now
        self._left = min(float(rate.burst), self._left + (now - self._at) / rate.interval)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
