"""Play a day of polls in an hour, and say whether anything is left behind.

`make day` starts a server whose fleet never rests (`churning_server`), and an exporter whose time
passes quickly (`quick_time`). It scrapes at every second poll, and writes down every hour of
that day what the process holds. `ARGS="--polls N --speed N"` plays another day, and
`ARGS=--write` writes the table in docs/reliability.md. Exit 1 if what it holds grew.
"""

import argparse
import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from chaos.churning_server import NEW_IDS, RUNNERS
from waiting import until

_PAGE: Final = Path(__file__).parents[2] / "docs/reliability.md"
_BEGIN: Final = "<!-- day: begin -->"
_END: Final = "<!-- day: end -->"
_POLLS: Final = 5_000
_SPEED: Final = 80.0
_INTERVAL: Final = 15.0
_HOUR: Final = 3_600.0
_SCRAPE_TIMEOUT: Final = 20.0
_LOOKS_EVERY: Final = 2.0
_SCRAPE_EVERY: Final = 30.0  # seconds of the exporter's time
_BREAK_EVERY: Final = 20  # scrapes
_WARM_HOURS: Final = 1.0  # by then the first runners have been retired
_GROWTH: Final = 1.05
_MEGABYTE: Final = 2**20
_REQUESTS: Final = "electric_agents_server_requests_total"
_ERRORS: Final = "electric_agents_server_request_errors_total"
_SKIPPED: Final = "electric_agents_server_polls_skipped_total"
_EXPORTED: Final = "electric_agents_server_runners_exported"
_SERIES: Final = "electric_agents_exporter_exposition_series"
_TICKED: Final = "electric_agents_exporter_scheduler_last_tick_timestamp_seconds"
_COUNTED: Final = "&".join(
    f"name[]={name}" for name in (_REQUESTS, _ERRORS, _SKIPPED, _EXPORTED, _SERIES, _TICKED)
)
_SAMPLE: Final = re.compile(r"^(\w+)(\{.*\})? (\S+)$", re.MULTILINE)
_FORMATS: Final = ("text/plain", "application/openmetrics-text;version=1.0.0")


@dataclass
class Hour:
    """What a process held in an hour, or a part of one: each list has a value of every look at it.

    `ends` is how many hours it ends after the first began; `failed_scrapes` are counted by why;
    `counts` are the sums of some families at its end, those of errors by operation and reason too.
    """

    ends: float = 1.0
    memory: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    scrapes: int = 0
    failed_scrapes: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def polls(self) -> int:
        """How many lists were asked for since the process began."""
        return self.counts[f"{_REQUESTS} list"]

    @property
    def failed(self) -> int:
        """How many of these lists were not got."""
        return self.counts[f"{_ERRORS} list"]


class Process:
    """The exporter, seen from outside."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.pid = process.pid
        self._port = port
        self._folder = Path(f"/proc/{process.pid}")
        self._kept = self._connection()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=_SCRAPE_TIMEOUT)

    def look(self, hour: Hour) -> None:
        """Write down what it holds."""
        status = dict(
            line.split(":\t", 1) for line in (self._folder / "status").read_text().splitlines()
        )
        hour.memory.append(int(status["VmRSS"].split()[0]) * 1024 / _MEGABYTE)
        hour.threads.append(int(status["Threads"]))
        hour.descriptors.append(len(os.listdir(self._folder / "fd")))  # noqa: PTH208  (a third)

    def scrape(self, turn: int) -> str:
        """Scrape as Prometheus does, over a connection that is kept; tells why that failed, if."""
        headers = {"accept": _FORMATS[turn % len(_FORMATS)], "accept-encoding": "gzip"}
        try:
            self._kept.request("GET", "/metrics", headers=headers)
            answer = self._kept.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._kept.close()
            return type(error).__name__
        return "" if answer.status == http.client.OK else f"HTTP {answer.status}"

    def break_off(self) -> None:
        """Scrape, and go away after the first bytes."""
        with contextlib.closing(self._connection()) as connection:
            connection.request("GET", "/metrics")
            connection.getresponse().read(1_000)

    def counts(self) -> Counter[str]:
        """Ask for what is counted, over a new connection."""
        with contextlib.closing(self._connection()) as connection:
            connection.request("GET", f"/metrics?{_COUNTED}", headers={"user-agent": "counts"})
            text = connection.getresponse().read().decode()
        found: Counter[str] = Counter()
        for name, labels, value in _SAMPLE.findall(text):
            words = re.findall(r'(?:operation|reason)="(\w+)"', labels)
            for key in {name, f"{name} {words[0]}" if words else name}:
                found[key] += int(float(value))
            if len(words) > 1:
                found[f"{name} {' '.join(words)}"] += int(float(value))
        return found


def main(arguments: Sequence[str]) -> int:
    """Play a day, tell, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--polls", type=int, default=_POLLS, metavar="N")
    parser.add_argument("--speed", type=float, default=_SPEED, metavar="N")
    parser.add_argument("--minutes", type=float, default=90.0, metavar="N", help="and no longer")
    parser.add_argument("--part", type=float, default=1.0, metavar="N", help="hours of a row")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args(arguments)
    hours = []
    with _exporter(options.speed) as process:
        for hour in _played(process, options.polls, options.part, 60 * options.minutes):
            hours.append(hour)
            print(_row(hour), flush=True)
    growth = grown(hours)
    print(_summary(hours), "\n".join(growth) or "Nothing grew.", sep="\n")
    if options.write:
        _write(hours)
    return int(bool(growth))


