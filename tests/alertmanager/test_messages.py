"""What people get to read, rendered by amtool out of the shipped configuration."""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.alertmanager.conftest import CONFIG, rules, settings

import alert_table

GOLDEN: Final = Path(__file__).parent / "golden"
TEMPLATES: Final = CONFIG.with_name("electric-agents.tmpl")
ODD: Final = (
    "a\"b'\n<!channel> <https://evil.example|look> <script>alert(1)</script> @channel &amp; "
    "{{ .ExternalURL }} `code` *bold* \u202egnp.exe\u202c 🚀 " + "x" * 300
)
_KINDS: Final = {
    "pagerduty_configs": "pager",
    "slack_configs": "tickets",
    "email_configs": "tickets",
}


def one(runner_id: str, status: str = "firing", **labels: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {
            "alertname": "ElectricAgentsWorkAbandoned",
            "cluster": "eu-1",
            "job": "electric-agents",
            "kind": "server",
            "namespace": "agents",
            "runner_id": runner_id,
            "server": "production",
            "severity": "critical",
            **labels,
        },
        "annotations": {
            "summary": "A runner gives no sign of life, and its work is abandoned.",
            "resolved": "The work of a runner was abandoned.",
            "description": f"server runner {runner_id} of production has work in hand, and neither "
            "it nor its claims have given a sign of life for 1m 15s.",
            "runbook_url": "https://runbooks.example.com/WorkAbandoned.md",
            "dashboard_url": "https://grafana.example.com/d/runner?var-server=production&from=1",
        },
        "startsAt": "2026-01-01T03:00:00.123456789Z",
        "endsAt": "2026-01-01T03:10:00Z",
        "generatorURL": "https://prometheus.example.com/graph",
        "fingerprint": "0123456789abcdef",
    }


def of_rule(rule: dict[str, Any], status: str, **labels: str) -> dict[str, Any]:
    """Give an alert of a rule, with its texts as they stand there."""
    on = one("worker-1", status, **rule["labels"], alertname=rule["alert"], **labels)
    own = {key: rule["annotations"][key] for key in ("summary", "resolved", "description")}
    return {**on, "annotations": on["annotations"] | own}


def without(alert: dict[str, Any], *names: str) -> dict[str, Any]:
    return {**alert, "labels": {k: v for k, v in alert["labels"].items() if k not in names}}


def many_servers(status: str) -> dict[str, Any]:
    """Give the alert on many servers at once, which names none."""
    named = one("worker-1", status, alertname="ElectricAgentsServerUnreachable", servers="many")
    words = {
        "summary": "Many agents-servers do not answer.",
        "resolved": "Many agents-servers did not answer.",
        "description": "12 agents-servers do not answer: a b c.",
    }
    told = {**named, "annotations": named["annotations"] | words}
    return without(told, "server", "runner_id", "kind", "cluster", "namespace")


def group(*alerts: dict[str, Any], **labels: str) -> dict[str, Any]:
    """Give a notification as Alertmanager makes it of alerts."""
    common = _common(alerts, "labels") | labels
    grouped = ("alertname", "cluster", "namespace", "job", "server")
    return {
        "receiver": "any",
        "status": "firing" if any(a["status"] == "firing" for a in alerts) else "resolved",
        "alerts": list(alerts),
        "groupLabels": {name: common[name] for name in grouped if name in common},
        "commonLabels": common,
        "commonAnnotations": _common(alerts, "annotations"),
        "externalURL": "https://alertmanager.example.com",
    }


def _common(alerts: tuple[dict[str, Any], ...], part: str) -> dict[str, str]:
    first = alerts[0][part]
    return {key: text for key, text in first.items() if all(a[part][key] == text for a in alerts)}


RULES: Final = list(alert_table.alerts(rules()))

