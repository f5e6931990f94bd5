"""The simulator's side of an incident, a process of its own: it plays until it is ended."""

import asyncio
import signal
import sys

from electric_agents_simulator.clock import RunningClock
from electric_agents_simulator.scenarios.player import ScenarioPlayer
from electric_agents_simulator.server.serving import SimulatedServer
from incidents.catalogue import find


async def play(name: str, speed: float) -> None:
    """Play an incident's scenario; print the URL when its first runners have started."""
    incident = find(name)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    clock = RunningClock(speed)
    async with SimulatedServer(clock) as server:
        player = ScenarioPlayer(
            server, incident.after_lead_in, incident.runners, seed=7, clock=clock
        )
        async with player.play():
            print(server.url, flush=True)
            await stop.wait()


def main() -> None:
    """Play the incident that the command line names, at the speed that it gives."""
    name, speed = sys.argv[1:]
    asyncio.run(play(name, float(speed)))
