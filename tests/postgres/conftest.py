"""A real PostgreSQL with the tables of an agents-server, and an exporter's target that reads it."""

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb
from tests.conftest import FakeClock

from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll, PollResult
from electric_agents_exporter.fleet.snapshot import RunnerState, TargetSnapshot
from electric_agents_exporter.sources.postgres import PostgresOptions, PostgresSource
from electric_agents_exporter.sources.source import EVERYONE
from postgres_cluster import Cluster, postgres_programs

SCHEMA = (Path(__file__).parent / "schema.sql").read_text()
ALICE = "/principal/user%3Aalice"


def make_cluster() -> Iterator[Cluster]:
    programs = postgres_programs()
    if programs is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not here; scripts/tools fetches it")
        pytest.skip("PostgreSQL is not here; scripts/tools fetches it")
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(folder, programs)
        cluster.start("max_connections=40")
        with psycopg.connect(cluster.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE agents")
        with psycopg.connect(cluster.url("agents"), autocommit=True) as connection:
            connection.execute(SCHEMA.encode())
        try:
            yield cluster
        finally:
            cluster.stop("immediate")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The server that all tests share; nobody stops it."""
    yield from make_cluster()


class Database:
    """A database with the tables, empty; rows go in by hand, at moments of its own clock.

    Its time stands still at `NOW`: `statement_timestamp` is found in `frozen` first.
    """

    NOW = 1_795_348_800.25

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.name = name
        self.connection = psycopg.connect(url, autocommit=True)
        self._number = 0

    def execute(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(query.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []

    def freeze(self, now: float = NOW) -> None:
        """Let the clock stand at a moment."""
        self.execute("CREATE SCHEMA IF NOT EXISTS frozen")
        self.execute(
            "CREATE OR REPLACE FUNCTION frozen.statement_timestamp() RETURNS timestamptz "
            f"LANGUAGE sql STABLE AS 'SELECT to_timestamp({now!r})'"
        )
        self.execute(f"ALTER DATABASE {self.name} SET search_path = frozen, pg_catalog, public")
        self.execute("GRANT USAGE ON SCHEMA frozen TO PUBLIC")

    def add_runner(  # noqa: PLR0913  (the columns of a row)
        self,
        runner_id: str,
        *,
        owner: str = ALICE,
        kind: str = "server",
        label: str | None = None,
        admin_status: str = "enabled",
        tenant: str = "default",
        created: float = NOW - 3600,
    ) -> None:
        self._number += 1
        self.execute(
            "INSERT INTO runners (tenant_id, id, owner_principal, label, kind, admin_status, "
            "wake_stream, created_at, updated_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, to_timestamp(%s), to_timestamp(%s))",
            tenant,
            runner_id,
            owner,
            f"Runner {runner_id}" if label is None else label,
            kind,
            admin_status,
            f"/runners/{self._number}/wake",
            created,
            created,
        )

    def heartbeat(  # noqa: PLR0913  (the columns of a row)
        self,
        runner_id: str,
        diagnostics: object = None,
        *,
        tenant: str = "default",
        seen: float = NOW - 10,
        lease: float = NOW + 80,
        offset: str | None = None,
    ) -> None:
        self.execute(
            "INSERT INTO runner_runtime_diagnostics (tenant_id, runner_id, last_seen_at, "
            "liveness_lease_expires_at, diagnostics, wake_stream_offset) "
            "VALUES (%s, %s, to_timestamp(%s), to_timestamp(%s), %s, %s) "
            "ON CONFLICT (tenant_id, runner_id) DO UPDATE SET last_seen_at = "
            "excluded.last_seen_at, liveness_lease_expires_at = "
            "excluded.liveness_lease_expires_at, diagnostics = excluded.diagnostics, "
            "wake_stream_offset = excluded.wake_stream_offset",
            tenant,
            runner_id,
            seen,
            lease,
            None if diagnostics is None else Jsonb(diagnostics),
            offset,
        )

    def claim(  # noqa: PLR0913  (the columns of a row)
        self,
        consumer_id: str,
        runner_id: str | None,
        *,
        stream: str = "/task/1/main",
        at: float = NOW - 20,
        epoch: int = 1,
        heartbeat: float | None = None,
        tenant: str = "default",
    ) -> None:
        """Claim as a server does: the lease ends 30 s later, come what may."""
        self.execute(
            "INSERT INTO consumer_claims (tenant_id, consumer_id, epoch, entity_url, stream_path, "
            "runner_id, claimed_at, last_heartbeat_at, lease_expires_at, updated_at) VALUES "
            "(%s, %s, %s, %s, %s, %s, to_timestamp(%s), to_timestamp(%s), to_timestamp(%s), "
            "to_timestamp(%s))",
            tenant,
            consumer_id,
            epoch,
            stream.removesuffix("/main"),
            stream,
            runner_id,
            at,
            heartbeat,
            at + 30,
            at,
        )

    def finish(self, consumer_id: str, *, at: float = NOW, status: str = "released") -> None:
        self.execute(
            "UPDATE consumer_claims SET status = %s, updated_at = to_timestamp(%s), "
            "released_at = CASE WHEN %s = 'released' THEN to_timestamp(%s) END "
            "WHERE consumer_id = %s",
            status,
            at,
            status,
            at,
            consumer_id,
        )

    def dispatch(
        self,
        entity_url: str,
        runner_id: str | None,
        *,
        active: str | None = None,
        outstanding: str | None = None,
        pending: object = (),
    ) -> None:
        self.execute(
            "INSERT INTO entity_dispatch_state (entity_url, active_runner_id, active_consumer_id, "
            "outstanding_wake_id, pending_source_streams) VALUES (%s, %s, %s, %s, %s)",
            entity_url,
            runner_id,
            active,
            outstanding,
            Jsonb(list(pending) if isinstance(pending, tuple) else pending),
        )


@contextmanager
def make_database(cluster: Cluster) -> Iterator[Database]:
    name = f"test_{uuid4().hex}"
    named = sql.Identifier(name)
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE agents").format(named))
        database = Database(cluster.url(name), name)
        try:
            yield database
        finally:
            database.connection.close()
            # Hundreds of files each, which the last test would else have to wait for.
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(named))


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    with make_database(cluster) as database:
        yield database


WATCHED = Policy("db", (EVERYONE,))
"""How a database is watched, unless a test says otherwise."""


class Polled:
    """One target, polled when a test says so."""

    def __init__(self, options: PostgresOptions, clock: Clock, policy: Policy = WATCHED) -> None:
        self.clock = clock
        self.fleet = Fleet(clock)
        self.fleet.configure([policy])
        self.name = policy.name
        self.source = PostgresSource(options, clock)

    async def poll(self) -> bool:
        return (await self.result()).succeeded

    async def result(self) -> PollResult:
        poll = Poll(self.fleet.targets[self.name])
        complete = await self.source.poll(poll, paced=False)
        return poll.end(complete=complete)

    @property
    def snapshots(self) -> dict[str | None, TargetSnapshot]:
        """The state by tenant; None for that of the target itself."""
        return {target.tenant: target for target in self.fleet.snapshot().targets}

    @property
    def snapshot(self) -> TargetSnapshot:
        return self.snapshots[None]

    @property
    def drift(self) -> dict[str, int]:
        return dict(self.fleet.snapshot().drift)

    def states(self, tenant: str | None = None) -> dict[str, RunnerState]:
        return {state.listed.id: state for state in self.snapshots[tenant].runners}


MakePolled = Callable[..., Polled]


@pytest.fixture
async def make_polled(clock: FakeClock) -> AsyncIterator[MakePolled]:
    made = []

    def make(options: PostgresOptions, policy: Policy = WATCHED, clock_of: Clock = clock) -> Polled:
        polled = Polled(options, clock_of, policy)
        made.append(polled)
        return polled

    yield make
    for polled in made:
        await polled.source.aclose()


@pytest.fixture
def polled(database: Database, make_polled: MakePolled) -> Polled:
    database.freeze()
    return make_polled(PostgresOptions(database.url))
