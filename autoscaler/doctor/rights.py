"""What each daemon asks of the API server, right by right. A test compares this with the shipped roles."""

from collections.abc import Sequence
from typing import NamedTuple

from autoscaler.resource.scaler import GROUP, PLURAL


class Right(NamedTuple):
    """One verb on one kind of thing, everywhere or in one namespace, of any name or of one."""

    verb: str
    group: str
    resource: str  # with its subresource, as in deployments/scale
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        what = f"{self.resource}.{self.group}" if self.group else self.resource
        everywhere = "" if self.name else " in all namespaces"  # what has a name and no namespace is in none
        where = f" in namespace {self.namespace}" if self.namespace else everywhere
        return f"{self.verb} {what}{f' {self.name}' if self.name else ''}{where}"


def adapter(namespace: str, scraped: Sequence[str]) -> tuple[Right, ...]:
    """Return what the adapter needs, whose own namespace is *namespace*, and which scrapes Services in those that are *scraped*."""
    return (
        *_watch("", "pods"),
        *_watch("apps", "replicasets"),
        *(right._replace(namespace=each) for each in scraped for right in _watch("discovery.k8s.io", "endpointslices")),
        *_watch("", "nodes"),
        *(
            Right(verb, "apiregistration.k8s.io", "apiservices", name=name)
            for name in ("v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io")
            for verb in ("get", "patch")
        ),
        Right("get", "", "configmaps", "kube-system", "extension-apiserver-authentication"),
        Right("create", "authentication.k8s.io", "tokenreviews"),
        Right("create", "authorization.k8s.io", "subjectaccessreviews"),
        Right("create", "", "secrets", namespace),
        Right("get", "", "secrets", namespace, "leadtime-adapter-tls"),
        Right("update", "", "secrets", namespace, "leadtime-adapter-tls"),
    )


def autoscaler(namespace: str, *, acts: bool) -> tuple[Right, ...]:
    """Return what the controller needs, whose own namespace is *namespace*; without *acts* what it takes to recommend."""
    memory = "leadtime-memory-0"  # of 64, all granted in one rule
    return (
        *_watch(GROUP, PLURAL),
        *_watch("apps", "deployments"),
        *_watch("apps", "statefulsets"),
        *(Right("get", "apps", f"{kind}/scale") for kind in ("deployments", "statefulsets", "replicasets")),
        Right("get", "apps", "replicasets"),
        *_watch("", "pods"),
        *_watch("", "services"),
        *_watch("autoscaling", "horizontalpodautoscalers"),
        *_watch("", "nodes"),
        Right("get", "custom.metrics.k8s.io", "*"),
        Right("list", "external.metrics.k8s.io", "*"),
        Right("patch", GROUP, f"{PLURAL}/status"),
        Right("create", "", "events"),
        Right("patch", "", "events"),
        Right("create", "authentication.k8s.io", "tokenreviews"),
        Right("create", "authorization.k8s.io", "subjectaccessreviews"),
        Right("create", "coordination.k8s.io", "leases", namespace),
        Right("get", "coordination.k8s.io", "leases", namespace, "leadtime-autoscaler"),
        Right("patch", "coordination.k8s.io", "leases", namespace, "leadtime-autoscaler"),
        Right("create", "", "configmaps", namespace),
        Right("get", "", "configmaps", namespace, memory),
        Right("patch", "", "configmaps", namespace, memory),
        *(acting() if acts else ()),
    )


def acting() -> tuple[Right, ...]:
    """Return what only a controller needs that sets replicas; `overlays/recommend-only` leaves it out."""
    return (
        *(Right("patch", "apps", f"{kind}/scale") for kind in ("deployments", "statefulsets", "replicasets")),
        Right("patch", "", "pods"),
        Right("patch", "", "pods/status"),
    )


def _watch(group: str, resource: str) -> tuple[Right, ...]:
    return Right("list", group, resource), Right("watch", group, resource)
