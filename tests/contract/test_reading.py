import copy
import json
import math
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from electric_agents_exporter.contract.claims import MOST_NAMED, ActiveClaim
from electric_agents_exporter.contract.reading import (
    HealthAnswer,
    ListAnswer,
    NotJsonError,
    ShapeError,
    TooManyError,
    read_health,
    read_list,
)
from electric_agents_exporter.contract.report import (
    MAX_LISTED,
    Claims,
    Dispatch,
    ListedRunner,
    Report,
)
from electric_agents_exporter.contract.vocabulary import (
    AdminStatus,
    ClaimResult,
    ClientStatus,
    HealthStatus,
    Issue,
    LivenessStatus,
    RunnerKind,
)

SAMPLES = Path(__file__).parent / "samples"
GOOD: dict[str, Any] = json.loads((SAMPLES / "health-active-claim.json").read_bytes())
GOOD["client"]["last_error_at"] = "2026-11-22T11:29:00.000Z"
# The captured claim was leaked; let it be one that is worked on.
GOOD["dispatch"]["entities_with_active_claim"] = 1
ITEM: dict[str, Any] = json.loads((SAMPLES / "runner.json").read_bytes())

TIMES = {
    # where it stands in the answer: where it stands in the report
    "runner.created_at": "created_at",
    "runner.last_seen_at": "last_seen_at",
    "runner.lease_expires_at": "lease_expires_at",
    "client.started_at": "client.started_at",
    "client.stream_connected_since": "client.stream_connected_since",
    "client.last_error_at": "client.last_error_at",
    "client.last_heartbeat_at": "client.last_heartbeat_at",
    "client.last_claim_at": "client.last_claim_at",
    "client.last_dispatch_at": "client.last_dispatch_at",
}
NUMBERS = {
    "client.reconnect_count": "client.reconnect_count",
    "client.events_received": "client.events_received",
    "client.claims_succeeded": "client.claims_succeeded",
    "client.claims_skipped": "client.claims_skipped",
    "client.claims_failed": "client.claims_failed",
    "claims.active_count": "claims.active_count",
    "dispatch.entities_with_active_claim": "dispatch.entities_with_active_claim",
    "dispatch.entities_with_outstanding_wake": "dispatch.entities_with_outstanding_wake",
    "dispatch.entities_with_pending_work": "dispatch.entities_with_pending_work",
}
FLAGS = {
    "client.stream_connected": "client.stream_connected",
    "client.last_heartbeat_ok": "client.last_heartbeat_ok",
}
WORDS = {
    "runner.admin_status": "admin_status",
    "runner.liveness_status": "liveness",
    "client.status": "client.status",
    "client.last_claim_result": "client.last_claim_result",
    "health.status": "health",
}
TEXTS = {
    "runner.wake_stream_offset": "wake_stream_offset",
}
FIELDS = TIMES | NUMBERS | FLAGS | WORDS | TEXTS

NO_TEXT: tuple[object, ...] = (7, {}, [], True)
TORN = ("torn \ud800", "a\udfff")
LONGEST_STREAM = 4096
NO_SHORT_TEXT = (*NO_TEXT, *TORN, "x" * (LONGEST_STREAM + 1))
NO_FIELD = (b"{}", b"[]", b'{"a":[1]}', b"[" * 100 + b"]" * 100)
NO_NUMBER = (
    b"true",
    b'"7"',
    b'""',
    b"-1",
    b"-0.5",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"-1e999",
    b"9" * 400,
    b"9" * 5000,
    b"-" + b"9" * 5000,
    *NO_FIELD,
)
NO_TIME = (
    b"0",
    b"1795346133",
    b"true",
    b"NaN",
    b'""',
    b'"  "',
    b'"tomorrow"',
    b'"2026-11-22"',
    b'"2026-11-22T11:30:00.664"',
    b'"2026-02-30T00:00:00.000Z"',
    b'"2026-13-01T00:00:00.000Z"',
    b'"2026-11-22T25:00:00.000Z"',
    b'"+010000-01-01T00:00:00.000Z"',
    b'"-000001-01-01T00:00:00.000Z"',
    b'"0000-01-01T00:00:00.000Z"',
    b'"2026-11-22T11:30:00.664Z\\u0000"',
    b'"2026-11-22T11:30:00.664\\ud800"',
    b'"2026-11-22\\ud80011:30:00.664Z"',
    b'"2026-11-22T11:30:00.664\xff"',
    b'"' + b"9" * 100_000 + b'"',
    *NO_FIELD,
)
NO_FLAG = (b"0", b"1", b'"true"', b'""', *NO_FIELD)
NO_WORD = (b"0", b"true", *NO_FIELD)
NO_OFFSET = tuple(json.dumps(value).encode() for value in NO_SHORT_TEXT)
UNKNOWN_WORD = (b'""', b'"ONLINE"', b'"unknown"', b'"\\ud800"', b'"\xff"', b'"paused"')
MISFITS = [
    (field, garbage)
    for fields, garbages in (
        (TIMES, NO_TIME),
        (NUMBERS, NO_NUMBER),
        (FLAGS, NO_FLAG),
        (WORDS, NO_WORD),
        (TEXTS, NO_OFFSET),
    )
    for field in fields
    for garbage in garbages
]


