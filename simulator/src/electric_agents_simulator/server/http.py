"""Requests as handlers see them, and answers as an agents-server writes them.

Chunked, without Content-Length; JSON as JavaScript writes it; errors as
`{"error":{"code","message"[,"details"]}}`.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

import msgspec
from starlette.responses import Response, StreamingResponse

from electric_agents_exporter.contract.principals import Principal

_JSON: Final = "application/json; charset=utf-8"
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DOTS: Final = {".": ".", "%2e": ".", "..": "..", ".%2e": "..", "%2e.": "..", "%2e%2e": ".."}


class ApiError(Exception):
    """An answer that is an error, with the server's code and words."""

    def __init__(self, status: int, code: str, message: str, details: object = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details


@dataclass(frozen=True)
class Call:
    """One request, routed: who asks what, of which thing."""

    principal: Principal
    path: str
    """Normalised, still percent-encoded."""
    params: Mapping[str, str]
    """The named parts of the path, still percent-encoded."""
    query_string: str
    headers: Mapping[str, str]
    body: bytes

    def param(self, name: str) -> str:
        """Decode a named part of the path, once.

        Raises:
            ValueError: a stray percent sign or bad UTF-8, which the server answers with 500.
        """
        return decode(self.params[name])

    def query(self, name: str) -> str | None:
        """Give the first value of a query parameter; None when it is not there."""
        return next(iter(self.queries(name)), None)

    def queries(self, name: str) -> list[str]:
        """Give all values of a query parameter."""
        pairs = parse_qsl(self.query_string, keep_blank_values=True)
        return [value for key, value in pairs if key == name]

    @property
    def claim_token(self) -> str:
        """The token of a claim that the caller shows; empty where there is none."""
        token = self.headers.get("electric-claim-token", "").strip()
        if token:
            return token
        scheme, _, credentials = self.headers.get("authorization", "").partition(" ")
        return credentials.strip() if scheme.lower() == "bearer" else ""

    @property
    def runner_id(self) -> str | None:
        """The id in a runner's path; None where there is none that can be read."""
        try:
            return self.param("id") if "id" in self.params else None
        except ValueError:
            return None

    @property
    def base_url(self) -> str:
        """The server's URL as this caller knows it."""
        return f"http://{self.headers.get('host', 'localhost')}"


def json_answer(
    payload: object, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Answer with JSON."""
    return answer(msgspec.json.encode(payload), status, {"content-type": _JSON} | (headers or {}))


def error_answer(error: ApiError) -> Response:
    """Answer with an error."""
    body = {"code": error.code, "message": error.message}
    details = {"details": error.details} if error.details else {}
    return json_answer({"error": body | details}, error.status)


def text_answer(text: str, status: int) -> Response:
    """Answer with plain text, as the streams server does."""
    return answer(text.encode(), status, {"content-type": "text/plain"})


def answer(body: bytes = b"", status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with bytes, without saying how many."""
    response = Response(body, status, headers)
    if "content-length" in response.headers:
        del response.headers["content-length"]
    return response


def event_stream(events: AsyncIterator[str]) -> Response:
    """Answer with server-sent events for as long as they come."""
    headers = {"content-type": "text/event-stream", "cache-control": "no-cache"}
    return StreamingResponse(events, headers=headers)


def normalise_path(raw: str) -> str:
    """Resolve a path as WHATWG URLs are: dot segments, in any spelling, and backslashes."""
    segments: list[str] = []
    parts = raw.replace("\\", "/").split("/")[1:]
    for position, part in enumerate(parts):
        dots = _DOTS.get(part.lower())
        if dots == ".." and segments:
            segments.pop()
        if dots is None:
            segments.append(part)
        elif position == len(parts) - 1:
            segments.append("")
    return "/" + "/".join(segments)


def decode(text: str) -> str:
    """Percent-decode as strictly as decodeURIComponent.

    Raises:
        ValueError: a stray percent sign or bad UTF-8.
    """
    if _BAD_ESCAPE.search(text):
        raise ValueError("a percent sign is not followed by two hex digits")
    return unquote(text, errors="strict")
