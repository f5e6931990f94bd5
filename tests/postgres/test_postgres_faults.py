"""What can go wrong between us and a database, on real sockets: reasons right, nothing hangs."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import monotonic
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest
import trustme
from tests.conftest import FakeClock
from tests.postgres.conftest import SCHEMA, Database, MakePolled, Polled, make_cluster
from typing_extensions import override

from electric_agents_exporter.fleet.inventory import DueRunner
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.sources.postgres import PostgresOptions
from postgres_cluster import Cluster

TABLES = ("runners", "runner_runtime_diagnostics", "consumer_claims", "entity_dispatch_state")
PASSWORD = "hunter2"  # noqa: S105  (what must not be seen anywhere)


def errors(polled: Polled) -> dict[tuple[Operation, Reason], int]:
    """The failures that were counted."""
    return {key: count for key, count in polled.snapshot.requests.errors.items() if count}


def connections(database: Database) -> int:
    (((count,)),) = database.execute(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name = 'electric-agents-exporter' AND datname = %s",
        database.name,
    )
    assert isinstance(count, int)
    return count


async def wait_until_blocked(database: Database) -> int:
    """Wait until a poll waits for a lock; gives the process that serves it."""
    async with asyncio.timeout(10):
        while True:
            rows = database.execute(
                "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
                "application_name = 'electric-agents-exporter' AND datname = %s",
                database.name,
            )
            if rows:
                return int(rows[0][0])
            await asyncio.sleep(0.01)


@contextlib.contextmanager
def locked(database: Database, table: str) -> Iterator[None]:
    with psycopg.connect(database.url) as other:
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield
        other.rollback()


@pytest.fixture
def impatient(database: Database, make_polled: MakePolled) -> Polled:
    """A target that gives a statement two seconds: enough for a busy machine."""
    database.add_runner("r")
    database.heartbeat("r")
    return make_polled(PostgresOptions(database.url, timeout=2))


@pytest.fixture
def role(database: Database) -> Iterator[str]:
    """A role that may read the four tables, and nothing else."""
    name = f"role_{database.name}"
    database.execute(f"CREATE ROLE {name} LOGIN")
    for table in TABLES:
        database.execute(f"GRANT SELECT ON {table} TO {name}")
    yield name
    database.execute(f"DROP OWNED BY {name}")
    database.execute(f"DROP ROLE {name}")


@pytest.fixture
def limited(database: Database, role: str, make_polled: MakePolled, cluster: Cluster) -> Polled:
    database.add_runner("r")
    return make_polled(PostgresOptions(cluster.url(database.name, role)))


async def test_the_minimal_role_is_enough(limited: Polled) -> None:
    assert await limited.poll()
    assert errors(limited) == {}


async def test_a_poll_is_one_bounded_read_only_transaction_on_one_snapshot(
    database: Database, make_polled: MakePolled
) -> None:
    database.freeze()
    database.execute(
        "CREATE OR REPLACE FUNCTION frozen.statement_timestamp() RETURNS timestamptz "
        "LANGUAGE plpgsql AS $$ BEGIN "
        "IF current_setting('transaction_isolation') <> 'repeatable read' "
        "OR current_setting('transaction_read_only') <> 'on' "
        "OR current_setting('statement_timeout') <> '5s' "
        "OR current_setting('lock_timeout') <> '5s' "
        "OR current_setting('idle_in_transaction_session_timeout') <> '5s' "
        "OR current_setting('transaction_timeout', true) <> '6s' "
        "OR current_setting('jit') <> 'off' "
        "OR current_setting('cursor_tuple_fraction') <> '1' "
        "OR current_setting('row_security') <> 'off' "
        "OR current_setting('work_mem') <> '64MB' "
        "THEN RAISE 'not as promised'; END IF; "
        "RETURN to_timestamp(1795348800); END $$"
    )
    polled = make_polled(PostgresOptions(database.url))
    for _ in range(3):
        assert await polled.poll()
    assert connections(database) == 1


@pytest.mark.parametrize("table", TABLES)
async def test_a_locked_table_is_a_timeout_and_over_when_the_lock_is(
    table: str, database: Database, impatient: Polled
) -> None:
    with locked(database, table):
        assert not await impatient.poll()
    operation = Operation.LIST if table == "runners" else Operation.HEALTH
    assert set(errors(impatient)) == {(operation, Reason.TIMEOUT)}
    if operation is Operation.HEALTH:
        assert impatient.states()["r"].poll_success is False
        assert impatient.snapshot.up

    assert await impatient.poll()
    assert impatient.states()["r"].poll_success
    assert connections(database) == 1


@pytest.mark.parametrize("table", TABLES)
async def test_a_revoked_privilege_is_forbidden_and_named(
    table: str, database: Database, limited: Polled, role: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert await limited.poll()
    database.execute(f"REVOKE SELECT ON {table} FROM {role}")  # noqa: S608  (no query)

    assert not await limited.poll()
    assert not await limited.poll()

    assert {reason for _, reason in errors(limited)} == {Reason.FORBIDDEN}
    told = [record.__dict__["error"] for record in caplog.records if hasattr(record, "error")]
    assert f"this role needs SELECT on {table}" in told
    database.execute(f"GRANT SELECT ON {table} TO {role}")
    assert await limited.poll()


def hide(database: Database, table: str, shown: str = "tenant_id = 'nobody'") -> None:
    """Let row-level security show some rows of a table only."""
    database.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    database.execute(f"CREATE POLICY shown ON {table} USING ({shown})")


def told_of(caplog: pytest.LogCaptureFixture) -> list[object]:
    return [vars(record)["error"] for record in caplog.records if "error" in vars(record)]


@pytest.mark.parametrize("shown", ["tenant_id = 'nobody'", "true"])
@pytest.mark.parametrize("table", TABLES)
async def test_rows_that_row_level_security_may_hide_are_no_empty_fleet(
    table: str, shown: str, database: Database, limited: Polled, caplog: pytest.LogCaptureFixture
) -> None:
    hide(database, table, shown)

    for _ in range(2):
        assert not await limited.poll()

    assert {reason for _, reason in errors(limited)} == {Reason.FORBIDDEN}
    sentence = f"rows of {table} are hidden from this role by row level security"
    assert told_of(caplog) == [sentence]
    assert limited.snapshot.poll_success[Operation.HEALTH] is False
    if table == "runners":
        assert not limited.snapshot.up
        assert limited.snapshot.listed == {}
        assert limited.snapshot.runners == ()
    else:
        # Of those that are listed nothing else is known: not even that they hold nothing.
        assert limited.states()["r"].report is None


@pytest.mark.parametrize("table", TABLES)
async def test_row_level_security_that_comes_while_connected_takes_no_runner_away(
    table: str, database: Database, limited: Polled, role: str
) -> None:
    assert await limited.poll()
    before = limited.states()["r"].report
    hide(database, table)

    assert not await limited.poll()

    assert {reason for _, reason in errors(limited)} == {Reason.FORBIDDEN}
    assert limited.states()["r"].report is before
    assert limited.snapshot.fleet.removed == 0
    database.execute(f"ALTER ROLE {role} BYPASSRLS")
    assert await limited.poll()
    database.execute(f"ALTER ROLE {role} NOBYPASSRLS")
    assert not await limited.poll()
    database.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    assert await limited.poll()


@pytest.mark.parametrize(
    "change, told",
    [
        (
            "ALTER TABLE consumer_claims DROP COLUMN stream_path",
            "the table consumer_claims has no column stream_path",
        ),
        (
            "ALTER TABLE runners RENAME TO walkers",
            "there is no table runners on the search path of this role",
        ),
    ],
)
async def test_a_schema_that_changed_is_named(
    change: str, told: str, database: Database, polled: Polled, caplog: pytest.LogCaptureFixture
) -> None:
    database.add_runner("r")
    database.heartbeat("r")
    assert await polled.poll()
    database.execute(change)

    assert not await polled.poll()
    assert not await polled.poll()

    assert {reason for _, reason in errors(polled)} == {Reason.SCHEMA}
    assert told in [record.__dict__.get("error") for record in caplog.records]


async def test_a_connection_that_is_killed_mid_poll_is_a_reset(
    database: Database, make_polled: MakePolled
) -> None:
    database.add_runner("r")
    polled = make_polled(PostgresOptions(database.url))
    assert await polled.poll()
    with locked(database, "consumer_claims"):
        poll = asyncio.create_task(polled.poll())
        pid = await wait_until_blocked(database)
        database.execute("SELECT pg_terminate_backend(%s)", pid)
        assert not await poll

    assert errors(polled) == {(Operation.HEALTH, Reason.RESET): 1}
    assert await polled.poll()


async def test_a_connection_that_ended_between_polls_costs_nothing(
    database: Database, polled: Polled
) -> None:
    database.add_runner("r")
    database.heartbeat("r")
    assert await polled.poll()
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s "
        "AND application_name = 'electric-agents-exporter'",
        database.name,
    )
    async with asyncio.timeout(5):
        while connections(database):
            await asyncio.sleep(0.01)
    assert await polled.poll()
    assert errors(polled) == {}


class Broken(Poll):
    """A poll with a bug, which shows in the middle of reading."""

    @override
    def due(self) -> list[DueRunner]:
        raise ZeroDivisionError


async def test_a_bug_in_the_middle_of_a_poll_leaves_no_transaction_to_the_next_one(
    database: Database, polled: Polled
) -> None:
    assert await polled.poll()
    with pytest.raises(ZeroDivisionError):
        await polled.source.poll(Broken(polled.fleet.targets[polled.name]), paced=False)
    database.add_runner("new")

    assert await polled.poll()

    assert set(polled.states()) == {"new"}


async def test_a_cancelled_poll_ends_at_once_and_leaves_no_connection(
    database: Database, make_polled: MakePolled
) -> None:
    polled = make_polled(PostgresOptions(database.url, timeout=30))
    with locked(database, "consumer_claims"):
        poll = asyncio.create_task(polled.poll())
        await wait_until_blocked(database)
        poll.cancel()
        began = monotonic()
        with pytest.raises(asyncio.CancelledError):
            await poll
        assert monotonic() - began < 1
    assert await polled.poll()
    async with asyncio.timeout(5):
        while connections(database) > 1:
            await asyncio.sleep(0.01)


class Firewall:
    """Passes bytes on to a server until it is told to freeze; then it drops all that comes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.freeze_after: int | None = None
        self.freeze_at: bytes | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def passing(self) -> bool:
        """Whether anyone is connected."""
        return bool(self._tasks)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await asyncio.sleep(0)  # whoever came last has begun by then
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # What passes bytes on may be cancelled before it begins, and would close nothing then.
        with contextlib.closing(writer):
            theirs, ours = await asyncio.open_connection("127.0.0.1", self._port)
            with contextlib.closing(ours):
                await asyncio.gather(self._pass_on(reader, ours), self._pass_on(theirs, writer))

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(4096):
                if self.freeze_after is not None:
                    self.freeze_after -= len(data)
                    if self.freeze_after <= 0:
                        self.thawed.clear()
                if self.freeze_at is not None and self.freeze_at in data:
                    self.thawed.clear()
                await self.thawed.wait()
                sink.write(data)
                await sink.drain()
        except OSError:
            pass  # whoever broke it knows
        finally:
            sink.close()


