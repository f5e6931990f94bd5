"""More than anybody expects: memory is bounded, a poll ends in time, what is cut off is told."""

from dataclasses import replace
from time import monotonic

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import FakeClock
from tests.postgres.conftest import WATCHED, Database, MakePolled, Polled
from tests.postgres.test_postgres_faults import errors

from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.database import ClaimRow
from electric_agents_exporter.contract.report import Claims
from electric_agents_exporter.fleet.clock import SystemClock
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.sources.claim_tracker import ClaimTracker
from electric_agents_exporter.sources.postgres import PostgresOptions

NOW = Database.NOW
MOST = 3
FAULT = f"there are more than {MOST} claims, so none is counted"


@pytest.fixture
def few(database: Database, make_polled: MakePolled) -> Polled:
    """A target that holds three claims at most, with two runners."""
    database.freeze()
    for runner_id in ("busy", "quiet"):
        database.add_runner(runner_id)
        database.heartbeat(runner_id, {"status": "streaming"})
    return make_polled(PostgresOptions(database.url, most_claims=MOST))


def claims_of(polled: Polled, runner_id: str) -> Claims:
    report = polled.states()[runner_id].report
    assert report is not None
    return report.claims


def leak(database: Database, runner_id: str, count: int) -> None:
    """Let claims of last month stay active."""
    for number in range(count):
        database.claim(f"{runner_id}{number}", runner_id, stream=f"/{number}", at=NOW - 9e5)


def ended(polled: Polled) -> int:
    assert polled.snapshot.claims is not None
    return sum(polled.snapshot.claims.ended.values())


async def test_as_many_claims_as_are_held_are_all_known(database: Database, few: Polled) -> None:
    leak(database, "busy", MOST)
    result = await few.result()
    assert result.faults == ()
    assert claims_of(few, "busy").active_count == MOST
    assert claims_of(few, "quiet").active_count == 0
    assert errors(few) == {}


async def test_of_more_claims_than_are_held_none_is_counted_and_that_is_told(
    database: Database, few: Polled
) -> None:
    leak(database, "busy", MOST + 1)

    result = await few.result()

    assert result.succeeded
    assert [fault.text for fault in result.faults] == [FAULT]
    assert errors(few) == {(Operation.HEALTH, Reason.TOO_LARGE): 1}
    assert claims_of(few, "busy").active_count is None
    assert claims_of(few, "busy").superseded is None
    assert claims_of(few, "quiet") == Claims()
    assert few.snapshot.full_scan is not None
    assert few.snapshot.full_scan.at is None


async def test_the_claims_that_are_alive_are_known_however_many_leaked(
    database: Database, few: Polled
) -> None:
    leak(database, "quiet", 10)
    for number, heartbeat in enumerate((NOW - 400, NOW - 7)):
        database.claim(f"alive{number}", "busy", at=NOW - 5000, heartbeat=heartbeat)
        database.execute("UPDATE consumer_claims SET stream_path = consumer_id")
        database.dispatch(f"/task/{number}", "busy", active=f"alive{number}")

    for _ in range(3):
        assert await few.poll()

    alive = claims_of(few, "busy")
    assert alive.newest_heartbeat_at == NOW - 7
    assert alive.oldest_heartbeat_at == NOW - 400
    assert Condition.CLAIM_STUCK in few.states()["busy"].conditions.holds
    assert claims_of(few, "quiet").oldest_heartbeat_at is None


async def test_who_drains_is_not_called_dead_because_others_leaked(
    database: Database, few: Polled
) -> None:
    leak(database, "quiet", 10)
    database.heartbeat("busy", seen=NOW - 500, lease=NOW - 400)
    database.claim("alive", "busy", at=NOW - 5000, heartbeat=NOW - 7)
    database.dispatch("/task/1", "busy", active="alive")

    assert await few.poll()

    holds = few.states()["busy"].conditions.holds
    assert Condition.DRAINING in holds
    assert Condition.WORK_ABANDONED not in holds


async def test_the_claims_are_counted_again_once_there_are_few(
    database: Database, few: Polled
) -> None:
    leak(database, "busy", 10)
    assert await few.poll()
    database.execute("UPDATE consumer_claims SET status = 'expired' WHERE consumer_id <> 'busy1'")

    result = await few.result()

    assert result.faults == ()
    assert claims_of(few, "busy").active_count == 1


async def test_many_claims_that_end_at_once_cost_their_count_and_no_later_one(
    database: Database, few: Polled
) -> None:
    assert await few.poll()
    for number in range(10):
        database.claim(f"c{number}", "busy", at=NOW)
        database.finish(f"c{number}")
    for _ in range(4):
        assert await few.poll()
    assert MOST <= ended(few) <= 10
    assert (Operation.HEALTH, Reason.TOO_LARGE) in errors(few)

    database.freeze(NOW + 600)
    for _ in range(2):
        assert await few.poll()
    before = ended(few)
    database.claim("later", "busy", at=NOW + 600)
    assert await few.poll()
    database.finish("later", at=NOW + 601)
    assert await few.poll()
    assert ended(few) == before + 1
    assert claims_of(few, "busy").active_count == 0


