"""Wakes that wait, seen from outside: how far each runner is behind its wake stream.

A stream is asked for its tail, and read only where the runner has not heard it to there: from the
runner's own offset, and no further than the first wakes. Who was behind at the last poll is read at
once. So a runner costs one request, and a second one when it falls behind.

Source: measured on agents-server 0.6.4 with embedded streams. A tail costs the server no SQL;
reading loads the stream's whole file there, so a stream is never read from its start for its own
sake.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from electric_agents_exporter.contract import principals
from electric_agents_exporter.contract.reading import decode
from electric_agents_exporter.contract.wakes import (
    MAX_WAKES,
    Wake,
    WakeReading,
    entity_url,
    position,
    read_wakes,
)
from electric_agents_exporter.fleet.clock import Clock
from electric_agents_exporter.fleet.heard import WakeQuestion
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.sources.http_exchange import Response
from electric_agents_exporter.sources.http_requests import Requests

_NEXT_OFFSET: Final = "stream-next-offset"
_TAIL: Final = "now"
_AT_REST: Final = frozenset({"stopping", "stopped", "killed", "paused"})
_NOT_ASKED: Final = ("/principal/", "/_")
"""Entities that are left alone: asking for a principal makes it, and of others a server fails."""

_REFUSALS: Final = frozenset({Reason.NOT_FOUND, Reason.UNAUTHORIZED, Reason.FORBIDDEN})
_STATUS_KEPT_SECONDS: Final = 120.0
_STATUSES_KEPT: Final = 4096
_MOST_ENTITIES: Final = 4  # asked for at one reading
_DOT_SEGMENT: Final = re.compile(r"(^|/)(\.|%2e){1,2}(/|$)", re.IGNORECASE)


class _Part(msgspec.Struct, frozen=True):
    """Some of a stream: its wakes, the offset behind them, and whether these are all of them."""

    wakes: tuple[Wake, ...]
    next_offset: str
    whole: bool


class EntityStatuses:
    """Whether entities are at rest, remembered for two minutes: a wake may wait for hours."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    def known(self, stream: str) -> bool | None:
        """Tell whether the entity of a stream is at rest; None where it has to be asked for."""
        asked_at, at_rest = self._known.get(stream, (None, False))
        if asked_at is None or self._clock.monotonic() - asked_at > _STATUS_KEPT_SECONDS:
            return None
        return at_rest

    def note(self, stream: str, *, at_rest: bool) -> None:
        """Remember what was found."""
        self._known[stream] = (self._clock.monotonic(), at_rest)
        self._known.move_to_end(stream)
        if len(self._known) > _STATUSES_KEPT:
            self._known.popitem(last=False)


