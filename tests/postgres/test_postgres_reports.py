"""What a poll of the database tells, for every state that a runner can be in."""

from dataclasses import replace

import pytest
from tests.conftest import FakeClock
from tests.postgres.conftest import ALICE, WATCHED, Database, MakePolled, Polled

from electric_agents_exporter.contract.report import Claims, Client, Dispatch, Report
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    ClaimResult,
    ClientStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)
from electric_agents_exporter.fleet.reasons import Suppression
from electric_agents_exporter.fleet.selection import Selection, Selector, Shard
from electric_agents_exporter.sources import queries
from electric_agents_exporter.sources.postgres import PostgresOptions

NOW = Database.NOW
DAY = 86_400.0
STREAMING = {
    "status": "streaming",
    "started_at": "2026-11-22T11:00:00.000Z",
    "stream_connected": True,
    "last_heartbeat_ok": True,
    "reconnect_count": 0,
    "events_received": 7,
    "claims_succeeded": 3,
    "claims_skipped": 2,
    "claims_failed": 1,
    "last_claim_result": None,
}


async def report_of(polled: Polled, runner_id: str) -> Report:
    assert await polled.poll()
    report = polled.states()[runner_id].report
    assert report is not None
    return report


async def test_a_healthy_runner_is_told_with_all_that_it_says(
    database: Database, polled: Polled
) -> None:
    database.add_runner("r", kind="cloud-worker", label="Worker")
    database.heartbeat("r", STREAMING)

    report = await report_of(polled, "r")

    assert report == Report(
        runner_id="r",
        admin_status=AdminStatus.ENABLED,
        liveness=LivenessStatus.ONLINE,
        health=HealthStatus.HEALTHY,
        issues=frozenset(),
        created_at=NOW - 3600,
        last_seen_at=NOW - 10,
        lease_expires_at=NOW + 80,
        client_present=True,
        client=Client(
            status=ClientStatus.STREAMING,
            started_at=1_795_345_200.0,
            stream_connected=True,
            last_heartbeat_ok=True,
            last_claim_result=ClaimResult.NONE,
            reconnect_count=0,
            events_received=7,
            claims_succeeded=3,
            claims_skipped=2,
            claims_failed=1,
        ),
        claims=Claims(0, 0),
        dispatch=Dispatch(0, 0, 0),
    )
    listed = polled.states()["r"].listed
    assert (listed.label, listed.kind, listed.owner_principal, listed.wake_stream) == (
        "Worker",
        RunnerKind.CLOUD_WORKER,
        ALICE,
        "/runners/1/wake",
    )
    observation = polled.states()["r"].observation
    assert observation is not None
    assert observation.heartbeat_age == pytest.approx(10)
    assert polled.drift == {}


@pytest.mark.parametrize(
    "said, lease, status, issues",
    [
        ({**STREAMING, "stream_connected": False}, 80, "degraded", {Issue.STREAM_DISCONNECTED}),
        ({**STREAMING, "last_heartbeat_ok": False}, 80, "degraded", {Issue.HEARTBEAT_FAILED}),
        ({**STREAMING, "reconnect_count": 6}, 80, "degraded", {Issue.RECONNECTS_HIGH}),
        ({**STREAMING, "reconnect_count": 5}, 80, "healthy", set()),
        (STREAMING, 0, "unhealthy", {Issue.LEASE_EXPIRED}),
        (STREAMING, 0.001, "healthy", set()),
        (None, 80, "degraded", {Issue.NO_DIAGNOSTICS}),
        (
            {**STREAMING, "stream_connected": False, "reconnect_count": 9},
            -5,
            "unhealthy",
            {Issue.LEASE_EXPIRED, Issue.STREAM_DISCONNECTED, Issue.RECONNECTS_HIGH},
        ),
    ],
)
async def test_the_verdict_follows_the_servers_rules_on_the_databases_clock(  # noqa: PLR0913, PLR0917  (a table of cases)
    said: object,
    lease: float,
    status: str,
    issues: set[Issue],
    database: Database,
    polled: Polled,
) -> None:
    database.add_runner("r")
    database.heartbeat("r", said, lease=NOW + lease)

    report = await report_of(polled, "r")

    assert report.health is HealthStatus(status)
    assert report.issues == frozenset(issues)


async def test_a_disabled_runner_and_one_that_never_came_are_told_apart(
    database: Database, polled: Polled
) -> None:
    database.add_runner("off", admin_status="disabled")
    database.heartbeat("off", STREAMING)
    database.add_runner("never")

    off, never = await report_of(polled, "off"), await report_of(polled, "never")

    assert off.liveness is never.liveness is LivenessStatus.OFFLINE
    assert off.issues == frozenset({Issue.DISABLED})
    assert never.issues == frozenset({Issue.NEVER_HEARTBEAT})
    assert never.client_present is False
    assert never.last_seen_at is None


@pytest.mark.parametrize(
    "said", [[], "text", 7, {}, {"status": None}, {"reconnect_count": -1}, {"odd": 1}]
)
async def test_diagnostics_without_a_valid_field_are_none_to_the_server(
    said: object, database: Database, polled: Polled
) -> None:
    database.add_runner("r")
    database.heartbeat("r", said)

    report = await report_of(polled, "r")

    assert report.client_present is False
    assert report.issues == frozenset({Issue.NO_DIAGNOSTICS})


