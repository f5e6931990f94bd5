"""Which alert mutes which: all of it in one golden file, and the rules that it keeps to."""

import os
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import pytest
from amlint.routing import Inhibitor
from tests.alertmanager.conftest import Labels, alert, called, fired, settings

GOLDEN: Final = Path(__file__).parent / "golden" / "inhibition.txt"
CRITICAL: Final = "critical"
WARNING: Final = "warning"
INFO: Final = "info"
RANK: Final = ("none", INFO, WARNING, CRITICAL)
SCOPE: Final = ("cluster", "namespace", "job")
PAGES_ON_WORK: Final = {"WorkAbandoned critical", "WorkUnheard critical"}


@cache
def shipped() -> Inhibitor:
    return Inhibitor(settings()["inhibit_rules"])


def mutes(source: Labels, target: Labels) -> bool:
    return shipped().inhibited_by(target, [source]) is not None


def elsewhere(source: Labels, *names: str) -> Iterator[Labels]:
    """Give an alert as it would be of another cluster, another namespace and so on."""
    for name in names:
        yield {**source, name: "other"}
        yield {key: value for key, value in source.items() if key != name}


@pytest.fixture(scope="module")
def by_rule() -> list[set[tuple[str, str]]]:
    """What each rule mutes: the source and the target, all of one scope, server and runner."""
    alerts = fired()
    return [
        {
            (called(source), called(target))
            for target in alerts
            for source in alerts
            if inhibitor.inhibited_by(target, [source])
        }
        for inhibitor in (Inhibitor([rule]) for rule in settings()["inhibit_rules"])
    ]


@pytest.fixture(scope="module")
def muted_by(by_rule: list[set[tuple[str, str]]]) -> dict[str, set[str]]:
    """What mutes each alert."""
    pairs = set().union(*by_rule)
    return {
        name: {source for source, target in pairs if target == name}
        for name in map(called, fired())
    }


def test_each_alert_is_muted_by_what_the_golden_file_says(muted_by: dict[str, set[str]]) -> None:
    text = "".join(
        f"{target}\n" + "".join(f"    by {source}\n" for source in sorted(sources))
        for target, sources in sorted(muted_by.items())
    )
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text(), (
        "say in alerts/source/alertmanager.yml what mutes it and what it mutes; then "
        "UPDATE_GOLDEN=1 make verify ARGS='-k golden', and read the difference"
    )


def test_no_alert_mutes_itself_and_none_in_a_circle(muted_by: dict[str, set[str]]) -> None:
    TopologicalSorter(muted_by).prepare()  # raises where there is a circle


def test_nothing_is_muted_by_what_is_less_severe(muted_by: dict[str, set[str]]) -> None:
    rank = {called(one): RANK.index(one["severity"]) for one in fired()}
    less = [
        (source, target)
        for target, sources in muted_by.items()
        for source in sources
        if rank[source] < rank[target]
    ]
    assert less == []


def test_every_rule_mutes_something_that_no_other_rule_does(
    by_rule: list[set[tuple[str, str]]],
) -> None:
    for number, pairs in enumerate(by_rule):
        others = set().union(*by_rule[:number], *by_rule[number + 1 :])
        assert pairs - others, settings()["inhibit_rules"][number]


def test_the_watchdog_is_never_muted(muted_by: dict[str, set[str]]) -> None:
    assert muted_by["Watchdog none"] == set()


def test_nothing_above_the_runners_is_muted_by_a_runner_but_budgets_by_pages_on_work(
    muted_by: dict[str, set[str]],
) -> None:
    runners = {called(one) for one in fired() if one["layer"] == "runner"}
    budgets = {called(one) for one in fired() if one["layer"] == "slo"}
    for name in set(muted_by) - runners:
        assert muted_by[name] & runners == (PAGES_ON_WORK if name in budgets else set()), name


def test_no_page_on_work_is_muted_below_the_server_but_by_a_page_on_the_same_runner(
    muted_by: dict[str, set[str]],
) -> None:
    below = {called(one) for one in fired() if one["layer"] in {"fleet", "runner", "slo"}}
    assert muted_by["WorkAbandoned critical"] & below == set()
    assert muted_by["WorkUnheard critical"] & below == {"WorkAbandoned critical"}


def test_nothing_is_muted_across_clusters_namespaces_jobs_or_servers() -> None:
    crossing = [
        (called(source), called(target), other)
        for source in fired()
        for target in fired()
        if mutes(source, target)
        for other in elsewhere(source, *SCOPE, *({"server"} & source.keys() & target.keys()))
        if mutes(other, target)
        # The ticket on a job's exporters is in the page on any server of theirs.
        and not (called(target).startswith("Exporter") and "server" not in other)
    ]
    assert crossing == []


