"""Every query asked of a real Prometheus that watches real fleets, ordinary and degenerate ones."""

import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from electric_agents_dashboards import sight, slo
from made_dashboards import BUILT_IN, NAMES, BoardQuery, interpolated, queries
from watched_fleets import (
    AGGREGATED,
    DOWN,
    LOST,
    PLAIN,
    RESTARTED,
    SERVERS,
    SINGLE,
    Prometheus,
    fleets,
    prometheus,
    until,
)

pytestmark = [pytest.mark.alone, pytest.mark.timeout(900)]

SECONDS: Final = 120
STEP: Final = 2
EVERYTHING: Final = ".+"
AT_WORK: Final = ("worker-0", "crashing-0")
"""At work, and at long work."""
QUOTED: Final = LOST.replace('"', r"\"")
RUNNERS: Final = (LOST, RESTARTED, *AT_WORK)
"""Gone, just restarted, at work: between them they have everything."""

_TILES: Final = ("seen of 30d", "budget left", "burn rate, 1h")
EMPTY: Final = {
    "exporter: Unrecognized values/min by field, A": "the simulator says what the contract has",
    "exporter: Alerts sent/min, A": "no exporter has an Alertmanager",
    "exporter: Alerts sent/min, B": "no exporter has an Alertmanager",
    **dict.fromkeys(
        (
            *(f"slo: Dispatch{of}" for of in (", 30d, A", ", 30d, B")),
            *(f"slo: Dispatch: {tile}, {query}" for tile in _TILES for query in "AB"),
            "slo: Dispatch: budget left of 30d, A",
            *(f"slo: By server, {column}" for column in "EFGH"),
            *(f"slo: Wakes/min claimed, and late, {query}" for query in "AB"),
            *(f"fleet: From wake to claim, {query}" for query in "AB"),
        ),
        "no target reads both the wakes and the database",
    ),
    **dict.fromkeys(
        (
            *(f"fleet: Claim duration by kind, {query}" for query in "AB"),
            "fleet: Wakes, claims done/min, B",
            *(f"exporter: Certificates, credentials and scans, {column}" for column in "ABCD"),
        ),
        "no database, no TLS and no files with credentials",
    ),
    **dict.fromkeys(
        (f"{name}: variable {label}" for name in NAMES for label in ("tenant", "cluster")),
        "no target polls several tenants, and there is one cluster",
    ),
}
"""What the ordinary fleet has none of, and why."""
NO_EXPORTER: Final = {str(factor * sight.NO_EXPORTER.code) for factor in (1, slo.FAR)}
"""What a tile that judges says where nothing was ever scraped."""
MAY_BE_EMPTY: Final = {
    "fleet: States of the worst runners, A": "every server has runners to list",
    "slo: Work: seen of 30d, B": "there is no share of a first minute that is not over",
    **dict.fromkeys(
        ("fleet: Servers down, A", "fleet: Servers down, B", "fleet: Servers down, D"),
        "every server is up",
    ),
    "fleet: Servers, B": "no server is down, so there is no reason",
    "fleet: Data age, B": "the other query has the answer, while data is fresh",
    **dict.fromkeys(
        (
            f"slo: Work{tile}, {query}"
            for tile in (", 30d", ": budget left", ": burn rate, 1h")
            for query in "AB"
        ),
        "one of the two has the answer, by how much was seen",
    ),
    "runner: Last error, A": "no runner had an error",
    "exporter: Parts of polls that fail, A": "every part is had on a machine that has time",
    "exporter: Failed requests/min by reason, A": "no request fails on a machine that has time",
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Give a Prometheus that has watched all fleets for long enough to have everything."""
    if shutil.which("prometheus") is None:
        assert not os.environ.get("CI"), "prometheus is missing: run `make tools`"
        pytest.skip("prometheus is missing: run `make tools`")
    with fleets(tmp_path_factory.mktemp("fleets")) as watching:
        watcher = watching.prometheus

        def see(sign: str) -> None:
            until(lambda: watcher.has(sign), sign)

        loud = 'ALERTS{alertstate="firing", severity!~"info|none", '
        plain = f'job="{PLAIN}"'
        see(f'electric_agents_runner_condition{{{plain}, condition="work_unheard"}} == 1')
        watching.lose()
        see(f'{loud}runner_id="{QUOTED}", {plain}}}')
        see(f'{loud}job="{DOWN}"}}')
        see(f'electric_agents_runner_active_claims{{{plain}, runner_id="crashing-0"}} > 0')
        see(f"server:electric_agents_runners_work_waiting:ratio_30d{{{plain}}}")
        see(f'server:electric_agents_runners_work_waiting:ratio_30d{{job="{AGGREGATED}"}}')
        worker = f'{plain}, runner_id=~"{"|".join(AT_WORK)}"'
        see(f'increase(electric_agents_runner_claims_total{{{worker}, outcome="claimed"}}[1m]) > 0')
        see(f'electric_agents_runner_client_restarts_total{{{plain}, runner_id="{RESTARTED}"}}')
        watching.restart()
        see(f"rate(electric_agents_runner_client_restarts_total{{{plain}}}[15s]) > 0")
        yield watcher


def answer(
    watched: Prometheus, query: BoardQuery, job: str, runner: str = LOST
) -> list[dict[str, Any]]:
    """Ask as Grafana would; an error or a warning fails."""
    chosen = {
        "job": job,
        "cluster": ".*",
        "instance": EVERYTHING,
        "server": EVERYTHING,
        "tenant": ".*",
        "like": EVERYTHING,
        "runner": runner,
    }
    if query.board == "runner":
        # Of one server, without a cluster and a tenant.
        chosen |= {"cluster": "", "server": SERVERS.get(job, "nobody"), "tenant": ""}
    expr = interpolated(query.expr, {**BUILT_IN, **chosen, "__rate_interval": "15s"})
    now = time.time()
    if query.label:
        got = watched.ask(f"label/{query.label}/values", **{"match[]": expr})
    elif query.instant:
        got = watched.ask("query", query=expr, time=str(now))
    else:
        start = str(now - SECONDS)
        got = watched.ask("query_range", query=expr, start=start, end=str(now), step=str(STEP))
    assert got["status"] == "success", f"{query}: {got}: {expr}"
    assert not got.get("warnings"), f"{query}: {got['warnings']}"
    assert not got.get("infos"), f"{query}: {got['infos']}"
    data = got["data"]
    return data if query.label else data["result"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", NAMES)
def test_every_query_has_an_answer_on_the_simulators_fleet(watched: Prometheus, name: str) -> None:
    empty = {
        str(query)
        for query in queries(name)
        if not any(answer(watched, query, PLAIN, runner) for runner in RUNNERS)
    }
    unexplained = empty - set(EMPTY) - set(MAY_BE_EMPTY)
    assert not unexplained, f"no values; where that is right, say why in EMPTY: {unexplained}"
    filled = {place for place in EMPTY if place.startswith(f"{name}: ")} - empty
    assert not filled, f"there are values: take them out of EMPTY: {filled}"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("job", [SINGLE, AGGREGATED, DOWN, "nobody"])
def test_no_query_fails_on_a_degenerate_fleet(watched: Prometheus, name: str, job: str) -> None:
    for query in queries(name):
        answer(watched, query, job, "nobody")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("watched")
def test_no_query_fails_where_nothing_was_ever_scraped(tmp_path: Path, name: str) -> None:
    with prometheus(tmp_path / "empty", {}, rules=False) as blank:
        for query in queries(name):
            for series in answer(blank, query, "nobody"):
                values = [value for _, value in series.get("values", [series.get("value")])]
                assert set(values) <= NO_EXPORTER, query


@pytest.mark.parametrize("name", NAMES)
def test_a_legend_names_labels_that_its_series_have(watched: Prometheus, name: str) -> None:
    for query in queries(name):
        named = set(re.findall(r"\{\{(\w+)\}\}", query.legend)) - {"tenant", "cluster"}
        for series in answer(watched, query, PLAIN) if named else []:
            assert named <= set(series["metric"]), query


def tile(watched: Prometheus, title: str, job: str) -> float | None:
    """Give what a tile of the fleet's dashboard shows."""
    (query,) = [q for q in queries("fleet") if q.place == f"{title}, A"]
    result = answer(watched, query, job)
    if not result:
        return None
    last = result[0]["value"] if query.instant else result[0]["values"][-1]
    return float(last[1])


@pytest.mark.parametrize("title", ["Listed", "Unhealthy", "Not known", "Work waits"])
def test_two_replicas_double_nothing(watched: Prometheus, title: str) -> None:
    """The fleet under two replicas, with runners' series, against one without."""
    until(
        lambda: (
            (shown := tile(watched, title, PLAIN)) is not None
            and shown == tile(watched, title, AGGREGATED)
        ),
        f"{title}: the same",
    )


@pytest.mark.parametrize(
    "title, job, shown",
    [
        ("Listed", SINGLE, 1),
        ("Unhealthy", SINGLE, 0),
        ("Not known", SINGLE, 0),
        ("Available", SINGLE, 1),
        ("Listed", DOWN, None),
        ("Work waits", DOWN, sight.SERVER_DOWN.code),
        ("Unhealthy", DOWN, sight.SERVER_DOWN.code),
        ("Available", DOWN, sight.SERVER_DOWN.code),
        ("Work waits", "nobody", sight.NO_EXPORTER.code),
    ],
)
def test_the_page_of_a_fleet_says_what_is_wrong_with_it(
    watched: Prometheus, title: str, job: str, shown: float | None
) -> None:
    until(lambda: tile(watched, title, job) == shown, f"{title} of {job}: {shown}")


def test_the_table_of_runners_begins_with_the_worst_and_knows_the_disabled_and_the_away(
    watched: Prometheus,
) -> None:
    (query,) = [q for q in queries("fleet") if q.place == "Runners, A"]
    shown = {"cut-off-0": 8, LOST: 7, "laptop-0": 2, "maintenance-0": 1, "worker-0": 0}

    def states() -> dict[str, float]:
        return {
            series["metric"]["runner_id"]: float(series["value"][1])
            for series in answer(watched, query, PLAIN)
        }

    # On a busy machine one that works may be deaf for a moment.
    until(
        lambda: shown.items() <= (now := states()).items() and max(now.values()) == 8,
        f"the states {shown}",
    )


def test_lanes_of_runners_stand_in_the_order_of_their_states_the_worst_first(
    watched: Prometheus,
) -> None:
    (query,) = [q for q in queries("fleet") if q.place == "States of the worst runners, B"]

    def in_order() -> bool:
        last = [float(series["values"][-1][1]) for series in answer(watched, query, PLAIN)]
        return len(set(last)) > 3 and last == sorted(last, reverse=True)

    until(in_order, "lanes from the worst to the best")
