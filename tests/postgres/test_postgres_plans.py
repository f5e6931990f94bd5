"""What our queries make a database do: at most one pass over each table, however large it is."""

from collections.abc import Iterator, Mapping
from typing import Any, LiteralString

import psycopg
import pytest
from tests.postgres.conftest import Database, make_database

from electric_agents_exporter.sources import queries
from postgres_cluster import Cluster

FINISHED = 100_000
TENANTS = {"tenants": ["default"]}
CLAIMS = {**TENANTS, "watermark": Database.NOW, "known": ["c1000", "c2000"], "most": 50_001}


@pytest.fixture(scope="module")
def large(cluster: Cluster) -> Iterator[Database]:
    """A database with many finished claims and few active ones."""
    with make_database(cluster) as database:
        _fill(database)
        yield database


def _fill(database: Database) -> None:
    database.execute(
        "INSERT INTO runners (id, owner_principal, label, wake_stream) "
        "SELECT 'r' || n, 'o', 'l', 'w' || n FROM generate_series(1, 2000) n"
    )
    database.execute(
        "INSERT INTO runner_runtime_diagnostics (runner_id, last_seen_at, "
        "liveness_lease_expires_at) SELECT 'r' || n, now(), now() FROM generate_series(1, 2000) n"
    )
    database.execute(
        "INSERT INTO entity_dispatch_state (entity_url, active_runner_id) "
        "SELECT '/e' || n, CASE WHEN n % 100 = 0 THEN 'r1' END FROM generate_series(1, 20000) n"
    )
    database.execute(
        "INSERT INTO consumer_claims (consumer_id, epoch, entity_url, stream_path, runner_id, "
        "status, claimed_at, lease_expires_at, released_at) SELECT 'c' || n, 1, '/e' || n, "
        "'/e' || n || '/main', 'r' || mod(n, 2000), "
        "CASE WHEN mod(n, 1000) = 0 THEN 'active' ELSE 'released' END, at, "
        "at + interval '30 s', at "
        "FROM generate_series(1, %s) n, "
        "LATERAL (SELECT to_timestamp(%s - 10 * (%s - n)) AS at) AS moment",
        FINISHED,
        Database.NOW,
        FINISHED,
    )
    database.execute("VACUUM ANALYZE")


def scans(database: Database, query: LiteralString, parameters: Mapping[str, object]) -> list[str]:
    """Every access to a table's rows, as the plan has them."""
    with psycopg.connect(database.url) as connection:
        connection.execute(queries.BOUND, {"timeout": "5s", "whole": "1min"})
        explain: LiteralString = "EXPLAIN (FORMAT JSON) "
        row = connection.execute(explain + query, parameters).fetchone()
    assert row is not None
    return sorted(_scans(row[0][0]["Plan"]))


def _scans(plan: dict[str, Any]) -> Iterator[str]:
    if "Relation Name" in plan:
        yield f"{plan['Node Type']} on {plan['Relation Name']}"
    for inner in plan.get("Plans", ()):
        yield from _scans(inner)


@pytest.mark.parametrize(
    "query, parameters, table",
    [
        (queries.RUNNERS, {"tenant": "default"}, "runners"),
        (queries.RUNNERS, {"tenant": None}, "runners"),
        (queries.DIAGNOSTICS, TENANTS, "runner_runtime_diagnostics"),
        (queries.DISPATCH, TENANTS, "entity_dispatch_state"),
        (queries.RECENT_CLAIMS, CLAIMS, "consumer_claims"),
        (queries.ALL_CLAIMS, CLAIMS, "consumer_claims"),
    ],
)
def test_each_query_passes_over_one_table_once(
    query: LiteralString, parameters: Mapping[str, object], table: str, large: Database
) -> None:
    (scan,) = scans(large, query, parameters)
    assert scan.endswith(f" on {table}")


def test_few_reports_and_few_entities_are_found_by_an_index(large: Database) -> None:
    some = {**TENANTS, "runners": ["r1", "r2"]}
    for query, parameters in ((queries.DIAGNOSTICS_OF_SOME, some), (queries.DISPATCH, TENANTS)):
        (scan,) = scans(large, query, parameters)
        assert not scan.startswith("Seq Scan")


def test_between_full_scans_finished_claims_are_not_read(large: Database) -> None:
    assert scans(large, queries.RECENT_CLAIMS, CLAIMS) == ["Bitmap Heap Scan on consumer_claims"]


def test_the_one_index_worth_making_spares_the_full_scan_the_old_claims(large: Database) -> None:
    before = _cost(large)
    large.execute(
        "CREATE INDEX active_claims ON consumer_claims (tenant_id, runner_id) "
        "WHERE status = 'active'"
    )
    large.execute("ANALYZE consumer_claims")
    assert _cost(large) < before / 2
    large.execute("DROP INDEX active_claims")


def _cost(database: Database) -> float:
    with psycopg.connect(database.url) as connection:
        explain: LiteralString = "EXPLAIN (FORMAT JSON) "
        row = connection.execute(explain + queries.ALL_CLAIMS, CLAIMS).fetchone()
    assert row is not None
    return float(row[0][0]["Plan"]["Total Cost"])