def encode(document: object) -> bytes:
    return json.dumps(document).encode()


def spliced(field: str, raw: bytes, document: dict[str, Any] | None = None) -> bytes:
    """Give the good answer with raw bytes in place of one field's value."""
    changed = copy.deepcopy(document or GOOD)
    *sections, name = field.split(".")
    place = changed
    for section in sections:
        place = place[section]
    assert name in place
    place[name] = "@"
    return encode(changed).replace(b'"@"', raw)


def without(field: str) -> bytes:
    changed = copy.deepcopy(GOOD)
    section, name = field.split(".")
    del changed[section][name]
    return encode(changed)


def put(report: Report, path: str, value: object) -> Report:
    """Give a report with another value at a place."""
    section, dot, name = path.rpartition(".")
    if not dot:
        return msgspec.structs.replace(report, **{name: value})
    part = msgspec.structs.replace(getattr(report, section), **{name: value})
    return msgspec.structs.replace(report, **{section: part})


def get(report: Report, path: str) -> object:
    value: object = report
    for name in path.split("."):
        value = getattr(value, name)
    return value


GOOD_REPORT = read_health(encode(GOOD)).report


NOT_READ_AS_THEY_STAND = {
    "runner_id",
    "issues",
    "client_present",
    *("claims.superseded", "claims.oldest_heartbeat_at", "claims.newest_heartbeat_at"),
}
"""What is made of more than one value, or cannot be left out; each has tests of its own."""


def leaves(value: msgspec.Struct, above: str = "") -> Iterator[str]:
    """Give the path of every field that holds no fields of its own."""
    for name in value.__struct_fields__:
        inner = getattr(value, name)
        if isinstance(inner, msgspec.Struct):
            yield from leaves(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def test_every_field_that_is_kept_of_a_report_stands_in_the_tables_above() -> None:
    kept = set(leaves(GOOD_REPORT)) - NOT_READ_AS_THEY_STAND
    assert kept - set(FIELDS.values()) == set(), (
        f"say in TIMES, NUMBERS, FLAGS, WORDS or TEXTS of {__file__} where it stands in the answer"
    )


def test_the_good_answer_has_every_field_and_no_drift() -> None:
    assert read_health(encode(GOOD)).drift == ()
    assert all(get(GOOD_REPORT, path) is not None for path in FIELDS.values())


@pytest.mark.parametrize("field", sorted(set(FIELDS) - {"client.last_claim_result"}))
def test_null_costs_its_field_and_is_no_drift(field: str) -> None:
    answer = read_health(spliced(field, b"null"))
    assert answer.report == put(GOOD_REPORT, FIELDS[field], None)
    assert answer.drift == ()


def test_null_as_the_last_claims_result_is_a_result() -> None:
    answer = read_health(spliced("client.last_claim_result", b"null"))
    assert answer.report == put(GOOD_REPORT, "client.last_claim_result", ClaimResult.NONE)
    assert answer.drift == ()


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_costs_itself_and_is_drift_unless_a_runner_may_leave_it_out(
    field: str,
) -> None:
    answer = read_health(without(field))
    assert answer.report == put(GOOD_REPORT, FIELDS[field], None)
    assert answer.drift == (() if field.startswith("client.") else (field,))


@pytest.mark.parametrize("field, garbage", MISFITS)
def test_garbage_costs_its_field_and_is_drift_under_its_name(field: str, garbage: bytes) -> None:
    answer = read_health(spliced(field, garbage))
    assert answer.report == put(GOOD_REPORT, FIELDS[field], None)
    assert answer.drift == (field,)


@pytest.mark.parametrize("field", WORDS)
@pytest.mark.parametrize("word", UNKNOWN_WORD)
def test_a_word_that_we_do_not_know_is_unknown_and_drift(field: str, word: bytes) -> None:
    answer = read_health(spliced(field, word))
    assert str(get(answer.report, WORDS[field])) == "unknown"
    assert put(answer.report, WORDS[field], get(GOOD_REPORT, WORDS[field])) == GOOD_REPORT
    assert answer.drift == (field,)


@pytest.mark.parametrize(
    "field, words",
    [
        ("runner.admin_status", AdminStatus),
        ("runner.liveness_status", LivenessStatus),
        ("client.status", ClientStatus),
        ("health.status", HealthStatus),
    ],
)
def test_every_word_of_the_contract_is_known(field: str, words: type[AdminStatus]) -> None:
    for word in words:
        answer = read_health(spliced(field, encode(word.value)))
        assert get(answer.report, WORDS[field]) is word
        assert answer.drift == (() if word.value != "unknown" else (field,))


@pytest.mark.parametrize(
    "raw, number",
    [
        (b"0", 0),
        (b"7", 7),
        (b"2.5", 2.5),
        (b"1e21", 1e21),
        (b"1e308", 1e308),
        (b"12345678901234567890123", 1.2345678901234568e22),
        (b"1" + b"0" * 300, 1e300),
        (b"1e-400", 0),
    ],
)
@pytest.mark.parametrize("field", NUMBERS)
def test_odd_but_valid_numbers_pass(field: str, raw: bytes, number: float) -> None:
    answer = read_health(spliced(field, raw))
    assert get(answer.report, NUMBERS[field]) == number
    assert answer.drift == ()


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("1970-01-01T00:00:00.000Z", 0),
        ("2026-11-22T11:30:00.664Z", 1795347000.664),
        ("2026-11-22T12:30:00.664+01:00", 1795347000.664),
        ("2026-11-22T03:30:00.664-08:00", 1795347000.664),
        ("2026-11-22T11:30:00Z", 1795347000),
        ("2026-11-22T11:30:00.123456Z", 1795347000.123456),
        ("2100-01-01T00:00:00.000Z", 4102444800),
        ("0001-01-01T00:00:00.000Z", -62135596800),
        ("0001-01-01T00:00:00.000+14:00", -62135647200),
        ("9999-12-31T23:59:59.999Z", 253402300799.999),
        ("9999-12-31T23:59:59.999-12:00", 253402343999.999),
    ],
)
@pytest.mark.parametrize("field", TIMES)
def test_a_time_with_its_zone_reads_as_seconds_since_the_epoch(
    field: str, text: str, seconds: float
) -> None:
    answer = read_health(spliced(field, encode(text)))
    assert get(answer.report, TIMES[field]) == pytest.approx(seconds, rel=0, abs=1e-4)
    assert answer.drift == ()


