"""Every captured report, served over HTTP, against an oracle written by hand from the schema.

The oracle reads the JSON with nothing of ours: what a careful person would write down.
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.table import build_table

SAMPLES = Path(__file__).parents[2] / "contract" / "samples"
REPORTS = sorted(path.stem for path in SAMPLES.glob("health-*.json"))
PREFIX = "electric_agents_runner_"
ISSUES = {
    "Runner is disabled": "disabled",
    "Heartbeat lease expired": "lease_expired",
    "Runner has never sent": "never_heartbeat",
    "Client reports stream": "stream_disconnected",
    "Client reports last": "heartbeat_failed",
    "Client has reconnected": "reconnects_high",
    "No client diagnostics": "no_diagnostics",
}
# By the schema these move with time or with polling; other tests hold them.
MOVING = {
    "heartbeat_age_seconds",
    "sign_of_life_age_seconds",
    "last_poll_success_timestamp_seconds",
}

Key = tuple[str, frozenset[tuple[str, str]]]


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def words(name: str, label: str, known: list[str], current: str) -> Iterator[tuple[Key, float]]:
    for word in known:
        yield (name, frozenset({(label, word)})), float(word == current)


def oracle(report: dict[str, Any]) -> Iterator[tuple[Key, float]]:
    """Everything that one runner's series should say."""
    runner, client, claims = report["runner"], report["client"], report["claims"]
    nothing: frozenset[tuple[str, str]] = frozenset()
    label = f"Runner {runner['id']}"
    yield ("info", frozenset({("label", label), ("kind", "local")})), 1.0
    yield ("registered_timestamp_seconds", nothing), seconds(runner["created_at"])
    yield ("admin_enabled", nothing), float(runner["admin_status"] == "enabled")
    liveness = ["online", "offline", "expired", "unknown"]
    yield from words("liveness_status", "status", liveness, runner["liveness_status"])
    verdicts = ["healthy", "degraded", "unhealthy", "unknown"]
    yield from words("health_status", "status", verdicts, report["health"]["status"])
    named = {
        name for text in report["health"]["issues"] for head, name in ISSUES.items() if head in text
    }
    for issue in (*ISSUES.values(), "other"):
        yield ("health_issue", frozenset({("issue", issue)})), float(issue in named)
    for name, field in (
        ("last_seen_timestamp_seconds", "last_seen_at"),
        ("lease_expires_timestamp_seconds", "lease_expires_at"),
    ):
        if runner[field] is not None:
            yield (name, nothing), seconds(runner[field])
    yield ("client_diagnostics_present", nothing), float(client is not None)
    if client is not None:
        yield from of_client(client, online=runner["liveness_status"] == "online")
    yield ("active_claims", nothing), float(claims["active_count"])
    streams: dict[str, list[dict[str, Any]]] = {}
    for claim in claims["active"]:
        streams.setdefault(claim["stream_path"], []).append(claim)
    yield ("superseded_claims", nothing), float(sum(len(each) - 1 for each in streams.values()))
    newest = [max(each, key=lambda claim: claim["claimed_at"]) for each in streams.values()]
    signs = [seconds(claim["last_heartbeat_at"] or claim["claimed_at"]) for claim in newest]
    alive = sorted(signs)[::-1][: report["dispatch"]["entities_with_active_claim"]]
    if alive:
        yield ("oldest_claim_heartbeat_timestamp_seconds", nothing), min(alive)
    for field, count in report["dispatch"].items():
        yield (field, nothing), float(count)
    yield ("poll_success", nothing), 1.0
    for condition, holds in conditions(report).items():
        labels = frozenset({("kind", "local"), ("condition", condition)})
        yield ("condition", labels), float(holds)
    for event in (
        "health_changes",
        "lease_lapses",
        "client_restarts",
        "client_identity_conflicts",
    ):
        yield (f"{event}_total", nothing), 0.0


