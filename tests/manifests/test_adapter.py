"""The adapter's base: names, ports and labels that agree, a pod without rights on its node, and no more RBAC than a table says."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from adapter import settings
from adapter.api import paths
from autoscaler.cli import adapter as command
from tests.manifests import reading
from tests.manifests.reading import Manifest

BASE = "base/adapter"
POD = reading.one("Deployment", BASE)["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]
SERVICE = reading.one("Service", BASE)
(PORT,) = SERVICE["spec"]["ports"]
CLUSTER_SCOPED = {"Namespace", "APIService", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
OBJECTS = [found for found in reading.everything() if found.kind and found.kind not in {"Kustomization", "Component"}]


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


# As files


@pytest.mark.parametrize("found", reading.everything(), ids=lambda found: f"{found.file}:{found.kind}")
def test_no_manifest_turns_verification_off_or_holds_a_secret(found: Manifest) -> None:
    for mapping in reading.mappings(found.document):
        for key in mapping:
            assert key.lower().replace("_", "") not in {"insecureskiptlsverify", "insecureskipverify"}, found.file
        assert mapping.get("kind") != "Secret"


@pytest.mark.parametrize("found", OBJECTS, ids=lambda found: f"{found.file}:{found.name}")
def test_every_object_says_its_kind_its_name_and_its_namespace(found: Manifest) -> None:
    assert found.document["apiVersion"]
    assert found.name
    assert ("namespace" in found.document["metadata"]) == (found.kind not in CLUSTER_SCOPED)


def test_every_file_is_listed_by_its_kustomization_and_every_listed_one_is_there() -> None:
    for path in reading.ROOT.rglob("kustomization.yaml"):
        told = yaml.safe_load(path.read_text())
        listed = [*told.get("resources", ()), *(patch["path"] for patch in told.get("patches", []) if "path" in patch)]
        listed += [file for each in told.get("configMapGenerator", ()) for file in each["files"]]
        assert all((path.parent / each).exists() for each in (*listed, *told.get("components", ()))), path
        own = {each.name for each in path.parent.iterdir() if each.suffix in (".yaml", ".json")} - {
            "kustomization.yaml",
            "adapter-scrape.yaml",
            "prices.yaml",
            *(each.name for each in path.parent.glob("scaler*.yaml")),
        }
        assert own == {each for each in listed if each.endswith((".yaml", ".json"))}, path


def test_no_kustomization_moves_the_role_binding_out_of_kube_system() -> None:
    # kustomize's `namespace` takes every object along, this one too, and the front proxy's CA could not be read any more.
    everywhere = [*reading.of_kind("Kustomization"), *reading.of_kind("Kustomization", "overlays")]
    for found in [*everywhere, *reading.of_kind("Component", "components")]:
        assert "namespace" not in found.document, found.file
    (binding,) = [found for found in reading.of_kind("RoleBinding") if found.document["metadata"]["namespace"] == "kube-system"]
    assert binding.document["roleRef"]["name"] == "extension-apiserver-authentication-reader"


# The pod


def test_the_pod_runs_as_nobody_and_can_write_nowhere_but_its_tmp() -> None:
    pod, container = POD["spec"]["securityContext"], CONTAINER["securityContext"]

    assert pod["runAsNonRoot"] is True
    assert pod["runAsUser"] > 0
    assert pod["runAsGroup"] > 0
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    writable = [mount["mountPath"] for mount in CONTAINER["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["/tmp"]


@pytest.mark.parametrize("key", ["hostNetwork", "hostPID", "hostIPC", "initContainers", "hostAliases"])
def test_the_pod_takes_nothing_of_its_node(key: str) -> None:
    assert key not in POD["spec"]
    assert not [volume for volume in POD["spec"]["volumes"] if "hostPath" in volume]


def test_the_namespace_enforces_what_the_pod_keeps_to() -> None:
    assert reading.one("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_probes_ask_the_serving_port_over_tls_and_only_readiness_asks_for_readiness() -> None:
    expected = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}

    for probe, path in expected.items():
        assert CONTAINER[probe]["httpGet"] == {"path": path, "port": "https", "scheme": "HTTPS"}
        assert isinstance(paths.parse("GET", path), paths.Probe)


def test_the_pod_has_bounds_and_time_to_drain() -> None:
    assert CONTAINER["resources"]["limits"]["memory"]
    assert CONTAINER["resources"]["requests"]["cpu"]
    # The default drain is 10 s, then 5 s of grace for requests under way.
    assert POD["spec"]["terminationGracePeriodSeconds"] >= 20


def test_two_replicas_never_stop_together() -> None:
    deployment, budget = reading.one("Deployment", BASE)["spec"], reading.one("PodDisruptionBudget", BASE)["spec"]

    assert deployment["replicas"] == 2
    assert budget["minAvailable"] == 1
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_arguments_are_ones_that_the_command_has() -> None:
    name, *arguments = CONTAINER["args"]
    options = {option.replace("_", "-") for option in command.serve.__annotations__}

    assert name == "adapter"
    for argument in arguments:
        assert argument.removeprefix("--").partition("=")[0] in options, argument


# What belongs together


def test_everything_that_selects_the_pods_selects_them() -> None:
    labels = POD["metadata"]["labels"]
    selectors = [
        reading.one("Deployment", BASE)["spec"]["selector"]["matchLabels"],
        reading.one("PodDisruptionBudget", BASE)["spec"]["selector"]["matchLabels"],
        reading.one("NetworkPolicy", BASE)["spec"]["podSelector"]["matchLabels"],
        SERVICE["spec"]["selector"],
        *(each["labelSelector"]["matchLabels"] for each in POD["spec"]["topologySpreadConstraints"]),
    ]

    assert all(selector and selects(selector, labels) for selector in selectors)


def test_the_service_the_container_and_the_network_policy_speak_of_one_port() -> None:
    (container_port,) = CONTAINER["ports"]
    (ingress,) = reading.one("NetworkPolicy", BASE)["spec"]["ingress"]

    assert f"--port={container_port['containerPort']}" in CONTAINER["args"]
    assert PORT["targetPort"] == container_port["name"] == ingress["ports"][0]["port"] == "https"


@pytest.mark.parametrize(
    "found", reading.of_kind("APIService") + reading.of_kind("APIService", "components"), ids=lambda found: found.name
)
def test_an_api_service_leads_to_the_service(found: Manifest) -> None:
    spec = found.document["spec"]

    assert found.name == f"{spec['version']}.{spec['group']}"
    assert spec["service"] == {
        "name": SERVICE["metadata"]["name"],
        "namespace": SERVICE["metadata"]["namespace"],
        "port": PORT["port"],
    }
    assert f"--service={spec['service']['name']}" in CONTAINER["args"]
    assert "caBundle" not in spec, "the adapter writes its own"


def test_the_api_services_are_the_versions_that_are_served_and_the_preferred_one_comes_first() -> None:
    served = paths.Groups(external=paths.EXTERNAL_GROUP).versions()
    base, component = reading.of_kind("APIService"), reading.of_kind("APIService", "components")

    assert {found.name for found in base} == {f"{version}.{paths.CUSTOM_GROUP}" for version in served[paths.CUSTOM_GROUP]}
    assert {found.name for found in component} == {f"{version}.{paths.EXTERNAL_GROUP}" for version in served[paths.EXTERNAL_GROUP]}
    by_priority = sorted(base, key=lambda found: -found.document["spec"]["versionPriority"])
    assert [found.document["spec"]["version"] for found in by_priority] == list(paths.CUSTOM_VERSIONS)


def test_serving_the_external_group_is_one_more_argument() -> None:
    (patch,) = reading.one("Component", "components/external-metrics")["patches"]

    assert yaml.safe_load(patch["patch"]) == [
        {"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--external"}
    ]
    assert patch["target"] == {"kind": "Deployment", "name": reading.one("Deployment", BASE)["metadata"]["name"]}


# Its configuration


def test_the_shipped_configuration_is_a_good_one() -> None:
    config = reading.one("ConfigMap")
    (name,) = config["data"]

    read = settings.parse(config["data"][name])

    assert {rule.metric for rule in read.rules} >= {"gpu_utilization", "inference_queue_size", "DCGM_FI_DEV_GPU_UTIL"}
    (volume,) = [each for each in POD["spec"]["volumes"] if each["name"] == "config"]
    (mount,) = [each for each in CONTAINER["volumeMounts"] if each["name"] == "config"]
    assert volume["configMap"]["name"] == config["metadata"]["name"]
    assert f"--config={mount['mountPath']}/{name}" in CONTAINER["args"]


# Its rights

ADAPTER = {
    ("", "pods", "list"),
    ("", "pods", "watch"),
    ("apps", "replicasets", "list"),
    ("apps", "replicasets", "watch"),
    ("discovery.k8s.io", "endpointslices", "list"),
    ("discovery.k8s.io", "endpointslices", "watch"),
    ("", "nodes", "list"),
    ("", "nodes", "watch"),
    ("apiregistration.k8s.io", "apiservices", "get"),
    ("apiregistration.k8s.io", "apiservices", "patch"),
}
READER = {
    (group, "*", verb) for group in ("custom.metrics.k8s.io", "external.metrics.k8s.io") for verb in ("get", "list")
}  # fmt: skip
NAMESPACED = {("", "secrets", "create"), ("", "secrets", "get"), ("", "secrets", "update")}


def granted(role: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule.get("apiGroups", ())
        for resource in rule.get("resources", ())
        for verb in rule["verbs"]
    }


def role(kind: str, name: str) -> Mapping[str, Any]:
    (found,) = [each.document for each in reading.of_kind(kind, BASE) if each.name == name]
    return found


def test_the_adapter_may_do_what_this_table_says_and_nothing_else() -> None:
    roles = {(found.kind, found.name) for kind in ("ClusterRole", "Role") for found in reading.of_kind(kind, BASE)}

    assert roles == {("ClusterRole", "leadtime-adapter"), ("ClusterRole", "leadtime-adapter-reader"), ("Role", "leadtime-adapter")}
    assert granted(role("ClusterRole", "leadtime-adapter")) == ADAPTER
    assert granted(role("Role", "leadtime-adapter")) == NAMESPACED


def test_what_can_be_changed_is_named() -> None:
    for kind in ("ClusterRole", "Role"):
        for rule in role(kind, "leadtime-adapter")["rules"]:
            # `create` cannot be limited to a name: the name is not known to the authoriser.
            if set(rule["verbs"]) - {"list", "watch", "create"}:
                assert rule["resourceNames"]
    (apiservices,) = [rule for rule in role("ClusterRole", "leadtime-adapter")["rules"] if rule["resources"] == ["apiservices"]]
    served = paths.Groups(external=paths.EXTERNAL_GROUP).versions()
    assert set(apiservices["resourceNames"]) == {f"{version}.{group}" for group, versions in served.items() for version in versions}


def test_readers_may_read_metrics_and_explanations_and_the_adapter_itself_is_none() -> None:
    reader = role("ClusterRole", "leadtime-adapter-reader")

    assert granted(reader) == READER
    assert [rule for rule in reader["rules"] if "nonResourceURLs" in rule] == [
        {"nonResourceURLs": ["/metrics", "/explain/*"], "verbs": ["get"]}
    ]


def test_every_binding_gives_a_role_that_there_is_to_the_adapters_account() -> None:
    account = reading.one("ServiceAccount", BASE)["metadata"]
    bindings = [found.document for kind in ("ClusterRoleBinding", "RoleBinding") for found in reading.of_kind(kind, BASE)]

    given = {(binding["roleRef"]["kind"], binding["roleRef"]["name"]) for binding in bindings}
    assert given == {
        ("ClusterRole", "leadtime-adapter"),
        ("ClusterRole", "system:auth-delegator"),
        ("Role", "leadtime-adapter"),
        ("Role", "extension-apiserver-authentication-reader"),
    }
    for binding in bindings:
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}]
    assert POD["spec"]["serviceAccountName"] == account["name"]
