"""From the bytes of an answer to reports, field by field.

A server's answer is foreign input: any field may be missing, null or of the wrong type, and none
of that may cost more than the field itself. What does not fit is left out and named in `drift`.
"""

import json
import math
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from heapq import nlargest
from itertools import islice
from typing import Final, TypeVar

import msgspec

from electric_agents_exporter.contract.claims import MOST_NAMED, ActiveClaim, ClaimTally
from electric_agents_exporter.contract.health import classify_issue
from electric_agents_exporter.contract.report import (
    MAX_ID_LENGTH,
    MAX_LISTED,
    MAX_STREAM_LENGTH,
    NO_ISSUES,
    Claims,
    Client,
    Dispatch,
    ListedRunner,
    Report,
)
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    ClaimResult,
    ClientStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)

Word = TypeVar("Word", bound=StrEnum)

_MISSING: Final = object()
_NOTHING: Final[Mapping[str, object]] = {}
_LABEL_LENGTH: Final = 128
_MEMBERS: Final = 20  # of an item of a list; a real one has nine, and its sandbox profiles
_OBJECTS: Final = 8


class NotJsonError(ValueError):
    """The body is not JSON."""


class ShapeError(ValueError):
    """The body is JSON, but not what the route answers."""


class TooManyError(ValueError):
    """The body holds more than anybody can mean: its objects would take many times its size."""


class HealthAnswer(msgspec.Struct, frozen=True):
    """A health report as it arrived.

    `server_time` is the server's clock at the moment of the answer, known exactly from the lease
    and what is left of it; `drift` names the fields that were not as the contract says; `claims`
    are some of the active claims, None where their names are not known.
    """

    report: Report
    server_time: float | None
    drift: tuple[str, ...]
    claims: tuple[ActiveClaim, ...] | None = None


class ListAnswer(msgspec.Struct, frozen=True):
    """A list of runners as it arrived.

    `drift` names the fields that were not as the contract says; `unreadable` counts the items that
    do not tell whose they are, so that any runner may be one of them.
    """

    runners: tuple[ListedRunner, ...]
    drift: tuple[str, ...]
    unreadable: int = 0


def read_health(body: bytes) -> HealthAnswer:
    """Read the answer of `GET /_electric/runners/:id/health`.

    Raises:
        NotJsonError: the body is no JSON.
        ShapeError: it holds no `runner` with an `id`.
        TooManyError: it holds more members than we take apart.
    """
    _refuse_many(body, members=MAX_LISTED, objects=MAX_LISTED)
    fields = _Fields("", decode(body))
    runner = fields.section("runner")
    runner_id = runner.values.get("id")
    if not isinstance(runner_id, str):
        raise ShapeError("no runner with an id")
    client = fields.values.get("client", _MISSING)
    health = fields.section("health")
    dispatch = _dispatch(fields.section("dispatch"))
    claims, named = _claims(fields.section("claims"), dispatch.entities_with_active_claim)
    report = Report(
        runner_id=runner_id,
        admin_status=runner.word("admin_status", AdminStatus, AdminStatus.UNKNOWN),
        liveness=runner.word("liveness_status", LivenessStatus, LivenessStatus.UNKNOWN),
        created_at=runner.time("created_at"),
        last_seen_at=runner.time("last_seen_at"),
        lease_expires_at=runner.time("lease_expires_at"),
        client_present=_client_present(client, fields.drift),
        client=read_client(client, fields.drift),
        claims=claims,
        dispatch=dispatch,
        health=health.word("status", HealthStatus, HealthStatus.UNKNOWN),
        issues=_issues(health),
        wake_stream_offset=runner.short_text("wake_stream_offset"),
    )
    server_time = _server_time(report.lease_expires_at, runner.number("lease_remaining_ms"))
    return HealthAnswer(report, server_time, tuple(fields.drift), named)


def read_list(body: bytes, most: int = MAX_LISTED) -> ListAnswer:
    """Read the answer of `GET /_electric/runners`, in its order, each id once.

    It may hold so many items. An item that names no usable id is left out and counted as drift.

    Raises:
        NotJsonError: the body is no JSON.
        ShapeError: it is no array, or holds items and none of them can be used.
        TooManyError: it holds more items than we take.
    """
    _refuse_many(body, members=_MEMBERS * most, objects=_OBJECTS * most)
    drift: list[str] = []
    runners: dict[str, ListedRunner] = {}
    items = unreadable = 0
    for item in _items(body, most):
        items += 1
        fields = _Fields("list", item, drift)
        runner_id = _listed_id(fields)
        if runner_id is None:
            unreadable += 1
        elif len(runner_id) > MAX_ID_LENGTH:
            fields.miss("id")
        elif runner_id not in runners:
            runners[runner_id] = _listed_runner(runner_id, fields)
    if items and not runners:
        raise ShapeError("none of its items can be used")
    return ListAnswer(tuple(runners.values()), tuple(drift), unreadable)