def _played(process: Process, polls: int, part: float, seconds: float) -> Iterator[Hour]:
    """Scrape once for every poll and give every hour, until there were so many polls."""
    ends, over = time.monotonic() + seconds, False
    began = scraped_at = process.counts()[_TICKED]
    hour, turn = Hour(part), 0
    while not over:
        time.sleep(_LOOKS_EVERY)
        hour.counts = process.counts()
        process.look(hour)
        now = hour.counts[_TICKED]
        if now - scraped_at < _SCRAPE_EVERY:
            continue
        scraped_at = now
        hour.scrapes += 1
        failure = process.scrape(turn)
        if failure:
            hour.failed_scrapes[failure] += 1
        process.look(hour)
        if turn % _BREAK_EVERY == 0:
            process.break_off()
        turn += 1
        over = hour.polls >= polls or time.monotonic() > ends
        if over or now >= began + hour.ends * _HOUR:
            yield hour
            # Reading the settings again is part of a day, too.
            os.kill(process.pid, signal.SIGHUP)
            hour = Hour(hour.ends + part, counts=hour.counts)


@contextlib.contextmanager
def _exporter(speed: float) -> Iterator[Process]:
    """Start the server and an exporter that polls it."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        server = subprocess.Popen(
            [sys.executable, "-m", "chaos.churning_server"],
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.enter_context(server)
        stack.callback(server.kill)
        url = f"http://127.0.0.1:{server.stdout.readline().strip() if server.stdout else ''}"
        config, log = Path(folder) / "config.yaml", Path(folder) / "log"
        config.write_text(
            f"listen: 127.0.0.1:0\nlog: {{level: info}}\ntargets: [{{name: t, url: '{url}', "
            f"principals: ['service:monitor'], interval: {_INTERVAL:g}s}}]\n"
        )
        command = [sys.executable, "-m", "chaos.quick_time", str(speed), str(config)]
        process = stack.enter_context(subprocess.Popen(command, stderr=log.open("wb")))
        stack.callback(process.terminate)
        until(lambda: "msg=serving" in log.read_text(), "it serves")
        (port,) = re.findall(r"address=127.0.0.1:(\d+)", log.read_text())
        yield Process(process, int(port))
        bugs = [line for line in log.read_text().splitlines() if "level=error" in line]
        print(f"{len(log.read_text().splitlines())} lines of log, {len(bugs)} errors", *bugs[:3])


def grown(hours: Sequence[Hour]) -> list[str]:
    """Say what grew from the hours after the warm-up to the last ones."""
    warm = [hour for hour in hours if hour.ends > _WARM_HOURS]
    if len(warm) < 2:
        return ["too short a day to tell"]
    part = max(1, len(warm) // 4)
    first, last = warm[:part], warm[-part:]

    def middle(of: Sequence[Hour], what: str) -> float:
        return float(median(value for hour in of for value in getattr(hour, what)))

    pairs = {
        what: (middle(first, what), middle(last, what))
        for what in ("memory", "descriptors", "threads")
    }
    return [
        f"{what} grew from {before:.0f} to {after:.0f}"
        for what, (before, after) in pairs.items()
        if after > _GROWTH * before
    ]


_HEAD: Final = (
    "hour", "polls", "failed", "runners", "series", "memory", "at most", "descriptors", "threads"
)  # fmt: skip


def _row(hour: Hour) -> str:
    cells = (
        f"{hour.ends:g}",
        f"{hour.polls:,}",
        f"{hour.failed:,}",
        f"{hour.counts[_EXPORTED]:,}",
        f"{hour.counts[_SERIES]:,}",
        f"{median(hour.memory):.0f} MB",
        f"{max(hour.memory):.0f} MB",
        f"{min(hour.descriptors)} to {max(hour.descriptors)}",
        f"{min(hour.threads)} to {max(hour.threads)}",
    )
    return f"| {' | '.join(cells)} |"


def _summary(hours: Sequence[Hour]) -> str:
    last = hours[-1].counts
    reasons: Counter[str] = Counter()
    for key, count in last.items():
        if key.startswith(f"{_ERRORS} ") and len(words := key.split(" ")) > 2:
            reasons[words[2]] += count
    reasons = +reasons
    scrapes = sum(hour.scrapes for hour in hours)
    failures = sum((hour.failed_scrapes for hour in hours), Counter[str]())
    why = "".join(f" ({words} {count})" for words, count in failures.most_common())
    told = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
    return (
        f"Played: {hours[-1].polls:,} polls in {hours[-1].ends:g} hours of the exporter's time, "
        f"{last[_REQUESTS]:,} requests, some {RUNNERS + NEW_IDS * hours[-1].polls:,} different "
        f"runners; {last[_SKIPPED]:,} polls were skipped, "
        f"{failures.total():,} of {scrapes:,} scrapes failed{why}. "
        f"Requests that failed: {told}."
    )


def _write(hours: Sequence[Hour]) -> None:
    lines = [f"| {' | '.join(_HEAD)} |", "|" + "---|" * len(_HEAD)]
    lines += [_row(hour) for hour in hours]
    text = _PAGE.read_text()
    before, after = text[: text.index(_BEGIN)], text[text.index(_END) :]
    body = f"{_summary(hours)}\n\n" + "\n".join(lines)
    _PAGE.write_text(f"{before}{_BEGIN}\n\n{body}\n\n{after}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
