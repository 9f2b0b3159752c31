"""The autoscaler's base: a pod without rights on its node, and rights in three parts, of which one alone can change a workload."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from autoscaler import daemon, endpoint
from autoscaler.cli import autoscaler as command
from autoscaler.cluster.memories import Memories
from autoscaler.leadership import Timing
from tests.autoscaler.inmemory import World
from tests.manifests import reading

BASE = "base/autoscaler"
DEPLOYMENT = reading.one("Deployment", BASE)
POD = DEPLOYMENT["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]
SERVICE = reading.one("Service", BASE)
ACCOUNT = {"kind": "ServiceAccount", "name": "leadtime-autoscaler", "namespace": "leadtime"}

Right = tuple[str, str, str]


def granted(role: Mapping[str, Any]) -> set[Right]:
    return {
        (group, resource, verb)
        for rule in role.get("rules", ())
        for group in rule.get("apiGroups", ())
        for resource in rule.get("resources", ())
        for verb in rule["verbs"]
    }


def role(name: str, kind: str = "ClusterRole", folder: str = BASE) -> Mapping[str, Any]:
    (found,) = [each.document for each in reading.of_kind(kind, folder) if each.name == name]
    return found


def bindings() -> dict[str, Mapping[str, Any]]:
    found = reading.of_kind("ClusterRoleBinding", BASE) + reading.of_kind("RoleBinding", BASE)
    return {each.name: each.document for each in found}


# The pod


def test_the_pod_runs_as_nobody_and_can_write_nowhere_but_its_tmp_and_its_state() -> None:
    pod, container = POD["spec"]["securityContext"], CONTAINER["securityContext"]

    assert pod["runAsNonRoot"] is True
    assert pod["runAsUser"] > 0
    assert pod["runAsGroup"] > 0
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert [mount["mountPath"] for mount in CONTAINER["volumeMounts"] if not mount.get("readOnly")] == ["/tmp", "/var/lib/leadtime"]
    assert "--state-dir=/var/lib/leadtime" in CONTAINER["args"]


@pytest.mark.parametrize("key", ["hostNetwork", "hostPID", "hostIPC", "initContainers", "hostAliases"])
def test_the_pod_takes_nothing_of_its_node(key: str) -> None:
    assert key not in POD["spec"]
    assert not [volume for volume in POD["spec"]["volumes"] if "hostPath" in volume]


def test_a_volume_of_a_claim_can_be_written_by_whom_the_pod_runs_as() -> None:
    context = POD["spec"]["securityContext"]

    assert context["fsGroup"] == context["runAsGroup"]


def test_probes_ask_pages_that_there_are() -> None:
    expected = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    pages = endpoint.Endpoint(authenticator=None, authorizer=None, checks=list, render=bytes)._pages  # type: ignore[arg-type]

    for probe, path in expected.items():
        assert CONTAINER[probe]["httpGet"] == {"path": path, "port": "https", "scheme": "HTTPS"}
        assert path in pages


def test_the_pod_has_bounds_and_time_to_put_its_work_down() -> None:
    assert CONTAINER["resources"]["limits"]["memory"]
    assert CONTAINER["resources"]["requests"]["cpu"]
    # The work has until the renewal's deadline at most, then comes the release.
    assert POD["spec"]["terminationGracePeriodSeconds"] > Timing().renew_deadline_s + 2 * Timing().request_s


def test_a_leader_and_a_standby_never_stop_together() -> None:
    assert DEPLOYMENT["spec"]["replicas"] == 2
    assert reading.one("PodDisruptionBudget", BASE)["spec"]["minAvailable"] == 1
    assert DEPLOYMENT["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_arguments_are_ones_that_the_command_has_and_every_replica_has_a_name_of_its_own() -> None:
    name, *arguments = CONTAINER["args"]
    options = {option.replace("_", "-") for option in command.steer.__annotations__}

    assert name == "autoscaler"
    for argument in arguments:
        assert argument.removeprefix("--").partition("=")[0] in options, argument
    assert {each["name"]: each.get("valueFrom") for each in CONTAINER["env"]}["POD_NAME"] == {
        "fieldRef": {"fieldPath": "metadata.name"}
    }


def test_the_service_the_container_and_the_network_policy_speak_of_one_port() -> None:
    (port,) = CONTAINER["ports"]
    (service_port,) = SERVICE["spec"]["ports"]
    (ingress,) = reading.one("NetworkPolicy", BASE)["spec"]["ingress"]

    assert f"--port={port['containerPort']}" in CONTAINER["args"]
    assert f"--service={SERVICE['metadata']['name']}" in CONTAINER["args"]
    assert port["name"] == service_port["targetPort"] == ingress["ports"][0]["port"] == "https"


def test_everything_that_selects_the_pods_selects_them() -> None:
    labels = POD["metadata"]["labels"]
    selectors = [
        DEPLOYMENT["spec"]["selector"]["matchLabels"],
        reading.one("PodDisruptionBudget", BASE)["spec"]["selector"]["matchLabels"],
        reading.one("NetworkPolicy", BASE)["spec"]["podSelector"]["matchLabels"],
        SERVICE["spec"]["selector"],
        *(each["labelSelector"]["matchLabels"] for each in POD["spec"]["topologySpreadConstraints"]),
    ]

    assert all(selector and selector.items() <= labels.items() for selector in selectors)


# Its rights

READ = {
    ("leadtime.dev", "inferencescalers", "list"),
    ("leadtime.dev", "inferencescalers", "watch"),
    *(("apps", kind, verb) for kind in ("deployments", "statefulsets") for verb in ("list", "watch")),
    ("apps", "replicasets", "get"),
    *(("apps", f"{kind}/scale", "get") for kind in ("deployments", "statefulsets", "replicasets")),
    *(("", kind, verb) for kind in ("pods", "services", "nodes") for verb in ("list", "watch")),
    ("autoscaling", "horizontalpodautoscalers", "list"),
    ("autoscaling", "horizontalpodautoscalers", "watch"),
    ("custom.metrics.k8s.io", "*", "get"),
    ("external.metrics.k8s.io", "*", "list"),
}
REPORT = {("leadtime.dev", "inferencescalers/status", "patch"), ("", "events", "create"), ("", "events", "patch")}
ACT = {
    *(("apps", f"{kind}/scale", "patch") for kind in ("deployments", "statefulsets", "replicasets")),
    ("", "pods", "patch"),
    ("", "pods/status", "patch"),
}
OWN = {
    *(("coordination.k8s.io", "leases", verb) for verb in ("create", "get", "patch")),
    *(("", "configmaps", verb) for verb in ("create", "get", "patch")),
}


def test_the_autoscaler_may_do_what_these_tables_say_and_nothing_else() -> None:
    assert granted(role("leadtime-autoscaler-read")) == READ
    assert granted(role("leadtime-autoscaler-report")) == REPORT
    assert granted(role("leadtime-autoscaler-act")) == ACT
    assert granted(role("leadtime-autoscaler", "Role")) == OWN


def test_reading_is_reading_and_reporting_touches_nothing_of_others() -> None:
    reading_verbs = {verb for _, _, verb in granted(role("leadtime-autoscaler-read"))}
    written = {resource for _, resource, _ in granted(role("leadtime-autoscaler-report"))}

    assert reading_verbs <= {"get", "list", "watch"}
    assert written == {"inferencescalers/status", "events"}


def test_no_rule_is_a_wildcard_where_something_can_be_written() -> None:
    for found in reading.of_kind("ClusterRole", BASE) + reading.of_kind("Role", BASE):
        for rule in found.document.get("rules", ()):
            if set(rule["verbs"]) - {"get", "list", "watch"}:
                assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]


def test_in_its_own_namespace_everything_but_creating_is_by_name() -> None:
    memories = Memories(World().client(), "leadtime")
    names = {
        rule["resources"][0]: set(rule["resourceNames"])
        for rule in role("leadtime-autoscaler", "Role")["rules"]
        if rule["verbs"] != ["create"]
    }

    assert names == {"leases": {daemon.LEASE}, "configmaps": {shard.name for shard in memories._shards}}


def test_every_role_is_bound_to_the_autoscalers_account_and_to_nobody_else() -> None:
    bound = {(each["roleRef"]["kind"], each["roleRef"]["name"]) for each in bindings().values()}

    assert bound == {
        ("ClusterRole", "leadtime-autoscaler-read"),
        ("ClusterRole", "leadtime-autoscaler-read-more"),
        ("ClusterRole", "leadtime-autoscaler-report"),
        ("ClusterRole", "leadtime-autoscaler-act"),
        ("ClusterRole", "leadtime-autoscaler-act-more"),
        ("ClusterRole", "system:auth-delegator"),
        ("Role", "leadtime-autoscaler"),
    }
    assert all(each["subjects"] == [ACCOUNT] for each in bindings().values())
    assert POD["spec"]["serviceAccountName"] == ACCOUNT["name"] == reading.one("ServiceAccount", BASE)["metadata"]["name"]


def test_recommending_takes_away_exactly_what_acts() -> None:
    removed = set()
    for patch in reading.one("Component", "components/recommend-only")["patches"]:
        document = yaml.safe_load(patch["patch"])
        assert document["$patch"] == "delete"
        assert patch["target"] == {"kind": document["kind"], "name": document["metadata"]["name"]}
        removed.add(document["metadata"]["name"])

    acting = {name for name, each in bindings().items() if "-act" in each["roleRef"]["name"]}
    left = [each["roleRef"] for name, each in bindings().items() if name not in removed]
    assert removed == acting
    for reference in left:
        if reference["name"].startswith("leadtime-") and reference["kind"] == "ClusterRole":
            assert not granted(role(reference["name"])) & ACT


@pytest.mark.parametrize("what", ["read", "act"])
def test_other_kinds_get_their_rights_by_a_label(what: str) -> None:
    collected = role(f"leadtime-autoscaler-{what}-more")
    (selector,) = collected["aggregationRule"]["clusterRoleSelectors"]
    parts = [each for each in reading.of_kind("ClusterRole", "examples/rbac") if f"-{what}-" in each.name]

    # Not even an empty list: the control plane fills it in, and who applies one takes the rights away or is refused.
    assert "rules" not in collected
    assert {each.file for each in parts} == {"examples/rbac/inferenceset.yaml", "examples/rbac/leaderworkerset.yaml"}
    for part in parts:
        assert part.document["metadata"]["labels"] == selector["matchLabels"]
        assert {verb for _, _, verb in granted(part.document)} == ({"get"} if what == "read" else {"patch"})
