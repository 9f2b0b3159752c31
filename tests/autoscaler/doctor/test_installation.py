"""What is wrong with an installation is found one by one, and with nothing wrong there is nothing to say."""

from typing import Any

import pytest

from autoscaler.doctor.diagnosis import diagnose
from autoscaler.doctor.finding import Finding, Level
from autoscaler.doctor.rights import Right, acting
from autoscaler.doctor.seen import Unread
from autoscaler.resource import definition
from tests.autoscaler.doctor import cases

V1BETA2 = "v1beta2.custom.metrics.k8s.io"
SPEC = ("spec", "versions", "0", "schema", "openAPIV3Schema", "properties", "spec", "properties")


def test_where_all_is_well_nothing_is_found() -> None:
    assert diagnose(cases.healthy()) == ()


# ── the definition ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_definition_that_is_not_there_is_to_be_applied() -> None:
    found = cases.only(diagnose(cases.healthy(definition=None)))

    assert (found.check, found.level) == ("definition-missing", Level.ERROR)
    assert "manifests/base/crds" in found.fix


def test_a_definition_that_lacks_fields_names_them_once_and_not_what_is_below() -> None:
    older = cases.without(definition.document(), *SPEC, "warmPool")

    found = cases.only(diagnose(cases.healthy(definition=older)))

    assert found.check == "definition-old"
    assert found.says.endswith("drops without a word: spec.warmPool")


def test_a_definition_may_have_more_than_we_know() -> None:
    newer = definition.document()
    newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["later"] = {"type": "string"}

    assert diagnose(cases.healthy(definition=newer)) == ()


def test_a_definition_that_does_not_serve_our_version_is_old() -> None:
    other = definition.document()
    other["spec"]["versions"][0]["name"] = "v1"

    assert "it serves v1, and this program speaks v1alpha1" in cases.only(diagnose(cases.healthy(definition=other))).says


# ── the registration ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def registered(document: cases.Document | None) -> tuple[Any, ...]:
    services = {**cases.healthy().apiservices, V1BETA2: document}
    return diagnose(cases.healthy(apiservices=services))


def test_an_apiservice_of_another_names_its_owner() -> None:
    found = cases.only(registered(cases.apiservice(service={"namespace": "monitoring", "name": "prometheus-adapter"})))

    assert found.check == "apiservice-owner"
    assert "monitoring/prometheus-adapter" in found.says


def test_an_apiservice_that_is_not_available_says_why() -> None:
    document = cases.apiservice()
    document["status"]["conditions"][0] |= {"status": "False", "reason": "FailedDiscoveryCheck", "message": "connection refused"}

    found = cases.only(registered(document))

    assert found.check == "apiservice-unavailable"
    assert "connection refused" in found.says


def test_an_apiservice_that_is_not_there_is_an_error_but_for_external_metrics() -> None:
    assert cases.only(registered(None)).check == "apiservice-missing"
    assert cases.healthy().apiservices["v1beta1.external.metrics.k8s.io"] is None


def test_kedas_own_external_metrics_are_left_to_keda() -> None:
    keda = cases.apiservice(service={"namespace": "keda", "name": "keda-metrics-apiserver"})

    assert diagnose(cases.healthy(apiservices={**cases.healthy().apiservices, "v1beta1.external.metrics.k8s.io": keda})) == ()


def test_who_serves_external_metrics_alone_may_leave_the_others_to_another() -> None:
    others = cases.apiservice("v1beta1", service={"namespace": "monitoring", "name": "prometheus-adapter"})
    services = {"v1beta1.custom.metrics.k8s.io": others, V1BETA2: None, "v1beta1.external.metrics.k8s.io": cases.apiservice()}

    assert diagnose(cases.healthy(apiservices=services)) == ()


def test_an_apiservice_that_trusts_anybody_is_a_warning() -> None:
    found = cases.only(registered(cases.apiservice(insecureSkipTLSVerify=True)))

    assert (found.check, found.level) == ("apiservice-insecure", Level.WARNING)


# ── what runs ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("document", "check", "says"),
    [
        (None, "daemon-missing", "not there"),
        (cases.deployment(ready=0), "daemon-not-ready", "none of its 2 replicas"),
        (cases.deployment(ready=0, replicas=0), "daemon-not-ready", "scaled to 0"),
    ],
)
def test_a_daemon_that_does_not_run_is_found(document: cases.Document | None, check: str, says: str) -> None:
    deployments = {**cases.healthy().deployments, "leadtime-adapter": document}

    found = cases.only(diagnose(cases.healthy(deployments=deployments)))

    assert found.check == check
    assert says in found.says


