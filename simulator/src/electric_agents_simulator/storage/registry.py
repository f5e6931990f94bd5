"""The queries: one short transaction each, on SQLite or PostgreSQL.

Calls block: in-memory SQLite answers in a fraction of a millisecond, and a local PostgreSQL in
about one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Row,
    StaticPool,
    Table,
    and_,
    create_engine,
    event,
    func,
    insert,
    make_url,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from electric_agents_exporter.contract.vocabulary import AdminStatus
from electric_agents_simulator.storage.records import (
    ENDED,
    Callback,
    Claim,
    DispatchCounts,
    Entity,
    EntityStatus,
    EntityType,
    Heartbeat,
    LastHeartbeat,
    Registration,
    Runner,
)
from electric_agents_simulator.storage.streams import DatabaseStreams
from electric_agents_simulator.storage.tables import DEFAULT_TENANT, Tables

IN_MEMORY = "sqlite://"
"""The URL of a database that lives and dies with its registry."""


def open_engine(url: str) -> Engine:
    """Connect to `sqlite://`, `sqlite:///FILE` or `postgresql://...`.

    Raises:
        sqlalchemy.exc.ArgumentError: it is no database URL.
    """
    parsed = make_url(url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed)
    if parsed.database is None:
        # One connection is one in-memory database.
        return create_engine(
            parsed, poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
    engine = create_engine(parsed)
    event.listen(engine, "connect", _relax_sqlite)
    return engine


def _relax_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Write ahead and do not wait for the disk: a simulation may lose its last second."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = OFF")
    cursor.close()


class Registry:
    """The runners, claims and entities of one tenant."""

    def __init__(self, engine: Engine, tenant: str = DEFAULT_TENANT) -> None:
        self._engine = engine
        self._tenant = tenant
        self._tables = Tables()
        self._tables.metadata.create_all(engine)
        in_memory = engine.dialect.name == "sqlite" and engine.url.database is None
        self.streams = None if in_memory else DatabaseStreams(engine, self._tables, tenant)
        """Keeps streams beyond the life of the process, where the rest is kept so too."""

    def close(self) -> None:
        """Close all connections to the database."""
        self._engine.dispose()

    # Runners

    def register(self, wanted: Registration, now: datetime) -> Runner:
        """Insert or overwrite a runner; what is absent falls back to its default, not to before.

        Raises:
            sqlalchemy.exc.IntegrityError: another runner has the wake stream.
            ValueError: the id or the label holds a NUL, which PostgreSQL cannot store.
        """
        table = self._tables.runners
        for text in (wanted.id, wanted.label):
            _refuse_nul(text)
        values: dict[str, Any] = {
            "owner_principal": wanted.owner_principal,
            "label": wanted.label,
            "kind": wanted.kind,
            "admin_status": str(wanted.admin_status),
            "wake_stream": f"/runners/{wanted.id}/wake"
            if wanted.wake_stream is None
            else wanted.wake_stream,
            "updated_at": now,
        }
        if wanted.sandbox_profiles is not None:
            values["sandbox_profiles"] = wanted.sandbox_profiles
        key = {"tenant_id": self._tenant, "id": wanted.id}
        with self._engine.begin() as connection:
            _upsert(connection, table, key, {"created_at": now}, values)
            rows = connection.execute(select(table).where(self._runner(wanted.id)))
            return _runner_of(rows.one())

    def runner(self, runner_id: str) -> Runner | None:
        """Find a runner.

        Raises:
            ValueError: the id holds a NUL.
        """
        _refuse_nul(runner_id)
        with self._engine.connect() as connection:
            query = select(self._tables.runners).where(self._runner(runner_id))
            row = connection.execute(query).one_or_none()
            return None if row is None else _runner_of(row)

    def runners_of(self, owner: str) -> list[Runner]:
        """List an owner's runners, newest first."""
        table = self._tables.runners
        query = (
            select(table)
            .where(self._here(table), table.c.owner_principal == owner)
            .order_by(table.c.created_at.desc())
        )
        with self._engine.connect() as connection:
            return [_runner_of(row) for row in connection.execute(query)]

    def set_admin_status(self, runner_id: str, status: AdminStatus, now: datetime) -> Runner | None:
        """Enable or disable a runner."""
        statement = (
            update(self._tables.runners)
            .where(self._runner(runner_id))
            .values(admin_status=str(status), updated_at=now)
        )
        with self._engine.begin() as connection:
            connection.execute(statement)
        return self.runner(runner_id)

    # Heartbeats

    def record_heartbeats(self, heartbeats: Sequence[Heartbeat]) -> None:
        """Store heartbeats; what one leaves out keeps its earlier value."""
        if not heartbeats:
            return
        table = self._tables.diagnostics
        statement = _insert(self._engine.dialect, table)
        kept = ("wake_stream_offset", "diagnostics")
        new = statement.excluded
        overwritten = {
            name: new[name]
            for name in ("owner_principal", "last_seen_at", "liveness_lease_expires_at")
        }
        statement = statement.on_conflict_do_update(
            index_elements=["tenant_id", "runner_id"],
            set_=overwritten
            | {name: func.coalesce(new[name], table.c[name]) for name in kept}
            | {"updated_at": new.updated_at},
        )
        rows = [
            {
                "tenant_id": self._tenant,
                "runner_id": heartbeat.runner_id,
                "owner_principal": heartbeat.owner_principal,
                "wake_stream_offset": heartbeat.wake_stream_offset,
                "last_seen_at": heartbeat.seen_at,
                "liveness_lease_expires_at": heartbeat.lease_expires_at,
                "diagnostics": heartbeat.diagnostics,
                "updated_at": heartbeat.seen_at,
            }
            for heartbeat in heartbeats
        ]
        with self._engine.begin() as connection:
            connection.execute(statement, rows)

    def last_heartbeat(self, runner_id: str) -> LastHeartbeat | None:
        """Give what a runner's heartbeats said last; None before the first."""
        table = self._tables.diagnostics
        query = select(table).where(self._here(table), table.c.runner_id == runner_id)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        return LastHeartbeat(
            wake_stream_offset=row.wake_stream_offset,
            last_seen_at=row.last_seen_at,
            lease_expires_at=row.liveness_lease_expires_at,
            diagnostics=row.diagnostics,
        )

    # Claims

    def open_claims(self, claims: Sequence[Claim]) -> None:
        """Store claims as active, each as its entity's current one; older ones leak: they stay."""
        with self._engine.begin() as connection:
            for claim in claims:
                self._open_claim(connection, claim)

    def _open_claim(self, connection: Connection, claim: Claim) -> None:
        _upsert(
            connection,
            self._tables.claims,
            self._claim_key(claim.consumer_id, claim.epoch),
            {},
            {
                "wake_id": claim.consumer_id,
                "entity_url": claim.entity_url,
                "stream_path": claim.stream_path,
                "runner_id": claim.runner_id,
                "status": "active",
                "claimed_at": claim.claimed_at,
                "lease_expires_at": claim.lease_expires_at,
                "released_at": None,
                "updated_at": claim.claimed_at,
            },
        )
        _upsert(
            connection,
            self._tables.dispatch,
            {"tenant_id": self._tenant, "entity_url": claim.entity_url},
            {},
            {
                "active_consumer_id": claim.consumer_id,
                "active_runner_id": claim.runner_id,
                "active_epoch": claim.epoch,
                "active_claimed_at": claim.claimed_at,
                "active_lease_expires_at": claim.lease_expires_at,
                "last_claimed_at": claim.claimed_at,
                "updated_at": claim.claimed_at,
            },
        )

    def touch_claims(self, keys: Sequence[tuple[str, int]], now: datetime) -> None:
        """Store heartbeats of claims, by consumer and epoch; their leases stay."""
        claims = self._tables.claims
        with self._engine.begin() as connection:
            for key in keys:
                connection.execute(
                    update(claims)
                    .where(self._claim(*key))
                    .values(last_heartbeat_at=now, updated_at=now)
                )

    def release_claims(self, keys: Sequence[tuple[str, int]], now: datetime) -> list[str]:
        """Close claims; give the entities whose current claim that was."""
        with self._engine.begin() as connection:
            freed = (self._release_claim(connection, key, now) for key in keys)
            return [url for url in freed if url is not None]

    def _release_claim(
        self, connection: Connection, key: tuple[str, int], now: datetime
    ) -> str | None:
        claims, dispatch = self._tables.claims, self._tables.dispatch
        url = connection.execute(select(claims.c.entity_url).where(self._claim(*key))).scalar()
        if url is None:
            return None
        connection.execute(
            update(claims)
            .where(self._claim(*key))
            .values(status="released", released_at=now, updated_at=now)
        )
        current = and_(
            self._here(dispatch),
            dispatch.c.entity_url == url,
            dispatch.c.active_consumer_id == key[0],
            dispatch.c.active_epoch == key[1],
        )
        cleared = connection.execute(
            update(dispatch)
            .where(current)
            .values(
                active_consumer_id=None,
                active_runner_id=None,
                active_epoch=None,
                active_claimed_at=None,
                active_lease_expires_at=None,
                last_released_at=now,
                last_completed_at=now,
                updated_at=now,
            )
        )
        return str(url) if cleared.rowcount else None

    def active_claims(self, runner_id: str) -> list[Claim]:
        """List the claims of a runner that were never released."""
        table = self._tables.claims
        query = select(table).where(
            self._here(table), table.c.runner_id == runner_id, table.c.status == "active"
        )
        with self._engine.connect() as connection:
            return [
                Claim(
                    consumer_id=row.consumer_id,
                    epoch=row.epoch,
                    entity_url=row.entity_url,
                    stream_path=row.stream_path,
                    runner_id=row.runner_id,
                    claimed_at=row.claimed_at,
                    lease_expires_at=row.lease_expires_at,
                    last_heartbeat_at=row.last_heartbeat_at,
                )
                for row in connection.execute(query)
            ]

    def dispatch_counts(self, runner_id: str) -> DispatchCounts:
        """Count the entities that this runner works for."""
        table = self._tables.dispatch
        query = select(table).where(self._here(table), table.c.active_runner_id == runner_id)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return DispatchCounts(
            entities_with_active_claim=sum(row.active_consumer_id is not None for row in rows),
            entities_with_outstanding_wake=sum(
                row.outstanding_wake_id is not None and row.active_consumer_id is None
                for row in rows
            ),
            entities_with_pending_work=sum(bool(row.pending_source_streams) for row in rows),
        )

    def remember_callback(self, consumer_id: str, callback: Callback) -> None:
        """Store where a consumer's callbacks go."""
        key = {"tenant_id": self._tenant, "consumer_id": consumer_id}
        values = {
            "callback_url": f"ds-subscription:{callback.subscription_id}",
            "primary_stream": callback.primary_stream,
        }
        with self._engine.begin() as connection:
            _upsert(connection, self._tables.callbacks, key, {}, values)

    def callback(self, consumer_id: str) -> Callback | None:
        """Find where a consumer's callbacks go."""
        table = self._tables.callbacks
        query = select(table).where(self._here(table), table.c.consumer_id == consumer_id)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        return Callback(row.callback_url.removeprefix("ds-subscription:"), row.primary_stream)

    # Entities

    def put_entity_type(self, wanted: EntityType) -> None:
        """Insert or overwrite a type of entity."""
        values = msgspec.structs.asdict(wanted)
        key = {"tenant_id": self._tenant, "name": values.pop("name")}
        first = {"created_at": values.pop("created_at")}
        with self._engine.begin() as connection:
            _upsert(connection, self._tables.entity_types, key, first, values)

    def entity_type(self, name: str) -> EntityType | None:
        """Find a type of entity."""
        table = self._tables.entity_types
        query = select(table).where(self._here(table), table.c.name == name)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else EntityType(**_fields_of(row))

    def add_entity(self, entity: Entity) -> None:
        """Insert an entity.

        Raises:
            sqlalchemy.exc.IntegrityError: there is one at that URL.
        """
        with self._engine.begin() as connection:
            connection.execute(
                insert(self._tables.entities).values(
                    tenant_id=self._tenant,
                    **msgspec.structs.asdict(entity) | {"status": str(entity.status)},
                )
            )

    def entity(self, url: str) -> Entity | None:
        """Find an entity."""
        table = self._tables.entities
        query = select(table).where(self._here(table), table.c.url == url)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _entity_of(row)

    def set_entity_status(self, url: str, status: EntityStatus, now: int) -> None:
        """Change an entity's status, unless it has ended: no status follows that."""
        table = self._tables.entities
        statement = update(table).where(
            self._here(table), table.c.url == url, table.c.status.not_in(sorted(ENDED))
        )
        with self._engine.begin() as connection:
            connection.execute(statement.values(status=str(status), updated_at=now))

    # Keys

    def _here(self, table: Table) -> ColumnElement[bool]:
        return table.c.tenant_id == self._tenant

    def _runner(self, runner_id: str) -> ColumnElement[bool]:
        table = self._tables.runners
        return and_(self._here(table), table.c.id == runner_id)

    def _claim(self, consumer_id: str, epoch: int) -> ColumnElement[bool]:
        table = self._tables.claims
        return and_(self._here(table), table.c.consumer_id == consumer_id, table.c.epoch == epoch)

    def _claim_key(self, consumer_id: str, epoch: int) -> dict[str, Any]:
        return {"tenant_id": self._tenant, "consumer_id": consumer_id, "epoch": epoch}


def _insert(dialect: Dialect, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Make the statement whose `on_conflict_do_update` both databases have in their own dialect."""
    if dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def _upsert(
    connection: Connection,
    table: Table,
    key: dict[str, Any],
    first: dict[str, Any],
    values: dict[str, Any],
) -> None:
    """Insert a row, or set `values` of the one that has the key; `first` is for a new row alone."""
    statement = _insert(connection.dialect, table).values(**key, **first, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))


def _refuse_nul(text: str) -> None:
    if "\0" in text:
        raise ValueError("a text cannot hold a NUL")


def _fields_of(row: Row[Any]) -> dict[str, Any]:
    fields = row._asdict()
    del fields["tenant_id"]
    return fields


def _entity_of(row: Row[Any]) -> Entity:
    fields = _fields_of(row)
    return Entity(**fields | {"status": EntityStatus(fields["status"])})


def _runner_of(row: Row[Any]) -> Runner:
    fields = _fields_of(row)
    return Runner(**fields | {"admin_status": AdminStatus(fields["admin_status"])})
