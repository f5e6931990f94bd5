"""The Pod Security Standard `restricted` of Kubernetes."""

from collections.abc import Iterator
from typing import Any, Final

_VOLUMES: Final = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SECCOMP: Final = {"RuntimeDefault", "Localhost"}
_HOSTS: Final = ("hostNetwork", "hostPID", "hostIPC")


def faults(pod: dict[str, Any]) -> list[str]:
    """Give what the standard has against a pod's `spec`."""
    return [*_of_pod(pod), *(fault for each in _containers(pod) for fault in _of(each, pod))]


def _containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(kind, ())


def _of_pod(pod: dict[str, Any]) -> Iterator[str]:
    yield from (name for name in _HOSTS if pod.get(name))
    for volume in pod.get("volumes", ()):
        yield from (f"volume {kind}" for kind in set(volume) - {"name"} - _VOLUMES)
    if pod.get("securityContext", {}).get("sysctls"):
        yield "sysctls"


def _of(container: dict[str, Any], pod: dict[str, Any]) -> Iterator[str]:
    own = container.get("securityContext", {})
    both = pod.get("securityContext", {}) | own
    if both.get("runAsNonRoot") is not True:
        yield "may run as root"
    if both.get("runAsUser") == 0:
        yield "runs as root"
    if both.get("seccompProfile", {}).get("type") not in _SECCOMP:
        yield "no seccomp profile"
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if own.get("procMount", "Default") != "Default":
        yield "unmasked /proc"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ()):
        yield "keeps capabilities"
    if set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield "adds capabilities"
    if any(port.get("hostPort") for port in container.get("ports", ())):
        yield "takes a port of the host"
