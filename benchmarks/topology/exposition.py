"""The series that Prometheus gets of a world, as docs/metrics.md says that exporters expose them.

Only the families that are asked for are made: rules read few, and a day has many samples.
"""

from collections.abc import Iterable, Sequence

from topology.counting import Counters
from topology.fleet_series import fleet_series
from topology.model import Exporter, World
from topology.notation import Layout, Scrape, compressed, written
from topology.observing import TargetView, lifetimes, views
from topology.runner_series import runner_series
from topology.series import Families, Made, Values, selector
from topology.steps import Run, Span, runs, within
from topology.target_series import process_series, target_series


def series(world: World, families: Families) -> dict[str, str]:
    """Give samples in promtool's notation by series, of these families."""
    found: dict[str, str] = {}
    for exporter in world.exporters:
        scrapes = _Scrapes(exporter, world)
        for name, labels, values in _made(exporter, world, families):
            key = selector(name, {**labels, **exporter.labels})
            found[key] = written(_sampled(values, scrapes.good), scrapes.layout)
        if "up" in families:
            found[selector("up", exporter.labels)] = scrapes.up()
    everywhere = _Scrapes(Exporter({}, (), first=0), world)
    for key, steps in world.others.items():
        found[key] = written(runs(steps, everywhere.good), everywhere.layout)
    return found


def _sampled(values: Values, moments: Sequence[float]) -> Sequence[Run]:
    if callable(values):
        return compressed([values(moment) for moment in moments])
    return runs(values, moments)


def _made(exporter: Exporter, world: World, families: Families) -> Made:
    lives = lifetimes(exporter, world.lasts)
    yield from process_series(exporter, lives, families)
    for view in views(exporter, world.lasts):
        yield from _of_target(view, lives, families)


def _of_target(view: TargetView, lives: Sequence[Span], families: Families) -> Made:
    target = view.target
    labels = {"server": target.name}
    if target.tenant:
        labels["tenant"] = target.tenant
    shard = {} if target.shard is None else {"shard": f"{target.shard[0]}"}
    counters = Counters(view, lives)
    for making in (target_series, fleet_series):
        for name, more, values in making(view, counters, families):
            yield name, {**labels, **shard, **more}, values
    for one in view.runners if target.per_runner else ():
        who = {**labels, "runner_id": one.runner.id}
        for name, more, values in runner_series(one, target, counters, lives, families):
            yield name, {**who, **more}, values


class _Scrapes:
    """The scrapes of one exporter: when they are, and how they go."""

    def __init__(self, exporter: Exporter, world: World) -> None:
        grid, every = world.scrapes.grid, world.scrapes.every
        first = world.scrapes.first if exporter.first is None else exporter.first
        count = max(0, int((world.lasts / grid - first) // every) + 1)
        moments = [(first + number * every) * grid for number in range(count)]
        self._present = [within((exporter.present,), moment) for moment in moments]
        self._went = [_went(exporter, world, n, moment) for n, moment in enumerate(moments)]
        self.good = [
            moment for moment, went in zip(moments, self._went, strict=True) if went is Scrape.GOOD
        ]
        self.layout = Layout(first, every, _grouped(self._went))

    def up(self) -> str:
        """Write `up`, which is there whenever Prometheus tries."""
        tried = [
            (Scrape.GAP if went is Scrape.GAP else (Scrape.GOOD if there else Scrape.FAILED), went)
            for went, there in zip(self._went, self._present, strict=True)
        ]
        values = [float(went is Scrape.GOOD) for how, went in tried if how is Scrape.GOOD]
        layout = self.layout._replace(scrapes=_grouped(how for how, _ in tried))
        return written(compressed(values), layout)


def _went(exporter: Exporter, world: World, number: int, moment: float) -> Scrape:
    if within(world.prometheus_down, moment):
        return Scrape.GAP
    fault = exporter.scrape_fault
    failed = (
        within((*exporter.down, *exporter.unscraped), moment)
        or not within((exporter.present,), moment)
        or (fault is not None and fault(number))
    )
    return Scrape.FAILED if failed else Scrape.GOOD


def _grouped(scrapes: Iterable[Scrape]) -> list[tuple[int, Scrape]]:
    groups: list[tuple[int, Scrape]] = []
    for scrape in scrapes:
        if groups and groups[-1][1] is scrape:
            groups[-1] = (groups[-1][0] + 1, scrape)
        else:
            groups.append((1, scrape))
    return groups
