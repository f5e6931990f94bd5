"""What a scrape costs beside a plain encoder in Go of the same lines: how near the limit it is.

The encoder has its samples ready as structs, and has but to write them; it need not look which
runners changed.
"""

import asyncio
import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry

from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.scrape import Scraper
from electric_agents_exporter.metrics.table import build_table
from fleets import Polled, health_bodies
from measure import Comparison, compare, cpu_seconds

_SOURCE = Path(__file__).parent / "plain_encoder"
_AGAINST = "a plain Go encoder"


class _Costs(msgspec.Struct, frozen=True):
    """What the encoder prints: CPU seconds of each run."""

    text: list[float]
    gzip: list[float]


def measure(count: int, runs: int) -> Iterator[Comparison]:
    """Measure scrapes of a fleet of so many runners; nothing without Go (Debian: golang-go)."""
    go = shutil.which("go")
    if go is None:
        return
    polled = Polled(count)
    for turn in range(2):
        polled.poll(health_bodies(count, turn))
    exposer = Exposer(build_table(), ProcessState("0", "3"), CollectorRegistry())
    snapshot = polled.fleet.snapshot()

    def text() -> list[bytes]:
        return list(exposer.expose(snapshot, Format.TEXT))

    theirs = _in_go(go, text(), runs)
    size = f"{count:,} runners"
    yield compare(
        f"scrape, {size}, text, beside Go",
        cpu_seconds(text, runs),
        statistics.median(theirs.text),
        goal=None,
        against=_AGAINST,
    )
    scraper = Scraper(polled.fleet, exposer, polled.clock)

    def changed_and_packed() -> None:
        Poll(polled.fleet.targets["production"]).end()
        asyncio.run(scraper.scrape(Format.TEXT, gzip=True))

    yield compare(
        f"scrape, {size}, gzip, beside Go",
        cpu_seconds(changed_and_packed, runs),
        statistics.median(theirs.gzip),
        goal=None,
        against=f"{_AGAINST} and its gzip at best speed",
    )


def _in_go(go: str, exposition: list[bytes], runs: int) -> _Costs:
    """Let the encoder write the same bytes, which it makes sure of."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        binary, file = folder / "plain_encoder", folder / "exposition.txt"
        environment = dict(os.environ)
        if not os.access(environment.get("HOME", ""), os.W_OK):
            environment["GOCACHE"] = str(folder / "cache")
        # A checkout that git holds for another's must not keep it from being built.
        build = [go, "build", "-buildvcs=false", "-o", str(binary), "."]
        subprocess.run(build, check=True, cwd=_SOURCE, env=environment)
        with file.open("wb") as written:
            written.writelines(exposition)
        command = [str(binary), str(file), str(runs)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return msgspec.json.decode(output, type=_Costs)
