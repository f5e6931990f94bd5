"""The exporter's own alerts say word for word what Prometheus says of the same situation.

promtool gets the labels and annotations of every rule, on a finding that is given as a series, and
beside it the exposition of a snapshot for their queries. The exporter gets the snapshot.
"""

import json
import random
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from alert_cases.promtool import selector
from alert_definitions import PROMETHEUS_ONLY
from electric_agents_exporter.alerting import go_text
from electric_agents_exporter.alerting.annotations import Wording
from electric_agents_exporter.alerting.definition import Definition, load
from electric_agents_exporter.alerting.facts import Facts, RunnerFamilies
from electric_agents_exporter.alerting.templates import Labels, Text
from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.vocabulary import Issue, RunnerKind
from electric_agents_exporter.fleet.reasons import Operation, Reason
from electric_agents_exporter.fleet.snapshot import FleetSnapshot, RunnerState, TargetSnapshot
from electric_agents_exporter.metrics.exposition import Exposer
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.metrics.process_families import ProcessState
from electric_agents_exporter.metrics.table import build_table
from judged_targets import MONOTONIC, judged_runner, judged_target, unreported
from programs import Release
from promtool_runs import promtool
from rule_files import PREFIX, Rule, alert_rules

_STEP: Final = 15
_STEPS: Final = 40
_NOW: Final = float(_STEP * _STEPS)
"""When alerts are looked at, in promtool's time, which begins at 0."""

_HERE: Final = {"job": "electric-agents", "cluster": "eu-1", "namespace": "agents"}
_BRANCH: Final = re.compile(r"\{% (?:if|else|for)\b[^%]*%\}")
_RECORDS_OF_MANY: Final = (
    "server:electric_agents_server_unreachable:bool",
    "server:electric_agents_server_database_unreachable:bool",
    "server:electric_agents_server_locked_out:bool",
)
_ERRORS: Final = "electric_agents_server_request_errors_total"


@dataclass(frozen=True)
class Situation:
    """What an alert is found on.

    Attributes:
        labels: those of the finding.
        value: the number that was found.
        target: what the exporter knows of the target.
        runner: the runner that it is on.
        owner_label: whether owners are exposed.
        servers: those of an alert on many.
        failing: how often requests failed lately, by why.
    """

    labels: Mapping[str, str]
    value: float
    target: TargetSnapshot | None = None
    runner: RunnerState | None = None
    owner_label: bool = False
    servers: tuple[str, ...] = ()
    failing: tuple[Reason, ...] = ()

    def facts(self) -> Facts:
        """Give what the exporter fills texts in with."""
        return Facts(
            time=_NOW,
            monotonic=MONOTONIC,
            families=RunnerFamilies(owner_label=self.owner_label),
            target=self.target,
            runner=self.runner,
            servers=self.servers,
            failing=dict.fromkeys(self.failing, 3.0),
        )

    def series(self) -> Iterator[dict[str, str]]:
        """Give what Prometheus has scraped and recorded."""
        scope = {name: text for name, text in self.labels.items() if name in _HERE}
        for record in _RECORDS_OF_MANY:
            for server in self.servers:
                yield _series(selector(record, server=server, **scope), "1")
        if self.target is None:
            return
        for name, labels, value in _exposed(self.target, owner_label=self.owner_label):
            series = selector(name, **labels, **scope)
            if name == _ERRORS and labels["reason"] in self.failing:
                yield {"series": series, "values": f"0+1x{_STEPS}"}
            elif name == _ERRORS:
                yield {"series": series, "values": f"7x{_STEPS}"}
            else:
                yield _series(series, value)


def _series(name: str, value: str) -> dict[str, str]:
    """Give a series that has one sample, which is of now."""
    return {"series": name, "values": f"_x{_STEPS} {value}"}


def _exposed(
    target: TargetSnapshot, *, owner_label: bool
) -> Iterator[tuple[str, dict[str, str], str]]:
    table = build_table(owner_label=owner_label)
    exposer = Exposer(table, ProcessState("1", "3"), CollectorRegistry())
    snapshot = FleetSnapshot(time=_NOW, monotonic=MONOTONIC, targets=(target,), drift={})
    text = b"".join(exposer.expose(snapshot, Format.TEXT)).decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, dict(sample.labels), repr(sample.value)


def _away(count: int) -> tuple[RunnerState, ...]:
    conditions = (frozenset({Condition.LAPSED}), frozenset({Condition.DEAF, Condition.LAPSED}))
    return tuple(
        judged_runner(f"away-{number:02}", holds=conditions[number % 2])
        for number in reversed(range(count))
    )


