"""What one refresh of a dashboard costs the Prometheus that it asks: `make board-cost`.

A fleet is scraped and judged by the rules for a while, and six hours of its runners' recorded
states are put beside that. Then every query of each given dashboard is asked as Grafana asks it
over six hours, one dashboard after the other and again, so that two files can be compared: the one
before, and ours.
"""

import argparse
import json
import math
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from alert_values import Duration
from fleets import PRINCIPAL
from http_poll import canned_server
from loopback import free_port
from under_prometheus import Evaluating, exporter_command, start

ROOT: Final = Path(__file__).parents[1]
RULES: Final = ROOT / "alerts" / "rules"
RANK: Final = "server_runner:electric_agents_runner_state:rank"
JOB: Final = "electric-agents-exporter"
SCRAPE: Final = 15
HOURS: Final = 6
POINTS: Final = 500
"""Of a graph on a wide screen."""
CHOSEN: Final[Mapping[str, str]] = {
    "job": ".+",
    "cluster": ".*",
    "instance": ".+",
    "server": ".+",
    "tenant": ".*",
}
_NAMED: Final = 12
"""How many of the dearest queries are told."""
_VARIABLE: Final = re.compile(r"\$\{?(\w+)(?::\w+)?\}?")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("boards", nargs="+", type=Path, metavar="DASHBOARD.json")
    parser.add_argument("--runners", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=90, help="of scraping before")
    parser.add_argument("--times", type=int, default=5, help="refreshes of each")
    options = parser.parse_args()
    binary, promtool = shutil.which("prometheus"), shutil.which("promtool")
    if binary is None or promtool is None:
        print("board-cost: prometheus is missing: run `make tools`", file=sys.stderr)
        return 1
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(canned_server(options.runners, "churn"))
        port = free_port()
        start(stack, exporter_command(folder, port, url, options.runners))
        runners = _runners(url)
        place = folder / "history"
        place.mkdir()
        _put_history(folder, place / "tsdb", runners, promtool)
        prometheus = Evaluating(stack, place, binary, port, RULES)
        time.sleep(options.seconds)
        now = time.time()
        # What scrapes and rules cost is no board's.
        prometheus.rest()
        spent: dict[Path, list[float]] = {board: [] for board in options.boards}
        dearest: dict[Path, dict[str, float]] = {board: {} for board in options.boards}
        for _ in range(options.times):
            for board in options.boards:
                asked = list(_refresh(prometheus, board, now))
                spent[board].append(sum(seconds for _, seconds in asked))
                for name, seconds in asked:
                    dearest[board][name] = min(seconds, dearest[board].get(name, math.inf))
    for board, refreshes in spent.items():
        each = ", ".join(f"{seconds:.2f}" for seconds in refreshes)
        middle = statistics.median(refreshes)
        least = sum(dearest[board].values())
        print(f"{board}: {middle:.2f} s of CPU a refresh (of {each}); {least:.2f} s at the least")
        for name, took in sorted(dearest[board].items(), key=lambda one: -one[1])[:_NAMED]:
            print(f"  {took:.2f} s {name}")
    return 0


def _runners(url: str) -> list[str]:
    request = urllib.request.Request(  # noqa: S310  (loopback)
        f"{url}/_electric/runners", headers={"electric-principal": PRINCIPAL}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return [each["id"] for each in json.load(answer)]


def _put_history(folder: Path, tsdb: Path, runners: list[str], promtool: str) -> None:
    """Write what the rules would have recorded of every runner until now."""
    now = int(time.time()) // SCRAPE * SCRAPE
    moments = range(now - HOURS * 3600, now, SCRAPE)
    file = folder / "history.txt"
    with file.open("w") as out:
        out.write(f"# TYPE {RANK} gauge\n")
        for place, runner in enumerate(runners):
            labels = f'{RANK}{{job="{JOB}",server="canned",runner_id="{runner}"}} '
            out.writelines(
                f"{labels}{8 if (moment // 60 + place) % 97 == 0 else 0} {moment}\n"
                for moment in moments
            )
        out.write("# EOF\n")
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(file), str(tsdb)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    file.unlink()


def _refresh(prometheus: Evaluating, board: Path, now: float) -> Iterator[tuple[str, float]]:
    """Ask everything that a dashboard showed at a moment; gives the CPU that each query took."""
    for panel in json.loads(board.read_text())["panels"]:
        for target in panel.get("targets", []):
            seconds = int(Duration.parse(panel.get("timeFrom", f"{HOURS}h")))
            points = panel.get("maxDataPoints") or POINTS
            step = max(SCRAPE, int(seconds / points))
            asked: dict[str, Any] = {"query": _filled(target["expr"], step)}
            if target["instant"]:
                path, asked["time"] = "query", now
            else:
                end = int(now) // step * step
                path = "query_range"
                asked |= {"start": end - seconds, "end": end, "step": step}
            before = prometheus.cpu_seconds
            prometheus.fetch(f"{path}?{urllib.parse.urlencode(asked)}")
            yield f"{panel['title']} {target['refId']}", prometheus.cpu_seconds - before


def _filled(expr: str, step: int) -> str:
    window = max(step + SCRAPE, 4 * SCRAPE)
    values = {**CHOSEN, "__rate_interval": f"{window}s"}
    return _VARIABLE.sub(lambda match: values.get(match[1], match[0]), expr)


if __name__ == "__main__":
    sys.exit(main())
