from collections.abc import AsyncIterator

import pytest

from electric_agents_simulator.clock import ManualClock
from electric_agents_simulator.server.system import System, make_system
from electric_agents_simulator.storage.registry import IN_MEMORY, Registry, open_engine
from electric_agents_simulator.testing import Caller, in_memory


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def system(clock: ManualClock) -> System:
    return make_system(clock, Registry(open_engine(IN_MEMORY)))


@pytest.fixture
async def caller(system: System) -> AsyncIterator[Caller]:
    async with in_memory(system, "service:monitor") as caller:
        yield caller