def test_without_both_daemons_nothing_is_installed() -> None:
    findings = diagnose(cases.healthy(deployments=dict.fromkeys(cases.healthy().deployments), lacking={}, apiservices={}))

    assert {(finding.check, finding.level) for finding in findings} == {("daemon-missing", Level.ERROR)}
    assert len(findings) == 2


# ── what an installation goes without ────────────────────────────────────────────────────────────────────────────────────────

OTHERS = cases.apiservice("v1beta1", service={"namespace": "monitoring", "name": "prometheus-adapter"}, insecureSkipTLSVerify=True)


def beside(served: cases.Document | None) -> tuple[Finding, ...]:
    """Return what is found where our adapter is left out, and *served* is who serves metrics, by v1beta1 alone."""
    deployments = {**cases.healthy().deployments, "leadtime-adapter": None}
    apiservices = {"v1beta1.custom.metrics.k8s.io": served, V1BETA2: None, "v1beta1.external.metrics.k8s.io": None}
    return diagnose(cases.healthy(deployments=deployments, apiservices=apiservices))


def test_an_adapter_that_is_left_out_is_noted_with_who_serves_in_its_place() -> None:
    found = cases.only(beside(OTHERS))

    assert (found.check, found.level) == ("not-installed", Level.NOTE)
    assert found.says.endswith("custom.metrics.k8s.io is served by Service monitoring/prometheus-adapter")


def test_where_our_adapter_is_left_out_somebody_must_serve_metrics() -> None:
    down = {**OTHERS, "status": {"conditions": [cases.condition("Available", "False", "MissingEndpoints")]}}

    assert [finding.check for finding in beside(None)] == ["apiservice-missing", "not-installed"]
    assert [finding.check for finding in beside(down)] == ["apiservice-unavailable", "not-installed"]


def without_autoscaler(**changes: object) -> tuple[Finding, ...]:
    deployments = {**cases.healthy().deployments, "leadtime-autoscaler": None}
    return diagnose(cases.healthy(deployments=deployments, **changes))


def test_an_autoscaler_that_is_left_out_needs_no_leader_and_no_definition() -> None:
    found = cases.only(without_autoscaler(definition=None, lease=None, scalers=()))

    assert (found.check, found.level, found.about) == ("not-installed", Level.NOTE, "Deployment leadtime/leadtime-autoscaler")


def test_an_autoscaler_that_has_led_and_has_scalers_is_missing() -> None:
    assert [(found.check, found.level) for found in without_autoscaler()] == [("daemon-missing", Level.ERROR)]


# ── rights ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_right_that_is_lacking_is_named() -> None:
    lacking = {"leadtime-autoscaler": (Right("patch", "leadtime.dev", "inferencescalers/status"),)}

    found = cases.only(diagnose(cases.healthy(lacking=lacking)))

    assert found.check == "right-missing"
    assert found.says == "it may not patch inferencescalers/status.leadtime.dev in all namespaces"


def test_a_controller_that_is_only_to_recommend_needs_no_right_to_act() -> None:
    lacking = {"leadtime-autoscaler": acting()}
    asking = (cases.scaler(mode="Recommend"),)

    assert diagnose(cases.healthy(lacking=lacking, scalers=asking)) == ()
    assert len(diagnose(cases.healthy(lacking=lacking))) == len(acting())


def test_nor_does_it_where_it_keeps_to_some_namespaces() -> None:
    lacking = {"leadtime-autoscaler": tuple(right._replace(namespace="llm") for right in acting())}

    assert diagnose(cases.healthy(lacking=lacking, scalers=(cases.scaler(mode="Paused"),))) == ()


NODES = Right("list", "", "nodes")
REVIEWS = Right("create", "authorization.k8s.io", "subjectaccessreviews")


@pytest.mark.parametrize(
    ("name", "right", "says"),
    [
        ("leadtime-adapter", NODES, "which nodes share their GPUs is not known"),
        ("leadtime-autoscaler", NODES, "which nodes share their GPUs is not known"),
        ("leadtime-autoscaler", REVIEWS, "nobody can read its /metrics"),
    ],
)
def test_a_right_that_can_be_done_without_is_a_warning_that_says_what_is_lost(name: str, right: Right, says: str) -> None:
    found = cases.only(diagnose(cases.healthy(lacking={name: (right,)})))

    assert (found.check, found.level) == ("right-missing", Level.WARNING)
    assert found.says.endswith(says)


@pytest.mark.parametrize(
    ("name", "deployment"),
    [
        ("leadtime-adapter", cases.deployment("leadtime-adapter")),
        ("leadtime-autoscaler", cases.deployment("leadtime-autoscaler", "--page=:8444")),
    ],
)
def test_who_serves_others_has_to_ask_who_may_read(name: str, deployment: cases.Document) -> None:
    deployments = {**cases.healthy().deployments, name: deployment}

    found = cases.only(diagnose(cases.healthy(deployments=deployments, lacking={name: (REVIEWS,)})))

    assert found.level is Level.ERROR


