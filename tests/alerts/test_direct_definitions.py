"""The exporter's definitions are what the rule files say, whatever the values are."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from alert_definitions import PROMETHEUS_ONLY, definitions, written
from alert_rules import DEFINITIONS, main, render
from alert_sources import PREFIX
from alert_table import alerts
from alert_values import FILE, BadValuesError, Duration, Values, hastened, load
from electric_agents_exporter.alerting.definition import Definitions, Limit
from electric_agents_exporter.alerting.definition import load as load_definitions

OVERRIDES = [
    {"alerts": ["WorkUnheard", "RunnerDegraded"], "kind": "ci", "set": {"severity": "info"}},
    {
        "alerts": ["WorkUnheard", "RunnerDegraded", "TooFewRunners"],
        "server": 'staging.*"',
        "kind": "s\\w+",
        "set": {"for": "30m"},
    },
    {"alerts": ["ServerUnreachable"], "server": 'staging.*"', "set": {"for": "30m"}},
]


@pytest.fixture
def with_values(tmp_path: Path) -> Callable[..., Values]:
    """Makes values of which some are changed."""

    def make(**changed: Any) -> Values:  # noqa: ANN401
        path = tmp_path / "values.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(FILE.read_text()) | changed))
        return load(path)

    return make


def _of_rules(values: Values) -> list[dict[str, Any]]:
    """Give the rules of which there are definitions."""
    return [
        rule
        for rule in alerts(render(values))
        if rule["alert"].removeprefix(PREFIX) not in PROMETHEUS_ONLY
    ]


def _of_alert(made: Definitions, name: str) -> list[tuple[Any, ...]]:
    return [
        (one.lifecycle, one.wait, one.numbers.get("severity"), one.limits)
        for one in made.alerts
        if one.alert == f"{PREFIX}{name}"
    ]


def test_names_times_and_plain_labels_are_those_of_the_rules(with_values: Any) -> None:  # noqa: ANN401
    for values in (
        load(),
        with_values(overrides=OVERRIDES, labels={"team": "a"}, layer_labels={"runner": {"x": "y"}}),
    ):
        for one, rule in zip(definitions(values).alerts, _of_rules(values), strict=True):
            assert one.alert == rule["alert"]
            assert one.wait == float(Duration.parse(rule.get("for", "0s")))
            assert one.hold == float(Duration.parse(rule.get("keep_firing_for", "0s")))
            assert one.labels.keys() == rule["labels"].keys()
            for name, text in rule["labels"].items():
                assert one.labels[name] == text or "{{" in text
            for name, text in rule["annotations"].items():
                assert one.annotations[name] == text or "{{" in text


def test_limits_are_those_that_the_rules_have(with_values: Any) -> None:  # noqa: ANN401
    values = with_values(overrides=OVERRIDES)
    patterns = [each[key] for each in OVERRIDES for key in ("server", "kind") if key in each]
    limited = 0
    for one, rule in zip(definitions(values).alerts, _of_rules(values), strict=True):
        matchers = {
            f'{label}{sign}"{_escaped(str(pattern))}"'
            for label in ("server", "kind")
            for sign in ("=~", "!~")
            for pattern in patterns
        }
        in_rule = {matcher for matcher in matchers if matcher in rule["expr"]}
        assert {_matcher(limit) for limit in one.limits} == in_rule, one.alert
        limited += len(one.limits)
    assert limited > len(OVERRIDES)


def _matcher(limit: Limit) -> str:
    return f'{limit.label}{"=~" if limit.matches else "!~"}"{_escaped(limit.pattern)}"'


def _escaped(pattern: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", pattern)


def test_an_override_comes_behind_what_it_differs_from_with_its_own_numbers(
    with_values: Any,  # noqa: ANN401
) -> None:
    made = definitions(with_values(overrides=OVERRIDES))
    ci, staging, kind = ("kind", "ci"), ("server", 'staging.*"'), ("kind", "s\\w+")

    def limits(*parts: tuple[tuple[str, str], bool]) -> tuple[Limit, ...]:
        return tuple(Limit(*part, matches) for part, matches in parts)

    of_others = limits((ci, False), (staging, False))
    of_other_kinds = limits((ci, False), (staging, True), (kind, False))
    of_staging = limits((ci, False), (staging, True), (kind, True))
    assert _of_alert(made, "WorkUnheard") == [
        ("lasting", 60.0, "critical", of_others),
        ("transient", 720.0, "warning", of_others),
        ("lasting", 60.0, "critical", of_other_kinds),
        ("transient", 720.0, "warning", of_other_kinds),
        ("lasting", 60.0, "info", limits((ci, True))),
        ("transient", 720.0, "info", limits((ci, True))),
        ("lasting", 1_800.0, "critical", of_staging),
        ("transient", 1_800.0, "warning", of_staging),
    ]
    others, own = limits((staging, False)), limits((staging, True))
    assert _of_alert(made, "ServerUnreachable") == [
        (None, 300.0, "critical", others),
        (None, 300.0, "critical", others),
        (None, 1_800.0, "critical", own),
        (None, 1_800.0, "critical", own),
    ]


def test_numbers_are_all_of_an_alert_in_seconds() -> None:
    values = load()
    for one in definitions(values).alerts:
        name = one.alert.removeprefix(PREFIX)
        if name == "Watchdog":
            assert one.numbers == {}
        else:
            of = values.transient if one.lifecycle == "transient" else values.alert
            assert one.numbers == of(name)


def test_what_all_alerts_share_is_there(with_values: Any) -> None:  # noqa: ANN401
    made = definitions(
        with_values(job="agents", memory="2m", lasting_kinds=["a", "b"], ignored_runners=["ada.*"])
    )
    assert (made.job, made.memory) == ("agents", 120.0)
    assert (made.lasting_kinds, made.ignored_runners) == (("a", "b"), ("ada.*",))


def test_those_of_hastened_values_are_hastened() -> None:
    fast = definitions(hastened(load(), 10, 10))
    assert [one.wait * 10 for one in fast.alerts] == pytest.approx(
        [one.wait for one in definitions(load()).alerts]
    )


def test_an_objective_over_short_windows_alone_has_no_group_without_rules() -> None:
    """So short that none of its windows is one of the slow ones."""
    assert definitions(hastened(load(), 20, 120)).alerts


def test_a_label_of_the_values_may_be_a_template(with_values: Any) -> None:  # noqa: ANN401
    made = definitions(with_values(labels={"team": "{{ $labels.server }}-team"}))
    assert {one.labels["team"] for one in made.alerts} == {'{{ labels["server"] }}-team'}


def test_a_template_that_cannot_be_translated_is_told_with_its_place(with_values: Any) -> None:  # noqa: ANN401
    with pytest.raises(BadValuesError) as refused:
        written(with_values(labels={"team": '{{ query "up" }}'}))

    place = "definitions.json: ClaimFailuresHigh: labels.team"
    assert refused.value.faults == [f"{place}: 'query' is no function that is translated"]


def test_rules_of_ones_own_come_with_definitions_that_the_exporter_reads(tmp_path: Path) -> None:
    assert main([f"--output={tmp_path}", "--set", "alerts.WorkUnheard.for=7m"]) == 0

    path = tmp_path / DEFINITIONS
    assert json.loads(path.read_text())["job"] == "electric-agents"
    assert load_definitions(path) != load_definitions()
    assert _of_alert(load_definitions(path), "WorkUnheard")[0][1] == 420.0


def test_what_is_shipped_is_as_generated() -> None:
    assert load_definitions() == definitions(load())
