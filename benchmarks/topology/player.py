"""Lets promtool evaluate rules on the series of worlds, and reads which alerts fire when.

A query for the firing alerts is made at every evaluation, expecting none; what promtool complains
of is what fires. Nothing is kept: every file is written anew.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from topology.exposition import series
from topology.model import World

Labels = Mapping[str, str]

THRIFTY: Final = {"GOGC": "400", "GOMAXPROCS": "1"}
"""Saves promtool a fifth of its time: it has memory enough to collect garbage more rarely."""

_QUERY: Final = 'ALERTS{alertstate="firing",alertname!="ElectricAgentsWatchdog"}'
_FAMILY: Final = re.compile(r"(?<![:\w])(electric_agents_\w+|up|process_start_time_seconds)\b(?!:)")
_COMPLAINT: Final = re.compile(r"^    expr: .*, time: (\S+),\s*$", re.MULTILINE)
_GOT: Final = re.compile(r'\{((?:\w+="(?:[^"\\]|\\.)*"(?:, )?)*)\} \S+?(?:, |$)')
_LABEL: Final = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')
_PART: Final = re.compile(r"(\d+)(ms|[ywdhms])")
_UNITS: Final = {
    "ms": 0.001,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86_400,
    "w": 604_800,
    "y": 31_536_000,
}


@dataclass(frozen=True)
class Firing:
    """One alert that fires without a pause; `end` is None where it still does at the end."""

    labels: Labels
    begin: float
    end: float | None


@dataclass(frozen=True)
class Played:
    """What became of one world: what fired, or why the rules could not be evaluated."""

    firing: tuple[Firing, ...] = ()
    error: str | None = None


Reads: TypeAlias = Callable[[str, str], bool]
"""Whether rules read anything in a series, by its selector and its values."""


@dataclass(frozen=True)
class RuleFiles:
    """Rule files, with what is read of them once.

    What `reads` denies is left out: it is for who knows of series that no rule sees anything in.
    """

    paths: tuple[Path, ...]
    reads: Reads | None = None
    families: frozenset[str] = field(init=False)
    groups: tuple[str, ...] = field(init=False)
    interval: float | None = field(init=False)

    def __post_init__(self) -> None:
        texts = [path.read_text() for path in self.paths]
        groups = [group for text in texts for group in yaml.safe_load(text)["groups"]]
        intervals = [seconds(group["interval"]) for group in groups if "interval" in group]
        found = {name for text in texts for name in _FAMILY.findall(text)}
        object.__setattr__(self, "families", frozenset(found))
        object.__setattr__(self, "groups", tuple(group["name"] for group in groups))
        object.__setattr__(self, "interval", min(intervals, default=None))


def seconds(duration: str) -> float:
    """Read a duration as Prometheus writes it."""
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(duration))


def duration(length: float) -> str:
    """Write one."""
    whole, rest = divmod(round(length * 1000), 1000)
    if not rest:
        return f"{whole}s"
    return f"{whole}s{rest}ms" if whole else f"{rest}ms"


def play(
    worlds: Mapping[str, World], rules: RuleFiles, *, processes: int | None = None
) -> dict[str, Played]:
    """Play worlds, some at a time, and give what became of each by its name."""
    return dict(playing(worlds, rules, processes=processes))


def playing(
    worlds: Mapping[str, World],
    rules: RuleFiles,
    *,
    processes: int | None = None,
    together: int = 1,
) -> Iterator[tuple[str, Played]]:
    """Give what became of each world as soon as it is known.

    `together` is how many worlds promtool evaluates at once, each as a cluster of its own. It is
    for rules that keep clusters apart, and for them thrice as quick.
    """
    at_once = processes or len(os.sched_getaffinity(0))
    with (
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor(at_once, thread_name_prefix="promtool") as pool,
    ):
        jobs = [
            pool.submit(_play, batch, rules, Path(folder) / f"{number}.json")
            for number, batch in enumerate(batches(worlds, rules, together))
        ]
        for job in as_completed(jobs):
            yield from job.result().items()


def batches(
    worlds: Mapping[str, World], rules: RuleFiles, together: int
) -> list[Mapping[str, World]]:
    """Give worlds that can be played together: alike in time, and none with a cluster."""
    alike: dict[object, list[str]] = defaultdict(list)
    for name, world in worlds.items():
        clusters = (
            "cluster" in world.external
            or bool(world.others)
            or any("cluster" in one.labels for one in world.exporters)
        )
        alike[name if clusters else (world.scrapes.grid, evaluation(world, rules))].append(name)
    found = []
    for names in alike.values():
        names.sort(key=lambda name: worlds[name].lasts)
        found += [names[at : at + together] for at in range(0, len(names), together)]
    found.sort(key=lambda names: len(names) * worlds[names[-1]].lasts, reverse=True)
    return [{name: worlds[name] for name in names} for names in found]


def _play(batch: Mapping[str, World], rules: RuleFiles, path: Path) -> Mapping[str, Played]:
    ((longest, world),) = list(batch.items())[-1:]
    if len(batch) == 1:
        return {longest: _run(write(world, rules, path), evaluation(world, rules), world)}
    path.write_text(json.dumps(_merged(batch, rules)))
    every = evaluation(world, rules)
    played = _run(path, every, world)
    if played.error:
        # Whose fault it is shows when each is alone.
        return {name: _play({name: one}, rules, path)[name] for name, one in batch.items()}
    return {name: _share(name, one, played, every) for name, one in batch.items()}


def _merged(batch: Mapping[str, World], rules: RuleFiles) -> dict[str, Any]:
    merged: list[Mapping[str, str]] = []
    for name, world in batch.items():
        written = content(world, rules)
        for one in written["tests"][0]["input_series"]:
            family, labels = one["series"].split("{", 1)
            selector = f"{family}{{cluster={json.dumps(name)},{labels}".replace(",}", "}")
            merged.append({"series": selector, "values": one["values"]})
    written["tests"][0]["input_series"] = merged
    return written


def _share(name: str, world: World, played: Played, every: float) -> Played:
    """Give what became of one world of several."""
    last = int(world.lasts / every) * every
    mine = []
    for one in played.firing:
        if one.labels.get("cluster", name) != name or one.begin > last:
            continue
        labels = {label: value for label, value in one.labels.items() if label != "cluster"}
        ends = one.end is not None and one.end <= world.lasts
        mine.append(Firing(labels, one.begin, one.end if ends else None))
    return Played(tuple(mine))


def evaluation(world: World, rules: RuleFiles) -> float:
    """Give how often the rules are evaluated: as their groups say, or as Prometheus is told."""
    return world.pace or rules.interval or world.evaluation


def write(world: World, rules: RuleFiles, path: Path) -> Path:
    """Write a file of one world."""
    path.write_text(json.dumps(content(world, rules)))
    return path


def content(world: World, rules: RuleFiles) -> dict[str, Any]:
    """Give what promtool is to read of a world."""
    every = evaluation(world, rules)
    return {
        "rule_files": [str(path.resolve()) for path in rules.paths],
        "evaluation_interval": duration(every),
        "group_eval_order": list(rules.groups),
        "tests": [
            {
                "interval": duration(world.scrapes.grid),
                "external_labels": dict(world.external),
                "input_series": [
                    {"series": name, "values": values or "_"}
                    for name, values in series(world, rules.families).items()
                    if rules.reads is None or rules.reads(name, values)
                ],
                "promql_expr_test": [
                    {"expr": _QUERY, "eval_time": duration(moment), "exp_samples": []}
                    for moment in moments(world, rules)
                ],
            }
        ],
    }


def moments(world: World, rules: RuleFiles) -> list[float]:
    """Give when the rules are evaluated."""
    every = evaluation(world, rules)
    return [number * every for number in range(int(world.lasts / every) + 1)]


def _run(path: Path, every: float, world: World) -> Played:
    done = subprocess.run(
        [program("promtool"), "test", "rules", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | THRIFTY,
    )
    if done.returncode and not _COMPLAINT.search(done.stdout + done.stderr):
        return Played(error=(done.stderr + done.stdout).strip()[:2000])
    complaints = done.stdout + done.stderr
    if "err:" in complaints:
        return Played(error=complaints[:2000])
    return Played(firing=tuple(spans(list(_complaints(complaints)), every, world.lasts)))


def _complaints(text: str) -> Iterator[tuple[float, list[Labels]]]:
    """Give when promtool got what it should not, and what."""
    found = list(_COMPLAINT.finditer(text))
    for number, match in enumerate(found):
        end = found[number + 1].start() if number + 1 < len(found) else len(text)
        got = text[match.end() : end].split("got:", 1)[1].strip()
        yield seconds(match[1]), [_labels(one[1]) for one in _GOT.finditer(got)]


def _labels(text: str) -> Labels:
    pairs = {name: json.loads(value) for name, value in _LABEL.findall(text)}
    return {key: value for key, value in pairs.items() if key not in {"__name__", "alertstate"}}


def spans(
    fired: Sequence[tuple[float, Sequence[Labels]]], every: float, lasts: float
) -> Iterator[Firing]:
    """Give alerts with their beginnings and ends, of which fire at which evaluation."""
    open_: dict[tuple[tuple[str, str], ...], tuple[float, float]] = {}
    for moment, alerts in fired:
        for labels in alerts:
            key = tuple(sorted(labels.items()))
            begin, last = open_.get(key, (moment, moment))
            if moment - last > every * 1.5:
                yield Firing(dict(key), begin, last + every)
                begin = moment
            open_[key] = (begin, moment)
    for key, (begin, last) in open_.items():
        end = last + every
        yield Firing(dict(key), begin, None if end > lasts else end)


def program(name: str) -> str:
    """Find a program on PATH or among those that `make tools` fetched.

    Raises:
        FileNotFoundError: it is in neither.
    """
    tools = Path(__file__).parents[2] / ".venv/tools/usr/bin"
    found = shutil.which(name) or shutil.which(name, path=str(tools))
    if found is None:
        raise FileNotFoundError(f"{name} is missing: run `make tools`")
    return found
