"""The database that a server leaves: the real one's tables, readable as the real one's are."""

import psycopg

from electric_agents_simulator.clock import ManualClock
from electric_agents_simulator.server.system import make_system
from electric_agents_simulator.storage.registry import Registry, open_engine
from electric_agents_simulator.testing import in_memory


async def test_three_queries_give_the_whole_fleet(postgres_url: str) -> None:
    registry = Registry(open_engine(postgres_url))
    system = make_system(ManualClock(), registry)
    async with in_memory(system, "service:monitor") as caller:
        await caller.register("one", kind="server")
        await caller.as_principal("user:alice").register("two")
        await caller.heartbeat("one", lease_ms=90_000, diagnostics={"status": "streaming"})
        await caller.spawn("one", "/task/a")
        await caller.send("/task/a")
        await caller.claim_newest("one")
    with psycopg.connect(postgres_url) as connection:
        runners = connection.execute(
            "SELECT r.id, r.owner_principal, r.kind, d.diagnostics ->> 'status',"
            " d.liveness_lease_expires_at - d.last_seen_at"
            " FROM runners r LEFT JOIN runner_runtime_diagnostics d"
            " ON d.tenant_id = r.tenant_id AND d.runner_id = r.id"
            " WHERE r.tenant_id = 'default' ORDER BY r.id"
        ).fetchall()
        claims = connection.execute(
            "SELECT runner_id, stream_path, lease_expires_at - claimed_at FROM consumer_claims"
            " WHERE tenant_id = 'default' AND status = 'active'"
        ).fetchall()
        dispatch = connection.execute(
            "SELECT active_runner_id, count(active_consumer_id),"
            " count(*) FILTER (WHERE jsonb_array_length(pending_source_streams) > 0)"
            " FROM entity_dispatch_state WHERE tenant_id = 'default' GROUP BY 1"
        ).fetchall()
    registry.close()
    assert [(*row[:4], row[4] and row[4].total_seconds()) for row in runners] == [
        ("one", "/principal/service%3Amonitor", "server", "streaming", 90.0),
        ("two", "/principal/user%3Aalice", "local", None, None),
    ]
    assert [(*row[:2], row[2].total_seconds()) for row in claims] == [("one", "/task/a/main", 30.0)]
    assert dispatch == [("one", 1, 0)]


async def test_what_is_stored_survives_the_server(postgres_url: str) -> None:
    for expected in (1, 2):
        registry = Registry(open_engine(postgres_url))
        async with in_memory(make_system(ManualClock(), registry), "service:monitor") as caller:
            await caller.register(f"runner-{expected}")
            assert len(await caller.runners()) == expected
        registry.close()
