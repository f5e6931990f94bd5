"""Faults on the wire, switched by the control endpoint, seen through a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from electric_agents_simulator.server.app import create_app
from electric_agents_simulator.server.serving import SimulatedServer
from electric_agents_simulator.testing import Caller, runner_path

HEALTH = runner_path("one", "health")


@pytest.fixture
async def server() -> AsyncIterator[SimulatedServer]:
    async with SimulatedServer() as server:
        yield server


@pytest.fixture
async def live(server: SimulatedServer) -> AsyncIterator[Caller]:
    async with httpx.AsyncClient(trust_env=False, timeout=2.0) as client:
        caller = Caller(client, "service:monitor", server.url)
        await caller.register("one")
        await caller.register("two")
        yield caller


async def switch_on(caller: Caller, **fault: object) -> None:
    response = await caller.post("/_simulator/faults", fault)
    assert response.status_code == 204, response.text


async def test_latency_delays_an_answer(live: Caller) -> None:
    await switch_on(live, kind="latency", route="health", seconds=0.2)
    begun = asyncio.get_running_loop().time()
    assert (await live.get(HEALTH)).status_code == 200
    assert asyncio.get_running_loop().time() - begun >= 0.2


async def test_a_hang_never_answers(live: Caller) -> None:
    await switch_on(live, kind="hang", route="health")
    with pytest.raises(httpx.ReadTimeout):
        await live.client.get(live.base_url + HEALTH, timeout=0.1)


async def test_a_reset_cuts_the_connection(live: Caller) -> None:
    await switch_on(live, kind="reset", route="health")
    with pytest.raises(httpx.ReadError) as caught:
        await live.get(HEALTH)
    cause = caught.value
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]  # any exception
    assert isinstance(cause, ConnectionResetError)


@pytest.mark.parametrize("status", [401, 500, 503])
async def test_a_status_comes_with_the_servers_own_kind_of_body(status: int, live: Caller) -> None:
    await switch_on(live, kind="status", route="list", status=status)
    response = await live.get("/_electric/runners")
    assert response.status_code == status
    assert set(response.json()["error"]) == {"code", "message"}


async def test_a_truncated_answer_ends_half_way(live: Caller) -> None:
    await switch_on(live, kind="truncated", route="health")
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        await live.get(HEALTH)


async def test_wrong_json_is_well_formed(live: Caller) -> None:
    await switch_on(live, kind="wrong_json", route="health")
    assert "health" in (await live.get(HEALTH)).json()


async def test_an_answer_can_be_no_json_at_all(live: Caller) -> None:
    await switch_on(live, kind="not_json", route="health")
    response = await live.get(HEALTH)
    assert response.headers["content-type"] == "text/html"
    with pytest.raises(json.JSONDecodeError):
        response.json()


async def test_a_body_can_be_huge(live: Caller) -> None:
    await switch_on(live, kind="huge", route="list", bytes=3_000_000)
    assert len((await live.get("/_electric/runners")).content) == 3_000_004


async def test_a_fault_can_be_for_one_runner_alone(live: Caller) -> None:
    await switch_on(live, kind="status", route="health", runner="two")
    assert (await live.get(HEALTH)).status_code == 200
    assert (await live.get(runner_path("two", "health"))).status_code == 503


async def test_a_fault_can_hit_a_share_of_the_requests(live: Caller) -> None:
    await switch_on(live, kind="status", route="health", share=0.4)
    statuses = [(await live.get(HEALTH)).status_code for _ in range(10)]
    assert statuses.count(503) == 4


async def test_all_faults_can_be_listed_and_switched_off(live: Caller) -> None:
    await switch_on(live, kind="status", route="health")
    listed = (await live.get("/_simulator/faults")).json()
    assert [fault["kind"] for fault in listed["faults"]] == ["status"]
    await live.ask("DELETE", "/_simulator/faults")
    assert (await live.get(HEALTH)).status_code == 200


async def test_an_unknown_fault_is_refused(live: Caller) -> None:
    response = await live.post("/_simulator/faults", {"kind": "gremlins"})
    assert response.status_code == 400
    assert (await live.post("/_simulator/faults", {"kind": "hang", "rute": "x"})).status_code == 400


async def test_with_the_database_down_only_the_servers_own_health_is_well(live: Caller) -> None:
    await live.ask("PUT", "/_simulator/database", {"state": "down"})
    assert (await live.get("/_electric/health")).json() == {"status": "ok"}
    response = await live.get("/_electric/runners")
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "INTERNAL_SERVER_ERROR"
    await live.ask("PUT", "/_simulator/database", {"state": "up"})
    assert len(await live.runners()) == 2


async def test_what_a_frozen_database_held_up_is_answered_when_it_thaws(live: Caller) -> None:
    await live.ask("PUT", "/_simulator/database", {"state": "frozen"})
    asked = asyncio.create_task(live.get(HEALTH))
    await asyncio.sleep(0.1)
    assert not asked.done()
    await live.ask("PUT", "/_simulator/database", {"state": "up"})
    assert (await asked).status_code == 200


async def test_a_restart_makes_the_server_forget_claims_and_their_tokens(live: Caller) -> None:
    await live.spawn("one", "/task/a")
    await live.send("/task/a")
    claim = await live.claim_newest("one")
    await live.post("/_simulator/restart")
    assert (await live.finish(claim)).status_code == 502
    await live.send("/task/a")
    again = await live.claim_newest("one")
    assert again["epoch"] == claim["epoch"] == 1
    assert (await live.health("one"))["claims"]["active_count"] == 2


async def test_only_loopback_may_touch_the_switches(server: SimulatedServer) -> None:
    transport = httpx.ASGITransport(create_app(server.system), client=("192.0.2.7", 5000))
    async with httpx.AsyncClient(transport=transport) as client:
        stranger = Caller(client, None)
        assert (await stranger.get("/_simulator/faults")).status_code == 403


async def test_answers_are_chunked_dated_and_kept_alive_for_five_seconds(live: Caller) -> None:
    response = await live.get("/_electric/runners")
    assert response.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in response.headers
    assert response.headers["keep-alive"] == "timeout=5"
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["date"].endswith("GMT")


async def test_stopping_cuts_connections_and_starting_keeps_the_address(
    server: SimulatedServer, live: Caller
) -> None:
    url = server.url
    await server.stop()
    with pytest.raises(httpx.TransportError):
        await live.get(HEALTH)
    with pytest.raises(httpx.ConnectError):
        await live.get(HEALTH)
    await server.start()
    assert server.url == url
    assert (await live.get(HEALTH)).status_code == 200