GROUPS: Final = {
    "odd": group(one(ODD)),
    "many": group(*(one(f"worker-{n}") for n in range(12)), one("worker-12", "resolved")),
    "resolved": group(one("worker-1", "resolved")),
    "bare": group({**one("worker-1"), "annotations": {}}),
    "bare-resolved": group({**one("worker-1", "resolved"), "annotations": {}}),
    "all-resolved": group(*(one(f"worker-{n}", "resolved") for n in range(12))),
    "odd-resolved": group(one(ODD, "resolved")),
    "counted-resolved": group(
        *(without(one("", "resolved", kind=kind), "runner_id") for kind in ("ci", "server"))
    ),
    "tenant": group(one("worker-1", tenant="acme")),
    "servers": group(many_servers("firing")),
    "servers-resolved": group(many_servers("resolved")),
    "one-name": group(one("worker-1", cluster="production", namespace="production")),
    "namespace": group(without(one("worker-1"), "cluster")),
}
KEPT: Final = ("odd", "many", "resolved", "bare", "counted-resolved", "servers-resolved")
"""The groups whose messages are golden files."""


def templates(kind: str) -> dict[str, str]:
    """Give every template of a kind of receiver, by where it stands."""
    receiver = next(r for r in settings()["receivers"] if r["name"] == _KINDS[kind])
    return dict(_templates(receiver[kind][0], ""))


