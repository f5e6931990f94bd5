"""A PostgreSQL server of one's own on a free port, which can be stopped and started again."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

TOOLS = Path(__file__).parents[2] / ".venv" / "tools"
USER = "nobody"
"""Whoever it runs as where root runs the tests: PostgreSQL refuses to run as root."""
# Its programs may lie in root's home, where only root may look: so it may look as root does.
# Without the bits, `access` would go by the user alone.
AS_USER = (
    "setpriv",
    f"--reuid={USER}",
    "--clear-groups",
    "--securebits=+no_setuid_fixup",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    "--",
)


def postgres_programs() -> Path | None:
    """Find the folder of initdb and pg_ctl: the system's, or the one that scripts/tools filled."""
    roots = (Path("/"), TOOLS)
    found = [path for root in roots for path in root.glob("usr/lib/postgresql/*/bin/initdb")]
    return found[0].parent if found else None


class Cluster:
    """A server and its data, in a folder that is given away to whoever it runs as."""

    def __init__(self, folder: str, programs: Path) -> None:
        self.folder = Path(folder)
        self.data = self.folder / "data"
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])
        self._programs = programs
        self._as_root = os.geteuid() == 0
        self.own(self.folder)
        libraries = [str(path) for path in (TOOLS / "usr/lib").glob("*-linux-gnu")]
        self._environment = os.environ | {"LD_LIBRARY_PATH": ":".join(libraries)}
        self.run(
            "initdb", "-D", str(self.data), "-U", "postgres", "--auth=trust", "-E", "UTF8", "-N"
        )

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """Write the URL of one of its databases."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def start(self, *settings: str) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off"
        options += "".join(f" -c {setting}" for setting in settings)
        log = str(self.folder / "log")
        self.run("pg_ctl", "-D", str(self.data), "-l", log, "-w", "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` says goodbye to its clients, `immediate` does not."""
        self.run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    def reload(self) -> None:
        """Let it read its files again."""
        self.run("pg_ctl", "-D", str(self.data), "reload")

    def run(self, program: str, *arguments: str) -> None:
        """Run one of its programs as whoever it runs as."""
        subprocess.run(
            [*(AS_USER if self._as_root else ()), self._programs / program, *arguments],
            cwd=self.folder,
            env=self._environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def own(self, path: Path) -> None:
        """Give a file to whoever it runs as."""
        if self._as_root:
            shutil.chown(path, USER)
