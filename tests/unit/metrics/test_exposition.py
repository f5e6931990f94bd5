"""The bytes: against golden files, the plain path, the strict parsers and promtool."""

import asyncio
import gzip
import itertools
import json
import os
import shutil
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from electric_agents_exporter.app import process_registry
from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.claims import ClaimNews, EndedClaim, StartedClaim
from electric_agents_exporter.contract.reading import ListAnswer, read_health, read_list
from electric_agents_exporter.contract.vocabulary import ClaimStatus, RunnerKind
from electric_agents_exporter.contract.wakes import Wake, WakeReading
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.fleet.selection import Pattern, Selection, Shard
from electric_agents_exporter.fleet.snapshot import FleetSnapshot, FullScan
from electric_agents_exporter.metrics.choice import Choice
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.family import Family, Group, Kind
from electric_agents_exporter.metrics.formats import Format, accepted
from electric_agents_exporter.metrics.process_families import OF_EVERY_PROGRAM, ProcessState
from electric_agents_exporter.metrics.scrape import Scraper
from electric_agents_exporter.metrics.table import SWITCHABLE, Table, build_table
from plain_path import plainly

OWN = ProcessState("1.2.3", "3.11.7", reloaded_at=1.0, ticked_at=2.5)
GOLDEN = Path(__file__).parent / "golden"
CAPTURED = Path(__file__).parents[2] / "contract" / "samples"
PARSERS: dict[Format, Callable[[str], Iterable[Metric]]] = {
    Format.TEXT: parse_text,
    Format.OPENMETRICS: parse_openmetrics,
}
Listing = Callable[[str], dict[str, Any]]
CAPTURED_AT = 1_795_346_971.0  # 2026-11-22T11:29:31Z, when the samples were captured
HEARD = {
    # One runner has not heard of two entities, one of none, and one stream cannot be read.
    "runner-streamdown": WakeReading(
        offset="-1",
        tail="0_300",
        wakes=(
            Wake("task/1/main", CAPTURED_AT - 90, 1),
            Wake("task/1/main", CAPTURED_AT - 40, 2),
            Wake("task/2/main", CAPTURED_AT - 20, 1),
        ),
    ),
    "runner-hbfailed": Reason.NOT_FOUND,
}


def exposer(table: Table | None = None) -> Exposer:
    return Exposer(table or build_table(), replace(OWN), CollectorRegistry())


def text(made: Exposer, snapshot: FleetSnapshot, fmt: Format, *names: str) -> str:
    return b"".join(made.expose(snapshot, fmt, frozenset(names))).decode()


def all_samples(metrics: Iterable[Metric]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for metric in metrics
        for sample in metric.samples
    }


def plain_samples(
    snapshot: FleetSnapshot, fmt: Format
) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Give what prometheus_client's own families say; only OpenMetrics tells when things began."""
    plain = all_samples(plainly(build_table(), snapshot, OWN))
    began = fmt is Format.OPENMETRICS
    return {key: value for key, value in plain.items() if began or not key[0].endswith("_created")}


@pytest.fixture
def sampled(polled: Any, samples: dict[str, Any], listing: Listing) -> Any:  # noqa: ANN401
    """A fleet of every captured sample, polled once, ten seconds ago."""
    polled.poll([listing(runner_id) for runner_id in samples], samples, HEARD)
    polled.clock.advance(10)
    return polled


@pytest.mark.parametrize("fmt", Format)
def test_the_captured_samples_give_the_golden_exposition(fmt: Format, sampled: Any) -> None:  # noqa: ANN401
    golden = GOLDEN / f"samples.{fmt.name.lower()}"
    exposition = text(exposer(), sampled.fleet.snapshot(), fmt)
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(exposition)
    # Without pytest's own comparison: of a hundred kilobytes it shows what one cannot read.
    same = exposition == golden.read_text()
    assert same, 'UPDATE_GOLDEN=1 make unit ARGS="-k golden", and read what git says has changed'


