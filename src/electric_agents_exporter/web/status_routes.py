"""Who answers for pages and their JSON: made off the event loop, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from electric_agents_exporter.alerting.alert import Alert
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.snapshot import Past, TargetSnapshot
from electric_agents_exporter.status.fleet_status import fleet_status, with_pasts
from electric_agents_exporter.status.query import Query, read_query
from electric_agents_exporter.status.runner_status import runner_status
from electric_agents_exporter.status.steps import Links
from electric_agents_exporter.status.view import FleetStatus, RunnerMatches, RunnerStatus
from electric_agents_exporter.web.pages import STATIC, Pages, static_file

Made = TypeVar("Made")
AlertsOf = Callable[[], Sequence[Alert] | None]
Handler = Callable[[Request], Awaitable[Response]]

_MOST_WAITING: Final = 16
_DATA_HEADERS: Final = {"cache-control": "no-store"}
_PAGE_HEADERS: Final = {
    **_DATA_HEADERS,
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


class _BusyError(Exception):
    """More ask for pages than can be answered soon."""


class StatusRoutes:
    """Answers for the status page, a runner's page, and both as JSON."""

    def __init__(
        self, fleet: Fleet, version: str, links: Links, alerts: AlertsOf = lambda: None
    ) -> None:
        self._fleet = fleet
        self._version = version
        self._links = links
        self._alerts = alerts
        self._pages = Pages()
        self._maker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pages")
        self._waiting = 0

    def routes(self) -> list[BaseRoute]:
        """Give the routes."""
        return [
            Route("/", self._polite(self._page)),
            Route("/runner", self._polite(self._runner_page)),
            Route("/api/v1/fleet", self._polite(self._fleet_data)),
            Route("/api/v1/runners", self._polite(self._runner_data)),
            Route("/api/v1/runners/{id:path}", self._polite(self._runner_data)),
            *(Route(f"/static/{name}", _static(name, kind)) for name, kind in STATIC.items()),
        ]

    def _polite(self, handler: Handler) -> Handler:
        """Tell who comes when too many wait to come again."""

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except _BusyError:
                return PlainTextResponse(
                    "too many ask for pages at once\n",
                    status_code=503,
                    headers={**_DATA_HEADERS, "retry-after": "1"},
                )

        return answer

    async def _make(self, work: Callable[[], Made]) -> Made:
        """Run what takes long in a thread, one after the other."""
        if self._waiting >= _MOST_WAITING:
            raise _BusyError
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._maker, work)
        finally:
            self._waiting -= 1

    async def _page(self, request: Request) -> Response:
        query = read_query(request.query_params)
        status = await self._status(query)
        page = await self._make(lambda: self._pages.fleet(status, query))
        return HTMLResponse(page, headers=_PAGE_HEADERS)

    async def _fleet_data(self, request: Request) -> Response:
        status = await self._status(read_query(request.query_params))
        return _json(await self._make(lambda: msgspec.json.encode(status)))

    async def _status(self, query: Query) -> FleetStatus:
        snapshot = self._fleet.snapshot()
        alerts = self._alerts()
        status = await self._make(lambda: fleet_status(snapshot, query, self._version, alerts))
        # The past is not part of a snapshot, so it is read where it is written.
        pasts = {
            key: past
            for row in status.page.rows
            if (past := self._past(key := (row.target, row.tenant, row.id))) is not None
        }
        return await self._make(lambda: with_pasts(status, snapshot, pasts))

    def _past(self, key: tuple[str, str | None, str]) -> Past | None:
        detail = self._fleet.detail(*key)
        return None if detail is None else detail.past

    async def _runner_page(self, request: Request) -> Response:
        found = await self._runners(request.query_params.get("id", ""), request)
        if not found:
            page = self._pages.nothing(self._version, self._fleet.snapshot().time)
            return HTMLResponse(page, status_code=404, headers=_PAGE_HEADERS)
        page = await self._make(lambda: self._pages.runner(found[0]))
        return HTMLResponse(page, headers=_PAGE_HEADERS)

    async def _runner_data(self, request: Request) -> Response:
        runner_id = request.path_params.get("id", request.query_params.get("id", ""))
        found = RunnerMatches(await self._runners(runner_id, request))
        body = await self._make(lambda: msgspec.json.encode(found))
        return _json(body, 200 if found.runners else 404)

    async def _runners(self, runner_id: str, request: Request) -> tuple[RunnerStatus, ...]:
        """Give the runners of an id, of the target and tenant that are named or of all."""
        snapshot = self._fleet.snapshot()
        known = [
            (target, detail)
            for target in snapshot.targets
            if _is_asked_for(target, request.query_params)
            and (detail := self._fleet.detail(target.name, target.tenant, runner_id)) is not None
        ]

        def tell() -> tuple[RunnerStatus, ...]:
            return tuple(
                runner_status(snapshot, target, detail, version=self._version, links=self._links)
                for target, detail in known
            )

        return await self._make(tell) if known else ()


def _is_asked_for(target: TargetSnapshot, given: Mapping[str, str]) -> bool:
    return given.get("target", target.name) == target.name and (
        "tenant" not in given or given["tenant"] == target.tenant
    )


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, headers=_DATA_HEADERS, media_type="application/json")


def _static(name: str, kind: str) -> Handler:
    content = static_file(name)
    # Its address has a mark of its content.
    headers = {"cache-control": "public, max-age=86400"}

    async def answer(_: Request) -> Response:
        return Response(content, headers=headers, media_type=kind)

    return answer
