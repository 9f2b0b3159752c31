"""What a cluster holds before anybody creates anything: its namespaces, its own roles, and the front proxy's public facts."""

import json
from collections.abc import Iterator, Sequence

from autoscaler.sandbox.objects import Obj
from autoscaler.sandbox.rbac import AUTHENTICATED, GROUP, MASTERS, UNAUTHENTICATED

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
FRONT_PROXY_NAME = "front-proxy-client"
AUTHENTICATION_CONFIG = "extension-apiserver-authentication"

_READ = ("get", "list", "watch")
_PUBLIC = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version")
_HPA = "horizontal-pod-autoscaler"


def _rule(groups: Sequence[str], resources: Sequence[str], verbs: Sequence[str]) -> Obj:
    return {"apiGroups": list(groups), "resources": list(resources), "verbs": list(verbs)}


def _paths(paths: Sequence[str]) -> Obj:
    return {"nonResourceURLs": list(paths), "verbs": ["get"]}


def _cluster_roles() -> Iterator[tuple[str, list[Obj]]]:
    yield "cluster-admin", [_rule("*", "*", "*"), {"nonResourceURLs": ["*"], "verbs": ["*"]}]
    yield "system:discovery", [_paths((*_DISCOVERY, "/version/"))]
    yield "system:public-info-viewer", [_paths(_PUBLIC)]
    yield "system:monitoring", [_paths(("/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/readyz", "/readyz/*"))]
    yield (
        "system:basic-user",
        [
            _rule(["authorization.k8s.io"], ["selfsubjectaccessreviews"], ["create"]),
            _rule(["authentication.k8s.io"], ["selfsubjectreviews"], ["create"]),
        ],
    )
    yield (
        "system:auth-delegator",
        [
            _rule(["authentication.k8s.io"], ["tokenreviews"], ["create"]),
            _rule(["authorization.k8s.io"], ["subjectaccessreviews"], ["create"]),
        ],
    )
    yield (
        f"system:controller:{_HPA}",
        [
            _rule(["autoscaling"], ["horizontalpodautoscalers"], _READ),
            _rule(["autoscaling"], ["horizontalpodautoscalers/status"], ["update"]),
            _rule(["*"], ["*/scale"], ["get", "update"]),
            _rule([""], ["pods"], ["list", "watch"]),
            _rule(["custom.metrics.k8s.io"], ["*"], _READ),
            _rule(["external.metrics.k8s.io"], ["*"], _READ),
            _rule(["metrics.k8s.io"], ["pods"], ["list", "watch"]),
            _rule(["", "events.k8s.io"], ["events"], ["create", "patch", "update"]),
        ],
    )


def _bindings() -> Iterator[tuple[str, list[Obj]]]:
    def groups(*names: str) -> list[Obj]:
        return [{"kind": "Group", "apiGroup": GROUP, "name": name} for name in names]

    yield "cluster-admin", groups(MASTERS)
    yield "system:discovery", groups(AUTHENTICATED)
    yield "system:public-info-viewer", groups(AUTHENTICATED, UNAUTHENTICATED)
    yield "system:basic-user", groups(AUTHENTICATED)
    yield "system:monitoring", groups("system:monitoring")
    yield f"system:controller:{_HPA}", [{"kind": "ServiceAccount", "name": _HPA, "namespace": "kube-system"}]


def objects(client_ca: str, front_proxy_ca: str) -> Iterator[tuple[str, Obj]]:
    """Yield (resource, object) for everything that is there from the start, in an order that they can be created in."""
    for name in NAMESPACES:
        yield "namespaces", {"metadata": {"name": name}}
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    for name, rules in _cluster_roles():
        yield f"clusterroles.{GROUP}", {"metadata": {"name": name, "labels": labels}, "rules": rules}
    for name, subjects in _bindings():
        role = {"apiGroup": GROUP, "kind": "ClusterRole", "name": name}
        metadata = {"name": name, "labels": labels}
        yield f"clusterrolebindings.{GROUP}", {"metadata": metadata, "roleRef": role, "subjects": subjects}
    yield (
        f"roles.{GROUP}",
        {
            "metadata": {"name": f"{AUTHENTICATION_CONFIG}-reader", "namespace": "kube-system", "labels": labels},
            "rules": [{**_rule([""], ["configmaps"], _READ), "resourceNames": [AUTHENTICATION_CONFIG]}],
        },
    )
    yield "serviceaccounts", {"metadata": {"name": _HPA, "namespace": "kube-system"}}
    yield (
        "configmaps",
        {
            "metadata": {"name": AUTHENTICATION_CONFIG, "namespace": "kube-system"},
            "data": {
                "client-ca-file": client_ca,
                "requestheader-client-ca-file": front_proxy_ca,
                "requestheader-allowed-names": json.dumps([FRONT_PROXY_NAME]),
                "requestheader-username-headers": json.dumps(["X-Remote-User"]),
                "requestheader-group-headers": json.dumps(["X-Remote-Group"]),
                "requestheader-extra-headers-prefix": json.dumps(["X-Remote-Extra-"]),
            },
        },
    )
