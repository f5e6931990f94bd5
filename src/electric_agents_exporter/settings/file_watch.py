"""Whether files have changed: looked at every second, as every file system allows.

Notices of the kernel would not come over a network's file system, nor for a folder that Kubernetes
swaps by a symbolic link unless that is followed by hand; to look costs microseconds.
"""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple

LOOK_SECONDS: Final = 1.0
"""How often to look."""


class _Stamp(NamedTuple):
    """What tells one state of a file from the next, of the file that all links lead to."""

    device: int
    inode: int
    modified: int
    changed: int
    size: int


class FileWatch:
    """Tells once of every change of some files, when it has come to rest.

    A file that is gone has not changed: whoever writes it anew is at it.
    """

    def __init__(self, paths: Collection[Path]) -> None:
        self._known: dict[Path, _Stamp | None] = {path: _stamp(path) for path in paths}
        self._seen = dict(self._known)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are watched."""
        return tuple(self._known)

    def follow(self, paths: Collection[Path]) -> None:
        """Watch these from now on; of those that were watched before no change is lost."""
        for stamps in (self._known, self._seen):
            before = dict(stamps)
            stamps.clear()
            stamps.update(
                {path: before[path] if path in before else _stamp(path) for path in paths}
            )

    def look(self) -> bool:
        """Tell whether something has changed and stands still since the look before."""
        seen = {path: _stamp(path) for path in self._known}
        at_rest = seen == self._seen
        self._seen = seen
        there = {path: stamp or self._known[path] for path, stamp in seen.items()}
        if not at_rest or there == self._known:
            return False
        self._known = there
        return True


def _stamp(path: Path) -> _Stamp | None:
    try:
        at = os.stat(path)  # noqa: PTH116  (of whatever the path leads to by now)
    except OSError:
        return None
    return _Stamp(at.st_dev, at.st_ino, at.st_mtime_ns, at.st_ctime_ns, at.st_size)
