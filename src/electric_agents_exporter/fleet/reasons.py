"""Why a request failed or a poll did not happen: closed sets, since each becomes a label."""

from enum import StrEnum
from typing import Final


class Operation(StrEnum):
    """What is asked of a target: its lists, its runners' reports, their wakes, and its server."""

    LIST = "list"
    HEALTH = "health"
    WAKES = "wakes"
    SERVER = "server"


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
    HEADERS_TOO_LARGE = "headers_too_large"
    NOT_HTTP = "not_http"
    DATABASE = "database"
    OTHER = "other"


SERVER_FAILS: Final = frozenset(
    {
        Reason.TIMEOUT,
        Reason.DNS,
        Reason.CONNECT,
        Reason.TLS,
        Reason.PROXY,
        Reason.RESET,
        Reason.SERVER_ERROR,
        Reason.DATABASE,
    }
)
"""Failures by which a server may not have recorded anybody's heartbeat either."""


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
