"""Behind PgBouncer: what others SET changes no reading of ours, and we leave nothing to them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.postgres.conftest import Database, MakePolled, Polled

from electric_agents_exporter.sources.postgres import PostgresOptions
from pgbouncer import PgBouncer, pgbouncer_program
from postgres_cluster import Cluster

LEFT = """
SELECT name, setting FROM pg_settings WHERE name <> 'application_name'
UNION ALL SELECT 'prepared', name FROM pg_prepared_statements
UNION ALL SELECT 'cursor', name FROM pg_cursors
UNION ALL SELECT 'temporary', relname FROM pg_class WHERE relpersistence = 't'
UNION ALL SELECT 'lock', mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'
UNION ALL SELECT 'user', current_user
ORDER BY 1, 2
"""
"""All that a client may leave to the next one in a server's connection.

PgBouncer itself calls the connection as whoever it serves is called.
"""

Client = psycopg.Connection[tuple[str, str]]

SETTINGS = (
    "search_path = 'elsewhere'",
    "search_path = ''",
    "statement_timeout = '1ms'",
    "lock_timeout = '1ms'",
    "idle_in_transaction_session_timeout = '1ms'",
    "default_transaction_read_only = on",
    "default_transaction_read_only = off",
    "default_transaction_isolation = 'serializable'",
    "default_transaction_deferrable = on",
    "client_encoding = 'LATIN1'",
    "client_encoding = 'SQL_ASCII'",
    "DateStyle = 'SQL, DMY'",
    "DateStyle = 'German'",
    "TimeZone = 'Asia/Kathmandu'",
    "IntervalStyle = 'sql_standard'",
    "bytea_output = 'escape'",
    "standard_conforming_strings = off",
    "extra_float_digits = -10",
    "array_nulls = off",
    "quote_all_identifiers = on",
    "row_security = off",
    "enable_seqscan = off",
    "cursor_tuple_fraction = 0.01",
    "ROLE stranger",
)


@pytest.fixture(scope="module")
def pooler(cluster: Cluster) -> Iterator[PgBouncer]:
    program = pgbouncer_program()
    if program is None:
        pytest.skip("PgBouncer is not here; scripts/tools fetches it")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with PgBouncer(Path(folder), program, cluster.port) as pooler:
            yield pooler


@pytest.fixture
def stored(database: Database) -> Database:
    """A database with something of everything that is read, and a look-alike of each table."""
    database.freeze()
    database.add_runner("r", label="Läufer \N{PILE OF POO}", created=Database.NOW - 0.001)
    database.heartbeat("r", {"status": "streaming", "last_error": "schl\xfcssel"}, offset="7_1")
    database.claim("c", "r", heartbeat=Database.NOW - 5)
    database.claim("d", "r", stream="/task/2/main")
    database.dispatch("/task/1", "r", active="c", pending=[{"stream": "s"}])
    database.execute(
        "DO $$ BEGIN CREATE ROLE stranger; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    database.execute("CREATE SCHEMA elsewhere")
    for table in (
        "runners",
        "runner_runtime_diagnostics",
        "consumer_claims",
        "entity_dispatch_state",
    ):
        database.execute(f"CREATE TABLE elsewhere.{table} (LIKE public.{table})")
    return database


@pytest.fixture
def other(stored: Database, pooler: PgBouncer) -> Iterator[Client]:
    """Another client of the same database."""
    with psycopg.connect(pooler.url(stored.name), autocommit=True) as other:
        yield other


def look(other: Client) -> list[tuple[str, str]]:
    """Give all that another client finds in the connection, which is the only one."""
    return other.execute(LEFT.encode()).fetchall()


@pytest.fixture
async def direct(stored: Database, make_polled: MakePolled) -> Polled:
    """What is read without a pooler."""
    polled = make_polled(PostgresOptions(stored.url))
    assert await polled.poll()
    return polled


@pytest.fixture
def polled(stored: Database, pooler: PgBouncer, make_polled: MakePolled) -> Polled:
    """What is read through the pooler."""
    return make_polled(PostgresOptions(pooler.url(stored.name)))


@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("setting", SETTINGS)
async def test_whatever_another_client_set_is_not_in_force_for_us(
    setting: str, connected: object, other: Client, direct: Polled, polled: Polled
) -> None:
    if connected:
        assert await polled.poll()
    other.execute(f"SET {setting}".encode())

    result = await polled.result()
    for _ in range(20 if "1ms" in setting else 0):
        # On a busy machine a millisecond may pass before ours is in force.
        result = result if result.succeeded else await polled.result()

    assert result.succeeded, result.faults
    assert polled.states() == direct.states()
    assert polled.states()["r"].report is not None
    assert polled.drift == direct.drift


async def test_a_temporary_table_that_another_client_left_is_not_taken_for_the_servers(
    other: Client, direct: Polled, polled: Polled
) -> None:
    other.execute("CREATE TEMPORARY TABLE runners (LIKE public.runners)")

    assert await polled.poll()

    assert polled.states() == direct.states()


@pytest.mark.parametrize("setting", SETTINGS)
async def test_what_another_client_set_stands_after_our_polls_as_it_did(
    setting: str, other: Client, polled: Polled
) -> None:
    # It must be able to look.
    other.execute(f"SET {setting}".replace("1ms", "77s").encode())
    before = look(other)
    for _ in range(2):
        assert await polled.poll()

    assert look(other) == before


async def test_a_poll_that_fails_leaves_nothing_behind(
    stored: Database, other: Client, polled: Polled
) -> None:
    before = look(other)
    assert await polled.poll()
    stored.execute("ALTER TABLE consumer_claims RENAME TO stored_claims")

    assert not await polled.poll()

    assert look(other) == before


async def test_where_a_role_looks_for_its_tables_is_where_we_do(
    stored: Database, polled: Polled
) -> None:
    stored.execute(f"ALTER DATABASE {stored.name} SET search_path = elsewhere")
    assert await polled.poll()
    assert polled.states() == {}
