"""The reference of the status page and its JSON, made of what they are made of."""

import json
from typing import Final

import msgspec

from electric_agents_exporter.conditions import MEANINGS as CONDITIONS
from electric_agents_exporter.conditions import Condition
from electric_agents_exporter.contract.claims import MOST_NAMED
from electric_agents_exporter.fleet.history import MOST_CHANGES, MOST_CHANGES_OF_ALL, PAST_SECONDS
from electric_agents_exporter.status.ages import spell_duration
from electric_agents_exporter.status.query import MOST_PER_PAGE, PER_PAGE, Sort
from electric_agents_exporter.status.states import MEANINGS, State
from electric_agents_exporter.status.view import FleetStatus, RunnerMatches

_PAGE: Final = """\
# The status page

Made by `make generate`; do not edit.

`/` says what is wrong, why, since when and what to do next, for whoever has no Grafana at hand. It
works without JavaScript, and with it renews itself every five seconds without losing scroll,
filter or focus. An exporter that does not answer any more reads as lost, and what it said last
turns grey. `web.status_page: false` turns off all that stands here.

It shows ids, labels, owners (which can be e-mail addresses) and the names of entities to whoever
reaches it, as `/metrics` shows the first of these.

## What it says

First a verdict in words, then how many runners are in each state, the alerts that this exporter
sends, the targets, and the runners, the worst first. A server that is down is one line: its
runners, of which nothing is known, have rows only where that server or a text is asked for. A
runner of which two things hold is shown in the worse state, and counted and found by both.

| state | is said | when |
|---|---|---|
{states}

Green is only who is known to have nothing wrong. Kinds that come and go (all but `server`, and
those of no known kind) are `gone` once their lease is over; that is no news. Disabled runners
stand last.

Between a report and the reading of wakes that follows it in the same poll, a runner that has just
heard something counts as at the last poll.

<p>
<img alt="The page, dark" src="images/status-fleet-dark-1440.png" width="49%">
<img alt="A runner's page, light" src="images/status-runner-light-1440.png" width="49%">
<img alt="A runner's page, dark" src="images/status-runner-dark-1440.png" width="49%">
<img alt="The page on a phone, light" src="images/status-fleet-light-390.png" width="16%">
<img alt="The page on a phone, dark" src="images/status-fleet-dark-390.png" width="16%">
<img alt="A runner's page on a phone, light" src="images/status-runner-light-390.png" width="16%">
</p>

## The past

Each row has the last hour as a small timeline, and a runner's page says what changed. That is held
in memory: changes alone, of {past}, at most {changes} of a runner and {all_changes:,} of a target
(some five megabytes). The page says from when on it knows the past; a restart forgets it.

## A runner's page

`/runner?target=TARGET&id=ID` has its facts, the wakes that wait for it and the {claims} claims
made last with their entities and streams, what changed, the last twelve polls and what came of
asking after it, what to try next, and links: to its dashboard where `web.grafana` says where
Grafana is, and to the runbooks where `web.runbooks` says where these are. A database tells of each
stream the newest claim, and not whose entity it is.

## As JSON

| path | answers |
|---|---|
| `/api/v1/fleet` | what `/` shows |
| `/api/v1/runners/ID` | what a runner's page shows, of each target that has a runner of \
this id, or of `?target=` alone; 404 with an empty list where there is none |
| `/api/v1/runners?id=ID` | the same, for an id that does not survive in a path, such as `..` |

`/` and `/api/v1/fleet` take the same parameters. What is no value of a parameter is left out,
never an error.

| parameter | is |
|---|---|
| `condition` | a state of the table above |
| `target` | the name of a target |
| `kind` | what runners are for |
| `q` | text in an id or a label |
| `sort` | {sorts} |
| `order` | `reverse`, for the other way round |
| `page`, `per_page` | which page (1), and how many runners it has ({per_page}, at most \
{most_per_page:,}) |

`null` is what is not known. Moments are seconds since the epoch on this exporter's clock, except
those of a claim and a lease (the server's) and `started_at` (the runner's); ages and durations are
in seconds. Names and texts are as the server has them: whoever shows them escapes them.

## In a terminal

`electric-agents-exporter status [--url http://HOST:PORT]` prints the verdict, the targets, and the
runners that need a look: as tables in a terminal, else as lines with tabs between their words.
Without `--url` it asks the exporter that `--config` or the environment describes. Exit code 0:
nothing is wrong, and all is known; 3: something is not known; 4: something needs a look; 5:
somebody waits for work, or a server is down; 1: the exporter does not answer; 2: the command line
is wrong.

## Schema of `/api/v1/fleet`

```json
{fleet}
```

## Schema of `/api/v1/runners/ID`

```json
{runners}
```
"""
_WHEN: Final = {
    State.PARTLY_KNOWN: "Nothing above is known to hold, and of something that is not known.",
    State.NEVER_SEEN: "It is enabled, was registered, and has never sent a heartbeat.",
    State.GONE: "It is of a kind that comes and goes, and its lease is over.",
    State.FINE: "All that would be wrong is known not to be.",
}


def render() -> str:
    """Write the reference."""
    return _PAGE.format(
        states="\n".join(map(_state_line, State)),
        past=spell_duration(PAST_SECONDS),
        changes=MOST_CHANGES,
        all_changes=MOST_CHANGES_OF_ALL,
        claims=MOST_NAMED,
        sorts=", ".join(f"`{each.value}`" for each in Sort),
        per_page=PER_PAGE,
        most_per_page=MOST_PER_PAGE,
        fleet=_schema(FleetStatus),
        runners=_schema(RunnerMatches),
    )


def _state_line(state: State) -> str:
    when = _WHEN.get(state)
    if when is None:
        when = CONDITIONS[Condition(state.value)]
    return f"| `{state.value}` | {MEANINGS[state].name}: {MEANINGS[state].sentence} | {when} |"


def _schema(kind: type[msgspec.Struct]) -> str:
    return json.dumps(msgspec.json.schema(kind), indent=1)
