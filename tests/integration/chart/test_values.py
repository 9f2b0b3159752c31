"""What a value of the chart does, and what is refused, with its name."""

import json
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapter import settings
from adapter.rules import presets
from autoscaler.cli import adapter as adapter_command
from autoscaler.cli import autoscaler as autoscaler_command
from autoscaler.cost import prices
from tests.manifests import reading, rendering

ADAPTER = ("Deployment", "leadtime", "leadtime-adapter")
AUTOSCALER = ("Deployment", "leadtime", "leadtime-autoscaler")
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding"}


def pod(objects: rendering.Objects, key: rendering.Key) -> dict[str, Any]:
    found: dict[str, Any] = objects[key]["spec"]["template"]["spec"]
    return found


def container(objects: rendering.Objects, key: rendering.Key) -> dict[str, Any]:
    (found,) = pod(objects, key)["containers"]
    return dict(found)


def rights(role: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(verb, resource) for rule in role["rules"] for verb in rule["verbs"] for resource in rule.get("resources", ())}


# What is refused


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("autoscaler.periodSeconds=60", "/autoscaler/periodSeconds"),
        ("autoscaler.readPeriodSeconds=0", "/autoscaler/readPeriodSeconds"),
        ("autoscaler.refitHours=0.5", "/autoscaler/refitHours"),
        ("autoscaler.replicaCount=0", "/autoscaler/replicaCount"),
        ("adapter.replicaCount=two", "/adapter/replicaCount"),
        ("adapter.source=datadog", "/adapter/source"),
        ("adapter.presets={vllm,llama}", "/adapter/presets/1"),
        ("adapter.prometheus.url=prometheus:9090", "/adapter/prometheus/url"),
        ("adapter.scrape.gpus.interval=10", "/adapter/scrape/gpus/interval"),
        ("adapter.drainSeconds=120", "/adapter/drainSeconds"),
        ("watchNamespace=Team_A", "/watchNamespace"),
        ("autoscaler.prices.currency=dollars", "/autoscaler/prices/currency"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("image.digest=sha256:1", "/image/digest"),
        ("resources.adapter.limits.memory=much", "/resources/adapter/limits/memory"),
        ("logging.adapter.format=xml", "/logging/adapter/format"),
        ("podDisruptionBudget.adapter.minAvailable=-1", "/podDisruptionBudget/adapter/minAvailable"),
        ("networkPolicy.apiServerPorts={70000}", "/networkPolicy/apiServerPorts/0"),
        ("rbac.scaledRefKinds[0].apiGroup=kaito.sh", "/rbac/scaledRefKinds/0"),
        ("terminationGracePeriodSeconds=0", "/terminationGracePeriodSeconds"),
        ("page.enabled=maybe", "/page/enabled"),
        ("prometheus.serviceAccount.name=prometheus", "/prometheus/serviceAccount/namespace"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_name(value: str, name: str) -> None:
    with pytest.raises(rendering.RefusedError) as refused:
        rendering.chart(f"--set={value}")

    assert f"at '{name}'" in str(refused.value)


@pytest.mark.parametrize("value", ["adapter.replicas=3", "operator.replicaCount=3", "resources.limits.cpu=1"])
def test_a_value_that_there_is_not_is_refused_with_its_name(value: str) -> None:
    with pytest.raises(rendering.RefusedError) as refused:
        rendering.chart(f"--set={value}")

    *_, parent, _ = ["", *value.partition("=")[0].split(".")]
    assert parent in str(refused.value)
    assert "additional properties" in str(refused.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["rbac.createClusterScoped=false", "adapter.enabled=false"], "rbac.createClusterScoped=false needs watchNamespace"),
        (["rbac.createClusterScoped=false", "watchNamespace=team-a"], "needs adapter.enabled=false"),
        (["externalMetrics.enabled=true", "adapter.enabled=false"], "externalMetrics.enabled needs adapter.enabled"),
        (
            ["page.enabled=true", "rbac.createClusterScoped=false", "watchNamespace=team-a", "adapter.enabled=false"],
            "page.enabled needs rbac.createClusterScoped",
        ),
        (["prometheus.autoscaler.serviceMonitor.enabled=true"], "can be verified by nobody"),
    ],
)
def test_values_that_contradict_each_other_are_refused_with_the_remedy(values: list[str], words: str) -> None:
    with pytest.raises(rendering.RefusedError) as refused:
        rendering.chart(*(f"--set={each}" for each in values))

    assert words in str(refused.value)


