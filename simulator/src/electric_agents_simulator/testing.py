"""For tests: a server without a socket, and a caller that asks it as any HTTP client would."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import quote

import httpx

from electric_agents_exporter.contract.principals import HEADER
from electric_agents_simulator.server.app import create_app
from electric_agents_simulator.server.system import System
from electric_agents_simulator.values import Json


@asynccontextmanager
async def in_memory(system: System, principal: str | None) -> AsyncGenerator["Caller"]:
    """Let one principal (None: nobody) ask a server, without a socket in between."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(system))) as client:
        yield Caller(client, principal)


def runner_path(runner_id: str, action: str = "") -> str:
    """Write the path of a runner, every byte of its id encoded that can be."""
    path = f"/_electric/runners/{quote(runner_id, safe='')}"
    return f"{path}/{action}" if action else path


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: it does not hold after so many (real) seconds.
    """
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110  (what others do has no event here)
            await asyncio.sleep(0.01)


class UnexpectedAnswerError(AssertionError):
    """An answer of another status than a test takes for granted."""


@dataclass(frozen=True)
class Caller:
    """Asks a server in the name of one principal, and takes its good answers for granted."""

    client: httpx.AsyncClient
    principal: str | None
    base_url: str = "http://agents.test"

    def as_principal(self, principal: str | None) -> "Caller":
        """Ask in another's name."""
        return replace(self, principal=principal)

    async def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Ask for a path exactly as it is written; the body is JSON, or bytes as they are."""
        who = {} if self.principal is None else {HEADER: self.principal}
        url = httpx.URL(self.base_url).copy_with(raw_path=path.encode())
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        request = httpx.Request(method, url, headers=who | (headers or {}), **sent)
        return await self.client.send(request)

    async def get(self, path: str) -> httpx.Response:
        """GET a path."""
        return await self.ask("GET", path)

    async def post(self, path: str, body: object = None) -> httpx.Response:
        """POST to a path."""
        return await self.ask("POST", path, body)

    async def register(self, runner_id: str, **more: object) -> Json:
        """Register a runner."""
        body = {"id": runner_id, "label": f"Runner {runner_id}", **more}
        return _good(await self.post("/_electric/runners", body))

    async def runners(self) -> list[Json]:
        """List this caller's runners."""
        runners: list[Json] = (await self.get("/_electric/runners")).json()
        return runners

    async def heartbeat(self, runner_id: str, **body: object) -> Json:
        """Send a heartbeat."""
        return _good(await self.post(runner_path(runner_id, "heartbeat"), body))

    async def health(self, runner_id: str) -> Json:
        """Ask for a health report."""
        return _good(await self.get(runner_path(runner_id, "health")))

    async def spawn(self, runner_id: str, url: str) -> None:
        """Make an entity at `/TYPE/ID` that works through a runner, and its type if need be."""
        type_name = url.split("/")[1]
        grants = [
            {"subject_kind": "principal_kind", "subject_value": kind, "permission": "manage"}
            for kind in ("user", "agent", "service", "system")
        ]
        described = {"name": type_name, "description": "A task", "permission_grants": grants}
        _good(await self.post("/_electric/entity-types", described))
        policy = {"targets": [{"type": "runner", "runnerId": runner_id}]}
        _good(await self.ask("PUT", f"/_electric/entities{url}", {"dispatch_policy": policy}))

    async def send(self, url: str) -> None:
        """Send an entity a message."""
        _good(await self.post(f"/_electric/entities{url}/send", {"payload": "hello"}))

    async def wakes(self, runner_id: str) -> list[Json]:
        """Read all wake events of a runner."""
        path = f"/runners/{quote(runner_id, safe='')}/wake?offset=-1"
        events: list[Json] = (await self.get(path)).json()
        return events

    async def claim(self, runner_id: str, event: Json) -> httpx.Response:
        """Claim the wake of an event."""
        return await self.post(runner_path(runner_id, "claim"), event)

    async def claim_newest(self, runner_id: str) -> Json:
        """Claim the wake of a runner's newest event, which must be to be had."""
        return _good(await self.claim(runner_id, (await self.wakes(runner_id))[-1]))

    async def call_back(self, claim: Json, **body: object) -> httpx.Response:
        """Call back about a claim."""
        path = httpx.URL(claim["callback"]).raw_path.decode()
        headers = {"electric-claim-token": claim["claimToken"]}
        return await self.ask("POST", path, {"epoch": claim["epoch"], **body}, headers)

    async def finish(self, claim: Json) -> httpx.Response:
        """Call back that a claim's work is done, up to where it was when it was claimed."""
        return await self.call_back(claim, acks=claim["streams"], done=True)


def _good(response: httpx.Response) -> Json:
    if not response.is_success:
        raise UnexpectedAnswerError(
            f"{response.request.url}: {response.status_code} {response.text}"
        )
    answer: Json = response.json()
    return answer
