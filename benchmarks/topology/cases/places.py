"""Jobs, namespaces, clusters, Kubernetes: who is who when labels are all that tells."""

from collections.abc import Mapping
from functools import partial
from math import inf
from typing import Final

from topology.case import Case, T, case, death, page, victim, watched, with_victim, working
from topology.model import HOUR, Exporter, Outage, Runner, Server, Target, World

DOWN: Final = (Outage(T, T + 1800),)
SERVER, VICTIM = with_victim()
QUIET: Final = Server(working())
LATER: Final = victim(T + 900, name="later")


def labels(number: int, **more: str) -> Mapping[str, str]:
    """Give a scrape's labels."""
    return {"job": "electric-agents", "instance": f"host-{number}:9464", **more}


def away(prefix: str = "away") -> Server:
    """Give a server that is down for half an hour."""
    return Server(fleet_named(prefix), DOWN)


def fleet_named(prefix: str, count: int = 4) -> tuple[Runner, ...]:
    """Give runners at work with names of their own."""
    return tuple(
        Runner(f"{prefix}-{one.id}", one.kind, one.changes, one.label, phase=one.phase)
        for one in working(count)
    )


def sidecars(first: Server, second: Server) -> World:
    """Give two sidecars in one job whose targets have the same name."""
    return World(
        tuple(
            Exporter(
                labels(number, pod=f"agents-{number}"),
                (Target(server, name="default", phase=number * 6.0),),
                first=number,
            )
            for number, server in enumerate((first, second))
        ),
        T + 3600,
    )


def pair(first: Exporter, second: Exporter, lasts: float = T + 3600, **world: object) -> World:
    """Give two exporters."""
    return World((first, second), lasts, **world)  # type: ignore[arg-type]


UNREACHABLE: Final = page("ServerUnreachable", by=T + 300 + 120)
MONITORED: Final = {
    "job": "electric-agents-exporter",
    "instance": "10.0.0.7:9464",
    "endpoint": "metrics",
    "service": "electric-agents-exporter",
    "namespace": "agents",
    "pod": "electric-agents-exporter-0",
    "container": "exporter",
}


def kubernetes(
    server: Server, count: int = 1, *, service: bool = True, lasts: float = T + 2400
) -> World:
    """Give what a ServiceMonitor or a PodMonitor scrapes, evaluated every half a minute."""
    exporters = []
    for number in range(count):
        found = {
            **MONITORED,
            "instance": f"10.0.0.{7 + number}:9464",
            "pod": f"electric-agents-exporter-{number}",
        }
        if not service:
            del found["service"]
            found["job"] = "agents/electric-agents-exporter"
        exporters.append(Exporter(found, (Target(server, phase=4.0 * number),), first=number))
    return World(tuple(exporters), lasts, evaluation=30)


def replaced_pod() -> World:
    """Give a pod that is replaced by another one in a deployment."""
    old = {**MONITORED, "pod": "exporter-old", "instance": "10.0.0.7:9464"}
    new = {**MONITORED, "pod": "exporter-new", "instance": "10.0.0.8:9464"}
    return pair(
        Exporter(old, (Target(QUIET),), present=(-inf, T), down=((T, inf),)),
        Exporter(new, (Target(QUIET),), present=(T + 15, inf), down=((-900, T + 10),)),
        lasts=T + 2 * HOUR,
        evaluation=30,
    )


def lost(job: str) -> World:
    """Give two jobs, one of which is lost from the configuration."""
    return pair(
        Exporter(labels(0), (Target(QUIET, "alpha"),)),
        Exporter(
            {"job": job, "instance": "other:9464"},
            (Target(Server(fleet_named("beta")), "beta"),),
            present=(-inf, T),
        ),
        T + 2 * HOUR,
    )


def clusters(first: Server, second: Server, **second_exporter: object) -> World:
    """Give one ruler over two clusters whose servers have the same name."""
    return pair(
        Exporter(labels(0, cluster="east"), (Target(first),)),
        Exporter(labels(0, cluster="west"), (Target(second),), **second_exporter),  # type: ignore[arg-type]
    )


def two_prometheus(first: Server, second: Server) -> tuple[World, ...]:
    """Give two clusters with a Prometheus each, and one Alertmanager."""
    return (
        World((Exporter(labels(0), (Target(first),)),), T + 3600, external={"cluster": "east"}),
        World((Exporter(labels(0), (Target(second),)),), T + 3600, external={"cluster": "west"}),
    )