def test_the_schema_knows_every_value_that_there_is_and_no_other() -> None:
    values = yaml.safe_load((reading.CHART / "values.yaml").read_text())
    schema = json.loads((reading.CHART / "values.schema.json").read_text())

    def compare(node: Any, told: Mapping[str, Any], path: str) -> None:
        told = schema["definitions"][told["$ref"].rpartition("/")[2]] if "$ref" in told else told
        if not isinstance(node, dict) or "properties" not in told:
            return
        extra = {"global"} if path == "" else {"maxUnavailable", "unhealthyPodEvictionPolicy", "type", "claims"}
        assert told["additionalProperties"] is False, path
        assert node.keys() <= told["properties"].keys(), path
        assert told["properties"].keys() - node.keys() <= extra, path
        for name, below in node.items():
            compare(below, told["properties"][name], f"{path}/{name}")

    compare(values, schema, "")


# What belongs to the code


def test_chart_and_distribution_have_one_version() -> None:
    chart = yaml.safe_load((reading.CHART / "Chart.yaml").read_text())
    project = tomllib.loads((reading.ROOT.parent / "pyproject.toml").read_text())["project"]

    assert chart["appVersion"] == chart["version"] == project["version"]


def test_the_schema_has_the_presets_that_there_are() -> None:
    schema = json.loads((reading.CHART / "values.schema.json").read_text())

    assert schema["properties"]["adapter"]["properties"]["presets"]["items"]["enum"] == sorted(presets.names())


def test_every_argument_of_the_chart_is_one_that_the_command_has() -> None:
    objects = rendering.chart(
        "--set=externalMetrics.enabled=true,adapter.drainSeconds=5,watchNamespace=team-a,certificates.certManager.enabled=true",
        "--set=logging.adapter.format=console,logging.autoscaler.format=console",
        "--set=autoscaler.periodSeconds=15,autoscaler.readPeriodSeconds=2,autoscaler.refitHours=6",
        "--set=autoscaler.history.prometheusUrl=http://p:9090,autoscaler.history.tokenFile=/t,autoscaler.history.caFile=/c",
    )

    for key, command in ((ADAPTER, adapter_command.serve), (AUTOSCALER, autoscaler_command.steer)):
        known = {option.replace("_", "-") for option in command.__annotations__}
        _, *arguments = container(objects, key)["args"]
        given = {argument.removeprefix("--").partition("=")[0] for argument in arguments}
        assert given <= known
        assert given >= {"watch-namespace", "tls-cert-file", "tls-key-file", "log-format", "port", "service"}


@pytest.mark.parametrize("source", ["prometheus", "scrape"])
def test_the_adapters_configuration_is_a_good_one(source: str) -> None:
    objects = rendering.chart(f"--set=adapter.source={source}", "--set=adapter.presets={dcgm,sglang,triton}")

    read = settings.parse(objects["ConfigMap", "leadtime", "leadtime-adapter"]["data"]["adapter.yaml"])

    assert len(read.sources) == (1 if source == "prometheus" else 2)
    assert {rule.name.partition("/")[0] for rule in read.rules} == {"dcgm", "sglang", "triton"}