@pytest.mark.parametrize("fmt", Format)
def test_an_exposition_has_the_same_samples_as_the_plain_path(fmt: Format, sampled: Any) -> None:  # noqa: ANN401
    snapshot = sampled.fleet.snapshot()
    parsed = all_samples(PARSERS[fmt](text(exposer(), snapshot, fmt)))
    assert parsed == plain_samples(snapshot, fmt)


def report_all(poll: Poll, samples: dict[str, Any], monotonic: float) -> None:
    for due in poll.due():
        report = samples[due.runner_id]
        poll.reported(read_health(json.dumps(report).encode()), monotonic)


@pytest.fixture
def every_kind(clock: Any, samples: dict[str, Any], listing: Listing) -> Fleet:  # noqa: ANN401
    """A share of a fleet, a database of two tenants, and one system with its claims and wakes."""
    listed = read_list(json.dumps([listing(runner_id) for runner_id in samples]).encode())
    fleet = Fleet(clock)
    everyone = ("all",)
    half = Selection(shard=Shard(1, 2))
    asked = tuple(Operation)
    fleet.configure(
        [
            Policy("share", everyone, selection=half),
            Policy("tenants", everyone),
            Policy("system", everyone, operations=asked, database=True),
        ]
    )
    share, tenants, system = (Poll(target) for target in fleet.targets.values())
    share.listed("all", listed)
    report_all(share, samples, clock.monotonic())
    for tenant, poll in tenants.tenants(["acme", 'b"\n']).items():
        poll.listed("all", listed if tenant == "acme" else ListAnswer((), ()))
        report_all(poll, samples, clock.monotonic())
    system.listed("all", listed)
    report_all(system, samples, clock.monotonic())
    wake = Wake("task/1/main", CAPTURED_AT - 5, 1)
    started = StartedClaim(wake.stream, 1, CAPTURED_AT - 3)
    ended = EndedClaim("runner-busy-0", ClaimStatus.RELEASED, 17.5)
    for question in system.wake_questions():
        news = (wake,) if question.runner_id == "runner-busy-0" else ()
        system.wakes_read(question, WakeReading(question.offset, question.offset, news=news))
    system.claims_read(ClaimNews((started,), (ended,)), FullScan(clock.time(), 0.25))
    for poll in (share, tenants, system):
        poll.end()
    return fleet


@pytest.mark.parametrize("fmt", Format)
def test_of_every_kind_of_target_an_exposition_has_the_same_samples_as_the_plain_path(
    fmt: Format, every_kind: Fleet
) -> None:
    snapshot = every_kind.snapshot()
    parsed = all_samples(PARSERS[fmt](text(exposer(), snapshot, fmt)))
    assert parsed == plain_samples(snapshot, fmt)
    labels = {pair for _, pairs in parsed for pair in pairs}
    assert {("shard", "1"), ("tenant", "acme"), ("tenant", 'b"\n')} <= labels


def test_a_counter_of_which_nobody_knows_when_it_began_is_told_without_that(
    polled: Any,  # noqa: ANN401
    samples: dict[str, Any],
    listing: Listing,
) -> None:
    report = samples["runner-healthy-0"]
    client = {name: value for name, value in report["client"].items() if name != "started_at"}
    polled.poll([listing("runner-healthy-0")], {"runner-healthy-0": report | {"client": client}})
    snapshot = polled.fleet.snapshot()
    exposition = text(exposer(), snapshot, Format.OPENMETRICS)
    assert "electric_agents_runner_claims_created" not in exposition
    parsed = all_samples(PARSERS[Format.OPENMETRICS](exposition))
    assert parsed == plain_samples(snapshot, Format.OPENMETRICS)


