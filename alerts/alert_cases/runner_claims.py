"""Stories of the alerts about a runner's claims."""

from collections.abc import Iterator
from dataclasses import replace

from alert_cases.promtool import (
    HOUR,
    MINUTE,
    Case,
    Signal,
    TestFile,
    World,
    rising,
    series,
    turning,
)
from alert_cases.runner import RULES, RunnerStory, of_sandbox, world
from alert_cases.stories import Story, of_runner, of_server
from alert_cases.worlds import SERVER, Runner, scraped, target


def _orphaned() -> Iterator[Case]:
    gone = Runner(liveness="expired", heartbeat_age=rising(30, start=95), active_claims=2)
    story = Story(
        rule="OrphanedClaims",
        world=world(gone),
        fires=5 * MINUTE,
        fired=(of_runner("OrphanedClaims", "critical"),),
        guards={
            "alive": ("it works on them", world(replace(gone, liveness="online", heartbeat_age=9))),
            "disabled": ("maintenance pages nobody", world(replace(gone, enabled=0))),
            "per-runner": (
                "the runners are told one by one",
                world(replace(gone, active_claims=0), _aggregate("orphaned_claims", 2)),
            ),
        },
        silent={"none: it held no work": world(replace(gone, active_claims=0))},
    )
    yield from story.cases()
    yield of_sandbox(story, gone, "warning")
    mute = replace(gone, liveness="online", heartbeat_age=rising(30, start=30))
    by_silence = story.told(world(mute), fires=15 * MINUTE)
    yield by_silence.turn("silence: a lease until the year 2099 is no sign of life")
    yield _server_alone("OrphanedClaims", "orphaned_claims", 2, 5 * MINUTE)
    nothing = {**target(), **_aggregate("orphaned_claims", 0)}
    yield story.silence("server, none: nobody waits for anything", nothing)


def _leaking() -> Iterator[Case]:
    superseded = "superseded_claims"
    leaky = Runner(more={superseded: turning(1, 5 * MINUTE, 3)})
    story = Story(
        rule="ClaimsLeaking",
        world=world(leaky),
        fires=HOUR + 5 * MINUTE,
        fired=(of_runner("ClaimsLeaking", "warning"),),
        guards={
            "old": (
                "what leaked long ago was told then, and stays in the server for ever",
                world(replace(leaky, more={superseded: 3})),
            ),
            "disabled": ("maintenance pages nobody", world(replace(leaky, enabled=0))),
            "per-runner": (
                "the runners are told one by one",
                world(
                    replace(leaky, more={superseded: 1}),
                    _aggregate(superseded, turning(1, 5 * MINUTE, 3)),
                ),
            ),
        },
    )
    yield from story.cases()
    yield of_sandbox(story, leaky, "warning")
    late = turning(None, 20 * MINUTE, 3)
    started = scraped(world(replace(leaky, more={superseded: late})), "b:9464")
    both = {**scraped(story.world), **started}
    yield story.told(both).turn("started: an exporter that started after the leak hides nothing")
    server = turning(1, 5 * MINUTE, 3)
    yield _server_alone("ClaimsLeaking", superseded, server, HOUR + 5 * MINUTE)


def _stuck() -> Iterator[Case]:
    beat = "oldest_claim_heartbeat_timestamp_seconds"
    stuck = Runner(more={beat: 0})
    yield from RunnerStory(
        "ClaimStuck",
        stuck,
        20.5 * MINUTE,
        guards={"dead": ("OrphanedClaims tells it", replace(stuck, liveness="expired"))},
        silent={"working: it gives a sign of life": replace(stuck, more={beat: rising(30)})},
    ).cases()


def _failures() -> Iterator[Case]:
    failed, claimed = 'claims_total{outcome="error"}', 'claims_total{outcome="claimed"}'
    conflicts = "client_identity_conflicts_total"
    calm: World = {'claims_total{outcome="no_work"}': rising(9), claimed: rising(1), conflicts: 0}
    failing = Runner(more={**calm, failed: rising(1)})

    yield from RunnerStory(
        "ClaimFailuresHigh",
        failing,
        12.5 * MINUTE,
        guards={
            "few": (
                "a handful of errors is no trend",
                replace(failing, more={**calm, claimed: 0, failed: rising(1, 240)}),
            ),
            "over": (
                "it still goes on",
                replace(failing, more={**calm, failed: rising(1, until=5 * MINUTE)}),
            ),
            "was-disabled": (
                "the server refuses the claims of a disabled runner, and these count as errors",
                replace(failing, enabled=turning(0, MINUTE, 1)),
            ),
            "duplicate": (
                "two processes' counts in turn look like growth",
                replace(failing, more={**calm, failed: rising(1), conflicts: rising(1, 120)}),
            ),
        },
        silent={
            "share: one in five is not many": replace(
                failing, more={**calm, claimed: rising(4), failed: rising(1)}
            )
        },
    ).cases()


def _server_alone(rule: str, family: str, signal: Signal, fires: float) -> Case:
    """Tell it of a target whose runners have no series of their own."""
    story = Story(
        rule=rule,
        world={**target(), **_aggregate(family, signal)},
        fires=fires,
        fired=(of_server(f"{rule} of a server", "warning", layer="runner"),),
    )
    return story.turn("server: without series of runners the server's sum tells it")


def _aggregate(family: str, signal: Signal) -> World:
    return {series(f"electric_agents_runners_{family}", server=SERVER): signal}


def files() -> Iterator[TestFile]:
    """Give the files of tests."""
    for name, cases in {
        "OrphanedClaims": _orphaned,
        "ClaimsLeaking": _leaking,
        "ClaimStuck": _stuck,
        "ClaimFailuresHigh": _failures,
    }.items():
        yield TestFile(name, RULES, tuple(cases()))
