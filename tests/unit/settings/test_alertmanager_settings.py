"""To whom alerts are sent, as an operator writes it and as the delivery is given it."""

import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from electric_agents_exporter.alerting.choice import Choice, Severity
from electric_agents_exporter.alerting.definition import load
from electric_agents_exporter.settings.alertmanager import AlertmanagerSettings
from electric_agents_exporter.settings.model import Settings
from electric_agents_exporter.sources.credentials import BasicAuth

Load = Callable[..., Settings]
Faults = Callable[..., list[str]]
TARGET = "targets:\n  - url: http://a\n    principals: [service:monitor]\n"
ONE = {"URL": "http://127.0.0.1:4437", "PRINCIPAL": "service:monitor"}
SECRET = "hunter2"  # noqa: S105


def section(load_text: Load, text: str, **variables: str) -> AlertmanagerSettings:
    """Load a section; its URLs are given."""
    urls = "alertmanager:\n  urls: [http://am-0:9093/, https://am-1/x]\n"
    loaded = load_text(f"{TARGET}{urls}{text}", **variables).alertmanager
    assert loaded is not None
    return loaded


def test_nothing_is_sent_unless_somebody_asks_for_it(load_text: Load) -> None:
    assert load_text(TARGET).alertmanager is None
    assert load_text(f"{TARGET}alertmanager:\n").alertmanager is None


def test_each_alertmanager_is_reached_below_its_own_path_and_the_common_one(
    load_text: Load,
) -> None:
    bare, below, root = (
        [each.url for each in section(load_text, text).delivery("http://own").alertmanagers]
        for text in ("", "  path_prefix: alerting/\n", "  path_prefix: /\n")
    )
    assert bare == root == ["http://am-0:9093", "https://am-1/x"]
    assert below == ["http://am-0:9093/alerting", "https://am-1/x/alerting"]


def test_by_default_every_alert_is_sent_once_a_minute_and_links_to_this_machine(
    load_text: Load,
) -> None:
    delivery = section(load_text, "").delivery(load_text(TARGET).own_url())
    assert delivery.terms.choice == Choice()
    assert delivery.terms.resend_interval == 60
    assert {each.timeout for each in delivery.alertmanagers} == {10}
    assert delivery.terms.generator_url == f"http://{socket.gethostname()}:10437/"


def test_alerts_are_named_with_or_without_what_all_names_begin_with(load_text: Load) -> None:
    text = "  alerts: [Watchdog, ElectricAgentsRunnerDeaf]\n  min_severity: warning\n"
    choice = section(load_text, text).delivery("http://own").terms.choice
    names = {"ElectricAgentsWatchdog", "ElectricAgentsRunnerDeaf"}
    assert choice == Choice(Severity.WARNING, frozenset(names))


def test_only_alerts_that_the_definitions_of_ones_own_have_can_be_named(
    load_text: Load, faults_of: Faults, tmp_path: Path
) -> None:
    shipped, own = load(), tmp_path / "definitions.json"
    fewer = [each for each in shipped.alerts if not each.alert.endswith("RunnerDeaf")]
    own.write_bytes(msgspec.json.encode(msgspec.structs.replace(shipped, alerts=tuple(fewer))))
    text = f"  definitions: {own}\n  alerts: [Watchdog]\n"
    assert section(load_text, text).definitions == own
    urls = "alertmanager:\n  urls: [http://am]\n"
    (fault,) = faults_of(f"{TARGET}{urls}{text.replace('Watchdog', 'RunnerDeaf')}")
    assert fault.startswith("config.yaml:7: alertmanager.alerts[0]: no alert is called so")


def test_every_setting_has_a_variable_and_labels_keep_their_underscores(load_text: Load) -> None:
    loaded = load_text(
        **ONE,
        ALERTMANAGER__URLS="http://a,http://b",
        ALERTMANAGER__BASIC_AUTH__USERNAME="ops",
        ALERTMANAGER__BASIC_AUTH__PASSWORD=SECRET,
        ALERTMANAGER__LABELS__SERVICE_TIER="gold",
        ALERTMANAGER__LABELS__CLUSTER="eu-1",
        ALERTMANAGER__ALERTS="Watchdog,WorkAbandoned",
        ALERTMANAGER__RESEND_INTERVAL="30s",
    ).alertmanager
    assert loaded is not None
    assert loaded.urls == ["http://a", "http://b"]
    assert loaded.labels == {"service_tier": "gold", "cluster": "eu-1"}
    assert loaded.alerts == ["ElectricAgentsWatchdog", "ElectricAgentsWorkAbandoned"]
    assert loaded.resend_interval == 30
    options = loaded.delivery("http://own").alertmanagers[0]
    assert options.credentials.basic_auth == BasicAuth("ops", SECRET)
    assert SECRET not in repr(loaded) + repr(options)
