"""What to try next for a runner: a sentence, a command, and links to what tells more.

A command holds foreign text, so every word of it is encoded or quoted.
"""

import re
import shlex
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from electric_agents_exporter.contract.wakes import START, position
from electric_agents_exporter.fleet.snapshot import RunnerState
from electric_agents_exporter.status.states import State
from electric_agents_exporter.status.view import Step

_PRINCIPAL: Final = re.compile(r"/principal/[A-Za-z0-9._~%-]{1,500}")

_ADVICE: Final[Mapping[State, str]] = {
    State.WORK_ABANDONED: "It died at work, or its host did. See that its process is gone, and "
    "start it again under the same id and owner: it takes up the same work.",
    State.WORK_UNHEARD: "See who waits. If its process lives, restart it gracefully: it reads what "
    "it has missed. If it is gone, start it again under the same id and owner.",
    State.WORK_REFUSED: "The wake that was refused is never repeated. Restart the runner so that "
    "it reads its wake stream from the beginning.",
    State.CLAIM_STUCK: "Look at what the entity does: its claim gives no sign of life, while its "
    "runner does.",
    State.DEAF: "Restart it gracefully: its heartbeats pass, and its wake stream does not. If it "
    "is deaf again, look at the proxy between it and the server.",
    State.LAPSED: "Nobody is known to wait for it. Start it again, or disable it if it will not "
    "come back.",
    State.UNKNOWN: "Ask the server yourself, as the same principal.",
    State.PARTLY_KNOWN: "Ask the server yourself what it says of it.",
    State.DRAINING: "Wait: it finishes its work, and its claims are renewed.",
    State.NEVER_SEEN: "Start it, or disable it: it was registered and never sent a heartbeat.",
    State.GONE: "Nothing, unless it should be there.",
    State.FINE: "Nothing.",
    State.DISABLED: "Enable it again once its maintenance is over. Messages that came meanwhile "
    "were refused: restart it after that.",
}
_RUNBOOKS: Final[Mapping[State, str]] = {
    State.WORK_ABANDONED: "WorkAbandoned",
    State.WORK_UNHEARD: "WorkUnheard",
    State.WORK_REFUSED: "WorkRefused",
    State.CLAIM_STUCK: "ClaimStuck",
    State.DEAF: "RunnerDeaf",
    State.LAPSED: "RunnerUnhealthy",
    State.UNKNOWN: "RunnersUnknown",
    State.NEVER_SEEN: "RunnerNeverHeartbeat",
    State.GONE: "RunnerUnhealthy",
}
_RUNNER_BOARD: Final = "electric-agents-runner"


class Links(msgspec.Struct, frozen=True):
    """Where boards and runbooks are found; empty where nobody said.

    Attributes:
        grafana: the address of a Grafana that has the dashboards.
        runbooks: the folder of the runbooks.
    """

    grafana: str = ""
    runbooks: str = ""


def next_steps(runner: RunnerState, state: State) -> tuple[Step, ...]:
    """Give what to try, the first thing first."""
    path = f"/_electric/runners/{quote(runner.listed.id, safe='')}"
    ask = Step("What the server says of it:", _curl(runner, f"{path}/health"))
    steps = [Step(_ADVICE[state])]
    if state in {State.WORK_UNHEARD, State.DEAF} and runner.listed.wake_stream:
        steps.append(Step("Who waits for it:", _curl(runner, _stream(runner))))
    steps.append(ask)
    if state is State.DISABLED:
        steps.append(Step("Enable it:", _curl(runner, f"{path}/enable", "-X POST ")))
    if state in {State.LAPSED, State.NEVER_SEEN}:
        steps.append(Step("Disable it:", _curl(runner, f"{path}/disable", "-X POST ")))
    return tuple(steps)


def _stream(runner: RunnerState) -> str:
    """Give the path of what it has not heard."""
    path = "/" + quote((runner.listed.wake_stream or "").lstrip("/"), safe="/%")
    told = runner.report.wake_stream_offset if runner.report else None
    return f"{path}?offset={START if told is None or position(told) is None else told}"


def _curl(runner: RunnerState, path: str, options: str = "") -> str:
    owner = runner.listed.owner_principal or ""
    principal = owner if _PRINCIPAL.fullmatch(owner) else runner.principal
    header = shlex.quote(f"electric-principal: {principal}")
    return f'curl -sS -m 10 {options}-H {header} "$URL{path}"'


def runbooks_of(states: tuple[State, ...], links: Links) -> Mapping[str, str]:
    """Give the runbooks on what holds of a runner, by name."""
    if not links.runbooks:
        return {}
    names = dict.fromkeys(_RUNBOOKS[state] for state in states if state in _RUNBOOKS)
    return {name: f"{links.runbooks.rstrip('/')}/{name}.md" for name in names}


def board_of(target: str, runner_id: str, links: Links) -> str:
    """Give the address of a runner's dashboard; empty where there is none."""
    if not links.grafana:
        return ""
    chosen = urlencode({"var-server": target, "var-runner": runner_id})
    return f"{links.grafana.rstrip('/')}/d/{_RUNNER_BOARD}?{chosen}"