@pytest.mark.parametrize(
    "offset", ["", "-1", "0000000000000000_0000000000021551", "é \n../%2e", "x" * LONGEST_STREAM]
)
def test_an_offset_is_kept_as_it_stands_whatever_it_is(offset: str) -> None:
    answer = read_health(spliced("runner.wake_stream_offset", encode(offset)))
    assert answer.report.wake_stream_offset == offset
    assert answer.drift == ()


def test_the_servers_time_is_the_lease_less_what_is_left_of_it() -> None:
    answer = read_health(encode(GOOD))
    assert answer.server_time == pytest.approx(1795347000.664 - 28.767, rel=0, abs=1e-5)


@pytest.mark.parametrize("field", ["runner.lease_expires_at", "runner.lease_remaining_ms"])
@pytest.mark.parametrize("raw", [b"null", b'"soon"', b"true", b"-1", b"{}"])
def test_without_either_half_of_the_lease_the_servers_time_is_not_known(
    field: str, raw: bytes
) -> None:
    answer = read_health(spliced(field, raw))
    assert answer.server_time is None
    assert answer.drift == (() if raw == b"null" else (field,))


def test_a_lapsed_lease_tells_no_time_since_what_is_left_of_it_is_clamped() -> None:
    assert read_health(spliced("runner.lease_remaining_ms", b"0")).server_time is None


def test_a_lease_until_2099_tells_the_time_as_well_as_any() -> None:
    body = spliced("runner.lease_expires_at", b'"2099-01-01T00:00:00.000Z"')
    remaining_ms = round((4070908800 - 1795347000.5) * 1000)
    body = body.replace(b"28767", str(remaining_ms).encode())
    assert read_health(body).server_time == pytest.approx(1795347000.5, rel=0, abs=1e-5)


@pytest.mark.parametrize("raw", [b"[]", b"0", b'"{}"', b"true"])
def test_diagnostics_that_are_no_object_are_not_known_and_drift(raw: bytes) -> None:
    answer = read_health(spliced("client", raw))
    expected = msgspec.structs.replace(GOOD_REPORT, client=None, client_present=None)
    assert answer.report == expected
    assert answer.drift == ("client",)


def test_no_diagnostics_are_known_to_be_none() -> None:
    answer = read_health(spliced("client", b"null"))
    expected = msgspec.structs.replace(GOOD_REPORT, client=None, client_present=False)
    assert answer.report == expected
    assert answer.drift == ()


def test_diagnostics_of_no_field_at_all_are_present_and_no_drift() -> None:
    answer = read_health(spliced("client", b"{}"))
    assert answer.report.client_present is True
    assert answer.report.client is not None
    assert set(msgspec.structs.astuple(answer.report.client)) == {None}
    assert answer.drift == ()


def test_an_answer_without_the_client_is_drift() -> None:
    changed = copy.deepcopy(GOOD)
    del changed["client"]
    answer = read_health(encode(changed))
    assert answer.report.client_present is None
    assert answer.drift == ("client",)


