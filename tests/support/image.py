"""The images that `make image` built, and programs in them that run as engines run them."""

import contextlib
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import pytest

from waiting import PATIENCE, until

_NOTHING: Final = Path("/mnt")
_BUILT: Final = Path(__file__).parents[2] / "build/image"

# Processes, mounts and a root of its own, which cannot be written; the network is this machine's.
_CONTAIN: Final = """
set -e
root=$1 user=$2 lent=$3
shift 3
mount --bind "$root" "$root"
mount --bind "$lent" "$root/mnt"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -o remount,bind,ro "$root"
exec chroot --userspec="$user" "$root" /usr/bin/env --ignore-environment "$@"
"""


@dataclass(frozen=True)
class Image:
    """A file system, and the settings that the Dockerfile gave it."""

    root: Path
    settings: dict[str, Any]

    @classmethod
    def built(cls, name: str) -> Self:
        """Find the exporter's or the simulator's; skip the test where it cannot be run."""
        folder = _BUILT / name
        if not (folder / "image.json").exists():
            pytest.skip("there is no image: run `make image`")
        if os.geteuid() != 0:
            pytest.skip("mounts of its own need root's rights")
        told = json.loads((folder / "image.json").read_text())
        return cls(folder / "root", told["Docker"]["config"])

    def start(
        self, *command: str, environment: dict[str, str] | None = None, lent: Path = _NOTHING
    ) -> "Contained":
        """Start what a container of it runs: its entry point, with a command or its own.

        Args:
            command: in place of the image's own.
            environment: variables to add.
            lent: a folder of this machine that stands at /mnt there.
        """
        variables = [*self.settings["Env"], *_spelled(environment or {})]
        arguments = [*self.settings["Entrypoint"], *(command or self.settings["Cmd"])]
        return self.start_program(*variables, *arguments, user=self.settings["User"], lent=lent)

    def start_program(self, *arguments: str, user: str, lent: Path = _NOTHING) -> "Contained":
        """Start any program in it."""
        alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", _CONTAIN]
        process = subprocess.Popen(
            [*alone, "bash", str(self.root), user, str(lent), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return Contained(process)


def _spelled(environment: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in environment.items()]


class Contained:
    """A process that runs in an image."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def finish(self) -> subprocess.CompletedProcess[str]:
        """Wait for its end, and give what it said."""
        output, errors = self._process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess([], self._process.returncode, output, errors)

    @property
    def pid(self) -> int:
        """What the first process in it is called out here."""
        until(self._first, "the container's first process")
        return int(self._first())

    def _first(self) -> str:
        of = self._process.pid
        return Path(f"/proc/{of}/task/{of}/children").read_text()

    def status(self) -> dict[str, list[str]]:
        """Give what the kernel says of it, by name."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}

    def stop(self) -> subprocess.CompletedProcess[str]:
        """Ask it to end, as engines do, and wait."""
        os.kill(self.pid, signal.SIGTERM)
        return self.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Who changed its user does not end with its parent any more; with the first process all do.
        if self._process.poll() is None and (first := self._first()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(first), signal.SIGKILL)
        self._process.kill()
        self._process.communicate(timeout=PATIENCE)