@pytest.fixture
async def firewall(cluster: Cluster) -> AsyncIterator[Firewall]:
    firewall = Firewall(cluster.port)
    await firewall.start()
    yield firewall
    await firewall.stop()


@pytest.mark.parametrize("after", [0, 1, 2_000, 40_000])
async def test_a_connection_frozen_by_a_firewall_is_a_timeout_at_any_byte(
    after: int, database: Database, firewall: Firewall, make_polled: MakePolled
) -> None:
    for number in range(300):
        database.add_runner(f"r{number}", label="x" * 100)
    url = f"postgresql://postgres@127.0.0.1:{firewall.port}/{database.name}"
    polled = make_polled(PostgresOptions(url, timeout=2))
    if after:
        assert await polled.poll()
    firewall.freeze_after = after

    async with asyncio.timeout(20):
        assert not await polled.poll()

    assert {reason for _, reason in errors(polled)} == {Reason.TIMEOUT}
    firewall.freeze_after = None
    firewall.thawed.set()
    assert await polled.poll()


async def test_a_connection_frozen_as_a_cursor_is_closed_leaves_nothing_open(
    database: Database, firewall: Firewall, make_polled: MakePolled
) -> None:
    database.add_runner("r")
    url = f"postgresql://postgres@127.0.0.1:{firewall.port}/{database.name}"
    polled = make_polled(PostgresOptions(url, timeout=2))
    assert await polled.poll()
    firewall.freeze_at = b"CLOSE"

    async with asyncio.timeout(20):
        assert not await polled.poll()

    gc.collect()  # what was left open would warn here
    firewall.freeze_at = None
    firewall.thawed.set()
    assert await polled.poll()