@pytest.mark.parametrize("section", ["claims", "dispatch", "health"])
@pytest.mark.parametrize("raw", [None, b"null", b"[]", b"7"])
def test_a_section_that_is_no_object_costs_its_fields_and_is_drift_once(
    section: str, raw: bytes | None
) -> None:
    changed = copy.deepcopy(GOOD)
    del changed[section]
    answer = read_health(encode(changed) if raw is None else spliced(section, raw))
    nothing: dict[str, dict[str, Any]] = {
        "claims": {"claims": Claims()},
        "dispatch": {"dispatch": Dispatch()},
        "health": {"health": None, "issues": None},
    }
    assert answer.report == msgspec.structs.replace(GOOD_REPORT, **nothing[section])
    assert answer.drift == (section,)


@pytest.mark.parametrize("field", ["claims.active", "health.issues"])
def test_a_list_that_is_missing_is_not_known_and_drift(field: str) -> None:
    answer = read_health(without(field))
    nothing: dict[str, dict[str, Any]] = {
        "claims.active": {"claims": Claims(active_count=1)},
        "health.issues": {"issues": None},
    }
    assert answer.report == msgspec.structs.replace(GOOD_REPORT, **nothing[field])
    assert answer.drift == (field,)


def test_members_that_we_do_not_know_cost_nothing() -> None:
    changed = copy.deepcopy(GOOD)
    for place in (changed, *(changed[section] for section in GOOD)):
        place["new"] = {"from": ["a", "later", "version"]}
    answer = read_health(encode(changed))
    assert answer.report == GOOD_REPORT
    assert answer.drift == ()


def test_of_a_repeated_member_the_last_counts_as_in_the_servers_own_reader() -> None:
    body = encode(GOOD).replace(b'"claims_failed": 0', b'"claims_failed": 5, "claims_failed": 0')
    assert body != encode(GOOD)
    assert read_health(body).report == GOOD_REPORT


def test_an_error_text_of_two_megabytes_is_not_kept() -> None:
    answer = read_health(spliced("client.last_error", b'"' + b"boom " * 400_000 + b'"'))
    assert answer.report == GOOD_REPORT
    assert answer.drift == ()
    assert "boom" not in repr(answer)


