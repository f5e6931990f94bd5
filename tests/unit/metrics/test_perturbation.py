"""Change the value at a family's declared source, and exactly that family's samples change."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import msgspec
import pytest

from electric_agents_exporter.conditions import Condition, Conditions
from electric_agents_exporter.contract.claims import ClaimNews, EndedClaim
from electric_agents_exporter.contract.reading import read_health, read_list
from electric_agents_exporter.contract.vocabulary import ClaimStatus, RunnerKind
from electric_agents_exporter.contract.wakes import Wake, WakeReading
from electric_agents_exporter.fleet.fleet import Fleet
from electric_agents_exporter.fleet.policy import Policy
from electric_agents_exporter.fleet.poll import Poll
from electric_agents_exporter.fleet.reasons import Operation, Reason, Skip
from electric_agents_exporter.fleet.runner_record import Moment, RunnerRecord
from electric_agents_exporter.fleet.snapshot import FullScan, Histogram, RunnerState
from electric_agents_exporter.metrics.family import Family
from electric_agents_exporter.metrics.process_families import ProcessState, ProcessSubject
from electric_agents_exporter.metrics.runner_families import PollSubject, report_subject
from electric_agents_exporter.metrics.table import build_table
from electric_agents_exporter.metrics.target_families import TargetSubject, target_subject

TABLE = build_table(owner_label=True)
OF_RUNNERS: tuple[Family[Any], ...] = (*TABLE.per_report, *TABLE.per_poll, *TABLE.per_scrape)
EVERY: tuple[Family[Any], ...] = (*OF_RUNNERS, *TABLE.target, *TABLE.process)
Listing = Callable[[str], dict[str, Any]]


def declaring(families: tuple[Family[Any], ...], source: str) -> set[str]:
    return {family.name for family in families if source in family.source}


def samples_of(families: tuple[Family[Any], ...], subject: object) -> dict[str, object]:
    return {family.name: tuple(family.samples(subject)) for family in families}


def differing(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def test_every_family_says_what_it_is_made_of() -> None:
    without = [family.name for family in EVERY if not family.source]
    assert without == [], "name in its `source` the fields that the family is read from"


# --- one runner: what its server says, and what is kept of it -------------------------------------

LATER = "2026-11-22T12:34:56.789Z"
HEARD = "0000000000000000_0000000000021551"
SERVER_TIME = 1_795_346_971.897  # 2026-11-22T11:29:31.897Z, by the lease of the report
PERTURBED: dict[str, object] = {
    "list.label": "Another label",
    "list.kind": "ci",
    "list.owner_principal": "/principal/user%3Asomeone",
    "runner.created_at": LATER,
    "runner.admin_status": "disabled",
    "runner.liveness_status": "expired",
    "runner.last_seen_at": LATER,
    "runner.lease_expires_at": LATER,
    "runner.lease_remaining_ms": 1,
    "runner.wake_stream_offset": "0000000000000000_0000000000021552",
    "health.status": "degraded",
    "health.issues": ["Client reports last heartbeat failed"],
    "client": None,
    "client.status": "connecting",
    "client.started_at": LATER,
    "client.stream_connected": False,
    "client.stream_connected_since": LATER,
    "client.last_error_at": LATER,
    "client.last_heartbeat_at": LATER,
    "client.last_heartbeat_ok": False,
    "client.last_claim_at": LATER,
    "client.last_claim_result": "error",
    "client.last_dispatch_at": LATER,
    "client.reconnect_count": 3,
    "client.events_received": 1,
    "client.claims_succeeded": 1,
    "client.claims_skipped": 1,
    "client.claims_failed": 1,
    "claims.active_count": 7,
    # Newer than the heartbeat, so that it is the newest sign of life.
    "claims.active": [
        {"stream_path": "/a", "claimed_at": "2026-11-22T11:29:31.000Z", "epoch": 1},
        {"stream_path": "/a", "claimed_at": "2026-11-22T11:29:31.500Z", "epoch": 2},
    ],
    "dispatch.entities_with_active_claim": 0,
    "dispatch.entities_with_outstanding_wake": 4,
    "dispatch.entities_with_pending_work": 5,
    "wakes.events": (Wake("task/1/main", SERVER_TIME - 9, 1), Wake("task/2/main", None, 1)),
    "state.conditions": Conditions(frozenset({Condition.DEAF}), frozenset({Condition.DEAF})),
    "state.poll_success": False,
    "state.last_success_at": 1.0,
    "state.wake_read_success": False,
    "state.counts.health_changes": 2,
    "state.counts.lease_lapses": 3,
    "state.counts.client_restarts": 4,
    "state.counts.client_identity_conflicts": 5,
}
# These read more than their own field, by the schema: what describes "now" hides with liveness,
# a diagnostic goes with the diagnostics as a whole, and `_created` is when the counters began.
NOW_ONLY = {
    "electric_agents_runner_client_status",
    "electric_agents_runner_client_stream_connected",
    "electric_agents_runner_client_stream_connected_since_timestamp_seconds",
    "electric_agents_runner_client_last_heartbeat_ok",
    "electric_agents_runner_client_last_claim_result",
}
JUDGED = Conditions(frozenset({Condition.LAPSED}), frozenset(Condition))


@dataclass
class Sources:
    """Everything that one runner's series are made of, as its sources give it."""

    listed: dict[str, Any]
    report: dict[str, Any]
    events: tuple[Wake, ...] = (Wake("task/1/main", SERVER_TIME - 5, 1),)
    state: dict[str, object] = field(default_factory=dict)

    def perturbed(self, source: str) -> "Sources":
        """Give the same with another value at one source."""
        changed, value = copy.deepcopy(self), PERTURBED[source]
        section, _, name = source.partition(".")
        if section == "list":
            changed.listed[name] = value
        elif section == "wakes":
            changed.events = value  # type: ignore[assignment]  # the table holds what fits
        elif section == "state":
            changed.state[name] = value
        elif name:
            changed.report[section][name] = value
        else:
            changed.report[section] = value
        return changed

    def samples(self) -> dict[str, object]:
        """Everything that is known of the runner, by family."""
        runner, now = self._runner(), 0.0
        of_report = samples_of(TABLE.per_report, report_subject(runner, fresh=True))
        moving = (*TABLE.per_poll, *TABLE.per_scrape)
        return of_report | samples_of(moving, PollSubject(runner, now, fresh=True))

    def _runner(self) -> RunnerState:
        """Read it as a poll does; the judgement is a source of its own, and stays as it is."""
        listed = read_list(encode([self.listed])).runners[0]
        answer = read_health(encode(self.report))
        record, policy = RunnerRecord(listed, "service:monitor"), Policy("production")
        moment = Moment(0.0, 0.0, answer.server_time)
        record.report(answer.report, moment, policy)
        reading = WakeReading(HEARD, "0000000000000000_0000000000030000", self.events)
        record.read_wakes(reading, moment, policy, unanswered=None)
        state = msgspec.structs.replace(record.state, conditions=JUDGED)
        for path, value in self.state.items():
            state = put(state, path, value)
        return state


