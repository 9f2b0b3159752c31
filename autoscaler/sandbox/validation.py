"""The rules that the API server refuses objects by: names, and what the sandbox's own controllers rely on."""

import re
from collections.abc import Callable, Iterator, Mapping

from adapter import selector
from autoscaler.sandbox.objects import Obj, dig

Cause = tuple[str, str, str]  # field, reason, message

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with"
    " an alphanumeric character (e.g. 'example.com', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an"
    " alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def _required(field: str, why: str = "") -> Cause:
    return (field, "FieldValueRequired", f"Required value: {why}" if why else "Required value")


def _wrong(field: str, value: object, why: str) -> Cause:
    shown = f'"{value}"' if isinstance(value, str) else value
    return (field, "FieldValueInvalid", f"Invalid value: {shown}: {why}")


def _name(resource: str, obj: Obj) -> Iterator[Cause]:
    name = obj["metadata"].get("name")
    if not name:
        yield _required("metadata.name", "name or generateName is required")
    elif resource.endswith(".rbac.authorization.k8s.io"):
        if "/" in name or "%" in name or name in {".", ".."}:
            yield _wrong("metadata.name", name, "may not contain '/' or '%'")
    elif resource in {"namespaces", "services"}:
        if not _LABEL.fullmatch(name) or len(name) > 63:
            yield _wrong("metadata.name", name, _LABEL_RULE)
    elif not _SUBDOMAIN.fullmatch(name) or len(name) > 253:
        yield _wrong("metadata.name", name, _SUBDOMAIN_RULE)


