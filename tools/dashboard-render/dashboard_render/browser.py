"""Starts Chromium without a window: the system's, or the one that scripts/tools unpacked."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

_TOOLS = Path(__file__).parents[3] / ".venv" / "tools"
_FONTS = Path(__file__).parents[1] / "fonts.conf"
_LIBRARIES = "LD_LIBRARY_PATH"
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    # Text looks the same on every machine.
    "--font-render-hinting=none",
)


def find_chromium() -> Path | None:
    """Find the program."""
    # Unpacked, there is a script of that name too, which knows only where it would be installed.
    installed = shutil.which("chromium")
    if installed and not Path(installed).is_relative_to(_TOOLS):
        return Path(installed)
    unpacked = _TOOLS / "usr/lib/chromium/chromium"
    return unpacked if unpacked.exists() else None


def _ways_to_unpacked() -> dict[str, str]:
    """Give the variables that name the libraries and fonts which scripts/tools unpacked."""
    # PulseAudio's client library has a folder of its own, by an absolute path when installed.
    places = ("lib/*-linux-gnu", "usr/lib/*-linux-gnu", "usr/lib/*-linux-gnu/pulseaudio")
    folders = [str(folder) for place in places for folder in _TOOLS.glob(place)]
    known = filter(None, [os.environ.get(_LIBRARIES)])
    ways = {_LIBRARIES: ":".join([*known, *folders])}
    if (_TOOLS / "usr/share/fonts").exists():
        ways["FONTCONFIG_FILE"] = str(_FONTS)
    return ways


@contextmanager
def _finding_unpacked() -> Iterator[None]:
    """Let what is started meanwhile find what scripts/tools unpacked."""
    before = dict(os.environ)
    os.environ.update(_ways_to_unpacked())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def open_browser(chromium: Path) -> Iterator[Browser]:
    """Run Chromium, with a profile of its own that is gone afterwards."""
    with ExitStack() as stack:
        with _finding_unpacked():
            # Playwright's driver has this environment, and Chromium that of the driver.
            playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