def test_a_configuration_of_ones_own_is_taken_whole() -> None:
    own = {"sources": [{"name": "own", "prometheus": {"url": "http://own:9090"}}], "rules": [{"preset": "tgi"}]}

    objects = rendering.chart(f"--set-json=adapter.config={json.dumps(own)}")

    assert yaml.safe_load(objects["ConfigMap", "leadtime", "leadtime-adapter"]["data"]["adapter.yaml"]) == own


def test_a_config_map_of_ones_own_is_mounted_and_none_is_made() -> None:
    objects = rendering.chart("--set=adapter.existingConfigMap=mine")

    assert ("ConfigMap", "leadtime", "leadtime-adapter") not in objects
    assert {"name": "config", "configMap": {"name": "mine"}} in pod(objects, ADAPTER)["volumes"]


# What is asked for


@pytest.mark.parametrize("component", ["adapter", "autoscaler"])
def test_each_daemon_can_be_left_out_with_everything_of_its_own(component: str) -> None:
    objects = rendering.chart(f"--set={component}.enabled=false")

    assert [key for key in objects if component in key[2] and key[0] != "CustomResourceDefinition"] == []
    assert any(kind == "Deployment" for kind, _, _ in objects)
    assert component == "autoscaler" or not any(kind == "APIService" for kind, _, _ in objects)


def test_without_an_api_service_the_adapter_serves_all_the_same() -> None:
    objects = rendering.chart("--set=apiService.create=false")

    assert not any(kind == "APIService" for kind, _, _ in objects)
    assert ADAPTER in objects


def test_the_external_api_is_served_beside_another_owner_of_the_custom_one() -> None:
    objects = rendering.chart("--set=apiService.create=false,externalMetrics.enabled=true")

    assert {name for kind, _, name in objects if kind == "APIService"} == {"v1beta1.external.metrics.k8s.io"}
    assert "--external" in container(objects, ADAPTER)["args"]


def test_without_its_definition_nothing_else_is_missing() -> None:
    gone = rendering.chart().keys() - rendering.chart("--set=crds.install=false").keys()

    assert gone == {("CustomResourceDefinition", None, "inferencescalers.leadtime.dev")}


def test_an_image_is_named_by_registry_tag_and_digest() -> None:
    digest = f"sha256:{'0' * 64}"

    named = rendering.chart("--set=image.registry=registry.example,image.tag=1.2.3,image.pullPolicy=Always")
    pinned = rendering.chart(f"--set=image.digest={digest}")

    assert container(named, ADAPTER)["image"] == "registry.example/leadtime:1.2.3"
    assert container(named, AUTOSCALER)["imagePullPolicy"] == "Always"
    assert container(pinned, AUTOSCALER)["image"] == f"leadtime@{digest}"


def test_one_replica_may_be_drained() -> None:
    objects = rendering.chart("--set=adapter.replicaCount=1")

    assert ("PodDisruptionBudget", "leadtime", "leadtime-adapter") not in objects
    assert ("PodDisruptionBudget", "leadtime", "leadtime-autoscaler") in objects


def test_what_replaces_a_default_does_not_stand_beside_it() -> None:
    objects = rendering.chart(
        "--set=podDisruptionBudget.adapter.maxUnavailable=1,upgradeStrategy.autoscaler.type=Recreate",
        "--set=autoscaler.state.volume.persistentVolumeClaim.claimName=learned",
    )

    assert objects["PodDisruptionBudget", "leadtime", "leadtime-adapter"]["spec"].keys() == {"maxUnavailable", "selector"}
    assert pod(objects, AUTOSCALER)["securityContext"]["fsGroup"] == 65532  # or the claim's volume is root's alone
    assert objects[AUTOSCALER]["spec"]["strategy"] == {"type": "Recreate"}
    assert {"name": "state", "persistentVolumeClaim": {"claimName": "learned"}} in pod(objects, AUTOSCALER)["volumes"]


