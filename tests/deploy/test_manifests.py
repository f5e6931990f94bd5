"""What kustomize and Helm make of deploy/, held to schemas and to what stands elsewhere."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from alert_values import load as alert_values
from electric_agents_exporter.cli import build_parser
from electric_agents_exporter.settings.faults import SettingsFault
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.model import Settings
from pod_security import faults
from programs import ROOT
from release_tools import tool

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

KUBERNETES = ("1.28", "1.34")
"""The oldest that Helm's chart admits and that this is for, and a newer one."""
CHART = ROOT / "deploy/helm/electric-agents-exporter"
OPERATOR = str(ROOT / "scripts/operator_objects.py")
WORKLOADS = ("Deployment", "StatefulSet")
MADE = {
    "kustomize": ["kubectl", "kustomize", "deploy/kubernetes/complete"],
    "kustomize-sharded": ["kubectl", "kustomize", "deploy/kubernetes/complete-sharded"],
    "helm": ["helm", "template", "try", str(CHART), "--namespace=monitoring"],
    "helm-sharded": ["helm", "template", "try", str(CHART), "--set=shards=3,secretName=token"],
}
SHARDED = [name for name in MADE if name.endswith("sharded")]
Objects = list[dict[str, Any]]


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [tool(name), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Render each way to deploy, once."""
    folder = tmp_path_factory.mktemp("manifests")
    files = {}
    for way, command in MADE.items():
        done = run(*command)
        assert done.returncode == 0, done.stderr
        files[way] = folder / f"{way}.yaml"
        files[way].write_text(done.stdout)
    return files


@pytest.fixture(params=MADE)
def manifest(request: pytest.FixtureRequest, manifests: dict[str, Path]) -> Path:
    return manifests[request.param]


@pytest.fixture
def objects(manifest: Path) -> Objects:
    return list(yaml.safe_load_all(manifest.read_text()))


def of_kind(objects: Objects, *kinds: str) -> dict[str, Any]:
    (found,) = [each for each in objects if each["kind"] in kinds]
    return found


def pod_of(objects: Objects) -> dict[str, Any]:
    template: dict[str, Any] = of_kind(objects, *WORKLOADS)["spec"]["template"]
    return template


def container_of(objects: Objects) -> dict[str, Any]:
    (container,) = pod_of(objects)["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def settings_of(objects: Objects, folder: Path, environ: dict[str, str]) -> Settings:
    """Read the settings as a pod does that is given these variables."""
    (settings,) = [each for each in objects if "config.yaml" in each.get("data", {})]
    path = folder / "config.yaml"
    path.write_text(settings["data"]["config.yaml"])
    return load(path, {}, environ=environ)


@pytest.mark.parametrize("version", KUBERNETES)
def test_objects_are_of_kubernetes_own_types_and_nothing_is_unknown_there(
    manifest: Path, objects: Objects, version: str, tmp_path: Path
) -> None:
    # Those of the operator are no types of Kubernetes.
    own = [each for each in objects if not each["apiVersion"].startswith("monitoring.coreos.com/")]
    path = tmp_path / manifest.name
    path.write_text(yaml.safe_dump_all(own))
    done = run("kubernetes-validate", "--kubernetes-version", version, "--strict", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count(" passed ") == len(own)


def test_objects_for_the_prometheus_operator_are_of_its_types(manifest: Path) -> None:
    done = run("python", OPERATOR, str(manifest))
    assert (done.returncode, done.stdout) == (0, "2 objects\n"), done.stderr


def test_a_misspelt_field_of_the_operators_is_found(objects: Objects, tmp_path: Path) -> None:
    monitor = of_kind(objects, "ServiceMonitor", "PodMonitor")
    monitor["spec"]["sampleLimits"] = 1
    path = tmp_path / "monitor.yaml"
    path.write_text(yaml.safe_dump(monitor))
    assert run("python", OPERATOR, str(path)).returncode == 1


def test_pods_keep_to_the_standard_restricted_and_write_nothing(objects: Objects) -> None:
    pod = pod_of(objects)["spec"]
    assert faults(pod) == []
    assert pod["automountServiceAccountToken"] is False
    assert container_of(objects)["securityContext"]["readOnlyRootFilesystem"] is True
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"USER {pod['securityContext']['runAsUser']}:" in dockerfile


def test_services_budgets_policies_and_monitors_find_the_pods(objects: Objects) -> None:
    labels = pod_of(objects)["metadata"]["labels"].items()
    selectors = [
        of_kind(objects, "Service")["spec"]["selector"],
        of_kind(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        of_kind(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        of_kind(objects, *WORKLOADS)["spec"]["selector"]["matchLabels"],
    ]
    assert all(selector and selector.items() <= labels for selector in selectors)
    monitor = of_kind(objects, "ServiceMonitor", "PodMonitor")
    scraped = of_kind(objects, "Service")["metadata"]["labels"].items()
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    assert wanted <= (scraped if monitor["kind"] == "ServiceMonitor" else labels)


def test_probes_ports_and_monitors_name_the_port_that_the_exporter_serves(
    objects: Objects, tmp_path: Path
) -> None:
    container = container_of(objects)
    (port,) = container["ports"]
    assert settings_of(objects, tmp_path, {}).listen == f":{port['containerPort']}"
    monitor = of_kind(objects, "ServiceMonitor", "PodMonitor")["spec"]
    (endpoint,) = monitor.get("endpoints") or monitor["podMetricsEndpoints"]
    named = [
        container["readinessProbe"]["httpGet"]["port"],
        container["livenessProbe"]["httpGet"]["port"],
        of_kind(objects, "Service")["spec"]["ports"][0]["targetPort"],
        of_kind(objects, "NetworkPolicy")["spec"]["ingress"][0]["ports"][0]["port"],
        endpoint["port"],
    ]
    assert set(named) == {port["name"]}
    assert container["readinessProbe"]["httpGet"]["path"] == "/-/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/-/healthy"


def test_the_scrape_job_is_called_as_the_alerts_call_it(objects: Objects) -> None:
    monitor = of_kind(objects, "ServiceMonitor", "PodMonitor")["spec"]
    (endpoint,) = monitor.get("endpoints") or monitor["podMetricsEndpoints"]
    job = {"targetLabel": "job", "replacement": alert_values().job}
    assert job in endpoint["relabelings"]


def test_the_settings_are_settings_and_the_container_reads_them(
    objects: Objects, tmp_path: Path
) -> None:
    (target,) = settings_of(objects, tmp_path, {}).targets
    assert target.name == "production"
    (settings,) = [each for each in objects if "config.yaml" in each.get("data", {})]
    pod = pod_of(objects)["spec"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "config"]
    assert volume["configMap"]["name"] == settings["metadata"]["name"]
    container = container_of(objects)
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == "config"]
    assert f"{mount['mountPath']}/config.yaml" in container["args"]


def test_rules_and_boards_are_those_of_their_folders_and_none_is_lost(objects: Objects) -> None:
    shipped = yaml.safe_load((ROOT / "alerts/kubernetes/prometheus-rule.yaml").read_text())
    assert of_kind(objects, "PrometheusRule")["spec"] == shipped["spec"]
    boards = {
        name: json.loads(text)
        for each in objects
        if each["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
        for name, text in each["data"].items()
    }
    folder = (ROOT / "dashboards").glob("*.json")
    assert boards == {f"electric-agents-{p.name}": json.loads(p.read_text()) for p in folder}


@pytest.mark.parametrize("way", SHARDED)
def test_shards_know_their_number_and_each_its_own_place(
    manifests: dict[str, Path], way: str, tmp_path: Path
) -> None:
    objects = list(yaml.safe_load_all(manifests[way].read_text()))
    stateful = of_kind(objects, "StatefulSet")
    variables = {each["name"]: each for each in container_of(objects)["env"]}
    count = variables["ELECTRIC_AGENTS_EXPORTER_SHARD__COUNT"]["value"]
    assert count == str(stateful["spec"]["replicas"]) == "3"
    index = variables["ELECTRIC_AGENTS_EXPORTER_SHARD__INDEX"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert index == "metadata.labels['apps.kubernetes.io/pod-index']"
    assert stateful["spec"]["serviceName"] == of_kind(objects, "Service")["metadata"]["name"]
    given = {name: each.get("value", "2") for name, each in variables.items()}
    shard = settings_of(objects, tmp_path, given).shard
    assert (shard.index, shard.count) == (2, 3)


def test_a_pod_too_many_says_so_and_does_not_start() -> None:
    prefix = "ELECTRIC_AGENTS_EXPORTER_SHARD__"
    with pytest.raises(SettingsFault, match="INDEX: expected less than count"):
        load(
            ROOT / "deploy/kubernetes/base/config.yaml",
            {},
            environ={f"{prefix}INDEX": "3", f"{prefix}COUNT": "3"},
        )


def example(language: str, holding: str) -> str:
    """Give the README's one block of code that holds something."""
    text = (ROOT / "deploy/README.md").read_text()
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    (found,) = [block for block in blocks if holding in block]
    return found


def test_the_kustomization_of_the_readme_gives_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "electric-agents-exporter").symlink_to(ROOT)
    (tmp_path / "kustomization.yaml").write_text(example("yaml", "kind: Kustomization"))
    (tmp_path / "config.yaml").write_text("targets: []\n")
    done = run("kubectl", "kustomize", str(tmp_path))
    assert done.returncode == 0, done.stderr
    objects = list(yaml.safe_load_all(done.stdout))
    assert of_kind(objects, "StatefulSet")["spec"]["replicas"] == 5
    container = container_of(objects)
    assert container["env"][1] == {"name": "ELECTRIC_AGENTS_EXPORTER_SHARD__COUNT", "value": "5"}
    assert container["image"].startswith("registry.internal/electric-agents-exporter:")
    (settings,) = [each for each in objects if "config.yaml" in each.get("data", {})]
    assert settings["data"]["config.yaml"] == "targets: []\n"