def _items(body: bytes, most: int) -> Iterator[object]:
    """Decode an array one item at a time: a list of thousands is never held decoded as a whole.

    Raises:
        NotJsonError: the body is no JSON.
        ShapeError: it is no array.
        TooManyError: it holds more items than we take.
    """
    raw_items: list[msgspec.Raw] | None = None
    items: object = None
    try:
        raw_items = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        items = decode(body)
        if not isinstance(items, list):
            raise ShapeError("not an array") from None
    found = items if isinstance(items, list) else raw_items or []
    if len(found) > most:
        raise TooManyError(f"more than {most} items")
    yield from found if raw_items is None else map(_item, raw_items)


def _refuse_many(body: bytes, *, members: int, objects: int) -> None:
    """Refuse a body before it is decoded that could hold too much.

    Commas and braces within texts count too, so the bounds are far from what is ever seen.

    Raises:
        TooManyError: it may hold more values, or more objects.
    """
    short = len(body) <= 2 * min(members, objects)
    if not short and (body.count(b",") > members or body.count(b"{") > objects):
        raise TooManyError("more values than anybody can mean")


def _item(raw: msgspec.Raw) -> object:
    """Decode one item; None for one that cannot be, which costs the others nothing."""
    try:
        return decode(bytes(raw))
    except NotJsonError:
        return None


def _listed_id(item: "_Fields") -> str | None:
    """Read whose item it is; None where it does not say, or what it says was torn on the way."""
    runner_id = item.values.get("id")
    if isinstance(runner_id, str) and not torn(runner_id):
        return runner_id
    item.miss("id")
    return None


def _listed_runner(runner_id: str, item: "_Fields") -> ListedRunner:
    return ListedRunner(
        id=runner_id,
        owner_principal=item.text("owner_principal"),
        label=clean_label(item.text("label")),
        kind=item.word("kind", RunnerKind, RunnerKind.UNKNOWN),
        admin_status=item.word("admin_status", AdminStatus, AdminStatus.UNKNOWN),
        wake_stream=item.short_text("wake_stream"),
        created_at=item.time("created_at"),
        updated_at=item.time("updated_at"),
    )


def _client_present(client: object, drift: list[str]) -> bool | None:
    if client is None:
        return False
    if isinstance(client, dict):
        return True
    drift.append("client")
    return None


def read_client(client: object, drift: list[str]) -> Client | None:
    """Read the diagnostics. Any may be missing: a runner sends what it likes."""
    if not isinstance(client, dict):
        return None
    read = _Fields("client", client, drift, optional=True)
    return Client(
        status=read.word("status", ClientStatus, ClientStatus.UNKNOWN),
        started_at=read.time("started_at"),
        stream_connected=read.flag("stream_connected"),
        stream_connected_since=read.time("stream_connected_since"),
        last_error_at=read.time("last_error_at"),
        last_heartbeat_at=read.time("last_heartbeat_at"),
        last_heartbeat_ok=read.flag("last_heartbeat_ok"),
        last_claim_at=read.time("last_claim_at"),
        last_claim_result=_claim_result(read),
        last_dispatch_at=read.time("last_dispatch_at"),
        reconnect_count=read.number("reconnect_count"),
        events_received=read.number("events_received"),
        claims_succeeded=read.number("claims_succeeded"),
        claims_skipped=read.number("claims_skipped"),
        claims_failed=read.number("claims_failed"),
    )


def _claim_result(client: "_Fields") -> ClaimResult | None:
    if client.values.get("last_claim_result", _MISSING) is None:
        return ClaimResult.NONE
    return client.word("last_claim_result", ClaimResult, ClaimResult.UNKNOWN)


def _claims(
    section: "_Fields", entities: float | None
) -> tuple[Claims, tuple[ActiveClaim, ...] | None]:
    active_count = section.number("active_count")
    active = section.items("active")
    if active is None:
        return Claims(active_count), None
    tally = ClaimTally()
    named: list[ActiveClaim] = []
    for item in active:
        claim = _Fields("claims.active", item, section.drift)
        stream = claim.values.get("stream_path")
        if not isinstance(stream, str):
            claim.miss("stream_path")
            continue
        claimed_at = claim.time("claimed_at")
        heartbeat_at = claim.time("last_heartbeat_at")
        tally.add(stream, claimed_at, claim.number("epoch"), heartbeat_at)
        entity = claim.values.get("entity_url")
        named.append(ActiveClaim(_shown(entity), _shown(stream), claimed_at, heartbeat_at))
    if len(named) > 1:
        named = nlargest(MOST_NAMED, named, key=lambda each: each.claimed_at or 0.0)
    return tally.total(active_count, entities), tuple(named)


def _shown(name: object) -> str | None:
    """Give a name that people are shown; None for what is none, or cannot be written."""
    return name[:MAX_ID_LENGTH] if isinstance(name, str) and name and not torn(name) else None


