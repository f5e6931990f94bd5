"""Stories of the alerts about a runner's claims."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from alert_cases.promtool import (
    DAY,
    HOUR,
    MINUTE,
    Case,
    Signal,
    TestFile,
    World,
    at,
    rising,
    series,
    turning,
)
from alert_cases.runner import RULES, RunnerStory, of_sandbox, world
from alert_cases.stories import STEP, Story, of_runner, of_server
from alert_cases.worlds import SERVER, Runner, scraped, target

_ALONE: Final = "server: without series of runners the server's sum tells it"


def _orphaned() -> Iterator[Case]:
    gone = Runner(liveness="expired", heartbeat_age=rising(30, start=95), at_work=2)
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
                world(replace(gone, at_work=0), _aggregate("orphaned_claims", 2)),
            ),
        },
        silent={"none: it held no work": world(replace(gone, at_work=0))},
    )
    yield from story.cases()
    yield of_sandbox(story, gone, "warning")
    mute = replace(gone, liveness="online", heartbeat_age=rising(30, start=30))
    by_silence = story.told(world(mute), fires=15 * MINUTE)
    yield by_silence.turn("silence: a lease until the year 2099 is no sign of life")
    server = _server_alone("OrphanedClaims", "orphaned_claims", 2, 5 * MINUTE)
    yield server.turn(_ALONE)
    yield replace(server, guards=story.guards).elsewhere("per-runner")
    yield server.seen_by_one("server, one")
    nothing = {**target(), **_aggregate("orphaned_claims", 0)}
    yield story.silence("server, none: nobody waits for anything", nothing)


def _leaking() -> Iterator[Case]:
    leaks = turning(0, 5 * MINUTE, 2)
    server = _server_alone("ClaimsLeaking", "superseded_claims", leaks, 5 * MINUTE + HOUR)
    alone = replace(server, step=MINUTE)
    story = Story(
        rule="ClaimsLeaking",
        world=world(_leaky(leaks)),
        # Half of the window of the middle passes first.
        fires=9 * MINUTE + HOUR,
        fired=(of_runner("ClaimsLeaking", "warning"),),
        hold=10 * MINUTE,
        one=False,
        step=MINUTE,
        guards={
            "disabled": ("maintenance pages nobody", world(replace(_leaky(leaks), enabled=0))),
            "per-runner": (
                "the runners are told one by one",
                world(_leaky(0), _aggregate("superseded_claims", leaks)),
            ),
        },
        silent={
            "work: what is worked on has not leaked": world(
                Runner(at_work=turning(1, HOUR, 4), more={"active_claims": turning(1, HOUR, 4)})
            ),
        },
    )
    yield from story.cases()
    yield of_sandbox(story, _leaky(leaks), "warning")
    yield alone.turn(_ALONE)
    yield replace(alone, guards=story.guards).elsewhere("per-runner")
    behind = scraped({**target(), **_aggregate("superseded_claims", 0)}, "b:9464")
    both = {**scraped(alone.world), **behind}
    yield alone.told(both).turn(
        "server, behind: an exporter that has not seen the leak hides nothing"
    )


def _leaked_before() -> Iterator[Case]:
    """Tell of leaks of a day ago, in steps as long as the window that the middle is taken of."""
    # A day later, and when what was there at first has been silent for two hours.
    leak, when = DAY + 2 * HOUR, DAY + 3 * HOUR
    told = Story("ClaimsLeaking", {}, when, (of_runner("ClaimsLeaking", "warning"),))
    story = replace(told, step=10 * MINUTE)
    why = "what leaked long ago was told then, and stays in the server for ever"
    yield story.silence(f"guard old: {why}", world(_leaky(2)))
    again = world(_leaky(turning(1, leak, 3)))
    yield story.told(again).turn("again: what leaked since is news")
    server = _server_alone("ClaimsLeaking", "superseded_claims", 2, when)
    alone = replace(server, step=10 * MINUTE)
    yield alone.silence(f"server, old: {why}", alone.world)
    behind = scraped({**target(), **_aggregate("superseded_claims", 0)}, "b:9464")
    both = {**scraped(alone.world), **behind}
    yield alone.silence("server, old, behind: one exporter of two knew it", both)
    anew = {**target(), **_aggregate("superseded_claims", turning(1, leak, 3))}
    yield alone.told(anew).turn("server, again: what leaked since is news")


def _leaky(leaked: Signal) -> Runner:
    """Give a runner that works for one agent, and holds so many claims beyond."""
    return Runner(at_work=1, more={"active_claims": lambda now: 1 + (at(leaked, now) or 0)})


def _stuck() -> Iterator[Case]:
    beat = "oldest_claim_heartbeat_timestamp_seconds"
    stuck = Runner(more={beat: 0})
    told = RunnerStory(
        "ClaimStuck",
        stuck,
        20.5 * MINUTE,
        guards={"dead": ("OrphanedClaims tells it", replace(stuck, liveness="expired"))},
        silent={"working: it gives a sign of life": replace(stuck, more={beat: rising(30)})},
    )
    yield from told.cases()
    fresher = scraped(world(replace(stuck, more={beat: rising(30)})), "b:9464")
    both = {**scraped(world(stuck)), **fresher}
    yield told.story().silence("newer: another exporter has a newer sign of life", both)


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
        either=("duplicate",),
    ).cases()


def _server_alone(rule: str, family: str, signal: Signal, fires: float) -> Story:
    """Tell it of a target whose runners have no series of their own."""
    return Story(
        rule=rule,
        world={**target(), **_aggregate(family, signal)},
        fires=fires,
        fired=(of_server(f"{rule} of a server", "warning", layer="runner"),),
    )


def _aggregate(family: str, signal: Signal) -> World:
    return {series(f"electric_agents_runners_{family}", server=SERVER): signal}


def files() -> Iterator[TestFile]:
    """Give the files of tests."""
    for name, cases, step in (
        ("OrphanedClaims", _orphaned, STEP),
        ("ClaimsLeaking", _leaking, MINUTE),
        ("ClaimsLeaking-memory", _leaked_before, 10 * MINUTE),
        ("ClaimStuck", _stuck, STEP),
        ("ClaimFailuresHigh", _failures, STEP),
    ):
        yield TestFile(name, RULES, tuple(cases()), step)
