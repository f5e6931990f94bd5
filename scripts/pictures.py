"""Draw every dashboard in every situation, dark and light, at two widths, of fleets that run.

Starts simulators, exporters and a Prometheus with the project's alert rules, and lets them run
until there is something to see. The pictures lie in build/pictures then, those of troubled fleets
by the dashboard's name alone; with --write, those that pages of the documentation show are renewed
in docs/images.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

import situations
from dashboard_render.browser import find_chromium, open_browser
from dashboard_render.build import is_built
from dashboard_render.page import DashboardPage, Query, open_page
from dashboard_render.serving import serve
from observed_fleet import ObservedFleet
from waiting import until

ROOT = Path(__file__).parents[1]
DRAWN = ROOT / "build" / "pictures"
SHOWN = ROOT / "docs" / "images"
THEMES = ("dark", "light")
WIDTHS = (1600, 1024)
POLL_SECONDS = 5
RULES_MISSING = "rules-missing"
"""A situation of Prometheus, and not of a fleet."""
# The runner whose story is told, by dashboard; elsewhere Grafana's own choice.
CHOSEN: Mapping[str, Mapping[str, str]] = {
    "electric-agents-runner": {"var-server": "staging", "var-runner": "looper-0"}
}
# Empty is good news there, or the simulated fleets have none of it.
MAY_BE_EMPTY = {
    "Alerts sent/min",
    "Certificates, credentials and scans",
    "Issues",
    "Last dispatch",
    "Last error",
    "Parts of polls that fail",
    "Unrecognized values/min by field",
}
# What is measured only where a server's database is read too.
MAY_BE_EMPTY_OF = ("Dispatch", "From wake to claim", "Claim duration", "Wakes/min claimed")


@dataclass(frozen=True)
class Trouble:
    """A fault that is switched on for a while: where, and when in seconds into the story."""

    server: str
    begin: float
    end: float
    fault: Mapping[str, object]


# What the stories lack: a proxy that cuts a runner's stream, a server that answers badly, and one
# that refuses us for long enough to page.
_BEGINS = 40
"""Seconds into the story at which what is not trouble begins."""
TROUBLES = (
    Trouble("staging", 60, 150, {"kind": "reset", "route": "wake", "runner": "looper-0"}),
    Trouble(
        "production", 250, 300, {"kind": "status", "status": 500, "route": "claim", "share": 0.04}
    ),
    Trouble(
        "production", 310, 355, {"kind": "status", "status": 503, "route": "health", "share": 0.2}
    ),
    Trouble("production", 370, 400, {"kind": "hang", "route": "health", "share": 0.1}),
    Trouble("legacy", 130, 3600, {"kind": "status", "status": 401, "route": "list"}),
)


def main() -> int:
    """Make all pictures.

    Returns:
        The exit code: 1 where a tool is missing, or a picture would show a fault or an empty panel.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    every = [*situations.STORIES, RULES_MISSING]
    parser.add_argument("situations", nargs="*", metavar="SITUATION", help=f"of {', '.join(every)}")
    parser.add_argument("--minutes", type=int, default=9, help="of the story (default 9)")
    parser.add_argument("--output", type=Path, default=DRAWN, help="folder of the pictures")
    parser.add_argument("--write", action="store_true", help="renew those that pages show")
    options = parser.parse_args()
    if wrong := set(options.situations) - set(every):
        parser.error(f"no such situation: {', '.join(sorted(wrong))}")
    chosen = options.situations or [name for name in every if name != situations.LARGE]
    chromium = find_chromium()
    if chromium is None or not is_built():
        print("pictures: Chromium and npm are needed; see `make tools render`", file=sys.stderr)
        return 1
    options.output.mkdir(parents=True, exist_ok=True)
    rules = sorted((ROOT / "alerts" / "rules").glob("*.yaml"))
    fleets = [name for name in chosen if name != RULES_MISSING] or [situations.HEALTHY]
    with (
        tempfile.TemporaryDirectory() as folder,
        situations.observed(Path(folder), *fleets, poll_seconds=POLL_SECONDS, rules=rules) as fleet,
        open_browser(chromium) as browser,
    ):
        without_rules = fleet.without_rules() if RULES_MISSING in chosen else ""
        _watch(fleet, fleets, 60 * options.minutes)
        faults = [
            fault
            for name in chosen
            for fault in _draw(
                browser,
                without_rules if name == RULES_MISSING else fleet.prometheus,
                name,
                f"now-{options.minutes}m",
                options.output,
            )
        ]
    print(*faults, sep="\n", file=sys.stderr)
    if options.write and not faults:
        _renew(options.output)
    return int(bool(faults))


