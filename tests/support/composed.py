"""The services of a compose file as programs of this machine, with the very files that it mounts.

They run in a network, a file system and a list of processes of their own: files lie where the
compose file mounts them, each service's name means loopback, and nothing outside sees any of it.
Root's rights are needed. Images, users and limits are not emulated.
"""

import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

_ROOT: Final = Path("/mnt")
"""Where the file system of the services is built: in a list of mounts that nobody else sees."""

_SET_FLAGS: Final = 0x8914
_UP_AND_RUNNING: Final = 0x41


class Composed:
    """The services while they run."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, url: str) -> Any:  # noqa: ANN401  (JSON)
        """Give what a service answers, JSON or text; nothing where it does not answer well."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{url}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def composed(file: Path, programs: Mapping[str, Sequence[str]], logs: Path) -> Iterator[Composed]:
    """Run services of a compose file.

    Args:
        file: the compose file.
        programs: for each service what its image would start, before its `command`.
        logs: a folder for what they say.
    """
    alone = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    inside = [sys.executable, __file__, str(file), json.dumps(programs), str(logs)]
    process = subprocess.Popen(
        [*alone, *inside], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Composed(process)
    finally:
        process.communicate(timeout=60)


def _inside(file: Path, programs: dict[str, list[str]], logs: Path) -> None:
    services = yaml.safe_load(file.read_text())["services"]
    _bring_up_loopback()
    _build_root([*services])
    for name in programs:
        for volume in services[name].get("volumes", ()):
            _mount_volume(file.parent, volume)
    os.chroot(_ROOT)
    running = []
    for name, program in programs.items():
        log = (logs / f"{name}.log").open("w")
        command = [*program, *services[name].get("command", ())]
        running.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_fetch(line.strip())) + "\n")
        sys.stdout.flush()
    for process in running:
        process.terminate()
    for process in running:
        process.wait(30)


def _bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SET_FLAGS, struct.pack("16sh", b"lo", _UP_AND_RUNNING))


def _build_root(names: list[str]) -> None:
    """Make a file system that is this machine's, with an /etc and places in / of its own."""
    _mount("-t", "tmpfs", "none", str(_ROOT))
    for entry in Path("/").iterdir():
        here = _ROOT / entry.name
        if entry.is_symlink():
            here.symlink_to(entry.readlink())
        elif entry.name == "etc":
            shutil.copytree(entry, here, symlinks=True)
        elif entry.is_dir() and entry != _ROOT:
            here.mkdir()
            _mount("--rbind", str(entry), str(here))
    (_ROOT / "etc/hosts").write_text(f"127.0.0.1 localhost {' '.join(names)}\n")


def _mount_volume(folder: Path, volume: str) -> None:
    """Mount what `SOURCE:TARGET:ro` says, where nothing of this machine lies.

    Raises:
        ValueError: it says another thing, or would be written to this machine's own folders.
    """
    source, target, mode = volume.split(":")
    here = _ROOT / target.removeprefix("/")
    what = (folder / source).resolve(strict=True)
    own = here.is_relative_to(_ROOT / "etc")
    if mode != "ro" or not (own or not Path("/", *Path(target).parts[1:2]).exists()):
        raise ValueError(f"cannot mount {volume}")
    if what.is_dir():
        here.mkdir(parents=True)
    else:
        here.parent.mkdir(parents=True, exist_ok=True)
        here.touch()
    _mount("--bind", str(what), str(here))
    _mount("-o", "remount,bind,ro", str(here))


def _mount(*arguments: str) -> None:
    subprocess.run(["/usr/bin/mount", *arguments], check=True)


def _fetch(url: str) -> Any:  # noqa: ANN401  (JSON)
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (loopback)
            text = answer.read().decode()
    except (urllib.error.URLError, OSError):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    _inside(Path(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3]))
