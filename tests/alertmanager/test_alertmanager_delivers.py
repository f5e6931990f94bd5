"""The shipped configuration in a real Alertmanager: what reaches whom, and what is held back."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from tests.alertmanager.conftest import CONFIG, Labels, alert, settings

from alertmanagers import Webhook, ask, faster
from waiting import until

pytestmark = pytest.mark.alone


def post(
    alertmanager: str,
    *alerts: Labels,
    ended: bool = False,
    annotations: dict[str, str] | None = None,
) -> None:
    """Post alerts as Prometheus does, when they begin to fire or have ended.

    One that began earlier than `group_wait` ago is delivered at once, before any other can mute it.
    """
    now = datetime.now(UTC)
    span = {
        "startsAt": (now - timedelta(seconds=int(ended))).isoformat(),
        "endsAt": (now + timedelta(minutes=0 if ended else 10)).isoformat(),
    }
    posted = [{"labels": labels, "annotations": annotations or {}, **span} for labels in alerts]
    assert ask(alertmanager, "/api/v2/alerts", posted)[0] == 200


def abandoned(number: int, **labels: str) -> Labels:
    return alert("WorkAbandoned", "critical", runner_id=f"worker-{number}", **labels)


def unhealthy(number: int, **labels: str) -> Labels:
    return alert("RunnerUnhealthy", "warning", runner_id=f"worker-{number}", **labels)


def test_it_starts_as_it_is_without_a_single_secret(start: Callable[[Path], str]) -> None:
    alertmanager = start(CONFIG)
    post(alertmanager, alert("Watchdog", "none"), abandoned(1))
    assert len(json.loads(ask(alertmanager, "/api/v2/alerts")[1])) == 2


def test_ten_deaths_at_work_are_one_page_and_one_resolve_in_each_cluster(
    start: Callable[[Path], str], webhook: Webhook, tmp_path: Path
) -> None:
    alertmanager = start(faster(webhook, tmp_path))
    dead = [abandoned(number) for number in range(10)]
    consequences = [unhealthy(number) for number in range(10)]
    burn = alert("WorkBudgetBurn", "critical")
    elsewhere = abandoned(1, cluster="us-1")
    its_own = unhealthy(2, cluster="us-1")

    post(alertmanager, *dead, *consequences, burn, elsewhere, its_own)
    until(lambda: len(webhook.of("pager")) == 2, "two pages")
    until(lambda: len(webhook.of("tickets")) == 1, "a ticket")
    post(alertmanager, *dead, elsewhere, *consequences, burn, ended=True)
    until(lambda: len(webhook.of("pager")) == 4, "both resolved")

    pages = [
        (body["status"], body["groupLabels"]["cluster"], len(body["alerts"]))
        for body in webhook.of("pager")
    ]
    assert sorted(pages) == [
        ("firing", "eu-1", 10),
        ("firing", "us-1", 1),
        ("resolved", "eu-1", 10),
        ("resolved", "us-1", 1),
    ]
    assert webhook.names() == {("pager", "WorkAbandoned"), ("tickets", "RunnerUnhealthy")}
    (ticket,) = webhook.of("tickets")
    assert [one["labels"]["cluster"] for one in ticket["alerts"]] == ["us-1"]


def test_a_server_that_is_away_is_one_page_while_the_watchdog_goes_on(
    start: Callable[[Path], str], webhook: Webhook, tmp_path: Path
) -> None:
    alertmanager = start(faster(webhook, tmp_path))
    post(
        alertmanager,
        alert("Watchdog", "none"),
        alert("ServerUnreachable", "critical"),
        alert("FleetUnavailable", "critical"),
        alert("RunnersUnknown", "critical"),
        alert("WorkBudgetBurn", "critical"),
        alert("PollOverrun", "warning"),
        abandoned(1),
        alert("RunnerDeaf", "warning", runner_id="worker-2"),
        alert("RunnerDeaf", "warning", server="other"),
        alert("RunnerDeaf", "info", server="third"),
    )
    until(lambda: len(webhook.of("dead-man")) > 1, "the watchdog again")
    until(lambda: len(webhook.of("nowhere")) == 1, "what is shown only")
    assert webhook.names() == {
        ("dead-man", "Watchdog"),
        ("pager", "ServerUnreachable"),
        ("tickets", "RunnerDeaf"),
        ("nowhere", "RunnerDeaf"),
    }
    assert [body["groupLabels"]["server"] for body in webhook.of("tickets")] == ["other"]


def test_twenty_servers_behind_one_network_are_one_page(
    start: Callable[[Path], str], webhook: Webhook, tmp_path: Path
) -> None:
    alertmanager = start(faster(webhook, tmp_path))
    each = [alert("ServerUnreachable", "critical", server=f"s-{number}") for number in range(20)]
    runners = [abandoned(1, server=f"s-{number}") for number in range(20)]
    post(
        alertmanager,
        alert("ServerUnreachable", "critical", servers="many"),
        alert("DatabaseUnreachable", "critical", servers="many"),
        *each,
        *runners,
        alert("RunnerDeaf", "warning", server="away-from-them"),
    )
    until(lambda: len(webhook.of("tickets")) == 1, "a ticket, which waits longer than pages do")
    assert webhook.names() == {("pager", "DatabaseUnreachable"), ("tickets", "RunnerDeaf")}
    assert len(webhook.of("pager")) == 1


def test_what_is_resolved_is_told_in_the_past_tense_with_how_long_it_was(
    start: Callable[[Path], str], webhook: Webhook, tmp_path: Path
) -> None:
    """The shipped template in the program itself, by way of Slack."""
    config = faster(webhook, tmp_path)
    changed = yaml.safe_load(config.read_text())
    (slack,) = (
        one["slack_configs"][0] for one in settings()["receivers"] if "slack_configs" in one
    )
    kept = {key: value for key, value in slack.items() if key != "api_url_file"}
    changed["receivers"] = [
        {
            "name": one["name"],
            "slack_configs": [{**kept, "api_url": f"{webhook.url}/{one['name']}"}],
        }
        for one in changed["receivers"]
    ]
    config.write_text(yaml.safe_dump(changed))
    alertmanager = start(config)
    server = alert("ServerUnreachable", "critical")
    words = {
        "summary": "An agents-server does not answer.",
        "resolved": "An agents-server did not answer.",
        "description": "No exporter has got an answer from production.",
    }

    post(alertmanager, server, annotations=words)
    until(lambda: len(webhook.of("pager")) == 1, "a page")
    post(alertmanager, server, annotations=words, ended=True)
    until(lambda: len(webhook.of("pager")) == 2, "resolved")

    fired, ended = (body["attachments"][0] for body in webhook.of("pager"))
    assert fired["title"] == "ServerUnreachable production (eu-1/agents)"
    assert "does not answer" in fired["text"]
    assert ended["title"] == "Resolved: ServerUnreachable production (eu-1/agents)"
    assert re.fullmatch(
        r"\*An agents-server did not answer\.\*\n"
        r"• production: An agents-server did not answer\. The alert fired for \d+s\.",
        ended["text"],
    )
