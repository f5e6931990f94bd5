"""Write every file that is made from code; with --check, tell which are not as they would be."""

import sys
from collections.abc import Iterator
from pathlib import Path

import alert_definitions
import alert_rules
import alert_table
import alert_values
from electric_agents_dashboards import output
from electric_agents_exporter.metrics import reference as metric_reference
from electric_agents_exporter.settings import reference as settings_reference
from electric_agents_exporter.status import reference as status_reference

ROOT = Path(__file__).parents[1]
MADE = (
    "alerts/rules/*",
    "alerts/kubernetes/*",
    "alerts/alertmanager/*.yml",
    "dashboards/*.json",
    "src/electric_agents_exporter/alerting/*.json",
)
"""What matches these is made here, all of it."""


def generated() -> dict[str, str]:
    """Give every made file's text, by its path."""
    values = alert_values.load()
    rules = alert_rules.generated(values)
    return {
        "docs/metrics.md": metric_reference.render_markdown(),
        "docs/configuration.md": settings_reference.render(),
        "docs/status.md": status_reference.render(),
        "alerts/README.md": alert_table.page(alert_rules.render(values)),
        **{f"alerts/{name}": text for name, text in rules.items()},
        "src/electric_agents_exporter/alerting/definitions.json": alert_definitions.written(values),
        **{f"dashboards/{name}": text for name, text in output.files(values).items()},
    }


def orphans(files: dict[str, str]) -> Iterator[Path]:
    """Give what lies where only made files do, and is made no more."""
    for pattern in MADE:
        for path in sorted(ROOT.glob(pattern)):
            if str(path.relative_to(ROOT)) not in files:
                yield path


def main(*, check: bool) -> int:
    """Write the files, or compare them.

    Returns:
        The exit code: 1 where a file is not as it would be written.
    """
    stale = []
    files = generated()
    for name, text in files.items():
        path = ROOT / name
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for path in orphans(files):
        stale.append(str(path.relative_to(ROOT)))
        if not check:
            path.unlink()
    for name in stale:
        print(f"{name}: {'is not up to date; run `make generate`' if check else 'written'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
