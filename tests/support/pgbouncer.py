"""A PgBouncer of one's own before a PostgreSQL server: transactions of all clients share it."""

import os
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from postgres_cluster import AS_USER, TOOLS, USER
from waiting import until


def pgbouncer_program() -> str | None:
    """Find it: the system's, or the one that scripts/tools fetched."""
    found = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    own = TOOLS / "usr/sbin/pgbouncer"
    return found or (str(own) if own.exists() else None)


class PgBouncer:
    """A pooler with one connection to the server, in transaction pooling."""

    def __init__(self, folder: Path, program: str, server_port: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])
        self._program = program
        self._settings = folder / "pgbouncer.ini"
        self._settings.write_text(
            f"[databases]\n* = user=postgres host=127.0.0.1 port={server_port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\n"
            "unix_socket_dir =\nauth_type = any\npool_mode = transaction\n"
            "default_pool_size = 1\nlogfile = /dev/null\nserver_reset_query =\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        """Write the URL of a database behind it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> Self:
        """Start it, and wait until it answers."""
        libraries = [str(path) for path in (TOOLS / "usr/lib").glob("*-linux-gnu")]
        known = os.environ.get("LD_LIBRARY_PATH", "").split(":")
        as_user: tuple[str, ...] = ()
        if os.geteuid() == 0:
            shutil.chown(self._settings, USER)
            as_user = AS_USER
        self._process = subprocess.Popen(
            [*as_user, self._program, "-q", str(self._settings)],
            cwd="/",
            env=os.environ | {"LD_LIBRARY_PATH": ":".join([*known, *libraries])},
            stdout=subprocess.DEVNULL,
        )
        until(self._answers, "PgBouncer answers")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True
