"""Samples in promtool's short form, on the grid of a world's scrapes."""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from topology.steps import Run


class Scrape(Enum):
    """How a scrape went; in a gap there was none, and nobody to write that a series ended."""

    GOOD = "good"
    FAILED = "failed"
    GAP = "gap"


class Layout(NamedTuple):
    """How the scrapes of one exporter lie on the grid, and how they went, in order."""

    first: int
    every: int
    scrapes: Sequence[tuple[int, Scrape]]


def written(runs: Iterable[Run], layout: Layout) -> str:
    """Write samples of the good scrapes; a series that ends gets Prometheus's mark for that."""
    parts = [f"_x{layout.first}"] if layout.first else []
    source = _Source(runs)
    present = False
    for count, scrape in layout.scrapes:
        if scrape is Scrape.GOOD:
            for run in source.take(count):
                if run.value is None:
                    parts += _nothing(run.length, layout.every, stale=present)
                    present = False
                else:
                    parts.append(_samples(run, layout.every))
                    present = True
            continue
        parts += _nothing(count, layout.every, stale=present and scrape is Scrape.FAILED)
        present = present and scrape is Scrape.GAP
    while parts and parts[-1].startswith("_"):
        parts.pop()
    return " ".join(parts)


class _Source:
    """Gives as many samples of some runs as are asked for."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs = iter(runs)
        self._left: Run | None = None

    def take(self, count: int) -> Iterator[Run]:
        while count:
            run = self._left or next(self._runs, None)
            if run is None:
                yield Run(count, None)
                return
            taken = min(count, run.length)
            yield Run(taken, run.value, run.rise)
            rest = run.length - taken
            self._left = None
            if rest:
                value = None if run.value is None else run.value + run.rise * taken
                self._left = Run(rest, value, run.rise)
            count -= taken


def _nothing(count: int, every: int, *, stale: bool) -> list[str]:
    steps = count * every - stale
    return [*(["stale"] if stale else []), *([f"_x{steps}"] if steps else [])]


def _samples(run: Run, every: int) -> str:
    assert run.value is not None  # noqa: S101  (the caller saw to that)
    if every == 1:
        if run.length == 1:
            return _number(run.value)
        if not run.rise:
            return f"{_number(run.value)}x{run.length - 1}"
        return f"{_number(run.value)}{run.rise:+.10g}x{run.length - 1}"
    pause = f" _x{every - 1}"
    if not run.rise:
        return " ".join([_number(run.value) + pause] * run.length)
    return " ".join(_number(run.value + run.rise * n) + pause for n in range(run.length))


def _number(value: float) -> str:
    return f"{value:.14g}"


def compressed(values: Sequence[float | None]) -> list[Run]:
    """Give values one by one as runs that rise evenly."""
    runs: list[Run] = []
    position, end = 0, len(values)
    while position < end:
        value = values[position]
        last = position + 1
        if value is None:
            while last < end and values[last] is None:
                last += 1
            runs.append(Run(last - position, None))
        else:
            rise = 0.0
            following = values[last] if last < end else None
            if following is not None:
                rise = round(following - value, 9)
                while last < end and _continues(values[last - 1], values[last], rise):
                    last += 1
            if last - position == 2 and rise:
                last -= 1
            runs.append(Run(last - position, value, rise if last - position > 1 else 0.0))
        position = last
    return runs


def _continues(before: float | None, value: float | None, rise: float) -> bool:
    return before is not None and value is not None and round(value - before, 9) == rise
