"""Every query and command of the runbooks, on fleets that have what the pages are about.

Simulated servers, two exporters that watch them, a Prometheus with the rules, and an Alertmanager.
Words in capitals are filled in as an operator would.
"""

import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import pytest
from tests.alertmanager.conftest import CONFIG
from tests.alertmanager.test_runbooks import PAGES, blocks, section, text

import alert_rules
from alert_values import hastened, load
from alertmanagers import alertmanager
from observed_fleet import JOB, ObservedFleet, Story
from programs import program
from waiting import until

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]

HASTE: Final = 30.0
"""How much shorter the durations of the rules are."""
SPEED: Final = 4.0
"""How much faster the fleets live."""
OWNER: Final = "service:monitor"
GONE: Final = ("gone 0", "gone/1%", "gone-2")
"""Lasting runners that will never come back, with ids that are hard to write in a URL."""
SPARE: Final = "spare"
"""A runner that commands may be tried on."""

STORIES: Final = (
    Story("production", "demo", 11, SPEED),
    Story("edge", "healthy-day", 2, SPEED),
)
SILENT: Final = "fleet-0"
"""A runner of `edge` that dies at work: nothing of it is heard any more, nor of any claim there."""
REFUSED: Final = "worker-1"
"""A runner of `production` that is disabled for a while, when messages come."""
PLACES: Final[Mapping[str, tuple[str, str]]] = {
    "WorkAbandoned": ("edge", SILENT),
    "WorkBudgetBurn": ("edge", SILENT),
    "ClaimStuck": ("edge", "fleet-1"),
    "WorkUnheard": ("production", "cut-off-0"),
    "RunnerDeaf": ("production", "cut-off-0"),
    "WorkRefused": ("production", REFUSED),
    "ClaimFailuresHigh": ("production", REFUSED),
    "ClaimsLeaking": ("production", "crashing-0"),
    "RunnerRestarting": ("production", "crashing-0"),
    "RunnerUnhealthy": ("production", GONE[0]),
    "RunnerDegraded": ("production", "mute-0"),
    "RunnerNeverHeartbeat": ("production", "newcomer-0"),
}
"""The server and the runner that a page is tried on; the others on one that works."""
AT_WORK: Final = ("production", "worker-0")

HELD: Final = "server_runner:electric_agents_runner_condition:held"
SIGNS: Final = (
    f'{HELD}{{condition="work_abandoned", runner_id="{SILENT}"}}',
    f'{HELD}{{condition="claim_stuck", runner_id="fleet-1"}}',
    f'{HELD}{{condition="work_unheard", runner_id="cut-off-0"}}',
    f'{HELD}{{condition="deaf", runner_id="cut-off-0"}}',
    f'{HELD}{{condition="work_refused", runner_id="{REFUSED}"}}',
    f'count({HELD}{{condition="lapsed", runner_id=~"gone.*"}}) == {len(GONE)}',
    'server_runner:electric_agents_runner_leaked_claims:median{runner_id="crashing-0"}',
    'server:electric_agents_runners_work_waiting:ratio_1h{server="edge"}',
    'increase(electric_agents_runner_claims_total{runner_id="worker-0"}[15m])',
    'ALERTS{alertname="ElectricAgentsWatchdog"}',
)
"""What there is when everything that the pages look for is there."""

NOTHING: Final = {
    ("ClaimFailuresHigh", "claim_errors:increase"): "its window may be over",
    ("ContractDrift", "unrecognized_values"): "the simulator says what the contract has",
    ("CredentialsRejected", "unauthorized|forbidden"): "nobody is refused",
    ("CredentialsRejected", "credential_last_change"): "there are no credentials",
    ("DatabaseUnreachable", "request_errors"): "no request fails on a machine that has time",
    ("DatabaseUnreachable", "database_unreachable"): "no target reads a database",
    ("ExporterAbsent", "unwatched"): "every server is watched",
    ("ExporterDown", "up{"): "none is down",
    ("RunnersUnknown", "request_errors"): "no request fails on a machine that has time",
    ("RunnersUnknown", "condition:held"): "every runner is known",
    ("ServerUnreachable", "request_errors"): "no request fails on a machine that has time",
    ("ServerUnreachable", "server_unreachable"): "every server answers",
    ("Watchdog", "notifications_dropped"): "this Prometheus does not scrape itself",
    ("WorkBudgetBurn", "dispatched_late"): "no target reads the claims of a database",
}
"""Queries under "Is it real" that may find nothing on these fleets, by page and a part, and why."""


