"""A dashboard in a page of the browser: opening it, waiting until it is drawn, a picture of it."""

import http
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, Response

HEIGHT = 1000
_DEADLINE_MS = 60_000
# Nothing is under way and nothing came in for so long: then the last panel is painted too.
_QUIET_MS = 700
_SETTLED = """(quiet) => {
    const { progress } = window;
    if (progress?.fault) throw new Error(progress.fault);
    if (!progress || document.fonts.status !== 'loaded') return false;
    const loading = document.querySelector('[aria-label="Panel loading bar"]') !== null;
    const now = performance.now();
    const graphs = document.querySelectorAll('.uplot').length;
    const { scrollHeight, clientWidth } = document.documentElement;
    const seen = JSON.stringify([progress.queries.length, graphs, scrollHeight, clientWidth]);
    if (seen !== progress.seen || progress.pending > 0 || loading) {
        progress.seen = seen;
        progress.since = now;
    }
    return progress.queries.length > 0 && now - progress.since > quiet;
}"""


@dataclass(frozen=True)
class Query:
    """A query that a dashboard made: whose, its final text, and what came of it."""

    panel: str
    refId: str  # noqa: N815  (as in a dashboard)
    expr: str
    samples: int
    error: str | None


class DashboardPage:
    """A page that shows dashboards; faults of its scripts are kept in `faults`."""

    def __init__(self, page: Page, url: str, width: int) -> None:
        self.page = page
        self._width = width
        self.faults: list[str] = []
        self._url = url
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("response", self._note)

    def open(self, uid: str, parameters: Mapping[str, str] | None = None) -> None:
        """Open a dashboard, with parameters as in Grafana's addresses; wait until it is drawn."""
        self.page.goto(f"{self._url}/d/{uid}?{urlencode(parameters or {})}")
        self.settle()

    def settle(self) -> None:
        """Wait until all queries are answered and everything is drawn."""
        self.page.evaluate("if (window.progress) window.progress.seen = undefined")
        self.page.wait_for_function(_SETTLED, arg=_QUIET_MS, timeout=_DEADLINE_MS, polling=100)

    def queries(self) -> list[Query]:
        """Every query that the dashboard has made since it was opened."""
        asked = json.loads(self.page.evaluate("JSON.stringify(window.progress.queries)"))
        return [Query(**each) for each in asked]

    def picture(self, path: Path) -> None:
        """Keep the whole dashboard as a PNG, however long it is."""
        height = self.page.evaluate("document.documentElement.scrollHeight")
        # What is drawn only where it is seen, as a table's rows are, is drawn in a page so high.
        self.page.set_viewport_size({"width": self._width, "height": height})
        self.settle()
        self.page.screenshot(path=path)
        self.page.set_viewport_size({"width": self._width, "height": HEIGHT})

    def _note(self, got: Response) -> None:
        # Prometheus's own refusals are faults of a query, which the page tells with its panel; and
        # a few icons of Grafana's buttons are in none of its packages.
        known = "/prometheus/" in got.url or "/img/icons/" in got.url
        if got.status >= http.HTTPStatus.BAD_REQUEST and not known:
            self.faults.append(f"{got.status} {got.url}")


@contextmanager
def open_page(browser: Browser, url: str, width: int = 1600) -> Iterator[DashboardPage]:
    """Give an empty page of a browser that keeps nothing; `url` is that of `serving.serve`."""
    with browser.new_context(
        viewport={"width": width, "height": HEIGHT}, timezone_id="UTC", locale="en-GB"
    ) as context:
        yield DashboardPage(context.new_page(), url, width)
