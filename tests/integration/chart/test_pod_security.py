"""Every pod template that is shipped keeps to the `restricted` Pod Security standard, however it is rendered."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.manifests import podsecurity, reading, rendering

RENDERED: dict[str, Callable[[], rendering.Objects]] = {
    "base": lambda: rendering.kustomized("base"),
    **{
        f"overlays/{each.name}": lambda name=each.name: rendering.kustomized(f"overlays/{name}")  # type: ignore[misc]
        for each in sorted((reading.ROOT / "overlays").iterdir())
    },
    "chart": rendering.chart,
    "chart with everything": lambda: rendering.chart(
        "--set=certificates.certManager.enabled=true",
        "--set=externalMetrics.enabled=true",
        "--set=autoscaler.history.prometheusUrl=http://prometheus:9090",
        "--set=watchNamespace=team-a",
    ),
}

Break = Callable[[dict[str, Any]], object]
#: Ways to leave the standard, one for each of its rules.
BROKEN: dict[str, tuple[Break, str]] = {
    "the node's network": (lambda pod: pod.update(hostNetwork=True), "hostNetwork is true"),
    "a folder of the node": (lambda pod: pod["volumes"].append({"name": "disk", "hostPath": {"path": "/"}}), "disk is a hostPath"),
    "root": (lambda pod: pod["securityContext"].update(runAsUser=0), "runs as root"),
    "perhaps root": (lambda pod: pod["securityContext"].pop("runAsNonRoot"), "runAsNonRoot is not true"),
    "every system call": (lambda pod: pod["securityContext"].pop("seccompProfile"), "no seccomp profile"),
    "a setting of the kernel": (lambda pod: pod["securityContext"].update(sysctls=[{"name": "kernel.msgmax"}]), "kernel.msgmax"),
    "more rights": (lambda pod: _own(pod).pop("allowPrivilegeEscalation"), "allowPrivilegeEscalation"),
    "privileged": (lambda pod: _own(pod).update(privileged=True), "privileged"),
    "capabilities as they are": (lambda pod: _own(pod).pop("capabilities"), "no ALL"),
    "one capability": (lambda pod: _own(pod)["capabilities"].update(add=["SYS_ADMIN"]), "adds SYS_ADMIN"),
    "a port of the node": (lambda pod: pod["containers"][0]["ports"][0].update(hostPort=443), "port 443"),
    "no AppArmor": (lambda pod: _own(pod).update(appArmorProfile={"type": "Unconfined"}), "no AppArmor"),
    "a probe elsewhere": (lambda pod: pod["containers"][0]["livenessProbe"]["httpGet"].update(host="10.0.0.1"), "names a host"),
}


def _own(pod: dict[str, Any]) -> dict[str, Any]:
    context: dict[str, Any] = pod["containers"][0]["securityContext"]
    return context


@pytest.mark.parametrize("name", RENDERED)
def test_every_pod_is_restricted(name: str) -> None:
    templates = dict(rendering.pod_templates(RENDERED[name]()))

    assert {key[2] for key in templates} == {"leadtime-adapter", "leadtime-autoscaler"}
    assert {key: podsecurity.problems(template) for key, template in templates.items() if podsecurity.problems(template)} == {}


@pytest.mark.parametrize("name", BROKEN)
def test_a_pod_that_is_not_is_found_out(name: str) -> None:
    change, words = BROKEN[name]
    template = copy.deepcopy(next(iter(dict(rendering.pod_templates(rendering.kustomized("base"))).values())))

    change(template["spec"])

    (problem,) = podsecurity.problems(template)
    assert words in problem


def test_a_namespace_that_the_chart_makes_enforces_it() -> None:
    found = rendering.chart("--set=namespace.create=true", namespace="autoscaling")["Namespace", None, "autoscaling"]

    assert found["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
