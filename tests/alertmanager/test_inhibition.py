"""Which alert mutes which: all of it in one golden file, and the rules that it keeps to."""

import os
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from amlint.routing import Inhibitor
from tests.alertmanager.conftest import Labels, alert, called, fired, settings

GOLDEN = Path(__file__).parent / "golden" / "inhibition.txt"
CRITICAL = "critical"
WARNING = "warning"
RANK = ("none", "info", "warning", "critical")


def mutes(source: Labels, target: Labels) -> bool:
    return Inhibitor(settings()["inhibit_rules"]).inhibited_by(target, [source]) is not None


@pytest.fixture(scope="module")
def by_rule() -> list[set[tuple[str, str]]]:
    """What each rule mutes: the source and the target, all of one job, server and runner."""
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
        "say in alerts/alertmanager/alertmanager.yml what mutes it and what it mutes; then "
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


def test_nothing_above_the_runners_is_muted_by_a_runner(muted_by: dict[str, set[str]]) -> None:
    runners = {called(one) for one in fired() if one["layer"] == "runner"}
    above = set(muted_by) - runners
    assert {name for name in above if muted_by[name] & runners} == set()


BY_JOB = [("ExporterDown", "ServerUnreachable"), ("ExporterAbsent", "FleetUnavailable")]
BY_SERVER = [("ServerUnreachable", "RunnerUnhealthy"), ("CredentialsRejected", "ServerUnreachable")]
BY_TENANT = [
    (("FleetUnavailable", CRITICAL), ("OrphanedClaims", CRITICAL)),
    (("FleetUnavailable", CRITICAL), ("AvailabilityBudgetBurn", CRITICAL)),
    (("RunnersVanished", CRITICAL), ("RunnerDeaf", WARNING)),
    (("ClaimBudgetBurn", CRITICAL), ("ClaimBudgetBurn", WARNING)),
]
BY_RUNNER = [
    (("RunnerUnhealthy", CRITICAL), ("OrphanedClaims", CRITICAL)),
    (("RunnerUnhealthy", CRITICAL), ("RunnerUnhealthy", WARNING)),
    (("RunnerUnhealthy", WARNING), ("RunnerLeaseExpired", WARNING)),
    (("OrphanedClaims", WARNING), ("ClaimStuck", WARNING)),
    (("RunnerLeaseExpired", WARNING), ("RunnerDeaf", WARNING)),
    (("DuplicateRunnerId", WARNING), ("RunnerRestarting", WARNING)),
    (("RunnerRestarting", WARNING), ("ClaimsLeaking", WARNING)),
    (("RunnerDeaf", WARNING), ("ReconnectStorm", WARNING)),
]


@pytest.mark.parametrize("source, target", BY_JOB)
def test_an_exporter_mutes_its_own_job_only(source: str, target: str) -> None:
    muted = alert(target, CRITICAL)
    assert mutes(alert(source, CRITICAL), muted)
    assert not mutes(alert(source, CRITICAL, job="other"), muted)


@pytest.mark.parametrize("source, target", BY_SERVER)
def test_a_server_mutes_its_own_alerts_only_and_all_its_tenants(source: str, target: str) -> None:
    muted = alert(target, CRITICAL)
    assert mutes(alert(source, CRITICAL), muted)
    assert mutes(alert(source, CRITICAL), alert(target, CRITICAL, tenant="acme"))
    assert not mutes(alert(source, CRITICAL, server="other"), muted)
    assert not mutes(alert(source, CRITICAL, job="other"), muted)


@pytest.mark.parametrize("source, target", BY_TENANT)
def test_a_fleet_mutes_its_own_alerts_only_and_no_other_tenant(
    source: tuple[str, str], target: tuple[str, str]
) -> None:
    muted = alert(*target, tenant="acme")
    assert mutes(alert(*source), alert(*target))
    assert mutes(alert(*source, tenant="acme"), muted)
    assert not mutes(alert(*source, tenant="other"), muted)
    assert not mutes(alert(*source), muted)
    assert not mutes(alert(*source, tenant="acme", server="other"), muted)
    assert not mutes(alert(*source, tenant="acme", job="other"), muted)


def test_old_data_mute_the_overruns_of_their_own_shard_only() -> None:
    overrun = alert("PollOverrun", WARNING, shard="1")
    assert mutes(alert("ExporterDataStale", WARNING, shard="1"), overrun)
    assert not mutes(alert("ExporterDataStale", WARNING, shard="0"), overrun)


@pytest.mark.parametrize("source, target", BY_RUNNER)
def test_a_runner_mutes_its_own_alerts_only(
    source: tuple[str, str], target: tuple[str, str]
) -> None:
    muted = alert(*target)
    assert mutes(alert(*source), muted)
    assert not mutes(alert(*source, runner_id="other"), muted)
    assert not mutes(alert(*source, tenant="other"), muted)
    assert not mutes(alert(*source, server="other"), muted)
    assert not mutes(alert(*source, job="other"), muted)


@pytest.mark.parametrize("source, target", BY_RUNNER)
def test_what_names_no_runner_mutes_nothing_by_runner(
    source: tuple[str, str], target: tuple[str, str]
) -> None:
    assert not mutes(alert(*source, runner_id=""), alert(*target, runner_id=""))


def test_alerts_on_runners_of_other_principals_are_sent_while_one_is_refused() -> None:
    assert not mutes(alert("CredentialsRejected", CRITICAL), alert("RunnerUnhealthy", CRITICAL))


def test_tickets_wait_while_most_runners_are_missing_and_pages_do_not() -> None:
    vanished = alert("RunnersVanished", CRITICAL)
    assert mutes(vanished, alert("RunnerDeaf", WARNING))
    assert not mutes(vanished, alert("RunnerUnhealthy", CRITICAL))
    one_principal = alert("RunnersVanished", CRITICAL, principal="user:alice")
    assert not mutes(one_principal, alert("RunnerDeaf", WARNING))


def test_the_fast_burn_mutes_no_slow_one_of_another_objective() -> None:
    fast = alert("ClaimBudgetBurn", CRITICAL)
    assert not mutes(fast, alert("AvailabilityBudgetBurn", WARNING))
