"""What people get to read, rendered by amtool out of the shipped configuration."""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.alertmanager.conftest import CONFIG, settings

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


def one(runner_id: str, status: str = "firing") -> dict[str, Any]:
    return {
        "status": status,
        "labels": {
            "alertname": "ElectricAgentsRunnerUnhealthy",
            "job": "electric-agents",
            "runner_id": runner_id,
            "server": "production",
            "severity": "critical",
        },
        "annotations": {
            "summary": "A runner is gone with work in its hands.",
            "description": f"server runner {runner_id} of production is unhealthy: its lease has "
            "run out. It holds 2 active claims.",
            "runbook_url": "https://runbooks.example.com/RunnerUnhealthy.md",
            "dashboard_url": "https://grafana.example.com/d/runner?var-server=production&from=1",
        },
        "startsAt": "2026-01-01T03:00:00Z",
        "endsAt": "2026-01-01T03:10:00Z",
        "generatorURL": "https://prometheus.example.com/graph",
        "fingerprint": "0123456789abcdef",
    }


def group(*alerts: dict[str, Any], **labels: str) -> dict[str, Any]:
    """Give a notification as Alertmanager makes it of alerts."""
    return {
        "receiver": "any",
        "status": "firing" if any(a["status"] == "firing" for a in alerts) else "resolved",
        "alerts": list(alerts),
        "groupLabels": {"alertname": "ElectricAgentsRunnerUnhealthy", "server": "production"},
        "commonLabels": _common(alerts, "labels") | labels,
        "commonAnnotations": _common(alerts, "annotations"),
        "externalURL": "https://alertmanager.example.com",
    }


def _common(alerts: tuple[dict[str, Any], ...], part: str) -> dict[str, str]:
    first = alerts[0][part]
    return {key: text for key, text in first.items() if all(a[part][key] == text for a in alerts)}


GROUPS: Final = {
    "odd": group(one(ODD)),
    "many": group(*(one(f"worker-{n}") for n in range(12)), one("worker-12", "resolved")),
    "resolved": group(one("worker-1", "resolved")),
    "bare": group({**one("worker-1"), "annotations": {}}),
    "tenant": group(one("worker-1"), tenant="acme"),
}
KEPT: Final = ("odd", "many", "resolved", "bare")
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

    def render(text: str, name: str, engine: str = "text") -> str:
        data = tmp_path / "data.json"
        data.write_text(json.dumps(GROUPS[name]))
        return amtool(
            "template", "render", f"--template.glob={TEMPLATES}", f"--template.text={text}",
            f"--template.data={data}", f"--template.type={engine}",
        )  # fmt: skip

    return render


def message(render: Callable[..., str], kind: str, name: str) -> str:
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


def test_a_runner_id_cannot_mention_or_link_in_slack(rendered: Callable[..., str]) -> None:
    text = message(rendered, "slack_configs", "odd")
    assert re.findall("<[^>]*>", text) == [
        "<https://grafana.example.com/d/runner?var-server=production&amp;from=1|look>"
    ]


def test_a_runner_id_is_no_html_in_an_email(rendered: Callable[..., str]) -> None:
    text = rendered(templates("email_configs")["html"], "odd", "html")
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


def test_a_title_names_the_tenant_of_a_server(rendered: Callable[..., str]) -> None:
    for template in ("electric_agents.title", "electric_agents.slack.title"):
        text = rendered(f'{{{{ template "{template}" . }}}}', "tenant")
        assert "RunnerUnhealthy production/acme / worker-1" in text


def test_an_alert_without_a_description_is_shown_by_its_labels(
    rendered: Callable[..., str],
) -> None:
    assert "ElectricAgentsRunnerUnhealthy electric-agents worker-1 production" in rendered(
        '{{ template "electric_agents.text" . }}', "bare"
    )