def _labels(obj: Obj) -> Iterator[Cause]:
    for key, value in (dig(obj, "metadata", "labels") or {}).items():
        if not isinstance(value, str) or not re.fullmatch(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", value):
            yield _wrong("metadata.labels", value, f"the value of label {key} is not a valid label value")


def _containers(spec: Obj, path: str) -> Iterator[Cause]:
    if not spec.get("containers"):
        yield _required(f"{path}.containers")
    containers: list[Obj] = spec.get("containers") or []
    for index, container in enumerate(containers):
        if not container.get("name"):
            yield _required(f"{path}.containers[{index}].name")
        if not container.get("image"):
            yield _required(f"{path}.containers[{index}].image")


def _pod(obj: Obj) -> Iterator[Cause]:
    yield from _containers(obj["spec"], "spec")


def _workload(obj: Obj) -> Iterator[Cause]:
    spec = obj["spec"]
    if isinstance(spec.get("replicas"), int) and spec["replicas"] < 0:
        yield _wrong("spec.replicas", spec["replicas"], "must be greater than or equal to 0")
    template = spec.get("template") or {}
    labels = dig(template, "metadata", "labels") or {}
    try:
        wanted = selector.from_label_selector(spec.get("selector") or {})
    except selector.SelectorError as error:
        yield _wrong("spec.selector", "", str(error))
        return
    if wanted.everything:
        yield _required("spec.selector")
    elif not wanted.matches(labels):
        yield _wrong("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from _containers(template.get("spec") or {}, "spec.template.spec")


def _service(obj: Obj) -> Iterator[Cause]:
    spec = obj["spec"]
    if spec["type"] == "ExternalName":
        if not spec.get("externalName"):
            yield _required("spec.externalName")
    elif not spec.get("ports") and spec.get("clusterIP") != "None":
        yield _required("spec.ports")
    if len(spec.get("ports") or ()) > 1:
        for index, port in enumerate(spec["ports"]):
            if not port.get("name"):
                yield _required(f"spec.ports[{index}].name")


def _apiservice(obj: Obj) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    wanted = f"{spec.get('version', '')}.{spec.get('group', '')}"
    if obj["metadata"].get("name") != wanted:
        yield _wrong("metadata.name", obj["metadata"].get("name"), f'must be `spec.version+"."+spec.group`: "{wanted}"')
    if not 0 < spec.get("groupPriorityMinimum", 0) <= 20000:
        yield _wrong("spec.groupPriorityMinimum", spec.get("groupPriorityMinimum", 0), "must be positive and less than 20000")
    if not 0 < spec.get("versionPriority", 0) <= 1000:
        yield _wrong("spec.versionPriority", spec.get("versionPriority", 0), "must be positive and less than 1000")
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        yield _wrong("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present")


def _hpa(obj: Obj) -> Iterator[Cause]:
    spec = obj["spec"]
    if not isinstance(spec.get("maxReplicas"), int) or spec["maxReplicas"] < 1:
        yield _wrong("spec.maxReplicas", spec.get("maxReplicas", 0), "must be greater than 0")
    elif spec["maxReplicas"] < spec["minReplicas"]:
        yield _wrong("spec.maxReplicas", spec["maxReplicas"], "must be greater than or equal to `minReplicas`")
    for field in ("kind", "name"):
        if not dig(spec, "scaleTargetRef", field):
            yield _required(f"spec.scaleTargetRef.{field}")


def _definition(obj: Obj) -> Iterator[Cause]:
    spec = obj["spec"]
    wanted = f"{dig(spec, 'names', 'plural') or ''}.{spec.get('group', '')}"
    if obj["metadata"].get("name") != wanted:
        yield _wrong("metadata.name", obj["metadata"].get("name"), 'must be spec.names.plural+"."+spec.group')
    for field in ("plural", "kind"):
        if not dig(spec, "names", field):
            yield _required(f"spec.names.{field}")
    if spec.get("scope") not in {"Namespaced", "Cluster"}:
        yield _required("spec.scope")
    versions = spec.get("versions") or []
    if sum(bool(version.get("storage")) for version in versions) != 1:
        yield _wrong("spec.versions", "", "must have exactly one version marked as storage version")
    for index, version in enumerate(versions):
        if not dig(version, "schema", "openAPIV3Schema"):
            yield _required(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required")


def _role(obj: Obj) -> Iterator[Cause]:
    for index, rule in enumerate(obj.get("rules") or ()):
        if not rule.get("verbs"):
            yield _required(f"rules[{index}].verbs", "verbs must contain at least one value")
        if rule.get("nonResourceURLs"):
            continue
        if not rule.get("apiGroups"):
            yield _required(f"rules[{index}].apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            yield _required(f"rules[{index}].resources", "resource rules must supply at least one resource")


def _role_binding(obj: Obj) -> Iterator[Cause]:
    for field in ("kind", "name"):
        if not dig(obj, "roleRef", field):
            yield _required(f"roleRef.{field}")


_BY_RESOURCE: Mapping[str, Callable[[Obj], Iterator[Cause]]] = {
    "apiservices.apiregistration.k8s.io": _apiservice,
    "clusterrolebindings.rbac.authorization.k8s.io": _role_binding,
    "clusterroles.rbac.authorization.k8s.io": _role,
    "customresourcedefinitions.apiextensions.k8s.io": _definition,
    "deployments.apps": _workload,
    "horizontalpodautoscalers.autoscaling": _hpa,
    "pods": _pod,
    "replicasets.apps": _workload,
    "rolebindings.rbac.authorization.k8s.io": _role_binding,
    "roles.rbac.authorization.k8s.io": _role,
    "services": _service,
    "statefulsets.apps": _workload,
}

# What may never change once it is set, by resource.
_IMMUTABLE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "clusterrolebindings.rbac.authorization.k8s.io": (("roleRef",),),
    "deployments.apps": (("spec", "selector"),),
    "replicasets.apps": (("spec", "selector"),),
    "rolebindings.rbac.authorization.k8s.io": (("roleRef",),),
    "statefulsets.apps": (("spec", "selector"),),
}
_POD_MUTABLE = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")


def problems(resource: str, obj: Obj) -> list[Cause]:
    """Return everything that is wrong with *obj* as it would be stored."""
    found = [*_name(resource, obj), *_labels(obj)]
    check = _BY_RESOURCE.get(resource)
    return [*found, *check(obj)] if check else found


def problems_of_change(resource: str, old: Obj, new: Obj) -> list[Cause]:
    """Return what the change from *old* to *new* may not do."""
    found: list[Cause] = []
    for path in _IMMUTABLE.get(resource, ()):
        if dig(old, *path) != dig(new, *path):
            why = "cannot change roleRef" if path == ("roleRef",) else "field is immutable"
            found.append(_wrong(".".join(path), dig(new, *path), why))
    if resource == "pods" and _frozen(old["spec"]) != _frozen(new["spec"]):
        why = "pod updates may not change fields other than `spec.containers[*].image`, `spec.tolerations` (only additions) …"
        found.append(("spec", "FieldValueForbidden", f"Forbidden: {why}"))
    return found


def _frozen(spec: Obj) -> Obj:
    kept = {key: value for key, value in spec.items() if key not in _POD_MUTABLE}
    for field in ("containers", "initContainers"):
        if field in kept:
            kept[field] = [{key: value for key, value in each.items() if key != "image"} for each in kept[field]]
    return kept
