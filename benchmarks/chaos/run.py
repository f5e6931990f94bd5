"""Attack a running exporter, and say what came of it.

`make chaos` makes every attack on an exporter of its own, which polls 1,000 runners and may open
256 files; `ARGS="NAME..."` some, `ARGS=--write` writes their rows in docs/reliability.md.
Beside each attack somebody scrapes every half second, as Prometheus would. Exit 1 if a poll or a
scrape was lost.
"""

import argparse
import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from certificates import Pair
from chaos.attacks import BY_TLS, ON_THE_PORT, Named, Victim
from chaos.surroundings import AROUND
from fleets import PRINCIPAL
from http_poll import canned_server
from loopback import free_port
from waiting import until

_PAGE: Final = Path(__file__).parents[2] / "docs/reliability.md"
_BEGIN: Final = "<!-- chaos: begin -->"
_END: Final = "<!-- chaos: end -->"
_FILES: Final = 256
_POLLS: Final = 5  # in the time of an attack
_SCRAPE_TIMEOUT: Final = 10.0
_COLUMNS: Final = (
    *("attack", "what happens", "polls, failed", "scrapes, failed", "slowest", "next poll"),
    *("peak", "log", "says"),
)
_ATTACKS: Final = (*ON_THE_PORT, *BY_TLS, *AROUND)
_WHY: Final = re.compile(r'(?:why|faults)=(?:"((?:[^"\\]|\\.){1,70})|(\S+))')
_SCRAPER: Final = "Prometheus/2.53.3"
_COUNTER: Final = "chaos-counts"  # not the scraper: of one client two scrapes at once are too many
_LISTS: Final = re.compile(
    r'^electric_agents_server_(requests_total\{server="t",operation="list"\}'
    r'|request_errors_total\{server="t",operation="list",.*\}) (\d+)',
    re.MULTILINE,
)


class Size(NamedTuple):
    """How large an attack is: of how many runners, for how many seconds, at which pace."""

    runners: int = 1000
    seconds: float = 24.0
    interval: str = "4s"
    timeout: str = "1s"


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
    recovery: float = 0.0
    lines: int = 0
    words: str = ""

    @property
    def is_held(self) -> bool:
        """Whether nothing was lost."""
        wanted = _POLLS - self.attack.still
        return not self.failed and not self.errors and self.polls >= wanted


def main(arguments: Sequence[str]) -> int:
    """Attack, tell, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args(arguments)
    chosen = [one for one in _ATTACKS if not options.names or one.name in options.names]
    outcomes = [_told(attacked(one)) for one in chosen]
    if options.write:
        _write(outcomes)
    return int(not all(one.is_held for one in outcomes))


def _told(outcome: Outcome) -> Outcome:
    print(
        f"{'ok ' if outcome.is_held else 'BAD'} {outcome.attack.name}: {outcome.polls:.0f} polls, "
        f"{outcome.errors:.0f} failed; {outcome.scrapes} scrapes, {len(outcome.failed)} failed "
        f"{set(outcome.failed) or ''}, slowest {outcome.slowest:.1f} s; {outcome.peak} MB; "
        f"next poll after {outcome.recovery:.1f} s; {outcome.lines} lines of log: {outcome.words}",
        flush=True,
    )
    return outcome


def attacked(attack: Named, size: Size | None = None) -> Outcome:
    """Attack an exporter of its own, and give what came of it."""
    outcome, size = Outcome(attack), size or Size()
    with _attacked_exporter(attack, size) as (victim, log):
        before = _lists(victim)
        # Who was never served before has no place of its own.
        _scrape(victim, _SCRAPER)
        with _scraped(victim, outcome), attack.attack(victim):
            time.sleep(size.seconds)
        over = time.monotonic()
        after = _lists(victim)
        until(lambda: _lists(victim)[0] > after[0], "it polls after the attack")
        outcome.recovery = time.monotonic() - over
        outcome.polls, outcome.errors = after[0] - before[0], after[1] - before[1]
        status = Path(f"/proc/{victim.pid}/status").read_text()
        outcome.peak = int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) // 1024
        said = log.read_text().splitlines()
        outcome.lines = len(said)
        outcome.words = "; ".join(
            sorted({"".join(found) for found in _WHY.findall("\n".join(said))})
        ).replace(f"{log.parent}/", "")
    return outcome


@contextlib.contextmanager
def _attacked_exporter(attack: Named, size: Size) -> Iterator[tuple[Victim, Path]]:
    """Start a server with runners, and an exporter that polls it; give that and its log."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        url = stack.enter_context(canned_server(size.runners, "churn"))
        config, log, wall = (Path(folder) / name for name in ("config.json", "log", "wall"))
        port = free_port()
        target = {"name": "t", "url": url, "principals": [PRINCIPAL]}
        target |= {"interval": size.interval, "timeout": size.timeout}
        settings: dict[str, object] = {"listen": f"127.0.0.1:{port}", "targets": [target]}
        settings["log"] = {"level": "debug" if attack.deaf else "info"}
        pair = Pair(Path(folder)) if attack.encrypted else None
        if pair is not None:
            settings["web"] = {"tls": {"cert_file": str(pair.cert), "key_file": str(pair.key)}}
        config.write_text(json.dumps(settings))
        wall.write_text("+0")
        lines = stack.enter_context(log.open("wb"))
        command = f"ulimit -n {_FILES}; exec {sys.executable} -m electric_agents_exporter"
        process = stack.enter_context(
            subprocess.Popen(
                ["/bin/sh", "-c", f"{command} --config {config}"],
                stderr=subprocess.PIPE if attack.deaf else lines,
                env=os.environ | (_settable(wall) if attack.sets_clock else {}),
            )
        )
        stack.callback(process.terminate)
        trust = None if pair is None else pair.client()
        victim = Victim(("127.0.0.1", port), process.pid, config, wall, trust)
        until(lambda: _lists(victim)[0] > 1, "it polls")
        yield victim, log


