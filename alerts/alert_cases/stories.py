"""Stories of alerts: a world in which one fires, and how it must differ for it to be silent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus

import yaml

from alert_cases.promtool import HOUR, MINUTE, Alert, Case, Check, World, until
from alert_cases.worlds import RUNNER, SERVER, labelled, scraped

MESSAGES: Final = Path(__file__).with_name("messages.yaml")
JOB: Final = "electric-agents"
STEP: Final = 30.0

_GRAFANA: Final = "https://grafana.example.com/d/electric-agents"
_RUNBOOKS: Final = "https://runbooks.example.com/electric-agents-exporter/alerts/runbooks"
_REPLICAS: Final = ("a:9464", "b:9464")
_TARGET_LABELS: Final = {"cluster": "eu-1", "namespace": "agents", "container": "exporter"}


@dataclass(frozen=True)
class Fired:
    """An alert as a story tells it: `labels` beside service and job, `message` by its key."""

    message: str
    labels: Mapping[str, str]
    board: str
    job: str | None = JOB

    def at(self, name: str, seconds: float, **more: str) -> Alert:
        """Give it in full, as it is when it was last true at a time."""
        labels = {**self.labels, "service": JOB, **({"job": self.job} if self.job else {}), **more}
        said = _messages()[self.message]
        return Alert(
            labels=dict(sorted(labels.items())),
            annotations={
                "summary": said["summary"],
                "description": said["description"].format(kind=labels.get("kind")),
                "runbook_url": f"{_RUNBOOKS}/{name}.md",
                "dashboard_url": _board(self.board, labels, seconds),
            },
        )


@dataclass(frozen=True)
class Story:
    """A rule's story.

    `fires` is when the alert first fires in `world`, `hold` how long it goes on after every series
    is gone (None: until the windows that it looks back on have passed). A guard is what it is for,
    and the world in which it alone keeps the rule silent; the alerts of `others` are those of the
    same name that such a world, or a silent one, may still have.
    """

    rule: str
    world: World
    fires: float
    fired: tuple[Fired, ...]
    hold: float | None = 6 * MINUTE
    guards: Mapping[str, tuple[str, World]] = field(default_factory=dict)
    others: Mapping[str, tuple[Fired, ...]] = field(default_factory=dict)
    silent: Mapping[str, World] = field(default_factory=dict)
    replicas: bool = True
    step: float = STEP
    one: bool = True
    """Whether it fires though another exporter has seen nothing of it."""
    apart: tuple[str, ...] = ()
    """The guards that are shown to be none to a target of the same name in another cluster."""
    either: tuple[str, ...] = ()
    """The guards that keep it silent where one exporter of two knows of them."""
    recorded: bool = False
    """Whether the world is one of records, which know no replicas any more."""
    life: World | None = None
    """The world in which it also ends, where it does not by all series being gone."""

    @property
    def alert(self) -> str:
        """The alert's name, without the prefix."""
        return self.rule.split(" ")[0]

    def cases(self) -> Iterator[Case]:
        """Give what promtool is to see."""
        yield self._life()
        for name, (why, world) in self.guards.items():
            yield self.silence(f"guard {name}: {why}", world, self.others.get(name, ()))
        for name, world in self.silent.items():
            yield self.silence(name, world, self.others.get(name, ()))
        if self.replicas:
            yield self._replicas()
        if self.one:
            yield self.seen_by_one()
        for name in self.apart:
            yield self.elsewhere(name)
        for name in self.either:
            why, world = self.guards[name]
            yield self.silence(
                f"guard {name}, one: {why}, and it is enough that one exporter of two knows it",
                {**scraped(self.world), **scraped(world, _REPLICAS[1])},
                self.others.get(name, ()),
            )

    def told(self, world: World, *fired: Fired, fires: float | None = None) -> "Story":
        """Tell it in another world."""
        when = self.fires if fires is None else fires
        return replace(self, world=world, fired=fired or self.fired, fires=when)

    def turn(self, part: str) -> Case:
        """Give one more case in which it fires, under a name of its own."""
        before = (self._check(self.fires - self.step),) if self.fires else ()
        return Case(
            name=f"{self.rule} / {part}",
            world=self._told(self.world),
            checks=(*before, self._check(self.fires, self.fired)),
        )

    def silence(
        self, part: str, world: World, others: tuple[Fired, ...] = (), *, at: float | None = None
    ) -> Case:
        """Give one more case in which it is silent when it would fire, or at a later time."""
        return Case(
            name=f"{self.rule} / {part}",
            world=self._told(world),
            checks=(self._check(self.fires if at is None else at, others),),
        )

    def elsewhere(self, name: str) -> Case:
        """Give the case of a target of the same name in another cluster, where a guard holds."""
        here, there = {"cluster": "eu-1"}, {"cluster": "eu-2"}
        _, guarded = self.guards[name]
        alerts = (
            *(fired.at(self.alert, self.fires, **here) for fired in self.fired),
            *(fired.at(self.alert, self.fires, **there) for fired in self.others.get(name, ())),
        )
        return Case(
            name=f"{self.rule} / guard {name}, cluster: what holds in another cluster is nothing",
            world={
                **scraped(labelled(self.world, **here)),
                **scraped(labelled(guarded, **there), "b:9464"),
            },
            checks=(Check(f"ElectricAgents{self.alert}", self.fires, alerts),),
        )

    def seen_by_one(self, part: str = "one") -> Case:
        """Give the case of a second exporter that knows of the same and has seen nothing of it."""
        both = {**scraped(self.world), **scraped(unseen(self.world), _REPLICAS[1])}
        return self.told(both).turn(f"{part}: what one exporter of two sees is enough")

    def _life(self) -> Case:
        """Tell it from before it fires until it is over, all series being gone."""
        looks = [self._check(self.fires, self.fired)]
        if self.fires:
            looks.insert(0, self._check(self.fires - self.step))
        if self.hold:
            looks.append(self._check(self.fires + self.hold, self.fired, told=self.fires))
        if self.hold is not None:
            looks.append(self._check(self.fires + self.step + self.hold))
        return Case(
            name=f"{self.rule} / before, fires{_ends(self.hold)}: after {_span(self.fires)}",
            world=self._told(self.life or until(self.world, self.fires + self.step)),
            checks=tuple(looks),
        )

    def _replicas(self) -> Case:
        """Two exporters say the same, with labels of a cluster: one alert, that keeps those."""
        world = labelled(self.world, **_TARGET_LABELS)
        both = [scraped(world, instance) for instance in _REPLICAS]
        alerts = tuple(fired.at(self.alert, self.fires, **_TARGET_LABELS) for fired in self.fired)
        return Case(
            name=f"{self.rule} / replicas: two exporters give one alert, with the target's labels",
            world=self._told(world) if self.recorded else {**both[0], **both[1]},
            checks=(Check(f"ElectricAgents{self.alert}", self.fires, alerts),),
        )

    def _told(self, world: World) -> World:
        return labelled(world, job=JOB) if self.recorded else scraped(world)

    def _check(
        self, seconds: float, fired: tuple[Fired, ...] = (), told: float | None = None
    ) -> Check:
        when = seconds if told is None else told
        alerts = tuple(one.at(self.alert, when) for one in fired)
        return Check(f"ElectricAgents{self.alert}", seconds, alerts)


