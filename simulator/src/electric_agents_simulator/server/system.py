"""The parts of one agents-server, which every route works on."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from electric_agents_simulator import values
from electric_agents_simulator.clock import Clock
from electric_agents_simulator.server.faults import Faults
from electric_agents_simulator.storage.registry import Registry
from electric_agents_simulator.wakes.streams import Streams
from electric_agents_simulator.wakes.subscriptions import Subscriptions

_FIRST_TRANSACTION: Final = 1_000


@dataclass(frozen=True)
class System:
    """The parts of a server. It holds no request and no socket."""

    clock: Clock
    registry: Registry
    streams: Streams
    subscriptions: Subscriptions
    faults: Faults
    production: bool = False
    """Refuse a caller without a principal instead of taking it for `system:dev-local`."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    write_tokens: dict[str, str] = field(default_factory=dict)
    """By an entity's main stream, the token of the claim that may append to it."""
    transactions: Iterator[int] = field(default_factory=lambda: itertools.count(_FIRST_TRANSACTION))
    """Numbers for what the real server numbers by its database's transactions."""

    def now(self) -> datetime:
        """Give the server's time, to the millisecond."""
        return values.from_seconds(self.clock.now())


def make_system(clock: Clock, registry: Registry, *, production: bool = False) -> System:
    """Put a server together."""
    streams = Streams(registry.streams)
    return System(
        clock=clock,
        registry=registry,
        streams=streams,
        subscriptions=Subscriptions(streams, clock),
        faults=Faults(),
        production=production,
    )
