"""Reports out of an agents-server's own PostgreSQL: the whole fleet in four queries.

A poll is one read-only transaction on one snapshot, on the only connection of the target. Whatever
goes wrong ends the connection, so that the next poll begins anew.
"""

import asyncio
import contextlib
import logging
import math
import os
import select
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, LiteralString, NamedTuple, TypeVar

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Format
from psycopg.rows import args_row
from typing_extensions import override

from electric_agents_exporter.contract.claims import ClaimNews
from electric_agents_exporter.contract.database import (
    MAX_CLAIMS,
    NOT_KNOWN,
    NOTHING_HELD,
    ClaimRow,
    DiagnosticsRow,
    DispatchRow,
    Holdings,
    RunnerRow,
    read_dispatch,
    read_report,
    read_runner,
    tally_claims,
)
from electric_agents_exporter.contract.reading import ListAnswer
from electric_agents_exporter.contract.report import ListedRunner
from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.sources import queries
from electric_agents_exporter.sources.claim_tracker import ClaimTracker, Extent
from electric_agents_exporter.sources.credentials import CredentialError, read_password
from electric_agents_exporter.sources.password_command import command_password
from electric_agents_exporter.sources.source import EVERYONE, Source

log = logging.getLogger(__name__)

Row = TypeVar("Row")

_APPLICATION: Final = "electric-agents-exporter"
_BATCH: Final = 250  # rows at a time: a few milliseconds of the event loop
_SCAN_SHARE: Final = 0.75  # of the time that is left: the rest of a poll needs some too
_SHORTEST_TURN: Final = 2  # seconds of one host of several; libpq takes less for that
_GRACE: Final = 1.0  # seconds after which a server that should have given up is given up
_2000: Final = 946_684_800_000  # PostgreSQL's epoch, in milliseconds of ours
_NEVER: Final = (-(1 << 63), (1 << 63) - 1)  # -infinity and infinity

_BY_STATE: Final = (
    # What an SQLSTATE begins with; the special stand before the general.
    ("28", Reason.UNAUTHORIZED),
    ("3D000", Reason.NOT_FOUND),
    ("42501", Reason.FORBIDDEN),
    ("42", Reason.SCHEMA),
    ("25P", Reason.TIMEOUT),
    ("55P03", Reason.TIMEOUT),
    ("53300", Reason.RATE_LIMITED),
    ("57014", Reason.TIMEOUT),
    ("57P03", Reason.CONNECT),
    ("57P", Reason.RESET),
    ("08", Reason.RESET),
)
_BY_TEXT: Final = (
    # A connection that fails has no SQLSTATE. The special stand before the general.
    ("expected authentication request", Reason.CONNECT),
    # These name roles and databases, which may be called anything.
    ("too many c", Reason.RATE_LIMITED),
    ("connection slots", Reason.RATE_LIMITED),
    ("no more connections allowed", Reason.RATE_LIMITED),
    ("pg_hba.conf", Reason.UNAUTHORIZED),
    ("password", Reason.UNAUTHORIZED),
    ("authentication", Reason.UNAUTHORIZED),
    ('role "', Reason.UNAUTHORIZED),
    ("not permitted to log in", Reason.UNAUTHORIZED),
    ('FATAL:  database "', Reason.NOT_FOUND),
    ("the database system is", Reason.CONNECT),
    ("SSL", Reason.TLS),
    ("certificate", Reason.TLS),
    ("private key", Reason.TLS),
    ("timeout expired", Reason.TIMEOUT),
    ("onnection timed out", Reason.TIMEOUT),
    ("failed to resolve", Reason.DNS),
    ("Name or service not known", Reason.DNS),
    ("name resolution", Reason.DNS),
    ("No address associated", Reason.DNS),
    ("server closed the connection", Reason.RESET),
    ("reset by peer", Reason.RESET),
    ("EOF detected", Reason.RESET),
    ("the connection is lost", Reason.RESET),
    ("connection failed", Reason.CONNECT),
    ("connection is bad", Reason.CONNECT),
)

