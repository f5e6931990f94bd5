"""The HTTP paths, and who answers them."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.metrics.formats import accepted
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.scrape import Scraper
from electric_agents_exporter.status.steps import Links
from electric_agents_exporter.web.access import Access
from electric_agents_exporter.web.bodies import Turns, exposition, takes_gzip
from electric_agents_exporter.web.guard import Guard
from electric_agents_exporter.web.probe_routes import ProbeRoutes, Probes
from electric_agents_exporter.web.status_routes import AlertsOf, StatusRoutes

log = logging.getLogger(__name__)

_LONGEST_SCRAPE = 30.0
_REFUSED_AFTER = 0.5
_MOST_REGULARS = 16
_LONGEST_NAME = 200


@dataclass(slots=True)
class Served:
    """What the routes answer from.

    `reload` reads the settings again and returns what is wrong with them, empty if nothing; None
    where reloading over HTTP is off. `status_page` tells whether pages and their JSON are served,
    with `links`, and with the `alerts` of this exporter, None where it sends none. `probes` polls
    single targets for who asks; None where nobody can. `route_prefix` stands before every path,
    without a slash at its end. `access` gives what protects the port.
    """

    fleet: Fleet
    scraper: Scraper
    process: ProcessState
    clock: Clock
    max_concurrent_scrapes: int
    reload: Callable[[], Awaitable[str]] | None
    status_page: bool = True
    links: Links = field(default_factory=Links)
    alerts: AlertsOf = lambda: None
    probes: Probes | None = None
    route_prefix: str = ""
    access: Callable[[], Access] = Access


def create_app(served: Served) -> ASGIApp:
    """Make the ASGI application."""
    routes: list[BaseRoute] = [
        Route("/metrics", _Metrics(served), methods=["GET"]),
        Route("/-/healthy", _healthy(served)),
        Route("/-/ready", _ready(served)),
    ]
    if served.status_page:
        version = served.process.version
        routes += StatusRoutes(served.fleet, version, served.links, served.alerts).routes()
    if served.probes is not None:
        routes += ProbeRoutes(served.probes, explained=served.status_page).routes()
    if served.reload is not None:
        routes.append(Route("/-/reload", _reload(served.reload), methods=["POST"]))
    if served.route_prefix:
        home = _redirect(f"{served.route_prefix}/")
        routes = [
            Route("/", home),
            Route(served.route_prefix, home),
            Mount(served.route_prefix, routes=routes),
        ]
    app = Starlette(routes=routes)
    # A redirect would go to whatever host the client names.
    app.router.redirect_slashes = False
    return Guard(app, served.access)


Handler = Callable[[Request], Awaitable[Response]]


class _Metrics:
    """Answers `/metrics`: so many at once and no more, each until its last byte is sent.

    A client that does not read is cut off, or a few of them would hold every place. And whoever was
    served before has a place of its own, which nobody else can hold.
    """

    def __init__(self, served: Served) -> None:
        self._served = served
        self._running: Counter[_Client] = Counter()
        self._regulars: Counter[_Client] = Counter()
        self._turns = Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = _client(Request(scope))
        is_full = self._running.total() >= self._served.max_concurrent_scrapes
        if is_full and (self._running[client] or not self._regulars[client]):
            busy = PlainTextResponse(
                "too many scrapes at once (web.max_concurrent_scrapes)\n",
                status_code=503,
                headers={"retry-after": "1"},
            )
            # Whoever asks again at once, and many do, would take the polls' time with that.
            await asyncio.sleep(_REFUSED_AFTER)
            await busy(scope, receive, send)
            return
        self._running[client] += 1
        try:
            async with asyncio.timeout(_LONGEST_SCRAPE):
                response = await self._answer(Request(scope))
                await response(scope, receive, send)
            self._note_served(client)
        except TimeoutError:
            log.warning("scrape cut off", extra={"seconds": _LONGEST_SCRAPE})
        finally:
            self._running[client] -= 1
            if not self._running[client]:
                del self._running[client]

    def _note_served(self, client: "_Client") -> None:
        """Remember who was served, of too many those who were most often."""
        self._regulars[client] += 1
        if len(self._regulars) > _MOST_REGULARS:
            del self._regulars[min(self._regulars, key=self._regulars.__getitem__)]

    async def _answer(self, request: Request) -> Response:
        fmt = accepted(request.headers.get("accept", ""))
        gzip = takes_gzip(request)
        names = frozenset(request.query_params.getlist("name[]"))
        body = await self._served.scraper.scrape(fmt, names, gzip=gzip)
        return exposition(body, fmt, self._turns, gzip=gzip)


_Client = tuple[str, str]
"""Who scrapes, as far as can be told: an address, and what it calls itself."""


def _client(request: Request) -> _Client:
    host = request.client.host if request.client else ""
    return host, request.headers.get("user-agent", "")[:_LONGEST_NAME]


def _redirect(path: str) -> Handler:
    async def answer(_: Request) -> Response:
        return Response(status_code=302, headers={"location": path})

    return answer


def _healthy(served: Served) -> Handler:
    async def answer(_: Request) -> Response:
        stillness = served.fleet.stillness()
        if stillness:
            return PlainTextResponse(f"{stillness}\n", status_code=503)
        return PlainTextResponse("healthy\n")

    return answer


def _ready(served: Served) -> Handler:
    async def answer(_: Request) -> Response:
        targets = served.fleet.targets.items()
        waiting = [name for name, each in targets if each.policy.scheduled and not each.polled]
        if waiting:
            return PlainTextResponse(f"not polled yet: {', '.join(waiting)}\n", status_code=503)
        return PlainTextResponse("ready\n")

    return answer


def _reload(reload: Callable[[], Awaitable[str]]) -> Handler:
    async def answer(_: Request) -> Response:
        faults = await reload()
        if faults:
            return PlainTextResponse(f"{faults}\n", status_code=500)
        return PlainTextResponse("reloaded\n")

    return answer
