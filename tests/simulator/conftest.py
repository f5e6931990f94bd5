import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from electric_agents_simulator.clock import ManualClock
from electric_agents_simulator.server.system import System, make_system
from electric_agents_simulator.storage.registry import IN_MEMORY, Registry, open_engine
from electric_agents_simulator.testing import Caller, in_memory

TOOLS = Path(__file__).parents[2] / ".venv" / "tools"


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


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL of our own on a free port; its URL lacks the name of a database."""
    programs = postgres_programs()
    if programs is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not here; scripts/tools fetches it")
        pytest.skip("PostgreSQL is not here; scripts/tools fetches it")
    with tempfile.TemporaryDirectory() as folder:
        user = unprivileged_user(folder)
        data = Path(folder) / "data"
        libraries = [str(path) for path in (TOOLS / "usr/lib").glob("*-linux-gnu")]
        environment = os.environ | {"LD_LIBRARY_PATH": ":".join(libraries)}

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [programs / program, *arguments],
                user=user,
                cwd=folder,
                env=environment,
                check=True,
                stdout=subprocess.DEVNULL,
            )

        port = free_port()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
        run("initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "-E", "UTF8", "-N")
        run("pg_ctl", "-D", str(data), "-l", f"{folder}/log", "-w", "-o", options, "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}"
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """A new, empty database."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"{postgres_server}/{name}"


def postgres_programs() -> Path | None:
    """Find the folder of initdb and pg_ctl: the system's, or the one that scripts/tools filled."""
    roots = (Path("/"), TOOLS)
    found = [path for root in roots for path in root.glob("usr/lib/postgresql/*/bin/initdb")]
    return found[0].parent if found else None


def unprivileged_user(folder: str) -> str | None:
    """Give the folder to somebody whom PostgreSQL does not refuse, as it refuses root."""
    if os.geteuid() != 0:
        return None
    user = "nobody"
    shutil.chown(folder, user)
    return user


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
