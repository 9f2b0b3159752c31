"""Which kinds the sandbox serves: a table of the built-in ones, and those that CustomResourceDefinitions add.

A kind says what it is called and which rules its verbs follow; it holds no objects.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from autoscaler.sandbox.objects import Obj, dig

OBJECT_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalePaths:
    """Where an object keeps what its ``/scale`` shows, as paths of field names."""

    spec_replicas: tuple[str, ...] = ("spec", "replicas")
    status_replicas: tuple[str, ...] = ("status", "replicas")
    selector: tuple[str, ...] = ()  # a LabelSelector for built-in kinds, its printed form for custom ones; empty: none


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One served resource in one version."""

    group: str = ""
    version: str = "v1"
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = OBJECT_VERBS
    status: bool = False  # has /status, and a write to the object itself leaves its status alone
    scale: ScalePaths | None = None
    counts_generation: bool = False
    unconditional_update: bool = True  # an update without resourceVersion overwrites whatever is there
    returns_deleted: bool = False  # a delete answers with the object instead of a Status
    selectable: tuple[str, ...] = ()  # field selectors beside metadata.name and metadata.namespace
    custom: bool = False
    schema: Obj | None = field(default=None, hash=False, compare=False)  # a custom kind's openAPIV3Schema
    columns: tuple[Obj, ...] = field(default=(), hash=False, compare=False)  # its additionalPrinterColumns

    @property
    def api_version(self) -> str:
        """Return ``v1`` or ``apps/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """Return the plural with its group, such as ``deployments.apps``: what the store files its objects under."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular(self) -> str:
        """Return the singular in lower case."""
        return self.kind.lower()


_POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.phase",
    "status.podIP",
)
_EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "reason",
    "type",
    "reportingComponent",
)
_WORKLOAD = ScalePaths(selector=("spec", "selector"))
_REVIEW = ("create",)


def _core() -> Iterator[Kind]:
    yield Kind(
        plural="namespaces", kind="Namespace", namespaced=False, short_names=("ns",), status=True, selectable=("status.phase",)
    )
    yield Kind(plural="nodes", kind="Node", namespaced=False, short_names=("no",), status=True, selectable=("spec.unschedulable",))
    yield Kind(
        plural="pods",
        kind="Pod",
        short_names=("po",),
        categories=("all",),
        status=True,
        counts_generation=True,
        returns_deleted=True,
        selectable=_POD_FIELDS,
    )
    yield Kind(plural="services", kind="Service", short_names=("svc",), categories=("all",), status=True, returns_deleted=True)
    yield Kind(plural="configmaps", kind="ConfigMap", short_names=("cm",))
    yield Kind(plural="secrets", kind="Secret", selectable=("type",))
    yield Kind(plural="events", kind="Event", short_names=("ev",), selectable=_EVENT_FIELDS)
    yield Kind(plural="serviceaccounts", kind="ServiceAccount", short_names=("sa",), returns_deleted=True)
    yield Kind(plural="endpoints", kind="Endpoints", short_names=("ep",))


def _apps() -> Iterator[Kind]:
    for plural, kind, short in (
        ("deployments", "Deployment", "deploy"),
        ("replicasets", "ReplicaSet", "rs"),
        ("statefulsets", "StatefulSet", "sts"),
    ):
        yield Kind(
            group="apps",
            plural=plural,
            kind=kind,
            short_names=(short,),
            categories=("all",),
            status=True,
            scale=_WORKLOAD,
            counts_generation=True,
        )


def _rbac() -> Iterator[Kind]:
    group = "rbac.authorization.k8s.io"
    yield Kind(group=group, plural="clusterroles", kind="ClusterRole", namespaced=False)
    yield Kind(group=group, plural="clusterrolebindings", kind="ClusterRoleBinding", namespaced=False)
    yield Kind(group=group, plural="roles", kind="Role")
    yield Kind(group=group, plural="rolebindings", kind="RoleBinding")


