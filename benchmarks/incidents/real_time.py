"""In real time: how long it takes until somebody is paged for a death at work, ten times.

Beside them, also in real time, what must be silent: a drain, a pool scaled in, three deployments.
`make real-time` plays them all at once, in three quarters of an hour; `ARGS=--write` writes what
came of it into docs/alert-quality.md. Exit 1 if a page came late, or anything else came at all.
"""

import argparse
import re
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from incidents.catalogue import DEADLINE, MINUTE, find
from incidents.model import Incident
from incidents.results import Result
from incidents.run import play

PAGE: Final = Path(__file__).parents[2] / "docs" / "alert-quality.md"
DEATHS: Final = 10
QUIET: Final = ("drain", "pool-scaled-in", "deployments")

_BETWEEN: Final = re.compile(r"(<!-- real time: begin -->\n).*(<!-- real time: end -->)", re.DOTALL)
_APART: Final = 3.7
"""Seconds from one start to the next, so that each meets polls and scrapes in another phase."""


def incidents(deaths: int) -> tuple[Incident, ...]:
    """Give what is played: so many deaths, each followed until long after its page is due."""
    death = replace(find("death-at-work"), lasts=7 * MINUTE)
    return (*(death,) * deaths, *map(find, QUIET))


def table(results: Sequence[Result]) -> str:
    """Give what came of it, as a page shows it."""
    return "\n".join(_lines(results))


def _lines(results: Sequence[Result]) -> Iterator[str]:
    silences = sorted(_silences(results))
    lost = sum(outcome.missed for result in results for outcome in result.outcomes)
    yield f"Played in real time on {datetime.now(UTC):%Y-%m-%d}."
    yield ""
    yield "| what | times | from the last sign of life to the page | other messages |"
    yield "|---|---|---|---|"
    deaths = [result for result in results if result.incident.expected]
    spans = (
        f"{silences[0]:.0f} s to {silences[-1]:.0f} s, middle {statistics.median(silences):.0f} s"
        if silences
        else "never"
    )
    missed = f", {lost} missed" if lost else ""
    others = sum(map(_others, deaths))
    yield f"| a runner dies with work in its hands | {len(deaths)} | {spans}{missed} | {others} |"
    for result in results:
        if not result.incident.expected:
            yield f"| {result.incident.what} | 1 | none is wanted | {_others(result)} |"


def _others(result: Result) -> int:
    return len(result.false_pages) + len(result.false_tickets)


def _silences(results: Sequence[Result]) -> Iterator[float]:
    for result in results:
        for outcome in result.outcomes:
            if outcome.silent_for is not None:
                yield outcome.silent_for


def main(arguments: Sequence[str]) -> int:
    """Play, report, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deaths", type=int, default=DEATHS, metavar="N")
    parser.add_argument("--write", action="store_true", help="write docs/alert-quality.md")
    options = parser.parse_args(arguments)
    abandoned = threading.Event()

    def played(numbered: tuple[int, Incident]) -> Result:
        number, incident = numbered
        time.sleep(number * _APART)
        return play(incident, 1.0, abandoned)

    chosen = incidents(options.deaths)
    with ThreadPoolExecutor(len(chosen)) as pool:
        try:
            results = list(pool.map(played, enumerate(chosen)))
        except BaseException:
            abandoned.set()
            raise
    print(table(results))
    if options.write:
        whole = table(results)
        page = _BETWEEN.sub(lambda found: f"{found[1]}\n{whole}\n\n{found[2]}", PAGE.read_text())
        PAGE.write_text(page)
    late = any(silent > DEADLINE for silent in _silences(results))
    return int(late or not all(result.good for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
