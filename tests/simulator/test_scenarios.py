"""Every scenario shows what it is about: played on a socket, up to forty times as fast.

Simulator and observer share a thread, and their time stands while that thread has to wait.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from electric_agents_simulator import scenarios
from electric_agents_simulator.clock import RunningClock
from electric_agents_simulator.scenarios.player import ScenarioPlayer
from electric_agents_simulator.server.serving import SimulatedServer
from electric_agents_simulator.testing import Caller, runner_path, until
from electric_agents_simulator.values import from_text
from unhindered_loop import run_unhindered

pytestmark = pytest.mark.timeout(600)

SPEED = 40.0
Health = dict[str, Any]
Fleet = dict[str, Health]


@dataclass
class Observer:
    """Sees what a monitor sees."""

    caller: Caller
    principals: tuple[str, ...]

    async def fleet(self) -> Fleet:
        seen: Fleet = {}
        for principal in self.principals:
            caller = self.caller.as_principal(principal)
            listed = (await caller.get("/_electric/runners")).json()
            for runner in listed if isinstance(listed, list) else ():
                response = await caller.get(runner_path(runner["id"], "health"))
                if response.is_success:
                    seen[runner["id"]] = response.json()
        return seen

    async def sees(self, holds: Callable[[Fleet], bool], seconds: float = 40.0) -> None:
        async def look() -> bool:
            return holds(await self.fleet())

        await until(look, seconds)

    async def unheard(self, runner_id: str) -> list[dict[str, Any]]:
        """Read the wakes behind the offset that a runner told last."""
        offset = (await self.caller.health(runner_id))["runner"]["wake_stream_offset"]
        path = f"/runners/{runner_id}/wake?offset={offset}"
        events: list[dict[str, Any]] = (await self.caller.get(path)).json()
        return events

    async def is_deaf(self, runner_id: str) -> bool:
        """Whether it heartbeats long after a wake that it has not heard."""
        events = await self.unheard(runner_id)
        seen = str((await self.caller.health(runner_id))["runner"]["last_seen_at"])
        waits = [from_text(seen).timestamp() - float(event["ts"]) / 1000 for event in events]
        return max(waits, default=0.0) > 30


@asynccontextmanager
async def played(name: str, runners: int, speed: float = SPEED) -> AsyncIterator[Observer]:
    clock = RunningClock(speed, asyncio.get_running_loop().time)
    scenario = scenarios.find(name)
    async with SimulatedServer(clock) as server, httpx.AsyncClient(trust_env=False) as client:
        player = ScenarioPlayer(server, scenario, runners, seed=7, clock=clock)
        async with player.play():
            caller = Caller(client, "service:monitor", server.url)
            yield Observer(caller, scenario.principals)


def issues(fleet: Fleet, runner_id: str) -> list[str]:
    return list(fleet[runner_id]["health"]["issues"]) if runner_id in fleet else []


def client(fleet: Fleet, runner_id: str) -> dict[str, Any]:
    return dict((fleet.get(runner_id) or {}).get("client") or {})


def claims(fleet: Fleet, runner_id: str) -> int:
    return int(fleet[runner_id]["claims"]["active_count"]) if runner_id in fleet else 0


def total(fleet: Fleet, field: str) -> float:
    return float(sum(client(fleet, runner_id).get(field, 0) for runner_id in fleet))


def all_are(fleet: Fleet, liveness: str) -> bool:
    found = {health["runner"]["liveness_status"] for health in fleet.values()}
    return found == {liveness}


async def demo(observer: Observer) -> None:
    await observer.sees(
        lambda fleet: (
            {health["health"]["status"] for health in fleet.values()}
            == {"healthy", "degraded", "unhealthy"}
            and total(fleet, "claims_succeeded") > 3
        )
    )
    await until(lambda: observer.is_deaf("cut-off-0"), 40.0)
    assert issues(await observer.fleet(), "cut-off-0") == []


async def healthy_day(observer: Observer) -> None:
    await observer.sees(lambda fleet: total(fleet, "claims_succeeded") > 10)
    fleet = await observer.fleet()
    assert all(health["health"]["issues"] == [] for health in fleet.values())


async def maintenance(observer: Observer) -> None:
    await observer.sees(
        lambda fleet: (
            issues(fleet, "patient-0") == ["Runner is disabled"]
            and client(fleet, "patient-0")["claims_failed"] > 0
        )
    )
    await observer.sees(lambda fleet: issues(fleet, "patient-0") == [])


async def rolling_restart(observer: Observer) -> None:
    await observer.sees(lambda fleet: "fleet-5" in fleet)
    before = client(await observer.fleet(), "fleet-5")["started_at"]
    await observer.sees(lambda fleet: client(fleet, "fleet-5")["started_at"] > before)


async def grow_and_shrink(observer: Observer) -> None:
    await observer.sees(lambda fleet: len(fleet) == 6)
    await observer.sees(
        lambda fleet: all(
            health["runner"]["liveness_status"] == "expired"
            for runner_id, health in fleet.items()
            if runner_id.startswith("reserve")
        )
    )
    assert len(await observer.fleet()) == 6


async def night(observer: Observer) -> None:
    await observer.sees(
        lambda fleet: (
            issues(fleet, "laptop-0") != []
            and issues(fleet, "job-1") != []
            and issues(fleet, "night-owl-0") != []
            and claims(fleet, "night-owl-0") > 0
        )
    )


async def killed_at_work(observer: Observer) -> None:
    await observer.sees(
        lambda fleet: (
            claims(fleet, "victim-0") > 0
            and "expired" in str(issues(fleet, "victim-0"))
            and client(fleet, "victim-0")["status"] == "streaming"
        )
    )
    orphaned = claims(await observer.fleet(), "victim-0")
    await observer.sees(
        lambda fleet: issues(fleet, "victim-0") == [] and claims(fleet, "victim-0") > orphaned
    )


async def deaf(observer: Observer) -> None:
    await observer.sees(
        lambda fleet: (
            issues(fleet, "deaf-0") == ["Client reports stream disconnected"]
            and client(fleet, "deaf-0")["status"] == "connecting"
        )
    )
    await observer.sees(lambda fleet: client(fleet, "deaf-0").get("claims_succeeded", 0) > 0)


async def cut_off(observer: Observer) -> None:
    await observer.sees(lambda fleet: client(fleet, "cut-off-0").get("claims_succeeded", 0) > 0)
    await until(lambda: observer.is_deaf("cut-off-0"), 40.0)
    fleet = await observer.fleet()
    assert issues(fleet, "cut-off-0") == []
    assert client(fleet, "cut-off-0")["stream_connected"]

    async def hears() -> bool:
        return not await observer.is_deaf("cut-off-0")

    await until(hears, 40.0)


async def drain(observer: Observer) -> None:
    def drains(fleet: Fleet) -> bool:
        if not claims(fleet, "draining-0"):
            return False
        report = fleet["draining-0"]
        heartbeats = [str(claim["last_heartbeat_at"] or "") for claim in report["claims"]["active"]]
        expired = str(report["runner"]["liveness_status"]) == "expired"
        return expired and max(heartbeats) > str(report["runner"]["lease_expires_at"])

    await observer.sees(drains)
    await observer.sees(lambda fleet: claims(fleet, "draining-0") == 0)


async def killed_idle(observer: Observer) -> None:
    async def waits() -> bool:
        return len(await observer.unheard("absent-0")) == 2

    await until(waits, 20.0)
    await observer.sees(
        lambda fleet: "expired" in str(issues(fleet, "absent-0")) and not claims(fleet, "absent-0")
    )
    await observer.sees(lambda fleet: client(fleet, "absent-0").get("claims_succeeded", 0) == 2)


async def refused_wakes(observer: Observer) -> None:
    await observer.sees(
        lambda fleet: (
            issues(fleet, "refusing-0") == []
            and client(fleet, "refusing-0").get("claims_failed", 0) == 2
            and client(fleet, "refusing-0")["last_claim_result"] == "error"
        )
    )
    await asyncio.sleep(60 / 20)
    assert await observer.unheard("refusing-0") == []
    assert client(await observer.fleet(), "refusing-0")["claims_succeeded"] == 0
    await observer.sees(lambda fleet: client(fleet, "refusing-0").get("claims_succeeded", 0) > 0)


async def crash_loop(observer: Observer) -> None:
    await observer.sees(lambda fleet: claims(fleet, "looper-0") > 3)


async def duplicate_id(observer: Observer) -> None:
    starts: list[str] = []

    def alternates(fleet: Fleet) -> bool:
        start = client(fleet, "twin-0").get("started_at")
        if start and (not starts or starts[-1] != start):
            starts.append(start)
        return len(starts) > 3 and len(set(starts)) == 2

    await observer.sees(alternates)


async def clock_skew(observer: Observer) -> None:
    await observer.sees(
        lambda fleet: (
            client(fleet, "ahead-0").get("last_heartbeat_at") is not None
            and client(fleet, "behind-0").get("last_heartbeat_at") is not None
            and "immortal-0" in fleet
        )
    )
    fleet = await observer.fleet()
    lease = fleet["ahead-0"]["runner"]["lease_expires_at"]
    assert client(fleet, "ahead-0")["last_heartbeat_at"] > lease
    assert (
        client(fleet, "behind-0")["last_heartbeat_at"] < fleet["behind-0"]["runner"]["created_at"]
    )
    assert fleet["immortal-0"]["runner"]["lease_expires_at"].startswith("2099")


async def claim_failures(observer: Observer) -> None:
    await observer.sees(
        lambda fleet: total(fleet, "claims_failed") > 5 and total(fleet, "claims_succeeded") > 5
    )


async def reconnects(observer: Observer) -> None:
    await observer.sees(
        lambda fleet: (
            client(fleet, "flappy-0").get("status") == "streaming"
            and "reconnected" in str(issues(fleet, "flappy-0"))
        )
    )


async def paused_agent(observer: Observer) -> None:
    await observer.sees(
        lambda fleet: (
            client(fleet, "spinning-0").get("claims_skipped", 0) > 10
            and client(fleet, "spinning-0")["claims_succeeded"] == 0
            and issues(fleet, "spinning-0") == []
            and fleet["spinning-0"]["dispatch"]["entities_with_pending_work"] == 0
        )
    )


async def database_outage(observer: Observer) -> None:
    await observer.sees(
        lambda fleet: (
            len(fleet) == 6
            and all("reconnected" in str(issues(fleet, runner_id)) for runner_id in fleet)
        )
    )
    assert (await observer.caller.get("/_electric/health")).status_code == 200


async def frozen_database(observer: Observer) -> None:
    async def hangs() -> bool:
        try:
            await observer.caller.client.get(
                f"{observer.caller.base_url}/_electric/runners", timeout=0.2
            )
        except httpx.ReadTimeout:
            return True
        return False

    await until(hangs, 10.0)
    assert (await observer.caller.get("/_electric/health")).status_code == 200
    await observer.sees(lambda fleet: len(fleet) == 6)


async def slow_server(observer: Observer) -> None:
    kinds: set[str] = set()

    async def met() -> bool:
        try:
            path = runner_path("fleet-0", "health")
            response = await observer.caller.client.get(
                observer.caller.base_url + path,
                headers={"electric-principal": "service:monitor"},
                timeout=0.2,
            )
            kinds.add(str(response.status_code))
        except httpx.HTTPError as error:
            kinds.add(type(error).__name__)
        return kinds >= {"200", "503", "ReadTimeout", "ReadError", "RemoteProtocolError"}

    await until(met, 60.0)


async def server_restart(observer: Observer) -> None:
    async def refuses() -> bool:
        try:
            await observer.caller.get("/_electric/health")
        except httpx.ConnectError:
            return True
        except httpx.TransportError:
            return False
        return False

    await until(refuses, 10.0)
    await asyncio.sleep(35 / SPEED)
    await observer.sees(
        lambda fleet: claims(fleet, "long-0") > 2 and client(fleet, "long-0")["stream_connected"]
    )


async def mass_expiry(observer: Observer) -> None:
    await observer.sees(lambda fleet: all_are(fleet, "expired"))
    fleet = await observer.fleet()
    assert sum(claims(fleet, runner_id) for runner_id in fleet) > 0
    await observer.sees(lambda fleet: all_are(fleet, "online"))


async def wrong_principal(observer: Observer) -> None:
    await observer.sees(lambda fleet: len(fleet) == 6)
    await observer.sees(lambda fleet: fleet == {})
    await observer.sees(lambda fleet: len(fleet) == 6)


async def rush(observer: Observer) -> None:
    await observer.sees(lambda fleet: sum(claims(fleet, runner_id) for runner_id in fleet) > 4)


async def odd_diagnostics(observer: Observer) -> None:
    await observer.sees(
        lambda fleet: (
            issues(fleet, "mute-0") == ["No client diagnostics available"]
            and issues(fleet, "garbled-0") == ["No client diagnostics available"]
            and issues(fleet, "terse-0") == []
            and client(fleet, "terse-0") == {"status": "connecting"}
            and client(fleet, "astronomic-0").get("events_received") == 1e21
            and len(client(fleet, "verbose-0").get("last_error") or "") == 200_000
            and issues(fleet, "silent-0") == ["Runner has never sent a heartbeat"]
        )
    )
    # It heartbeats again and again, but it started once.
    said: list[dict[str, Any]] = []

    def repeats(fleet: Fleet) -> bool:
        said.append(client(fleet, "verbose-0"))
        return len({words["last_heartbeat_at"] for words in said}) > 1

    await observer.sees(repeats)
    assert {words["started_at"] for words in said} == {said[0]["started_at"]}


async def odd_names(observer: Observer) -> None:
    await observer.sees(
        lambda fleet: (
            len(fleet) == 11
            and fleet[".."] == {"status": "ok"}
            and all(
                health["runner"]["id"] == runner_id
                for runner_id, health in fleet.items()
                if runner_id != ".."
            )
            and "disconnected" in str(issues(fleet, "lost/100%"))
        )
    )


Proof = Callable[[Observer], Awaitable[None]]
PROOFS: dict[str, tuple[Proof, int] | tuple[Proof, int, float]] = {
    "demo": (demo, 20, 10.0),
    "healthy-day": (healthy_day, 6, 20.0),
    "maintenance": (maintenance, 6),
    "rolling-restart": (rolling_restart, 6),
    "grow-and-shrink": (grow_and_shrink, 6),
    "night": (night, 6),
    "killed-at-work": (killed_at_work, 6),
    "deaf": (deaf, 6),
    "cut-off": (cut_off, 3, 20.0),
    "drain": (drain, 3, 20.0),
    "killed-idle": (killed_idle, 3, 20.0),
    "refused-wakes": (refused_wakes, 3, 20.0),
    "crash-loop": (crash_loop, 6),
    "duplicate-id": (duplicate_id, 3, 20.0),
    "clock-skew": (clock_skew, 6),
    "claim-failures": (claim_failures, 6),
    "reconnects": (reconnects, 3, 30.0),
    "paused-agent": (paused_agent, 6, 5.0),
    "database-outage": (database_outage, 6, 15.0),
    "frozen-database": (frozen_database, 6),
    "slow-server": (slow_server, 3, 20.0),
    "server-restart": (server_restart, 6),
    "mass-expiry": (mass_expiry, 6, 30.0),
    "wrong-principal": (wrong_principal, 6, 30.0),
    "rush": (rush, 6),
    "odd-diagnostics": (odd_diagnostics, 6),
    "odd-names": (odd_names, 11),
}


def test_every_scenario_has_a_proof_here() -> None:
    assert list(PROOFS) == [scenario.name for scenario in scenarios.all_scenarios()]


@pytest.mark.parametrize("name", PROOFS)
def test_a_scenario_shows_what_it_is_about(name: str) -> None:
    proof, runners, *speed = PROOFS[name]

    async def show() -> None:
        async with played(name, runners, *speed) as observer:
            await proof(observer)

    run_unhindered(show())


def test_the_monitors_principal_comes_first_in_every_scenario() -> None:
    for scenario in scenarios.all_scenarios():
        assert scenarios.principals(scenario.name)[0] == "service:monitor"