def _templates(value: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _templates(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _templates(inner, f"{place}[{number}]")
    elif isinstance(value, str) and "{{" in value:
        yield place, value


@pytest.fixture
def rendered(amtool: Callable[..., str], tmp_path: Path) -> Callable[..., str]:
    """Renders a text with the shipped templates."""

    def render(text: str, name: str | dict[str, Any], engine: str = "text") -> str:
        data = tmp_path / "data.json"
        data.write_text(json.dumps(GROUPS[name] if isinstance(name, str) else name))
        return amtool(
            "template", "render", f"--template.glob={TEMPLATES}", f"--template.text={text}",
            f"--template.data={data}", f"--template.type={engine}",
        )  # fmt: skip

    return render


def message(render: Callable[..., str], kind: str, name: str | dict[str, Any]) -> str:
    """Render a whole message, each field under its name."""
    fields = templates(kind)
    html = fields.pop("html", None)
    text = "\n".join(f"== {place}\n{template}" for place, template in fields.items())
    shown = render(text, name) + "\n"
    return shown + (f"== html\n{render(html, name, 'html')}\n" if html else "")


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("kind", _KINDS)
def test_a_message_reads_as_its_golden_file(
    kind: str, name: str, rendered: Callable[..., str]
) -> None:
    golden = GOLDEN / f"{kind.removesuffix('_configs')}-{name}.txt"
    text = message(rendered, kind, name)
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("name", ["odd", "odd-resolved"])
def test_a_runner_id_cannot_mention_or_link_in_slack(
    name: str, rendered: Callable[..., str]
) -> None:
    text = message(rendered, "slack_configs", name)
    assert re.findall("<[^>]*>", text) == [
        "<https://grafana.example.com/d/runner?var-server=production&amp;from=1|look>"
    ]


@pytest.mark.parametrize("name", ["odd", "odd-resolved"])
def test_a_runner_id_is_no_html_in_an_email(name: str, rendered: Callable[..., str]) -> None:
    text = rendered(templates("email_configs")["html"], name, "html")
    assert "<script" not in text
    assert set(re.findall(r"<(\w+)", text)) <= {
        "html", "head", "meta", "body", "h2", "p", "b", "a", "ul", "li",
    }  # fmt: skip


@pytest.mark.parametrize("template", ["electric_agents.title", "electric_agents.slack.title"])
def test_a_title_is_one_short_line_whatever_a_runner_is_called(
    template: str, rendered: Callable[..., str]
) -> None:
    text = rendered(f'{{{{ template "{template}" . }}}}', "odd")
    assert "\n" not in text
    assert len(text) < 200


TITLES: Final = ("electric_agents.title", "electric_agents.slack.title")


@pytest.mark.parametrize("template", TITLES)
@pytest.mark.parametrize(
    "name, title",
    [
        ("tenant", "WorkAbandoned production/acme (eu-1/agents) / worker-1"),
        ("many", "12 x WorkAbandoned production (eu-1/agents)"),
        ("resolved", "Resolved: WorkAbandoned production (eu-1/agents) / worker-1"),
        ("namespace", "WorkAbandoned production (agents) / worker-1"),
        ("one-name", "WorkAbandoned production / worker-1"),
        ("servers", "ServerUnreachable electric-agents"),
        ("servers-resolved", "Resolved: ServerUnreachable electric-agents"),
    ],
)
def test_a_title_says_what_is_on_what_and_where(
    template: str, name: str, title: str, rendered: Callable[..., str]
) -> None:
    text = rendered(f'{{{{ template "{template}" . }}}}', name)
    assert text.strip().partition(": A ")[0].partition(": The ")[0].partition(": Many ")[0] == title


def test_an_alert_without_a_description_is_shown_by_its_labels(
    rendered: Callable[..., str],
) -> None:
    shown = '{{ template "electric_agents.text" . }}'
    labels = "ElectricAgentsWorkAbandoned eu-1 electric-agents server agents worker-1 production"
    assert f"- {labels} critical\n" in rendered(shown, "bare")
    ended = rendered(shown, "bare-resolved")
    assert f"- {labels} critical. The alert fired for 10m0s.\n" in ended
    assert "This alert fires no longer." in ended


def test_all_that_are_resolved_are_told_with_how_long_ten_at_most(
    rendered: Callable[..., str],
) -> None:
    lines = rendered('{{ template "electric_agents.resolved" . }}', "all-resolved").split("\n")
    told = "The work of a runner was abandoned. The alert fired for 10m0s."
    assert [line for line in lines if line.strip()] == [
        *(f"- worker-{number}: {told}" for number in range(10)),
        "- and 2 more",
    ]


@pytest.mark.parametrize(
    "labels, subject",
    [
        ({}, "worker-1"),
        ({"runner_id": "", "kind": "ci"}, "production, kind ci"),
        ({"runner_id": "", "tenant": "acme", "window": "1h"}, "production/acme, window 1h"),
        ({"runner_id": "", "shard": "1"}, "production, shard 1"),
        ({"runner_id": "", "principal": "user:a"}, "production, principal user:a"),
        ({"runner_id": "", "server": "", "field": "kind"}, "electric-agents, field kind"),
    ],
)
def test_what_is_resolved_says_what_it_was_on(
    labels: dict[str, str], subject: str, rendered: Callable[..., str]
) -> None:
    ended = without(one("worker-1", "resolved"), "kind")
    ended["labels"] |= labels
    for template in ("electric_agents.text", "electric_agents.slack.text"):
        text = rendered(f'{{{{ template "{template}" . }}}}', group(ended))
        assert f" {subject}: The work of a runner was abandoned. The alert fired for 10m0s." in text


@pytest.mark.parametrize("kind", _KINDS)
def test_what_is_resolved_is_told_in_the_past_tense_alone(
    kind: str, rendered: Callable[..., str]
) -> None:
    """Of every alert at once: each is shown by its own sentence, and by nothing that is over."""
    named: dict[str, dict[str, Any]] = {}
    for rule in RULES:
        if rule["alert"] != "ElectricAgentsWatchdog":
            named.setdefault(rule["annotations"]["resolved"], rule)
    ended = [of_rule(rule, "resolved") for rule in named.values()]
    for number in range(0, len(ended), 10):
        part = group(*ended[number : number + 10])
        text = message(rendered, kind, part).replace("&#39;", "'")
        for one_ended in part["alerts"]:
            told = one_ended["annotations"]
            assert f"worker-1: {told['resolved']} The alert fired for 10m0s." in text
            assert told["summary"] not in text
            assert told["description"][:60] not in text


def test_every_rule_says_in_the_past_tense_what_was() -> None:
    past = re.compile(r"\b(was|were|had|did|could|gave|took|fired|\w+ed|lost|came)\b")
    present = re.compile(r"\b(is|are|has|(?<!would )have|does|do|gives|takes|says|holds|waits)\b")
    faults = [
        told
        for rule in RULES
        if rule["alert"] != "ElectricAgentsWatchdog"
        for told in (rule["annotations"]["resolved"],)
        if not past.search(told) or present.search(told)
    ]
    assert faults == []
