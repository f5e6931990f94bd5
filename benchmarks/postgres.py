"""What a poll of the database costs, against the HTTP source on a fleet of the same size."""

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from prometheus_client import CollectorRegistry

from electric_agents_exporter.fleet.clock import SystemClock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.snapshot import FleetSnapshot
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.table import build_table
from electric_agents_exporter.sources.postgres import PostgresOptions, PostgresSource
from electric_agents_exporter.sources.source import EVERYONE
from http_poll import STOCK_AT_BEST, StockClient, canned_server, cycle
from measure import Comparison, compare, limit
from postgres_cluster import Cluster, postgres_programs

_GOAL_AT = 10_000
_SCHEMA = Path(__file__).parents[1] / "tests" / "postgres" / "schema.sql"
_DIAGNOSTICS = """
jsonb_build_object('status', 'streaming', 'stream_connected', true, 'last_heartbeat_ok', true,
  'last_claim_result', 'claimed', 'started_at', '2026-11-22T11:00:00.000Z',
  'stream_connected_since', '2026-11-22T11:00:00.000Z', 'last_error', null,
  'last_error_at', '2026-11-22T11:00:00.000Z', 'last_heartbeat_at', '2026-11-22T11:00:00.000Z',
  'last_claim_at', '2026-11-22T11:00:00.000Z', 'last_dispatch_at', '2026-11-22T11:00:00.000Z',
  'reconnect_count', 0, 'events_received', n, 'claims_succeeded', n, 'claims_skipped', n,
  'claims_failed', 0)
"""
_FLEET = f"""
INSERT INTO runners (id, owner_principal, label, kind, wake_stream)
SELECT 'runner-' || n, '/principal/user%%3Aowner' || n %% 10, 'Runner ' || n, 'server', 'w' || n
  FROM generate_series(1, %(runners)s) AS n;
INSERT INTO runner_runtime_diagnostics
  (runner_id, last_seen_at, liveness_lease_expires_at, diagnostics)
SELECT 'runner-' || n, now(), now() + interval '1 day', {_DIAGNOSTICS}
  FROM generate_series(1, %(runners)s) AS n;
"""  # noqa: S608  (our own text)
_CLAIMS = """
INSERT INTO consumer_claims (consumer_id, epoch, wake_id, entity_url, stream_path, runner_id,
  status, claimed_at, lease_expires_at, released_at, updated_at)
SELECT 'w_' || md5(n::text), 1, 'w_' || md5(n::text), '/task/' || md5((n / 2)::text),
       '/task/' || md5((n / 2)::text) || '/main', 'runner-' || (1 + n %% %(runners)s),
       CASE WHEN n %% (1 + %(claims)s / %(active)s) = 0 THEN 'active' ELSE 'released' END,
       at, at + interval '30 s', at + interval '5 s', at
  FROM generate_series(1, %(claims)s) AS n,
       LATERAL (SELECT now() - (%(claims)s - n) * interval '1.5 s' AS at) AS moment
"""
_CHANGE = """
UPDATE runner_runtime_diagnostics
   SET last_seen_at = last_seen_at + interval '1 s',
       liveness_lease_expires_at = liveness_lease_expires_at + interval '1 s',
       diagnostics = diagnostics || jsonb_build_object(
         'events_received', %(turn)s, 'claims_skipped', %(turn)s,
         'last_heartbeat_at',
         to_char(last_seen_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
"""
"""What a heartbeat changes."""