def test_what_is_muted_within_one_cluster_is_muted_where_there_is_none() -> None:
    """Whoever has no such labels has the same alerts without them."""

    def bare(labels: Labels) -> Labels:
        return {k: v for k, v in labels.items() if k not in {"cluster", "namespace"}}

    differing = [
        (called(source), called(target))
        for source in fired()
        for target in fired()
        if mutes(source, target) != mutes(bare(source), bare(target))
    ]
    assert differing == []


Pair = tuple[tuple[str, str], tuple[str, str]]

BY_SCOPE: Final[list[Pair]] = [
    (("ExporterDown", CRITICAL), ("ExporterDown", WARNING)),
    (("ExporterDown", CRITICAL), ("ExporterRestarting", WARNING)),
]
BY_SERVER: Final[list[Pair]] = [
    (("ExporterDown", CRITICAL), ("ServerUnreachable", CRITICAL)),
    (("ExporterDown", CRITICAL), ("WorkAbandoned", CRITICAL)),
    (("ExporterAbsent", CRITICAL), ("FleetUnavailable", CRITICAL)),
    (("DatabaseUnreachable", CRITICAL), ("ServerUnreachable", CRITICAL)),
    (("DatabaseUnreachable", CRITICAL), ("RunnersUnknown", CRITICAL)),
    (("ServerUnreachable", CRITICAL), ("WorkUnheard", CRITICAL)),
    (("ServerUnreachable", CRITICAL), ("PollOverrun", WARNING)),
    (("ServerUnreachable", CRITICAL), ("WorkBudgetBurn", CRITICAL)),
    (("CredentialsRejected", CRITICAL), ("CredentialsRejected", WARNING)),
    (("CredentialsRejected", WARNING), ("RunnersUnknown", WARNING)),
    (("TooFewRunners", CRITICAL), ("RunnersVanished", CRITICAL)),
    (("TooFewRunners", CRITICAL), ("RunnerUnhealthy", WARNING)),
]
BY_TENANT: Final[list[Pair]] = [
    (("RunnersUnknown", CRITICAL), ("RunnersUnknown", WARNING)),
    (("RunnersUnknown", CRITICAL), ("RunnersVanished", WARNING)),
    (("FleetUnavailable", CRITICAL), ("TooFewRunners", CRITICAL)),
    (("FleetUnavailable", CRITICAL), ("RunnerUnhealthy", WARNING)),
    (("FleetUnavailable", CRITICAL), ("WorkBudgetBurn", CRITICAL)),
    (("RunnersVanished", CRITICAL), ("RunnerDeaf", WARNING)),
    (("WorkAbandoned", CRITICAL), ("WorkBudgetBurn", CRITICAL)),
    (("WorkBudgetBurn", CRITICAL), ("WorkBudgetBurn", WARNING)),
]
BY_RUNNER: Final[list[Pair]] = [
    (("WorkAbandoned", CRITICAL), ("WorkUnheard", CRITICAL)),
    (("WorkAbandoned", WARNING), ("WorkUnheard", WARNING)),
    (("WorkAbandoned", CRITICAL), ("RunnerUnhealthy", WARNING)),
    (("WorkUnheard", CRITICAL), ("RunnerDeaf", WARNING)),
    (("WorkUnheard", WARNING), ("RunnerNeverHeartbeat", INFO)),
    (("RunnerUnhealthy", WARNING), ("WorkRefused", WARNING)),
    (("RunnerUnhealthy", WARNING), ("RunnerFlapping", WARNING)),
    (("DuplicateRunnerId", WARNING), ("RunnerRestarting", WARNING)),
    (("RunnerRestarting", WARNING), ("ClaimsLeaking", WARNING)),
    (("RunnerDeaf", WARNING), ("ReconnectStorm", WARNING)),
    (("ReconnectStorm", WARNING), ("RunnerFlapping", WARNING)),
]


@pytest.mark.parametrize("source, target", BY_SCOPE)
def test_the_page_on_an_exporter_has_the_ticket_on_its_job_in_it(
    source: tuple[str, str], target: tuple[str, str]
) -> None:
    muted = alert(*target)
    assert mutes(alert(*source), muted)
    assert mutes(alert(*source, server="other"), muted)
    assert not any(mutes(other, muted) for other in elsewhere(alert(*source), *SCOPE))


@pytest.mark.parametrize("source, target", BY_SERVER)
def test_a_server_mutes_its_own_alerts_only_and_all_its_tenants(
    source: tuple[str, str], target: tuple[str, str]
) -> None:
    muted = alert(*target)
    assert mutes(alert(*source), muted)
    assert mutes(alert(*source), {**muted, "tenant": "acme"})
    assert not any(mutes(other, muted) for other in elsewhere(alert(*source), *SCOPE, "server"))


@pytest.mark.parametrize("source, target", BY_TENANT)
def test_a_fleet_mutes_its_own_alerts_only_and_no_other_tenant(
    source: tuple[str, str], target: tuple[str, str]
) -> None:
    muting, muted = alert(*source, tenant="acme"), alert(*target, tenant="acme")
    assert mutes(alert(*source), alert(*target))
    assert mutes(muting, muted)
    assert not any(mutes(other, muted) for other in elsewhere(muting, *SCOPE, "server", "tenant"))