def conditions(report: dict[str, Any]) -> dict[str, bool]:
    """What is true of a runner whose wakes are not read, where that can be told.

    Of the samples no claim that is worked on was silent for long, and no failure was seen to come.
    """
    runner, client = report["runner"], report["client"]
    enabled = runner["admin_status"] == "enabled"
    online = runner["liveness_status"] == "online"
    deaf = client is not None and not client["stream_connected"]
    told = {
        "unknown": False,
        "work_abandoned": False,
        "claim_stuck": False,
        "draining": False,
        "lapsed": enabled and runner["liveness_status"] == "expired",
        "disabled": not enabled,
    }
    if not enabled:
        told["work_unheard"] = False
    if client is not None:
        told["work_refused"] = False
    if deaf or not (enabled and online):
        # A stream that is said to be connected may be silent all the same.
        told["deaf"] = deaf and enabled and online
    return told


def of_client(client: dict[str, Any], *, online: bool) -> Iterator[tuple[Key, float]]:
    nothing: frozenset[tuple[str, str]] = frozenset()
    for name, field in (
        ("client_start_timestamp_seconds", "started_at"),
        ("client_last_error_timestamp_seconds", "last_error_at"),
        ("client_last_heartbeat_timestamp_seconds", "last_heartbeat_at"),
        ("client_last_claim_timestamp_seconds", "last_claim_at"),
        ("client_last_dispatch_timestamp_seconds", "last_dispatch_at"),
    ):
        if client[field] is not None:
            yield (name, nothing), seconds(client[field])
    for outcome, field in (
        ("claimed", "claims_succeeded"),
        ("no_work", "claims_skipped"),
        ("error", "claims_failed"),
    ):
        yield ("claims_total", frozenset({("outcome", outcome)})), float(client[field])
    yield ("reconnects_total", nothing), float(client["reconnect_count"])
    yield ("events_received_total", nothing), float(client["events_received"])
    if not online:
        return
    states = ["stopped", "starting", "connecting", "streaming", "reconnecting", "stopping"]
    yield from words("client_status", "status", [*states, "unknown"], client["status"])
    yield ("client_stream_connected", nothing), float(client["stream_connected"])
    if client["stream_connected_since"] is not None:
        since = seconds(client["stream_connected_since"])
        yield ("client_stream_connected_since_timestamp_seconds", nothing), since
    yield ("client_last_heartbeat_ok", nothing), float(client["last_heartbeat_ok"])
    results = ["claimed", "no_work", "error", "none", "unknown"]
    last = client["last_claim_result"] or "none"
    yield from words("client_last_claim_result", "result", results, last)


@pytest.mark.parametrize("fmt", Format)
@pytest.mark.parametrize("name", REPORTS)
async def test_a_captured_report_served_over_http_gives_what_the_oracle_says(
    name: str,
    fmt: Format,
    server: Any,  # noqa: ANN401
    connect: Callable[..., Any],
) -> None:
    report = json.loads((SAMPLES / f"{name}.json").read_text())
    runner_id = report["runner"]["id"]
    server.runners[runner_id] = report
    server.item = lambda _: {
        **json.loads((SAMPLES / "runner.json").read_text()),
        "id": runner_id,
        "label": f"Runner {runner_id}",
    }
    exchange = connect()
    assert await exchange.poll()

    exposer = Exposer(build_table(), ProcessState("1", "3"), CollectorRegistry())
    text = b"".join(exposer.expose(exchange.whole, fmt)).decode()
    parse = parse_text if fmt is Format.TEXT else parse_openmetrics
    created = set()
    seen = {}
    for family in parse(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            if labels.pop("runner_id", None) != runner_id:
                continue
            assert labels.pop("server") == "production"
            series = sample.name.removeprefix(PREFIX)
            if series.endswith("_created"):
                created.add(sample.value)
            elif series not in MOVING:
                seen[series, frozenset(labels.items())] = sample.value

    assert seen == dict(oracle(report))
    began = report["client"] and {seconds(report["client"]["started_at"])}
    assert created == ((began or set()) if fmt is Format.OPENMETRICS else set())