async def test_a_poll_that_is_cancelled_while_it_connects_ends_at_once(
    database: Database, firewall: Firewall, make_polled: MakePolled
) -> None:
    firewall.thawed.clear()
    url = f"postgresql://postgres@127.0.0.1:{firewall.port}/{database.name}"
    poll = asyncio.create_task(make_polled(PostgresOptions(url, timeout=30)).poll())
    async with asyncio.timeout(5):
        while not firewall.passing:
            await asyncio.sleep(0.01)
    poll.cancel()
    began = monotonic()
    with pytest.raises(asyncio.CancelledError):
        await poll
    assert monotonic() - began < 1


@pytest.mark.parametrize(
    "url, reason",
    [
        ("postgresql://postgres@127.0.0.1:1/agents", Reason.CONNECT),
        ("postgresql://postgres@nowhere.invalid/agents", Reason.DNS),
        ("postgresql://postgres@127.0.0.1:{port}/nowhere", Reason.NOT_FOUND),
        ("postgresql://nobody@127.0.0.1:{port}/agents", Reason.UNAUTHORIZED),
        ("postgresql://postgres@127.0.0.1:{port}/agents?sslmode=require", Reason.TLS),
        ("postgresql://postgres@127.0.0.1:{port}/postgres", Reason.SCHEMA),
    ],
)
async def test_a_database_that_is_not_to_be_had_says_why(
    url: str, reason: Reason, cluster: Cluster, make_polled: MakePolled
) -> None:
    polled = make_polled(PostgresOptions(url.format(port=cluster.port), timeout=2))
    assert not await polled.poll()
    assert errors(polled) == {(Operation.LIST, reason): 1}
    assert not polled.snapshot.up


