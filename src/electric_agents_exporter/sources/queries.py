"""What is asked of an agents-server's database, and what that needs.

Every query reads one table once, of the tenants that are given. Times come as they are stored;
`sources.postgres` cuts them to the milliseconds that the server shows.
"""

from collections.abc import Iterable, Mapping
from typing import Final, LiteralString, NamedTuple

NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "runners": (
        "tenant_id",
        "id",
        "owner_principal",
        "label",
        "kind",
        "admin_status",
        "wake_stream",
        "created_at",
        "updated_at",
    ),
    "runner_runtime_diagnostics": (
        "tenant_id",
        "runner_id",
        "last_seen_at",
        "liveness_lease_expires_at",
        "wake_stream_offset",
        "diagnostics",
    ),
    "consumer_claims": (
        "tenant_id",
        "consumer_id",
        "epoch",
        "runner_id",
        "stream_path",
        "status",
        "claimed_at",
        "last_heartbeat_at",
        "lease_expires_at",
        "released_at",
        "updated_at",
    ),
    "entity_dispatch_state": (
        "tenant_id",
        "active_runner_id",
        "active_consumer_id",
        "outstanding_wake_id",
        "pending_source_streams",
    ),
}
"""The tables and their columns that are read; nothing else has to be granted."""

BEGIN: Final[LiteralString] = """
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL statement_timeout TO DEFAULT;
SET LOCAL lock_timeout TO DEFAULT;
SET LOCAL idle_in_transaction_session_timeout TO DEFAULT;
SET LOCAL role TO DEFAULT;
SET LOCAL search_path TO DEFAULT;
SET LOCAL client_encoding TO 'UTF8';
SET LOCAL DateStyle TO 'ISO';
SET LOCAL IntervalStyle TO 'postgres';
SET LOCAL TimeZone TO 'UTC';
SET LOCAL bytea_output TO 'hex';
SET LOCAL standard_conforming_strings TO on;
SET LOCAL extra_float_digits TO 1;
SET LOCAL array_nulls TO on
"""
"""Begins a transaction in which nothing is in force that somebody else may have set before us.

Behind a pooler that pools transactions the connection is that of many clients, and what one of them
`SET` stays for whoever comes next. All of it goes in one message: a timeout of theirs, however
short, has no pause to end us in. Nothing of it outlasts the transaction.
"""

BOUND: Final[LiteralString] = """
SELECT set_config('statement_timeout', %(timeout)s, true),
       set_config('lock_timeout', %(timeout)s, true),
       set_config('idle_in_transaction_session_timeout', %(timeout)s, true),
       CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL
            THEN set_config('transaction_timeout', %(whole)s, true)
       END,
       CASE WHEN current_setting('server_encoding') = 'SQL_ASCII'
            THEN set_config('client_encoding', 'SQL_ASCII', true)
       END,
       set_config('jit', 'off', true),
       set_config('cursor_tuple_fraction', '1', true),
       set_config('work_mem', '64MB', true),
       set_config('row_security', 'off', true),
       set_config('search_path',
                  concat_ws(', ', nullif(current_setting('search_path'), ''), 'pg_temp'), true),
       statement_timestamp()
"""
"""Bounds what follows and takes the snapshot, with the database's clock at that moment.

All bounds are the server's: if we are stopped in a poll, or our host is, it ends the transaction,
and nobody waits for our locks. What bounds the whole of it PostgreSQL knows from 17 on.
Text of no known encoding is taken as it is: else one byte that is no text would fail the poll.

Compiling queries costs more than running ours, and all that they find is read, not the first rows.
Where there are a million claims, the newest are found in memory, without files for sorting.
With `row_security` off, a query of which row-level security would hide rows fails: what is hidden
would look like a fleet that is not there. Temporary tables come last on the search path: one that
another client left behind in the connection would stand before the server's.
"""

BOUND_STATEMENTS: Final[LiteralString] = "SELECT set_config('statement_timeout', %(timeout)s, true)"

COMMIT: Final[LiteralString] = "COMMIT"

CHECK: Final[LiteralString] = """
SELECT needed.table_name, needed.column_name, to_regclass(quote_ident(needed.table_name))::oid,
       has_column_privilege(to_regclass(quote_ident(needed.table_name)), known.attnum, 'SELECT')
  FROM unnest(%(tables)s::text[], %(columns)s::text[]) AS needed (table_name, column_name)
  LEFT JOIN pg_attribute AS known
    ON known.attrelid = to_regclass(quote_ident(needed.table_name))
   AND known.attname = needed.column_name
   AND NOT known.attisdropped
"""

