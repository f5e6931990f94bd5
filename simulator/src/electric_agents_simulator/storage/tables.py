"""The tables of agents-server's database that matter to runners and their work.

Names, keys and types follow `packages/agents-server/src/db/schema.ts`, so that whoever reads the
real database can read this one. `entities`, `entity_types` and `consumer_callbacks` hold only the
columns that are used here. `simulator_streams` and `simulator_messages` are the simulator's own:
the real server keeps its streams in files.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from electric_agents_simulator.storage.columns import Instant

DEFAULT_TENANT = "default"


def _tenant() -> Column[str]:
    return Column("tenant_id", Text, primary_key=True, server_default=DEFAULT_TENANT)


def _json(name: str, default: str | None = None) -> Column[object]:
    json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
    if default is None:
        return Column(name, json)
    return Column(name, json, nullable=False, server_default=text(f"'{default}'"))


def _runners(metadata: MetaData) -> Table:
    return Table(
        "runners",
        metadata,
        _tenant(),
        Column("id", Text, primary_key=True),
        Column("owner_principal", Text, nullable=False),
        Column("label", Text, nullable=False),
        Column("kind", Text, nullable=False, server_default="local"),
        Column("admin_status", Text, nullable=False, server_default="enabled"),
        Column("wake_stream", Text, nullable=False),
        _json("sandbox_profiles", default="[]"),
        Column("created_at", Instant, nullable=False),
        Column("updated_at", Instant, nullable=False),
        UniqueConstraint("tenant_id", "wake_stream", name="uq_runners_wake_stream"),
        Index("idx_runners_owner_principal", "tenant_id", "owner_principal"),
        CheckConstraint(
            "kind IN ('local', 'cloud-worker', 'sandbox', 'ci', 'server')", "chk_runners_kind"
        ),
        CheckConstraint("admin_status IN ('enabled', 'disabled')", "chk_runners_admin_status"),
    )


def _diagnostics(metadata: MetaData) -> Table:
    return Table(
        "runner_runtime_diagnostics",
        metadata,
        _tenant(),
        Column("runner_id", Text, primary_key=True),
        Column("owner_principal", Text, nullable=False),
        Column("wake_stream_offset", Text),
        Column("last_seen_at", Instant, nullable=False),
        Column("liveness_lease_expires_at", Instant, nullable=False),
        _json("diagnostics"),
        Column("updated_at", Instant, nullable=False),
    )


def _claims(metadata: MetaData) -> Table:
    return Table(
        "consumer_claims",
        metadata,
        _tenant(),
        Column("consumer_id", Text, primary_key=True),
        Column("epoch", Integer, primary_key=True, autoincrement=False),
        Column("wake_id", Text),
        Column("entity_url", Text, nullable=False),
        Column("stream_path", Text, nullable=False),
        Column("runner_id", Text),
        Column("status", Text, nullable=False, server_default="active"),
        Column("claimed_at", Instant, nullable=False),
        Column("last_heartbeat_at", Instant),
        Column("lease_expires_at", Instant),
        Column("released_at", Instant),
        Column("updated_at", Instant, nullable=False),
        Index("idx_consumer_claims_runner", "tenant_id", "runner_id"),
        CheckConstraint(
            "status IN ('active', 'released', 'expired', 'failed')", "chk_consumer_claims_status"
        ),
    )


def _dispatch(metadata: MetaData) -> Table:
    return Table(
        "entity_dispatch_state",
        metadata,
        _tenant(),
        Column("entity_url", Text, primary_key=True),
        _json("pending_source_streams", default="[]"),
        Column("pending_reason", Text),
        Column("pending_since", Instant),
        Column("outstanding_wake_id", Text),
        _json("outstanding_wake_target"),
        Column("outstanding_wake_created_at", Instant),
        Column("active_consumer_id", Text),
        Column("active_runner_id", Text),
        Column("active_epoch", Integer),
        Column("active_claimed_at", Instant),
        Column("active_lease_expires_at", Instant),
        Column("last_wake_id", Text),
        Column("last_claimed_at", Instant),
        Column("last_released_at", Instant),
        Column("last_completed_at", Instant),
        Column("last_error", Text),
        Column("updated_at", Instant, nullable=False),
        Index("idx_entity_dispatch_state_active_runner", "tenant_id", "active_runner_id"),
    )


def _callbacks(metadata: MetaData) -> Table:
    return Table(
        "consumer_callbacks",
        metadata,
        _tenant(),
        Column("consumer_id", Text, primary_key=True),
        Column("callback_url", Text, nullable=False),
        Column("primary_stream", Text),
    )


def _entity_types(metadata: MetaData) -> Table:
    return Table(
        "entity_types",
        metadata,
        _tenant(),
        Column("name", Text, primary_key=True),
        Column("description", Text),
        _json("definition", default="{}"),
        _json("permission_grants", default="[]"),
        Column("revision", Integer, nullable=False, server_default="1"),
        Column("created_at", Instant, nullable=False),
        Column("updated_at", Instant, nullable=False),
    )


def _entities(metadata: MetaData) -> Table:
    return Table(
        "entities",
        metadata,
        _tenant(),
        Column("url", Text, primary_key=True),
        Column("type", Text, nullable=False),
        Column("status", Text, nullable=False, server_default="idle"),
        _json("dispatch_policy"),
        _json("tags", default="{}"),
        _json("spawn_args", default="{}"),
        Column("created_by", Text),
        Column("created_at", BigInteger, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
    )


def _streams(metadata: MetaData) -> Table:
    return Table(
        "simulator_streams",
        metadata,
        _tenant(),
        Column("path", Text, primary_key=True),
        Column("closed", Boolean, nullable=False),
    )


def _messages(metadata: MetaData) -> Table:
    return Table(
        "simulator_messages",
        metadata,
        _tenant(),
        Column("path", Text, primary_key=True),
        Column("end", BigInteger, primary_key=True, autoincrement=False),
        Column("json", Text, nullable=False),
    )


class Tables:
    """Every table, of one metadata of its own (nothing is shared between servers)."""

    def __init__(self) -> None:
        self.metadata = MetaData()
        self.runners = _runners(self.metadata)
        self.diagnostics = _diagnostics(self.metadata)
        self.claims = _claims(self.metadata)
        self.dispatch = _dispatch(self.metadata)
        self.callbacks = _callbacks(self.metadata)
        self.entity_types = _entity_types(self.metadata)
        self.entities = _entities(self.metadata)
        self.streams = _streams(self.metadata)
        self.messages = _messages(self.metadata)