@dataclass(frozen=True)
class Demo:
    """What a page's words stand for."""

    fleet: ObservedFleet
    alertmanager: str
    folder: Path

    def ask(self, query: str) -> dict[str, Any]:
        """Ask Prometheus; an error is an answer."""
        url = f"{self.fleet.prometheus}/api/v1/query?{urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(url, timeout=30) as got:  # noqa: S310
                answer: dict[str, Any] = json.load(got)
        except urllib.error.HTTPError as error:
            with error:
                answer = json.load(error)
        return answer

    def run(self, script: str, server: str, runner: str) -> "subprocess.CompletedProcess[str]":
        """Run commands as a page has them; what an HTTP error answers fails them."""
        begin = (
            "set -eo pipefail\n"
            'curl() { command curl --fail-with-body "$@"; }\n'
            # That there is nothing to show is an answer.
            'grep() { command grep "$@" || [ $? = 1 ]; }\n'
            # A poll that is not in full, as on a machine that is busy, tells no less.
            'electric-agents-exporter() { command electric-agents-exporter "$@" || [ $? = 1 ]; }\n'
            "sleep() { :; }\n"
        )
        environment = {
            **os.environ,
            "URL": self.fleet.simulators[server],
            "OWNER": OWNER,
            "RUNNER": quote(runner, safe=""),
            "PROMETHEUS": self.fleet.prometheus,
            "ALERTMANAGER": self.alertmanager,
            "EXPORTER": self.fleet.exporters[JOB][0],
            "TOKEN_FILE": str(self.folder / "token"),
        }
        return subprocess.run(
            [program("bash"), "-c", begin + filled(script, self, server, runner)],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env=environment,
        )


def filled(words: str, demo: Demo, server: str, runner: str) -> str:
    """Fill in the words in capitals that are no variables of the shell."""
    for word, value in {
        "SERVER": server,
        "RUNNER": runner,
        "JOB": "electric-agents",
        "FILE": str(demo.fleet.config),
        "FIELD": "runner.status",
        "PRINCIPAL": OWNER,
        "HOST": "127.0.0.1",
    }.items():
        words = re.sub(rf"(?<![$\w])(?<!read -r ){word}(?!\w)", lambda _, value=value: value, words)  # type: ignore[misc]
    return words


def register(url: str, runner: str, lease_ms: int) -> None:
    """Register a lasting runner that sends one heartbeat."""
    path = f"{url}/_electric/runners"
    send(path, {"id": runner, "label": f"{runner} on host-7", "kind": "server"})
    send(f"{path}/{quote(runner, safe='')}/heartbeat", {"lease_ms": lease_ms, "diagnostics": {}})


def break_work(fleet: ObservedFleet) -> None:
    """Let a runner die at work, and another one be disabled while messages come."""
    fault = {"kind": "status", "status": 503}
    fleet.trouble("edge", fault | {"route": "callback"})
    # What cannot be released stays in hand.
    for runner in (SILENT, "fleet-1"):
        claims = f'electric_agents_runner_active_claims{{server="edge", runner_id="{runner}"}}'
        at_work = f"min_over_time({claims}[8s]) > 0"
        until(lambda at_work=at_work: fleet.ask(at_work), at_work)  # type: ignore[misc]
    fleet.trouble("edge", fault | {"route": "claim"})
    fleet.trouble("edge", fault | {"route": "heartbeat", "runner": SILENT})
    order(fleet.simulators["production"], REFUSED, "disable")
    failed = f'electric_agents_runner_claims_total{{runner_id="{REFUSED}", outcome="error"}} > 0'
    until(lambda: fleet.ask(failed), failed)
    order(fleet.simulators["production"], REFUSED, "enable")


def order(url: str, runner: str, what: str) -> None:
    send(f"{url}/_electric/runners/{quote(runner, safe='')}/{what}", {})


