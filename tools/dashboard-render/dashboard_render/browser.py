"""Starts Chromium without a window: the system's, or the one that scripts/tools unpacked."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

_TOOLS = Path(__file__).parents[3] / ".venv" / "tools"
_PATH = "LD_LIBRARY_PATH"
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


def _library_folders() -> list[Path]:
    libraries = _TOOLS / "usr/lib"
    # PulseAudio's client library has a folder of its own, by an absolute path when installed.
    return [*libraries.glob("*-linux-gnu"), *libraries.glob("*-linux-gnu/pulseaudio")]


@contextmanager
def _finding_libraries() -> Iterator[None]:
    """Let what is started meanwhile find the libraries that scripts/tools unpacked."""
    before = os.environ.get(_PATH)
    os.environ[_PATH] = ":".join([*filter(None, [before]), *map(str, _library_folders())])
    try:
        yield
    finally:
        del os.environ[_PATH]
        if before is not None:
            os.environ[_PATH] = before


@contextmanager
def open_browser(chromium: Path) -> Iterator[Browser]:
    """Run Chromium, with a profile of its own that is gone afterwards."""
    with ExitStack() as stack:
        with _finding_libraries():
            # Playwright's driver has this environment, and Chromium that of the driver.
            playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
