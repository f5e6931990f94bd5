"""What is on an alert's runbook is true: queries, commands, links and numbers.

Each test reads all pages, and reports all faults at once.
"""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import promql_parser
import yaml
from tests.alertmanager.conftest import ROOT, Labels, fired, rules

import alert_table
import alert_values
from electric_agents_exporter.metrics.reference import all_families
from programs import program
from promql import selections

RUNBOOKS: Final = ROOT / "alerts/runbooks"
PAGES: Final = sorted(path.stem for path in RUNBOOKS.iterdir())
SECTIONS: Final = [
    "Meaning",
    "Impact",
    "Is it real",
    "Causes",
    "Mitigation",
    "How to know it is over",
    "Silence",
    "Tuning",
]
PROMETHEUS_OWN: Final = {
    "up",
    "ALERTS",
    "prometheus_notifications_dropped_total",
    "process_start_time_seconds",
    "process_resident_memory_bytes",
}
PATHS: Final = {
    "/_electric/health",
    "/_electric/runners",
    "/_electric/runners/$RUNNER/health",
    "/_electric/runners/$RUNNER/disable",
    "/runners/$RUNNER/wake?offset=now&live=long-poll",
    "/runners/$RUNNER/wake?offset=$OFFSET",
}
"""What may be asked of an agents-server."""

RECORDED: Final = {
    rule["record"]
    for rule_file in rules().values()
    for group in yaml.safe_load(rule_file)["groups"]
    for rule in group["rules"]
    if "record" in rule
}

_VALUE: Final = re.compile(r"^- `([\w.]+)`(?: \(([^)]*)\))?", re.MULTILINE)
_LINK: Final = re.compile(r"\]\(([^)#\s]*)(?:#([^)]*))?\)")


def _selections(query: str) -> list[Any]:
    return list(selections(promql_parser.parse(query)))


def text(name: str) -> str:
    return (RUNBOOKS / f"{name}.md").read_text()


def section(name: str, title: str) -> str:
    return text(name).partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def alerts_of(name: str) -> list[Labels]:
    return [one for one in fired() if one["alertname"] == f"{alert_table.PREFIX}{name}"]