def _dispatch(section: "_Fields") -> Dispatch:
    return Dispatch(
        entities_with_active_claim=section.number("entities_with_active_claim"),
        entities_with_outstanding_wake=section.number("entities_with_outstanding_wake"),
        entities_with_pending_work=section.number("entities_with_pending_work"),
    )


def _issues(section: "_Fields") -> frozenset[Issue] | None:
    texts = section.items("issues")
    if texts is None:
        return None
    issues = [classify_issue(text) if isinstance(text, str) else Issue.OTHER for text in texts]
    for issue in issues:
        if issue is Issue.OTHER:
            section.miss("issues")
    return frozenset(issues) if issues else NO_ISSUES


def _server_time(lease_expires_at: float | None, remaining_ms: float | None) -> float | None:
    """Give the server's clock. A lapsed lease says nothing: what is left of it is clamped at 0."""
    if lease_expires_at is None or not remaining_ms:
        return None
    return lease_expires_at - remaining_ms / 1000


def clean_label(label: str | None) -> str | None:
    """Cut a label to what a series can bear: printable, and not long."""
    if label is None or (len(label) <= _LABEL_LENGTH and label.isprintable()):
        return label
    return "".join(islice(filter(str.isprintable, label), _LABEL_LENGTH))


def torn(text: str) -> bool:
    """Tell whether a text holds half of a surrogate pair, which no encoding can carry."""
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)


class _Fields:
    """The members of one JSON object, read leniently under the name that drift is counted by.

    `optional` says that a member may be missing without that being drift.
    """

    __slots__ = ("_optional", "_path", "_whole", "drift", "values")

    def __init__(
        self, path: str, values: object, drift: list[str] | None = None, *, optional: bool = False
    ) -> None:
        self._path = path
        self._optional = optional
        self._whole = isinstance(values, dict)
        self.drift: list[str] = [] if drift is None else drift
        self.values: Mapping[str, object] = values if isinstance(values, dict) else _NOTHING
        if not self._whole:
            if not path:
                raise ShapeError("not an object")
            self.drift.append(path)

    def section(self, name: str) -> "_Fields":
        return _Fields(name, self.values.get(name), self.drift)

    def items(self, name: str) -> list[object] | None:
        value = self.values.get(name, _MISSING)
        if isinstance(value, list):
            return value
        self._misfit(name, value)
        return None

    def text(self, name: str) -> str | None:
        value = self.values.get(name, _MISSING)
        if isinstance(value, str) and not torn(value):
            return value
        self._misfit(name, value)
        return None

    def short_text(self, name: str) -> str | None:
        """Read a text that is kept as it stands; one that is too long is drift."""
        text = self.text(name)
        if text is None or len(text) <= MAX_STREAM_LENGTH:
            return text
        self.miss(name)
        return None

    def flag(self, name: str) -> bool | None:
        value = self.values.get(name, _MISSING)
        if isinstance(value, bool):
            return value
        self._misfit(name, value)
        return None

    def number(self, name: str) -> float | None:
        """Read a finite number >= 0; fractions and 1e21 are as good as any."""
        value = self.values.get(name, _MISSING)
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
            if 0 <= number < math.inf:
                return number
        self._misfit(name, value)
        return None

    def time(self, name: str) -> float | None:
        """Read an ISO-8601 time with its zone, as seconds since the epoch."""
        value = self.values.get(name, _MISSING)
        if isinstance(value, str) and value.isprintable():  # fromisoformat reads up to a NUL
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                self._misfit(name, value)
                return None
            if moment.tzinfo is not None:
                return moment.timestamp()
        self._misfit(name, value)
        return None

    def word(self, name: str, words: type[Word], unknown: Word) -> Word | None:
        """Read a word of a closed set; one that is not in it is drift and reads as `unknown`."""
        value = self.values.get(name, _MISSING)
        if not isinstance(value, str):
            self._misfit(name, value)
            return None
        member = words._value2member_map_.get(value, unknown)
        if member is unknown:
            self.miss(name)
        return member  # type: ignore[return-value]  # the map is typed for any Enum

    def _misfit(self, name: str, value: object) -> None:
        """Take note of a member that is not what it should be; null is a word of the contract."""
        if value is None or (value is _MISSING and self._optional):
            return
        self.miss(name)

    def miss(self, name: str) -> None:
        """Count a member as drift, unless the object is none and was counted as a whole."""
        if self._whole:
            # One text for all: of a long list, every field of every item may be drift.
            self.drift.append(sys.intern(f"{self._path}.{name}"))


def decode(body: bytes) -> object:
    """Decode JSON; an odd number, torn string or stray byte is no reason to lose the rest."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # A stray byte reads as a torn character, and int() would refuse thousands of digits.
        return json.loads(body.decode("utf-8-sig", "surrogateescape"), parse_int=float)
    except (ValueError, RecursionError) as error:
        raise NotJsonError("not JSON") from error
