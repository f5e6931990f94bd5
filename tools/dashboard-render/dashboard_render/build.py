"""Where the built page is, which `make render` makes."""

from pathlib import Path

BUILD = Path(__file__).parents[3] / "build" / "dashboard-render"


def is_built() -> bool:
    """Whether there is a page to serve."""
    return (BUILD / "index.html").is_file()
