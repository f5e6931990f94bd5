import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from electric_agents_simulator.clock import ManualClock
from electric_agents_simulator.server.system import System, make_system
from electric_agents_simulator.storage.registry import IN_MEMORY, Registry, open_engine
from electric_agents_simulator.testing import Caller, in_memory
from postgres_cluster import Cluster, postgres_programs
from unhindered_loop import UnhinderedLoop


def pytest_asyncio_loop_factories() -> dict[str, type[UnhinderedLoop]]:
    """Let leases and all else that runs out here stand while others have the processor."""
    return {"unhindered": UnhinderedLoop}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def system(clock: ManualClock) -> Iterator[System]:
    with closing(Registry(open_engine(IN_MEMORY))) as registry:
        yield make_system(clock, registry)


@pytest.fixture
async def caller(system: System) -> AsyncIterator[Caller]:
    async with in_memory(system, "service:monitor") as caller:
        yield caller


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL of our own on a free port; its URL lacks the name of a database."""
    programs = postgres_programs()
    if programs is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not here; scripts/tools fetches it")
        pytest.skip("PostgreSQL is not here; scripts/tools fetches it")
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(folder, programs)
        cluster.start()
        try:
            yield cluster.url("").removesuffix("/")
        finally:
            cluster.stop("immediate")


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """A new, empty database."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"{postgres_server}/{name}"
