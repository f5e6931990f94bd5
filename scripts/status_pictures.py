"""Draw the status page and a runner's page after an hour, dark and light, wide and narrow.

The hour is played in a second on a clock of its own, so the pictures are the same every time.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import Browser

from dashboard_render.browser import find_chromium, open_browser
from electric_agents_exporter.contract.reading import read_health, read_list
from electric_agents_exporter.contract.wakes import Wake, WakeReading
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason
from status_server import StatusServer

ROOT = Path(__file__).parents[1]
SHOWN = ROOT / "docs" / "images"
WIDTHS = {390: 844, 1440: 900}
THEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")
NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z
INTERVAL = 15.0
DOWN_FOR = 480.0
OWNERS = ("service:monitor", "user:alice")
CHOSEN = {"target": "production", "id": "checkout-worker-2"}
OFFSET = "0000000000000000_0000000000000426"

Say = Callable[[float], Mapping[str, Any] | None]
"""What a runner says so many seconds before the end, beside what all say; None: no report."""


class StoryClock:
    """Both clocks, moved by the story."""

    def __init__(self) -> None:
        self._now = NOON - 3600

    def time(self) -> float:
        """Give the time of day."""
        return self._now

    def monotonic(self) -> float:
        """Give the time since some moment."""
        return self._now - NOON + 10_000

    def awake(self) -> float:
        """Give the same: nobody sleeps."""
        return self.monotonic()

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self._now += seconds


def _moment(ago: float) -> str:
    return datetime.fromtimestamp(NOON - ago, UTC).isoformat(timespec="milliseconds")


def _works(_: float) -> Mapping[str, Any]:
    return {}


def _since(ago: float, then: Mapping[str, Any]) -> Say:
    return lambda now: then if now <= ago else {}


def _dead(ago: float, **more: Any) -> Say:  # noqa: ANN401
    def say(now: float) -> Mapping[str, Any]:
        if now > ago:
            return {}
        lapsed = now < ago - 90
        return {
            "seen_ago": ago,
            "liveness": "expired" if lapsed else "online",
            "health": "unhealthy" if lapsed else "healthy",
            **more,
        }

    return say


def _flaky(now: float) -> Mapping[str, Any] | None:
    return None if any(begins > now > ends for begins, ends in _SILENT) else {}


_SILENT = ((1500, 900), (3600, 3000))


STORIES: Mapping[str, tuple[str, Say]] = {
    "checkout-worker-1": ("server", _works),
    "checkout-worker-2": ("server", _since(270, {"waits": 3, "waits_since": 255})),
    "checkout-worker-3": ("server", _works),
    "mail-eu-west-1a": ("server", _dead(400, claim=True)),
    "mail-eu-west-1b": ("server", _since(2400, {"failed": 1})),
    "search-indexer": ("server", _dead(1900)),
    "reports-nightly": ("cloud-worker", _flaky),
    "sandbox-7f3a": ("sandbox", _since(700, {"connected": False, "health": "degraded"})),
    "alice-laptop": ("local", _dead(2200)),
    "billing-batch": ("server", _since(1200, {"admin": "disabled", "health": "unhealthy"})),
    "ci-runner-4411": ("ci", _works),
    "preview-build-9": ("cloud-worker", _works),
}


class Hour:
    """Three servers after an hour: one with troubles, one that is down, one that is well."""

    def __init__(self) -> None:
        self.clock = StoryClock()
        self.fleet = Fleet(self.clock)
        operations = tuple(Operation)
        self.fleet.configure(
            Policy(name, OWNERS, interval=INTERVAL, operations=operations)
            for name in ("production", "staging", "batch")
        )
        ago = 3600.0
        while ago >= 0:
            self._poll("production", STORIES, ago)
            names = {f"staging-{number}": ("server", _works) for number in range(20)}
            self._poll("staging", names, ago, down=ago < DOWN_FOR)
            self._poll("batch", {f"batch-{n}": ("server", _works) for n in range(1, 4)}, ago)
            self.clock.advance(INTERVAL)
            ago -= INTERVAL
        self.clock.advance(4.0 - INTERVAL)

    def _poll(
        self, name: str, stories: Mapping[str, tuple[str, Say]], ago: float, *, down: bool = False
    ) -> None:
        target = self.fleet.targets[name]
        poll = Poll(target)
        why = "certificate has expired" if down else ""
        for operation in (Operation.SERVER, Operation.LIST):
            poll.requested(operation, 0.01, Reason.TLS if down else None, why)
        target.server_clock.observe_date(self.clock.time(), self.clock.monotonic())
        listed = [
            {"id": each, "label": f"{each}.internal", "kind": kind, "wake_stream": f"/{each}"}
            for each, (kind, _) in stories.items()
        ]
        half = len(listed) // 2
        for owner, part in zip(OWNERS, (listed[:half], listed[half:]), strict=True):
            poll.listed(owner, Reason.TLS if down else read_list(json.dumps(part).encode()))
        waits = {}
        for due in poll.due():
            said = stories[due.runner_id][1](ago)
            if said is None:
                poll.failed(due.runner_id, Reason.TIMEOUT)
                continue
            waits[due.runner_id] = said
            report = json.dumps(_report(due.runner_id, said, ago)).encode()
            poll.reported(read_health(report), self.clock.monotonic())
        for question in poll.wake_questions():
            poll.wakes_read(question, _reading(question.offset, waits[question.runner_id]))
        self.clock.advance(0.4)
        poll.end()
        self.clock.advance(-0.4)


def _report(runner_id: str, said: Mapping[str, Any], ago: float) -> dict[str, Any]:
    seen_ago = said.get("seen_ago", ago + 6)
    claim = {
        "stream_path": f"/task/{runner_id}/main",
        "entity_url": f"/task/{runner_id}",
        "claimed_at": _moment(seen_ago + 40),
        "last_heartbeat_at": _moment(seen_ago),
    }
    busy = said.get("claim", not said)
    return {
        "runner": {
            "id": runner_id,
            "admin_status": said.get("admin", "enabled"),
            "liveness_status": said.get("liveness", "online"),
            "last_seen_at": _moment(seen_ago),
            "lease_expires_at": _moment(seen_ago - 90),
            "wake_stream_offset": OFFSET,
        },
        "client": {
            "status": "streaming",
            "stream_connected": said.get("connected", True),
            "last_heartbeat_ok": True,
            "started_at": _moment(90_000),
            "claims_succeeded": 412,
            "claims_skipped": 3,
            "claims_failed": said.get("failed", 0),
            "reconnect_count": 0,
        },
        "claims": {"active_count": int(busy), "active": [claim] if busy else []},
        "dispatch": {
            "entities_with_active_claim": int(busy),
            "entities_with_outstanding_wake": 0,
            "entities_with_pending_work": 0,
        },
        "health": {"status": said.get("health", "healthy"), "issues": []},
    }


def _reading(offset: str, said: Mapping[str, Any]) -> WakeReading:
    wakes = tuple(
        Wake(f"task/order-{4410 + number}/main", NOON - said["waits_since"] + 40 * number, 1)
        for number in range(said.get("waits", 0))
    )
    return WakeReading(offset, f"{OFFSET[:-1]}9" if wakes else OFFSET, wakes)


def main() -> int:
    """Draw all pictures.

    Returns:
        The exit code: 1 where Chromium is missing.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=SHOWN, help="folder of the pictures")
    options = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        print("pictures: Chromium is needed; see `make tools`", file=sys.stderr)
        return 1
    options.output.mkdir(parents=True, exist_ok=True)
    hour = Hour()
    with (
        StatusServer(hour.fleet, hour.clock) as server,
        open_browser(chromium) as browser,
    ):
        pages = {"fleet": "/", "runner": f"/runner?{urlencode(CHOSEN)}"}
        for name, path in pages.items():
            for picture in _draw(browser, server.url + path, options.output / f"status-{name}"):
                print(f"{picture.name}: {picture.stat().st_size // 1024} KiB", flush=True)
    return 0


def _draw(browser: Browser, url: str, stem: Path) -> Iterator[Path]:
    for width, height in WIDTHS.items():
        for theme in THEMES:
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=theme
            )
            page = context.new_page()
            page.goto(url)
            path = stem.with_name(f"{stem.name}-{theme}-{width}.png")
            page.screenshot(path=path, full_page=width > height)
            context.close()
            with Image.open(path) as image:
                image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
                    path, optimize=True
                )
            yield path


if __name__ == "__main__":
    sys.exit(main())