@contextmanager
def database(count: int, claims: int) -> Iterator[str]:
    """Make a database of so many runners and claims; gives its URL."""
    programs = postgres_programs()
    if programs is None:
        sys.exit("PostgreSQL is not here; scripts/tools fetches it")
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(folder, programs)
        cluster.start("shared_buffers=512MB", "max_wal_size=8GB", "synchronous_commit=off")
        try:
            with psycopg.connect(cluster.url(), autocommit=True) as connection:
                connection.execute(_SCHEMA.read_bytes())
                sizes = {"runners": count, "claims": claims, "active": max(1, count * 2 // 5)}
                for statement in (*_FLEET.split(";")[:-1], _CLAIMS, "VACUUM ANALYZE"):
                    psycopg.ClientCursor(connection).execute(statement.encode(), sizes)
            yield cluster.url()
        finally:
            cluster.stop("immediate")


class _Watched:
    """A fleet that is read out of a database, and rendered."""

    def __init__(self, url: str, count: int) -> None:
        self._clock = SystemClock()
        self._fleet = Fleet(self._clock)
        self._fleet.configure([Policy("production", (EVERYONE,), max_runners=count)])
        self._source = PostgresSource(PostgresOptions(url, timeout=60.0), self._clock)
        self._exposer = Exposer(build_table(), ProcessState("0", "3"), CollectorRegistry())
        self.scan_seconds = 0.0

    async def poll(self) -> tuple[float, float, float]:
        """Poll and render what changed; gives the CPU times of both, and how long the poll took."""
        cpu, wall = time.process_time(), time.monotonic()
        poll = Poll(self._fleet.targets["production"])
        result = poll.end(complete=await self._source.poll(poll, paced=False))
        polled, took = time.process_time() - cpu, time.monotonic() - wall
        assert result.succeeded, f"nothing is measured: {result.faults}"  # noqa: S101
        snapshot = self._fleet.snapshot()
        # A second scrape renders nothing: what it costs less is what rendering did.
        first, second = self._scrape(snapshot), self._scrape(snapshot)
        if snapshot.targets[0].full_scan is not None:
            self.scan_seconds = snapshot.targets[0].full_scan.seconds or 0.0
        return polled, max(0.0, first - second), took

    def _scrape(self, snapshot: FleetSnapshot) -> float:
        began = time.process_time()
        for _ in self._exposer.expose(snapshot, Format.TEXT):
            pass
        return time.process_time() - began

    async def aclose(self) -> None:
        """Close the connection."""
        await self._source.aclose()


async def _polls(url: str, count: int, runs: int) -> tuple[float, float, float]:
    """Poll again and again while every runner changes; gives the medians."""
    watched = _Watched(url, count)
    await watched.poll()
    costs = []
    with psycopg.connect(url, autocommit=True) as connection:
        for turn in range(runs):
            connection.execute(_CHANGE.encode(), {"turn": turn})
            costs.append(await watched.poll())
    await watched.aclose()
    middle = [sorted(column)[runs // 2] for column in zip(*costs, strict=True)]
    return middle[0], middle[1], middle[2]


async def _with_many_claims(url: str, count: int) -> tuple[float, float]:
    """Give how long the full scan of a first poll took, and a poll soon after it, without one.

    The next scan waits fifty times as long as this one took: for longer than these polls.
    """
    watched = _Watched(url, count)
    await watched.poll()
    scan = watched.scan_seconds
    took = [(await watched.poll())[2] for _ in range(3)]
    await watched.aclose()
    return scan, sorted(took)[1]


def measure(count: int, runs: int) -> Iterator[Comparison]:
    """Measure polls of a fleet of so many runners, on a database with a million claims."""
    size = f"{count:,} runners"
    claims = min(1_000_000, 100 * count)
    with database(count, claims) as url:
        polled, rendered, took = asyncio.run(_polls(url, count, runs))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        scan, between = asyncio.run(_with_many_claims(url, count))
    if count <= _GOAL_AT:
        with canned_server(count) as server:
            ours = asyncio.run(cycle(server, count))
            stock = asyncio.run(cycle(server, count, StockClient, STOCK_AT_BEST))
        for http, goal, whose in (
            (stock, 10 if count == _GOAL_AT else None, "the poll over HTTP on httpx as it comes"),
            (ours, None, "our poll over HTTP"),
        ):
            yield compare(
                f"poll of a database and rendering what changed, {size}",
                polled + rendered,
                http + rendered,
                goal=goal,
                against=f"{whose}, and the same rendering",
            )
    yield limit(
        f"poll of a database and rendering what changed, {size}",
        polled + rendered,
        goal=3 if count == 50_000 else None,
        unit="CPU s",
    )
    yield limit(f"poll of a database, {size}, from begin to end", took, goal=None, unit="s")
    yield limit(f"memory, database, {size}", peak, goal=700 if count == 50_000 else None, unit="MB")
    yield limit(f"full scan of {claims:,} claims, {size}", scan, goal=None, unit="s")
    yield limit(f"poll between full scans, {claims:,} claims, {size}", between, goal=None, unit="s")
