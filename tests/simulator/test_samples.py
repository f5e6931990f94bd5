"""The answers captured from the real server, when the same things happen to a runner."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from electric_agents_simulator.clock import ManualClock
from electric_agents_simulator.server.system import System
from electric_agents_simulator.testing import Caller, runner_path

SAMPLES = Path(__file__).parents[1] / "contract" / "samples"
HEALTH = sorted(path.stem for path in SAMPLES.glob("health-*.json"))


def sample(name: str) -> Any:  # noqa: ANN401  (JSON)
    return json.loads((SAMPLES / f"{name}.json").read_text())


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).astimezone(UTC).timestamp()


class Replay:
    """Lets happen to a runner what must have happened for a health report to read as it does."""

    def __init__(self, caller: Caller, clock: ManualClock, system: System) -> None:
        self._caller = caller
        self._clock = clock
        self._system = system
        self._consumers: dict[str, str] = {}

    async def report(self, wanted: dict[str, Any]) -> dict[str, Any]:
        runner_id = wanted["runner"]["id"]
        self._clock.advance(seconds(wanted["runner"]["created_at"]) - self._clock.now())
        await self._caller.register(runner_id)
        for claim in wanted["claims"]["active"]:
            await self._claim(runner_id, claim)
        await self._finish_where_dispatch_is_clear(wanted)
        await self._heartbeat(wanted)
        if wanted["runner"]["admin_status"] == "disabled":
            await self._caller.post(runner_path(runner_id, "disable"))
        self._to(self._moment_of(wanted))
        report = await self._caller.health(runner_id)
        for claim in report["claims"]["active"]:
            claim["consumer_id"] = self._consumers[claim["consumer_id"]]
        return report

    def _to(self, moment: float) -> None:
        self._clock.advance(max(0.0, moment - self._clock.now()))

    def _moment_of(self, wanted: dict[str, Any]) -> float:
        runner = wanted["runner"]
        if runner["lease_expires_at"] is None:
            return self._clock.now()
        issue = wanted["health"]["issues"][0] if wanted["health"]["issues"] else ""
        ago = float(issue.split()[-2][:-1]) if "expired" in issue else 0.0
        left = float(runner["lease_remaining_ms"]) / 1000
        return seconds(runner["lease_expires_at"]) - left + ago

    async def _heartbeat(self, wanted: dict[str, Any]) -> None:
        runner = wanted["runner"]
        if runner["last_seen_at"] is None:
            return
        self._clock_at(runner["last_seen_at"])
        body = {
            "liveness_lease_expires_at": runner["lease_expires_at"],
            "wake_stream_offset": runner["wake_stream_offset"],
        }
        if wanted["client"] is not None:
            body["diagnostics"] = wanted["client"]
        await self._caller.heartbeat(runner["id"], **body)

    def _clock_at(self, moment: str) -> None:
        # Heartbeats of a claim may be later than the runner's own last one: step back for it.
        self._clock.advance(seconds(moment) - self._clock.now())

    async def _claim(self, runner_id: str, wanted: dict[str, Any]) -> None:
        """Claim as a server does that has just started: its generations begin at 1 again."""
        self._clock_at(wanted["claimed_at"])
        self._system.subscriptions.forget()
        url = wanted["entity_url"]
        if self._system.registry.entity(url) is None:
            await self._caller.spawn(runner_id, url)
        for _ in range(wanted["epoch"]):
            await self._caller.send(url)
            claim = await self._caller.claim_newest(runner_id)
            if claim["epoch"] < wanted["epoch"]:
                await self._caller.finish(claim)
        self._consumers[claim["consumerId"]] = wanted["consumer_id"]
        if wanted["last_heartbeat_at"] is not None:
            last = seconds(wanted["last_heartbeat_at"])
            while self._clock.now() < last:
                self._clock.advance(min(10.0, last - self._clock.now()))
                await self._caller.call_back(claim)

    async def _finish_where_dispatch_is_clear(self, wanted: dict[str, Any]) -> None:
        """End a later claim of the same entity: its row goes, and the leaked one stays."""
        if wanted["claims"]["active"] and not wanted["dispatch"]["entities_with_active_claim"]:
            url = wanted["claims"]["active"][0]["entity_url"]
            self._system.subscriptions.forget()
            await self._caller.send(url)
            await self._caller.finish(await self._caller.claim_newest(wanted["runner"]["id"]))


@pytest.mark.parametrize("name", HEALTH)
async def test_a_health_report_equals_the_real_servers(
    name: str, caller: Caller, clock: ManualClock, system: System
) -> None:
    wanted = sample(name)
    assert await Replay(caller, clock, system).report(wanted) == wanted


async def test_a_runner_and_the_list_equal_the_real_servers(
    caller: Caller, clock: ManualClock
) -> None:
    wanted = sample("runners-list")
    for runner in reversed(wanted):
        clock.advance(seconds(runner["created_at"]) - clock.now())
        await caller.register(runner["id"], label=runner["label"], kind=runner["kind"])
    for runner in sorted(wanted, key=lambda runner: str(runner["updated_at"])):
        clock.advance(seconds(runner["updated_at"]) - clock.now())
        await caller.register(
            runner["id"],
            label=runner["label"],
            kind=runner["kind"],
            admin_status=runner["admin_status"],
        )
    assert await caller.runners() == wanted


async def test_errors_equal_the_real_servers(caller: Caller) -> None:
    await caller.register("mine")
    other = caller.as_principal("user:other")
    assert (await other.get(runner_path("mine"))).json() == sample("error-other-owner")
    assert (await caller.get(runner_path("none"))).json() == sample("error-not-found")
    asked = await caller.get("/_electric/runners?owner_principal=service:monitor")
    assert asked.json() == sample("error-bad-owner-principal")


async def test_the_servers_own_health_equals_the_real_ones(caller: Caller) -> None:
    assert (await caller.get("/_electric/health")).json() == sample("server-health")
