"""Play ordinary days of fleets, and count what is delivered on them that nobody wants.

`make fleet-days` plays 1,000 days on the rules and the Alertmanager configuration of the tree and
prints what came, by kind of day; `ARGS="--days 60 --seed 7 --rules naive"` others, and `--false`
tells of each false message what happened on its day. `ARGS=--write` plays all days on the shipped
rules, fewer on the first edition's and the naive ones, and writes the table in
docs/alert-quality.md. Exit 1 if the bar is missed: no false page, under 0.1 false tickets a day,
all incidents found in time.

Some fleets share a file and a Prometheus, each in a namespace of its own (a job of its own, for
rules that know no namespaces). Half of the files are scraped every 15 s and half every 30 s, at
moments that drift against the evaluations; one file in eight is evaluated every 15 s, as the groups
say, the others every 30 s, as a ruler may that is told to. On every second file Prometheus
restarts.
"""

import argparse
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from multiprocessing import get_context
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final, NamedTuple

from topology.alertmanager import Delivery, deliveries
from topology.fleet_day import EVENING, LASTS, MORNING, Day, Draft
from topology.fleet_day_incidents import happens
from topology.fleet_day_kinds import KINDS, disturbed
from topology.fleet_days_report import lines, write_page
from topology.fleet_days_verdict import DayVerdict, day_verdict
from topology.lean import lean
from topology.model import Scrapes, World
from topology.player import Firing, play
from topology.run import SETS, rule_set
from topology.steps import Span

DAYS: Final = 1000
OTHERS_DAYS: Final = 100
TOGETHER: Final = 12
"""How many fleets share a file."""
INCIDENTS: Final = 0.1
APART: Final = {"first-edition": "job"}
"""The label in which fleets differ, by set of rules."""


class Watch(NamedTuple):
    """How a Prometheus watches: how far scrapes and evaluations are apart, and when it is away."""

    scrapes: float
    pace: float
    restarts: tuple[Span, ...]

    @property
    def slack(self) -> float:
        """How much later than at best a message may come: scrapes fail, evaluations are rare."""
        return 2 * (self.pace - 15) + 2 * self.scrapes


@dataclass(frozen=True)
class Batch:
    """Days that one Prometheus watches."""

    days: tuple[Day, ...]
    watch: Watch

    def world(self) -> World:
        """Give all that it watches."""
        return World(
            tuple(exporter for day in self.days for exporter in day.exporters),
            lasts=LASTS,
            scrapes=Scrapes.thrifty(self.watch.scrapes),
            prometheus_down=self.watch.restarts,
            pace=self.watch.pace,
        )


@dataclass
class Played:
    """What became of days: a verdict of each, and rules that failed."""

    days: list[DayVerdict] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def batches(days: int, seed: int, apart: str = "namespace") -> Iterator[Batch]:
    """Make days up; a day depends on its seed and number, and on who watches it."""
    kinds = _kinds(days, seed)
    for number, begin in enumerate(range(0, days, TOGETHER)):
        watch = _watch(number, seed)
        those = range(begin, min(days, begin + TOGETHER))
        yield Batch(tuple(_day(kinds[one], one, seed, watch, apart) for one in those), watch)


def _watch(number: int, seed: int) -> Watch:
    chance = Random(f"{seed}/watch/{number}")  # noqa: S311  (no secret)
    begin = chance.uniform(MORNING, EVENING)
    away = (begin, begin + chance.uniform(20, 120))
    return Watch(
        scrapes=15.0 if number % 2 else 30.0,
        pace=15.0 if number % 8 == 5 else 30.0,
        restarts=(away,) if number % 4 > 1 else (),
    )


def _kinds(days: int, seed: int) -> Sequence[str]:
    """Give the kinds of all days: each in its share, in any order."""
    weights = [(kind, weight) for kind, (_, weight, _) in KINDS.items()]
    hundred = [kind for kind, weight in weights for _ in range(weight)]
    chance = Random(f"{seed}/kinds")  # noqa: S311  (no secret)
    chosen: list[str] = []
    while len(chosen) < days:
        chance.shuffle(hundred)
        chosen += hundred
    return chosen[:days]


