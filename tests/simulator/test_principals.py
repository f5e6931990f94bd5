"""Who is asking: what the real server made of each of these headers, and who gets at what."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from electric_agents_simulator.clock import ManualClock
from electric_agents_simulator.server.system import System, make_system
from electric_agents_simulator.storage.registry import IN_MEMORY, Registry, open_engine
from electric_agents_simulator.testing import Caller, in_memory

DEVELOPER = "/principal/system%3Adev-local"
SENT_AND_OWNER = (
    (None, DEVELOPER),
    ("", DEVELOPER),
    ("USER:alice", DEVELOPER),
    ("user%3Aalice", DEVELOPER),
    ("user:", DEVELOPER),
    (":x", DEVELOPER),
    ("webhook:x", DEVELOPER),
    ("user:a/b", DEVELOPER),
    ("/principal/user:a%2Fb", DEVELOPER),
    ("/principal/", DEVELOPER),
    ("/principal/local-desktop", DEVELOPER),
    ("/principal/user%253Aalice", DEVELOPER),
    ("/principal/user%3A%zz", DEVELOPER),
    ("user:alice", "/principal/user%3Aalice"),
    ("/principal/user%3Aalice", "/principal/user%3Aalice"),
    ("/principal/user%3aalice", "/principal/user%3Aalice"),
    ("/principal/user:alice", "/principal/user%3Aalice"),
    ("user:a b", "/principal/user%3Aa%20b"),
    ("user:a%20b", "/principal/user%3Aa%2520b"),
    ("/principal/user:a%20b", "/principal/user%3Aa%20b"),
    ("user:a:b:c", "/principal/user%3Aa%3Ab%3Ac"),
    ("user:a!~*'()-_.", "/principal/user%3Aa!~*'()-_."),
    ("/principal/user%3Aalice?x=1", "/principal/user%3Aalice%3Fx%3D1"),
    ("/principal/user%3A%C3%A9", "/principal/user%3A%C3%A9"),
    ("agent:a", "/principal/agent%3Aa"),
)


@pytest.mark.parametrize("sent,owner", SENT_AND_OWNER)
async def test_a_header_becomes_this_owner(sent: str | None, owner: str, caller: Caller) -> None:
    assert (await caller.as_principal(sent).register("r"))["owner_principal"] == owner


async def test_two_headers_are_one_principal_of_both(caller: Caller) -> None:
    response = await caller.client.post(
        f"{caller.base_url}/_electric/runners",
        json={"id": "r", "label": "r"},
        headers=[("electric-principal", "user:alice"), ("electric-principal", "user:bob")],
    )
    assert response.json()["owner_principal"] == "/principal/user%3Aalice%2C%20user%3Abob"


async def test_blindness_looks_like_an_empty_fleet(caller: Caller) -> None:
    await caller.register("r")
    assert (await caller.as_principal("service:monitr").get("/_electric/runners")).json() == []
    assert (await caller.as_principal(None).get("/_electric/runners")).json() == []


@pytest.fixture
def production(clock: ManualClock) -> Iterator[System]:
    with closing(Registry(open_engine(IN_MEMORY))) as registry:
        yield make_system(clock, registry, production=True)


@pytest.mark.parametrize(
    "method,path",
    [
        ("GET", "/_electric/runners"),
        ("GET", "/_electric/health"),
        ("GET", "/nope"),
        ("HEAD", "/"),
        ("OPTIONS", "/_electric/runners"),
    ],
)
async def test_in_production_nobody_is_refused_everywhere(
    method: str, path: str, production: System
) -> None:
    async with in_memory(production, None) as nobody:
        response = await nobody.ask(method, path)
        assert response.status_code == 401
        assert "access-control-allow-origin" not in response.headers
        if method != "HEAD":
            message = {"code": "UNAUTHORIZED", "message": "Missing Electric-Principal"}
            assert response.json() == {"error": message}


async def test_in_production_a_malformed_principal_is_nobody(production: System) -> None:
    async with in_memory(production, "USER:alice") as caller:
        assert (await caller.get("/_electric/runners")).status_code == 401
        known = caller.as_principal("user:alice")
        assert (await known.get("/_electric/runners")).json() == []
