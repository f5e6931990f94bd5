"""Answers for Prometheus where it probes targets one by one: `/probe`, and `/sd` that names them.

Only targets of the settings can be probed, by their names: nobody can have a URL asked.
"""

import asyncio
import difflib
import ipaddress
import json
import logging
import math
import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from electric_agents_exporter.metrics.formats import Format, accepted
from electric_agents_exporter.metrics.scrape import Body
from electric_agents_exporter.web.bodies import Turns, exposition, takes_gzip
from electric_agents_exporter.web.names import visible

log = logging.getLogger(__name__)

_TIMEOUT_HEADER: Final = "x-prometheus-scrape-timeout-seconds"
_LEFT_TO_ANSWER: Final = 0.5  # seconds of a scrape's: the answer has to be made and sent
_LONGEST_SENDING: Final = 30.0
_LONGEST_NAME: Final = 128
_CLOSE_ENOUGH: Final = 0.6
_HOST: Final = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")


class BusyError(Exception):
    """As many wait for a target as may."""


class Probes(Protocol):
    """What probes targets."""

    def names(self) -> list[str]:
        """Give the names of the targets, in the settings' order."""
        ...

    async def scrape(
        self, target: str, seconds: float | None, fmt: Format, *, gzip: bool = False
    ) -> Body:
        """Poll a target now, within so many seconds, and give the exposition of it alone.

        Raises:
            BusyError: as many wait for it as may.
        """
        ...

    async def explain(self, target: str, seconds: float | None) -> str:
        """Poll a target now, and tell what was asked, what came of it, and how it is configured.

        Raises:
            BusyError: as many wait for it as may.
        """
        ...


class ProbeRoutes:
    """Answers probes; `explained` tells whether who asks is told what happened, and of whom."""

    def __init__(self, probes: Probes, *, explained: bool = True) -> None:
        self._probes = probes
        self._explained = explained

    def routes(self) -> list[BaseRoute]:
        """Give the routes."""
        return [
            Route("/probe", _Probe(self._probes, explained=self._explained), methods=["GET"]),
            Route("/sd", self._sd),
        ]

    async def _sd(self, request: Request) -> Response:
        """Name the targets as Prometheus' http_sd wants them, where the client reached us."""
        host = request.headers.get("host", "")
        if not _is_host(host):
            return _refusal("expected a header Host with the name or address of this exporter", 400)
        # Not `request.url`: it is made of the header.
        path = request.scope["path"].removesuffix("/sd") + "/probe"
        scheme = {"__scheme__": "https"} if request.scope["scheme"] == "https" else {}
        found = [
            {
                "targets": [host],
                "labels": {
                    "__metrics_path__": path,
                    "__param_target": name,
                    **scheme,
                    "server": name,
                },
            }
            for name in self._probes.names()
        ]
        headers = {"cache-control": "no-store"}
        return Response(json.dumps(found), media_type="application/json", headers=headers)


class _Probe:
    """Answers `/probe`; an answer that is not read to its end in time is cut off."""

    def __init__(self, probes: Probes, *, explained: bool) -> None:
        self._probes = probes
        self._explained = explained
        self._turns = Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope))
        try:
            async with asyncio.timeout(_LONGEST_SENDING):
                await response(scope, receive, send)
        except TimeoutError:
            log.warning("probe's answer cut off", extra={"seconds": _LONGEST_SENDING})

    async def _answer(self, request: Request) -> Response:
        given = request.query_params.getlist("target")
        if len(given) != 1 or not given[0]:
            return _refusal("expected /probe?target=NAME with the name of a target", 400)
        (target,) = given
        if target not in self._probes.names():
            return _refusal(self._unknown(target), 404)
        seconds = _seconds(request.headers)
        explain = request.query_params.get("debug") == "true"
        if explain and not self._explained:
            return _refusal("web.status_page is off, and debug=true with it", 403)
        try:
            if explain:
                return PlainTextResponse(await self._probes.explain(target, seconds))
            fmt = accepted(request.headers.get("accept", ""))
            gzip = takes_gzip(request)
            body = await self._probes.scrape(target, seconds, fmt, gzip=gzip)
        except BusyError:
            busy = _refusal("too many wait for a probe of this target", 503)
            busy.headers["retry-after"] = "1"
            return busy
        return exposition(body, fmt, self._turns, gzip=gzip)

    def _unknown(self, target: str) -> str:
        shown = visible(target[:_LONGEST_NAME])
        near = difflib.get_close_matches(
            target[:_LONGEST_NAME], self._probes.names(), n=1, cutoff=_CLOSE_ENOUGH
        )
        hint = f" (did you mean {visible(near[0])}?)" if near else ""
        return f"no target is called {shown}{hint}; a URL is none"


def _is_host(text: str) -> bool:
    found = _HOST.fullmatch(text)
    if found is None or not text.startswith("["):
        return found is not None
    try:
        ipaddress.IPv6Address(found[1][1:-1])
    except ValueError:
        return False
    return True


def _seconds(headers: Mapping[str, Any]) -> float | None:
    """Give how long a probe may take for its scrape to be in time; None where nobody says."""
    try:
        scrape = float(headers.get(_TIMEOUT_HEADER, ""))
    except ValueError:
        return None
    if not math.isfinite(scrape) or scrape <= 0:
        return None
    return max(scrape - _LEFT_TO_ANSWER, scrape / 2)


def _refusal(text: str, status: int) -> PlainTextResponse:
    return PlainTextResponse(f"{text}\n", status_code=status)
