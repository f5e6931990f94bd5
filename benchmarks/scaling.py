"""Shards of one fleet in a database, one after the other, each in a process of its own.

What is told of each: how long a poll takes, its CPU time and memory, how many runners it has, and
how large its exposition is. Together they must have every runner once. A machine of two processors
does not run ten shards at once; that they share nothing but the database is what makes the sum.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry

from electric_agents_exporter.fleet.clock import SystemClock
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.selection import Selection, Shard
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.table import build_table
from electric_agents_exporter.sources.postgres import PostgresOptions, PostgresSource
from electric_agents_exporter.sources.source import EVERYONE
from postgres import database

PAGE: Final = Path(__file__).parents[1] / "docs/scaling.md"
BEGIN: Final = "<!-- shards: begin -->"
END: Final = "<!-- shards: end -->"
_PATIENCE: Final = 3600.0


@dataclass(frozen=True)
class Measured:
    """One shard: seconds, megabytes and counts. A first poll reads every report."""

    index: int
    runners: int
    first_poll: float
    poll: float
    cpu: float
    memory: float
    samples: int
    exposition: float


def main() -> int:
    """Measure every shard, and print or write the table.

    Returns:
        The exit code: 1 where the shards do not have every runner exactly once.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runners", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="keep the table in docs/scaling.md")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        url, index = options.one.rsplit("#", 1)
        found = asyncio.run(_measure(url, Shard(int(index), options.shards), options.runners))
        print(json.dumps(asdict(found)))
        return 0
    with database(options.runners, claims=options.runners) as url:
        measured = [_apart(url, index, options) for index in range(options.shards)]
    text = _table(measured, options.runners)
    print(text)
    if options.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{rest.partition(END)[2]}")
    return int(sum(each.runners for each in measured) != options.runners)


def _apart(url: str, index: int, options: argparse.Namespace) -> Measured:
    sizes = ["--runners", str(options.runners), "--shards", str(options.shards)]
    command = [sys.executable, __file__, *sizes, "--one", f"{url}#{index}"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=_PATIENCE)
    found = msgspec.json.decode(done.stdout, type=Measured)
    print(found, file=sys.stderr)
    return found


async def _measure(url: str, shard: Shard, runners: int) -> Measured:
    """Poll twice, and write the exposition once."""
    clock = SystemClock()
    fleet = Fleet(clock)
    selection = Selection(shard=shard)
    policy = Policy(
        "production",
        (EVERYONE,),
        selection=selection,
        max_runners=runners,
        max_listed=runners,
        stale_after=_PATIENCE,
        database=True,
    )
    fleet.configure([policy])
    options = PostgresOptions(url, timeout=_PATIENCE)
    source = PostgresSource(options, clock)
    target = fleet.targets["production"]
    took, cpu = [], []
    for _ in range(2):
        began, worked = time.monotonic(), time.process_time()
        poll = Poll(target)
        result = poll.end(complete=await source.poll(poll, paced=False))
        took.append(time.monotonic() - began)
        cpu.append(time.process_time() - worked)
        assert result.succeeded, f"nothing is measured: {result.faults}"  # noqa: S101
    await source.aclose()
    exposer = Exposer(build_table(), ProcessState("0", "3"), CollectorRegistry())
    samples = size = 0
    for part in exposer.expose(fleet.snapshot(), Format.TEXT):
        size += len(part)
        samples += part.count(b"\n") - part.count(b"\n#") - part.startswith(b"#")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    watched = len(fleet.snapshot().targets[0].runners)
    return Measured(shard.index, watched, took[0], took[1], cpu[1], peak, samples, size / 1e6)


def _table(measured: list[Measured], runners: int) -> str:
    head = (
        "shard",
        "runners",
        "first poll",
        "poll",
        "CPU of it",
        "memory",
        "samples",
        "exposition",
    )
    rows = [
        _row(
            str(each.index),
            f"{each.runners:,}",
            f"{each.first_poll:.1f} s",
            f"{each.poll:.1f} s",
            f"{each.cpu:.1f} s",
            f"{each.memory:,.0f} MB",
            f"{each.samples:,}",
            f"{each.exposition:,.0f} MB",
        )
        for each in measured
    ]
    together = _row(
        "all",
        f"{sum(each.runners for each in measured):,}",
        "",
        "",
        f"{sum(each.cpu for each in measured):.1f} s",
        f"{sum(each.memory for each in measured):,.0f} MB",
        f"{sum(each.samples for each in measured):,}",
        f"{sum(each.exposition for each in measured):,.0f} MB",
    )
    what = f"{runners:,} runners in one database, and as many claims, in {len(measured)} shards."
    return "\n".join([what, "", _row(*head), "|---" * len(head) + "|", *rows, together, ""])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