def test_shard_stands_at_what_is_said_of_a_target_and_tenant_at_all_that_is(
    every_kind: Fleet,
) -> None:
    samples = all_samples(parse_text(text(exposer(), every_kind.snapshot(), Format.TEXT)))
    by_server: dict[str, list[dict[str, str]]] = {}
    for _, pairs in samples:
        labels = dict(pairs)
        if "server" in labels:
            by_server.setdefault(labels["server"], []).append(labels)
    # The series of a runner have one owner, whichever exporter that is.
    assert all(("shard" in each) is ("runner_id" not in each) for each in by_server["share"])
    assert any("runner_id" in each for each in by_server["share"])
    assert all("tenant" in each for each in by_server["tenants"] if "runner_id" in each)
    assert not any({"tenant", "shard"} & each.keys() for each in by_server["system"])


def test_fragments_follow_every_change(
    polled: Any,  # noqa: ANN401
    samples: dict[str, Any],
    listing: Listing,
) -> None:
    made = exposer()
    listed = [listing(runner_id) for runner_id in samples]
    reports = list(samples.values())
    for turn in range(4):
        # Every runner says in turn what another said, so that everything changes but the ids.
        shifted = {}
        for position, runner_id in enumerate(samples):
            report = reports[(position + turn) % len(reports)]
            shifted[runner_id] = {**report, "runner": {**report["runner"], "id": runner_id}}
        polled.poll(listed[turn:], shifted)
        polled.clock.advance(15)
        snapshot = polled.fleet.snapshot()
        for fmt in Format:
            again = text(made, snapshot, fmt)
            assert _without_self(again) == _without_self(text(exposer(), snapshot, fmt))


SAMPLES = [json.loads(path.read_text()) for path in sorted(CAPTURED.glob("health-*.json"))]
# One that leaves some of its counters unsaid, so that a family has fewer lines of it.
SAMPLES.append({**SAMPLES[0], "client": {"claims_failed": 3}})
NAMES = [f"runner-{number}" for number in range(5)]
TURNS = st.lists(
    st.tuples(
        # Who is listed, and which report each gives, if any; then so many seconds pass.
        st.dictionaries(st.sampled_from(NAMES), st.none() | st.sampled_from(SAMPLES)),
        st.integers(0, 90),
    ),
    min_size=2,
    max_size=8,
)


@given(turns=TURNS)
def test_whatever_comes_goes_changes_or_falls_silent_fragments_say_what_is(
    turns: list[tuple[dict[str, Any], int]], fresh_fleet: Callable[[], Any], listing: Listing
) -> None:
    polled, own = fresh_fleet(), replace(OWN)
    made = Exposer(build_table(), own, CollectorRegistry())
    for runners, seconds in turns:
        reports = {
            name: {**report, "runner": {**report["runner"], "id": name}}
            for name, report in runners.items()
            if report
        }
        polled.poll([listing(name) for name in runners], reports)
        polled.clock.advance(seconds)
        snapshot = polled.fleet.snapshot()
        for fmt in Format:
            # A runner that comes takes the place of one that went, and so its place in the order.
            kept = text(made, snapshot, fmt)
            anew = text(exposer(), snapshot, fmt)
            assert sorted(_without_self(kept)) == sorted(_without_self(anew))
            samples = [line for line in kept.splitlines() if not line.startswith("#")]
            assert own.exposition_series == len(samples)


@pytest.mark.parametrize("fmt", Format)
def test_a_large_fleet_is_written_whole(
    fmt: Format,
    polled: Any,  # noqa: ANN401
    samples: dict[str, Any],
    listing: Listing,
) -> None:
    kinds = itertools.cycle(samples.values())
    reports = {
        f"runner-{number}": {**report, "runner": {**report["runner"], "id": f"runner-{number}"}}
        for number, report in zip(range(300), kinds, strict=False)
    }
    polled.poll([listing(name) for name in reports], reports)
    snapshot, made = polled.fleet.snapshot(), exposer()
    pieces = list(made.expose(snapshot, fmt))
    assert len(pieces) > 2 * sum(piece.startswith(b"# HELP") for piece in pieces) + 1
    parsed = all_samples(PARSERS[fmt](b"".join(pieces).decode()))
    assert parsed == plain_samples(snapshot, fmt)


