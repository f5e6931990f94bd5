"""Write every file that is made from code; with --check, tell which are not as they would be."""

import sys
from collections.abc import Callable
from pathlib import Path

from electric_agents_exporter.metrics import reference as metric_reference
from electric_agents_exporter.settings import reference as settings_reference

ROOT = Path(__file__).parents[1]
GENERATED: dict[str, Callable[[], str]] = {
    "docs/metrics.md": metric_reference.render_markdown,
    "docs/configuration.md": settings_reference.render,
}


def main(*, check: bool) -> int:
    """Write the files, or compare them.

    Returns:
        The exit code: 1 where a file is not as it would be written.
    """
    stale = []
    for name, render in GENERATED.items():
        path, text = ROOT / name, render()
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text)
    for name in stale:
        print(f"{name}: {'is not up to date; run `make generate`' if check else 'written'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
