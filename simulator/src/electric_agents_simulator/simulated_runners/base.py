"""What every simulated runner is and can do."""

from dataclasses import dataclass
from typing import Final, Protocol

from electric_agents_exporter.contract.principals import parse
from electric_agents_simulator.values import Json

ENTITY_TYPE: Final = "task"
"""The type of the entities that simulated runners work for."""


@dataclass(frozen=True)
class Identity:
    """Who a runner is."""

    id: str
    owner: str
    kind: str

    @property
    def owner_url(self) -> str:
        """The owner as a server writes it."""
        return parse(self.owner).url

    def registration(self) -> Json:
        """The body of its registration."""
        return {"id": self.id, "label": f"Runner {self.id}", "kind": self.kind}


class SimulatedRunner(Protocol):
    """A runner that can be started and ended, again and again."""

    @property
    def identity(self) -> Identity:
        """Who it is."""

    @property
    def running(self) -> bool:
        """Whether it was started and not ended since."""

    async def start(self) -> None:
        """Register and begin."""

    async def stop(self) -> None:
        """End gracefully; returns when the work in hand has ended."""

    async def kill(self) -> None:
        """End at once, as a crashed process does."""

    async def give_work(self) -> None:
        """Send a message to each of its entities."""

    async def signal(self, signal: str) -> None:
        """Signal each of its entities."""

    async def close(self) -> None:
        """End it, its entities and its messages for good."""