def _renew(drawn: Path) -> None:
    """Put the pictures that there are in docs/images there anew."""
    for picture in SHOWN.glob("dashboard-*.png"):
        shutil.copy(drawn / picture.name, picture)


def _watch(fleet: ObservedFleet, fleets: Sequence[str], seconds: float) -> None:
    """Let the story be told, with its troubles, and until all of it shows."""
    began = time.monotonic()
    steps: list[tuple[float, Callable[[], None]]] = [
        (_BEGINS, partial(situations.begin, fleet, name)) for name in fleets
    ]
    if situations.TROUBLE in fleets:
        steps += [
            (each.begin, partial(fleet.trouble, each.server, each.fault)) for each in TROUBLES
        ]
        steps += [(each.end, partial(fleet.trouble, each.server, None)) for each in TROUBLES]
    for at, take in sorted(steps, key=lambda step: step[0]):
        if at < seconds:
            time.sleep(max(0, began + at - time.monotonic()))
            take()
    time.sleep(max(0, began + seconds - time.monotonic()))
    for name in fleets:
        until(partial(situations.has_begun, fleet, name), name, seconds=300)
    if situations.TROUBLE in fleets:
        firing = 'ALERTS{alertstate="firing",alertname=~"ElectricAgents.+",severity="critical"}'
        until(lambda: bool(fleet.ask(firing)), "an alert that fires", seconds=300)


def _draw(
    browser: Browser, prometheus: str, situation: str, since: str, output: Path
) -> Iterator[str]:
    """Draw every picture of a situation; gives what is wrong with them."""
    dashboards = sorted((ROOT / "dashboards").glob("*.json"))
    uids = [json.loads(path.read_text())["uid"] for path in dashboards]
    troubled = situation == situations.TROUBLE
    job = situations.HEALTHY if situation == RULES_MISSING else situation
    with serve(dashboards, prometheus, f"{POLL_SECONDS}s") as url:
        for width, theme in product(WIDTHS, THEMES):
            with open_page(browser, url, width) as page:
                for uid in uids:
                    chosen = CHOSEN.get(uid, {}) if troubled else {}
                    page.open(
                        uid, {"theme": theme, "from": since, "to": "now", "var-job": job, **chosen}
                    )
                    name = uid.removeprefix("electric-agents-")
                    of = "" if troubled else f"-{situation}"
                    path = output / f"dashboard-{name}{of}-{theme}-{width}.png"
                    page.picture(path)
                    _shrink(path)
                    print(f"{path.name}: {path.stat().st_size // 1024} KiB", flush=True)
                    yield from (
                        f"{path.name}: {fault}" for fault in _faults(page, empty=not troubled)
                    )


def _shrink(path: Path) -> None:
    """Keep 256 colours, which flat areas and text are content with: a third of the size."""
    with Image.open(path) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def _faults(page: DashboardPage, *, empty: bool) -> Iterator[str]:
    """Give what is wrong; only of troubled fleets every panel must have something."""
    yield from page.faults
    filled = {query.panel for query in page.queries() if query.samples}
    for query in page.queries():
        if query.error:
            yield f"{query.panel} {query.refId}: {query.error}: {query.expr}"
        elif not empty and _is_empty(query, filled):
            yield f"{query.panel}: empty; where that is right, name it in MAY_BE_EMPTY"


def _is_empty(query: Query, filled: set[str]) -> bool:
    if query.panel.startswith(MAY_BE_EMPTY_OF):
        return False
    return bool(query.panel) and query.panel not in filled | MAY_BE_EMPTY


if __name__ == "__main__":
    sys.exit(main())