@pytest.mark.parametrize("raw", [b'"torn \\ud800"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b"1e999"])
def test_what_cannot_be_read_in_a_field_that_we_do_not_keep_costs_nothing(raw: bytes) -> None:
    answer = read_health(spliced("client.last_error", raw))
    assert answer.report == GOOD_REPORT
    assert answer.drift == ()


# --- issues ---------------------------------------------------------------------------------------


def test_issues_are_classified_each_once() -> None:
    texts = ["Client has reconnected 6 times", "Client has reconnected 7 times"]
    answer = read_health(spliced("health.issues", encode(["Runner is disabled", *texts])))
    assert answer.report.issues == frozenset({Issue.DISABLED, Issue.RECONNECTS_HIGH})
    assert answer.drift == ()


@pytest.mark.parametrize("odd", ["Runner is on fire", 7, None, {}, ["Runner is disabled"]])
def test_an_issue_that_we_do_not_know_is_other_and_drift(odd: object) -> None:
    answer = read_health(spliced("health.issues", encode(["Runner is disabled", odd])))
    assert answer.report.issues == frozenset({Issue.DISABLED, Issue.OTHER})
    assert answer.drift == ("health.issues",)


@pytest.mark.parametrize("raw", [b"{}", b'"Runner is disabled"', b"0"])
def test_issues_that_are_no_list_are_not_known_and_drift(raw: bytes) -> None:
    answer = read_health(spliced("health.issues", raw))
    assert answer.report == put(GOOD_REPORT, "issues", None)
    assert answer.drift == ("health.issues",)


# --- claims ---------------------------------------------------------------------------------------


def claim(stream: object, claimed: object, heartbeat: object = None, epoch: object = 1) -> object:
    def moment(value: object) -> object:
        return f"2026-11-22T11:00:{value:02}.000Z" if isinstance(value, int) else value

    return {
        "stream_path": stream,
        "claimed_at": moment(claimed),
        "last_heartbeat_at": moment(heartbeat),
        "epoch": epoch,
    }


ELEVEN = 1795345200.0  # 2026-11-22T11:00:00Z


@pytest.mark.parametrize(
    "active, superseded, oldest, newest",
    [
        ([], 0, None, None),
        ([claim("a", 1)], 0, 1, 1),
        ([claim("a", 1, 9)], 0, 9, 9),
        ([claim("a", 1, 9), claim("b", 2, 5)], 0, 5, 9),
        ([claim("a", 1, 9), claim("b", 20)], 0, 9, 20),
        # Of several on one stream only the newest counts, in whatever order they come,
        ([claim("a", 1, 2), claim("a", 3, 4), claim("a", 5, 6)], 2, 6, 6),
        ([claim("a", 5, 6), claim("a", 1, 2), claim("a", 3, 4)], 2, 6, 6),
        # by when it was claimed: epochs begin again when the server restarts;
        ([claim("a", 1, 2, epoch=9), claim("a", 3, 4, epoch=1)], 1, 4, 4),
        # the epoch decides where the times are equal or cannot be read.
        ([claim("a", 1, 2, epoch=1), claim("a", 1, 4, epoch=2)], 1, 4, 4),
        ([claim("a", None, 4, epoch=2), claim("a", None, 2, epoch=1)], 1, 4, 4),
        ([claim("a", None, 2, epoch=9), claim("a", 3, 4)], 1, 4, 4),
        # Where nothing tells them apart, the first counts.
        ([claim("a", 1, 9), claim("a", 1, 5)], 1, 9, 9),
        ([claim("a", None), claim("a", None, 4)], 1, None, 4),
        ([claim("a", None)], 0, None, None),
        ([claim("a", None), claim("b", 7)], 0, 7, 7),
        # The newest sign of life is one of whoever works, also on what was taken up anew.
        ([claim("a", 1, 30), claim("a", 3, 4)], 1, 4, 30),
    ],
)
def test_claims_are_superseded_by_the_newest_of_their_stream(
    active: list[object], superseded: int, oldest: int | None, newest: int | None
) -> None:
    busy = GOOD | {"dispatch": GOOD["dispatch"] | {"entities_with_active_claim": 9}}
    answer = read_health(spliced("claims.active", encode(active), busy))
    assert answer.report.claims == Claims(
        active_count=1,
        superseded=superseded,
        oldest_heartbeat_at=None if oldest is None else ELEVEN + oldest,
        newest_heartbeat_at=None if newest is None else ELEVEN + newest,
    )
    assert answer.drift == ()


def test_the_claims_made_last_are_named_as_far_as_their_names_can_be_shown() -> None:
    old = [claim(f"s{number}", 1) for number in range(MOST_NAMED)]
    odd = {
        "stream_path": "late",
        "entity_url": "/task/\ud800",
        "claimed_at": "2026-11-22T11:00:09Z",
        "last_heartbeat_at": "2026-11-22T11:00:30Z",
    }
    good = odd | {"stream_path": "x" * 2000, "entity_url": "/task/1"}
    good["claimed_at"] = "2026-11-22T11:00:08Z"
    answer = read_health(spliced("claims.active", encode([*old, good, odd])))
    assert answer.claims is not None
    assert len(answer.claims) == MOST_NAMED
    assert answer.claims[:2] == (
        ActiveClaim(None, "late", ELEVEN + 9, ELEVEN + 30),
        ActiveClaim("/task/1", "x" * 1024, ELEVEN + 8, ELEVEN + 30),
    )
    assert read_health(spliced("claims.active", b"7")).claims is None


@pytest.mark.parametrize(
    "entities, oldest",
    [
        # Where two of three streams are worked on, the third claim is left from a crash.
        (3, 5),
        (2, 7),
        (1, 9),
        (0, None),
        # Numbers may be any, and one that is not known rules nothing out.
        (1.5, 7),
        (1e21, 5),
        (None, 5),
        ("many", 5),
    ],
)
def test_no_more_claims_are_taken_for_alive_than_there_are_entities_worked_on(
    entities: object, oldest: int | None
) -> None:
    said = GOOD | {"dispatch": GOOD["dispatch"] | {"entities_with_active_claim": entities}}
    active = [claim("a", 1, 7), claim("b", 2, 9), claim("c", 3, 5)]
    answer = read_health(spliced("claims.active", encode(active), said))
    assert answer.report.claims.oldest_heartbeat_at == (None if oldest is None else ELEVEN + oldest)
    assert answer.report.claims.newest_heartbeat_at == ELEVEN + 9


@pytest.mark.parametrize(
    "bad, drift",
    [
        (7, "claims.active"),
        (None, "claims.active"),
        ({}, "claims.active.stream_path"),
        (claim(None, 1), "claims.active.stream_path"),
        (claim(5, 1), "claims.active.stream_path"),
    ],
)
def test_a_claim_that_names_no_stream_is_left_out(bad: object, drift: str) -> None:
    answer = read_health(spliced("claims.active", encode([bad, claim("a", 1)])))
    assert answer.report.claims == Claims(1, 0, ELEVEN + 1, ELEVEN + 1)
    assert answer.drift == (drift,)


def test_a_bad_time_of_a_claim_costs_that_time() -> None:
    active = [claim("a", 1, "later"), claim("b", "once", 5), claim("b", 2, 3, epoch="two")]
    answer = read_health(spliced("claims.active", encode(active)))
    assert (answer.report.claims.superseded, answer.report.claims.active_count) == (1, 1)
    # Of two signs of life one is alive: that of the claim whose heartbeat can be read.
    assert answer.report.claims.oldest_heartbeat_at == ELEVEN + 3
    assert answer.report.claims.newest_heartbeat_at == ELEVEN + 5
    assert sorted(answer.drift) == [
        "claims.active.claimed_at",
        "claims.active.epoch",
        "claims.active.last_heartbeat_at",
    ]


@pytest.mark.parametrize("raw", [b"{}", b"3", b'"[]"'])
def test_claims_that_are_no_list_are_counted_and_no_more(raw: bytes) -> None:
    answer = read_health(spliced("claims.active", raw))
    assert answer.report.claims == Claims(active_count=1)
    assert answer.drift == ("claims.active",)


# --- what is no report ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"<html>",
        b"{",
        b'{"runner":',
        b"\x00",
        b"\xff\xfe",
        b"\x1f\x8b\x08\x00",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"nul",
        b"'a'",
        "{}".encode("utf-16"),
    ],
)
def test_what_is_no_json_is_told_as_that(body: bytes) -> None:
    with pytest.raises(NotJsonError):
        read_health(body)
    with pytest.raises(NotJsonError):
        read_list(body)


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"7",
        b"NaN",
        b'"runner"',
        b"[]",
        b"{}",
        b'{"status":"ok"}',
        b'{"runner":null}',
        b'{"runner":[]}',
        b'{"runner":{}}',
        b'{"runner":{"id":null}}',
        b'{"runner":{"id":7}}',
    ],
)
def test_json_without_a_runner_and_its_id_is_no_report(body: bytes) -> None:
    with pytest.raises(ShapeError):
        read_health(body)