@pytest.mark.parametrize(
    "said", [{"last_error": "oops"}, {"started_at": None}, {"last_claim_at": "tomorrow"}]
)
async def test_diagnostics_of_which_we_keep_nothing_are_diagnostics_all_the_same(
    said: object, database: Database, polled: Polled
) -> None:
    database.add_runner("r")
    database.heartbeat("r", said)

    report = await report_of(polled, "r")

    assert report.client_present is True
    assert not report.issues


LONG = "hunter2 " * 20_000


@pytest.mark.parametrize(
    "said, known",
    [
        ({**STREAMING, "last_error": LONG}, True),
        ({"last_error": LONG}, True),
        ({**STREAMING, "status": LONG}, False),
        ({**STREAMING, LONG: 1}, False),
        ({"odd": LONG}, False),
        ([LONG], False),
        (LONG, False),
    ],
)
async def test_of_a_long_error_only_that_there_is_one_is_read_and_nothing_else_that_is_long(
    said: object,
    known: bool,  # noqa: FBT001  (a table)
    database: Database,
    polled: Polled,
) -> None:
    database.add_runner("r")
    database.heartbeat("r", said)
    database.add_runner("next")
    database.heartbeat("next", STREAMING)

    report = await report_of(polled, "r")

    assert report.client_present is known
    assert (await report_of(polled, "next")).client_present
    query = queries.DIAGNOSTICS % {"tenants": "ARRAY['default']"}
    assert LONG not in str(database.execute(query))


async def test_of_a_long_text_of_a_runner_no_more_is_read_than_is_kept(
    database: Database, polled: Polled
) -> None:
    database.add_runner("r", label=LONG)
    database.execute("UPDATE runners SET wake_stream = %s", LONG)
    database.heartbeat("r", STREAMING, offset=LONG)

    await report_of(polled, "r")

    listed = polled.states()["r"].listed
    assert listed.label == LONG[:128]
    assert listed.wake_stream is None
    for query, wanted in (
        (queries.RUNNERS, {"tenant": "'default'"}),
        (queries.DIAGNOSTICS, {"tenants": "ARRAY['default']"}),
    ):
        (row,) = database.execute(query % wanted)
        assert max(len(str(value)) for value in row) <= 4097


async def test_one_odd_field_costs_that_field_and_is_counted(
    database: Database, polled: Polled
) -> None:
    database.add_runner("odd")
    database.add_runner("well")
    database.heartbeat("well", STREAMING)
    database.execute(
        "INSERT INTO runner_runtime_diagnostics VALUES ('default', 'odd', '', null, "
        "'-infinity', 'infinity', '{\"reconnect_count\": 1e400, \"events_received\": 2.5}')"
    )

    report = await report_of(polled, "odd")

    assert report.client == Client(events_received=2.5)
    assert (report.last_seen_at, report.lease_expires_at) == (None, None)
    assert polled.drift == {"client.reconnect_count": 1}
    assert polled.states()["well"].poll_success


async def test_ids_with_every_kind_of_character_are_told_as_they_are(
    database: Database, polled: Polled
) -> None:
    ids = ["", ".", "..", "a/b", " ", "%2F", "q?x#y", "'; --", '"\\\n\t', "é😀", "x" * 1024]
    for runner_id in ids:
        database.add_runner(runner_id, label="\x07Bell" * 100)
        database.heartbeat(runner_id, STREAMING)
        database.claim(runner_id, runner_id)
    database.add_runner("y" * 1025)

    await report_of(polled, "..")

    states = polled.states()
    assert set(states) == set(ids)
    for state in states.values():
        assert state.report is not None
        assert state.report.claims.active_count == 1
    assert {state.listed.label for state in states.values()} == {("Bell" * 100)[:128]}
    assert polled.drift == {"list.id": 1}


async def test_claims_and_dispatch_counts_are_added_up_for_each_runner(
    database: Database, polled: Polled
) -> None:
    database.add_runner("r")
    database.claim("c1", "r", stream="/a/main", at=NOW - 900, heartbeat=NOW - 800)
    database.claim("c2", "r", stream="/a/main", at=NOW - 100, heartbeat=NOW - 5)
    database.claim("c3", "r", stream="/b/main", at=NOW - 60)
    database.claim("c4", "r", stream="/b/main", at=NOW - 50)
    database.finish("c4")
    database.claim("c5", None)
    database.dispatch("/a", "r", active="c2")
    database.dispatch("/b", "r", outstanding="w", pending=[{"path": "/b"}])
    database.dispatch("/c", "r", active="c9", outstanding="w")
    database.dispatch("/d", None, outstanding="w")

    report = await report_of(polled, "r")

    assert report.claims == Claims(3, 1, NOW - 60, NOW - 5)
    assert report.dispatch == Dispatch(2, 1, 1)