def test_a_budget_may_say_what_becomes_of_pods_that_are_not_healthy_whichever_bound_it_has() -> None:
    healthy = "podDisruptionBudget.adapter.unhealthyPodEvictionPolicy=AlwaysAllow"
    key = ("PodDisruptionBudget", "leadtime", "leadtime-adapter")

    for bound in ("minAvailable", "maxUnavailable"):
        spec = rendering.chart(f"--set={healthy},podDisruptionBudget.adapter.{bound}=1")[key]["spec"]
        assert {name: value for name, value in spec.items() if name != "selector"} == {
            bound: 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        }


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ("priorityClassName=system-cluster-critical", ["system-cluster-critical"]),
        ("priorityClassName=system-node-critical", ["system-node-critical"]),
        ("priorityClassName=ours", None),
        ("priorityClassName=", None),
        # A namespace's admin may not write a ResourceQuota.
        ("rbac.createClusterScoped=false,watchNamespace=leadtime,adapter.enabled=false", None),
    ],
)
def test_a_quota_lets_pods_of_a_critical_class_in_where_one_is_named(values: str, classes: list[str] | None) -> None:
    quota = rendering.chart(f"--set={values}").get(("ResourceQuota", "leadtime", "leadtime-critical-pods"))

    found = None if quota is None else quota["spec"]["scopeSelector"]["matchExpressions"][0]["values"]
    assert found == classes


def test_what_is_extra_reaches_the_pods() -> None:
    objects = rendering.chart(
        "--set=extraArgs.adapter.drain-seconds=3,env[0].name=HTTPS_PROXY,env[0].value=http://proxy",
        "--set=volumes.autoscaler.extraVolumes[0].name=ca,volumes.autoscaler.extraVolumes[0].configMap.name=ca",
        "--set=volumes.autoscaler.extraVolumeMounts[0].name=ca,volumes.autoscaler.extraVolumeMounts[0].mountPath=/ca",
        "--set=podLabels.adapter.team=gpu,podAnnotations.autoscaler.note=yes,imagePullSecrets[0].name=pull",
        "--set=nodeSelector.pool=system,tolerations[0].operator=Exists,affinity.nodeAffinity.x=1,additionalLabels.team=gpu",
        "--set-json=extraObjects=[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}},"
        "\"apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: '{{ .Release.Name }}-b'}\"]",
    )  # fmt: skip
    adapter, autoscaler = pod(objects, ADAPTER), pod(objects, AUTOSCALER)

    assert "--drain-seconds=3" in container(objects, ADAPTER)["args"]
    assert {"name": "HTTPS_PROXY", "value": "http://proxy"} in container(objects, AUTOSCALER)["env"]
    assert {"name": "ca", "mountPath": "/ca"} in container(objects, AUTOSCALER)["volumeMounts"]
    assert {"name": "ca", "configMap": {"name": "ca"}} in autoscaler["volumes"]
    assert objects[ADAPTER]["spec"]["template"]["metadata"]["labels"]["team"] == "gpu"
    assert objects[AUTOSCALER]["spec"]["template"]["metadata"]["annotations"] == {"note": "yes"}
    for each in (adapter, autoscaler):
        assert each["imagePullSecrets"] == [{"name": "pull"}]
        assert (each["nodeSelector"], each["tolerations"]) == ({"pool": "system"}, [{"operator": "Exists"}])
    assert {"a", "leadtime-b"} <= {name for _, _, name in objects}
    ours = [document for key, document in objects.items() if key[2] not in {"a", "leadtime-b"}]
    assert all(document["metadata"]["labels"]["team"] == "gpu" for document in ours)


def anywhere(objects: rendering.Objects, component: str) -> set[int]:
    """Return the ports that a daemon reaches whoever listens there, a node or a machine outside; DNS is among them."""
    rules = objects["NetworkPolicy", "leadtime", f"leadtime-{component}"]["spec"]["egress"]
    return {port["port"] for rule in rules if not rule.get("to") for port in rule["ports"]}