def test_a_byte_order_mark_is_no_fault() -> None:
    assert read_health(b"\xef\xbb\xbf" + encode(GOOD)).report == GOOD_REPORT
    assert read_list(b"\xef\xbb\xbf[]").runners == ()


# --- lists ----------------------------------------------------------------------------------------


def listed(*items: object) -> ListAnswer:
    return read_list(encode(list(items)))


def item(**changes: object) -> dict[str, object]:
    return ITEM | changes


def test_an_empty_list_holds_no_runner() -> None:
    assert listed() == ListAnswer((), ())


@pytest.mark.parametrize("body", [b"null", b"{}", b'"[]"', b"7", b'{"runners":[]}'])
def test_what_is_no_array_is_no_list(body: bytes) -> None:
    with pytest.raises(ShapeError):
        read_list(body)


def test_a_list_keeps_its_order_and_the_first_of_equal_ids() -> None:
    answer = listed(item(id="b", label="first"), item(id="a"), item(id="b", label="second"))
    assert [runner.id for runner in answer.runners] == ["b", "a"]
    assert answer.runners[0].label == "first"
    assert answer.drift == ()


@pytest.mark.parametrize(
    "bad", [{"id": None}, {"id": 7}, {"id": "x" * 1025}, {"id": "\ud800"}, {"id": "a\udfff"}]
)
def test_an_item_without_a_usable_id_costs_itself_only(bad: dict[str, object]) -> None:
    answer = listed(item(id="a"), item(**bad), item(id="b"))
    assert [runner.id for runner in answer.runners] == ["a", "b"]
    assert answer.drift == ("list.id",)


@pytest.mark.parametrize(
    "bad", [{"id": None}, {"id": "x" * 1025}, {"runner_id": "a"}, {"id": "\ud800"}, None, 7]
)
def test_a_list_of_which_no_item_can_be_used_is_no_list(bad: object) -> None:
    for items in ([bad], [bad] * 3):
        with pytest.raises(ShapeError):
            listed(*items)


@pytest.mark.parametrize(
    "bad, unreadable",
    [({"id": None}, 1), ({"id": "\ud800"}, 1), (None, 1), ({"id": "x" * 1025}, 0)],
)
def test_an_item_that_does_not_tell_whose_it_is_could_be_anybodys(
    bad: object, unreadable: int
) -> None:
    assert listed(item(id="a"), bad).unreadable == unreadable