def _others() -> Iterator[Kind]:
    yield Kind(group="discovery.k8s.io", plural="endpointslices", kind="EndpointSlice", counts_generation=True)
    yield Kind(group="coordination.k8s.io", plural="leases", kind="Lease", unconditional_update=False)
    yield Kind(
        group="apiregistration.k8s.io",
        plural="apiservices",
        kind="APIService",
        namespaced=False,
        categories=("api-extensions",),
        status=True,
        unconditional_update=False,
    )
    yield Kind(
        group="apiextensions.k8s.io",
        plural="customresourcedefinitions",
        kind="CustomResourceDefinition",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        status=True,
        counts_generation=True,
        unconditional_update=False,
    )
    yield Kind(
        group="autoscaling",
        version="v2",
        plural="horizontalpodautoscalers",
        kind="HorizontalPodAutoscaler",
        short_names=("hpa",),
        categories=("all",),
        status=True,
    )
    yield Kind(
        group="policy",
        plural="poddisruptionbudgets",
        kind="PodDisruptionBudget",
        short_names=("pdb",),
        status=True,
        counts_generation=True,
        unconditional_update=False,
    )
    yield Kind(
        group="networking.k8s.io",
        plural="networkpolicies",
        kind="NetworkPolicy",
        short_names=("netpol",),
        counts_generation=True,
        unconditional_update=False,
    )
    yield Kind(
        group="scheduling.k8s.io",
        plural="priorityclasses",
        kind="PriorityClass",
        namespaced=False,
        short_names=("pc",),
    )


def _reviews() -> Iterator[Kind]:
    for group, plural, kind in (
        ("authentication.k8s.io", "tokenreviews", "TokenReview"),
        ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"),
        ("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview"),
        ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    ):
        yield Kind(group=group, plural=plural, kind=kind, namespaced=False, verbs=_REVIEW)


def builtin() -> tuple[Kind, ...]:
    """Return every kind that is served without a definition."""
    return (*_core(), *_apps(), *_rbac(), *_others(), *_reviews())


def defined(definition: Obj) -> list[Kind]:
    """Return the kinds that a CustomResourceDefinition adds, one for each served version."""
    spec = definition["spec"]
    names = spec["names"]
    found: list[Kind] = []
    for version in spec["versions"]:
        if not version.get("served"):
            continue
        subresources = version.get("subresources") or {}
        scale = subresources.get("scale")
        found.append(
            Kind(
                group=spec["group"],
                version=version["name"],
                plural=names["plural"],
                kind=names["kind"],
                namespaced=spec.get("scope") == "Namespaced",
                short_names=tuple(names.get("shortNames") or ()),
                categories=tuple(names.get("categories") or ()),
                status="status" in subresources,
                scale=ScalePaths(
                    spec_replicas=_path(scale["specReplicasPath"]),
                    status_replicas=_path(scale["statusReplicasPath"]),
                    selector=_path(scale.get("labelSelectorPath") or ""),
                )
                if scale
                else None,
                counts_generation=True,
                unconditional_update=False,
                selectable=tuple(item["jsonPath"].lstrip(".") for item in version.get("selectableFields") or ()),
                custom=True,
                schema=dig(version, "schema", "openAPIV3Schema"),
                columns=tuple(version.get("additionalPrinterColumns") or ()),
            )
        )
    return found


def _path(json_path: str) -> tuple[str, ...]:
    return tuple(part for part in json_path.split(".") if part)


class Registry:
    """The kinds that are served now."""

    def __init__(self) -> None:
        self._builtin = {(kind.group, kind.version, kind.plural): kind for kind in builtin()}
        self._defined: dict[str, list[Kind]] = {}

    def kinds(self) -> Iterator[Kind]:
        """Iterate over every served kind."""
        yield from self._builtin.values()
        for kinds in self._defined.values():
            yield from kinds

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """Return the kind at a path, or None."""
        kind = self._builtin.get((group, version, plural))
        if kind is not None:
            return kind
        served = self._defined.get(f"{plural}.{group}", ())
        return next((kind for kind in served if kind.version == version), None)

    def by_resource(self, resource: str) -> Kind:
        """Return the (first served version of the) kind that is filed under *resource*; KeyError when there is none."""
        for kind in self.kinds():
            if kind.resource == resource:
                return kind
        raise KeyError(resource)

    def define(self, definition: Obj) -> None:
        """Serve what a CustomResourceDefinition describes, instead of what it described before."""
        self._defined[definition["metadata"]["name"]] = defined(definition)

    def undefine(self, name: str) -> None:
        """Serve the definition of that name no longer."""
        self._defined.pop(name, None)

    def defined_by(self, name: str) -> list[Kind]:
        """Return the kinds of the definition of that name."""
        return self._defined.get(name, [])

    def versions(self) -> dict[str, list[str]]:
        """Return the served versions of each group, the preferred one first."""
        found: dict[str, list[str]] = {}
        for kind in self.kinds():
            versions = found.setdefault(kind.group, [])
            if kind.version not in versions:
                versions.append(kind.version)
        return found