_Connection = psycopg.AsyncConnection[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    """How to read one database. `tenant` is None for all; `timeout` is in seconds.

    `password_command` are the words of a command that tells the password, run before connecting.
    `most_claims` is how many claims are held at most.
    """

    url: str
    password_file: Path | None = None
    password_command: tuple[str, ...] | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    tenant: str | None = "default"
    timeout: float = 5.0
    most_claims: int = MAX_CLAIMS

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that a connection rests on."""
        files = (self.password_file, self.ca_file, self.cert_file, self.key_file)
        return tuple(path for path in files if path is not None)

    @property
    def connect_seconds(self) -> float:
        """How long a connection may take: every host of the URL has its turn."""
        return self._host_timeout * self._hosts + _GRACE

    @property
    def _host_timeout(self) -> int:
        share = math.ceil(self.timeout / self._hosts)
        return share if self._hosts == 1 else max(_SHORTEST_TURN, share)

    @property
    def _hosts(self) -> int:
        hosts = conninfo_to_dict(self.url).get("host")
        return len(hosts.split(",")) if isinstance(hosts, str) else 1

    async def conninfo(self) -> str:
        """Give what to connect with, the password as it is now: a secret.

        Raises:
            CredentialError: the password cannot be read.
            psycopg.ProgrammingError: the URL is none.
        """
        parameters: dict[str, str | int | None] = {
            "application_name": _APPLICATION,
            "tcp_user_timeout": math.ceil(self.timeout * 1000),
            **conninfo_to_dict(self.url),
            "connect_timeout": self._host_timeout,
            "client_encoding": "UTF8",
        }
        if self.password_file is not None:
            parameters["password"] = read_password(self.password_file)
        elif self.password_command is not None:
            parameters["password"] = await command_password(self.password_command)
        if self.ca_file is not None:
            parameters["sslrootcert"] = str(self.ca_file)
            parameters.setdefault("sslmode", "verify-full")
        if self.cert_file is not None:
            parameters["sslcert"] = str(self.cert_file)
            parameters["sslkey"] = str(self.key_file)
        return make_conninfo("", **parameters)


class _UnfitError(Exception):
    """The database is not what we need; the message says in one sentence what it lacks."""

    def __init__(self, sentence: str, reason: Reason) -> None:
        super().__init__(sentence)
        self.reason = reason


class PostgresSource:
    """A source that reads the database of an agents-server."""

    def __init__(self, options: PostgresOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._connection: _Connection | None = None
        self._stamp: tuple[object, ...] = ()
        self._logged = ""
        self.claims = ClaimTracker()

    def take_over(self, before: Source) -> None:
        """Go on with the claims of a source of the same rows: what ends now was active then."""
        if isinstance(before, PostgresSource) and before.reads == self.reads:
            self.claims = before.claims

    @property
    def reads(self) -> tuple[str, str | None]:
        """Which database it reads, and of which tenant."""
        return self._options.url, self._options.tenant

    def credential_changed_at(self) -> float | None:
        """When the newest credential file changed, seconds since the epoch; None without one."""
        stamps = (_modified_at(path) for path in self._options.files)
        return max((at / 1e9 for at in stamps if at is not None), default=None)

    def certificate_ends_at(self) -> None:
        """Tell nothing: the driver does not give it."""

    async def aclose(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def poll(self, poll: Poll, *, paced: bool) -> bool:  # noqa: ARG002  (one read is kind)
        """Ask once; see `Source.poll`."""
        work = asyncio.create_task(self._poll(poll))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            # Left to itself, psycopg would ask the server over another connection to cancel, and
            # wait for that: 10 s where the network is gone.
            if self._connection is None:
                work.cancel()
            else:
                _hang_up(self._connection)
            await asyncio.wait({work})
            raise

    async def _poll(self, poll: Poll) -> bool:
        patience = _Patience(self._options.timeout)
        reading = _Reading(self._options, poll, self.claims, self._clock)
        try:
            connection = await self._ready_connection(patience)
            await reading.read(_Rows(connection, patience, self._options.timeout))
            await connection.execute(queries.COMMIT)
        except (psycopg.Error, CredentialError, _UnfitError, OSError) as error:
            reason = Reason.TIMEOUT if patience.expired else _reason_of(error)
            words = _words_of(error)
            # The server's own words name hosts and roles: these are for the log.
            reading.fail(reason, words, is_ours=isinstance(error, CredentialError))
            self._log_transition(reason, words)
            await self.aclose()
            return False
        except BaseException:
            await self.aclose()  # else the next poll would read in the transaction of this one
            raise
        finally:
            patience.end()
        self._log_transition(None, "")
        return True

    async def _ready_connection(self, patience: "_Patience") -> _Connection:
        """Give the connection, a new one if the old broke or a file that it rests on changed.

        Raises:
            psycopg.Error, OSError, CredentialError: there is none to be had.
            _UnfitError: the database lacks something that is needed.
        """
        stamp = tuple(map(_modified_at, self._options.files))
        if self._connection is not None and (stamp != self._stamp or _ended(self._connection)):
            await self.aclose()
        if self._connection is not None:
            patience.watch(self._connection)
            return self._connection
        conninfo = await self._options.conninfo()
        async with asyncio.timeout(self._options.connect_seconds):
            # Nothing is prepared: a pooler may stand between. Transactions are begun by hand.
            connection = await psycopg.AsyncConnection.connect(
                conninfo, autocommit=True, prepare_threshold=None
            )
        self._connection, self._stamp = connection, stamp
        patience.watch(connection)
        connection.adapters.register_loader("timestamptz", _MomentLoader)
        connection.adapters.register_loader("jsonb", _JsonLoader)
        if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
            # There text is whatever bytes somebody wrote.
            connection.adapters.register_loader("text", _BytesLoader)
        await _check(_Rows(connection, patience, self._options.timeout))
        await connection.execute(queries.COMMIT)
        return connection

    def _log_transition(self, reason: Reason | None, words: str) -> None:
        """Log what is wrong when that changes, and not at every poll."""
        complaint = f"{reason}: {words}" if reason else ""
        if reason is not None and complaint != self._logged:
            fields = {"reason": reason.value, "error": words}
            log.warning("database cannot be read", extra=fields)
        elif self._logged and reason is None:
            log.info("database can be read again")
        self._logged = complaint


class _Reading:
    """One poll: lists first, then what the runners hold, then their reports as they stream in."""

    def __init__(
        self, options: PostgresOptions, poll: Poll, claims: ClaimTracker, clock: Clock
    ) -> None:
        self._tenant = options.tenant
        self._most_claims = options.most_claims
        self._poll = poll
        self._claims = claims
        self._clock = clock
        self._operation = Operation.LIST
        self._began = clock.monotonic()
        self._polls: Mapping[str, Poll] = {}
        self._waiting: dict[str, dict[str, ListedRunner]] = {}

    async def read(self, rows: "_Rows") -> None:
        """Read everything within one transaction."""
        now = await rows.begin()
        read_at = self._clock.monotonic()
        lists = await self._read_lists(rows)
        self._count(None)
        self._operation, self._began = Operation.HEALTH, self._clock.monotonic()
        for tenant, runners in lists.items():
            due = self._polls[tenant].due()
            self._waiting[tenant] = {item.runner_id: runners[item.runner_id] for item in due}
        holdings = await self._read_holdings(rows, list(lists), now)
        everyone = sum(map(len, lists.values()))
        await self._read_reports(rows, holdings, _Moment(now, read_at), everyone)
        self._count(None)

    def fail(self, reason: Reason, words: str, *, is_ours: bool) -> None:
        """Tell why it ended early; what we say of that ourselves people may see."""
        self._count(reason, words, is_ours=is_ours)
        if self._operation is Operation.LIST:
            self._poll.listed(EVERYONE, reason)
        for tenant, runners in self._waiting.items():
            for runner_id in runners:
                self._polls[tenant].failed(runner_id, reason)

    def _count(self, reason: Reason | None, words: str = "", *, is_ours: bool = False) -> None:
        seconds = self._clock.monotonic() - self._began
        self._poll.requested(self._operation, seconds, reason, words if is_ours else "")
        fields = {
            "operation": self._operation.value,
            "seconds": f"{seconds:.3f}",
            "reason": reason.value if reason else "none",
            "error": words or "none",
        }
        self._poll.asked(fields)
        log.debug("asked", extra=fields)

    async def _read_lists(self, rows: "_Rows") -> dict[str, dict[str, ListedRunner]]:
        """Read every runner and tell the poll. The tenant that was asked for always has a list."""
        lists: dict[str, dict[str, ListedRunner]] = {}
        if self._tenant is not None:
            lists[self._tenant] = {}
        drift: list[str] = []
        count = 0
        async for batch in rows.of(queries.RUNNERS, RunnerRow, tenant=self._tenant):
            count += len(batch)
            if count > self._poll.max_listed:
                raise _UnfitError(f"more than {self._poll.max_listed} runners", Reason.TOO_LARGE)
            for row in batch:
                runner = read_runner(row, drift)
                if runner is not None:
                    lists.setdefault(row.tenant, {})[runner.id] = runner
        if self._tenant is None:
            self._polls = self._poll.tenants(lists)
        else:
            self._polls = {self._tenant: self._poll}
        for tenant, runners in lists.items():
            self._polls[tenant].listed(EVERYONE, ListAnswer(tuple(runners.values()), tuple(drift)))
            drift.clear()
        return lists

    async def _read_holdings(
        self, rows: "_Rows", tenants: list[str], now: float
    ) -> dict[str, Holdings]:
        claims = await self._read_claims(rows, tenants, now)
        dispatch = read_dispatch(await rows.all_of(queries.DISPATCH, DispatchRow, tenants=tenants))
        whole = self._claims.extent is Extent.WHOLE
        tallies = tally_claims(claims, dispatch, whole=whole)
        return {
            tenant: Holdings(
                claims=tallies.get(tenant, {}),
                unheld=NOTHING_HELD if whole else NOT_KNOWN,
                dispatch=dispatch.get(tenant, {}),
            )
            for tenant in tenants
        }

    async def _read_claims(
        self, rows: "_Rows", tenants: list[str], now: float
    ) -> Sequence[ClaimRow]:
        """Read the claims, as many as are held; none while no full scan has found the active."""
        tracker, most = self._claims, self._most_claims
        wanted = {
            "tenants": tenants,
            "watermark": tracker.begin(now),
            "known": tracker.known,
            "most": most + 1,
        }
        scan = None
        if tracker.scan_due(self._clock.monotonic()):
            scan = await self._scan_claims(rows, wanted)
        claims = await self._read_recent_claims(rows, wanted) if scan is None else scan
        cut = len(claims) > most
        del claims[most:]
        news = tracker.take(claims, now, scanned=scan is not None, cut=cut)
        if tracker.extent is Extent.PART:
            self._poll.left_out_claims(most)
        for tenant, poll in self._polls.items():
            poll.claims_read(news.get(tenant, ClaimNews()), tracker.full_scan)
        return () if tracker.extent is Extent.NONE else claims

    async def _scan_claims(
        self, rows: "_Rows", wanted: Mapping[str, object]
    ) -> list[ClaimRow] | None:
        """Make a full scan; None where it takes too long."""
        began = self._clock.monotonic()
        claims = await rows.all_or_none(queries.ALL_CLAIMS, ClaimRow, **wanted)
        seconds = self._clock.monotonic() - began
        if claims is not None and len(claims) <= self._most_claims:
            self._claims.scanned(self._clock.time(), began, seconds)
        else:
            self._claims.scan_failed(began, seconds)
            reason = Reason.TIMEOUT if claims is None else Reason.TOO_LARGE
            self._poll.requested(Operation.HEALTH, seconds, reason)
        return claims

    async def _read_recent_claims(
        self, rows: "_Rows", wanted: Mapping[str, object]
    ) -> list[ClaimRow]:
        began = self._clock.monotonic()
        claims = await rows.all_of(queries.RECENT_CLAIMS, ClaimRow, **wanted)
        if len(claims) > self._most_claims:
            seconds = self._clock.monotonic() - began
            self._poll.requested(Operation.HEALTH, seconds, Reason.TOO_LARGE)
        return claims

    async def _read_reports(
        self, rows: "_Rows", holdings: Mapping[str, Holdings], moment: "_Moment", everyone: int
    ) -> None:
        """Read the reports of those that are due; who has no row of diagnostics reports too."""
        tenants = list(holdings)
        due = [runner_id for runners in self._waiting.values() for runner_id in runners]
        if len(due) == everyone:
            batches = rows.of(queries.DIAGNOSTICS, DiagnosticsRow, tenants=tenants)
        else:
            batches = rows.of(
                queries.DIAGNOSTICS_OF_SOME, DiagnosticsRow, tenants=tenants, runners=due
            )
        async for batch in batches:
            for row in batch:
                runner = self._waiting.get(row.tenant, {}).pop(row.runner_id, None)
                if runner is not None:
                    self._report(row.tenant, runner, row, holdings, moment)
        for tenant, runners in self._waiting.items():
            for runner in runners.values():
                self._report(tenant, runner, None, holdings, moment)
            runners.clear()

    def _report(
        self,
        tenant: str,
        runner: ListedRunner,
        row: DiagnosticsRow | None,
        holdings: Mapping[str, Holdings],
        moment: "_Moment",
    ) -> None:
        answer = read_report(runner, row, holdings[tenant], moment.database)
        self._polls[tenant].reported(answer, moment.monotonic)


class _Moment(NamedTuple):
    """When the snapshot was taken, on the database's clock and on ours."""

    database: float
    monotonic: float


class _Rows:
    """The rows of one transaction, by the batch."""

    def __init__(self, connection: _Connection, patience: "_Patience", timeout: float) -> None:
        self._connection = connection
        self._patience = patience
        self._timeout = timeout

    async def begin(self) -> float:
        """Begin, bound every statement and take the snapshot; gives the database's clock."""
        bounds = {
            "timeout": _milliseconds(self._timeout),
            "whole": _milliseconds(self._timeout + _GRACE),
        }
        await self._connection.execute(queries.BEGIN)
        cursor = await self._connection.execute(queries.BOUND, bounds, binary=True)
        row = await cursor.fetchone()
        if row is None or not isinstance(row[-1], float):
            raise _UnfitError("the database does not tell the time", Reason.SCHEMA)
        return row[-1]

    async def of(
        self, query: LiteralString, kind: type[Row], **parameters: object
    ) -> AsyncIterator[list[Row]]:
        """Read the rows of a query, batch by batch, so that memory stays flat.

        Raises:
            TimeoutError: it took too long; each batch by itself may have been quick.
        """
        cursor = self._connection.cursor(
            name="poll", binary=True, scrollable=False, row_factory=args_row(kind)
        )
        try:
            await cursor.execute(query, parameters)
            while batch := await cursor.fetchmany(_BATCH):
                yield batch
                self._patience.check()
            await cursor.close()
        finally:
            # The server's end goes with the transaction where it was not closed; ours, which asks
            # nobody, is closed whatever happened.
            await psycopg.AsyncCursor.close(cursor)

    async def all_of(
        self, query: LiteralString, kind: type[Row], **parameters: object
    ) -> list[Row]:
        """Read the rows of a query that has few."""
        return [row async for batch in self.of(query, kind, **parameters) for row in batch]

    async def all_or_none(
        self, query: LiteralString, kind: type[Row], **parameters: object
    ) -> list[Row] | None:
        """Read the rows of a query; None where it takes too long, and the transaction goes on."""
        seconds = _SCAN_SHARE * self._patience.left
        try:
            with self._patience.only(seconds):
                async with self._connection.transaction():
                    await self._bound_statements(seconds)
                    rows = await self.all_of(query, kind, **parameters)
                    await self._bound_statements(self._timeout)
        except (psycopg.errors.QueryCanceled, TimeoutError):
            return None
        return rows

    async def _bound_statements(self, seconds: float) -> None:
        bound = {"timeout": _milliseconds(seconds)}
        await self._connection.execute(queries.BOUND_STATEMENTS, bound)


def _milliseconds(seconds: float) -> str:
    """Write a time as PostgreSQL reads it; 0 would be no bound at all."""
    return f"{max(1, math.ceil(seconds * 1000))}ms"


class _Patience:
    """Ends what takes too long: a poll, and the check of a new connection with it.

    Between batches of rows `check` tells. While nothing comes, the server should give up by itself;
    one that does not in a little more time is given up: a frozen network tells nothing, and
    psycopg's own cancelling would wait for it. Shutting the socket down makes every wait on it end
    at once, with an error.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.expired = False
        self._ends_at = math.inf
        self._connection: _Connection | None = None
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, connection: _Connection) -> None:
        """Begin to wait for a connection."""
        self._connection = connection
        loop = asyncio.get_running_loop()
        self._ends_at = loop.time() + self.seconds
        self._timer = loop.call_at(self._ends_at + _GRACE, self._expire)

    def end(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return max(0.0, self._ends_at - asyncio.get_running_loop().time())

    def check(self) -> None:
        """Tell when no time is left.

        Raises:
            TimeoutError: there is none.
        """
        if not self.left:
            raise TimeoutError(f"not all of it was read within {self.seconds:g} s")

    @contextlib.contextmanager
    def only(self, seconds: float) -> Iterator[None]:
        """Leave no more than so many seconds, for a part of what is to be done."""
        ends_at = self._ends_at
        self._ends_at = asyncio.get_running_loop().time() + seconds
        try:
            yield
        finally:
            self._ends_at = ends_at

    def _expire(self) -> None:
        self.expired = True
        if self._connection is not None:
            _hang_up(self._connection)


class _MomentLoader(Loader):
    """Reads a moment as the server shows it: seconds since the epoch, cut to the millisecond.

    A datetime could not hold everything that a client may have set.
    """

    format = Format.BINARY

    @override
    def load(self, data: Buffer) -> float | None:
        microseconds = int.from_bytes(data, "big", signed=True)
        if microseconds in _NEVER:
            return None
        return (microseconds // 1000 + _2000) / 1000


class _JsonLoader(Loader):
    """Leaves JSON as it is: what is foreign is read elsewhere, and one row must not fail the rest.

    The binary form has a byte before it, the version, which no JSON begins with.
    """

    format = Format.BINARY

    @override
    def load(self, data: Buffer) -> bytes:
        return bytes(data).removeprefix(b"\x01")


class _BytesLoader(Loader):
    """Reads text of no known encoding; what is no UTF-8 is shown as such."""

    format = Format.BINARY

    @override
    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "replace")


def _hang_up(connection: _Connection) -> None:
    """Shut a connection's socket down, so that whoever waits for it sees its end."""
    with (
        contextlib.suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as duplicate,
    ):
        duplicate.shutdown(socket.SHUT_RDWR)


def _ended(connection: _Connection) -> bool:
    """Tell whether an idle connection is over: it has nothing to say but that."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


async def _check(rows: _Rows) -> None:
    """Make sure that everything we read is there and may be read.

    Raises:
        _UnfitError: something is not; it says what.
    """
    pairs = [(table, column) for table, columns in queries.NEEDED.items() for column in columns]
    tables, columns = zip(*pairs, strict=True)
    await rows.begin()
    standing = await rows.all_of(
        queries.CHECK, queries.Standing, tables=list(tables), columns=list(columns)
    )
    lack = queries.lacking(standing)
    if lack is not None:
        raise _UnfitError(lack.sentence, Reason.FORBIDDEN if lack.privilege else Reason.SCHEMA)


def _modified_at(path: Path) -> int | None:
    """When a file was last changed, in nanoseconds; None where it is not there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _words_of(error: Exception) -> str:
    """Say in one sentence what went wrong."""
    words = str(error).partition("\n")[0]
    if isinstance(error, psycopg.errors.InsufficientPrivilege) and "row-level security" in words:
        table = words.rpartition("table ")[2].strip('"')
        return f"rows of {table} are hidden from this role by row level security"
    return words


def _reason_of(error: Exception) -> Reason:
    """Classify what went wrong; the server's own code tells more than any text."""
    if isinstance(error, _UnfitError):
        return error.reason
    if isinstance(error, TimeoutError | psycopg.errors.ConnectionTimeout):
        return Reason.TIMEOUT
    if not isinstance(error, psycopg.Error):
        return Reason.OTHER
    state, text = error.sqlstate, str(error)
    if state is not None:
        return next((why for begin, why in _BY_STATE if state.startswith(begin)), Reason.DATABASE)
    return next((why for part, why in _BY_TEXT if part in text), Reason.DATABASE)
