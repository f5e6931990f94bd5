"""The closed sets of words that an agents-server uses, and the names we give to its issues.

Every set that the server may one day extend has `UNKNOWN`, for a word that we do not know.
"""

from enum import StrEnum


class RunnerKind(StrEnum):
    """What a runner is for (`runners.kind`)."""

    LOCAL = "local"
    CLOUD_WORKER = "cloud-worker"
    SANDBOX = "sandbox"
    CI = "ci"
    SERVER = "server"
    UNKNOWN = "unknown"


class AdminStatus(StrEnum):
    """What the operator wants of a runner (`runner.admin_status`)."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    UNKNOWN = "unknown"


class LivenessStatus(StrEnum):
    """What the server concludes from the lease (`runner.liveness_status`)."""

    ONLINE = "online"
    OFFLINE = "offline"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class HealthStatus(StrEnum):
    """The server's verdict (`health.status`)."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


class ClientStatus(StrEnum):
    """The state of the runner's own machine (`client.status`)."""

    STOPPED = "stopped"
    STARTING = "starting"
    CONNECTING = "connecting"
    STREAMING = "streaming"
    RECONNECTING = "reconnecting"
    STOPPING = "stopping"
    UNKNOWN = "unknown"


class ClaimResult(StrEnum):
    """How the last claim went (`client.last_claim_result`); the server says null for `NONE`."""

    CLAIMED = "claimed"
    NO_WORK = "no_work"
    ERROR = "error"
    NONE = "none"
    UNKNOWN = "unknown"


class ClaimStatus(StrEnum):
    """What became of a claim (`consumer_claims.status`)."""

    ACTIVE = "active"
    RELEASED = "released"
    EXPIRED = "expired"
    FAILED = "failed"
    UNKNOWN = "unknown"


class ClaimOutcome(StrEnum):
    """The three ends of a claim attempt that a runner counts."""

    CLAIMED = "claimed"
    NO_WORK = "no_work"
    ERROR = "error"


class Issue(StrEnum):
    """Our names for the seven issue texts of a health report; `OTHER` is a text we do not know."""

    DISABLED = "disabled"
    LEASE_EXPIRED = "lease_expired"
    NEVER_HEARTBEAT = "never_heartbeat"
    STREAM_DISCONNECTED = "stream_disconnected"
    HEARTBEAT_FAILED = "heartbeat_failed"
    RECONNECTS_HIGH = "reconnects_high"
    NO_DIAGNOSTICS = "no_diagnostics"
    OTHER = "other"