def test_a_history_opens_the_way_to_it() -> None:
    key = ("NetworkPolicy", "leadtime", "leadtime-autoscaler")
    shut, opened = rendering.chart(), rendering.chart("--set=autoscaler.history.prometheusUrl=http://prometheus:9091")

    assert "--prometheus-url=http://prometheus:9091" in container(opened, AUTOSCALER)["args"]
    assert {"to": [{"namespaceSelector": {}}]} not in shut[key]["spec"]["egress"]
    assert {"to": [{"namespaceSelector": {}}]} in opened[key]["spec"]["egress"]
    assert anywhere(opened, "autoscaler") - anywhere(shut, "autoscaler") == {9091}


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://prometheus.example:9091", 9091),
        ("http://prometheus.example/select/0/prometheus", 80),
        ("https://user@[2001:db8::1]:8443/?a=:1", 8443),
        ("https://[2001:db8::443]", 443),
    ],
)
def test_a_prometheus_is_reached_by_the_port_of_its_address_wherever_it_is(url: str, port: int) -> None:
    own = json.dumps({"sources": [{"name": "own", "prometheus": {"url": url}}], "rules": [{"preset": "vllm"}]})
    # 443 is reached anyhow, as one of the API server's ports, where it is not taken from those.
    narrow, always = "--set=networkPolicy.apiServerPorts={6443}", {53, 6443}

    for values in (f"--set=adapter.prometheus.url={url}", f"--set-json=adapter.config={own}"):
        assert anywhere(rendering.chart(narrow, values), "adapter") == always | {port}
        assert anywhere(rendering.chart(values), "adapter") == always | {443, port}


@pytest.mark.parametrize("values", ["adapter.source=scrape", "adapter.existingConfigMap=mine"])
def test_where_no_prometheus_is_named_no_port_is_opened_for_one(values: str) -> None:
    assert anywhere(rendering.chart(f"--set={values}"), "adapter") == {53, 443, 6443}


@pytest.mark.parametrize("component", ["adapter", "autoscaler"])
def test_another_way_out_is_a_value(component: str) -> None:
    rule = {"ports": [{"port": 9400, "protocol": "TCP"}]}

    objects = rendering.chart(f"--set-json=networkPolicy.extraEgress.{component}={json.dumps([rule])}")

    assert rule in objects["NetworkPolicy", "leadtime", f"leadtime-{component}"]["spec"]["egress"]


# The rules


def expressions(*values: str, namespace: str = "leadtime") -> dict[str, str]:
    """Return the expression of every alert by its name, with the rules enabled."""
    objects = rendering.chart("--set=prometheus.prometheusRules.enabled=true", *values, namespace=namespace)
    groups = objects["PrometheusRule", namespace, "leadtime"]["spec"]["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"] if "alert" in rule}


def test_an_api_that_is_down_is_told_of_where_somebody_else_serves_it_too() -> None:
    assert "LeadtimeApiServiceDown" in expressions("--set=adapter.enabled=false")


def test_a_leader_is_missed_in_the_namespace_of_the_release() -> None:
    here, there = expressions(), expressions(namespace="team-a")

    assert there["LeadtimeNoLeader"].count('leadtime_leader{namespace="team-a"}') == 2
    assert there["LeadtimeNoLeader"] == here["LeadtimeNoLeader"].replace('"leadtime"', '"team-a"')
    assert {name for name in here if here[name] != there[name]} == {"LeadtimeNoLeader"}


def test_prices_reach_the_autoscaler_as_a_file_that_it_reads() -> None:
    told = {"currency": "EUR", "prices": {"NVIDIA-L4": 0.7, "NVIDIA-H100-80GB-HBM3": {"on-demand": 3.9, "spot": 1.6}}}

    objects = rendering.chart(f"--set-json=autoscaler.prices={json.dumps(told)}")

    read = prices.parse(objects["ConfigMap", "leadtime", "leadtime-prices"]["data"]["prices.yaml"])
    assert (read.currency, len(read.per_hour)) == ("EUR", 5)
    (mount,) = [each for each in container(objects, AUTOSCALER)["volumeMounts"] if each["name"] == "prices"]
    assert f"--prices={mount['mountPath']}/prices.yaml" in container(objects, AUTOSCALER)["args"]


