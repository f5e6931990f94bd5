"""Stories of the alerts about a target."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from alert_cases.promtool import (
    HOUR,
    MINUTE,
    Case,
    Check,
    Signal,
    TestFile,
    World,
    rising,
    series,
    turning,
)
from alert_cases.stories import Story, of_server
from alert_cases.worlds import SERVER, polls, scraped, target

_RULES: Final = ("records", "server")
_PREFIX: Final = "electric_agents_server_"
_TICK: Final = series("electric_agents_exporter_scheduler_last_tick_timestamp_seconds")


def _of(family: str, **labels: str) -> str:
    return series(f"{_PREFIX}{family}", server=SERVER, **labels)


def _unreachable() -> Iterator[Case]:
    story = Story(
        rule="ServerUnreachable",
        world=target(0),
        fires=5 * MINUTE,
        fired=(of_server("ServerUnreachable", "critical"),),
        hold=3 * MINUTE,
        silent={"up: it answers": target(1)},
    )
    yield from story.cases()
    one = {**scraped(target(0), "a:9464"), **scraped(target(1), "b:9464")}
    yield story.silence("one: another exporter reaches it", one)


def _credentials() -> Iterator[Case]:
    def world(*, reason: str = "unauthorized", errors: Signal, lists: Signal = 0) -> World:
        errors_of = _of("request_errors_total", endpoint="list", reason=reason)
        return {**target(0), errors_of: errors, **polls(lists=lists, health=lists)}

    story = Story(
        rule="CredentialsRejected",
        world=world(errors=rising(1, 60)),
        fires=6 * MINUTE,
        fired=(of_server("CredentialsRejected", "critical"),),
        apart=("recovered",),
        guards={
            "recovered": (
                "the newest poll was answered",
                world(errors=rising(1, 60), lists=1),
            )
        },
        silent={
            "once: one rejected request is over before it is told": world(errors=turning(0, 30, 1)),
            "other: a server that fails rejects nobody": world(
                reason="server_error", errors=rising(1, 60)
            ),
        },
    )
    yield from story.cases()
    forbidden = world(reason="forbidden", errors=rising(1, 60))
    yield story.told(forbidden).turn("forbidden: 403 is as bad as 401")
    rejected = scraped(world(errors=rising(1, 60)), "b:9464")
    let_in = scraped(world(errors=0, lists=1))
    yield story.silence("one: another exporter is let in", {**let_in, **rejected})
    of_health = {**world(errors=rising(1, 60)), **polls(lists=1, health=0)}
    yield story.told(of_health).turn("health: the lists come and the reports are refused")


def _stale() -> Iterator[Case]:
    last, interval = _of("last_poll_success_timestamp_seconds"), _of("poll_interval_seconds")
    errors = _of("request_errors_total", endpoint="health", reason="unauthorized")

    def world(up: Signal = 1) -> World:
        return {**target(up), _TICK: rising(30), last: 0, interval: 20, errors: 0}

    fired = of_server("ExporterDataStale", "warning", board="exporter")
    story = Story(
        rule="ExporterDataStale",
        world=world(),
        fires=3.5 * MINUTE,
        fired=(fired,),
        apart=("server-down", "credentials"),
        hold=10 * MINUTE,
        guards={
            "server-down": ("ServerUnreachable tells it", world(0)),
            "credentials": (
                "CredentialsRejected tells it",
                {**world(), errors: rising(1, 60)},
            ),
        },
        silent={"slow: polls of a long interval": {**world(), interval: 120}},
    )
    yield from story.cases()
    forbidden = errors.replace("unauthorized", "forbidden")
    yield story.silence(
        "guard credentials: CredentialsRejected tells of 403 too",
        {**world(), forbidden: rising(1, 60)},
    )
    failing = errors.replace("unauthorized", "timeout")
    yield story.told({**world(), failing: rising(1, 60)}).turn("errors: reports that hang")
    never = {name: signal for name, signal in world().items() if name != last}
    begun = story.told(never, fires=2 * MINUTE)
    yield begun.turn("never: no poll has come to its end since the start")
    why, ended = (
        "a poll came to its end, so that its age tells the rest",
        {**never, last: rising(30)},
    )
    yield begun.silence(f"guard succeeded: {why}", ended)
    yield replace(begun, guards={"succeeded": (why, ended)}).elsewhere("succeeded")
    blind = replace(
        fired,
        message="ExporterDataStale of a scheduler",
        labels={"severity": "warning", "layer": "server"},
    )
    stands = story.told({_TICK: 300}, blind, fires=2 * MINUTE)
    yield stands.turn("scheduler: it stands still")
    moves = {**scraped({_TICK: 300.0}), **scraped({_TICK: rising(30)}, "b:9464")}
    yield stands.told(moves).turn("scheduler, one: that of another replica goes on")
    patient = {**scraped(world()), **scraped({**world(), interval: 120}, "b:9464")}
    yield story.silence("patient: another exporter polls less often", patient)
    one = {
        **scraped({**world(), last: rising(30)}, "a:9464"),
        **scraped(world(), "b:9464"),
    }
    yield story.silence("one: another replica has newer data", one)


def _vanished() -> Iterator[Case]:
    listed = _of("runners_listed", principal="all")
    alice, bob = (_of("runners_listed", principal=name) for name in ("alice", "bob"))
    falls = 10 * MINUTE

    def world(*, lists: Signal = 1, **counts: Signal) -> World:
        names = {"all": listed, "alice": alice, "bob": bob, "least": _of("expected_runners")}
        return {
            **target(),
            **polls(lists=lists),
            **{names[name]: signal for name, signal in counts.items()},
        }

    story = Story(
        rule="RunnersVanished",
        world=world(all=turning(9, falls, 4)),
        fires=falls + 10 * MINUTE,
        fired=(of_server("RunnersVanished", "critical"),),
        apart=("list-failed",),
        hold=0,
        guards={
            "list-failed": (
                "a list that was not got is not an empty one",
                world(all=turning(9, falls, 4), lists=turning(1, falls, 0)),
            )
        },
        silent={
            "half: exactly half are left": world(all=turning(8, falls, 4)),
            "few: a third has gone": world(all=turning(9, falls, 6)),
        },
    )
    yield from story.cases()
    yield story.told(
        world(all=turning(2, falls, 0)), of_server("RunnersVanished to none", "critical")
    ).turn("none: an empty list is what a wrong principal sees")
    fewer = story.told(
        world(all=turning(4, falls, 3), least=4),
        of_server("RunnersVanished under expected", "critical"),
    )
    yield fewer.turn("expected: fewer are listed than the settings say")
    yield fewer.seen_by_one("expected, one")
    enough = world(all=4, least=4)
    yield story.silence("enough: as many are listed as the settings say", enough)
    of_bob = of_server("RunnersVanished of bob", "critical", principal="bob")
    one_of_two = story.told(world(alice=2, bob=turning(4, falls, 1)), of_bob)
    yield one_of_two.turn("principal: the list of one of several has shrunk")
    yield one_of_two.seen_by_one("principal, one")
    yield story.silence(
        "principals: half of bob's are left", world(alice=6, bob=turning(4, falls, 2))
    )
    both = world(alice=turning(6, falls, 2), bob=turning(3, falls, 1))
    yield story.told(both, of_server("RunnersVanished of both", "critical")).turn(
        "guard whole: the whole target has vanished, which is told once"
    )


def _forgotten() -> Iterator[Case]:
    """Tell how long a fall is remembered, in large steps."""
    yield Case(
        "RunnersVanished / memory: six hours later it is forgotten",
        scraped(
            {
                **polls(),
                _of("runners_listed", principal="all"): turning(9, HOUR, 4),
            }
        ),
        checks=(Check("ElectricAgentsRunnersVanished", 7 * HOUR + 5 * MINUTE),),
    )


def _suppressed() -> Iterator[Case]:
    limit = _of("runners_suppressed", reason="limit")
    story = Story(
        rule="RunnersSuppressed",
        world={**target(), limit: 12, _of("runners_suppressed", reason="filter"): 3},
        fires=10 * MINUTE,
        fired=(of_server("RunnersSuppressed", "warning", board="exporter"),),
        hold=0,
        silent={
            "meant: what a filter leaves out is meant": {
                **target(),
                limit: 0,
                _of("runners_suppressed", reason="filter"): 12,
            }
        },
    )
    yield from story.cases()


def _overrun() -> Iterator[Case]:
    overrun, misfire, backoff = (
        _of("polls_skipped_total", reason=reason) for reason in ("overrun", "misfire", "backoff")
    )

    def world(overruns: Signal = 0, misfires: Signal = 0, backoffs: Signal = 0) -> World:
        return {**target(), overrun: overruns, misfire: misfires, backoff: backoffs}

    story = Story(
        rule="PollOverrun",
        world=world(overruns=rising(1, 120)),
        fires=16 * MINUTE,
        fired=(of_server("PollOverrun", "warning", board="exporter"),),
        hold=None,
        silent={
            "few: a poll left out now and then": world(overruns=rising(1, 300)),
            "backoff: a failing target is asked less often on purpose": world(
                backoffs=rising(1, 60)
            ),
        },
    )
    yield from story.cases()
    both = world(overruns=rising(1, 240), misfires=rising(1, 240))
    of_both = of_server("PollOverrun of both kinds", "warning", board="exporter")
    yield story.told(both, of_both, fires=18 * MINUTE).turn("misfire: both kinds are added up")


def _skew() -> Iterator[Case]:
    fired = of_server("ClockSkew", "warning", board="exporter")
    story = Story(
        rule="ClockSkew",
        world=target(clock_offset=45),
        fires=15 * MINUTE,
        fired=(fired,),
        hold=0,
        silent={
            "near: twenty seconds": target(clock_offset=20),
            "at most: thirty": target(clock_offset=30),
        },
    )
    yield from story.cases()
    yield story.told(target(clock_offset=-45)).turn("behind: the server's clock is late")
    one = {
        **scraped(target(clock_offset=0), "a:9464"),
        **scraped(target(clock_offset=-45), "b:9464"),
    }
    yield story.told(one).turn("one: the clock of one exporter of two is ahead")


def files() -> Iterator[TestFile]:
    """Give the files of tests."""
    for name, cases in {
        "ServerUnreachable": _unreachable,
        "CredentialsRejected": _credentials,
        "ExporterDataStale": _stale,
        "RunnersVanished": _vanished,
        "RunnersSuppressed": _suppressed,
        "PollOverrun": _overrun,
        "ClockSkew": _skew,
    }.items():
        yield TestFile(name, _RULES, tuple(cases()))
    yield TestFile("RunnersVanished-memory", _RULES, tuple(_forgotten()), 5 * MINUTE)