Steps = list[tuple[str, int]]
HAPPENINGS = st.sampled_from(["claim", "claim", "end", "poll", "scan", "wait"])


def _rows(table: dict[str, tuple[str, float]], watermark: float) -> list[ClaimRow]:
    """The rows as the query gives them: the active first, the newest before older ones."""
    newest_first = sorted(table.items(), key=lambda row: (row[1][0] != "active", -row[1][1]))
    return [
        ClaimRow("t", name, 1, "r", "/s", status, 0.0, None, 1.0, lease >= watermark)
        for name, (status, lease) in newest_first
    ]


@given(steps=st.lists(st.tuples(HAPPENINGS, st.integers(0, 200)), min_size=1, max_size=60))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_however_readings_are_cut_off_no_claim_is_counted_twice(steps: Steps) -> None:
    tracker, now = ClaimTracker(), 1000.0
    table: dict[str, tuple[str, float]] = {}
    expected = counted = 0
    for what, number in steps:
        running = [name for name, (status, _) in table.items() if status == "active"]
        if what == "claim":
            table[f"c{len(table)}"] = ("active", now + 30)
        elif what == "end" and running:
            name = running[number % len(running)]
            table[name] = ("released", table[name][1])
            expected += 1
        elif what == "wait":
            now += number
        else:
            known, watermark = set(tracker.known), tracker.begin(now)
            rows = [
                row
                for row in _rows(table, watermark)
                if row.recent
                or row.consumer_id in known
                or (what == "scan" and row.status == "active")
            ]
            news = tracker.take(rows[:MOST], now, scanned=what == "scan", cut=len(rows) > MOST)
            counted += sum(len(each.ended) for each in news.values())
    assert counted <= expected


async def test_a_list_that_nobody_can_mean_is_refused_and_removes_nobody(
    database: Database, make_polled: MakePolled
) -> None:
    for runner_id in ("a", "b"):
        database.add_runner(runner_id)
    polled = make_polled(PostgresOptions(database.url), replace(WATCHED, max_listed=2))
    assert await polled.poll()
    database.add_runner("c")

    result = await polled.result()

    assert [fault.text for fault in result.faults] == ["no list for all (too_large)"]
    assert errors(polled) == {(Operation.LIST, Reason.TOO_LARGE): 1}
    assert set(polled.states()) == {"a", "b"}


async def slow_rows(database: Database, table: str, column: str, seconds: float) -> None:
    """Let reading a row take time, of which a batch has enough."""
    columns = database.execute(
        "SELECT string_agg(CASE WHEN attname = %s THEN format('public.slow(%%I) AS %%I', attname, "
        "attname) ELSE quote_ident(attname) END, ', ') FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0",
        column,
        table,
    )[0][0]
    database.execute(
        "CREATE FUNCTION slow(text) RETURNS text LANGUAGE plpgsql VOLATILE AS "
        f"$$ BEGIN PERFORM pg_sleep({seconds}); RETURN $1; END $$"
    )
    database.execute(f"ALTER TABLE {table} RENAME TO stored")
    database.execute(f"CREATE VIEW {table} AS SELECT {columns} FROM stored")  # noqa: S608  (no query)


@pytest.mark.parametrize(
    "table, column, operation",
    [
        ("runners", "label", Operation.LIST),
        ("runner_runtime_diagnostics", "wake_stream_offset", Operation.HEALTH),
    ],
)
async def test_a_poll_ends_by_its_timeout_though_every_batch_is_quick(
    table: str, column: str, operation: Operation, database: Database, make_polled: MakePolled
) -> None:
    for number in range(4000):
        database.add_runner(f"r{number}")
    database.execute(
        "INSERT INTO runner_runtime_diagnostics (runner_id, last_seen_at, "
        "liveness_lease_expires_at) SELECT id, now(), now() + interval '1 d' FROM runners"
    )
    await slow_rows(database, table, column, 0.002)
    polled = make_polled(PostgresOptions(database.url, timeout=2), clock_of=SystemClock())
    began = monotonic()

    assert not await polled.poll()

    # All of it would take eight seconds and more; the machine may be busy.
    assert monotonic() - began < 6
    assert (operation, Reason.TIMEOUT) in errors(polled)


async def test_a_full_scan_that_is_slow_by_the_batch_leaves_time_for_all_else(
    database: Database, make_polled: MakePolled, clock: FakeClock
) -> None:
    database.add_runner("r")
    database.heartbeat("r", {"status": "streaming"}, lease=NOW + 1e6)
    database.execute(
        "INSERT INTO consumer_claims (consumer_id, epoch, entity_url, stream_path, runner_id) "
        "SELECT n, 1, '/e', '/e', 'r' FROM generate_series(1, 4000) n"
    )
    await slow_rows(database, "consumer_claims", "stream_path", 0.001)
    polled = make_polled(PostgresOptions(database.url, timeout=2), clock_of=clock)

    assert await polled.poll()

    assert polled.states()["r"].poll_success
    assert claims_of(polled, "r") == Claims()
    assert (Operation.HEALTH, Reason.TIMEOUT) in errors(polled)
