"""What boards make of numbers that no fleet of the simulator has, told by promtool."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from made_dashboards import BUILT_IN, interpolated, queries
from promtool_runs import promtool

CHOSEN: Final = {"job": ".+", "cluster": ".*", "instance": ".+", "server": ".+", "tenant": ".*"}
_HERE: Final = 'job="e",server="s"'


def query(board: str, place: str) -> str:
    (expr,) = (each.expr for each in queries(board) if each.place == place)
    return interpolated(expr, {**BUILT_IN, **CHOSEN})


def holds(
    folder: Path, series: dict[str, float], *asked: tuple[str, str, list[tuple[str, float]]]
) -> None:
    """Want a board's queries to give these samples, and no others, of these series."""
    checks = [
        {
            "expr": query(board, place),
            "eval_time": "2m",
            "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
        }
        for board, place, samples in asked
    ]
    case: dict[str, Any] = {
        "interval": "15s",
        "input_series": [
            {"series": name, "values": f"{value}x10"} for name, value in series.items()
        ],
        "promql_expr_test": checks,
    }
    path = folder / "case.json"
    path.write_text(json.dumps({"evaluation_interval": "15s", "tests": [case]}))
    code, text = promtool("test", "rules", path)
    assert code == 0, text


def of_replicas(name: str, *values: float, more: str = "") -> dict[str, float]:
    return {
        f'{name}{{{_HERE},instance="{number}"{more}}}': value for number, value in enumerate(values)
    }


@pytest.mark.parametrize("unknown, state", [((0, 12), 0), ((12, 12), 1)])
def test_what_one_replica_does_not_know_another_may(
    tmp_path: Path, unknown: tuple[int, int], state: int
) -> None:
    series = {
        **of_replicas("electric_agents_server_up", 1, 1),
        **of_replicas("electric_agents_server_runners_exported", 20, 20),
        **of_replicas(
            "electric_agents_runners_with_condition", *unknown, more=',condition="unknown"'
        ),
    }
    agreed = min(unknown)
    holds(
        tmp_path,
        series,
        ("fleet", "Servers, A", [('{server="s"}', state)]),
        ("fleet", "Servers, G", [('{server="s"}', agreed)]),
        ("fleet", "Not known, A", [("{}", agreed)]),
        ("wall", "Not known, A", [("{}", agreed)]),
    )


def test_of_many_that_wait_those_are_listed_who_waited_longest_each_with_its_own_numbers(
    tmp_path: Path,
) -> None:
    names = [f"r{number}" for number in range(30)]

    def of_each(name: str, value: dict[str, float], more: str = "") -> dict[str, float]:
        return {f'{name}{{{_HERE},runner_id="{runner}"{more}}}': value[runner] for runner in value}

    # Of one that abandoned its work no wake is known.
    waited = {name: 60.0 + number for number, name in enumerate(names) if name != "r3"}
    series = {
        **of_each(
            "electric_agents_runner_condition",
            dict.fromkeys(names, 1.0),
            ',kind="local",condition="work_unheard"',
        ),
        **of_each(
            "electric_agents_runner_condition",
            {"r3": 1.0},
            ',kind="local",condition="work_abandoned"',
        ),
        **of_each("electric_agents_runner_wake_oldest_unheard_age_seconds", waited),
        **of_each(
            "electric_agents_runner_condition",
            dict.fromkeys(names, 0.0),
            ',kind="local",condition="unknown"',
        ),
        **of_each("electric_agents_runner_wakes_unheard", dict.fromkeys(names, 2.0)),
        **of_each("electric_agents_runner_sign_of_life_age_seconds", waited),
    }
    listed = ["r3", *names[11:]]
    labels = {name: f'{{server="s", runner_id="{name}"}}' for name in listed}
    shown = {
        name: f'{{server="s", runner_id="{name}", kind="local", chosen="{name}", '
        'chosen_by="runner"}'
        for name in listed
    }
    table = "Who waits, and for whom"
    holds(
        tmp_path,
        series,
        ("fleet", f"{table}, A", [(shown[name], 3 if name == "r3" else 2) for name in listed]),
        ("fleet", f"{table}, B", [(labels[name], waited[name]) for name in listed[1:]]),
        ("fleet", f"{table}, C", [(labels[name], 2) for name in listed]),
        ("fleet", f"{table}, D", [(labels[name], waited[name]) for name in listed[1:]]),
    )


@pytest.mark.parametrize(
    "runner, by, value",
    [
        ("C:\\runners\\new", "like", "C:.runners.new"),
        ("(a|b)\\t[1]", "like", ".a.b..t.1."),
        ("DESKTOP-7\\build", "runner", "DESKTOP-7\\build"),
        ("\\n((((((((", "runner", "\\n(((((((("),
    ],
)
def test_a_link_chooses_a_runner_by_its_id_where_grafana_lets_it_pass(
    tmp_path: Path, runner: str, by: str, value: str
) -> None:
    quoted = json.dumps(runner)
    name = "electric_agents_runner_condition"
    series = {
        f'{name}{{{_HERE},runner_id={quoted},kind="local",condition="work_unheard"}}': 1.0,
        f'{name}{{{_HERE},runner_id={quoted},kind="local",condition="unknown"}}': 0.0,
    }
    labels = f'server="s", runner_id={quoted}, kind="local"'
    cut = "" if by == "runner" and "\\n" not in runner else runner
    for _ in range(8):
        cut = cut_last(cut)
    made = f'chosen={json.dumps(value)}, chosen_by="{by}"' + (
        f", cut={json.dumps(cut)}" if cut else ""
    )
    holds(
        tmp_path,
        series,
        ("fleet", "Who waits, and for whom, A", [(f"{{{labels}, {made}}}", 2)]),
    )


def cut_last(name: str) -> str:
    """Replace the last character that means something to a pattern."""
    at = max(map(name.rfind, "\\^$|?*+()[]{}"))
    return name if at < 0 else f"{name[:at]}.{name[at + 1 :]}"
