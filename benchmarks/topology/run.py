"""Play the cases of the topology bench, and tell of each what was wanted and what came.

`make topology` plays them all on the rules and the Alertmanager configuration of the tree;
`ARGS="NAME... --rules first-edition"` some, on other rules. `ARGS=--write` plays all on each set
and writes the table in docs/alert-quality.md. Exit 1 if anything was wrong.

`ARGS=--direct` plays them as exporters do that send alerts themselves, and holds that to the rules;
with `--write` besides it writes the table in docs/direct-alerts.md. Exit 1 if anything differs for
no reason that is listed.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from topology.alertmanager import Sent, sending, sent_deliveries
from topology.case import Case
from topology.cases import catalogue
from topology.direct import play_directly
from topology.lean import lean
from topology.model import World
from topology.parity import Compared, Part, compare
from topology.parity_report import lines as parity_lines
from topology.parity_report import summary
from topology.parity_report import write_page as write_parity
from topology.player import Firing, Played, RuleFiles, evaluation, playing
from topology.report import lines, write_page
from topology.verdict import Verdict, judged

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
SETS: Final = ("shipped", "first-edition", "naive")

_KEEP_CLUSTERS_APART: Final = frozenset({"shipped"})
_TOGETHER: Final = 8

_PLAIN: Final[dict[str, Any]] = {
    "route": {
        "receiver": "tickets",
        "group_by": ["alertname", "server"],
        "routes": [{"matchers": ['severity="critical"'], "receiver": "pager"}],
    },
    "receivers": [{"name": "tickets"}, {"name": "pager"}],
}


@contextmanager
def rule_set(name: str) -> Iterator[tuple[RuleFiles, Mapping[str, Any]]]:
    """Give the rules of a set, and the Alertmanager configuration that goes with them."""
    if name == "naive":
        text = (ROOT / "benchmarks/incidents/naive.yaml").read_text()
        text = re.sub(r"<< minutes\[(\d+)\] >>", r"\1m", text)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "naive.yaml"
            path.write_text(text)
            yield RuleFiles((path,)), _PLAIN
        return
    rules, config = (
        (ROOT / "alerts/rules", ROOT / "alerts/alertmanager/alertmanager.yml")
        if name == "shipped"
        else (HERE / "first_edition/rules", HERE / "first_edition/alertmanager.yml")
    )
    yield RuleFiles(tuple(sorted(rules.glob("*.yaml")))), yaml.safe_load(config.read_text())


def verdicts(cases: Sequence[Case], name: str, processes: int | None = None) -> Iterator[Verdict]:
    """Play cases on a set of rules, and judge each as soon as it is done."""
    with rule_set(name) as (rules, settings):
        together = _TOGETHER if name in _KEEP_CLUSTERS_APART else 1
        for case, found in _played(cases, rules, processes, together):
            yield _verdict(case, found, rules, settings)


def compared(cases: Sequence[Case], processes: int | None = None) -> Iterator[Compared]:
    """Play cases as exporters do that send alerts themselves, and with the shipped rules."""
    with rule_set("shipped") as (whole, settings), tempfile.TemporaryDirectory() as folder:
        rules = lean(whole, Path(folder))
        for case, found in _played(cases, rules, processes, _TOGETHER):
            parts = [
                Part(world, play_directly(world), _outside(world, played), evaluation(world, rules))
                for world, played in found
            ]
            yield compare(case, parts, settings)


def _played(
    cases: Sequence[Case], rules: RuleFiles, processes: int | None, together: int
) -> Iterator[tuple[Case, list[tuple[World, Played]]]]:
    """Give the worlds of each case with what became of them, as soon as all of them are done."""
    worlds = {one.name: one.worlds() for one in cases}
    every = {
        f"{name}/{n}": world for name, those in worlds.items() for n, world in enumerate(those)
    }
    waiting = {one.name: one for one in cases}
    done: dict[str, Played] = {}
    for played, result in playing(every, rules, processes=processes, together=together):
        done[played] = result
        one = played.rsplit("/", 1)[0]
        parts = [f"{one}/{number}" for number in range(len(worlds[one]))]
        if all(part in done for part in parts):
            yield waiting[one], [(every[part], done[part]) for part in parts]


def _verdict(
    case: Case,
    played: Sequence[tuple[World, Played]],
    rules: RuleFiles,
    settings: Mapping[str, Any],
) -> Verdict:
    sent: list[Sent] = []
    for world, found in played:
        every = evaluation(world, rules)
        sent += sending(_outside(world, found), world.lasts, every, world.prometheus_down)
    until = max(world.lasts for world, _ in played)
    errors = [found.error for _, found in played if found.error]
    return judged(case, sent_deliveries(settings, sent, until), errors[0] if errors else None)


def _outside(world: World, played: Played) -> list[Firing]:
    """Give what fires as Alertmanager gets it."""
    return [Firing({**world.external, **one.labels}, one.begin, one.end) for one in played.firing]


def main(arguments: Sequence[str]) -> int:
    """Play, tell, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of cases, or how they begin")
    parser.add_argument("--rules", choices=SETS, default="shipped")
    parser.add_argument("--direct", action="store_true", help="hold direct alerts to the rules")
    parser.add_argument("--processes", type=int, metavar="N", help="promtools at a time")
    parser.add_argument("--write", action="store_true", help="write the table of the docs' page")
    options = parser.parse_args(arguments)
    chosen = [
        one
        for one in catalogue()
        if not options.names or any(one.name.startswith(name) for name in options.names)
    ]
    if options.direct:
        every = tell_parity(compared(chosen, options.processes))
        if options.write:
            write_parity(every)
        return int(any(one.unexplained for one in every))
    if options.write:
        found = {name: tell(verdicts(catalogue(), name, options.processes)) for name in SETS}
        write_page(found)
        return int(not all(one.right for one in found["shipped"]))
    results = tell(verdicts(chosen, options.rules, options.processes))
    return int(not all(one.right for one in results))


def tell_parity(results: Iterable[Compared]) -> list[Compared]:
    """Print comparisons as they come, and how many are right and the same."""
    found = []
    for one in results:
        found.append(one)
        print(parity_lines(one), flush=True)
    order = [one.name for one in catalogue()]
    found.sort(key=lambda one: order.index(one.verdict.case.name))
    print(summary(found), flush=True)
    return found


def tell(results: Iterable[Verdict]) -> list[Verdict]:
    """Print verdicts as they come, and how many were right."""
    found = []
    for one in results:
        found.append(one)
        print(lines(one), flush=True)
    order = [one.name for one in catalogue()]
    found.sort(key=lambda one: order.index(one.case.name))
    print(f"{sum(one.right for one in found)} of {len(found)} right", flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
