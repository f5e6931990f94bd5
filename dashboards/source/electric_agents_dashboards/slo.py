"""SLO: do we keep what we promise, and how fast is the budget being used up?"""

from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.models import dashboard

from alert_values import Burn, Objective, Values
from electric_agents_dashboards import frame
from electric_agents_dashboards.asking import FLEET, Asker
from electric_agents_dashboards.layout import Line, Section, line, place
from electric_agents_dashboards.looks import (
    BAD,
    DISABLED,
    GOOD,
    NEUTRAL,
    WARNING,
    Thresholds,
    above,
    below,
)
from electric_agents_dashboards.panels import (
    Lines,
    Meaning,
    Query,
    color_of,
    graph_panel,
    stat_panel,
)
from electric_agents_dashboards.tables import Column, table_panel

NOT_YET: Final = "nothing recorded yet"
SHOWN: Final = 10
"""Lines of a graph: the worst servers."""


@dataclass(frozen=True)
class Promise:
    """An objective.

    Attributes:
        name: what is promised.
        meant: what its ratio is of.
        bad: the recorded ratio of what went wrong, without its window.
        objective: the share that must be good.
        nothing: the words for nothing to judge.
    """

    name: str
    meant: str
    bad: str
    objective: Objective
    nothing: str


def build(values: Values) -> dashboard.Dashboard:
    """Make the dashboard."""
    ask = Asker(values, FLEET)
    available, claims = promises(values)
    return frame.Outline(
        name="slo",
        title="Electric Agents / SLO",
        question="Do we keep what we promise, and how fast is the budget being used up?",
        since="now-3d",
        variables=(frame.JOB, frame.SERVER),
        annotations=(
            frame.alerts_of_servers(),
            frame.restarts(ask, "electric_agents_runners_client_restarts_total"),
        ),
    ).fill(
        place(
            Section(
                f"The last {values.slo.period}",
                (
                    line(4, *_tiles(ask, available)),
                    line(4, *_tiles(ask, claims)),
                    line(7, (24, _servers(ask))),
                ),
            ),
            Section("Availability: how fast its budget burns", _burns(ask, available)),
            Section("Claims: how fast their budget burns", _burns(ask, claims)),
            Section(
                "What the budgets were spent on",
                (
                    line(9, (12, _left(ask, available)), (12, _left(ask, claims))),
                    line(9, (12, _expected(ask)), (12, _attempts(ask))),
                ),
            ),
        )
    )


def promises(values: Values) -> tuple[Promise, Promise]:
    """Give what is promised."""
    return (
        Promise(
            "Availability",
            "of the time of all enabled runners that are meant to stay, the share in which their "
            "lease ran",
            "server:electric_agents_runners_unavailable:ratio_",
            values.slo.availability,
            "no runners expected",
        ),
        Promise(
            "Claims",
            "of the claims that runners made, the share that did not end in an error",
            "server:electric_agents_runners_claim_errors:ratio_",
            values.slo.claims,
            "no claims",
        ),
    )


def _kept(ask: Asker, promise: Promise) -> str:
    """Give each server's share of good over the whole period."""
    return f"1 - max by (server) ({ask.of(f'{promise.bad}{ask.values.slo.period}')})"


def _budget_left(ask: Asker, promise: Promise) -> str:
    """Give what is left of each server's budget: 1 is all of it, under 0 it is overspent."""
    bad = ask.of(f"{promise.bad}{ask.values.slo.period}")
    return f"1 - max by (server) ({bad}) / {promise.objective.budget}"


def _burn(ask: Asker, promise: Promise, window: object) -> str:
    """Give how many times too fast each server's budget is used up."""
    return f"max by (server) ({ask.of(f'{promise.bad}{window}')}) / {promise.objective.budget}"


def _tiles(ask: Asker, promise: Promise) -> tuple[tuple[int, dashboard.Panel], ...]:
    period = ask.values.slo.period
    first = ask.values.slo.burns[0]
    objective = promise.objective.objective
    return (
        (
            8,
            stat_panel(
                Meaning(
                    title=f"{promise.name}, {period}",
                    question=f"Do we keep the objective of {objective:.2%}? That is, "
                    f"{promise.meant}. The worst server.",
                    nothing=promise.nothing,
                    unit="percentunit",
                    decimals=2,
                    thresholds=below(objective),
                ),
                Query(f"min({_kept(ask, promise)})", promise.name, instant=True),
            ),
        ),
        (
            8,
            stat_panel(
                Meaning(
                    title=f"{promise.name}: budget left",
                    question=f"May we still take risks? What is left of the {1 - objective:.2%} "
                    "that may go wrong, on the worst server; under 0 the objective is missed.",
                    nothing=promise.nothing,
                    unit="percentunit",
                    decimals=0,
                    thresholds=below(0),
                ),
                Query(f"min({_budget_left(ask, promise)})", "left", instant=True),
            ),
        ),
        (
            8,
            stat_panel(
                Meaning(
                    title=f"{promise.name}: burn rate, {first.long}",
                    question="Is it being spent now? 1 uses the budget up exactly at the end of "
                    f"the period; {first.factor:g} for {first.long} and {first.short} pages. The "
                    "worst server.",
                    nothing=promise.nothing,
                    unit="suffix: x",
                    decimals=1,
                    thresholds=_limit(first),
                ),
                Query(f"max({_burn(ask, promise, first.long)})", "burn", instant=True),
            ),
        ),
    )


