"""An agents-server on loopback whose fleet never rests, and which fails in every way now and then.

`python -m chaos.churning_server` prints its port and serves until it is killed. Whatever it says
follows from the turn and the time that a request's headers tell: it has neither itself.
"""

import asyncio
import json
import re
from enum import Enum, auto
from functools import lru_cache
from time import gmtime, strftime
from typing import Final, NamedTuple, cast
from urllib.parse import unquote

RUNNERS: Final = 2_000
NEW_IDS: Final = 2  # a turn; so many of the oldest are not listed any more
HIT: Final = 20  # one report of so many, but where all fail
_SHARE: Final = 101  # of the runners one is away, for some turns
_AWAY_TURNS: Final = 4
_KINDS: Final = ("cloud-worker", "sandbox", "ci", "server", "local")
_LEASE: Final = 60
_RESTARTS: Final = 5_400  # every runner, so many seconds after the last time
_LAPSES_AFTER: Final = 200  # turns in the list, where a runner is one of those that lapse
_NUMBER: Final = re.compile(r"\d+")
_LIST: Final = "/_electric/runners"


class Fault(Enum):
    """What is wrong with the server for a turn."""

    LIST_FAILS = auto()
    LIST_IS_GARBAGE = auto()
    LIST_HANGS = auto()
    LIST_BREAKS_OFF = auto()
    REPORTS_FAIL = auto()
    REPORTS_ARE_GARBAGE = auto()
    REPORTS_HANG = auto()
    REPORTS_BREAK_OFF = auto()
    REPORTS_ARE_OF_OTHERS = auto()
    WAKES_FAIL = auto()
    ALL_FAILS = auto()


_FAULTS: Final = {4 * at: fault for at, fault in enumerate(Fault, 1) if fault != Fault.ALL_FAILS}
_CYCLE: Final = 44
_OUTAGE: Final = range(300, 306)  # of every 500 turns: all fails, for six in a row


class Reply(NamedTuple):
    """An answer; the connection is closed after so many bytes of it, if that is a number."""

    body: bytes
    status: int = 200
    tail: str = ""
    ends_after: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        return {
            "Content-Type": "application/json",
            "Content-Length": str(len(self.body)),
            **({"Stream-Next-Offset": self.tail} if self.tail else {}),
        }

    @property
    def text(self) -> bytes:
        """What is sent."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        return f"HTTP/1.1 {self.status} X\r\n{lines}\r\n".encode() + self.body


_FAILED: Final = Reply(b"oops", 500)


def fault_at(turn: int) -> Fault | None:
    """Give what is wrong at a turn."""
    return Fault.ALL_FAILS if turn % 500 in _OUTAGE else _FAULTS.get(turn % _CYCLE)


def listed_at(turn: int) -> list[int]:
    """Give the numbers of the runners that are listed at a turn: old ones go, new ones come."""
    first, away = NEW_IDS * turn, turn // _AWAY_TURNS % _SHARE
    some = range(first, first + RUNNERS * _SHARE // (_SHARE - 1))
    return [number for number in some if number % _SHARE != away]


def numbers_in(target: str) -> list[int]:
    """Read the numbers of what a request asks after; that of the runner comes first."""
    return [int(found) for found in _NUMBER.findall(unquote(target.partition("?")[0]))]


class ChurningFleet:
    """What the server says at a turn and a time, seconds since the epoch."""

    def __init__(self, turn: int, now: float) -> None:
        self._turn = turn
        self._now = int(now)
        self._fault = fault_at(turn)

    def reply(self, target: str) -> Reply | None:
        """Answer a request, by its path with its query; None where nothing is ever answered."""
        path, _, query = target.partition("?")
        if path == "/_electric/health":
            return Reply(b'{"status":"ok"}')
        if self._fault is Fault.ALL_FAILS:
            return _FAILED
        return self._list() if path == _LIST else self._of_one(path, query)

    def _of_one(self, path: str, query: str) -> Reply | None:
        """Answer what is asked of one runner or one entity."""
        number, *_ = numbers_in(path)
        if path.endswith("/health"):
            return self._health(number)
        if path.endswith("/wake"):
            return self.wakes(number, query.removeprefix("offset="))
        return Reply(b'{"status":"%s"}' % (b"stopped", b"idle")[number % 2])

    def _list(self) -> Reply | None:
        body = b"[" + b",".join(map(_item, listed_at(self._turn))) + b"]"
        match self._fault:
            case Fault.LIST_FAILS:
                return _FAILED
            case Fault.LIST_IS_GARBAGE:
                return Reply(body[: len(body) // 2])
            case Fault.LIST_HANGS:
                return None
            case Fault.LIST_BREAKS_OFF:
                return Reply(body, ends_after=len(body) // 2)
        return Reply(body)

    def _health(self, number: int) -> Reply | None:
        if self._fault is Fault.REPORTS_FAIL:
            return _FAILED
        report = self.report(number)
        return Reply(report) if number % HIT else self._hit(number, report)

    def _hit(self, number: int, report: bytes) -> Reply | None:
        """Answer for a runner whose report is hit by what is wrong."""
        match self._fault:
            case Fault.REPORTS_ARE_GARBAGE:
                return Reply(b"\x00\xff{" + report)
            case Fault.REPORTS_HANG:
                return None
            case Fault.REPORTS_BREAK_OFF:
                return Reply(report, ends_after=200)
            case Fault.REPORTS_ARE_OF_OTHERS:
                return Reply(self.report(number + 1))
        return Reply(report)

    def report(self, number: int) -> bytes:
        """Write what is said of a runner when nothing is wrong with it."""
        now = self._now
        joined = number // NEW_IDS - RUNNERS // NEW_IDS
        silent = max(0, self._turn - joined - _LAPSES_AFTER) * (number % 9 == 3)
        seen = now - 15 * silent - (now + 7 * number) % 30
        lived = (now + 977 * number) % _RESTARTS
        odd = number % 97 == self._turn % 97
        values = {
            "id": _name(number),
            "admin": "enabled" if number % 41 else "disabled",
            "liveness": "expired" if silent else "online",
            "lease": _iso(seen + _LEASE),
            "left": 1000 * max(0, seen + _LEASE - now),
            "heard": _offset(self._heard(number)),
            "seen": _iso(seen),
            "status": f"state-{self._turn}" if odd else "streaming",
            "connected": "true" if lived % 7 else "false",
            "started": _iso(now - lived),
            "error": f'"text {self._turn}"' if odd else "null",
            "lived": lived,
            "claims": lived // 120,
            "claimed": _iso(now // 120 * 120),
            "count": int(number % 3 == 0 and not silent),
            "health": "unhealthy" if silent else "healthy",
            "issues": f'["issue {self._turn}"]' if odd else "[]",
        }
        values["active"] = _CLAIM % (values | {"epoch": now // 120}) if values["count"] else ""
        return (_REPORT % values).encode()

    def _heard(self, number: int) -> int:
        """Tell up to which minute's wake a runner has heard its stream."""
        minute = self._now // 60
        if number % 199 == 0:
            return minute - minute % 10
        return minute - (number % 20 == minute % 20)

    def wakes(self, number: int, offset: str) -> Reply:
        """Give what stands in a runner's wake stream behind an offset."""
        minute = self._now // 60
        if self._fault is Fault.WAKES_FAIL:
            return _FAILED
        if offset == "now":
            return Reply(b"[]", tail=_offset(minute))
        heard = int(offset.rpartition("_")[2])
        wakes = [
            {"type": "wake", "stream": f"/bench/{number}-{at}/main", "ts": 60_000 * at}
            | {"generation": at}
            for at in range(max(heard, minute - 20) + 1, minute + 1)
        ]
        return Reply(json.dumps(wakes).encode(), tail=_offset(minute))


