"""Rows of the tables as values."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from electric_agents_exporter.contract.vocabulary import AdminStatus
from electric_agents_simulator.values import Json


class Registration(Struct, frozen=True):
    """What a runner says of itself when it registers, defaults filled in."""

    id: str
    owner_principal: str
    label: str
    kind: str = "local"
    admin_status: AdminStatus = AdminStatus.ENABLED
    wake_stream: str | None = None
    """None: the server's own choice, `/runners/ID/wake` with the id as it is."""
    sandbox_profiles: list[Json] | None = None
    """None keeps those of an earlier registration."""


class Runner(Struct, frozen=True):
    """A row of `runners`."""

    id: str
    owner_principal: str
    label: str
    kind: str
    admin_status: AdminStatus
    wake_stream: str
    sandbox_profiles: list[Json]
    created_at: datetime
    updated_at: datetime


class Heartbeat(Struct, frozen=True):
    """One heartbeat; None keeps what an earlier one said."""

    runner_id: str
    owner_principal: str
    seen_at: datetime
    lease_expires_at: datetime
    wake_stream_offset: str | None = None
    diagnostics: Json | None = None


class LastHeartbeat(Struct, frozen=True):
    """A row of `runner_runtime_diagnostics`: what a runner's heartbeats said last."""

    wake_stream_offset: str | None
    last_seen_at: datetime
    lease_expires_at: datetime
    diagnostics: Json | None


class Claim(Struct, frozen=True):
    """A row of `consumer_claims` while it is active."""

    consumer_id: str
    epoch: int
    entity_url: str
    stream_path: str
    runner_id: str
    claimed_at: datetime
    lease_expires_at: datetime | None
    last_heartbeat_at: datetime | None = None


class DispatchCounts(Struct, frozen=True):
    """How many entities a runner works for, as the health report counts them."""

    entities_with_active_claim: int
    entities_with_outstanding_wake: int
    entities_with_pending_work: int


class Callback(Struct, frozen=True):
    """Where a consumer's callbacks go: which subscription, about which stream."""

    subscription_id: str
    primary_stream: str


class EntityStatus(StrEnum):
    """What an entity is doing."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    """Told to stop while it was running."""
    STOPPED = "stopped"
    KILLED = "killed"


ENDED: Final = frozenset({EntityStatus.STOPPED, EntityStatus.KILLED})
"""No other status follows these."""


class EntityType(Struct, frozen=True):
    """A row of `entity_types`."""

    name: str
    description: str
    definition: Json
    """Its schemas and its default dispatch policy, as they were given."""
    permission_grants: list[Json]
    revision: int
    created_at: datetime
    updated_at: datetime


class Entity(Struct, frozen=True):
    """A row of `entities`: an agent, which runners work for."""

    url: str
    type: str
    status: EntityStatus
    dispatch_policy: Json | None
    tags: Json
    spawn_args: Json
    created_by: str
    created_at: int
    """Milliseconds since the epoch, as everywhere in the server's entities."""
    updated_at: int

    @property
    def main_stream(self) -> str:
        """The stream that holds its messages."""
        return f"{self.url}/main"
