"""Less to evaluate, and the same alerts: for worlds that are played for hundreds of hours.

A record that no alert reads, and the words of an alert, change nothing of what fires. Nor does a
series of one runner that is 0 from the first sample to the last, where rules ask only whether it is
1, or whether it grew.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from topology.player import RuleFiles

_ZERO: Final = re.compile(r"(?:(?:0(?:x\d+)?|_(?:x\d+)?|stale)(?: |$))+")
_IF_NOT_ZERO: Final = re.compile(
    r"electric_agents_runner_("
    r"health_issue|health_status|liveness_status|claims_total|reconnects_total"
    r"|client_restarts_total|client_identity_conflicts_total|health_changes_total"
    r'|condition\{.*condition="(?!unknown|disabled))'
    # What counts is how many lasting runners there are, and of what errors there are any.
    r'|electric_agents_runners(_with_condition)?\{(?!.*kind="server")'
    r'|electric_agents_runners\{.*admin_status="(?!enabled)'
    r"|electric_agents_server_request_errors_total"
)


def reads(selector: str, values: str) -> bool:
    """Tell whether any rule sees anything in a series."""
    return not (_IF_NOT_ZERO.match(selector) and _ZERO.fullmatch(values))


def lean(rules: RuleFiles, folder: Path) -> RuleFiles:
    """Write rules without what no alert reads, in the same order."""
    contents = [yaml.safe_load(path.read_text()) for path in rules.paths]
    needed = _needed(
        [rule for one in contents for group in one["groups"] for rule in group["rules"]]
    )
    paths = []
    for path, content in zip(rules.paths, contents, strict=True):
        for group in content["groups"]:
            group["rules"] = [
                {key: value for key, value in rule.items() if key != "annotations"}
                for rule in group["rules"]
                if "alert" in rule or rule["record"] in needed
            ]
        paths.append(folder / path.name)
        paths[-1].write_text(yaml.safe_dump(content, sort_keys=False))
    return RuleFiles(tuple(paths), reads)


def _needed(rules: Sequence[Mapping[str, Any]]) -> set[str]:
    records: dict[str, list[str]] = defaultdict(list)
    for rule in rules:
        if "record" in rule:
            records[rule["record"]].append(rule["expr"])
    read = [rule["expr"] for rule in rules if "alert" in rule]
    needed: set[str] = set()
    while read:
        expression = read.pop()
        for name in records.keys() - needed:
            if re.search(rf"(?<![\w:]){name}(?![\w:])", expression):
                needed.add(name)
                read += records[name]
    return needed