def test_the_values_of_the_readme_are_values_and_settings(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(example("yaml", "shards: 5"))
    done = run("helm", "template", "agents", str(CHART), f"--values={values}")
    assert done.returncode == 0, done.stderr
    objects = list(yaml.safe_load_all(done.stdout))
    with pytest.raises(SettingsFault) as fault:
        settings_of(objects, tmp_path, {})
    # The secret's file is in the pod alone.
    (told,) = fault.value.faults
    assert "bearer_token_file: cannot be read" in str(told)
    (settings,) = [each for each in objects if "config.yaml" in each.get("data", {})]
    (target,) = yaml.safe_load(settings["data"]["config.yaml"])["targets"]
    (mount,) = [m for m in container_of(objects)["volumeMounts"] if m["name"] == "secrets"]
    assert target["bearer_token_file"].startswith(mount["mountPath"])


BAD_VALUES = {
    "shards=0": "/shards",
    "shard=3": "'shard' not allowed",
    "config.shard.index=1": "/config/shard",
    "config.listen=:9090": "/config/listen",
    "config.targets=null": "targets",
    "monitor.interval=15": "/monitor/interval",
    "image.repository=": "/image/repository",
}


@pytest.mark.parametrize("value, place", BAD_VALUES.items())
def test_helm_refuses_values_that_mean_nothing_and_says_where(value: str, place: str) -> None:
    done = run("helm", "template", "try", str(CHART), f"--set={value}")
    assert done.returncode == 1
    assert place in done.stderr


PREFIX = "config.web.route_prefix"
TLS = "config.web.tls.cert_file=/run/secrets/electric-agents-exporter/tls.crt"
MUTUAL = "config.web.tls.client_auth_type=RequireAndVerifyClientCert"
USER = "config.web.basic_auth_users.prometheus=hash"
TOOLKIT = "config.web.config_file=/run/secrets/electric-agents-exporter/web.yml"


def served(*values: str) -> Objects:
    """Render the chart for an exporter that serves so."""
    done = run("helm", "template", "try", str(CHART), *(f"--set={each}" for each in values))
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def asked(objects: Objects) -> set[str]:
    """Give how probes and monitor ask, each by its URL without a host."""
    container = container_of(objects)
    found = set()
    for probe in ("readinessProbe", "livenessProbe"):
        get = container[probe]["httpGet"]
        found.add(f"{get.get('scheme', 'HTTP').lower()}:{get['path']}")
    monitor = of_kind(objects, "ServiceMonitor", "PodMonitor")["spec"]
    (endpoint,) = monitor.get("endpoints") or monitor["podMetricsEndpoints"]
    return {*found, f"{endpoint.get('scheme', 'http')}:{endpoint.get('path', '/metrics')}"}


def urls(scheme: str, prefix: str) -> set[str]:
    return {f"{scheme}:{prefix}/{path}" for path in ("-/ready", "-/healthy", "metrics")}


@pytest.mark.parametrize("shards", ["shards=1", "shards=3"])
@pytest.mark.parametrize(
    "values, expected",
    [
        ([], urls("http", "")),
        ([f"{PREFIX}=/exporter"], urls("http", "/exporter")),
        ([f"{PREFIX}=a/b/"], urls("http", "/a/b")),
        ([f"{PREFIX}=/"], urls("http", "")),
        ([TLS], urls("https", "")),
        ([TLS, f"{PREFIX}=/exporter"], urls("https", "/exporter")),
        ([TLS, USER, "probes=http"], urls("https", "")),
    ],
)
def test_probes_and_prometheus_ask_as_the_settings_say_that_it_serves(
    values: list[str], expected: set[str], shards: str
) -> None:
    assert asked(served(shards, *values)) == expected


@pytest.mark.parametrize("values", [[USER], [TLS, MUTUAL], [TOOLKIT], ["probes=command"]])
def test_where_not_everybody_is_let_in_a_command_asks_how_it_is(values: list[str]) -> None:
    container = container_of(served(*values))
    for probe in ("readinessProbe", "livenessProbe"):
        program, *arguments = container[probe]["exec"]["command"]
        assert f'ENTRYPOINT ["{program}"]' in (ROOT / "Dockerfile").read_text()
        assert str(build_parser().parse_args(arguments).config) == container["args"][-1]


def test_what_prometheus_is_told_by_hand_holds() -> None:
    told = {"scheme": "https", "path": "/through/a/proxy", "tlsConfig": {"serverName": "a.test"}}
    value = json.dumps(told)
    done = run("helm", "template", "try", str(CHART), f"--set-json=monitor.endpoint={value}")
    objects = list(yaml.safe_load_all(done.stdout))
    (endpoint,) = of_kind(objects, "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint.items() >= told.items()
    assert endpoint["port"] == "metrics"


def test_the_values_of_the_readme_for_who_serves_by_tls_are_values_and_settings(
    tmp_path: Path,
) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(example("yaml", "route_prefix:"))
    done = run("helm", "template", "agents", str(CHART), f"--values={values}")
    assert done.returncode == 0, done.stderr
    (tmp_path / "made.yaml").write_text(done.stdout)
    assert run("python", OPERATOR, str(tmp_path / "made.yaml")).returncode == 0
    with pytest.raises(SettingsFault) as fault:
        settings_of(list(yaml.safe_load_all(done.stdout)), tmp_path, {})
    # The secret's files are in the pod alone.
    told = {str(each).rpartition(": ")[2] for each in fault.value.faults}
    assert told == {"No such file or directory"}


def test_helm_has_nothing_against_the_chart() -> None:
    done = run("helm", "lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_value_of_the_chart_is_in_its_schema_and_every_one_is_used() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(values) == set(schema["properties"]) - {"global"}
    templates = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    assert set(re.findall(r"\.Values\.([A-Za-z]+)", templates)) == set(values)