def _situations() -> dict[str, Situation]:
    strange = 'b 1/ü&"\\'
    known = judged_runner(
        strange,
        label='Ada\'s "{{ $labels.x }}"\n{% if %}',
        owner="user:ada",
        issues=frozenset({Issue.NO_DIAGNOSTICS, Issue.HEARTBEAT_FAILED}),
        at_work=3,
        ages=(70.2504, 4_000.5),
        lag=(2, 65.1239),
        age=12.5,
    )
    stale = judged_runner("builder-1", label="builder-1", at_work=3, ages=(1.0, 1.0), age=100.0)
    silent = judged_runner("laptop", kind=RunnerKind.LOCAL, label="", at_work=1_234_567)
    local = judged_runner("local", kind=RunnerKind.LOCAL, holds=frozenset({Condition.LAPSED}))
    errors = {(Operation.LIST, Reason.TIMEOUT): 1, (Operation.HEALTH, Reason.DNS): 1}
    of_server = {**_HERE, "server": "prod"}
    bare = {"job": "electric-agents", "server": "prod"}
    return {
        "everything is known": Situation(
            {
                **of_server,
                "tenant": "acme",
                "shard": "1",
                "runner_id": strange,
                "kind": "server",
                "principal": "user:ada lovelace",
                "field": "health.issues",
            },
            0.9,
            judged_target(*_away(9), local, known, tenant="acme", shard=1, errors=errors),
            known,
            owner_label=True,
            servers=tuple(f"s{number}" for number in reversed(range(9))),
            failing=(Reason.TIMEOUT, Reason.DNS),
        ),
        "its report is stale": Situation(
            {**bare, "runner_id": "builder-1", "kind": "server", "principal": "all"},
            12.0,
            judged_target(*_away(3), local, stale, errors=errors),
            stale,
        ),
        "it never reported": Situation(
            {**bare, "runner_id": "builder-1", "kind": "ci"},
            1.0,
            judged_target(unreported(stale)),
            unreported(stale),
        ),
        "little is known": Situation(
            {**of_server, "runner_id": "laptop", "kind": "local", "principal": "bob"},
            1_234_567.0,
            judged_target(silent),
            silent,
            servers=("s1", "s0"),
            failing=(),
        ),
        "runners have no series": Situation(
            {**of_server, "tenant": "acme", "kind": "local", "shard": "0"},
            75.5,
            judged_target(tenant="acme", shard=0),
        ),
        "it is the exporter": Situation({"job": "electric-agents"}, 0.00001),
    }


SITUATIONS: Final = _situations()


def _pairs() -> list[tuple[Rule, Definition]]:
    """Give every rule with the definition that is made of it."""
    rules = [
        rule for rule in alert_rules() if rule.name.removeprefix(PREFIX) not in PROMETHEUS_ONLY
    ]
    return list(zip(rules, load().alerts, strict=True))


def test_there_is_a_definition_of_every_rule_that_an_exporter_can_know() -> None:
    for rule, definition in _pairs():
        assert definition.alert == rule.name
        assert definition.labels.keys() == rule.raw["labels"].keys()
        assert definition.annotations.keys() == rule.raw["annotations"].keys()


@pytest.mark.parametrize("release", Release, ids=lambda release: release.value)
def test_alerts_say_what_prometheus_says(release: Release, tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"groups": [{"name": "all", "rules": _findings()}]}))
    cases = tmp_path / "cases.json"
    tests = [_case(name, situation) for name, situation in SITUATIONS.items()]
    cases.write_text(
        json.dumps({"rule_files": [str(rules)], "evaluation_interval": "15s", "tests": tests})
    )

    code, text = promtool("test", "rules", cases, release=release)

    assert code == 0, text


def _findings() -> list[dict[str, Any]]:
    return [
        {
            "alert": rule.name,
            "expr": f"finding_{number}",
            "labels": rule.raw["labels"],
            "annotations": rule.raw["annotations"],
        }
        for number, (rule, _) in enumerate(_pairs())
    ]