async def test_something_else_on_the_port_is_told_apart_from_a_database(
    make_polled: MakePolled,
) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    polled = make_polled(PostgresOptions(f"postgresql://x@127.0.0.1:{port}/y?sslmode=disable"))
    assert not await polled.poll()
    server.close()
    ((operation, reason),) = errors(polled)
    assert operation is Operation.LIST
    assert reason in {Reason.CONNECT, Reason.RESET}


async def test_a_password_comes_from_a_file_and_is_seen_nowhere(  # noqa: PLR0913, PLR0917  (fixtures)
    database: Database,
    role: str,
    cluster: Cluster,
    make_polled: MakePolled,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    rules = cluster.data / "pg_hba.conf"
    old = rules.read_text()
    rules.write_text(f"host all {role} 127.0.0.1/32 scram-sha-256\n{old}")
    cluster.reload()
    database.execute(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'")
    password = tmp_path / "password"
    password.write_text("wrong\n")
    caplog.set_level(logging.DEBUG)
    polled = make_polled(PostgresOptions(cluster.url(database.name, role), password_file=password))

    assert not await polled.poll()
    assert errors(polled) == {(Operation.LIST, Reason.UNAUTHORIZED): 1}
    password.write_text(f"{PASSWORD}\n")
    os.utime(password, (1, 1))
    assert await polled.poll()
    assert polled.source.credential_changed_at() == 1
    password.unlink()
    assert not await polled.poll()
    assert (Operation.LIST, Reason.OTHER) in errors(polled)

    rules.write_text(old)
    cluster.reload()
    assert PASSWORD not in caplog.text
    assert PASSWORD not in repr(polled.source.__dict__)
    assert PASSWORD not in str(database.execute("SELECT * FROM pg_stat_activity"))


async def test_a_command_tells_the_password_before_each_connection_and_at_no_other_time(  # noqa: PLR0913, PLR0917  (fixtures)
    database: Database,
    role: str,
    cluster: Cluster,
    make_polled: MakePolled,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    rules = cluster.data / "pg_hba.conf"
    old = rules.read_text()
    rules.write_text(f"host all {role} 127.0.0.1/32 scram-sha-256\n{old}")
    cluster.reload()
    database.execute(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'")
    asked, password = tmp_path / "asked", tmp_path / "password"
    password.write_text(f"{PASSWORD}\n")
    command = (
        "sh",
        "-c",
        f"echo >> {asked}; cat {password}; echo {PASSWORD} >&2; test -s {password}",
    )
    caplog.set_level(logging.DEBUG)
    polled = make_polled(
        PostgresOptions(cluster.url(database.name, role), password_command=command)
    )

    assert await polled.poll()
    assert await polled.poll()
    assert asked.read_text() == "\n"
    await polled.source.aclose()
    assert await polled.poll()
    assert asked.read_text() == "\n\n"
    await polled.source.aclose()
    password.write_text("")
    assert not await polled.poll()
    assert errors(polled) == {(Operation.LIST, Reason.OTHER): 1}
    assert polled.snapshot.faults[0].text == (
        "no list for all (other: password_command ended with exit code 1; "
        "run it by hand to see why)"
    )

    rules.write_text(old)
    cluster.reload()
    assert "password_command ended with exit code 1; run it by hand to see why" in str(
        [vars(record).get("error") for record in caplog.records]
    )
    assert PASSWORD not in caplog.text
    assert PASSWORD not in str([vars(record) for record in caplog.records])


@pytest.mark.parametrize(
    "password", [" outer spaces ", "schl\xfcssel", "quote ' and \\ back", "\N{PILE OF POO}\t"]
)
async def test_whatever_postgresql_takes_for_a_password_works(  # noqa: PLR0913, PLR0917  (fixtures)
    password: str,
    database: Database,
    role: str,
    cluster: Cluster,
    make_polled: MakePolled,
    tmp_path: Path,
) -> None:
    rules = cluster.data / "pg_hba.conf"
    old = rules.read_text()
    rules.write_text(f"host all {role} 127.0.0.1/32 scram-sha-256\n{old}")
    cluster.reload()
    quoted = psycopg.sql.Literal(password).as_string()
    database.execute(f"ALTER ROLE {role} PASSWORD {quoted}")
    file = tmp_path / "password"
    file.write_text(f"{password}\n", encoding="utf-8-sig")
    options = PostgresOptions(cluster.url(database.name, role), password_file=file)

    assert await make_polled(options).poll()

    rules.write_text(old)
    cluster.reload()


@pytest.mark.parametrize(
    "name", ["{role}", "password {role}", "of pg_hba.conf {role}", "SSL {role}"]
)
async def test_a_role_without_connections_left_is_not_refused_whatever_it_is_called(
    name: str, database: Database, role: str, cluster: Cluster, make_polled: MakePolled
) -> None:
    name = name.format(role=role)
    if name != role:
        database.execute(f'CREATE ROLE "{name}" LOGIN')
        database.execute(f'GRANT "{role}" TO "{name}"')
    database.execute(f'ALTER ROLE "{name}" CONNECTION LIMIT 0')
    polled = make_polled(PostgresOptions(cluster.url(database.name, quote(name))))

    assert not await polled.poll()

    assert errors(polled) == {(Operation.LIST, Reason.RATE_LIMITED): 1}
    database.execute(f'ALTER ROLE "{name}" CONNECTION LIMIT -1')


async def test_a_host_that_says_nothing_is_passed_for_the_next(
    database: Database, cluster: Cluster, make_polled: MakePolled
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        silent = "".join(f"127.0.0.1:{each.getsockname()[1]}," for each in (one, other))
        url = cluster.url(database.name).replace("127.0.0.1:", f"{silent}127.0.0.1:")
        assert await make_polled(PostgresOptions(url, timeout=3)).poll()


async def test_a_byte_that_is_no_text_costs_no_more_than_itself(cluster: Cluster) -> None:
    name = f"bytes_{uuid4().hex}"
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'".encode()
        )
    with psycopg.connect(cluster.url(name), autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
    database = Database(cluster.url(name), name)
    database.add_runner("good")
    database.add_runner("bad")
    database.execute(r"UPDATE runners SET label = E'\xff' WHERE id = 'bad'")
    database.connection.close()

    polled = Polled(PostgresOptions(cluster.url(name)), FakeClock())

    assert await polled.poll()
    assert {name: state.listed.label for name, state in polled.states().items()} == {
        "good": "Runner good",
        "bad": "\N{REPLACEMENT CHARACTER}",
    }
    await polled.source.aclose()


@pytest.fixture(scope="module")
def fragile() -> Iterator[Cluster]:
    """A server of our own to be stopped and started."""
    yield from make_cluster()


def polled_of(cluster: Cluster) -> Polled:
    return Polled(PostgresOptions(cluster.url("agents"), timeout=2), FakeClock())


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_server_that_restarts_is_down_for_as_long_as_it_is_down(
    mode: str, fragile: Cluster
) -> None:
    polled = polled_of(fragile)
    assert await polled.poll()
    fragile.stop(mode)

    assert not await polled.poll()
    assert not polled.snapshot.up
    assert {reason for _, reason in errors(polled)} == {Reason.CONNECT}

    fragile.start()
    assert await polled.poll()
    assert [target.up for target in polled.snapshots.values()] == [True]
    await polled.source.aclose()


async def test_a_server_that_is_stopped_mid_poll_is_a_reset(fragile: Cluster) -> None:
    polled = polled_of(fragile)
    blocker = psycopg.connect(fragile.url("agents"))
    blocker.execute("LOCK TABLE consumer_claims IN ACCESS EXCLUSIVE MODE")
    watcher = psycopg.connect(fragile.url("agents"), autocommit=True)
    poll = asyncio.create_task(polled.poll())
    async with asyncio.timeout(5):
        query = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        while not watcher.execute(query.encode()).fetchall():
            await asyncio.sleep(0.01)
    fragile.stop("immediate")
    assert not await poll
    assert {reason for _, reason in errors(polled)} == {Reason.RESET}
    blocker.close()
    watcher.close()
    fragile.start()
    assert await polled.poll()
    await polled.source.aclose()


async def test_a_poll_that_is_stopped_halfway_holds_up_nobody(
    database: Database, cluster: Cluster, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    url = cluster.url(database.name)
    file.write_text(f"targets: [{{name: db, postgres: '{url}', timeout: 1s}}]")
    command = [sys.executable, "-m", "electric_agents_exporter", "probe", "--config", str(file)]
    with locked(database, "consumer_claims"):
        exporter = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=DEVNULL)
        await wait_until_blocked(database)
        exporter.send_signal(signal.SIGSTOP)
    try:
        # Its transaction has read `runners`, and so would make this wait for as long as it sleeps.
        with psycopg.connect(database.url) as other:
            other.execute("SET lock_timeout = '10s'")
            other.execute("ALTER TABLE runners ADD COLUMN later int")
    finally:
        exporter.send_signal(signal.SIGCONT)
        await exporter.wait()


async def test_tls_is_as_strict_as_asked(fragile: Cluster, tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    own = authority.issue_cert("localhost")
    cert, key = fragile.data / "server.crt", fragile.data / "server.key"
    own.cert_chain_pems[0].write_to_path(cert)
    own.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    for path in (cert, key):
        fragile.own(path)
    with psycopg.connect(fragile.url(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET ssl = on")
    fragile.reload()
    ca, other = tmp_path / "ca.pem", tmp_path / "other.pem"
    authority.cert_pem.write_to_path(ca)
    stranger.cert_pem.write_to_path(other)

    async def attempt(host: str, ca_file: Path | None, query: str = "") -> set[Reason]:
        url = f"postgresql://postgres@{host}:{fragile.port}/agents{query}"
        polled = Polled(PostgresOptions(url, ca_file=ca_file, timeout=3), FakeClock())
        await polled.poll()
        await polled.source.aclose()
        return {reason for _, reason in errors(polled)}

    assert await attempt("localhost", ca) == set()
    assert await attempt("localhost", None, "?sslmode=require") == set()
    assert await attempt("localhost", other) == {Reason.TLS}
    assert await attempt("127.0.0.1", ca) == {Reason.TLS}
    assert await attempt("127.0.0.1", ca, "?sslmode=verify-ca") == set()
