"""Situations that every dashboard must tell right, each a scrape job of one Prometheus."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from observed_fleet import ObservedFleet, Story

HEALTHY: Final = "healthy"
TROUBLE: Final = "trouble"
HALF_UNKNOWN: Final = "half-unknown"
SERVER_DOWN: Final = "server-down"
EMPTY: Final = "empty"
TWINS: Final = "twins"
AGGREGATED: Final = "aggregated"
LARGE: Final = "large"
STORIES: Final[Mapping[str, tuple[Story, ...]]] = {
    HEALTHY: (Story("calm", "healthy-day", 12, job=HEALTHY),),
    TROUBLE: (
        Story("production", "demo", 20, job=TROUBLE),
        Story("staging", "crash-loop", 4, job=TROUBLE),
        Story("edge", "killed-at-work", 4, job=TROUBLE),
        Story("batch", "night", 6, job=TROUBLE),
        Story("legacy", "healthy-day", 3, job=TROUBLE),
    ),
    HALF_UNKNOWN: (Story("hazy", "healthy-day", 20, job=HALF_UNKNOWN),),
    SERVER_DOWN: (Story("gone", "healthy-day", 6, job=SERVER_DOWN),),
    EMPTY: (Story("bare", "healthy-day", 0, job=EMPTY),),
    TWINS: (
        Story("east", "healthy-day", 3, job=TWINS),
        Story("west", "killed-at-work", 3, job=TWINS),
    ),
    AGGREGATED: (Story("summed", "demo", 12, job=AGGREGATED),),
    LARGE: (Story("vast", "demo", 2000, job=LARGE),),
}
"""The fleets of each; no two of them are watched by one exporter."""
BLIND: Final = (HALF_UNKNOWN, SERVER_DOWN)
"""Those in which too little is seen to call anything good."""
ODD: Final = "odd"
"""The job of the server whose runners have odd ids."""
ODD_IDS: Final = (
    "a&b",
    "a#b",
    "a+b",
    "100%",
    "a%26b",
    "DESKTOP-7\\build",
    "C:\\runners\\new",
    "tail\\",
    'say "hi"',
    "it's",
    "two\nlines",
    "a b/c?d=e",
    "<b>bold</b>",
    "&#65;&tab;",
    "$job ${runner} .*",
    "ü→𝄞",
)
_SETTINGS: Final[Mapping[str, Mapping[str, object]]] = {
    AGGREGATED: {"metrics": {"per_runner": False}}
}
_UNKNOWN: Final = 12
"""Of the twenty, how many reports fail."""


@contextmanager
def observed(
    folder: Path, *situations: str, poll_seconds: int, rules: list[Path]
) -> Iterator[ObservedFleet]:
    """Run the fleets of some situations, an exporter for each, and a Prometheus."""
    stories = [story for name in situations for story in STORIES[name]]
    with ObservedFleet(
        folder, stories, rules=rules, poll_seconds=poll_seconds, settings_of=_SETTINGS
    ) as fleet:
        yield fleet


def begin(fleet: ObservedFleet, situation: str) -> None:
    """Let the trouble of a situation begin, once its fleet was seen to be well."""
    if situation == SERVER_DOWN:
        fleet.end("gone")
    if situation == HALF_UNKNOWN:
        listed = fleet.ask('electric_agents_runner_poll_success{server="hazy"}')
        for series in listed[:_UNKNOWN]:
            runner = series["metric"]["runner_id"]
            fault = {"kind": "status", "status": 503, "route": "health", "runner": runner}
            fleet.trouble("hazy", fault)


def has_begun(fleet: ObservedFleet, situation: str) -> bool:
    """Tell whether the exporter says what the situation is."""
    if situation == SERVER_DOWN:
        return bool(fleet.ask('electric_agents_server_up{server="gone"} == 0'))
    if situation == HALF_UNKNOWN:
        unknown = 'electric_agents_runners_with_condition{server="hazy", condition="unknown"}'
        return bool(fleet.ask(f"sum({unknown}) >= {_UNKNOWN}"))
    return True
