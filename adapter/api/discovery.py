"""What the aggregation layer and kubectl are told exists: groups, versions, and one placeholder resource per version.

HPA needs no metric to be listed, and lists of thousands have cost API servers their memory: the documents have a constant size,
whatever is configured, and depend on no source. A full list can be asked for and is capped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from adapter.api import documents, paths

#: The representation that the aggregation layer asks for first: every group and version in one answer.
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

#: How many metrics a full list names at most.
MAX_LISTED = 500


@dataclass(frozen=True, slots=True)
class Listed:
    """A metric as discovery names it; external metrics have no *resource*."""

    resource: str
    metric: str
    namespaced: bool = True


#: `*` is no metric's name: it says that pods have metrics, and takes the place of the list of them.
_CUSTOM_PLACEHOLDER = (Listed("pods", "*"),)
_EXTERNAL_PLACEHOLDER = (Listed("", "externalmetrics"),)


def group_list(groups: paths.Groups) -> documents.Document:
    """Return ``/apis``: the groups that are served."""
    found = [_group(group, versions) for group, versions in groups.versions().items()]
    return documents.Document.of({"kind": "APIGroupList", "apiVersion": "v1", "groups": found})


def group(groups: paths.Groups, name: str) -> documents.Document:
    """Return ``/apis/NAME``, the versions of one of the *groups*; KeyError when it is none of them."""
    return documents.Document.of({"kind": "APIGroup", "apiVersion": "v1", **_group(name, groups.versions()[name])})


def resource_list(
    groups: paths.Groups, group: str, version: str, listed: Sequence[Listed] | None = None, *, cap: int = MAX_LISTED
) -> documents.Document:
    """Return ``/apis/GROUP/VERSION``: a placeholder, or the first *cap* metrics of *listed*."""
    resources = [
        {
            "name": f"{one.resource}/{one.metric}" if one.resource else one.metric,
            "singularName": "",
            "namespaced": one.namespaced,
            "kind": _kind(one),
            "verbs": ["get"],
        }
        for one in _of_group(groups, group, listed, cap)
    ]
    content = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{group}/{version}", "resources": resources}
    return documents.Document.of(content)


def aggregated(groups: paths.Groups, listed: Sequence[Listed] | None = None, *, cap: int = MAX_LISTED) -> documents.Document:
    """Return ``/apis`` as the aggregation layer prefers it: an ``APIGroupDiscoveryList`` with every group and version.

    A version that were left out of it would be shown without resources, so there is no way to leave one out.
    """
    items = [
        {
            "metadata": {"name": name},
            "versions": [
                {
                    "version": version,
                    "resources": _resources(name, version, _of_group(groups, name, listed, cap)),
                    "freshness": "Current",
                }
                for version in versions
            ],
        }
        for name, versions in groups.versions().items()
    ]
    content = {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }
    return documents.Document.of(content, AGGREGATED)


def wants_aggregated(accept: str) -> bool:
    """Return whether an ``Accept`` header asks for `aggregated`; who asks for several representations asks for this one first."""
    wanted = {"g": "apidiscovery.k8s.io", "v": "v2", "as": "APIGroupDiscoveryList"}
    return any(
        media == documents.JSON and wanted.items() <= dict(parameters).items()
        for media, parameters in documents.media_types(accept)
    )


def _group(name: str, versions: Sequence[str]) -> dict[str, object]:
    spelled = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": spelled, "preferredVersion": spelled[0]}


def _kind(one: Listed) -> str:
    return "MetricValueList" if one.resource else "ExternalMetricValueList"


def _of_group(groups: paths.Groups, group: str, listed: Sequence[Listed] | None, cap: int) -> list[Listed]:
    """Return what to list for *group*, each resource under one scope only.

    One resource listed both as namespaced and as root-scoped makes the API server's conversion fail for the whole version, and
    with it every HPA that reads custom metrics: the scope that comes first stays.
    """
    external = group == groups.external
    if listed is None:
        return list(_EXTERNAL_PLACEHOLDER if external else _CUSTOM_PLACEHOLDER)
    scopes: dict[str, bool] = {}
    kept: dict[tuple[str, str], Listed] = {}
    for one in listed:
        if external == bool(one.resource) or (one.resource and scopes.setdefault(one.resource, one.namespaced) != one.namespaced):
            continue
        kept.setdefault((one.resource, one.metric), one)
    return list(kept.values())[:cap]


def _resources(group: str, version: str, listed: Sequence[Listed]) -> list[dict[str, object]]:
    """Return *listed* as aggregated discovery has it: an object's metrics are subresources of a parent that is no resource."""
    resources: list[dict[str, object]] = []
    metrics: dict[str, list[dict[str, object]]] = {}
    for one in listed:
        verbs = ["get"]
        response = {"group": group, "version": version, "kind": _kind(one)}
        scope = "Namespaced" if one.namespaced else "Cluster"
        if not one.resource:
            resources.append(
                {"resource": one.metric, "responseKind": response, "scope": scope, "singularResource": "", "verbs": verbs}
            )
            continue
        if one.resource not in metrics:
            metrics[one.resource] = []
            resources.append(
                {
                    "resource": one.resource,
                    # Empty and not absent: client-go before 0.26.4 crashes on a resource without it.
                    "responseKind": {"group": "", "version": "", "kind": ""},
                    "scope": scope,
                    "singularResource": "",
                    "verbs": [],
                    "subresources": metrics[one.resource],
                }
            )
        metrics[one.resource].append({"subresource": one.metric, "responseKind": response, "verbs": verbs})
    return resources