def _case(name: str, situation: Situation) -> dict[str, Any]:
    expected: dict[str, list[dict[str, Any]]] = {}
    found = []
    for number, (rule, definition) in enumerate(_pairs()):
        wording, facts = Wording(definition), situation.facts()
        finding = selector(f"finding_{number}", **situation.labels)
        found.append(_series(finding, repr(situation.value)))
        labels = wording.labels(situation.labels, situation.value, facts)
        assert labels.pop("alertname") == rule.name
        annotations = wording.annotations(situation.labels, situation.value, facts)
        alert = {"exp_labels": labels, "exp_annotations": annotations}
        expected.setdefault(rule.name, []).append(alert)
    return {
        "name": name,
        "interval": f"{_STEP}s",
        "input_series": [*found, *situation.series()],
        "alert_rule_test": [
            {"alertname": alert, "eval_time": f"{_NOW:.0f}s", "exp_alerts": alerts}
            for alert, alerts in expected.items()
        ],
    }


def test_the_situations_pass_and_leave_out_every_branch_of_every_text() -> None:
    for _, definition in _pairs():
        for key, source in {**definition.labels, **definition.annotations}.items():
            branches = _BRANCH.findall(source)
            said = [_marked(source, situation) for situation in SITUATIONS.values()]
            for number, branch in enumerate(branches):
                place = f"{definition.alert}: {key}: branch {number}, {branch}"
                assert any(_mark(number) in text for text in said), f"{place} is never taken"
                assert any(_mark(number) not in text for text in said), f"{place} always is"


def _marked(source: str, situation: Situation) -> str:
    """Fill in a template of which each branch begins with a mark of its own."""
    numbers = count()
    marked = _BRANCH.sub(lambda match: f"{match[0]}{_mark(next(numbers))}", source)
    return Text(marked).render(Labels(situation.labels), situation.value, situation.facts())


def _mark(number: int) -> str:
    return f"<{number}>"


def test_numbers_and_words_are_written_as_prometheus_writes_them(tmp_path: Path) -> None:
    """Of a thousand numbers of all sizes, half of them of any bits whatever."""
    chosen = random.Random(18)  # noqa: S311  (no secret is made of it)
    numbers = [
        *(0.0, -0.0, 0.5, 999_999.0, 1e6, 1e-4, 1e-5, 59.99, 59.9999, 60.0, 3600.0, 86_400.0),
        *(float("inf"), float("-inf"), float("nan")),
        *(chosen.choice([1, -1]) * 10 ** chosen.uniform(-12, 15) for _ in range(250)),
        *(float(chosen.randrange(10 ** chosen.randrange(1, 16))) for _ in range(250)),
        *filter(_fits, (_any_float(chosen) for _ in range(500))),
    ]
    rules = tmp_path / "rules.json"
    annotations = {
        "plain": "{{ $value }}",
        "whole": '{{ $value | printf "%.0f" }}',
        "duration": "{{ $value | humanizeDuration }}",
        "percentage": "{{ $value | humanizePercentage }}",
        "query": "{{ $labels.text | urlquery }}",
    }
    rule = {"alert": "A", "expr": "finding", "annotations": annotations}
    rules.write_text(json.dumps({"groups": [{"name": "all", "rules": [rule]}]}))
    cases = tmp_path / "cases.json"
    alerts = [_written(number, value, chosen) for number, value in enumerate(numbers)]
    test = {
        "interval": "1m",
        "input_series": [
            {"series": selector("finding", **alert["exp_labels"]), "values": _notation(value)}
            for alert, value in zip(alerts, numbers, strict=True)
        ],
        "alert_rule_test": [{"alertname": "A", "eval_time": "0s", "exp_alerts": alerts}],
    }
    cases.write_text(
        json.dumps({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]})
    )

    code, text = promtool("test", "rules", cases)

    assert code == 0, text[:10_000]


def _any_float(chosen: random.Random) -> float:
    (number,) = struct.unpack("d", chosen.randbytes(8))
    return float(number)


def _fits(number: float) -> bool:
    """Tell whether Go can count its seconds; beyond that Prometheus writes nonsense."""
    return abs(number) < 2.0**63


def _written(number: int, value: float, chosen: random.Random) -> dict[str, Any]:
    text = "".join(chr(chosen.randrange(32, 0x2FF)) for _ in range(8))
    return {
        "exp_labels": {"number": str(number), "text": text},
        "exp_annotations": {
            "plain": go_text.plain(value),
            "whole": go_text.fixed(value, 0),
            "duration": go_text.humanize_duration(value),
            "percentage": go_text.humanize_percentage(value),
            "query": go_text.urlquery(text),
        },
    }


def _notation(value: float) -> str:
    return {"inf": "Inf", "-inf": "-Inf", "nan": "NaN"}.get(repr(value), repr(value))