def test_prometheus_reads_both_daemons_by_the_account_that_is_named() -> None:
    objects = rendering.chart(
        "--set=prometheus.serviceAccount.name=prometheus-k8s,prometheus.serviceAccount.namespace=monitoring",
        "--set=prometheus.adapter.serviceMonitor.enabled=true,prometheus.autoscaler.serviceMonitor.enabled=true",
        "--set=certificates.certManager.enabled=true",
    )

    for component in ("adapter", "autoscaler"):
        binding = objects["ClusterRoleBinding", None, f"leadtime-{component}-reader"]
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "prometheus-k8s", "namespace": "monitoring"}]
        (endpoint,) = objects["ServiceMonitor", "leadtime", f"leadtime-{component}"]["spec"]["endpoints"]
        assert endpoint["tlsConfig"] == {
            "serverName": f"leadtime-{component}.leadtime.svc",
            "ca": {"secret": {"name": f"leadtime-{component}-serving", "key": "ca.crt"}},
        }


def test_verification_is_left_out_only_where_it_is_said_in_so_many_words() -> None:
    for values in ([], ["--set=prometheus.adapter.serviceMonitor.enabled=true"]):
        for document in rendering.chart(*values).values():
            for mapping in reading.mappings(document):
                assert not {"insecureSkipVerify", "insecureSkipTLSVerify"} & mapping.keys()


# Only some namespaces


def test_in_some_namespaces_rights_are_roles_and_say_the_same_as_everywhere() -> None:
    everywhere, some = rendering.chart(), rendering.chart("--set=watchNamespace=team-a\\, team-b")

    for namespace in ("team-a", "team-b"):
        for what in ("report", "act"):
            role = some["Role", namespace, f"leadtime-autoscaler-{what}"]
            assert role["rules"] == everywhere["ClusterRole", None, f"leadtime-autoscaler-{what}"]["rules"]
            binding = some["RoleBinding", namespace, f"leadtime-autoscaler-{what}"]
            assert binding["roleRef"] == {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": f"leadtime-autoscaler-{what}",
            }
            assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "leadtime-autoscaler", "namespace": "leadtime"}]
        nodes = {("list", "nodes"), ("watch", "nodes")}
        for component, name in (("adapter", "leadtime-adapter"), ("autoscaler", "leadtime-autoscaler-read")):
            here = rights(some["Role", namespace, f"leadtime-{component}-read"])
            assert here == rights(everywhere["ClusterRole", None, name]) - nodes - {
                (verb, resource) for verb in ("get", "patch", "list", "watch") for resource in ("apiservices", "endpointslices")
            }
    for key in (ADAPTER, AUTOSCALER):
        assert {"--watch-namespace=team-a", "--watch-namespace=team-b"} <= set(container(some, key)["args"])


def test_in_some_namespaces_what_stays_cluster_wide_reads_no_workload() -> None:
    objects = rendering.chart("--set=watchNamespace=team-a")

    wide = {name: rights(role) for (kind, _, name), role in objects.items() if kind == "ClusterRole"}
    assert wide == {
        "leadtime-adapter-leadtime": {("list", "nodes"), ("watch", "nodes"), ("get", "apiservices"), ("patch", "apiservices")},
        "leadtime-adapter-leadtime-reader": {("get", "*"), ("list", "*")},
        "leadtime-autoscaler-leadtime-nodes": {("list", "nodes"), ("watch", "nodes")},
        "leadtime-autoscaler-leadtime-reader": set(),
    }


def test_somebody_without_rights_in_the_cluster_gets_an_autoscaler_without_any() -> None:
    objects = rendering.chart(
        "--set=watchNamespace=team-a,adapter.enabled=false,crds.install=false,rbac.createClusterScoped=false", namespace="team-a"
    )

    assert {namespace for _, namespace, _ in objects} == {"team-a"}
    assert not CLUSTER_WIDE & {kind for kind, _, _ in objects}


