"""Claims over many polls: each that ends is counted once, none is missed, at any size."""

from dataclasses import dataclass, replace

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import FakeClock
from tests.postgres.conftest import WATCHED, Database, MakePolled, Polled

from electric_agents_exporter.contract.claims import ActiveClaim
from electric_agents_exporter.contract.database import ClaimRow
from electric_agents_exporter.contract.vocabulary import ClaimStatus, RunnerKind
from electric_agents_exporter.fleet.clock import SystemClock
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.fleet.selection import Selection, Shard
from electric_agents_exporter.sources.claim_tracker import ClaimTracker
from electric_agents_exporter.sources.postgres import PostgresOptions

NOW = Database.NOW


def ended(polled: Polled, tenant: str | None = None) -> dict[str, int]:
    claims = polled.snapshots[tenant].claims
    assert claims is not None
    return {status.value: count for status, count in claims.ended.items() if count}


def active(polled: Polled, runner_id: str = "r") -> float | None:
    report = polled.states()[runner_id].report
    assert report is not None
    return report.claims.active_count


@dataclass
class SluggishClock(FakeClock):
    """A clock by which everything takes `step` seconds."""

    step: float = 0.0

    def monotonic(self) -> float:
        self.uptime += self.step
        return self.uptime


@pytest.fixture(params=["full scans", "between full scans"])
async def watching(
    request: pytest.FixtureRequest, database: Database, make_polled: MakePolled
) -> Polled:
    """A target that was polled once, with a history that it must not count."""
    database.freeze()
    database.add_runner("r", kind="server")
    for number in range(5):
        database.claim(f"old{number}", "r", at=NOW - 10)
        database.finish(f"old{number}")
    database.claim("mine", "r", stream="/mine/main", at=NOW - 4000)
    # After a full scan that took a minute there is no other one for long.
    clock = SluggishClock(step=60.0 * (request.param == "between full scans"))
    polled = make_polled(PostgresOptions(database.url), clock_of=clock)
    assert await polled.poll()
    clock.step = 0.0
    return polled


async def test_full_scans_rest_where_they_should(watching: Polled) -> None:
    scanned = watching.snapshot.full_scan
    assert await watching.poll()
    assert scanned is not None
    rests = scanned.seconds != 0
    assert (watching.snapshot.full_scan is scanned) is rests


async def test_what_ended_before_we_watched_is_nobodys_count(watching: Polled) -> None:
    assert ended(watching) == {}
    assert active(watching) == 1
    assert await watching.poll()
    assert ended(watching) == {}


@pytest.mark.parametrize("status", ["released", "expired", "failed"])
async def test_a_claim_that_was_active_and_ended_is_counted_once(
    status: str, database: Database, watching: Polled
) -> None:
    database.finish("mine", status=status, at=NOW - 1000)
    for _ in range(3):
        assert await watching.poll()
    assert ended(watching) == {status: 1}
    assert active(watching) == 0
    claims = watching.snapshot.claims
    assert claims is not None
    assert claims.durations[RunnerKind.SERVER].sum == pytest.approx(3000)


async def test_a_claim_that_came_and_went_between_two_polls_is_counted_once(
    database: Database, watching: Polled
) -> None:
    database.claim("short", "r", at=NOW)
    database.finish("short", at=NOW + 2)
    for _ in range(3):
        assert await watching.poll()
    assert ended(watching) == {"released": 1}
    assert active(watching) == 1


async def test_a_new_claim_is_seen_and_followed_to_its_end(
    database: Database, watching: Polled
) -> None:
    database.claim("new", "r", stream="/new/main", at=NOW)
    assert await watching.poll()
    assert active(watching) == 2
    database.freeze(NOW + 1000)
    assert await watching.poll()
    database.finish("new", at=NOW + 1000)
    assert await watching.poll()
    database.freeze(NOW + 2000)
    assert await watching.poll()
    assert ended(watching) == {"released": 1}
    assert active(watching) == 1


async def test_a_claim_that_is_made_anew_counts_again_when_it_ends_again(
    database: Database, watching: Polled
) -> None:
    database.finish("mine")
    assert await watching.poll()
    database.execute(
        "UPDATE consumer_claims SET status = 'active', claimed_at = to_timestamp(%s), "
        "lease_expires_at = to_timestamp(%s) WHERE consumer_id = 'mine'",
        NOW,
        NOW + 30,
    )
    assert await watching.poll()
    assert active(watching) == 1
    database.finish("mine")
    assert await watching.poll()
    assert ended(watching) == {"released": 2}


async def test_moments_that_are_equal_neither_hide_a_claim_nor_count_it_twice(
    database: Database, watching: Polled
) -> None:
    for turn in range(4):
        database.claim(f"tie{turn}", "r", at=NOW - 30)
        database.finish(f"tie{turn}", at=NOW - 30)
        assert await watching.poll()
    assert ended(watching) == {"released": 4}


