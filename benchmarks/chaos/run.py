"""Attack a running exporter, and say what came of it.

`make chaos` makes every attack on an exporter of its own, which polls a simulated agents-server and
may open 256 files; `ARGS="NAME..."` some, `ARGS=--write` writes the table in docs/reliability.md.
Beside each attack somebody scrapes every half second, as Prometheus would. Exit 1 if a poll or a
scrape was lost.
"""

import argparse
import contextlib
import http.client
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chaos.attacks import ATTACKS, Address, Named
from waiting import until

_PAGE: Final = Path(__file__).parents[2] / "docs/reliability.md"
_BEGIN: Final = "<!-- chaos: begin -->"
_END: Final = "<!-- chaos: end -->"
_RUNNERS: Final = 200
_FILES: Final = 256
_SECONDS: Final = 24.0
_INTERVAL: Final = 4.0
_SCRAPE_TIMEOUT: Final = 10.0
_LISTS: Final = re.compile(
    r'^electric_agents_server_(requests_total\{server="t",operation="list"\}'
    r'|request_errors_total\{server="t",operation="list",.*\}) (\d+)',
    re.MULTILINE,
)


@dataclass
class Outcome:
    """What an attack came to: of how many scrapes and polls how many failed, and the rest."""

    attack: Named
    scrapes: int = 0
    failed: list[str] = field(default_factory=list)
    polls: float = 0.0
    errors: float = 0.0
    peak: int = 0
    slowest: float = 0.0
    lines: int = 0
    words: str = ""

    @property
    def is_held(self) -> bool:
        """Whether nothing was lost."""
        return not self.failed and not self.errors and self.polls >= 0.8 * _SECONDS / _INTERVAL


def main(arguments: Sequence[str]) -> int:
    """Attack, tell, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args(arguments)
    chosen = [one for one in ATTACKS if not options.names or one.name in options.names]
    outcomes = [_attacked(one) for one in chosen]
    if options.write:
        _write(outcomes)
    return int(not all(one.is_held for one in outcomes))


def _attacked(attack: Named) -> Outcome:
    outcome = Outcome(attack)
    with _exporter() as (process, address, log):
        before = _lists(address)
        with _scraped(address, outcome), attack.attack(address):
            time.sleep(_SECONDS)
            after = _lists(address)
        outcome.polls, outcome.errors = after[0] - before[0], after[1] - before[1]
        status = Path(f"/proc/{process.pid}/status").read_text()
        outcome.peak = int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) // 1024
        said = log.read_text().splitlines()
        outcome.lines = len(said)
        outcome.words = "; ".join(re.findall(r'why="?([^"]*?)"? times', "\n".join(said)))
    print(
        f"{'ok ' if outcome.is_held else 'BAD'} {attack.name}: {outcome.polls:.0f} polls, "
        f"{outcome.errors:.0f} failed; {outcome.scrapes} scrapes, {len(outcome.failed)} failed "
        f"{set(outcome.failed) or ''}, slowest {outcome.slowest:.1f} s; {outcome.peak} MB; "
        f"{outcome.lines} lines of log: {outcome.words}",
        flush=True,
    )
    return outcome


@contextlib.contextmanager
def _exporter() -> Iterator[tuple["subprocess.Popen[bytes]", Address, Path]]:
    """Start a simulated server with runners, and an exporter that polls it."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        url = _simulator(stack)
        config, log = Path(folder) / "config.yaml", Path(folder) / "log"
        config.write_text(
            f"listen: 127.0.0.1:0\nlog: {{level: info}}\ntargets: [{{name: t, url: '{url}', "
            f"principals: ['service:monitor'], interval: {_INTERVAL:g}s, timeout: 1s}}]\n"
        )
        command = f"ulimit -n {_FILES}; exec {sys.executable} -m electric_agents_exporter"
        process = stack.enter_context(
            subprocess.Popen(
                ["/bin/sh", "-c", f"{command} --config {config}"], stderr=log.open("wb")
            )
        )
        stack.callback(process.terminate)
        until(lambda: "msg=serving" in log.read_text(), "it serves")
        (port,) = re.findall(r"address=127.0.0.1:(\d+)", log.read_text())
        address = ("127.0.0.1", int(port))
        until(lambda: _lists(address)[0] > 1, "it polls")
        yield process, address, log


def _simulator(stack: contextlib.ExitStack) -> str:
    command = [sys.executable, "-m", "electric_agents_simulator", "demo", "--listen"]
    process = stack.enter_context(
        subprocess.Popen(
            [*command, "127.0.0.1:0", "--runners", str(_RUNNERS), "--scenario", "healthy-day"],
            stdout=subprocess.PIPE,
            text=True,
        )
    )
    stack.callback(process.terminate)
    line = process.stdout.readline() if process.stdout else ""
    return line.partition("ready on ")[2].strip()


def _lists(address: Address) -> tuple[float, float]:
    """Give how many lists were asked for, and how many failed."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        _, text = _scrape(http.client.HTTPConnection(*address, timeout=_SCRAPE_TIMEOUT))
        found = _LISTS.findall(text)
        asked = sum(float(count) for family, count in found if family.startswith("requests"))
        return asked, sum(float(count) for _, count in found) - asked
    return 0.0, 0.0


def _scrape(connection: http.client.HTTPConnection) -> tuple[int, str]:
    connection.request("GET", "/metrics", headers={"User-Agent": "Prometheus/2.53.3"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@contextlib.contextmanager
def _scraped(address: Address, outcome: Outcome) -> Iterator[None]:
    """Scrape until the end, each time over a connection of its own: that is the harder case."""
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(0.5):
            began = time.monotonic()
            outcome.scrapes += 1
            try:
                connection = http.client.HTTPConnection(*address, timeout=_SCRAPE_TIMEOUT)
                status, _ = _scrape(connection)
                connection.close()
                if status != http.client.OK:
                    outcome.failed.append(str(status))
            except (OSError, http.client.HTTPException) as error:
                outcome.failed.append(type(error).__name__)
            outcome.slowest = max(outcome.slowest, time.monotonic() - began)

    thread = threading.Thread(target=scrape)
    thread.start()
    yield
    over.set()
    thread.join()


def _write(outcomes: Sequence[Outcome]) -> None:
    lines = [
        "| attack | what happens | polls, failed | scrapes, failed | slowest | peak | log | says |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in outcomes:
        cells = (
            one.attack.name,
            one.attack.what,
            f"{one.polls:.0f}, {one.errors:.0f}",
            f"{one.scrapes}, {len(one.failed)}",
            f"{one.slowest:.1f} s",
            f"{one.peak} MB",
            str(one.lines),
            one.words or "nothing",
        )
        lines.append(f"| {' | '.join(cells)} |")
    text = _PAGE.read_text()
    before, after = text[: text.index(_BEGIN)], text[text.index(_END) :]
    _PAGE.write_text(f"{before}{_BEGIN}\n\n" + "\n".join(lines) + f"\n\n{after}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