@pytest.mark.parametrize(
    "value, count",
    [
        (b"{}", MAX_LISTED + 1),
        (b"{}", 20_000_000),
        (b'{"id":"x"}', 2_500_000),
        (b"1", 9_000_000),
        (b'"\xff"', MAX_LISTED + 1),
        (b'{"id":"x"}', MAX_LISTED + 1),
    ],
)
def test_a_list_of_more_items_than_anybody_has_is_refused_before_it_takes_much_memory(
    value: bytes, count: int
) -> None:
    body = b"[" + (value + b",") * (count - 1) + value + b"]"
    tracemalloc.start()
    with pytest.raises(TooManyError):
        read_list(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 128 << 20


def test_a_list_of_as_many_as_we_hold_is_read() -> None:
    body = b"[" + b",".join(b'{"id":"%x"}' % n for n in range(MAX_LISTED)) + b"]"
    assert len(read_list(body).runners) == MAX_LISTED


def test_what_is_drift_in_every_item_of_a_list_is_held_once() -> None:
    answer = listed({"id": "a"}, {"id": "b"})
    first, second = (name for name in answer.drift if name == "list.label")
    assert first is second


def test_a_report_of_more_claims_than_anybody_has_is_refused_before_it_is_taken_apart() -> None:
    claims = b"[" + b",".join([b"{}"] * 1_000_000) + b"]"
    with pytest.raises(TooManyError):
        read_health(b'{"runner":{"id":"a"},"claims":{"active":%s}}' % claims)


def test_an_item_that_still_says_whose_it_is_lists_that_runner_whatever_else_it_holds() -> None:
    answer = listed({"id": "a", "kind": 7, "label": [], "created_at": {}, "wake_stream": False})
    assert [runner.id for runner in answer.runners] == ["a"]
    assert answer.unreadable == 0


def test_an_item_that_names_no_id_costs_itself_only() -> None:
    nameless = item()
    del nameless["id"]
    answer = listed(nameless, item(id="b"))
    assert [runner.id for runner in answer.runners] == ["b"]
    assert answer.drift == ("list.id",)


@pytest.mark.parametrize("bad", [None, 7, "a", [], [{}], True])
def test_an_item_that_is_no_object_costs_itself_only(bad: object) -> None:
    answer = listed(bad, item(id="b"))
    assert [runner.id for runner in answer.runners] == ["b"]
    assert answer.drift == ("list",)


def test_a_stray_byte_costs_the_field_that_it_stands_in() -> None:
    good = encode([item(id="a", label="LABEL"), item(id="b")])
    answer = read_list(good.replace(b"LABEL", b"caf\xe9"))
    assert [(runner.id, runner.label) for runner in answer.runners] == [
        ("a", None),
        ("b", ITEM["label"]),
    ]
    assert answer.drift == ("list.label",)
    assert [runner.id for runner in read_list(good.replace(b'"a"', b'"\xe9"')).runners] == ["b"]


@pytest.mark.parametrize(
    "runner_id",
    ["", ".", "..", "a/b", "100%", "q?x#y", 'say "hi"', "a\nb", "\x00", "é😀", "x" * 1024],
)
def test_odd_ids_are_ids(runner_id: str) -> None:
    answer = listed(item(id=runner_id))
    assert [runner.id for runner in answer.runners] == [runner_id]
    assert answer.drift == ()


@pytest.mark.parametrize(
    "label, kept",
    [
        ("", ""),
        ("Smoke 1", "Smoke 1"),
        ("é 日本 😀", "é 日本 😀"),
        ("a\nb\tc\x00d\x1b[31m\x7f\x85e", "abcd[31me"),
        ("right\u202eleft\u2028", "rightleft"),
        ("x" * 128, "x" * 128),
        ("x" * 129, "x" * 128),
        ("\n" * 5000 + "y" * 5000, "y" * 128),
    ],
)
def test_a_label_is_cut_to_128_printable_characters(label: str, kept: str) -> None:
    answer = listed(item(label=label))
    assert answer.runners[0].label == kept
    assert answer.drift == ()


GARBAGE_IN_AN_ITEM: dict[str, tuple[object, ...]] = {
    "label": (*NO_TEXT, *TORN),
    "owner_principal": (*NO_TEXT, *TORN),
    "wake_stream": NO_SHORT_TEXT,
    "kind": NO_TEXT,
    "admin_status": NO_TEXT,
    "created_at": ("soon", 7),
    "updated_at": ("soon", 7),
}


def test_every_field_that_is_kept_of_an_item_stands_in_the_table_above() -> None:
    kept = set(ListedRunner.__struct_fields__) - {"id"}
    assert kept == set(GARBAGE_IN_AN_ITEM), "say there which values do not fit the field"


@pytest.mark.parametrize(
    "field, garbage",
    [(field, value) for field, values in GARBAGE_IN_AN_ITEM.items() for value in values],
)
def test_garbage_in_an_item_costs_its_field(field: str, garbage: object) -> None:
    (good,) = listed(item()).runners
    answer = listed(item(**{field: garbage}))
    assert answer.runners == (msgspec.structs.replace(good, **{field: None}),)
    assert answer.drift == (f"list.{field}",)


@pytest.mark.parametrize("kind", RunnerKind)
def test_every_kind_is_known(kind: RunnerKind) -> None:
    answer = listed(item(kind=kind.value))
    assert answer.runners[0].kind is kind
    assert answer.drift == (("list.kind",) if kind is RunnerKind.UNKNOWN else ())


def test_a_kind_that_we_do_not_know_is_unknown_and_drift() -> None:
    answer = listed(item(kind="satellite"))
    assert answer.runners[0].kind is RunnerKind.UNKNOWN
    assert answer.drift == ("list.kind",)


def test_an_admin_status_of_an_item_that_we_do_not_know_is_unknown_and_drift() -> None:
    answer = listed(item(admin_status="paused"))
    assert answer.runners[0].admin_status is AdminStatus.UNKNOWN
    assert answer.drift == ("list.admin_status",)


# --- anything at all ------------------------------------------------------------------------------

DRIFT_NAMES = {
    *FIELDS,
    "client",
    "claims",
    "dispatch",
    "health",
    "health.issues",
    "runner.lease_remaining_ms",
    "claims.active",
    "claims.active.stream_path",
    "claims.active.claimed_at",
    "claims.active.last_heartbeat_at",
    "claims.active.epoch",
}

numbers = (
    st.integers()
    | st.floats()
    | st.sampled_from([0, -1, 2**63, 2**64, 10**400, -(10**400), 1e21, math.inf, math.nan])
)
texts = st.text(st.characters()) | st.sampled_from(
    ["", "\ud800", "2026-11-22T11:30:00.664Z", "0001-01-01T00:00:00+14:00", "online", "enabled"]
)
scalars: st.SearchStrategy[object] = st.none() | st.booleans() | numbers | texts
json_values: st.SearchStrategy[object] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*GOOD, *GOOD["runner"], *GOOD["client"], *ITEM, "active", "issues"])
            | texts,
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