async def test_a_commit_that_is_late_is_counted_when_it_comes(
    database: Database, watching: Polled
) -> None:
    with psycopg.connect(database.url) as late:
        late.execute(
            "INSERT INTO consumer_claims (consumer_id, epoch, entity_url, stream_path, runner_id, "
            "status, claimed_at, lease_expires_at, updated_at) VALUES ('late', 1, '/e', '/e/main', "
            "'r', 'released', to_timestamp(%s), to_timestamp(%s), to_timestamp(%s))",
            (NOW, NOW + 30, NOW),
        )
        assert await watching.poll()
        database.freeze(NOW + 60)
        assert await watching.poll()
        assert ended(watching) == {}
    assert await watching.poll()
    assert await watching.poll()
    assert ended(watching) == {"released": 1}


async def test_what_ended_while_the_database_was_away_is_counted_afterwards(
    database: Database, watching: Polled
) -> None:
    database.execute("ALTER TABLE runners RENAME TO walkers")
    assert not await watching.poll()
    for number in range(3):
        database.claim(f"away{number}", "r", at=NOW + 600 * number)
        database.finish(f"away{number}", at=NOW + 600 * number + 5)
    database.execute("ALTER TABLE walkers RENAME TO runners")
    database.freeze(NOW + 7200)
    assert await watching.poll()
    assert ended(watching) == {"released": 3}


async def test_a_clock_that_is_set_back_counts_nothing_twice(
    database: Database, watching: Polled
) -> None:
    database.claim("c", "r", at=NOW)
    database.finish("c")
    assert await watching.poll()
    database.freeze(NOW + 3600)
    assert await watching.poll()
    database.freeze(NOW - 3600)
    assert await watching.poll()
    assert ended(watching) == {"released": 1}
    database.claim("d", "r", at=NOW - 3600)
    database.finish("d", at=NOW - 3599)
    assert await watching.poll()
    assert ended(watching) == {"released": 2}


async def test_claims_of_runners_that_others_watch_are_theirs_to_count(
    database: Database, make_polled: MakePolled
) -> None:
    database.freeze()
    shards = [
        make_polled(
            PostgresOptions(database.url),
            replace(WATCHED, selection=Selection(shard=Shard(index, 2))),
        )
        for index in range(2)
    ]
    for number in range(10):
        database.add_runner(f"r{number}")
    for polled in shards:
        assert await polled.poll()
    for number in range(10):
        database.claim(f"c{number}", f"r{number}")
        database.finish(f"c{number}")
    database.claim("nobodys", None)
    database.finish("nobodys")
    for polled in shards:
        assert await polled.poll()
    assert sum(ended(polled)["released"] for polled in shards) == 10


async def test_each_tenants_claims_are_counted_under_its_own_name(
    database: Database, make_polled: MakePolled
) -> None:
    database.freeze()
    for tenant in ("a", "b"):
        database.add_runner("r", tenant=tenant)
    every = make_polled(PostgresOptions(database.url, tenant=None))
    assert await every.poll()
    database.claim("c", "r", tenant="a", at=NOW)
    database.claim("c", "r", tenant="b", at=NOW)
    database.execute("UPDATE consumer_claims SET status = 'expired' WHERE tenant_id = 'b'")
    assert await every.poll()
    assert ended(every, "a") == {}
    assert ended(every, "b") == {"expired": 1}


async def test_a_full_scan_that_takes_too_long_leaves_claims_unknown_and_the_rest_known(
    database: Database, make_polled: MakePolled
) -> None:
    # Looking at a status takes 40 ms: too long for every claim, not for those that are new.
    database.freeze()
    database.add_runner("r")
    database.heartbeat("r", {"status": "streaming"})
    for number in range(100):
        database.claim(f"c{number}", "r", at=NOW - 4000)
    database.execute("ALTER TABLE consumer_claims RENAME TO stored_claims")
    database.execute(
        "CREATE FUNCTION slow(text) RETURNS text LANGUAGE plpgsql STABLE AS "
        "$$ BEGIN PERFORM pg_sleep(0.04); RETURN $1; END $$"
    )
    database.execute(
        "CREATE VIEW consumer_claims AS SELECT tenant_id, consumer_id, epoch, runner_id, "
        "stream_path, public.slow(status) AS status, claimed_at, last_heartbeat_at, "
        "lease_expires_at, released_at, updated_at FROM stored_claims"
    )
    polled = make_polled(PostgresOptions(database.url, timeout=2), clock_of=SystemClock())

    assert await polled.poll()

    assert active(polled) is None
    assert polled.states()["r"].poll_success
    assert polled.snapshot.requests.errors[Operation.HEALTH, Reason.TIMEOUT] == 1
    full_scan = polled.snapshot.full_scan
    assert full_scan is not None
    assert full_scan.at is None
    assert await polled.poll()
    assert active(polled) is None
    assert polled.snapshot.requests.errors[Operation.HEALTH, Reason.TIMEOUT] == 1