CASES: Final[tuple[Case, ...]] = (
    case(
        "sidecars-quiet",
        "two sidecars in one job call their targets `default`, and all is well",
        "nothing is wrong",
        partial(sidecars, Server(fleet_named("a")), Server(fleet_named("b"))),
    ),
    case(
        "sidecars-one-server-down",
        "the server of one of two sidecars is down that call their targets `default`",
        "a server is down, and that another one of that name is well does not help its runners",
        partial(sidecars, Server(fleet_named("a")), away("b")),
        UNREACHABLE,
    ),
    case(
        "sidecars-death",
        "a runner of one of the two dies at work",
        "its work is abandoned, whatever the target is called",
        partial(sidecars, Server(fleet_named("a")), SERVER),
        death(VICTIM),
    ),
    case(
        "servers-one-down",
        "one of three servers of an exporter is down",
        "one page, with its name",
        lambda: watched(
            Target(Server(fleet_named("a")), "alpha"),
            Target(away("b"), "beta"),
            Target(Server(fleet_named("c")), "gamma"),
            lasts=T + 3600,
        ),
        page("ServerUnreachable", by=T + 300 + 120, server="beta"),
    ),
    case(
        "servers-one-down-death-on-another",
        "the same, and a runner of another server dies at work",
        "two causes, two pages",
        lambda: watched(Target(SERVER, "alpha"), Target(away("b"), "beta"), lasts=T + 3600),
        page("ServerUnreachable", by=T + 300 + 120, server="beta"),
        death(VICTIM, server="alpha"),
    ),
    case(
        "exporters-one-down",
        "two exporters of one job watch other servers, and one is down",
        "nobody else watches its server: a page",
        lambda: pair(
            Exporter(labels(0), (Target(QUIET, "alpha"),)),
            Exporter(labels(1), (Target(Server(fleet_named("b")), "beta"),), down=((T, T + 1800),)),
        ),
        page("ExporterDown", by=T + 300 + 90),
    ),
    case(
        "exporters-one-down-death-on-another",
        "the same, and a runner of the other server dies at work",
        "two causes, two pages: an exporter that is down mutes what others see by no means",
        lambda: pair(
            Exporter(labels(0), (Target(Server((*QUIET.runners, LATER)), "alpha"),)),
            Exporter(labels(1), (Target(Server(fleet_named("b")), "beta"),), down=((T, T + 1800),)),
        ),
        page("ExporterDown", by=T + 300 + 90),
        death(LATER, moment=T + 900),
    ),
    case(
        "namespaces-one-down",
        "production and staging are namespaces of one job; staging's exporter is down",
        "production's exporter does not watch staging: a page, not `the other sees all`",
        lambda: pair(
            Exporter(labels(0, namespace="production"), (Target(QUIET),)),
            Exporter(
                labels(1, namespace="staging"),
                (Target(Server(fleet_named("s"))),),
                down=((T, T + 1800),),
            ),
        ),
        page("ExporterDown", by=T + 300 + 90, namespace="staging"),
    ),
    case(
        "namespaces-server-down-and-death",
        "staging's server is down, and a runner of production dies at work; both targets have "
        "the same name",
        "two causes, two pages: namespaces mute each other by no means",
        lambda: pair(
            Exporter(labels(0, namespace="production"), (Target(Server((*QUIET.runners, LATER))),)),
            Exporter(labels(1, namespace="staging"), (Target(away("s")),)),
        ),
        page("ServerUnreachable", by=T + 300 + 120, namespace="staging"),
        death(LATER, moment=T + 900),
    ),
    case(
        "jobs-one-lost",
        "one of two jobs disappears from Prometheus's configuration",
        "a server that was watched is watched by nobody: one page",
        partial(lost, "agents-beta"),
        page("ExporterDown", "ExporterAbsent", by=T + 900 + 330),
    ),
    case(
        "job-of-any-name-quiet",
        "the only job is called otherwise",
        "names are the operator's",
        lambda: watched(
            Target(QUIET), labels={"job": "fleet/monitoring", "instance": "x:1"}, lasts=T + 5400
        ),
    ),
    case(
        "job-of-any-name-down",
        "the exporter of a job that is called otherwise is down",
        "a page, and one: that no job of the usual name is there is no news",
        lambda: watched(
            Target(QUIET),
            labels={"job": "fleet/monitoring", "instance": "x:1"},
            down=((T, T + 2400),),
            lasts=T + 3600,
        ),
        page("ExporterDown", by=T + 300 + 90),
    ),
    case(
        "job-of-any-name-lost",
        "the only job, called otherwise, disappears from Prometheus's configuration",
        "nobody watches: one page",
        lambda: World(
            (
                Exporter(
                    {"job": "fleet/monitoring", "instance": "x:1"},
                    (Target(QUIET),),
                    present=(-inf, T),
                ),
            ),
            T + 2 * HOUR,
        ),
        page("ExporterDown", "ExporterAbsent", by=T + 900 + 330),
    ),
    case(
        "target-removed",
        "a target is taken out of the exporter's settings",
        "on purpose: silence",
        lambda: watched(
            Target(QUIET, "alpha"),
            Target(Server(fleet_named("b")), "beta", configured=(-inf, T)),
            lasts=T + 2 * HOUR,
        ),
    ),
    case(
        "principal-removed",
        "one principal of two is taken out of the exporter's settings",
        "on purpose: silence",
        lambda: watched(
            Target(
                Server(
                    (
                        *working(6),
                        *(
                            Runner(one.id, principal="service:other", phase=one.phase)
                            for one in fleet_named("o", 6)
                        ),
                    )
                ),
                principals=("service:runners", "service:other"),
                principal_configured={"service:other": (-inf, T)},
            ),
            lasts=T + 2 * HOUR,
        ),
    ),
    case(
        "exporter-moves",
        "the exporter moves to another host, and its instance is another one",
        "it watches the same as before",
        lambda: pair(
            Exporter(labels(0), (Target(QUIET),), present=(-inf, T + 30), down=((T, inf),)),
            Exporter(labels(1), (Target(QUIET),), present=(T, inf), down=((-900, T + 10),)),
            T + 2 * HOUR,
        ),
    ),
    case(
        "clusters-one-ruler-quiet",
        "one ruler evaluates two clusters with the same names",
        "no rule may fail, and nothing is wrong",
        partial(clusters, QUIET, QUIET),
    ),
    case(
        "clusters-one-ruler-two-causes",
        "one cluster's server is down, and in the other one a runner dies at work",
        "clusters mute each other by no means",
        partial(clusters, away(), Server((*QUIET.runners, victim(T + 900)))),
        page("ServerUnreachable", by=T + 300 + 120, cluster="east"),
        death(victim(T + 900), moment=T + 900, cluster="west"),
    ),
    case(
        "clusters-one-ruler-exporter-down",
        "one cluster's exporter is down, and in the other one a runner dies at work",
        "the same",
        lambda: clusters(Server((*QUIET.runners, victim(T + 900))), QUIET, down=((T, T + 2400),)),
        page("ExporterDown", by=T + 300 + 90, cluster="west"),
        death(victim(T + 900), moment=T + 900, cluster="east"),
    ),
    Case(
        "clusters-two-prometheus",
        "two clusters with a Prometheus each: one's server is down, in the other a runner dies",
        "clusters mute each other by no means",
        partial(two_prometheus, away(), Server((*QUIET.runners, victim(T + 900)))),
        (
            page("ServerUnreachable", by=T + 300 + 120, cluster="east"),
            death(victim(T + 900), moment=T + 900, cluster="west"),
        ),
    ),
    case(
        "service-monitor-death",
        "a ServiceMonitor's labels, evaluated every 30 s; a runner dies at work",
        "the page may come an evaluation later",
        partial(kubernetes, SERVER),
        death(VICTIM, 15),
    ),
    case(
        "pod-monitor-death",
        "two replicas by a PodMonitor's labels, evaluated every 30 s; a runner dies at work",
        "one page",
        partial(kubernetes, SERVER, 2, service=False),
        death(VICTIM, 15),
    ),
    case(
        "service-monitor-server-down",
        "a ServiceMonitor's labels; the server is down",
        "one page",
        partial(kubernetes, away(), lasts=T + 3600),
        page("ServerUnreachable", by=T + 300 + 150),
    ),
    case(
        "service-monitor-pod-replaced",
        "the exporter's pod is replaced by another one",
        "a deployment, no more",
        replaced_pod,
    ),
)