def test_a_right_is_lacked_by_the_account_that_the_deployment_names() -> None:
    deployments = {**cases.healthy().deployments, "leadtime-autoscaler": cases.deployment("scaling")}
    lacking = {"leadtime-autoscaler": (Right("patch", "leadtime.dev", "inferencescalers/status"),)}

    assert cases.only(diagnose(cases.healthy(deployments=deployments, lacking=lacking))).about == "ServiceAccount leadtime/scaling"


# ── who leads ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("lease", "says"),
    [
        (None, "no controller has ever led"),
        (cases.lease(holderIdentity=""), "nobody has taken it"),
    ],
)
def test_without_a_leader_nothing_is_steered(lease: cases.Document | None, says: str) -> None:
    found = cases.only(diagnose(cases.healthy(lease=lease)))

    assert found.check == "no-leader"
    assert says in found.says


def test_a_leader_that_no_longer_renews_is_none() -> None:
    # By the API server's own clock it was written at 08:00:00.
    assert diagnose(cases.healthy(now=cases.NOW + 59, api_now=cases.NOW + 59)) == ()
    found = cases.only(diagnose(cases.healthy(now=cases.NOW + 300, api_now=cases.NOW + 300)))
    assert (found.check, "for 300 s" in found.says) == ("no-leader", True)


# ── clocks ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_controller_whose_clock_is_off_is_found_by_the_api_servers_own_stamp() -> None:
    found = cases.only(diagnose(cases.healthy(lease=cases.lease(renewTime="2027-01-15T08:02:00Z"))))

    assert (found.check, found.level) == ("clock-skew", Level.ERROR)
    assert "120 s ahead of the API server's" in found.says


@pytest.mark.parametrize(("skew_s", "says"), [(30.0, "30 s ahead of"), (-30.0, "30 s behind")])
def test_this_machines_clock_may_be_off_too(skew_s: float, says: str) -> None:
    found = cases.only(diagnose(cases.healthy(now=cases.NOW + skew_s)))

    assert (found.check, found.level, found.about) == ("clock-skew", Level.WARNING, "this machine")
    assert says in found.says


def test_a_second_between_two_clocks_is_none() -> None:
    assert diagnose(cases.healthy(now=cases.NOW + 1.5)) == ()


# ── what could not be looked at ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_right_that_the_doctor_lacks_is_named_and_the_rest_is_judged() -> None:
    right = Right("get", "coordination.k8s.io", "leases", "leadtime", "leadtime-autoscaler")
    seen = cases.healthy(lease=Unread("the lease", "it is forbidden: no", right), definition=None)

    findings = diagnose(seen)

    assert [finding.check for finding in findings] == ["definition-missing", "unseen"]
    assert "get leases.coordination.k8s.io leadtime-autoscaler in namespace leadtime" in findings[1].fix


@pytest.mark.parametrize(
    "field", ["definition", "configuration", "lease", "scalers", "hpas", "scaled_objects", "exporters", "series", "api_now"]
)
def test_what_was_not_seen_is_neither_absent_nor_well(field: str) -> None:
    findings = diagnose(cases.healthy(**{field: Unread("it", "it is forbidden: no", Right("list", "", "things"))}))

    assert {finding.level for finding in findings} == {Level.UNSEEN}


# ── the tool that it was installed with ──────────────────────────────────────────────────────────────────────────────────────


def of_helm(document: cases.Document) -> cases.Document:
    labels = {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "gpu-scaling"}
    return {**document, "metadata": {**document.get("metadata", {}), "labels": labels}}


UPGRADE = "helm upgrade gpu-scaling manifests/chart --namespace leadtime"


def test_what_helm_installed_is_made_whole_by_helm() -> None:
    deployments = {"leadtime-adapter": None, "leadtime-autoscaler": of_helm(cases.deployment())}

    assert cases.only(diagnose(cases.healthy(deployments=deployments))).fix.startswith(UPGRADE)


def test_a_definition_is_upgraded_by_whoever_brought_it() -> None:
    older = cases.without(definition.document(), *SPEC, "warmPool")
    helms = cases.healthy(definition=of_helm(older))
    somebodys = cases.healthy(
        definition=older, deployments={name: of_helm(cases.deployment()) for name in ("leadtime-adapter", "leadtime-autoscaler")}
    )

    assert cases.only(diagnose(helms)).fix.startswith(UPGRADE)
    assert cases.only(diagnose(somebodys)).fix.startswith("kubectl apply --server-side --force-conflicts --kustomize")