def unseen(world: World) -> World:
    """Give what an exporter tells that knows of the same things at the same times, and no more."""
    return {
        name: signal if "info{" in name or "_seconds" in name else 0.0
        for name, signal in world.items()
    }


def of_runner(
    message: str, severity: str, *, kind: str = "server", tenure: str = "permanent"
) -> Fired:
    """Tell an alert about the runner of the stories."""
    who = {"server": SERVER, "runner_id": RUNNER, "kind": kind, "tenure": tenure}
    return Fired(message, {"severity": severity, "layer": "runner", **who}, "runner")


def of_server(
    message: str,
    severity: str,
    *,
    layer: str = "server",
    board: str = "fleet",
    **labels: str,
) -> Fired:
    """Tell an alert about the target of the stories."""
    return Fired(message, {"severity": severity, "layer": layer, "server": SERVER} | labels, board)


def of_exporter(message: str, severity: str, job: str | None = JOB, **labels: str) -> Fired:
    """Tell an alert about an exporter."""
    return Fired(message, {"severity": severity, "layer": "exporter"} | labels, "exporter", job)


@cache
def _messages() -> Mapping[str, Mapping[str, str]]:
    loaded: dict[str, dict[str, str]] = yaml.safe_load(MESSAGES.read_text())
    return loaded


def _board(board: str, labels: Mapping[str, str], seconds: float) -> str:
    server = f"var-server={quote_plus(labels.get('server', ''))}"
    runner = f"var-runner={quote_plus(labels.get('runner_id', ''))}"
    job = f"var-job={quote_plus(labels.get('job', JOB))}"
    since = f"from={(seconds - 3600) * 1000:.0f}&to=now"
    query = {
        "runner": f"{server}&{runner}&{since}",
        "fleet": f"{server}&{since}",
        "slo": server,
        "exporter": f"{job}&{since}",
    }[board]
    return f"{_GRAFANA}-{board}?{query}"


def _span(seconds: float) -> str:
    for size, unit in ((HOUR, "hours"), (MINUTE, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} seconds"


def _ends(hold: float | None) -> str:
    if hold is None:
        return ""
    return ", ends" if not hold else f", held for {_span(hold)}, ends"