@pytest.mark.parametrize("source, target", BY_RUNNER)
def test_a_runner_mutes_its_own_alerts_only(
    source: tuple[str, str], target: tuple[str, str]
) -> None:
    muted, own = alert(*target), (*SCOPE, "server", "runner_id")
    assert mutes(alert(*source), muted)
    assert not any(mutes(other, muted) for other in elsewhere(alert(*source), *own))
    assert not mutes(alert(*source, tenant="other"), muted)


@pytest.mark.parametrize("source, target", BY_RUNNER)
def test_what_names_no_runner_mutes_nothing_by_runner(
    source: tuple[str, str], target: tuple[str, str]
) -> None:
    assert not mutes(alert(*source, runner_id=""), alert(*target, runner_id=""))


@pytest.mark.parametrize(
    "name", ["ServerUnreachable", "DatabaseUnreachable", "CredentialsRejected"]
)
def test_many_servers_mute_each_of_them_and_each_goes_on_muting_what_is_its_own(name: str) -> None:
    many, each = alert(name, CRITICAL, servers="many"), alert(name, CRITICAL, server="other")
    assert "servers" not in each
    assert mutes(many, each)
    assert not any(mutes(other, each) for other in elsewhere(many, *SCOPE))
    assert not mutes(many, alert("WorkAbandoned", CRITICAL, server="other"))
    assert mutes(each, alert("WorkAbandoned", CRITICAL, server="other"))


def test_many_databases_mute_many_servers() -> None:
    many = alert("DatabaseUnreachable", CRITICAL, servers="many")
    servers = alert("ServerUnreachable", CRITICAL, servers="many")
    assert mutes(many, servers)
    assert not mutes(servers, many)
    assert not any(mutes(other, servers) for other in elsewhere(many, *SCOPE))


@pytest.mark.parametrize("name", ["ExporterDown", "ExporterAbsent"])
def test_a_shard_that_is_missing_leaves_alerts_on_runners_of_the_others(name: str) -> None:
    whole, shard = alert(name, CRITICAL), alert(name, CRITICAL, shard="1")
    for target in (alert("WorkAbandoned", CRITICAL), alert("RunnerDeaf", WARNING)):
        assert mutes(whole, target)
        assert not mutes(shard, target)
    for target in (alert("FleetUnavailable", CRITICAL), alert("ServerUnreachable", CRITICAL)):
        assert mutes(whole, target)
        assert mutes(shard, target)


def test_old_data_mute_the_overruns_of_their_own_shard_only() -> None:
    overrun = alert("PollOverrun", WARNING, shard="1")
    stale = alert("ExporterDataStale", WARNING, shard="1")
    assert mutes(stale, overrun)
    assert not any(mutes(other, overrun) for other in elsewhere(stale, *SCOPE, "server", "shard"))


def test_a_scheduler_that_stands_still_mutes_no_overrun() -> None:
    still = alert("ExporterDataStale", WARNING, server="")
    assert not mutes(still, alert("PollOverrun", WARNING, server=""))


def test_alerts_on_runners_of_other_principals_are_sent_while_one_is_refused() -> None:
    refused = alert("CredentialsRejected", WARNING)
    assert not mutes(refused, alert("WorkAbandoned", CRITICAL))
    assert not mutes(refused, alert("RunnerUnhealthy", WARNING))
    assert not mutes(refused, alert("RunnersUnknown", CRITICAL))


def test_tickets_wait_while_most_runners_are_missing_and_pages_do_not() -> None:
    vanished = alert("RunnersVanished", CRITICAL)
    assert mutes(vanished, alert("RunnerDeaf", WARNING))
    assert not mutes(vanished, alert("WorkAbandoned", CRITICAL))
    assert not mutes(alert("RunnersVanished", WARNING), alert("RunnerDeaf", WARNING))


def test_a_fleet_that_is_gone_mutes_no_page_on_work_that_waits() -> None:
    gone = alert("FleetUnavailable", CRITICAL)
    assert not mutes(gone, alert("WorkAbandoned", CRITICAL))
    assert not mutes(gone, alert("WorkUnheard", CRITICAL))


def test_a_ticket_on_a_transient_runners_work_mutes_no_page() -> None:
    abandoned = alert("WorkAbandoned", WARNING)
    assert not mutes(abandoned, alert("WorkUnheard", CRITICAL))
    assert not mutes(abandoned, alert("WorkBudgetBurn", CRITICAL))


def test_the_fast_burn_mutes_no_slow_one_of_another_objective() -> None:
    fast = alert("WorkBudgetBurn", CRITICAL, objective="dispatch")
    assert mutes(fast, alert("WorkBudgetBurn", WARNING, objective="dispatch", window="3d"))
    assert not mutes(fast, alert("WorkBudgetBurn", WARNING, objective="work", window="3d"))