def encode(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.fixture
def full(samples: dict[str, Any], listing: Listing) -> Sources:
    """A runner of which every field holds something."""
    report: dict[str, Any] = copy.deepcopy(samples["runner-busy-0"])
    report["client"]["last_error_at"] = "2026-11-22T11:00:00.000Z"
    report["dispatch"]["entities_with_active_claim"] = 1
    return Sources(listing(report["runner"]["id"]), report)


def test_of_a_full_report_every_family_has_samples(full: Sources) -> None:
    without = [name for name, samples in full.samples().items() if not samples]
    assert without == [], (
        "its field is not read (contract/reading.py), or the captured reports have none: "
        f"give one in `full` of {__file__}"
    )


def test_every_source_that_a_runners_family_declares_is_perturbed_and_none_else() -> None:
    declared = {source for family in OF_RUNNERS for source in family.source}
    assert declared - set(PERTURBED) == set(), f"add another value to PERTURBED of {__file__}"
    assert set(PERTURBED) - declared == set(), f"no family reads this: take it out of {__file__}"


@pytest.mark.parametrize("source", sorted(set(PERTURBED) - {"client", "runner.liveness_status"}))
def test_a_change_at_a_familys_source_changes_that_familys_samples_and_no_others(
    source: str, full: Sources
) -> None:
    changed = full.perturbed(source).samples()
    found, declared = differing(full.samples(), changed), declaring(OF_RUNNERS, source)
    assert found - declared == set(), f"these families read {source}: name it in their `source`"
    assert declared - found == set(), (
        f"these families name {source} as a source, and do not follow it: read it, in `samples` "
        "of the family and where the contract reads the answer"
    )


def test_a_runner_that_is_not_online_shows_no_diagnostic_that_describes_now(full: Sources) -> None:
    after = full.perturbed("runner.liveness_status").samples()
    assert differing(full.samples(), after) == {
        "electric_agents_runner_liveness_status",
        *NOW_ONLY,
    }
    assert not any(after[family] for family in NOW_ONLY)


def test_without_diagnostics_every_family_of_theirs_is_absent(full: Sources) -> None:
    of_client = {
        family.name
        for family in OF_RUNNERS
        if any(source.startswith("client.") for source in family.source)
    }
    after = full.perturbed("client").samples()
    assert differing(full.samples(), after) == {
        "electric_agents_runner_client_diagnostics_present",
        *of_client,
    }
    assert not any(after[family] for family in of_client)


# --- a target and this process: what this exporter keeps ------------------------------------------


@pytest.fixture
def watched(samples: dict[str, Any], listing: Listing, clock: Any) -> TargetSubject:  # noqa: ANN401
    """A target of which every field holds something."""
    fleet = Fleet(clock)
    policy = Policy(
        "production",
        ("service:monitor",),
        expected_min=3,
        operations=tuple(Operation),
        database=True,
    )
    fleet.configure([policy])
    target = fleet.targets["production"]
    target.skip(Skip.OVERRUN)
    target.credential_changed_at = 5.0
    poll = Poll(target)
    listed = [listing(runner_id) for runner_id in samples]
    poll.listed("service:monitor", read_list(encode(listed)))
    first, *others = poll.due()
    poll.failed(first.runner_id, Reason.TIMEOUT)
    for due in others:
        poll.reported(read_health(encode(samples[due.runner_id])), clock.monotonic())
    for question in poll.wake_questions():
        poll.wakes_read(question, WakeReading(question.offset, question.offset))
    for operation in Operation:
        poll.requested(operation, 0.1, Reason.TIMEOUT)
    ended = EndedClaim("runner-busy-0", ClaimStatus.RELEASED, 12.0)
    poll.claims_read(ClaimNews(ended=(ended,)), FullScan(7.0, 0.5))
    poll.end()
    snapshot = fleet.snapshot()
    # It is not up, as each of its requests fails too, and would tell of no certificate.
    shown = msgspec.structs.replace(snapshot.targets[0], certificate_ends_at=6.0)
    return target_subject(shown, snapshot.monotonic)


@pytest.fixture
def process() -> ProcessSubject:
    """A process of which every field holds something."""
    own = ProcessState(
        version="1.2.3",
        python="3.11.7",
        reloaded_at=1.0,
        ticked_at=2.0,
        exposition_bytes=3,
        exposition_series=4,
        exposition_seconds=5.0,
    )
    own.alerts.expect(["http://alertmanager:9093"])
    return ProcessSubject(own, {"client.status": 6})


def leaves(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give the path of every field that holds no fields of its own."""
    inner: tuple[str, ...] = ()
    if isinstance(value, msgspec.Struct):
        inner = value.__struct_fields__
    elif is_dataclass(value):
        inner = tuple(each.name for each in fields(value))
    if not inner:
        yield path
    for name in inner:
        yield from leaves(getattr(value, name), (*path, name))


def spelled(path: tuple[str, ...]) -> str:
    """Write a path as the source of a family does."""
    match path:
        case ("own", *names):
            return ".".join(("process", *names))
        case ("drift",):
            return "process.drift"
    return ".".join(path)


def at(value: object, path: str) -> object:
    for name in path.split("."):
        value = getattr(value, name)
    return value


def put(value: Any, path: str, new: object) -> Any:  # noqa: ANN401
    """Give the same with another value at a path."""
    name, _, rest = path.partition(".")
    changed = put(getattr(value, name), rest, new) if rest else new
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **{name: changed})
    return replace(value, **{name: changed})


def another(value: object) -> object:
    """Give some value of the same kind that is not this one."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}x"
        case Histogram():
            return msgspec.structs.replace(value, sum=value.sum + 1)
        case tuple():
            return value[:-1]
        case Mapping() if value:
            first = next(iter(value))
            return {**value, first: another(value[first])}
    pytest.fail(f"no other value is known for {value!r}: say here what one looks like")


# Labels, what the aggregate is made of, and what is read where there is none: see the last test.
NO_SOURCES = {
    *("target.name", "target.tenant", "target.shard", "target.runners", "unknown"),
    # What pages say in words is no number.
    *("target.faults", "target.same_since", "target.principals"),
}


def test_every_field_that_a_target_keeps_is_a_source_or_none_by_name(
    watched: TargetSubject,
) -> None:
    declared = {source for family in TABLE.target for source in family.source}
    kept = {spelled(path) for path in leaves(watched)}
    assert kept - declared - NO_SOURCES == set(), "no family in target_families.py reads this"
    assert declared - kept == set(), "a family names a source that no target keeps"
    assert kept >= NO_SOURCES


def test_every_field_that_this_process_keeps_is_a_source(process: ProcessSubject) -> None:
    declared = {source for family in TABLE.process for source in family.source}
    kept = {spelled(path) for path in leaves(process)}
    assert kept - declared == set(), "no family in process_families.py reads this"
    assert declared - kept == set(), "a family names a source that the process does not keep"


def unlike(subject: TargetSubject | ProcessSubject, where: str) -> object:
    """Give another value for a field; of who is unknown there is none where the fleet is known."""
    value = at(subject, where)
    if value is None:
        return "other"
    return {RunnerKind.CI: 1} if where == "unknown" else another(value)


def check_each(
    subject: TargetSubject | ProcessSubject, families: tuple[Family[Any], ...]
) -> list[str]:
    """Change one field after the other; gives where other families changed than declare it."""
    before = samples_of(families, subject)
    without = [name for name, samples in before.items() if not samples]
    assert without == [], f"give its field a value in the fixture of {__file__}"
    wrong = []
    for path in leaves(subject):
        where = ".".join(path)
        changed = put(subject, where, unlike(subject, where))
        found = differing(before, samples_of(families, changed))
        declared = declaring(families, spelled(path))
        wrong += [f"{name} reads {where}: name it in its `source`" for name in found - declared]
        wrong += [f"{name} does not read its source {where}" for name in declared - found]
    return wrong


def test_a_change_of_a_field_of_a_target_changes_the_families_that_declare_it_and_no_others(
    watched: TargetSubject,
) -> None:
    assert check_each(watched, TABLE.target) == []


def test_a_change_of_a_field_of_this_process_changes_the_families_that_declare_it_and_no_others(
    process: ProcessSubject,
) -> None:
    assert check_each(process, TABLE.process) == []


def test_of_a_fleet_that_is_not_known_only_how_many_runners_are_unknown_is_told(
    watched: TargetSubject,
) -> None:
    lost = put(put(watched, "aggregate", None), "unknown", {RunnerKind.CI: 1})
    without = samples_of(TABLE.target, lost)
    of_fleet = {
        family.name
        for family in TABLE.target
        if family.source[0].startswith("aggregate.") or family.source == ("target.suppressed",)
    }
    conditions = "electric_agents_runners_with_condition"
    assert {name for name, samples in without.items() if not samples} == of_fleet - {conditions}
    assert differing(without, samples_of(TABLE.target, watched)) == of_fleet

    more = put(lost, "unknown", another(lost.unknown))
    assert differing(without, samples_of(TABLE.target, more)) == {conditions}