def _servers(ask: Asker) -> dashboard.Panel:
    columns = [Column(title="Server", label="server")]
    first = ask.values.slo.burns[0]
    for promise in promises(ask.values):
        columns += [
            Column(
                title=promise.name,
                query=f"bottomk({SHOWN}, {_kept(ask, promise)})",
                unit="percentunit",
                decimals=3,
                thresholds=below(promise.objective.objective),
                nothing=promise.nothing,
            ),
            Column(
                title=f"{promise.name} left",
                query=f"bottomk({SHOWN}, {_budget_left(ask, promise)})",
                unit="percentunit",
                decimals=0,
                thresholds=below(0),
                nothing=promise.nothing,
            ),
            Column(
                title=f"{promise.name} burn",
                query=f"topk({SHOWN}, {_burn(ask, promise, first.long)})",
                unit="suffix: x",
                decimals=1,
                thresholds=_limit(first),
                nothing=promise.nothing,
            ),
        ]
    return table_panel(
        Meaning(
            title="By server",
            question=f"Whose budget is it? The {SHOWN} worst servers in each respect; left is what "
            f"is left of the budget, burn is its rate over {first.long}.",
            nothing=NOT_YET,
            unit="none",
        ),
        *columns,
        sort_by="Availability left",
        descending=False,
    )


def _burns(ask: Asker, promise: Promise) -> tuple[Line, ...]:
    drawn = [(12, _burn_graph(ask, promise, burn)) for burn in ask.values.slo.burns]
    return tuple(line(8, *pair) for pair in zip(drawn[::2], drawn[1::2], strict=True))


def _burn_graph(ask: Asker, promise: Promise, burn: Burn) -> dashboard.Panel:
    does = "pages" if burn.severity == "critical" else "makes a ticket"

    def worst(window: object) -> str:
        return f"topk({SHOWN}, {_burn(ask, promise, window)})"

    return graph_panel(
        Meaning(
            title=f"{burn.long} and {burn.short}: {does} at {burn.factor:g}",
            question=f"{promise.name}: is the budget used up {burn.factor:g} times too fast? While "
            f"both windows are over the line it {does}; when the short one falls under it, it is "
            "over.",
            nothing=promise.nothing,
            unit="suffix: x",
            thresholds=_limit(burn),
        ),
        Query(worst(burn.long), f"{{{{server}}}} {burn.long}"),
        Query(worst(burn.short), f"{{{{server}}}} {burn.short}"),
        lines=Lines(line=True, legend=(), up_to=1.5 * burn.factor),
    )


def _left(ask: Asker, promise: Promise) -> dashboard.Panel:
    period = ask.values.slo.period
    return graph_panel(
        Meaning(
            title=f"{promise.name}: budget left of {period}",
            question="When was it spent? A step down is an incident, a slope something that goes "
            f"on. It comes back {period} later.",
            nothing=promise.nothing,
            unit="percentunit",
            most=1,
            thresholds=below(0),
        ),
        Query(f"bottomk({SHOWN}, {_budget_left(ask, promise)})", "{{server}}"),
        lines=Lines(line=True, legend=()),
    )


def _expected(ask: Asker) -> dashboard.Panel:
    def total(name: str) -> str:
        return f"sum({ask.of(f'server:electric_agents_runners_{name}:sum')})"

    return graph_panel(
        Meaning(
            title="Runners that should be there",
            question="Who was away? unavailable is what spends the budget; expected falls when "
            "runners are disabled or a server gives no list.",
            nothing="no runners expected",
            unit="none",
            decimals=0,
            overrides=(
                color_of("expected", DISABLED, dashed=True),
                color_of("available", GOOD),
                color_of("unavailable", BAD),
            ),
        ),
        Query(total("expected"), "expected"),
        Query(total("available"), "available"),
        Query(total("unavailable"), "unavailable"),
    )


def _attempts(ask: Asker) -> dashboard.Panel:
    def total(name: str) -> str:
        record = f"server:electric_agents_runners_claim_{name}:rate{ask.values.slo.rate}"
        return f"60 * sum({ask.of(record)})"

    return graph_panel(
        Meaning(
            title="Claims tried and failed",
            question="Which claims failed? errors is what spends the budget. Of few attempts a "
            "handful of errors is much, and alerts nobody.",
            nothing="no claims",
            unit="cpm",
            overrides=(color_of("tried", NEUTRAL), color_of("errors", BAD)),
        ),
        Query(total("attempts"), "tried"),
        Query(total("errors"), "errors"),
    )


def _limit(burn: Burn) -> Thresholds:
    return above((burn.factor, BAD if burn.severity == "critical" else WARNING))
