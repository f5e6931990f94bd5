"""Why a request failed or a poll did not happen: closed sets, since each becomes a label."""

from enum import StrEnum


class Operation(StrEnum):
    """The two things that are asked of a server."""

    LIST = "list"
    HEALTH = "health"


class Reason(StrEnum):
    """Why a request failed."""

    TIMEOUT = "timeout"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    PROXY = "proxy"
    RESET = "reset"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    RATE_LIMITED = "rate_limited"
    CLIENT_ERROR = "client_error"
    SERVER_ERROR = "server_error"
    REDIRECT = "redirect"
    NOT_JSON = "not_json"
    SCHEMA = "schema"
    WRONG_RUNNER = "wrong_runner"
    WRONG_PRINCIPAL = "wrong_principal"
    TOO_LARGE = "too_large"
    DATABASE = "database"
    OTHER = "other"


class Skip(StrEnum):
    """Why a poll that was due did not happen."""

    OVERRUN = "overrun"
    MISFIRE = "misfire"
    BACKOFF = "backoff"


class Suppression(StrEnum):
    """Why a listed runner has no series of its own."""

    FILTER = "filter"
    LIMIT = "limit"
    SHARD = "shard"
    RETIRED = "retired"