class WakeStreams:
    """Reads the wake streams of one server's runners during one poll.

    Everything is asked for as the runner's owner where that is one of `principals`, or else as the
    first of these: anybody may read a wake stream, and an entity's status only who may see it.
    """

    def __init__(
        self,
        base: str,
        requests: Requests,
        entities: EntityStatuses,
        principals_: Sequence[str],
    ) -> None:
        self._base = base
        self._requests = requests
        self._entities = entities
        self._first = principals_[0]
        self._by_url = {principals.parse(name).url: name for name in principals_}
        self._entities_hang = False

    async def read(self, question: WakeQuestion) -> WakeReading | Reason:
        """Read what a question asks for."""
        url = _stream_url(self._base, question.path)
        if url is None:
            return Reason.NOT_FOUND
        heard, known_tail = position(question.offset), position(question.tail)
        if known_tail is not None and known_tail == heard:
            tail = await self._part(url, question, _TAIL)
            if isinstance(tail, Reason):
                return tail
            if position(tail.next_offset) == heard:
                at_rest = await self._at_rest(question, question.unanswered)
                return WakeReading(question.offset, tail.next_offset, at_rest=at_rest)
        behind = await self._part(url, question, question.offset)
        if isinstance(behind, Reason):
            return behind
        end = position(behind.next_offset)
        if end is None or heard is None or end < heard:
            # The runner heard what is not there: the stream is another one by now.
            return Reason.SCHEMA
        news = await self._news(url, question, behind)
        streams = [*self._too_long(question, behind.wakes), *question.unanswered]
        at_rest = await self._at_rest(question, streams)
        return WakeReading(
            question.offset, behind.next_offset, behind.wakes, news, at_rest, behind.whole
        )

    async def _news(self, url: str, question: WakeQuestion, behind: _Part) -> tuple[Wake, ...]:
        """Give every wake since the tail that was known; at first sight, those not heard yet."""
        known, heard = position(question.tail), position(question.offset)
        if not question.follow:
            return ()
        if known is None or known == heard:
            return behind.wakes
        if question.tail is None or known == position(behind.next_offset):
            return ()
        since = await self._part(url, question, question.tail)
        return () if isinstance(since, Reason) else since.wakes

    async def _part(self, url: str, question: WakeQuestion, offset: str) -> _Part | Reason:
        def read(response: Response) -> _Part | Reason:
            next_offset = response.headers.get(_NEXT_OFFSET)
            if position(next_offset) is None or next_offset is None:
                return Reason.SCHEMA
            wakes = read_wakes(response.body)
            ended = not response.cut and response.body.rstrip().endswith(b"]")
            return _Part(wakes, next_offset, ended and len(wakes) < MAX_WAKES)

        answer = await self._requests.ask(
            Operation.WAKES, f"{url}?offset={quote(offset)}", self._who(question), read
        )
        return answer.read

    def _who(self, question: WakeQuestion) -> str:
        return self._by_url.get(question.owner or "", self._first)

    def _too_long(self, question: WakeQuestion, wakes: Iterable[Wake]) -> list[str]:
        """Give the streams of wakes that wait too long, if their entity can work."""
        before = question.waiting_before
        return [
            wake.stream
            for wake in wakes
            if before is not None and wake.at is not None and wake.at < before
        ]

    async def _at_rest(self, question: WakeQuestion, streams: Iterable[str]) -> frozenset[str]:
        """Find the entities that nobody waits for; one that cannot be asked for can work."""
        at_rest, left = set(), _MOST_ENTITIES
        for stream in dict.fromkeys(streams):
            resting = self._entities.known(stream)
            if resting is None and left and not self._entities_hang:
                left -= 1
                resting = await self._ask_entity(question, stream)
            if resting:
                at_rest.add(stream)
        return frozenset(at_rest)

    async def _ask_entity(self, question: WakeQuestion, stream: str) -> bool | None:
        def read(response: Response) -> bool | Reason:
            answer = decode(response.body)
            status = answer.get("status") if isinstance(answer, dict) else None
            return status in _AT_REST if isinstance(status, str) else Reason.SCHEMA

        entity = entity_url(stream)
        if entity.startswith(_NOT_ASKED):
            return None
        url = _stream_url(self._base, f"/_electric/entities{entity}")
        if url is None:
            return True
        answer = await self._requests.ask(
            Operation.WAKES, url, self._who(question), read, refusals=_REFUSALS
        )
        if not isinstance(answer.read, Reason):
            at_rest = answer.read
        elif answer.read in _REFUSALS:
            # Anybody may write of entities that are not there; who hides one may let it work.
            at_rest = answer.read is Reason.NOT_FOUND
        else:
            self._entities_hang |= answer.read is Reason.TIMEOUT
            return None
        self._entities.note(stream, at_rest=at_rest)
        return at_rest


def _stream_url(base: str, path: str) -> str | None:
    """Give the URL of a path; None for one that would lead anywhere else on the server."""
    if not path.startswith("/") or _DOT_SEGMENT.search(path):
        return None
    return base + quote(path, safe="/%-_.~")