async def test_a_full_scan_rests_fifty_times_as_long_as_it_took(clock: FakeClock) -> None:
    tracker = ClaimTracker()
    assert tracker.scan_due(clock.monotonic())
    tracker.scanned(clock.time(), clock.monotonic(), 2.0)
    clock.advance(99)
    assert not tracker.scan_due(clock.monotonic())
    clock.advance(1)
    assert tracker.scan_due(clock.monotonic())


class _Table:
    """The rows of a table, read as the query would give them."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, float]] = {}

    def read(self, tracker: ClaimTracker, now: float, *, scan: bool) -> list[ClaimRow]:
        watermark, known = tracker.begin(now), set(tracker.known)
        return [
            ClaimRow("t", name, 1, "r", "/s", status, 0.0, None, 1.0, lease >= watermark)
            for name, (status, lease) in self.rows.items()
            if lease >= watermark or name in known or (scan and status == "active")
        ]


def count_ended(tracker: ClaimTracker, rows: list[ClaimRow], now: float) -> int:
    return sum(len(news.ended) for news in tracker.take(rows, now).values())


SMALL_STEP = 110
"""Seconds that a database's clock may be set back by, and nothing is missed for it."""


def steps_of(*happenings: str) -> st.SearchStrategy[list[tuple[str, int]]]:
    """What happens, to which of the claims or for how many seconds."""
    return st.lists(
        st.tuples(st.sampled_from(happenings), st.integers(0, 200)), min_size=1, max_size=60
    )


class History:
    """A table of claims over time, and a tracker that reads it now and then."""

    def __init__(self) -> None:
        self.counted = 0
        self.expected = 0
        self._tracker = ClaimTracker()
        self._table = _Table()
        self._now = 1000.0
        self._furthest = self._now
        self.read(scan=True)

    def read(self, *, scan: bool = False) -> None:
        """Read the claims, which are known to be active where they are."""
        rows = self._table.read(self._tracker, self._now, scan=scan)
        self.counted += count_ended(self._tracker, rows, self._now)
        active_now = {row.consumer_id for row in rows if row.status == ClaimStatus.ACTIVE}
        truth = {name for name, (status, _) in self._table.rows.items() if status == "active"}
        assert active_now == truth

    def happen(self, what: str, number: int) -> None:
        match what:
            case "claim":
                name = f"c{len(self._table.rows)}"
                self._table.rows[name] = ("active", self._now + 30)
            case "end":
                self._end(number)
            case "wait":
                self._now += number * 10
            case "step back":
                # A little each time, and never far behind what was seen.
                self._now = max(self._now - number, self._furthest - SMALL_STEP)
            case "jump back":
                self._now -= number * 100
            case _:
                self.read(scan=what == "scan")
        self._furthest = max(self._now, self._furthest)

    def _end(self, number: int) -> None:
        running = [name for name, (status, _) in self._table.rows.items() if status == "active"]
        if running:
            name = running[number % len(running)]
            self._table.rows[name] = ("released", self._table.rows[name][1])
            self.expected += 1


@given(steps=steps_of("claim", "end", "poll", "scan", "wait", "step back"))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_every_claim_that_ends_is_counted_once(
    steps: list[tuple[str, int]],
) -> None:
    history = History()
    for what, number in steps:
        history.happen(what, number)
    history.read()
    assert history.counted == history.expected


@given(steps=steps_of("claim", "end", "scan", "wait", "step back", "jump back"))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_however_far_a_clock_is_set_back_no_claim_is_counted_twice(
    steps: list[tuple[str, int]],
) -> None:
    history = History()
    for what, number in steps:
        history.happen(what, number)
    history.read(scan=True)
    assert history.counted <= history.expected


async def test_a_clock_that_is_set_back_a_little_counts_nothing_twice(
    database: Database, watching: Polled
) -> None:
    database.claim("c", "r", at=NOW - 40)
    database.finish("c")
    assert await watching.poll()
    assert ended(watching) == {"released": 1}
    for now in (NOW + 150, NOW + 40, NOW + 50, NOW + 60):
        database.freeze(now)
        assert await watching.poll()
    assert ended(watching) == {"released": 1}


async def test_the_claims_of_a_runner_are_named_by_their_streams_those_claimed_last_first(
    database: Database, make_polled: MakePolled
) -> None:
    database.add_runner("busy")
    database.add_runner("idle")
    for number in range(20):
        database.claim(f"c{number}", "busy", stream=f"/task/{number}/main", at=NOW - 100 + number)
    database.claim("newer", "busy", stream="/task/19/main", at=NOW - 5, epoch=2)
    polled = make_polled(PostgresOptions(database.url))
    assert await polled.poll()

    def claims(runner_id: str) -> tuple[ActiveClaim, ...] | None:
        detail = polled.fleet.detail(polled.name, None, runner_id)
        return detail.claims if detail else None

    busy = claims("busy")
    assert busy is not None
    assert [claim.stream for claim in busy] == [f"/task/{19 - at}/main" for at in range(16)]
    assert busy[0].claimed_at == NOW - 5
    assert claims("idle") == ()