def _without_self(exposition: str) -> list[str]:
    return [line for line in exposition.splitlines() if "exporter_exposition" not in line]


FOREIGN_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
FOREIGN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | FOREIGN_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FOREIGN_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(data=st.data())
def test_whatever_a_server_sends_both_parsers_take_and_the_plain_path_agrees(
    data: st.DataObject,
    samples: dict[str, Any],
    listing: Listing,
    fresh_fleet: Callable[[], Any],
) -> None:
    polled = fresh_fleet()
    ids = data.draw(st.lists(FOREIGN_TEXT, min_size=1, max_size=4, unique=True))
    reports = {runner_id: _mutated(data, samples, runner_id) for runner_id in ids}
    listed = [{**listing(i), "label": data.draw(FOREIGN), "kind": data.draw(FOREIGN)} for i in ids]
    polled.poll(listed, reports)
    polled.clock.advance(data.draw(st.sampled_from([0.0, 59.0, 61.0])))
    snapshot = polled.fleet.snapshot()
    for fmt, parse in PARSERS.items():
        parsed = all_samples(parse(text(exposer(), snapshot, fmt)))
        assert parsed == plain_samples(snapshot, fmt)


def _mutated(data: st.DataObject, samples: dict[str, Any], runner_id: str) -> dict[str, Any]:
    """A captured report with some fields replaced by anything, still about the runner asked for."""
    report = dict(data.draw(st.sampled_from(list(samples.values()))))
    for _ in range(data.draw(st.integers(0, 4))):
        section = data.draw(st.sampled_from(["runner", "client", "claims", "dispatch", "health"]))
        inside = report[section]
        if isinstance(inside, dict) and inside and data.draw(st.booleans()):
            name = data.draw(st.sampled_from(sorted(inside)))
            report[section] = {**inside, name: data.draw(FOREIGN)}
        elif section != "runner":
            report[section] = data.draw(FOREIGN)
    report["runner"] = {**report["runner"], "id": runner_id}
    return report


def test_a_bad_report_never_changes_another_runners_series(
    polled: Any,  # noqa: ANN401
    samples: dict[str, Any],
    listing: Listing,
) -> None:
    listed = [listing("runner-healthy-0"), listing("runner-flappy")]
    polled.poll(listed, samples)
    before = text(exposer(), polled.fleet.snapshot(), Format.TEXT)
    broken = {**samples, "runner-flappy": {"runner": {"id": "runner-flappy"}, "client": 5}}
    polled.poll(listed, broken)
    after = text(exposer(), polled.fleet.snapshot(), Format.TEXT)

    def of(exposition: str, runner_id: str) -> list[str]:
        return [line for line in exposition.splitlines() if f'runner_id="{runner_id}"' in line]

    assert of(after, "runner-healthy-0") == of(before, "runner-healthy-0")
    assert of(after, "runner-flappy") != of(before, "runner-flappy")


@pytest.mark.parametrize("fmt", Format)
def test_ids_and_labels_with_every_kind_of_character_come_back_from_the_parsers(
    fmt: Format,
    polled: Any,  # noqa: ANN401
    samples: dict[str, Any],
    listing: Listing,
) -> None:
    ids = [
        "a/b",
        "with space",
        "100%",
        'q"uote',
        "back\\slash",
        "new\nline",
        "\\n",
        "🚀",
        "é\u2028",
    ]
    template = samples["runner-healthy-0"]
    polled.poll(
        [listing(i) for i in ids],
        {i: {**template, "runner": {**template["runner"], "id": i}} for i in ids},
    )
    exposition = text(exposer(), polled.fleet.snapshot(), fmt)
    found = {
        sample.labels["runner_id"]
        for metric in PARSERS[fmt](exposition)
        for sample in metric.samples
        if sample.name == "electric_agents_runner_info"
    }
    assert found == set(ids)