_REPORT: Final = (
    '{"runner":{"id":"%(id)s","admin_status":"%(admin)s","liveness_status":"%(liveness)s",'
    '"lease_expires_at":"%(lease)s","lease_remaining_ms":%(left)d,'
    '"wake_stream_offset":"%(heard)s","last_seen_at":"%(seen)s",'
    '"created_at":"2026-09-20T11:15:32.205Z"},'
    '"client":{"status":"%(status)s","stream_connected":%(connected)s,"last_heartbeat_ok":true,'
    '"last_claim_result":"claimed","started_at":"%(started)s",'
    '"stream_connected_since":"%(started)s","last_error":%(error)s,'
    '"last_heartbeat_at":"%(seen)s","last_claim_at":"%(claimed)s","reconnect_count":0,'
    '"events_received":%(lived)d,"claims_succeeded":%(claims)d,"claims_skipped":%(claims)d,'
    '"claims_failed":0},"claims":{"active_count":%(count)d,"active":[%(active)s]},'
    '"dispatch":{"entities_with_active_claim":%(count)d,"entities_with_outstanding_wake":0,'
    '"entities_with_pending_work":0},"health":{"status":"%(health)s","issues":%(issues)s}}'
)
_CLAIM: Final = (
    '{"consumer_id":"w_%(id)s","epoch":%(epoch)d,"stream_path":"/bench/%(id)s-%(epoch)d/main",'
    '"claimed_at":"%(claimed)s","last_heartbeat_at":"%(seen)s","lease_expires_at":"%(lease)s"}'
)


def _name(number: int) -> str:
    """Give an id; some are such that they must be quoted in a path."""
    return f"läufer {number}/ä?" if number % 50 == 7 else f"runner-{number}"


@lru_cache(2 * RUNNERS)
def _item(number: int) -> bytes:
    """Write what the list says of a runner."""
    return json.dumps(
        {
            "id": _name(number),
            "owner_principal": "/principal/service%3Amonitor",
            "label": f"Runner {number}",
            "kind": _KINDS[number % len(_KINDS)],
            "admin_status": "enabled",
            "wake_stream": f"/runners/{number}/wake",
            "sandbox_profiles": [],
            "created_at": "2026-09-20T11:15:32.205Z",
            "updated_at": "2026-09-20T11:28:47.689Z",
        }
    ).encode()


@lru_cache(1_000)
def _iso(seconds: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S.000Z", gmtime(seconds))


def _offset(minute: int) -> str:
    return f"{0:016}_{minute:016}"


class _Connection(asyncio.Protocol):
    """Replies to every request that is whole."""

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Reply to every request that is whole."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            first, *others = head.decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in others)
            fleet = ChurningFleet(int(headers["x-turn"]), float(headers["x-time"]))
            self._send(fleet.reply(first.split(" ", 2)[1]))

    def _send(self, reply: Reply | None) -> None:
        if reply is not None:
            self._transport.write(reply.text[: reply.ends_after])
            if reply.ends_after is not None:
                self._transport.close()


async def main() -> None:
    """Serve on loopback until cancelled."""
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
