"""OpenAPI v2 and v3 of the groups that are served.

HPA needs neither. But the aggregation layer asks every minute, and logs an error and retries for ever where v2 is missing; and
with the schemas filled, tools that read them know the answers' shape. The documents depend on the groups alone.
"""

from collections.abc import Callable

from adapter.api import documents, paths

_INFO = {"title": "Leadtime metrics", "version": "v1"}

Schema = dict[str, object]


def v2(groups: paths.Groups) -> documents.Document:
    """Return ``/openapi/v2``: Swagger 2.0, with every group and version."""
    path_items: Schema = {}
    definitions: Schema = {}
    for group, versions in groups.versions().items():
        for version in versions:
            path_items |= _paths(groups, group, version, _operation_v2)
            definitions |= _schemas(groups, group, version, "#/definitions/")
    content = {"swagger": "2.0", "info": _INFO, "paths": path_items, "definitions": definitions}
    return documents.Document.of(content)


def v3(groups: paths.Groups, group: str, version: str) -> documents.Document:
    """Return ``/openapi/v3/apis/GROUP/VERSION``."""
    content = {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": _paths(groups, group, version, _operation_v3),
        "components": {"schemas": _schemas(groups, group, version, "#/components/schemas/")},
    }
    return documents.Document.of(content)


def v3_index(groups: paths.Groups) -> documents.Document:
    """Return ``/openapi/v3``: where each version's document is, with its hash, so that readers can keep what they have."""
    found: Schema = {}
    for group, versions in groups.versions().items():
        for version in versions:
            digest = v3(groups, group, version).etag.strip('"')
            found[f"apis/{group}/{version}"] = {"serverRelativeURL": f"/openapi/v3/apis/{group}/{version}?hash={digest}"}
    return documents.Document.of({"paths": found})


def _model(group_is_external: bool, version: str, kind: str) -> str:
    """Return a schema's name as Kubernetes' own generated documents spell it."""
    family = "external_metrics" if group_is_external else "custom_metrics"
    return f"io.k8s.metrics.pkg.apis.{family}.{version}.{kind}"


def _schemas(groups: paths.Groups, group: str, version: str, prefix: str) -> Schema:
    external = group == groups.external
    item_kind = "ExternalMetricValue" if external else "MetricValue"
    item_model = _model(external, version, item_kind)
    return {
        item_model: _external_item() if external else _item(version),
        _model(external, version, f"{item_kind}List"): {
            "description": "Values of one metric.",
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"type": "object"},
                "items": {"type": "array", "items": {"$ref": prefix + item_model}},
            },
            "x-kubernetes-group-version-kind": [{"group": group, "version": version, "kind": f"{item_kind}List"}],
        },
    }


def _item(version: str) -> Schema:
    name: Schema = {"type": "string", "description": "The metric's name."}
    selector: Schema = {"type": "object", "description": "The label selector that chose the metric's series."}
    window: Schema = {"type": "integer", "format": "int64", "description": "Seconds that the value was taken over."}
    described: Schema = {
        "type": "object",
        "description": "The object that the value is about.",
        "properties": {key: {"type": "string"} for key in ("kind", "namespace", "name", "apiVersion")},
    }
    if version == "v1beta1":
        spelled: Schema = {"metricName": name, "selector": selector, "window": window}
        required = ["describedObject", "metricName", "timestamp", "value"]
    else:
        metric = {"type": "object", "required": ["name"], "properties": {"name": name, "selector": selector}}
        spelled = {"metric": metric, "windowSeconds": window}
        required = ["describedObject", "metric", "timestamp", "value"]
    return {
        "description": "A metric's value for one object.",
        "type": "object",
        "required": required,
        "properties": {"describedObject": described, **spelled, **_sample()},
    }


def _external_item() -> Schema:
    properties: Schema = {
        "metricName": {"type": "string", "description": "The metric's name."},
        "metricLabels": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "The labels that tell the metric's series apart.",
        },
        "window": {"type": "integer", "format": "int64", "description": "Seconds that the value was taken over."},
        **_sample(),
    }
    return {
        "description": "A metric's value that is about no Kubernetes object.",
        "type": "object",
        "required": ["metricName", "metricLabels", "timestamp", "value"],
        "properties": properties,
    }


def _sample() -> Schema:
    return {
        "timestamp": {"type": "string", "format": "date-time", "description": "When the value was measured."},
        "value": {"type": "string", "description": "The value, a Kubernetes quantity."},
    }


def _paths(groups: paths.Groups, group: str, version: str, operation: Callable[[str, list[str], list[str], str], Schema]) -> Schema:
    external = group == groups.external
    root = f"/apis/{group}/{version}"
    if external:
        reads = {"ListExternal": (f"{root}/namespaces/{{namespace}}/{{metric}}", ["labelSelector"])}
    else:
        both = ["labelSelector", "metricLabelSelector"]
        reads = {
            "ListNamespaced": (f"{root}/namespaces/{{namespace}}/{{resource}}/{{name}}/{{metric}}", both),
            "ReadNamespace": (f"{root}/namespaces/{{namespace}}/metrics/{{metric}}", ["metricLabelSelector"]),
            "ListRoot": (f"{root}/{{resource}}/{{name}}/{{metric}}", both),
        }
    kind = "ExternalMetricValueList" if external else "MetricValueList"
    model = _model(external, version, kind)
    name = "External" if external else "Custom"
    found: Schema = {}
    for verb, (path, queries) in reads.items():
        parameters = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
        get = operation(model, parameters, queries, f"{verb[0].lower()}{verb[1:]}{name}Metrics{version.capitalize()}")
        gvk = {"group": group, "version": version, "kind": kind}
        found[path] = {"get": {**get, "x-kubernetes-action": "get", "x-kubernetes-group-version-kind": gvk}}
    return found


def _operation_v2(model: str, parameters: list[str], queries: list[str], operation_id: str) -> Schema:
    in_path = [{"name": name, "in": "path", "required": True, "type": "string"} for name in parameters]
    in_query = [{"name": name, "in": "query", "type": "string"} for name in queries]
    answer = {"description": "OK", "schema": {"$ref": f"#/definitions/{model}"}}
    return {
        "operationId": operation_id,
        "produces": [documents.JSON],
        "parameters": [*in_path, *in_query],
        "responses": {"200": answer},
    }


def _operation_v3(model: str, parameters: list[str], queries: list[str], operation_id: str) -> Schema:
    in_path = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in parameters]
    in_query = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in queries]
    content = {documents.JSON: {"schema": {"$ref": f"#/components/schemas/{model}"}}}
    return {
        "operationId": operation_id,
        "parameters": [*in_path, *in_query],
        "responses": {"200": {"description": "OK", "content": content}},
    }
