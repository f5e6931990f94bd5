"""The values: each is used, each number in a rule is one of them, and what is refused."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from alert_rules import ALERTMANAGER, alertmanager, generated, main, render
from alert_sources import PREFIX, SOURCES
from alert_value_faults import LAYERS
from alert_values import FILE, BadValuesError, Duration, Values, hastened, load
from promtool_runs import promtool

SEVERITIES: Final = ("critical", "warning", "info")
UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_NUMBER: Final = re.compile(r"(?<![\w.:])\d+(?:\.\d+)?(?:ms|[smhd])?(?![\w.:])")


def _leaves(section: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:  # noqa: ANN401
    pairs = section.items() if isinstance(section, dict) else enumerate(section)
    for key, value in pairs:
        if isinstance(value, dict | list):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key)


@pytest.mark.timeout(600)
def test_every_value_changes_what_is_made(tmp_path: Path) -> None:
    made = _made(load())
    unused = [
        ".".join(map(str, path))
        for path in _leaves(yaml.safe_load(FILE.read_text()))
        if _made(load(_changed(path, tmp_path / "values.yaml"))) == made
    ]

    assert unused == []


def _made(values: Values) -> dict[str, str]:
    return {**render(values), ALERTMANAGER: alertmanager(values)}


def _changed(path: tuple[str | int, ...], file: Path) -> Path:
    """Write the values with another one at a path."""
    raw = yaml.safe_load(FILE.read_text())
    section = raw
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = _other(section[path[-1]])
    file.write_text(yaml.safe_dump(raw))
    return file


def _other(value: str | float) -> str | float:
    """Give another value of the same kind."""
    if isinstance(value, str):
        if value in SEVERITIES:
            return next(word for word in SEVERITIES if word != value)
        if re.fullmatch(r"\d+[smhd]", value):
            return "7h"
        return f"{value}_other" if value.isidentifier() else f"{value}-other"
    return value * 0.75 if value < 1 else value + 3


def test_every_number_in_a_rule_is_a_value() -> None:
    """Except 0 and 1 for no and yes, 0.5 for the median, 1.5 and 2 for one and more, and ranks."""
    for path in SOURCES.glob("*.yaml"):
        text = re.sub(r"<<.*?>>", "VALUE", path.read_text())
        text = re.sub(r"<%.*?%>", "", text, flags=re.DOTALL)
        text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
        for group in yaml.safe_load(text)["groups"]:
            for rule in group["rules"]:
                if rule.get("record", "").endswith(":rank"):
                    continue
                assert set(_NUMBER.findall(re.sub(r'"[^"]*"', "", rule["expr"]))) <= {
                    "0",
                    "1",
                    "0.5",
                    "1.5",
                    "2",
                }
                for key in ("for", "keep_firing_for"):
                    assert rule.get(key, "VALUE") == "VALUE"


@given(st.integers(0, 10_000), st.sampled_from(sorted(UNITS)))
def test_a_duration_is_printed_as_it_is_read(number: int, unit: str) -> None:
    duration = Duration.parse(f"{number}{unit}")

    assert float(duration) == pytest.approx(number * UNITS[unit])
    assert float(Duration.parse(str(duration))) == pytest.approx(float(duration))


@given(st.integers(1, 10_000_000))
def test_a_duration_is_printed_in_the_largest_unit_that_is_exact(milliseconds: int) -> None:
    text = str(Duration(milliseconds / 1000))

    number, unit = re.fullmatch(r"(\d+)(\w+)", text).groups()  # type: ignore[union-attr]
    assert int(number) * round(UNITS[unit] * 1000) == milliseconds
    larger = [size for size in UNITS.values() if size > UNITS[unit]]
    assert all(milliseconds % round(size * 1000) for size in larger)


@given(st.text(max_size=6))
def test_what_is_no_duration_is_refused(text: str) -> None:
    if not re.fullmatch(r"\d+(ms|s|m|h|d)", text):
        with pytest.raises(ValueError, match="is no duration such as"):
            Duration.parse(text)


def test_a_duration_too_short_for_prometheus_is_refused() -> None:
    with pytest.raises(ValueError, match="too short for Prometheus"):
        str(Duration(0.0001))


@given(st.integers(1, 200), st.integers(1, 2_000))
def test_hastened_values_differ_in_times_and_rates_alone(factor: int, slo_factor: int) -> None:
    values = load()
    fast = hastened(values, factor, slo_factor)

    assert fast.alerts.keys() == values.alerts.keys()
    for name, numbers in fast.alerts.items():
        for key, number in fast.alert(name).items():
            real = values.alert(name)[key]
            if isinstance(real, Duration):
                assert number == pytest.approx(real / factor, abs=0.00051)
            elif key.endswith("_per_second"):
                assert number == float(real) * factor
            else:
                assert numbers[key] == real
    for burn, before in zip(fast.slo.burns, values.slo.burns, strict=True):
        assert burn.long / burn.short == pytest.approx(before.long / before.short)
        assert burn.long * slo_factor == pytest.approx(before.long)
        assert (burn.factor, burn.severity) == (before.factor, before.severity)
    assert (fast.slo.work, fast.slo.dispatch) == (values.slo.work, values.slo.dispatch)


def test_values_that_are_hastened_by_nothing_are_the_same() -> None:
    assert hastened(load(), 1, 1) == load()


def test_what_is_hastened_is_so_for_transient_runners_too() -> None:
    assert hastened(load(), 2, 1).transient("WorkAbandoned")["for"] == 5 * 60


REFUSED: Final = {
    "for=10": ["--set for: there is no such value; did you mean alerts.WorkAbandoned.for?"],
    "interval=10": ["interval: 10 is no duration such as 90s, 5m, 1h or 3d"],
    "alerts.WorkRefused.for=10": [
        "alerts.WorkRefused.for: 10 is no duration such as 90s, 5m, 1h or 3d"
    ],
    "alerts.WorkRefused.for=ten": [
        "alerts.WorkRefused.for: 'ten' is no duration such as 90s, 5m, 1h or 3d"
    ],
    "alerts.ClockSkew.forr=10m": [
        "--set alerts.ClockSkew.forr: there is no such value; did you mean alerts.ClockSkew.for?"
    ],
    "alerts.ClockSkew=10m": ["alerts.ClockSkew: '10m' is no map"],
    "alerts.WorkRefusd.for=10m": [
        "--set alerts.WorkRefusd.for: there is no such value; did you mean alerts.WorkRefused.for?"
    ],
    "alerts.WorkRefused.severity=page": [
        "alerts.WorkRefused.severity: 'page' is none of critical, warning, info"
    ],
    "alerts.WorkAbandoned.transient.severity=page": [
        "alerts.WorkAbandoned.transient.severity: 'page' is none of critical, warning, info"
    ],
    "alerts.ReconnectStorm.reconnects=many": [
        "alerts.ReconnectStorm.reconnects: 'many' is no number above 0"
    ],
    "alerts.ReconnectStorm.reconnects=0": [
        "alerts.ReconnectStorm.reconnects: 0 is no number above 0"
    ],
    "alerts.ReconnectStorm.reconnects=true": [
        "alerts.ReconnectStorm.reconnects: True is no number above 0"
    ],
    "slo.work.objective=99": ["slo.work.objective: 99 is no share: above 0 and below 1"],
    "links.grafana=": ["links.grafana: None is no text"],
    "labels=team": ["--set labels: it is a map; set labels.NAME"],
    "labels.severity=page": ["labels.severity: the rules set this label themselves"],
    "labels.my-team=x": ["labels.my-team: 'my-team' is no name of a label"],
    "labels.__team=x": ["labels.__team: '__team' is no name of a label"],
    "labels.team=7": ["labels.team: 7 is no text; quote it"],
    "layer_labels.runers.team=x": [
        "layer_labels.runers: there is no such layer; did you mean runner?"
    ],
    "layer_labels.runner.service=x": [
        "layer_labels.runner.service: the rules set this label themselves"
    ],
    "scope_labels=cluster": ["scope_labels: 'cluster' is no list of labels"],
    "replica_labels=[my-pod]": ["replica_labels: 'my-pod' is no name of a label"],
    "lasting_kinds=[]": ["lasting_kinds: [] is no list of words"],
    "ignored_runners=ada": ["ignored_runners: 'ada' is no list of patterns"],
    'ignored_runners=["ada ["]': [
        "ignored_runners.0: 'ada [' is no pattern: unterminated character set at position 4"
    ],
    "slo.burns=[]": ["slo.burns: [] is no list of burns"],
    "overrides=staging": ["overrides: 'staging' is no list"],
    "memory={": ["--set memory: '{' is no YAML"],
}
"""What somebody may try to set, and what is said of it; nothing else."""


@pytest.mark.parametrize("text", REFUSED)
def test_what_prometheus_would_refuse_is_refused_with_its_place(text: str) -> None:
    name, _, value = text.partition("=")
    with pytest.raises(BadValuesError) as refused:
        load(overrides={name: value})

    assert refused.value.faults == REFUSED[text]
    assert str(refused.value) == "\n".join(refused.value.faults)


OVERRIDES_REFUSED: Final = {
    "{alerts: [WorkUnheard], set: {for: 9m}}": "overrides.0: it has neither server nor kind",
    "{alerts: [ServerUnreachable], kind: ci, set: {for: 9m}}": (
        "overrides.0.kind: ServerUnreachable is on no single runner, so it has no kind"
    ),
    "{server: x, set: {for: 9m}}": "overrides.0.alerts: None is no list of alerts",
    "{alerts: [WorkUnheard], server: x}": "overrides.0.set: None is no map",
    "{alerts: [WorkUnhear], server: x, set: {for: 9m}}": (
        "overrides.0.alerts: 'WorkUnhear' is no alert; did you mean WorkUnheard?"
    ),
    "{alerts: [WorkUnheard], server: x, set: {fro: 9m}}": (
        "overrides.0.set.fro: WorkUnheard has no such value; did you mean for?"
    ),
    "{alerts: [WorkUnheard], server: x, set: {for: 9}}": (
        "overrides.0.set.for: 9 is no duration such as 90s, 5m, 1h or 3d"
    ),
    "{alerts: [WorkUnheard], server: x, set: {severity: page}}": (
        "overrides.0.set.severity: 'page' is none of critical, warning, info"
    ),
    "{alerts: [WorkUnheard], server: 'x(', set: {for: 9m}}": (
        "overrides.0.server: 'x(' is no pattern: missing ), unterminated subpattern at position 1"
    ),
    "{alerts: [WorkUnheard], sever: x, kind: y, set: {for: 9m}}": (
        "overrides.0.sever: there is no such value; did you mean server?"
    ),
    "staging": "overrides.0: 'staging' is no map",
}


@pytest.mark.parametrize("entry", OVERRIDES_REFUSED)
def test_an_override_that_means_nothing_is_refused_with_its_place(entry: str) -> None:
    with pytest.raises(BadValuesError) as refused:
        load(overrides={"overrides": f"[{entry}]"})

    assert refused.value.faults == [OVERRIDES_REFUSED[entry]]


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    raw = yaml.safe_load(FILE.read_text())
    raw["interval"] = 15
    raw["alerts"]["ClockSkew"]["secnds"] = raw["alerts"]["ClockSkew"].pop("seconds")
    raw["joob"] = raw.pop("job")
    raw["alerts"]["Watchdog"] = {"for": "1m"}
    del raw["alerts"]["WorkAbandoned"]["transient"]
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(raw))

    with pytest.raises(BadValuesError) as refused:
        load(file)
    assert sorted(refused.value.faults) == [
        "alerts.ClockSkew.secnds: there is no such value; did you mean seconds?",
        "alerts.ClockSkew.seconds: it is missing",
        "alerts.Watchdog: there is no such value",
        "interval: 15 is no duration such as 90s, 5m, 1h or 3d",
        "job: it is missing",
        "joob: there is no such value; did you mean job?",
    ]


def test_a_file_that_is_no_map_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("[]")
    with pytest.raises(BadValuesError, match="the file: \\[\\] is no map"):
        load(file)


TRIED: Final = {
    "nothing": {},
    "a label for all": {"labels.team": "agents"},
    "a label for a layer": {"layer_labels.runner.team": "agents", "layer_labels.slo.page": '"no"'},
    "runners without alerts": {"ignored_runners": '["Ada\'s .*", "ci-\\\\d+"]'},
    "more lasting kinds": {"lasting_kinds": "[server, cloud-worker]"},
    "other labels of replicas and scopes": {
        "replica_labels": "[instance, replica]",
        "scope_labels": "[job, region]",
    },
    "one objective with one burn": {
        "slo.burns": "[{long: 2h, short: 10m, factor: 10, for: 2m, severity: critical}]"
    },
    "servers of their own": {
        "overrides": """[
          {alerts: [WorkUnheard, ServerUnreachable], server: 'staging.*', set: {for: 30m}},
          {alerts: [WorkUnheard, RunnerDegraded, ReconnectStorm], kind: 'ci|local', set: {for: 1h}},
          {alerts: [RunnerUnhealthy], server: 'a\\.b', kind: server, set: {severity: info}},
        ]"""
    },
    "an override of everything by server": {"overrides": "EVERY server"},
}
"""What somebody may set."""


@pytest.mark.parametrize("name", TRIED)
def test_rules_with_values_of_ones_own_have_nothing_to_warn_of(tmp_path: Path, name: str) -> None:
    overrides = {
        key: _every(text.removeprefix("EVERY ")) if text.startswith("EVERY ") else text
        for key, text in TRIED[name].items()
    }
    for path, text in render(load(overrides=overrides)).items():
        (tmp_path / path).write_text(text)

    # Rules that differ in their servers alone look like duplicates to the linter.
    lint = "none" if "overrides" in overrides else "all"
    rules = tmp_path.glob("*.yaml")
    code, said = promtool("check", "rules", f"--lint={lint}", "--lint-fatal", *rules)

    assert code == 0, said


def _every(label: str) -> str:
    """Give an override of one number of each alert."""
    return f"[{{alerts: [{', '.join(load().alerts)}], {label}: 'a.*', set: {{for: 2h}}}}]"


def _rules(values: Values) -> list[dict[str, Any]]:
    return [
        rule
        for text in render(values).values()
        for group in yaml.load(text, yaml.CSafeLoader)["groups"]
        for rule in group["rules"]
    ]


def _alerts(values: Values, name: str) -> list[dict[str, Any]]:
    return [rule for rule in _rules(values) if rule.get("alert") == f"{PREFIX}{name}"]


def test_labels_are_on_every_alert_and_a_layers_on_its_own_alone() -> None:
    values = load(overrides={"labels.team": "agents", "layer_labels.runner.team": "runners"})

    teams = {
        (rule["labels"]["layer"], rule["labels"]["team"])
        for rule in _rules(values)
        if "alert" in rule
    }
    assert teams == {(layer, "runners" if layer == "runner" else "agents") for layer in LAYERS}


@pytest.mark.parametrize("name", ["WorkRefused", "ServerUnreachable", "ClaimsLeaking"])
def test_an_override_gives_a_second_rule_and_leaves_its_servers_out_of_the_first(name: str) -> None:
    entry = f"[{{alerts: [{name}], server: 'staging.*', set: {{for: 9h, severity: info}}}}]"
    before, after = _alerts(load(), name), _alerts(load(overrides={"overrides": entry}), name)

    first, second = after[: len(before)], after[len(before) :]
    assert len(second) == len(before)
    for rule, own, shipped in zip(first, second, before, strict=True):
        assert 'server!~"staging.*"' in rule["expr"]
        assert 'server=~"staging.*"' not in rule["expr"]
        assert 'server=~"staging.*"' in own["expr"]
        assert 'server!~"staging.*"' not in own["expr"]
        assert {**rule, "expr": ""} == {**shipped, "expr": ""}
        assert own["for"] == "9h"
        assert own["labels"]["severity"] == "info"


def test_of_two_overrides_the_first_that_matches_counts() -> None:
    text = """[
      {alerts: [WorkRefused], server: 'staging-1', set: {for: 8h}},
      {alerts: [WorkRefused], server: 'staging.*', set: {for: 9h}},
    ]"""
    shipped, first, second = _alerts(load(overrides={"overrides": text}), "WorkRefused")

    assert 'server!~"staging-1", server!~"staging.*"' in shipped["expr"]
    assert 'server=~"staging-1"' in first["expr"]
    assert "staging.*" not in first["expr"]
    assert 'server!~"staging-1", server=~"staging.*"' in second["expr"]
    assert [rule["for"] for rule in (shipped, first, second)] == ["2m", "8h", "9h"]


def test_who_is_not_of_a_server_and_a_kind_keeps_the_alert_as_it_is() -> None:
    one = "{alerts: [RunnerDeaf], server: 'staging.*', kind: ci, set: {for: 8h}}"
    two = "{alerts: [RunnerDeaf, ClaimStuck], server: old, kind: local, set: {for: 9h}}"
    values = load(overrides={"overrides": f"[{one}, {two}]"})
    rules = _alerts(values, "RunnerDeaf")
    pattern = re.compile(r'(server|kind)(=~|!~)"([^"]*)"')
    made = [(rule["for"], pattern.findall(rule["expr"])) for rule in rules]

    def durations(server: str, kind: str) -> list[str]:
        """Give those of the rules that are for a runner."""
        whom = {"server": server, "kind": kind}
        return [
            duration
            for duration, limits in made
            if all(
                (re.fullmatch(pattern, whom[label]) is not None) is (operator == "=~")
                for label, operator, pattern in limits
            )
        ]

    shipped = values.alert("RunnerDeaf")["for"]
    assert {
        (server, kind): durations(server, kind)
        for server in ("staging-1", "old", "production")
        for kind in ("ci", "local", "server")
    } == {
        (server, kind): [
            "8h"
            if (server, kind) == ("staging-1", "ci")
            else "9h"
            if (server, kind) == ("old", "local")
            else str(shipped)
        ]
        for server in ("staging-1", "old", "production")
        for kind in ("ci", "local", "server")
    }


def test_an_override_of_a_kind_changes_both_of_an_alerts_rules() -> None:
    text = "[{alerts: [WorkUnheard], kind: ci, set: {for: 9h}}]"
    rules = _alerts(load(overrides={"overrides": text}), "WorkUnheard")

    assert [rule["for"] for rule in rules] == ["1m", "12m", "9h", "9h"]
    assert [rule["labels"]["severity"] for rule in rules] == ["critical", "warning"] * 2
    assert ['kind!~"ci"' in rule["expr"] for rule in rules] == [True, True, False, False]


def test_ignored_runners_are_left_out_by_the_pattern_of_their_label() -> None:
    left_out = 'electric_agents_runner_info{label=~"ada.*|ci-.*"}'

    assert {
        rule.get("record")
        for rule in _rules(load(overrides={"ignored_runners": "[ada.*, ci-.*]"}))
        if left_out in rule["expr"]
    } == {
        "server_runner:electric_agents_runner_condition:held",
        "server_runner:electric_agents_runner_enabled:info",
    }


def test_the_program_writes_every_file(tmp_path: Path) -> None:
    assert main(["--output", str(tmp_path), "--set", "labels.team=agents"]) == 0

    made = generated(load(overrides={"labels.team": "agents"}))
    assert {path: (tmp_path / path).read_text() for path in made} == made


def test_the_program_says_every_fault_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "made"
    arguments = ["--set", "alerts.ClockSkew.for=10", "--set", "labels.severity=x"]

    assert main(["--output", str(output), *arguments]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "labels.severity: the rules set this label themselves",
        "alerts.ClockSkew.for: 10 is no duration such as 90s, 5m, 1h or 3d",
    ]
    assert not output.exists()
