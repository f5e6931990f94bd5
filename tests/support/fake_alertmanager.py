"""An Alertmanager at the seam of HTTP: what it was told, when, and how it fails."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx
import msgspec

from electric_agents_exporter.alerting.alert import Alert, AlertState, Identity
from electric_agents_exporter.alerting.alertmanager import Alertmanager, AlertmanagerOptions
from electric_agents_exporter.fleet.clock import Clock

Answer = Callable[[httpx.Request], Awaitable[httpx.Response | None]]
"""What it answers in place of a good answer; None where it answers well."""


class Told(NamedTuple):
    """One alert in one request, as it was told at a moment of the wall clock."""

    at: float
    identity: Identity
    starts_at: float
    ends_at: float
    posted: dict[str, Any]

    @property
    def fires(self) -> bool:
        """Whether it fired when it was told."""
        return self.ends_at > self.at


class FakeAlertmanager:
    """Keeps what it is told last of each alert, as a real one does; `answer` may be replaced."""

    def __init__(self, clock: Clock, url: str = "http://am.test") -> None:
        self.url = url
        self.clock = clock
        self.requests: list[httpx.Request] = []
        self.posted_at: list[float] = []
        self.batches: list[list[Told]] = []
        self.last: dict[Identity, Told] = {}
        self.answer: Answer = self.well

    async def well(self, _: httpx.Request) -> None:
        """Answer well."""

    async def refuse(self, request: httpx.Request) -> httpx.Response:
        """Be nobody at all, as while it is down; then everything is forgotten too."""
        self.last.clear()
        raise httpx.ConnectError("", request=request) from ConnectionRefusedError(111, "refused")

    async def hang(self, _: httpx.Request) -> httpx.Response:
        """Never answer."""
        await asyncio.Event().wait()
        raise AssertionError

    def with_status(self, status: int) -> Answer:
        """Answer with a status."""

        async def answer(_: httpx.Request) -> httpx.Response:
            return httpx.Response(status)

        return answer

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        self.requests.append(request)
        if request.method == "POST":
            self.posted_at.append(self.clock.time())
        answer = await self.answer(request)
        if answer is not None:
            return answer
        if request.method == "GET":
            return httpx.Response(200, json=self.known())
        self.take_posted(request)
        return httpx.Response(200, json={})

    def take_posted(self, request: httpx.Request) -> None:
        """Take in what a request tells."""
        self.take(json.loads(request.content))

    def take(self, posted: list[dict[str, Any]]) -> None:
        """Take in alerts."""
        now = self.clock.time()
        batch = [
            Told(
                now,
                frozenset(each["labels"].items()),
                seconds(each["startsAt"]),
                seconds(each["endsAt"]),
                each,
            )
            for each in posted
        ]
        self.batches.append(batch)
        self.last |= {told.identity: told for told in batch}

    def known(self) -> list[dict[str, Any]]:
        """Give what fires, as `GET /api/v2/alerts` does."""
        return [
            told.posted | {"fingerprint": "00", "status": {"state": "active"}}
            for told in self.last.values()
            if told.identity in self.firing()
        ]

    def firing(self) -> set[Identity]:
        """Give what it takes for firing now."""
        now = self.clock.time()
        return {identity for identity, told in self.last.items() if told.ends_at > now}

    @property
    def told(self) -> list[Told]:
        """Everything that it was told, oldest first."""
        return [told for batch in self.batches for told in batch]

    def reach(self, options: AlertmanagerOptions) -> Alertmanager:
        """Make what speaks to it."""
        return Alertmanager(options, lambda _: httpx.MockTransport(self.handle))


def seconds(text: str) -> float:
    """Read a moment as it is written on the wire."""
    return datetime.fromisoformat(text).timestamp()


def alert(
    name: str,
    *,
    severity: str = "critical",
    fired_at: float | None = None,
    resolved_at: float | None = None,
    active_at: float = 0.0,
    **labels: str,
) -> Alert:
    """Make an alert: pending, firing since `fired_at`, or resolved."""
    state = AlertState.PENDING if fired_at is None else AlertState.FIRING
    return Alert(
        labels={
            "alertname": f"ElectricAgents{name}",
            "severity": severity,
            "service": "electric-agents",
            **labels,
        },
        annotations={"summary": f"{name} it is."},
        state=AlertState.RESOLVED if resolved_at is not None else state,
        active_at=active_at,
        fired_at=fired_at,
        resolved_at=resolved_at,
    )


def ended(one: Alert, at: float) -> Alert:
    """Give an alert as it is once it has ended."""
    return msgspec.structs.replace(one, state=AlertState.RESOLVED, resolved_at=at)


def as_told(one: Alert, ends_at: float) -> dict[str, Any]:
    """Write an alert as whoever sends alerts does."""
    return {
        "labels": one.labels,
        "annotations": one.annotations,
        "startsAt": datetime.fromtimestamp(one.fired_at or 0.0, UTC).isoformat(),
        "endsAt": datetime.fromtimestamp(ends_at, UTC).isoformat(),
    }