def test_a_runner_whose_report_is_stale_keeps_only_what_this_exporter_knows_itself(
    sampled: Any,  # noqa: ANN401
) -> None:
    sampled.clock.advance(51)
    exposition = text(exposer(), sampled.fleet.snapshot(), Format.TEXT)
    left = {
        sample.name
        for metric in parse_text(exposition)
        for sample in metric.samples
        if "runner_id" in sample.labels
    }
    assert left == {
        "electric_agents_runner_condition",
        "electric_agents_runner_poll_success",
        "electric_agents_runner_last_poll_success_timestamp_seconds",
        "electric_agents_runner_health_changes_total",
        "electric_agents_runner_lease_lapses_total",
        "electric_agents_runner_client_restarts_total",
        "electric_agents_runner_client_identity_conflicts_total",
    }
    assert 'electric_agents_server_up{server="production"} 0' in exposition
    assert "electric_agents_runners{" not in exposition
    assert "electric_agents_runners_claims_total{" in exposition


def test_the_heartbeat_age_grows_between_polls(sampled: Any) -> None:  # noqa: ANN401
    name = "electric_agents_runner_heartbeat_age_seconds"
    made = exposer()
    before = all_samples(parse_text(text(made, sampled.fleet.snapshot(), Format.TEXT, name)))
    sampled.clock.advance(7)
    after = all_samples(parse_text(text(made, sampled.fleet.snapshot(), Format.TEXT, name)))
    assert before
    assert after == {key: pytest.approx(age + 7) for key, age in before.items()}


def test_conditions_stand_in_one_order_in_every_process(sampled: Any) -> None:  # noqa: ANN401
    name = "electric_agents_runners_with_condition"
    exposition = text(exposer(), sampled.fleet.snapshot(), Format.TEXT, name)
    (family,) = (metric for metric in parse_text(exposition) if metric.name == name)
    found = [(sample.labels["kind"], sample.labels["condition"]) for sample in family.samples]
    order = [(kind.value, condition.value) for kind in RunnerKind for condition in Condition]
    assert found == sorted(found, key=order.index)


def test_without_per_runner_no_series_names_a_runner(sampled: Any) -> None:  # noqa: ANN401
    exposition = text(
        exposer(build_table(per_runner=False)), sampled.fleet.snapshot(), Format.OPENMETRICS
    )
    assert "runner_id" not in exposition
    assert "electric_agents_runners{" in exposition


@pytest.mark.parametrize("group", SWITCHABLE)
def test_a_group_that_is_off_takes_its_families_with_it_and_no_others(
    group: Group,
    sampled: Any,  # noqa: ANN401
) -> None:
    snapshot = sampled.fleet.snapshot()
    whole = {metric.name for metric in parse_text(text(exposer(), snapshot, Format.TEXT))}
    groups = frozenset(SWITCHABLE) - {group}
    thinned = text(exposer(build_table(groups)), snapshot, Format.TEXT)
    table = build_table()
    of_runners: list[Family[Any]] = [*table.per_report, *table.per_poll, *table.per_scrape]
    gone = {family.base_name for family in of_runners if family.group is group}
    infos = {f.name for f in of_runners if f.kind is Kind.INFO and f.group is group}
    missing = whole - {metric.name for metric in parse_text(thinned)}
    assert missing
    assert missing == whole & (gone | infos)


def test_a_family_that_is_denied_or_not_allowed_is_shown_nowhere(sampled: Any) -> None:  # noqa: ANN401
    registry, snapshot = process_registry(), sampled.fleet.snapshot()
    whole = names_in(Exposer(build_table(), replace(OWN), registry), snapshot)
    pattern = Pattern("electric_agents_(runner|server|exporter)_.*|process_.*")
    denied = build_table(choice=Choice(deny=(pattern,)))
    allowed = build_table(choice=Choice(allow=(pattern,)))
    some, others = (
        names_in(Exposer(table, replace(OWN), registry), snapshot) for table in (allowed, denied)
    )
    assert some == {name for name in whole if pattern.matches(name)}
    assert others == whole - some
    assert {"python_info", "electric_agents_runners"} <= others
    both = Choice(allow=(pattern,), deny=(Pattern(".*_info"), Pattern("process_.*")))
    assert names_in(Exposer(build_table(choice=both), replace(OWN), registry), snapshot) == {
        name for name in some if not name.endswith("_info") and not name.startswith("process")
    }


