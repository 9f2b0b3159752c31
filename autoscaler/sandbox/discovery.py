"""The documents by which clients learn what there is: groups, resources, and as much OpenAPI as clients check."""

from collections.abc import Iterable, Mapping, Sequence

from autoscaler.sandbox.objects import Obj
from autoscaler.sandbox.registry import Kind

VERSION: Obj = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.3+leadtime-sandbox",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}

_SUBRESOURCE_VERBS = ["get", "patch", "update"]
_OPENAPI_INFO: Obj = {"title": "Kubernetes", "version": VERSION["gitVersion"]}


def core_versions(address: str) -> Obj:
    """Return ``/api``: the versions of the core group."""
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def group(name: str, versions: Sequence[str], *, nested: bool = False) -> Obj:
    """Return one group with its *versions*, the preferred one first; *nested* leaves out what a list says for all."""
    each = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    head: Obj = {} if nested else {"kind": "APIGroup", "apiVersion": "v1"}
    return {**head, "name": name, "versions": each, "preferredVersion": each[0]}


def groups(found: Mapping[str, Sequence[str]]) -> Obj:
    """Return ``/apis``: every group but the core one."""
    listed = [group(name, versions, nested=True) for name, versions in found.items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def resources(group_version: str, kinds: Iterable[Kind]) -> Obj:
    """Return ``/apis/GROUP/VERSION``: the group-version's resources and their subresources."""
    listed: list[Obj] = []
    for kind in kinds:
        entry: Obj = {
            "name": kind.plural,
            "singularName": kind.singular,
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": list(kind.verbs),
        }
        if kind.short_names:
            entry["shortNames"] = list(kind.short_names)
        if kind.categories:
            entry["categories"] = list(kind.categories)
        listed.append(entry)
        below: Obj = {"singularName": "", "namespaced": kind.namespaced}
        if kind.status:
            listed.append({"name": f"{kind.plural}/status", **below, "kind": kind.kind, "verbs": _SUBRESOURCE_VERBS})
        if kind.scale:
            scale = {"group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": _SUBRESOURCE_VERBS}
            listed.append({"name": f"{kind.plural}/scale", **below, **scale})
        if kind.resource == "serviceaccounts":
            token = {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest", "verbs": ["create"]}
            listed.append({"name": f"{kind.plural}/token", **below, **token})
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}


def openapi_v2() -> Obj:
    """Return a Swagger document without definitions: clients then skip what they would check on their side."""
    return {"swagger": "2.0", "info": _OPENAPI_INFO, "paths": {}, "definitions": {}}


def openapi_v3_index(group_versions: Iterable[str]) -> Obj:
    """Return ``/openapi/v3``: where each group-version's document stands (*group_versions* as paths, such as ``apis/apps/v1``)."""
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in group_versions}}


def openapi_v3(path: str, kinds: Iterable[Kind]) -> Obj:
    """Return a document of one group-version: no schemas, and that a write takes fieldValidation, which kubectl looks for."""
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for name in ("dryRun", "fieldManager", "fieldValidation")
    ]
    paths: Obj = {}
    for kind in kinds:
        space = "/namespaces/{namespace}" if kind.namespaced else ""
        operation = {
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
            "parameters": parameters,
            "responses": {"200": {"description": "OK"}},
        }
        paths[f"/{path}{space}/{kind.plural}/{{name}}"] = {"patch": operation}
    return {"openapi": "3.0.0", "info": _OPENAPI_INFO, "paths": paths, "components": {}}