def paths(value: object, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Give every place in a JSON document but its root."""
    found = [here] if here else []
    if isinstance(value, dict):
        for name, inner in value.items():
            found += paths(inner, (*here, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += paths(inner, (*here, index))
    return found


@st.composite
def mutations(draw: st.DrawFn, document: dict[str, Any] | list[Any]) -> bytes:
    """Give the bytes of a good document with some of its places changed or gone."""
    changed: Any = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 4))):
        *parents, last = draw(st.sampled_from(paths(changed) or [("runner",)]))
        place = changed
        for name in parents:
            place = place[name]
        if draw(st.booleans()) or not isinstance(place, dict):
            place[last] = draw(json_values)
        else:
            place.pop(last, None)
    return encode(changed)


def check_health(body: bytes) -> HealthAnswer | None:
    try:
        answer = read_health(body)
    except (NotJsonError, ShapeError):
        return None
    assert isinstance(answer.report.runner_id, str)
    assert set(answer.drift) <= DRIFT_NAMES
    for path in NUMBERS.values():
        if not path.startswith("client.") or answer.report.client is not None:
            number = get(answer.report, path)
            assert number is None or (isinstance(number, float) and 0 <= number < math.inf)
    for path in TIMES.values():
        if not path.startswith("client.") or answer.report.client is not None:
            time = get(answer.report, path)
            assert time is None or (isinstance(time, float) and math.isfinite(time))
    assert answer.server_time is None or math.isfinite(answer.server_time)
    hash(answer)
    return answer


def check_list(body: bytes) -> None:
    try:
        answer = read_list(body)
    except (NotJsonError, ShapeError):
        return
    ids = [runner.id for runner in answer.runners]
    assert len(ids) == len(set(ids))
    for runner in answer.runners:
        for text in (
            runner.id,
            runner.label or "",
            runner.owner_principal or "",
            runner.wake_stream or "",
        ):
            text.encode()
        assert len(runner.label or "") <= 128
    assert set(answer.drift) <= {f"list.{name}" for name in ITEM} | {"list"}


@given(json_values)
@example([{}])
def test_any_json_is_read_or_refused(value: object) -> None:
    check_health(encode(value))
    check_list(encode(value))


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    check_health(body)
    check_list(body)


@given(mutations(GOOD))
def test_any_change_of_a_good_report_is_read_or_refused(body: bytes) -> None:
    check_health(body)


@given(mutations([ITEM, ITEM | {"id": "other"}]))
def test_any_change_of_a_good_list_is_read_or_refused(body: bytes) -> None:
    check_list(body)


@given(st.data())
def test_any_damage_to_the_bytes_of_a_good_answer_is_read_or_refused(data: st.DataObject) -> None:
    for body, check in ((encode(GOOD), check_health), (encode([ITEM, ITEM]), check_list)):
        position = data.draw(st.integers(0, len(body)))
        length = data.draw(st.integers(0, 20))
        check(body[:position] + data.draw(st.binary(max_size=4)) + body[position + length :])


@given(st.sampled_from(sorted(FIELDS)), scalars)
def test_whatever_stands_in_one_field_the_others_are_as_they_were(
    field: str, value: object
) -> None:
    answer = check_health(spliced(field, encode(value)))
    assert answer is not None
    good = put(answer.report, FIELDS[field], get(GOOD_REPORT, FIELDS[field]))
    if field == "dispatch.entities_with_active_claim":
        # It says how many of the claims can be alive.
        oldest = "claims.oldest_heartbeat_at"
        good = put(good, oldest, get(GOOD_REPORT, oldest))
    assert good == GOOD_REPORT
    assert set(answer.drift) <= {field}