def written(value: object) -> str:
    """Give a value as a page states it."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner}" for key, inner in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


def faults(check: Callable[[str], Iterable[object]]) -> dict[str, list[object]]:
    """Check every page; give what is wrong, by page."""
    return {name: wrong for name in PAGES if (wrong := list(check(name)))}


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert set(PAGES) == {one["alertname"].removeprefix(alert_table.PREFIX) for one in fired()}


def test_a_page_begins_with_what_to_do_and_has_its_sections_in_order() -> None:
    def check(name: str) -> Iterator[str]:
        title, first, *_ = text(name).split("\n\n")
        if title != f"# {alert_table.PREFIX}{name}":
            yield title
        if not first.endswith(".") or len(first) >= 130:
            yield first
        if re.findall(r"^## (.*)$", text(name), re.MULTILINE) != SECTIONS:
            yield f"its sections are not {SECTIONS}"
        yield from (title for title in SECTIONS if not section(name, title).strip())

    assert faults(check) == {}


def test_whether_it_is_real_is_shown_by_queries_and_by_the_server_itself() -> None:
    def check(name: str) -> Iterator[str]:
        real = section(name, "Is it real")
        commands = "\n".join(blocks(real, "sh"))
        asked = re.search(r'curl .*-H "electric-principal: \$OWNER" "\$URL/', commands)
        if not blocks(real, "promql"):
            yield "no query"
        if not commands:
            yield "no command"
        if alerts_of(name)[0]["layer"] in {"runner", "fleet", "slo"} and not asked:
            yield "the server is not asked"

    assert faults(check) == {}


def test_every_page_says_what_the_status_page_shows_of_it() -> None:
    shown = "status page (`http://EXPORTER/`)"
    assert [
        name for name in PAGES if shown not in " ".join(section(name, "Is it real").split())
    ] == []


def test_pages_on_runners_say_where_the_words_of_commands_come_from() -> None:
    for name in ("WorkAbandoned", "WorkUnheard", "WorkRefused", "RunnerUnhealthy"):
        real = section(name, "Is it real")
        assert "`metrics.owner_label`" in real
        assert "electric_agents_runner_info{" in real
        assert '"$URL/_electric/runners"' in real
        assert "The host is usually in the runner's `label`" in real


def test_a_query_of_raw_series_takes_replicas_together() -> None:
    """Two replicas have two series of everything, which nobody should have to tell apart."""
    replicas = alert_values.load().replica_labels

    def check(name: str) -> Iterator[str]:
        for query in blocks(text(name), "promql"):
            raw = any(found.name.startswith("electric_") for found in _selections(query))
            if raw and f"without ({', '.join(replicas)}" not in query and " by (" not in query:
                yield query

    assert faults(check) == {}


def test_queries_can_be_pasted_and_ask_for_what_there_is() -> None:
    known = {
        family.name: {*common, *family.labels, "tenant", "shard", "job", "instance"}
        for _, common, family in all_families()
    }

    def check(name: str) -> Iterator[str]:
        for query in blocks(text(name), "promql"):
            found = _selections(query)
            if not found:
                yield query
            for selection in found:
                labels = {label for label, _, _ in selection.matchers}
                if selection.name not in {*known, *RECORDED, *PROMETHEUS_OWN}:
                    yield selection.name
                if not labels <= known.get(selection.name, labels):
                    yield f"{selection.name}: {labels}"

    assert faults(check) == {}


def test_commands_are_shell_and_ask_the_server_for_what_it_answers() -> None:
    shell = program("bash")

    def check(name: str) -> Iterator[object]:
        for block in blocks(text(name), "sh"):
            done = subprocess.run([shell, "-n"], input=block, text=True, check=False)
            if done.returncode:
                yield block
        yield from set(re.findall(r'"\$URL(/[^"]*)"', text(name))) - PATHS
        for line in text(name).split("\n"):
            asks = "curl" in line and "/runners" in line
            if asks and '-H "electric-principal: $OWNER"' not in line:
                yield line

    assert faults(check) == {}


def test_a_silence_is_for_its_alert_and_by_labels_that_it_has() -> None:
    def check(name: str) -> Iterator[object]:
        (block,) = blocks(section(name, "Silence"), "sh")
        words = shlex.split(block.replace("\\\n", " "))
        verb = "query" if name == "Watchdog" else "add"
        matchers = dict(word.split("=", 1) for word in words[3:] if not word.startswith("-"))
        if words[:3] != ["amtool", "silence", verb]:
            yield words[:3]
        if matchers.pop("alertname") != f"{alert_table.PREFIX}{name}":
            yield "it is for another alert"
        yield from set(matchers) - {"field", "principal"}.union(*alerts_of(name))

    assert faults(check) == {}


def test_links_lead_to_pages_and_sections_that_there_are() -> None:
    def check(name: str) -> Iterator[str]:
        for target, anchor in _LINK.findall(text(name)):
            path = RUNBOOKS / (target or f"{name}.md")
            titles = (
                re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE) if path.exists() else []
            )
            if not titles or (
                anchor and anchor not in {title.lower().replace(" ", "-") for title in titles}
            ):
                yield f"{target}#{anchor}"

    assert faults(check) == {}


def test_a_page_names_all_numbers_of_its_alert_as_they_are() -> None:
    values = yaml.safe_load(alert_values.FILE.read_text())

    def check(name: str) -> Iterator[object]:
        named = dict(_VALUE.findall(section(name, "Tuning")))
        for key, shown in named.items():
            value: Any = values
            for part in key.split("."):
                value = value.get(part, {})
            if value == {}:
                yield f"{key} is not in alerts/values.yaml"
            elif shown and shown != written(value):
                yield f"{key} is {value}"
        own = {f"alerts.{name}.{key}" for key in values["alerts"].get(name, {})}
        yield from {key for key in named if key.startswith("alerts.")} ^ own

    assert faults(check) == {}