def _settable(wall: Path) -> dict[str, str]:
    """Give the environment of a process whose wall clock a file sets."""
    name = "lib/*/faketime/libfaketimeMT.so.1"
    tools = Path(__file__).parents[2] / ".venv/tools/usr"
    (library, *_) = [*tools.glob(name), *Path("/usr").glob(name)]
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(wall),
        # Asked at every look at a clock, the file would take more than all else.
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _lists(victim: Victim) -> tuple[float, float]:
    """Give how many lists were asked for, and how many failed."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        _, text = _scrape(victim, _COUNTER)
        found = _LISTS.findall(text)
        asked = sum(float(count) for family, count in found if family.startswith("requests"))
        return asked, sum(float(count) for _, count in found) - asked
    return 0.0, 0.0


def _scrape(victim: Victim, who: str) -> tuple[int, str]:
    """Scrape over a connection of its own; gives the status and the text."""
    connection = http.client.HTTPConnection(*victim.address, timeout=_SCRAPE_TIMEOUT)
    if victim.trust is not None:
        connection = http.client.HTTPSConnection(
            *victim.address, timeout=_SCRAPE_TIMEOUT, context=victim.trust
        )
    with contextlib.closing(connection):
        connection.request("GET", "/metrics", headers={"User-Agent": who})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@contextlib.contextmanager
def _scraped(victim: Victim, outcome: Outcome) -> Iterator[None]:
    """Scrape until the end, each time over a connection of its own: that is the harder case."""
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(0.5):
            began = time.monotonic()
            outcome.scrapes += 1
            try:
                status, _ = _scrape(victim, _SCRAPER)
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
    """Renew the rows of the attacks that were made."""
    text = _PAGE.read_text()
    start, end = text.index(_BEGIN) + len(_BEGIN), text.index(_END)
    known = {line.split("|")[1].strip(): line for line in text[start:end].splitlines() if line}
    rows = known | {one.attack.name: _row(one) for one in outcomes}
    head = [f"| {' | '.join(_COLUMNS)} |", f"|{'---|' * len(_COLUMNS)}"]
    lines = [*head, *(rows[one.name] for one in _ATTACKS if one.name in rows)]
    _PAGE.write_text(f"{text[:start]}\n\n" + "\n".join(lines) + f"\n\n{text[end:]}")


def _row(one: Outcome) -> str:
    cells = (
        one.attack.name,
        one.attack.what,
        f"{one.polls:.0f}, {one.errors:.0f}",
        f"{one.scrapes}, {len(one.failed)}",
        f"{one.slowest:.1f} s",
        f"{one.recovery:.1f} s",
        f"{one.peak} MB",
        str(one.lines),
        one.words.replace("|", "/") or "nothing",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
