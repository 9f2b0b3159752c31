"""The values that the API server fills in when the user leaves them out, for the kinds whose readers depend on them."""

from collections.abc import Callable, Mapping
from typing import Any

from autoscaler.sandbox.objects import Obj, dig


def _set(target: Obj, **values: Any) -> None:
    for key, value in values.items():
        if target.get(key) is None:
            target[key] = value


def _pod_spec(spec: Obj) -> None:
    _set(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        schedulerName="default-scheduler",
        securityContext={},
    )
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        image = str(container.get("image", ""))
        latest = ":" not in image.rpartition("/")[2] or image.endswith(":latest")
        _set(
            container,
            resources={},
            terminationMessagePath="/dev/termination-log",
            terminationMessagePolicy="File",
            imagePullPolicy="Always" if latest else "IfNotPresent",
        )
        for port in container.get("ports") or ():
            _set(port, protocol="TCP")
        for side in ("limits", "requests"):
            amounts = container["resources"].get(side)
            if amounts:
                container["resources"][side] = {name: str(amount) for name, amount in amounts.items()}


def _qos_class(spec: Obj) -> str:
    each = [container.get("resources") or {} for container in spec.get("containers") or ()]
    amounts = [
        {name: resources.get(side, {}).get(name) for name in ("cpu", "memory")}
        for resources in each
        for side in ("requests", "limits")
    ]
    if all(value is None for amount in amounts for value in amount.values()):
        return "BestEffort"
    equal = all(
        None not in requests.values() and requests == limits for requests, limits in zip(amounts[::2], amounts[1::2], strict=True)
    )
    return "Guaranteed" if equal else "Burstable"


def _pod(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _pod_spec(spec)
    for container in spec.get("containers") or ():
        resources = container["resources"]
        if resources.get("limits"):
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
    _set(spec, serviceAccountName="default", enableServiceLinks=True, preemptionPolicy="PreemptLowerPriority", priority=0)
    spec["serviceAccount"] = spec["serviceAccountName"]
    status = obj.setdefault("status", {})
    _set(status, phase="Pending", qosClass=_qos_class(spec))


def _template(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _set(spec, replicas=1)
    template = dig(obj, "spec", "template", "spec")
    if isinstance(template, dict):
        _pod_spec(template)


def _deployment(obj: Obj) -> None:
    _template(obj)
    spec = obj["spec"]
    _set(spec, strategy={}, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    _set(spec["strategy"], type="RollingUpdate")
    if spec["strategy"]["type"] == "RollingUpdate":
        _set(spec["strategy"], rollingUpdate={})
        _set(spec["strategy"]["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")


def _statefulset(obj: Obj) -> None:
    _template(obj)
    _set(obj["spec"], podManagementPolicy="OrderedReady", serviceName="", updateStrategy={"type": "RollingUpdate"})
    _set(obj["spec"], revisionHistoryLimit=10)


def _service(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _set(spec, type="ClusterIP", sessionAffinity="None")
    for port in spec.get("ports") or ():
        _set(port, protocol="TCP")
        if spec["type"] != "ExternalName":
            _set(port, targetPort=port.get("port"))


def _namespace(obj: Obj) -> None:
    _set(obj.setdefault("spec", {}), finalizers=["kubernetes"])
    _set(obj.setdefault("status", {}), phase="Active")
    labels = obj["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")


def _binding(obj: Obj) -> None:
    if isinstance(obj.get("roleRef"), dict):
        _set(obj["roleRef"], apiGroup="rbac.authorization.k8s.io")
    for subject in obj.get("subjects") or ():
        _set(subject, apiGroup="" if subject.get("kind") == "ServiceAccount" else "rbac.authorization.k8s.io")
        if not subject["apiGroup"]:
            del subject["apiGroup"]


def _hpa(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _set(spec, minReplicas=1)
    behavior = spec.get("behavior")
    if behavior:
        up = [
            {"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15},
        ]
        down = [{"type": "Percent", "value": 100, "periodSeconds": 15}]
        _set(behavior, scaleUp={}, scaleDown={})
        _set(behavior["scaleUp"], stabilizationWindowSeconds=0, selectPolicy="Max", policies=up)
        _set(behavior["scaleDown"], selectPolicy="Max", policies=down)


def _definition(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _set(spec, conversion={"strategy": "None"})
    names = spec.get("names")
    if isinstance(names, dict) and isinstance(names.get("kind"), str):
        _set(names, singular=names["kind"].lower(), listKind=f"{names['kind']}List")


def _apiservice(obj: Obj) -> None:
    service = dig(obj, "spec", "service")
    if isinstance(service, dict):
        _set(service, port=443)


def _secret(obj: Obj) -> None:
    _set(obj, type="Opaque")


def _node(obj: Obj) -> None:
    status = obj.setdefault("status", {})
    if status.get("capacity"):
        _set(status, allocatable=dict(status["capacity"]))


_BY_RESOURCE: Mapping[str, Callable[[Obj], None]] = {
    "apiservices.apiregistration.k8s.io": _apiservice,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
    "customresourcedefinitions.apiextensions.k8s.io": _definition,
    "deployments.apps": _deployment,
    "horizontalpodautoscalers.autoscaling": _hpa,
    "namespaces": _namespace,
    "nodes": _node,
    "pods": _pod,
    "replicasets.apps": _template,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "secrets": _secret,
    "services": _service,
    "statefulsets.apps": _statefulset,
}


def fill(resource: str, obj: Obj) -> None:
    """Fill in *obj*'s missing values, in place."""
    filler = _BY_RESOURCE.get(resource)
    if filler is not None:
        filler(obj)
