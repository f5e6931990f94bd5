"""Whether what holds manifests to the standard `restricted` notices what breaks it."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from pod_security import faults

GOOD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "ports": [{"containerPort": 10437}],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        }
    ],
    "volumes": [{"name": "config", "configMap": {"name": "config"}}],
}
BROKEN: dict[str, Callable[[Any, Any], object]] = {
    "hostNetwork": lambda pod, _: pod.update(hostNetwork=True),
    "volume hostPath": lambda pod, _: pod["volumes"].append({"name": "x", "hostPath": {}}),
    "sysctls": lambda pod, _: pod["securityContext"].update(sysctls=[{"name": "x"}]),
    "may run as root": lambda pod, _: pod["securityContext"].pop("runAsNonRoot"),
    "runs as root": lambda _, own: own.update(runAsUser=0),
    "no seccomp profile": lambda pod, _: pod["securityContext"].pop("seccompProfile"),
    "privileged": lambda _, own: own.update(privileged=True),
    "may gain privileges": lambda _, own: own.pop("allowPrivilegeEscalation"),
    "unmasked /proc": lambda _, own: own.update(procMount="Unmasked"),
    "keeps capabilities": lambda _, own: own.pop("capabilities"),
    "adds capabilities": lambda _, own: own["capabilities"].update(add=["SYS_ADMIN"]),
    "takes a port of the host": lambda pod, _: pod["containers"][0]["ports"][0].update(hostPort=1),
}


def test_a_restricted_pod_has_no_faults() -> None:
    assert faults(GOOD) == []


@pytest.mark.parametrize("fault", BROKEN)
def test_each_way_to_break_the_standard_is_told(fault: str) -> None:
    pod = deepcopy(GOOD)
    BROKEN[fault](pod, pod["containers"][0]["securityContext"])
    assert faults(pod) == [fault]
