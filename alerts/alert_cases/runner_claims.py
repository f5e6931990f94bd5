"""Cases of the alerts on a runner's claims."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from alert_cases.input_series import SERVER, Runner, scraped, scraped_shards, target
from alert_cases.promtool import Case, InputSeries, TestFile, selector
from alert_cases.rule_cases import STEP, RuleCases, of_runner, of_server
from alert_cases.runner import RULES, RunnerCases, exposed, of_sandbox
from alert_cases.signals import DAY, HOUR, MINUTE, Signal, at, rising, switching

_STEP: Final = 2 * MINUTE
_LONG_STEP: Final = 20 * MINUTE
_ALONE: Final = "server: where runners have no series, the server's sum counts"
_PER_RUNNER: Final = "the runners have series, and each raises its own alert"
_UNKNOWN: Final = "server, unknown: without any fresh report there is no sum"


def _orphaned() -> Iterator[Case]:
    gone = Runner(liveness="expired", heartbeat_age=rising(30, start=95), at_work=2)
    orphaned = RuleCases(
        rule="OrphanedClaims",
        series=exposed(gone),
        fires=5 * MINUTE,
        alerts=(of_runner("OrphanedClaims", "critical"),),
        guards={
            "alive": (
                "it is not gone, and works for them",
                exposed(replace(gone, liveness="online", heartbeat_age=9)),
            ),
            "disabled": ("maintenance pages nobody", exposed(replace(gone, enabled=0))),
            "per-runner": (
                _PER_RUNNER,
                exposed(replace(gone, at_work=0), _sum("orphaned_claims", 2)),
            ),
        },
        silent={"none: it held no work": exposed(replace(gone, at_work=0))},
    )
    yield from orphaned.cases()
    yield of_sandbox(orphaned, gone, "warning")
    mute = replace(gone, liveness="online", heartbeat_age=rising(30, start=30))
    by_silence = orphaned.with_series(exposed(mute), fires=15 * MINUTE)
    yield by_silence.firing("silence: a lease until the year 2099 is no sign of life")

    server = _of_server("OrphanedClaims", "orphaned_claims", 2, 5 * MINUTE)
    yield server.firing(_ALONE)
    yield replace(server, guards=orphaned.guards).another_cluster("per-runner")
    yield server.one_saw_it("server, one")
    yield server.silence("server, none: no work is abandoned", _of_target("orphaned_claims", 0))
    yield server.silence(_UNKNOWN, target())
    one_each = [_of_target("orphaned_claims", 1)] * 2
    yield server.with_series(scraped_shards(*one_each, target())).firing(
        "server, shards: their sums are added up, and one of them knows none"
    )


def _leaking() -> Iterator[Case]:
    leaks = switching(0, 6 * MINUTE, 2)
    leaking = RuleCases(
        rule="ClaimsLeaking",
        series=exposed(_leaky(leaks)),
        # Half of the median's window passes first.
        fires=10 * MINUTE + HOUR,
        alerts=(of_runner("ClaimsLeaking", "warning"),),
        hold=10 * MINUTE,
        one_is_enough=False,
        step=_STEP,
        guards={
            "disabled": ("maintenance pages nobody", exposed(replace(_leaky(leaks), enabled=0))),
            "per-runner": (_PER_RUNNER, exposed(_leaky(0), _sum("superseded_claims", leaks))),
        },
        silent={
            "work: what is worked on has not leaked": exposed(
                Runner(at_work=switching(1, HOUR, 4), more={"active_claims": switching(1, HOUR, 4)})
            ),
        },
    )
    yield from leaking.cases()
    yield of_sandbox(leaking, _leaky(leaks), "warning")

    server = replace(
        _of_server("ClaimsLeaking", "superseded_claims", leaks, 6 * MINUTE + HOUR), step=_STEP
    )
    yield server.firing(_ALONE)
    yield replace(server, guards=leaking.guards).another_cluster("per-runner")
    behind = scraped(_of_target("superseded_claims", 0), "b:9464")
    yield server.with_series({**scraped(server.series), **behind}).firing(
        "server, behind: an exporter that has not seen the leak hides nothing"
    )
    yield server.silence(_UNKNOWN, target())


def _leaked_before() -> Iterator[Case]:
    """Check leaks of a day ago, in large steps."""
    # A day later, and when the first numbers have been silent for two hours.
    leak, when = DAY + 2 * HOUR, DAY + 3 * HOUR
    leaking = RuleCases(
        rule="ClaimsLeaking",
        series={},
        fires=when,
        alerts=(of_runner("ClaimsLeaking", "warning"),),
        step=_LONG_STEP,
    )
    why = "what leaked long ago was reported then, and stays in the server for ever"
    yield leaking.silence(f"guard old: {why}", exposed(_leaky(2)))
    again = exposed(_leaky(switching(1, leak, 3)))
    yield leaking.with_series(again).firing("again: what leaked since then is new")

    server = replace(_of_server("ClaimsLeaking", "superseded_claims", 2, when), step=_LONG_STEP)
    yield server.silence(f"server, old: {why}", server.series)
    behind = scraped(_of_target("superseded_claims", 0), "b:9464")
    both = {**scraped(server.series), **behind}
    yield server.silence("server, old, behind: one exporter of two knew it", both)
    anew = _of_target("superseded_claims", switching(1, leak, 3))
    yield server.with_series(anew).firing("server, again: what leaked since then is new")
    old = _of_target("superseded_claims", 4)
    unknown = _of_target("superseded_claims", switching(4, leak, None))
    one_more = _of_target("superseded_claims", switching(4, leak, 5))
    yield server.with_series(scraped_shards(one_more, unknown, one_more)).firing(
        "server, shards: new leaks are added up, and a shard without a number hides none"
    )
    cleared = _of_target("superseded_claims", switching(4, leak, 0))
    two_more = _of_target("superseded_claims", switching(4, leak, 6))
    yield server.with_series(scraped_shards(two_more, cleared, old)).firing(
        "server, cleared: what was cleared up in one shard hides nothing of another"
    )


def _leaky(leaked: Signal) -> Runner:
    """Give a runner that works for one agent, and holds so many claims beyond."""
    return Runner(at_work=1, more={"active_claims": lambda now: 1 + (at(leaked, now) or 0)})


def _stuck() -> Iterator[Case]:
    beat = "oldest_claim_heartbeat_timestamp_seconds"
    stuck = Runner(more={beat: 0})
    working = replace(stuck, more={beat: rising(30)})
    cases = RunnerCases(
        "ClaimStuck",
        stuck,
        20.5 * MINUTE,
        guards={"dead": ("OrphanedClaims fires", replace(stuck, liveness="expired"))},
        silent={"working: it gives a sign of life": working},
    )
    yield from cases.cases()
    both = {**scraped(exposed(stuck)), **scraped(exposed(working), "b:9464")}
    yield cases.of_rule().silence("newer: another exporter has a newer sign of life", both)


def _failures() -> Iterator[Case]:
    failed, claimed = 'claims_total{outcome="error"}', 'claims_total{outcome="claimed"}'
    conflicts = "client_identity_conflicts_total"
    calm: InputSeries = {
        'claims_total{outcome="no_work"}': rising(9),
        claimed: rising(1),
        conflicts: 0,
    }
    failing = Runner(more={**calm, failed: rising(1)})

    yield from RunnerCases(
        "ClaimFailuresHigh",
        failing,
        12.5 * MINUTE,
        guards={
            "few": (
                "a handful of errors proves nothing",
                replace(failing, more={**calm, claimed: 0, failed: rising(1, 240)}),
            ),
            "over": (
                "errors still occur",
                replace(failing, more={**calm, failed: rising(1, until=5 * MINUTE)}),
            ),
            "was-disabled": (
                "the server refuses the claims of a disabled runner, which counts as errors",
                replace(failing, enabled=switching(0, MINUTE, 1)),
            ),
            "duplicate": (
                "counts of two processes that report in turn look like growth",
                replace(failing, more={**calm, failed: rising(1), conflicts: rising(1, 120)}),
            ),
        },
        silent={
            "share: one in five is not many": replace(
                failing, more={**calm, claimed: rising(4), failed: rising(1)}
            )
        },
        either=("duplicate",),
    ).cases()


def _of_server(rule: str, family: str, signal: Signal, fires: float) -> RuleCases:
    """Give the cases of a target whose runners have no series of their own."""
    return RuleCases(
        rule=rule,
        series=_of_target(family, signal),
        fires=fires,
        alerts=(of_server(f"{rule} of a server", "warning", layer="runner"),),
    )


def _of_target(family: str, signal: Signal) -> InputSeries:
    return {**target(), **_sum(family, signal)}


def _sum(family: str, signal: Signal) -> InputSeries:
    return {selector(f"electric_agents_runners_{family}", server=SERVER): signal}


def files() -> Iterator[TestFile]:
    """Give the files of test cases."""
    for name, cases, step in (
        ("OrphanedClaims", _orphaned, STEP),
        ("ClaimsLeaking", _leaking, _STEP),
        ("ClaimsLeaking-memory", _leaked_before, _LONG_STEP),
        ("ClaimStuck", _stuck, STEP),
        ("ClaimFailuresHigh", _failures, STEP),
    ):
        yield TestFile(name, RULES, tuple(cases()), step)