def send(url: str, body: object) -> None:
    headers = {"electric-principal": OWNER, "content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310
    urllib.request.urlopen(request, timeout=30).close()  # noqa: S310


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    for needed in ("prometheus", "amtool", "curl", "jq", "electric-agents-exporter"):
        program(needed)
    folder = tmp_path_factory.mktemp("runbooks")
    (folder / "rules").mkdir()
    values = load()
    rules = []
    for name, words in alert_rules.render(hastened(values, HASTE, HASTE), values).items():
        rules.append(folder / "rules" / name)
        rules[-1].write_text(words)
    (folder / "token").write_text("none")
    (folder / "alertmanager.yml").write_text(CONFIG.read_text())
    binary = program("prometheus-alertmanager")
    short = {
        "unheard_after": "3s",
        "abandoned_after": "3s",
        "deaf_after": "2s",
        "stuck_after": "3s",
        "recovery": "1s",
    }
    with alertmanager(binary, CONFIG, folder / "alertmanager") as address:
        fleet = ObservedFleet(
            folder,
            STORIES,
            rules=rules,
            target={"timeout": "1900ms", "conditions": short, "expected_runners": {"min": 1}},
            settings={"metrics": {"owner_label": True}, "web": {"enable_reload": True}},
            replicas=2,
            alertmanager=address,
        )
        with fleet:
            for runner in GONE:
                register(fleet.simulators["production"], runner, 1)
            for url in fleet.simulators.values():
                register(url, SPARE, 3_600_000)
            break_work(fleet)
            for sign in SIGNS:
                until(lambda sign=sign: fleet.ask(sign), sign)  # type: ignore[misc]
            yield Demo(fleet, f"http://{address}", folder)


def test_every_query_is_answered_once_for_all_replicas(demo: Demo) -> None:
    wrong: dict[str, object] = {}
    empty: dict[str, object] = {}
    for name in PAGES:
        server, runner = PLACES.get(name, AT_WORK)
        for query in blocks(text(name), "promql"):
            got = demo.ask(filled(query, demo, server, runner))
            if got["status"] != "success" or got.get("warnings") or got.get("infos"):
                wrong[f"{name}: {query}"] = got
                continue
            result = got["data"]["result"]
            apart = {"instance", "pod", "node"} & {key for one in result for key in one["metric"]}
            if apart and "instance" not in query and "electric_" in query:
                wrong[f"{name}: {query}"] = f"it tells {apart} apart"
            excused = any(page == name and part in query for page, part in NOTHING)
            asked = query in blocks(section(name, "Is it real"), "promql")
            if not result and asked and not excused:
                empty[f"{name}: {query.strip()}"] = server, runner
    assert wrong == {}
    assert empty == {}


INLINE: Final = re.compile(r"`((?:curl|amtool|promtool|electric-agents-exporter) [^`]+)`")


def fails(demo: Demo, name: str, script: str, runner: str | None = None) -> str | None:
    """Run commands of a page; give what goes wrong, or that nothing was said."""
    # From a stream that was cut nothing ever comes, and that takes long.
    server, own = AT_WORK if name == "RunnerDeaf" else PLACES.get(name, AT_WORK)
    done = demo.run(script, server, runner or own)
    if done.returncode or done.stderr:
        return f"{name}: {script}: {done.returncode}: {done.stdout[-300:]}{done.stderr[-300:]}"
    return None


def test_every_command_that_looks_is_answered(demo: Demo) -> None:
    """Several at a time: each waits for others most of the time."""
    looks = [
        (name, block)
        for name in PAGES
        for title in ("Is it real", "Silence")
        for block in blocks(section(name, title), "sh")
    ]
    with ThreadPoolExecutor(4) as pool:
        wrong = [fault for fault in pool.map(lambda look: fails(demo, *look), looks) if fault]
    assert wrong == []


def test_silences_are_there_after_it(demo: Demo) -> None:
    query = 'amtool silence query --alertmanager.url="$ALERTMANAGER" --output=json'
    listed = json.loads(demo.run(query, *AT_WORK).stdout)
    silenced = {
        matcher["value"].removeprefix("ElectricAgents")
        for silence in listed
        for matcher in silence["matchers"]
        if matcher["name"] == "alertname"
    }
    assert silenced == set(PAGES) - {"Watchdog"}


def test_commands_within_sentences_work_too(demo: Demo) -> None:
    """They change something, so they are tried on a runner that nobody needs."""
    wrong = [
        fault
        for name in PAGES
        for command in INLINE.findall(" ".join(text(name).split("\n")))
        if (fault := fails(demo, name, re.sub(r"\s+", " ", command), SPARE))
    ]
    assert wrong == []


def test_many_runners_that_are_gone_for_good_are_disabled_by_the_loop(demo: Demo) -> None:
    server, runner = PLACES["RunnerUnhealthy"]
    gone = f'count({HELD}{{condition="lapsed", runner_id=~"gone.*"}}) == {len(GONE)}'
    until(lambda: demo.fleet.ask(gone), gone)
    script = "\n".join(blocks(section("RunnerUnhealthy", "Mitigation"), "sh"))
    done = demo.run(script, server, runner)
    assert done.returncode == 0, done.stdout + done.stderr
    encoded = sorted(quote(each, safe="") for each in GONE)
    assert sorted(done.stdout.split("\n")[:-1]) == sorted(
        [*encoded, *(f"200 {each}" for each in encoded)]
    )
    kept = json.loads(
        demo.run(
            'curl -sS -H "electric-principal: $OWNER" "$URL/_electric/runners"', server, runner
        ).stdout
    )
    disabled = {each["id"] for each in kept if each["admin_status"] == "disabled"}
    assert disabled >= set(GONE)


def test_the_status_page_says_what_the_pages_quote(demo: Demo) -> None:
    quoted = {
        words
        for name in PAGES
        for words in re.findall(r'"([^"]*)"', _sentence(section(name, "Is it real")))
    }
    shown = demo.run('curl -sS "http://$EXPORTER/"', *AT_WORK).stdout
    assert "work waits for it" in quoted
    missing = {words for words in quoted if words not in shown} - UNSHOWN
    assert missing == set()


UNSHOWN: Final = {"down", "0 runners listed for", "no fresh report", "not yet"}
"""Words of the page for what does not happen here; the page's own tests have them."""


def _sentence(part: str) -> str:
    """Give the sentences about the status page."""
    words = " ".join(re.sub(r"```.*?```", "", part, flags=re.DOTALL).split())
    return " ".join(re.findall(r"[^.]*status page \(`http://EXPORTER/`\)[^.]*\.", words))
