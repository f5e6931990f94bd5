"""Faults that can be switched on: of requests, by route and runner, and of the database."""

import asyncio
from enum import StrEnum

import msgspec


class FaultKind(StrEnum):
    """What goes wrong with a request."""

    LATENCY = "latency"
    """It is answered, `seconds` later."""
    HANG = "hang"
    """It is never answered."""
    RESET = "reset"
    """The connection is reset."""
    STATUS = "status"
    """It is answered with an error of that `status`."""
    TRUNCATED = "truncated"
    """The answer ends half-way, and the connection with it."""
    WRONG_JSON = "wrong_json"
    """The answer is well-formed JSON of another shape."""
    NOT_JSON = "not_json"
    """The answer is no JSON at all, as a proxy's error page is not."""
    HUGE = "huge"
    """The answer has so many `bytes` of text in it."""
    SILENCE = "silence"
    """Nothing comes through a runner's wake stream any more, whether it is open already or opened
    later; the connection stays. A proxy that lost the way to the server does so."""


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault, and which requests it hits."""

    kind: FaultKind
    route: str = "*"
    """A name such as `list`, `get`, `health`, `heartbeat`, `claim`, `wake`; `*` is any.

    `claim-write` is the moment after a server has taken a wake for a runner and before it
    answers. A fault of any kind makes it fail then: nobody works, and the wake comes again after
    30 s. (Nothing repeats the wake of a claim that was refused at once.)
    """
    runner: str = "*"
    """A runner's id; `*` is any, and also what has no runner."""
    seconds: float = 1.0
    status: int = 503
    bytes: int = 64 * 1024 * 1024
    share: float = 1.0
    """Hit this share of the requests, evenly: with 0.4 the third, the fifth, the eighth ..."""


class DatabaseState(StrEnum):
    """Whether the server's database answers."""

    UP = "up"
    DOWN = "down"
    """A request that needs it is answered with 500."""
    FROZEN = "frozen"
    """A request that needs it waits until it is up again, or down."""


class Faults:
    """The faults of one server, now."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._seen: dict[int, int] = {}
        self._database = DatabaseState.UP
        self._thawed = asyncio.Event()
        self._cleared = asyncio.Event()

    @property
    def active(self) -> tuple[Fault, ...]:
        """What is switched on."""
        return tuple(self._faults)

    @property
    def database(self) -> DatabaseState:
        """Whether the database answers."""
        return self._database

    def add(self, fault: Fault) -> None:
        """Switch a fault on."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Switch all faults of requests off; a request that hangs goes on hanging."""
        self._faults.clear()
        self._seen.clear()
        self._cleared.set()
        self._cleared = asyncio.Event()

    def set_database(self, state: DatabaseState) -> None:
        """Let the database fail, or mend it."""
        self._database = state
        if state is not DatabaseState.FROZEN:
            self._thawed.set()
            self._thawed = asyncio.Event()

    async def database_thawed(self) -> None:
        """Wait until a frozen database answers again."""
        await self._thawed.wait()

    async def wake_stream_flows(self, runner: str | None) -> None:
        """Wait until a runner's wake stream is not (or no longer) silent."""
        while any(
            fault.kind is FaultKind.SILENCE and fault.runner in {"*", runner}
            for fault in self._faults
        ):
            await self._cleared.wait()

    def match(self, route: str, runner: str | None) -> Fault | None:
        """Find the fault that hits a request, and count the request."""
        for number, fault in enumerate(self._faults):
            if fault.kind is FaultKind.SILENCE:
                continue
            if fault.route in {"*", route} and fault.runner in {"*", runner}:
                seen = self._seen.get(number, 0) + 1
                self._seen[number] = seen
                if int(seen * fault.share) > int((seen - 1) * fault.share):
                    return fault
        return None
