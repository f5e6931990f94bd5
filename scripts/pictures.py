"""Draw every dashboard, dark and light, at two widths, of simulated fleets observed for real.

Starts simulators, the exporter and Prometheus with the project's alert rules, and lets them run
until there is something to see. The pictures lie in build/pictures then; with --write, those that
pages of the documentation show are renewed in docs/images.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from dashboard_render.browser import find_chromium, open_browser
from dashboard_render.build import is_built
from dashboard_render.page import DashboardPage, Query, open_page
from dashboard_render.serving import serve
from observed_fleet import ObservedFleet, Story
from waiting import until

ROOT = Path(__file__).parents[1]
DRAWN = ROOT / "build" / "pictures"
SHOWN = ROOT / "docs" / "images"
THEMES = ("dark", "light")
WIDTHS = (1600, 900)
POLL_SECONDS = 5
STORIES = (
    Story("production", "demo", 20),
    Story("staging", "crash-loop", 4),
    Story("edge", "killed-at-work", 4),
    Story("batch", "night", 6),
    Story("legacy", "healthy-day", 3),
)
# The runner whose story is told, by dashboard; elsewhere Grafana's own choice.
CHOSEN: Mapping[str, Mapping[str, str]] = {
    "electric-agents-runner": {"var-server": "staging", "var-runner": "looper-0"}
}
# Empty is good news there, or the simulated fleets have none of it.
MAY_BE_EMPTY = {"Alerts sent/min", "Issues", "Unrecognized values/min by field"}
# What is measured only where a server's wakes and its database are both read.
MAY_BE_EMPTY_OF = ("Dispatch", "Wakes/min claimed")


@dataclass(frozen=True)
class Trouble:
    """A fault that is switched on for a while: where, and when in seconds into the story."""

    server: str
    begin: float
    end: float
    fault: Mapping[str, object]


# What the stories lack: a proxy that cuts a runner's stream, a server that answers badly, and one
# that refuses us for long enough to page.
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
    parser.add_argument("--minutes", type=int, default=9, help="of the story (default 9)")
    parser.add_argument("--output", type=Path, default=DRAWN, help="folder of the pictures")
    parser.add_argument("--write", action="store_true", help="renew those that pages show")
    options = parser.parse_args()
    chromium = find_chromium()
    if chromium is None or not is_built():
        print("pictures: Chromium and npm are needed; see `make tools render`", file=sys.stderr)
        return 1
    options.output.mkdir(parents=True, exist_ok=True)
    rules = sorted((ROOT / "alerts" / "rules").glob("*.yaml"))
    dashboards = sorted((ROOT / "dashboards").glob("*.json"))
    with (
        tempfile.TemporaryDirectory() as folder,
        ObservedFleet(Path(folder), STORIES, rules=rules, poll_seconds=POLL_SECONDS) as fleet,
    ):
        _watch(fleet, 60 * options.minutes)
        with (
            serve(dashboards, fleet.prometheus, f"{POLL_SECONDS}s") as url,
            open_browser(chromium) as browser,
        ):
            uids = [json.loads(path.read_text())["uid"] for path in dashboards]
            since = f"now-{options.minutes}m"
            faults = list(_draw(browser, url, uids, since, options.output))
    print(*faults, sep="\n", file=sys.stderr)
    if options.write and not faults:
        _renew(options.output)
    return int(bool(faults))


def _renew(drawn: Path) -> None:
    """Put the pictures that there are in docs/images there anew."""
    for picture in SHOWN.glob("dashboard-*.png"):
        shutil.copy(drawn / picture.name, picture)


def _watch(fleet: ObservedFleet, seconds: float) -> None:
    """Let the story be told, with its troubles, and until an alert fires."""
    began = time.monotonic()
    begins = ((each.begin, each.server, each.fault) for each in TROUBLES)
    ends = ((each.end, each.server, None) for each in TROUBLES)
    for at, server, fault in sorted((*begins, *ends), key=lambda step: step[0]):
        if at < seconds:
            time.sleep(max(0, began + at - time.monotonic()))
            fleet.trouble(server, fault)
    time.sleep(max(0, began + seconds - time.monotonic()))
    firing = 'ALERTS{alertstate="firing",alertname=~"ElectricAgents.+",severity="critical"}'
    until(lambda: bool(fleet.ask(firing)), "an alert that fires", seconds=300)


def _draw(browser: Browser, url: str, uids: list[str], since: str, output: Path) -> Iterator[str]:
    """Draw every picture; gives what is wrong with them."""
    for width in WIDTHS:
        for theme in THEMES:
            with open_page(browser, url, width) as page:
                for uid in uids:
                    parameters = {"theme": theme, "from": since, "to": "now"}
                    page.open(uid, {**parameters, **CHOSEN.get(uid, {})})
                    name = uid.removeprefix("electric-agents-")
                    path = output / f"dashboard-{name}-{theme}-{width}.png"
                    page.picture(path)
                    _shrink(path)
                    print(f"{path.name}: {path.stat().st_size // 1024} KiB", flush=True)
                    yield from (f"{path.name}: {fault}" for fault in _faults(page))


def _shrink(path: Path) -> None:
    """Keep 256 colours, which flat areas and text are content with: a third of the size."""
    with Image.open(path) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def _faults(page: DashboardPage) -> Iterator[str]:
    yield from page.faults
    filled = {query.panel for query in page.queries() if query.samples}
    for query in page.queries():
        if query.error:
            yield f"{query.panel} {query.refId}: {query.error}: {query.expr}"
        elif _is_empty(query, filled):
            yield f"{query.panel}: empty; where that is right, name it in MAY_BE_EMPTY"


def _is_empty(query: Query, filled: set[str]) -> bool:
    if query.panel.startswith(MAY_BE_EMPTY_OF):
        return False
    return bool(query.panel) and query.panel not in filled | MAY_BE_EMPTY


if __name__ == "__main__":
    sys.exit(main())