@pytest.mark.parametrize("name", OF_EVERY_PROGRAM)
def test_each_family_of_prometheus_client_is_found_by_its_name(name: str, sampled: Any) -> None:  # noqa: ANN401
    made = Exposer(build_table(), replace(OWN), process_registry())
    found = parse_text(text(made, sampled.fleet.snapshot(), Format.TEXT, name))
    assert {sample for sample, _ in all_samples(found)} == {name}


def test_every_family_of_prometheus_client_is_known_by_name() -> None:
    metrics = process_registry().collect()
    assert {m.name + "_total" * (m.type == "counter") for m in metrics} == set(OF_EVERY_PROGRAM)


def test_when_counters_began_can_be_left_out(sampled: Any) -> None:  # noqa: ANN401
    snapshot = sampled.fleet.snapshot()
    whole = text(exposer(), snapshot, Format.OPENMETRICS)
    without = text(exposer(build_table(created=False)), snapshot, Format.OPENMETRICS)
    lines = [line for line in whole.splitlines() if "_created{" not in line]
    assert without.splitlines() == lines
    assert len(lines) < len(whole.splitlines())


def names_in(made: Exposer, snapshot: FleetSnapshot) -> set[str]:
    """Give the names of the families in an exposition."""
    return {
        metric.name + "_total" * (metric.type == "counter")
        for metric in PARSERS[Format.TEXT](text(made, snapshot, Format.TEXT))
    }


def test_a_name_filter_gives_these_families_alone(sampled: Any) -> None:  # noqa: ANN401
    exposition = text(
        exposer(),
        sampled.fleet.snapshot(),
        Format.OPENMETRICS,
        "electric_agents_server_up",
        "electric_agents_runner_claims_total",
        "electric_agents_server_request_duration_seconds_bucket",
    )
    assert {metric.name for metric in PARSERS[Format.OPENMETRICS](exposition)} == {
        "electric_agents_server_up",
        "electric_agents_runner_claims",
        "electric_agents_server_request_duration_seconds",
    }


@pytest.mark.parametrize(
    "name, found",
    [
        *(
            (f"electric_agents_server_request_duration_seconds{part}", True)
            for part in ("", "_bucket", "_sum", "_count")
        ),
        ("electric_agents_server_request_duration_seconds_total", False),
        *(
            (f"electric_agents_server_up{part}", not part)
            for part in ("", "_bucket", "_sum", "_count")
        ),
    ],
)
def test_a_family_is_found_by_any_name_that_its_samples_have(
    name: str,
    found: bool,  # noqa: FBT001
    sampled: Any,  # noqa: ANN401
) -> None:
    exposition = text(exposer(), sampled.fleet.snapshot(), Format.TEXT, name)
    assert bool(all_samples(parse_text(exposition))) is found


@pytest.mark.parametrize("fmt", Format)
def test_a_name_filter_holds_for_what_prometheus_client_knows_too(
    fmt: Format,
    sampled: Any,  # noqa: ANN401
) -> None:
    registry = CollectorRegistry()
    for name in ("own", "other"):
        Gauge(f"process_{name}", "Of this process.", registry=registry)
    made, snapshot = Exposer(build_table(), replace(OWN), registry), sampled.fleet.snapshot()
    some = PARSERS[fmt](text(made, snapshot, fmt, "process_own", "electric_agents_server_up"))
    assert {name for name, _ in all_samples(some)} == {"process_own", "electric_agents_server_up"}
    whole = {name for name, _ in all_samples(PARSERS[fmt](text(made, snapshot, fmt)))}
    assert {"process_own", "process_other"} <= whole