async def test_every_owners_runners_are_one_fleet(database: Database, polled: Polled) -> None:
    for number in range(10):
        kind = ("user", "agent", "service", "system")[number % 4]
        database.add_runner(f"r{number}", owner=f"/principal/{kind}%3Ao{number}")
    database.add_runner("odd", owner="nobody")

    assert await polled.poll()

    assert polled.snapshot.listed == {"all": 11}
    assert len(polled.states()) == 11
    assert polled.snapshot.claims is not None
    assert polled.snapshot.claims.owners == {
        "user": 3,
        "agent": 3,
        "service": 2,
        "system": 2,
        "unknown": 1,
    }


async def test_a_tenant_sees_its_own_and_all_are_targets_of_their_own(
    database: Database, make_polled: MakePolled
) -> None:
    database.freeze()
    for tenant in ("acme", "b/é"):
        database.add_runner("r", tenant=tenant, label=tenant)
        database.heartbeat("r", STREAMING, tenant=tenant)
    database.add_runner("only", tenant="acme")
    database.claim("c", "r", tenant="acme")

    one = make_polled(PostgresOptions(database.url, tenant="acme"))
    every = make_polled(PostgresOptions(database.url, tenant=None))
    assert await one.poll()
    assert await every.poll()

    assert set(one.snapshots) == {None}
    assert set(one.states()) == {"r", "only"}
    assert set(every.snapshots) == {None, "acme", "b/é"}
    assert {target.name for target in every.snapshots.values()} == {"db"}
    assert every.snapshot.up
    assert every.snapshot.listed == {}
    assert every.snapshots["acme"].listed == {"all": 2}
    report, other = every.states("acme")["r"].report, every.states("b/é")["r"].report
    assert report is not None
    assert other is not None
    assert (report.claims.active_count, other.claims.active_count) == (1, 0)
    assert all(target.up for target in every.snapshots.values())


async def test_a_tenant_whose_runners_are_gone_is_gone(
    database: Database, make_polled: MakePolled
) -> None:
    for tenant in ("a", "b"):
        database.add_runner("r", tenant=tenant)
    every = make_polled(PostgresOptions(database.url, tenant=None))
    await every.poll()

    database.execute("DELETE FROM runners WHERE tenant_id = 'a'")
    await every.poll()

    assert set(every.snapshots) == {None, "b"}


async def test_an_empty_database_is_an_empty_fleet(polled: Polled) -> None:
    assert await polled.poll()
    assert polled.snapshot.up
    assert polled.snapshot.listed == {"all": 0}


async def test_selection_limit_and_shard_keep_the_same_runners_as_over_http(
    database: Database, make_polled: MakePolled
) -> None:
    for number in range(40):
        database.add_runner(
            f"r{number:02}", kind="ci" if number % 4 == 0 else "server", created=NOW - number
        )
        database.heartbeat(f"r{number:02}", STREAMING)
    selection = Selection(
        include=Selector(kinds=frozenset({RunnerKind.SERVER})), shard=Shard(index=0, count=2)
    )
    polled = make_polled(
        PostgresOptions(database.url), replace(WATCHED, selection=selection, max_runners=5)
    )

    assert await polled.poll()

    names = [f"r{number:02}" for number in range(40) if number % 4]
    mine = [name for name in names if Shard(0, 2).owns(name)]
    assert list(polled.states()) == mine[:5]
    assert polled.snapshot.listed == {"all": 40}
    assert polled.snapshot.suppressed == {
        Suppression.FILTER: 10,
        Suppression.SHARD: 30 - len(mine),
        Suppression.LIMIT: len(mine) - 5,
        Suppression.RETIRED: 0,
    }
    assert all(state.poll_success for state in polled.states().values())


async def test_the_diagnostics_of_those_who_are_not_due_are_not_read(
    database: Database, make_polled: MakePolled, clock: FakeClock
) -> None:
    database.freeze()
    for number, name in enumerate(("alive", "retired", "another")):
        database.add_runner(name, created=NOW - 100 * DAY - number)
        database.heartbeat(name, seen=NOW - (10 if name == "alive" else 90 * DAY))
    # Of the retired one is due at a time; whoever reads the diagnostics of all meets the worst.
    database.execute("ALTER TABLE runner_runtime_diagnostics RENAME TO stored_diagnostics")
    database.execute(
        "CREATE FUNCTION guarded(text, jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$ BEGIN "
        "IF $1 = current_setting('guarded.runner', true) THEN RAISE 'read'; END IF; "
        "RETURN $2; END $$"
    )
    database.execute(
        "CREATE VIEW runner_runtime_diagnostics AS SELECT tenant_id, runner_id, last_seen_at, "
        "liveness_lease_expires_at, wake_stream_offset, "
        "public.guarded(runner_id, diagnostics) AS diagnostics FROM stored_diagnostics"
    )
    polled = make_polled(PostgresOptions(database.url))
    assert await polled.poll()
    assert set(polled.states()) == {"alive"}

    await polled.source.aclose()
    database.execute(f"ALTER DATABASE {database.name} SET guarded.runner = 'another'")

    for succeeds in (True, False):
        clock.advance(15)
        assert await polled.poll() is succeeds