RUNNERS: Final[LiteralString] = """
SELECT tenant_id, left(id, 1025), left(owner_principal, 1025), left(label, 1025), left(kind, 65),
       left(admin_status, 65), left(wake_stream, 4097), created_at, updated_at
  FROM runners
 WHERE %(tenant)s::text IS NULL OR tenant_id = %(tenant)s
 ORDER BY created_at DESC
"""
"""Newest first, as over HTTP: it decides who stays where there is room for some only.

Whoever registers a runner chooses these texts, of megabytes too: of each as much comes as is kept,
and a letter more, which tells that it is too long.
"""

DISPATCH: Final[LiteralString] = """
SELECT tenant_id, active_runner_id,
       count(active_consumer_id),
       count(*) FILTER (WHERE outstanding_wake_id IS NOT NULL AND active_consumer_id IS NULL),
       count(*) FILTER (WHERE pending_source_streams <> '[]')
  FROM entity_dispatch_state
 WHERE tenant_id = ANY (%(tenants)s) AND active_runner_id IS NOT NULL
 GROUP BY tenant_id, active_runner_id
"""

DIAGNOSTICS: Final[LiteralString] = """
SELECT tenant_id, runner_id, last_seen_at, liveness_lease_expires_at,
       left(wake_stream_offset, 4097),
       CASE WHEN octet_length(diagnostics::text) < 4096 THEN diagnostics
            WHEN jsonb_typeof(diagnostics) <> 'object' THEN '[]'
            WHEN octet_length((diagnostics - 'last_error')::text) >= 4096 THEN '[]'
            WHEN jsonb_typeof(diagnostics -> 'last_error') = 'string'
            THEN diagnostics || '{"last_error": ""}'
            ELSE diagnostics - 'last_error'
       END
  FROM runner_runtime_diagnostics
 WHERE tenant_id = ANY (%(tenants)s)
"""
"""A runner may send what it likes, megabytes too: of a long error only that there is one comes, and
diagnostics that are long besides come as none.
"""

DIAGNOSTICS_OF_SOME: Final[LiteralString] = DIAGNOSTICS + " AND runner_id = ANY (%(runners)s)"

_CLAIMS: Final[LiteralString] = """
SELECT tenant_id, consumer_id, epoch, runner_id, left(stream_path, 4097), status, claimed_at,
       last_heartbeat_at, coalesce(released_at, updated_at),
       coalesce(lease_expires_at >= to_timestamp(%(watermark)s), false)
  FROM consumer_claims
 WHERE tenant_id = ANY (%(tenants)s)
   AND (lease_expires_at >= to_timestamp(%(watermark)s) OR consumer_id = ANY (%(known)s)
"""

_NEWEST_FIRST: Final[LiteralString] = """
 ORDER BY status = 'active' DESC, coalesce(last_heartbeat_at, claimed_at) DESC NULLS LAST
 LIMIT %(most)s
"""
"""Where there are more than are held, those are that gave the newest signs of life."""

RECENT_CLAIMS: Final[LiteralString] = _CLAIMS + ")" + _NEWEST_FIRST
"""The claims that are known or new: two index scans, whatever the size of the table."""

ALL_CLAIMS: Final[LiteralString] = _CLAIMS + " OR status = 'active')" + _NEWEST_FIRST
"""Those, and every other active claim.

PostgreSQL reads a whole index for that, unless there is the one that docs/postgres.md recommends.
"""


class Standing(NamedTuple):
    """How it stands with one column: its table's id if that is there, whether it may be read."""

    table: str
    column: str
    known: int | None
    granted: bool | None


class Lack(NamedTuple):
    """What is missing, in one sentence, and whether that is a privilege."""

    sentence: str
    privilege: bool = False


def lacking(columns: Iterable[Standing]) -> Lack | None:
    """Find the first thing that the answer to `CHECK` shows to be missing."""
    for table, column, known, granted in columns:
        if known is None:
            return Lack(f"there is no table {table} on the search path of this role")
        if granted is None:
            return Lack(f"the table {table} has no column {column}")
        if not granted:
            return Lack(f"this role needs SELECT on {table}", privilege=True)
    return None
