"""Films of real incidents, played through the exporter on a clock that the film sets.

A film is what a real server with real runners answered, every five seconds. Its answers are served
to the exporter's own HTTP source at the seam of its transport, so that what is judged went the
whole way. A body of `=` is that of the frame before.
"""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
from typing_extensions import override

from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.principals import parse
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation
from electric_agents_exporter.fleet.snapshot import TargetSnapshot
from electric_agents_exporter.sources.http import HttpOptions, HttpServer, HttpSource

FILMS: Final = Path(__file__).parents[1] / "films"
_RUNNERS: Final = "/_electric/runners"
_ENTITIES: Final = "/_electric/entities"

Answer = tuple[int, str]


@dataclass
class FilmClock:
    """The film's time on both clocks."""

    now: float = 0.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def awake(self) -> float:
        return self.now


@dataclass
class Frame:
    """What the server answered at one moment, `at` seconds since the film began."""

    at: float
    now: float
    server: Answer
    lists: Mapping[str, Answer]
    health: Mapping[str, Answer]
    wakes: Mapping[str, Any]
    entities: Mapping[str, Answer]


@dataclass
class Seen:
    """One poll of a film: when it was, what was known then, what went wrong."""

    at: float
    snapshot: TargetSnapshot
    faults: tuple[str, ...]

    def holds(self, runner_id: str) -> set[str]:
        """Give the conditions that hold of a runner; `unknown` where its report is not fresh."""
        (runner,) = [each for each in self.snapshot.runners if each.listed.id == runner_id]
        return {condition.value for condition in runner.conditions.holds}

    def verdict(self, runner_id: str) -> str:
        """Give what the server said of it."""
        (runner,) = [each for each in self.snapshot.runners if each.listed.id == runner_id]
        health = runner.report.health if runner.report else None
        return health.value if health else "none"


@dataclass
class Screening:
    """A film that was played: every poll in order."""

    polls: list[Seen] = field(default_factory=list)

    def spans(self, runner_id: str, condition: Condition) -> list[tuple[float, float]]:
        """Give from which poll to which a condition held, in seconds of the film."""
        spans: list[tuple[float, float]] = []
        held = False
        for seen in self.polls:
            now = condition.value in seen.holds(runner_id)
            if now and held:
                spans[-1] = (spans[-1][0], seen.at)
            elif now:
                spans.append((seen.at, seen.at))
            held = now
        return spans


def frames(name: str) -> Iterator[Frame]:
    """Read a film."""
    film = json.loads(gzip.decompress((FILMS / f"{name}.json.gz").read_bytes()))
    whole: dict[tuple[str, str], str] = {}

    def expand(part: str, answers: Mapping[str, Any]) -> dict[str, Answer]:
        for key, (_, body, *_) in answers.items():
            if body != "=":
                whole[part, key] = body
        return {key: (answer[0], whole[part, key]) for key, answer in answers.items()}

    entities: dict[str, Answer] = {}
    for frame in film["frames"]:
        entities |= expand("entities", frame.get("entities", {}))
        wakes = {}
        for runner_id, read in frame["wakes"].items():
            behind = read["from"]
            if behind is not None:
                body = expand("wakes", {runner_id: behind})[runner_id][1]
                behind = [behind[0], body, behind[2]]
            wakes[runner_id] = {"now": read["now"], "from": behind}
        yield Frame(
            at=frame["t"],
            now=frame["at"],
            server=tuple(frame["server"]),
            lists=expand("list", frame["list"]),
            health=expand("health", frame["health"]),
            wakes=wakes,
            entities=dict(entities),
        )


class FilmTransport(httpx.AsyncBaseTransport):
    """Answers as the server did in the frame that is shown; status 0 is no answer."""

    def __init__(self) -> None:
        self.frame: Frame | None = None

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert self.frame is not None
        status, body, *headers = self._answer(request, self.frame)
        if not status:
            raise httpx.ReadTimeout("no answer")
        return httpx.Response(status, content=body.encode(), headers=dict(headers))

    def _answer(self, request: httpx.Request, frame: Frame) -> tuple[Any, ...]:
        parts = urlsplit(str(request.url))
        path = unquote(parts.path)
        if path == "/_electric/health":
            return frame.server
        if path == _RUNNERS:
            return frame.lists[parse(request.headers["electric-principal"]).key]
        if path.startswith(_RUNNERS):
            return frame.health[path.removeprefix(f"{_RUNNERS}/").removesuffix("/health")]
        if path.startswith(_ENTITIES):
            return frame.entities.get(path.removeprefix(_ENTITIES), (404, ""))
        runner_id = path.removeprefix("/runners/").removesuffix("/wake")
        return _of_stream(frame.wakes[runner_id], parse_qs(parts.query)["offset"] == ["now"])


def _of_stream(read: Mapping[str, Any], tail_only: bool) -> tuple[Any, ...]:  # noqa: FBT001
    status, next_offset = read["now"]
    body = "[]"
    if read["from"] is not None and not tail_only:
        status, body, next_offset = read["from"]
    return status, body, ("stream-next-offset", next_offset or "")


def _nobody(_: Fleet, __: FilmClock) -> Callable[[float], None]:
    return lambda _: None


async def play(
    name: str,
    *,
    every: int = 3,
    wakes: bool = True,
    watched_by: Callable[[Fleet, FilmClock], Callable[[float], None]] = _nobody,
) -> Screening:
    """Poll a film: every so many frames, which are five seconds apart.

    What `watched_by` makes is called after each poll with the time of the film.
    """
    transport, clock, screening = FilmTransport(), FilmClock(), Screening()
    shown = list(frames(name))
    principals = tuple(shown[0].lists)
    operations = [Operation.LIST, Operation.HEALTH, Operation.SERVER]
    if wakes:
        operations.append(Operation.WAKES)
    fleet = Fleet(clock)
    fleet.configure([Policy("film", principals, operations=tuple(operations))])
    watcher = watched_by(fleet, clock)
    target = fleet.targets["film"]
    options = HttpOptions("http://film", principals)
    source = HttpSource(HttpServer(options, clock, lambda _: transport), wakes=wakes)
    for frame in shown[::every]:
        transport.frame, clock.now = frame, frame.now
        poll = Poll(target)
        complete = await source.poll(poll, paced=False)
        faults = tuple(fault.text for fault in poll.end(complete=complete).faults)
        screening.polls.append(Seen(frame.at, target.snapshot(clock.monotonic()), faults))
        watcher(frame.at)
    return screening
