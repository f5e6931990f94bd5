"""What the player reads of promtool is what promtool's own test of alerts says."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from topology.model import Exporter, Runner, Server, Target, World, at, fleet
from topology.player import (
    Firing,
    Played,
    RuleFiles,
    batches,
    content,
    duration,
    moments,
    play,
    playing,
    program,
    spans,
)

RULES = """
groups:
  - name: some
    rules:
      - record: runner:away
        expr: max without (instance) (electric_agents_runner_condition{condition="lapsed"}) == 1
      - alert: Away
        expr: runner:away
        for: 2m
        labels: {severity: 'a "severity", {of its own}'}
      - alert: Kept
        expr: electric_agents_runner_liveness_status{status="expired"} == 1
        keep_firing_for: 3m
      - alert: Down
        expr: up == 0
"""


@pytest.fixture
def rules(tmp_path: Path) -> RuleFiles:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return RuleFiles((path,))


@pytest.fixture
def world() -> World:
    victim = Runner("victim", changes=(at(600, alive=False), at(1500, alive=True)))
    server = Server((*fleet(2), victim))
    labels = {"job": "electric-agents", "instance": "a:9464"}
    exporter = Exporter(labels, (Target(server),), unscraped=((2000, 2060),))
    return World((exporter,), lasts=2400)


def test_what_fires_is_what_promtool_says(world: World, rules: RuleFiles, tmp_path: Path) -> None:
    played = play({"it": world}, rules)["it"]
    assert {one.labels["alertname"] for one in played.firing} == {"Away", "Kept", "Down"}
    written = content(world, rules)
    written["tests"][0]["promql_expr_test"] = []
    written["tests"][0]["alert_rule_test"] = [
        {
            "eval_time": duration(moment),
            "alertname": name,
            "exp_alerts": [
                {"exp_labels": {k: v for k, v in one.labels.items() if k != "alertname"}}
                for one in played.firing
                if one.labels["alertname"] == name
                and one.begin <= moment < (float("inf") if one.end is None else one.end)
            ],
        }
        for moment in moments(world, rules)
        for name in ("Away", "Kept", "Down")
    ]
    path = tmp_path / "test.json"
    path.write_text(json.dumps(written))
    done = subprocess.run(
        [program("promtool"), "test", "rules", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[:3000]


def test_worlds_that_are_played_together_come_out_as_alone(world: World, rules: RuleFiles) -> None:
    (exporter,) = world.exporters
    short = World((replace(exporter, first=0, unscraped=((900, 960),)),), lasts=1900)
    cluster = World((replace(exporter, labels={**exporter.labels, "cluster": "its own"}),), 1800)
    worlds = {"one": world, "short": short, "cluster": cluster}
    together = dict(playing(worlds, rules, together=3))
    assert together == play(worlds, rules)
    assert [sorted(batch) for batch in batches(worlds, rules, 3)] == [["one", "short"], ["cluster"]]


def test_of_worlds_together_the_one_that_makes_a_rule_fail_is_told(
    world: World, tmp_path: Path
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(
        "groups: [{name: g, rules: [{record: a:b, expr: 'up * on (cluster, job) up'}]}]"
    )
    (exporter,) = world.exporters
    other = replace(exporter, labels={**exporter.labels, "instance": "b:9464"})
    worlds = {"good": world, "bad": replace(world, exporters=(exporter, other))}
    played = dict(playing(worlds, RuleFiles((path,)), together=2))
    assert played["good"].error is None
    assert "many-to-many" in (played["bad"].error or "")


def test_rules_that_fail_say_so(world: World, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(
        "groups: [{name: g, rules: [{record: a:b, expr: 'electric_agents_runner_condition "
        "* on (job) electric_agents_runner_condition'}]}]"
    )
    played = play({"it": world}, RuleFiles((path,)))["it"]
    assert played == Played(error=played.error)
    assert played.error is not None
    assert "many-to-many" in played.error


def test_an_alert_that_pauses_fires_twice() -> None:
    labels = {"alertname": "A"}
    fired = [(15.0, [labels]), (30.0, [labels]), (60.0, [labels])]
    assert list(spans(fired, 15, 60)) == [Firing(labels, 15, 45), Firing(labels, 60, None)]


@pytest.mark.parametrize("length, text", [(15, "15s"), (15.09, "15s90ms"), (0.5, "500ms")])
def test_durations_are_written_as_prometheus_reads_them(length: float, text: str) -> None:
    assert duration(length) == text
