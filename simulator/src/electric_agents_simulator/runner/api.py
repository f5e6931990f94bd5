"""An agents-server's HTTP API, as its clients call it."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx

from electric_agents_exporter.contract.principals import HEADER, KINDS
from electric_agents_simulator.values import Json

_ONE_SEGMENT: Final = "!*'()"
_DATA: Final = re.compile(r"^data: ?", re.MULTILINE)


class ApiFailure(Exception):  # noqa: N818  (named after what the server answered)
    """An answer that is neither success nor an expected refusal."""

    def __init__(self, what: str, response: httpx.Response) -> None:
        super().__init__(f"{what}: {response.status_code} {response.text[:500]}")


LOST_REQUEST: Final = (ApiFailure, httpx.TransportError)
"""What a request raises that failed, on the way or at the server."""


class AgentsApi:
    """One caller of one server. Requests have no time limit, as the real runner's have none."""

    def __init__(self, client: httpx.AsyncClient, base_url: str, principal: str) -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._headers = {HEADER: principal}

    async def register(self, registration: Mapping[str, object]) -> Json:
        """Register a runner."""
        return await self._json("POST", "/_electric/runners", registration)

    async def set_enabled(self, runner_id: str, *, enabled: bool) -> None:
        """Enable or disable a runner."""
        await self._json("POST", self._runner(runner_id, "enable" if enabled else "disable"))

    async def heartbeat(self, runner_id: str, body: Mapping[str, object]) -> httpx.Response:
        """Send a sign of life; the answer as it came."""
        return await self._request("POST", self._runner(runner_id, "heartbeat"), body)

    async def claim(self, runner_id: str, event: Mapping[str, object]) -> httpx.Response:
        """Claim the wake of an event; the answer as it came."""
        return await self._request("POST", self._runner(runner_id, "claim"), event)

    async def add_entity_type(self, name: str) -> None:
        """Make a type of entity known, which anyone may change and spawn."""
        grants = [
            {"subject_kind": "principal_kind", "subject_value": kind, "permission": "manage"}
            for kind in KINDS
        ]
        body = {"name": name, "description": "Simulated work", "permission_grants": grants}
        await self._json("POST", "/_electric/entity-types", body)

    async def spawn(self, type_name: str, entity_id: str, runner_id: str) -> None:
        """Make an entity whose messages wake a runner."""
        policy = {"targets": [{"type": "runner", "runnerId": runner_id}]}
        path = self._entity(type_name, entity_id)
        await self._json("PUT", path, {"dispatch_policy": policy})

    async def send(self, type_name: str, entity_id: str, payload: object) -> None:
        """Send a message to an entity."""
        path = f"{self._entity(type_name, entity_id)}/send"
        await self._json("POST", path, {"payload": payload})

    async def signal(self, type_name: str, entity_id: str, signal: str) -> None:
        """Signal an entity: SIGSTOP pauses it, SIGCONT lets it go on."""
        path = f"{self._entity(type_name, entity_id)}/signal"
        await self._json("POST", path, {"signal": signal})

    async def call_back(self, url: str, token: str, body: Mapping[str, object]) -> None:
        """Call back about a claim."""
        response = await self._client.post(
            url, json=body, headers=self._headers | {"electric-claim-token": token}, timeout=None
        )
        if not response.is_success:
            raise ApiFailure("Wake callback failed", response)

    async def wake_events(self, runner_id: str, offset: str) -> AsyncGenerator[tuple[str, str]]:
        """Read a wake stream as server-sent events, as (name, data), while the connection lasts.

        The first thing given is always (`open`, empty): the server has answered.
        """
        request = self._client.build_request(
            "GET",
            f"{self._base_url}/runners/{quote(runner_id, safe=_ONE_SEGMENT)}/wake",
            params={"offset": offset, "live": "sse"},
            headers=self._headers,
            timeout=None,
        )
        response = await self._client.send(request, stream=True)
        try:
            if not response.is_success:
                await response.aread()
                raise ApiFailure("Wake stream refused", response)
            yield "open", ""
            async for name, data in _parse_events(response):
                yield name, data
        finally:
            await response.aclose()

    def _runner(self, runner_id: str, action: str) -> str:
        return f"/_electric/runners/{quote(runner_id, safe=_ONE_SEGMENT)}/{action}"

    def _entity(self, type_name: str, entity_id: str) -> str:
        names = (quote(name, safe=_ONE_SEGMENT) for name in (type_name, entity_id))
        return "/_electric/entities/" + "/".join(names)

    async def _request(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> httpx.Response:
        return await self._client.request(
            method, self._base_url + path, json=body, headers=self._headers, timeout=None
        )

    async def _json(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Json:
        response = await self._request(method, path, body)
        if not response.is_success:
            raise ApiFailure(f"{method} {path} failed", response)
        answer: Any = response.json()
        return dict(answer)


async def _parse_events(response: httpx.Response) -> AsyncIterator[tuple[str, str]]:
    name, data = "", []
    async for line in response.aiter_lines():
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            data.append(_DATA.sub("", line))
        elif not line and data:
            yield name, "\n".join(data)
            name, data = "", []
