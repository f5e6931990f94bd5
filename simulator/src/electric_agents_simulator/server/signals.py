"""What a signal makes of an entity.

Source: `serverHandlingForSignal` in `entity-manager.ts`.
"""

from typing import Final, Literal

from msgspec import Struct

from electric_agents_simulator.storage.records import EntityStatus

SERVER: Final = "/_electric/server"
"""The sender of the events that tell of signals."""

_AT_REST: Final = frozenset({EntityStatus.IDLE, EntityStatus.PAUSED})


class Handling(Struct, frozen=True):
    """What a server does about a signal, and what it leaves to the entity's runner."""

    status: EntityStatus
    """The entity's status from then on."""
    handled: bool = False
    """Whether nothing is left to do for the runner."""
    outcome: Literal["transitioned", "ignored"] = "transitioned"


def handle(  # noqa: PLR0911  (one return for each row of the table)
    signal: str, status: EntityStatus
) -> Handling:
    """Decide on a signal to an entity that has not ended."""
    match signal, status:
        case "SIGKILL", _:
            return Handling(EntityStatus.KILLED, handled=True)
        case "SIGTERM", _ if status in _AT_REST:
            return Handling(EntityStatus.STOPPED, handled=True)
        case "SIGTERM", EntityStatus.RUNNING:
            return Handling(EntityStatus.STOPPING)
        case "SIGCONT", EntityStatus.PAUSED:
            return Handling(EntityStatus.IDLE)
        case _, EntityStatus.PAUSED:
            return Handling(status, handled=True, outcome="ignored")
        case "SIGSTOP", EntityStatus.IDLE | EntityStatus.RUNNING:
            return Handling(EntityStatus.PAUSED, handled=status is EntityStatus.IDLE)
        case _:
            return Handling(status, outcome="ignored")
