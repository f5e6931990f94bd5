"""Files that change, in every way in which they do."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from electric_agents_exporter.settings.file_watch import FileWatch


def mounted(folder: Path, version: str, text: str) -> Path:
    """Mount a ConfigMap as Kubernetes does, or swap in another version of it."""
    (folder / version).mkdir(parents=True)
    (folder / version / "config.yaml").write_text(text)
    (folder / "..tmp").symlink_to(version)
    (folder / "..tmp").rename(folder / "..data")
    path = folder / "config.yaml"
    if not path.is_symlink():
        path.symlink_to("..data/config.yaml")
    return path


def in_place(path: Path) -> None:
    path.write_text("two")


def by_rename(path: Path) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text("two")
    fresh.replace(path)


def by_removal(path: Path) -> None:
    path.unlink()
    path.write_text("two")


def by_the_same_size_and_time(path: Path) -> None:
    before = path.stat()
    by_rename(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def by_permission(path: Path) -> None:
    path.chmod(0o600)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text("one")
    return file


@pytest.mark.parametrize(
    "change", [in_place, by_rename, by_removal, by_the_same_size_and_time, by_permission]
)
def test_a_change_is_told_once_when_it_has_come_to_rest(
    change: Callable[[Path], None], path: Path
) -> None:
    watch = FileWatch([path])
    assert not watch.look()
    change(path)
    assert [watch.look() for _ in range(4)] == [False, True, False, False]


def test_a_configmap_that_kubernetes_swaps_has_changed(tmp_path: Path) -> None:
    path = mounted(tmp_path / "mount", "..one", "one")
    watch = FileWatch([path])
    assert not watch.look()
    mounted(tmp_path / "mount", "..two", "two")
    assert path.read_text() == "two"
    assert [watch.look() for _ in range(3)] == [False, True, False]


def test_a_file_that_is_still_written_is_waited_for(path: Path) -> None:
    watch = FileWatch([path])
    for length in range(1, 5):
        path.write_text("x" * length * 10)
        assert not watch.look()
    assert watch.look()


def test_a_file_that_is_gone_has_not_changed_until_it_is_back(path: Path) -> None:
    watch = FileWatch([path])
    path.unlink()
    assert [watch.look() for _ in range(3)] == [False] * 3
    path.write_text("two")
    assert [watch.look() for _ in range(3)] == [False, True, False]


def test_a_file_that_is_gone_keeps_no_other_change_from_being_told(
    path: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "alerts.json"
    gone.write_text("{}")
    watch = FileWatch([path, gone])
    gone.unlink()
    path.write_text("two")
    assert [watch.look() for _ in range(3)] == [False, True, False]


def test_what_is_watched_can_change_and_no_change_of_what_was_is_lost(
    path: Path, tmp_path: Path
) -> None:
    watch = FileWatch([path])
    other = tmp_path / "alerts.json"
    other.write_text("{}")
    path.write_text("two")
    watch.follow([path, other])
    assert [watch.look() for _ in range(3)] == [False, True, False]
    other.write_text("{} ")
    assert [watch.look() for _ in range(3)] == [False, True, False]
    watch.follow([path])
    other.write_text("{}")
    assert [watch.look() for _ in range(3)] == [False] * 3