@pytest.mark.parametrize("fmt", Format)
def test_what_a_whole_exposition_came_to_is_told_by_the_next(fmt: Format, sampled: Any) -> None:  # noqa: ANN401
    own = replace(OWN)
    made = Exposer(build_table(), own, CollectorRegistry())
    began = time.perf_counter()
    whole = text(made, sampled.fleet.snapshot(), fmt)
    took = time.perf_counter() - began
    assert own.exposition_bytes == len(whole.encode())
    assert own.exposition_series == sum(not line.startswith("#") for line in whole.splitlines())
    assert own.exposition_seconds is not None
    assert 0 < own.exposition_seconds <= took
    noted = replace(own)
    text(made, sampled.fleet.snapshot(), fmt, "electric_agents_server_up")
    assert own == noted


async def test_a_gzipped_scrape_unpacks_to_the_plain_one(sampled: Any) -> None:  # noqa: ANN401
    scraper = Scraper(sampled.fleet, exposer(), sampled.clock)
    names = frozenset({"electric_agents_runner_info"})
    plain = await scraper.scrape(Format.TEXT, names)
    packed = await scraper.scrape(Format.TEXT, names, gzip=True)
    assert gzip.decompress(b"".join(packed)) == b"".join(plain)


async def test_a_compressed_body_is_served_again_while_nothing_changed_and_for_a_second_at_most(
    sampled: Any,  # noqa: ANN401
    samples: dict[str, Any],
    listing: Listing,
) -> None:
    scraper = Scraper(sampled.fleet, exposer(), sampled.clock)
    first = await scraper.scrape(Format.TEXT, gzip=True)
    sampled.clock.advance(0.5)
    assert await scraper.scrape(Format.TEXT, gzip=True) is first
    sampled.clock.advance(0.5)
    second = await scraper.scrape(Format.TEXT, gzip=True)
    assert second != first
    sampled.poll([listing(runner_id) for runner_id in samples], samples)
    assert await scraper.scrape(Format.TEXT, gzip=True) != second


class RestlessExposer(Exposer):
    """Sees to it that the fleet has changed, and time has passed, whenever a body is made.

    None is made before `go` is set.
    """

    def __init__(self, polled: Any) -> None:  # noqa: ANN401
        super().__init__(build_table(), replace(OWN), CollectorRegistry())
        self.go = threading.Event()
        self._polled = polled

    def expose(
        self, snapshot: FleetSnapshot, fmt: Format, names: Collection[str] = ()
    ) -> Iterator[bytes]:
        self.go.wait()
        self._polled.clock.advance(0.1)
        self._polled.poll([], {})
        yield from super().expose(snapshot, fmt, names)


@pytest.mark.parametrize("packed", [False, True])
async def test_all_who_came_before_a_body_was_begun_are_given_it_and_no_older_one(
    sampled: Any,  # noqa: ANN401
    packed: bool,  # noqa: FBT001
) -> None:
    restless = RestlessExposer(sampled)
    scraper = Scraper(sampled.fleet, restless, sampled.clock)
    scrapes = [asyncio.create_task(scraper.scrape(Format.TEXT, gzip=packed)) for _ in range(4)]
    await asyncio.sleep(0)  # the first is begun, the others wait for it
    restless.go.set()
    first, second, third, fourth = await asyncio.gather(*scrapes)
    assert second is third is fourth
    assert first != second
    assert await scraper.scrape(Format.TEXT, gzip=packed) != second


class CountingExposer(Exposer):
    """Counts the bodies that are made."""

    def __init__(self, table: Table) -> None:
        super().__init__(table, replace(OWN), CollectorRegistry())
        self.made = 0

    def expose(
        self, snapshot: FleetSnapshot, fmt: Format, names: Collection[str] = ()
    ) -> Iterator[bytes]:
        self.made += 1
        return super().expose(snapshot, fmt, names)


async def test_a_compressed_body_is_kept_also_when_nobody_sends_it(sampled: Any) -> None:  # noqa: ANN401
    counting = CountingExposer(build_table())
    scraper = Scraper(sampled.fleet, counting, sampled.clock)
    for _ in range(3):
        await scraper.scrape(Format.TEXT, gzip=True)
    assert counting.made == 1