def test_two_installations_share_no_name_in_the_cluster() -> None:
    values = ["--set=adapter.enabled=false,crds.install=false"]
    one = rendering.chart(*values, "--set=watchNamespace=team-a", namespace="team-a")
    other = rendering.chart(*values, "--set=watchNamespace=team-b", namespace="team-b")

    assert one.keys() & other.keys() == set()


def test_a_service_that_is_scraped_elsewhere_may_be_found_there() -> None:
    objects = rendering.chart("--set=watchNamespace=team-a,adapter.source=scrape")

    assert rights(objects["Role", "gpu-operator", "leadtime-adapter-endpoints"]) == {
        ("list", "endpointslices"),
        ("watch", "endpointslices"),
    }


def test_other_kinds_are_read_and_scaled_by_what_they_are_called() -> None:
    kinds = ["--set=rbac.scaledRefKinds[0].apiGroup=kaito.sh,rbac.scaledRefKinds[0].resource=inferencesets"]
    everywhere, some = rendering.chart(*kinds), rendering.chart(*kinds, "--set=watchNamespace=team-a")

    for what, right in (("read", ("get", "inferencesets/scale")), ("act", ("patch", "inferencesets/scale"))):
        role = everywhere["ClusterRole", None, f"leadtime-autoscaler-{what}-kinds"]
        assert role["metadata"]["labels"][f"rbac.leadtime.dev/aggregate-to-{what}"] == "true"
        assert right in rights(role)
        assert right in rights(some["Role", "team-a", f"leadtime-autoscaler-{what}"])


def test_recommending_only_takes_the_bindings_that_act_away_everywhere() -> None:
    for values in ([], ["--set=watchNamespace=team-a"]):
        gone = rendering.chart(*values).keys() - rendering.chart(*values, "--set=autoscaler.recommendOnly=true").keys()
        assert {kind for kind, _, _ in gone} & {"RoleBinding", "ClusterRoleBinding"}
        assert all("-act" in name for _, _, name in gone)


def test_those_who_may_view_or_edit_a_namespace_may_view_or_edit_its_scalers_if_that_is_wanted() -> None:
    added = rendering.chart("--set=rbac.aggregateToDefaultRoles=true").keys() - rendering.chart().keys()

    assert added == {("ClusterRole", None, f"leadtime-inferencescalers-{what}") for what in ("view", "edit")}


def test_the_page_is_off_and_one_value_opens_it_everywhere_that_it_takes() -> None:
    off, on = rendering.chart(), rendering.chart("--set=page.enabled=true")
    policy, service = ("NetworkPolicy", "leadtime", "leadtime-autoscaler"), ("Service", "leadtime", "leadtime-autoscaler")

    assert not [each for each in container(off, AUTOSCALER)["args"] if each.startswith("--page")]
    assert {each["name"] for each in container(off, AUTOSCALER)["ports"]} == {"https"}
    assert "--page=:8444" in container(on, AUTOSCALER)["args"]
    assert {each["name"]: each["containerPort"] for each in container(on, AUTOSCALER)["ports"]} == {"https": 8443, "page": 8444}
    assert {each["name"]: each["targetPort"] for each in on[service]["spec"]["ports"]} == {"https": "https", "page": "page"}
    assert [each["port"] for each in on[policy]["spec"]["ingress"][0]["ports"]] == ["https", "page"]
    assert {each["name"] for each in container(on, ADAPTER)["ports"]} == {"https"}


def test_helm_finds_nothing_to_object_to() -> None:
    command: list[str | Path] = [rendering.program("helm"), "lint", "--strict", reading.CHART]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env={"HOME": "/nonexistent"})

    assert ran.returncode == 0, ran.stdout
    assert "0 chart(s) failed" in ran.stdout