def _day(kind: str, number: int, seed: int, watch: Watch, apart: str) -> Day:
    chance = Random(f"{seed}/day/{number}")  # noqa: S311  (no secret)
    draft = Draft(chance, watch.slack, watch.restarts)
    KINDS[kind][0](draft)
    disturbed(draft)
    if chance.random() < INCIDENTS:
        happens(draft)
    name = f"fleet-{number}"
    labels = {"job": "electric-agents", apart: name}
    return draft.done(kind, name, labels, watch.scrapes)


def played(batch: Batch, rules_name: str) -> Played:
    """Play some days, and judge each."""
    with rule_set(rules_name) as (rules, settings), tempfile.TemporaryDirectory() as folder:
        less = lean(rules, Path(folder))
        found = play({"it": batch.world()}, less, processes=1)["it"]
    result = Played(errors=[found.error] if found.error else [])
    by_day: dict[str, list[Firing]] = defaultdict(list)
    for firing in found.firing:
        by_day[firing.labels[APART.get(rules_name, "namespace")]].append(firing)
    for day in batch.days:
        delivered: Sequence[Delivery] = deliveries(
            settings,
            by_day[day.name],
            LASTS,
            evaluation=batch.watch.pace,
            down=batch.watch.restarts,
        )
        result.days.append(day_verdict(day, delivered))
    return result


class Plan(NamedTuple):
    """How many days are played, of which seed, how many files at a time, and how long at most."""

    days: int = DAYS
    seed: int = 1
    processes: int | None = None
    minutes: float = inf


def play_days(plan: Plan, rules_name: str) -> Played:
    """Play days on a set of rules; none is begun when the time is over."""
    waiting = batches(plan.days, plan.seed, APART.get(rules_name, "namespace"))
    ends = monotonic() + plan.minutes * 60
    workers = plan.processes or len(os.sched_getaffinity(0))
    result = Played()
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        running = {pool.submit(played, one, rules_name) for one in islice(waiting, workers)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for job in done:
                part = job.result()
                result.days += part.days
                result.errors += part.errors
                _tell(part, f"{rules_name}: {len(result.days)} of {plan.days} days")
            more = islice(waiting, len(done) if monotonic() < ends else 0)
            running |= {pool.submit(played, one, rules_name) for one in more}
    result.days.sort(key=lambda one: int(one.day.name.rpartition("-")[2]))
    return result


def _tell(part: Played, done: str) -> None:
    wrong = [fault for one in part.days for fault in (*one.false, *one.missed)]
    print("; ".join((done, *part.errors, *wrong)), file=sys.stderr, flush=True)


def bar_missed(result: Played) -> list[str]:
    """Say what of the bar is missed."""
    verdicts = result.days
    faults = [f"a rule fails: {error}" for error in result.errors]
    pages = sum(one.false_pages for one in verdicts)
    tickets = sum(one.false_tickets for one in verdicts)
    missed = [fault for one in verdicts for fault in one.missed]
    if pages:
        faults.append(f"{pages} false pages")
    if tickets >= 0.1 * len(verdicts):
        faults.append(f"{tickets / len(verdicts):.2f} false tickets a day")
    return faults + missed


def main(arguments: Sequence[str]) -> int:
    """Play, tell, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rules", choices=SETS, default="shipped")
    parser.add_argument("--processes", type=int, metavar="N", help="promtools at a time")
    parser.add_argument("--minutes", type=float, default=inf, help="begin no day after so long")
    parser.add_argument("--false", action="store_true", help="tell of each false message")
    parser.add_argument("--write", action="store_true", help="write docs/alert-quality.md")
    options = parser.parse_args(arguments)
    plan = Plan(options.days, options.seed, options.processes, options.minutes)
    fewer = plan._replace(days=min(plan.days, OTHERS_DAYS))
    sets = SETS if options.write else (options.rules,)
    found: Mapping[str, Played] = {
        name: play_days(plan if name == options.rules else fewer, name) for name in sets
    }
    for name in sets:
        print(lines(name, found[name].days, told=options.false))
    if options.write:
        write_page({name: one.days for name, one in found.items()}, options.seed)
    faults = bar_missed(found[options.rules])
    print("\n".join(faults) or "the bar is held")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