async def test_a_scrape_of_some_families_is_no_whole_one(sampled: Any) -> None:  # noqa: ANN401
    scraper = Scraper(sampled.fleet, exposer(), sampled.clock)
    some = await scraper.scrape(Format.TEXT, frozenset({"electric_agents_server_up"}), gzip=True)
    whole = await scraper.scrape(Format.TEXT, gzip=True)
    assert len(gzip.decompress(b"".join(whole))) > len(gzip.decompress(b"".join(some)))
    again = await scraper.scrape(Format.TEXT, frozenset({"electric_agents_server_up"}), gzip=True)
    assert again == some


async def test_another_table_is_shown_from_the_next_scrape_on(sampled: Any) -> None:  # noqa: ANN401
    scraper = Scraper(sampled.fleet, exposer(), sampled.clock)
    before = await scraper.scrape(Format.TEXT, gzip=True)
    scraper.replace_exposer(exposer(build_table(per_runner=False)))
    after = gzip.decompress(b"".join(await scraper.scrape(Format.TEXT, gzip=True)))
    assert b"runner_id" in gzip.decompress(b"".join(before))
    assert b"runner_id" not in after
    assert b"electric_agents_server_up" in after


async def test_a_plain_body_is_let_go_once_it_is_sent(sampled: Any) -> None:  # noqa: ANN401
    scraper = Scraper(sampled.fleet, exposer(), sampled.clock)
    body = await scraper.scrape(Format.TEXT)
    assert await scraper.scrape(Format.TEXT) is body
    held = weakref.ref(body)
    del body
    assert held() is None


async def test_sums_beyond_all_bounds_are_still_written(
    polled: Any,  # noqa: ANN401
    samples: dict[str, Any],
    listing: Listing,
) -> None:
    template = samples["runner-healthy-0"]
    reports = {
        name: {
            **template,
            "runner": {**template["runner"], "id": name},
            "claims": {"active_count": 1.7e308, "active": []},
        }
        for name in ("one", "two")
    }
    polled.poll([listing(name) for name in reports], reports)
    exposition = text(exposer(), polled.fleet.snapshot(), Format.OPENMETRICS)
    assert 'electric_agents_runners_active_claims{server="production"} +Inf' in exposition
    assert all_samples(PARSERS[Format.OPENMETRICS](exposition))


@pytest.mark.parametrize(
    "accept, fmt",
    [
        ("", Format.TEXT),
        ("*/*", Format.TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", Format.TEXT),
        ("text/plain;version=0.0.4", Format.TEXT),
        ("application/openmetrics-text", Format.OPENMETRICS),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", Format.OPENMETRICS),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format.OPENMETRICS,
        ),
        ("application/openmetrics-text;version=1.0.0;q=0.1,text/plain;q=0.9", Format.TEXT),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.4", Format.OPENMETRICS),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.5", Format.OPENMETRICS),
        ("application/openmetrics-text;q=1,text/plain;q=9", Format.OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0;escaping=a=b", Format.OPENMETRICS),
        ("application/openmetrics-text;q=0", Format.TEXT),
        ("application/openmetrics-text;q=high,text/plain;q=0.1", Format.TEXT),
        ("application/openmetrics-text;version=2.0.0", Format.TEXT),
        (";;;q=x,=,", Format.TEXT),
    ],
)
def test_the_format_follows_the_accept_header(accept: str, fmt: Format) -> None:
    assert accepted(accept) is fmt


def test_promtool_finds_nothing_to_complain_of(sampled: Any) -> None:  # noqa: ANN401
    promtool = shutil.which("promtool")
    if promtool is None:
        assert not os.environ.get("CI"), "promtool is missing: run `make tools`"
        pytest.skip("promtool is missing: run `make tools`")
    exposition = text(exposer(), sampled.fleet.snapshot(), Format.TEXT)
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=exposition,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
