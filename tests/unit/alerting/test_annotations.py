"""What alerts say: templates filled in, of which nothing from outside is one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from electric_agents_exporter.alerting.annotations import MAX_LENGTH, Wording
from electric_agents_exporter.alerting.definition import Definition, load
from electric_agents_exporter.alerting.facts import Facts, RunnerFamilies
from electric_agents_exporter.alerting.templates import BadTemplateError
from judged_targets import MONOTONIC, judged_runner, judged_target

FAMILIES = RunnerFamilies()
NOW = 1_795_348_800.0
FOUND = {"job": "electric-agents", "server": "prod", "runner_id": "builder-1", "kind": "server"}


def definition(alert: str, **parts: Any) -> Definition:  # noqa: ANN401
    found = next(one for one in load().alerts if one.alert == f"ElectricAgents{alert}")
    return replace(found, **parts)


def facts(**known: Any) -> Facts:  # noqa: ANN401
    return Facts(time=NOW, monotonic=MONOTONIC, families=FAMILIES, **known)


def said(text: str, value: float = 2.0, about: Facts | None = None, **labels: str) -> str:
    """Fill in one annotation."""
    wording = Wording(definition("Watchdog", annotations={"text": text}))
    return wording.annotations(labels, value, about or facts())["text"]


def test_an_alert_says_what_the_exporter_knows_of_its_runner() -> None:
    runner = judged_runner(at_work=3, ages=(70.0, 65.0))
    known = facts(target=judged_target(runner), runner=runner)

    texts = Wording(definition("WorkAbandoned")).annotations(FOUND, 1.0, known)

    assert texts["description"].startswith(
        'server runner builder-1 "Builder" of prod has work in hand for 3 of its agents, and '
        "neither it nor its claims have given a sign of life for 1m 5s. A claim never ends"
    )
    assert texts["dashboard_url"] == (
        "https://grafana.example.com/d/electric-agents-runner?var-server=prod&var-runner=builder-1"
        "&from=1795345200000&to=now"
    )


def test_it_has_the_labels_of_its_finding_its_own_and_its_name() -> None:
    labels = Wording(definition("RunnerDeaf")).labels({**FOUND, "tenant": ""}, 1.0, facts())
    assert labels == {
        **FOUND,
        "alertname": "ElectricAgentsRunnerDeaf",
        "layer": "runner",
        "service": "electric-agents",
        "severity": "warning",
    }


def test_its_severity_may_depend_on_the_kind_of_runner() -> None:
    wording = Wording(definition("RunnerDeaf"))
    for kind, severity in (("server", "warning"), ("local", "info"), ("servers", "info")):
        assert wording.labels({**FOUND, "kind": kind}, 1.0, facts())["severity"] == severity


def test_its_own_labels_take_the_place_of_those_of_the_finding() -> None:
    wording = Wording(definition("Watchdog", labels={"team": "a", "gone": ""}))
    labels = wording.labels({"team": "b", "gone": "c"}, 1.0, facts())
    assert labels == {"team": "a", "alertname": "ElectricAgentsWatchdog"}


def test_a_missing_label_is_empty() -> None:
    assert said('[{{ labels["shard"] }}{% if labels["shard"] %}!{% endif %}]') == "[]"


def test_numbers_are_written_as_prometheus_writes_them() -> None:
    assert said("{{ value }}", 1_234_567.0) == "1.234567e+06"
    assert said("{{ value | fixed(0) }}", 2.5) == "2"


@given(st.text(max_size=50), st.floats())
def test_what_comes_from_outside_is_never_a_template(text: str, value: float) -> None:
    runner = judged_runner(text, label=text)
    known = facts(target=judged_target(runner), runner=runner)

    assert said('{{ labels["server"] }}', value, known, server=text) == text
    assert said('{{ facts.info() | first | label("label") }}', value, known) == text


@pytest.mark.parametrize(
    "text, said_instead",
    [
        ("{{ facts.info() | first }}", "first() called on vector with no elements"),
        ("{{ facts.of_runner('none') }}", "a list is no text"),
        ("{{ facts.nothing() }}", "nothing"),
        ("{{ labels | value }}", ""),
        ("{{ facts.__class__ }}", "unsafe"),
    ],
)
def test_a_text_that_cannot_be_filled_in_says_so_as_in_prometheus(
    text: str, said_instead: str
) -> None:
    written = said(text)
    assert written.startswith("<error expanding template: ")
    assert said_instead in written


def test_a_text_is_cut_where_it_would_make_the_alert_large() -> None:
    text = said('{{ labels["server"] }}', server="x" * 2 * MAX_LENGTH)
    assert len(text) == MAX_LENGTH
    assert text.endswith("x…")


def test_what_is_no_template_is_refused() -> None:
    with pytest.raises(BadTemplateError, match="there is no 'range'"):
        Wording(definition("Watchdog", annotations={"text": "{{ range(9) }}"}))


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
        "{% for it in labels %}" * 30 + "{% endfor %}" * 30,
    ],
)
def test_what_is_nested_too_deeply_is_refused(text: str) -> None:
    with pytest.raises(BadTemplateError, match="nested too deeply"):
        Wording(definition("Watchdog", annotations={"text": text}))
