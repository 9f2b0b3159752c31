"""The CustomResourceDefinition, made of the classes that read the objects.

``python -m autoscaler.resource.definition`` prints it as it stands in the manifests.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pydantic

from autoscaler.resource import rules
from autoscaler.resource.scaler import GROUP, KIND, PLURAL, VERSION
from autoscaler.resource.schema import Spec
from autoscaler.resource.status import Status

Schema = dict[str, Any]

#: Printed by `kubectl get isc`: name, type, path, and whether `-o wide` is needed.
COLUMNS = (
    ("Target", "string", ".spec.scaleTargetRef.name", False),
    ("Signals", "string", ".status.signals", False),
    ("Current", "integer", ".status.currentReplicas", False),
    ("Desired", "integer", ".status.desiredReplicas", False),
    ("Ready", "integer", ".status.readyReplicas", False),
    ("Min", "integer", ".spec.minReplicas", False),
    ("Max", "integer", ".spec.maxReplicas", False),
    ("Reason", "string", ".status.reason", False),
    ("Age", "date", ".metadata.creationTimestamp", False),
    ("Mode", "string", ".spec.mode", True),
    ("Forecast", "string", ".status.forecast.summary", True),
    ("Warm", "integer", ".status.warmReplicas", True),
    ("Start-up", "number", ".status.startup.p90Seconds", True),
    ("Metric age", "integer", ".status.metricAgeSeconds", True),
    ("GPUs", "integer", ".status.gpus", True),
    ("GPU-h today", "number", ".status.gpuHoursToday", True),
    ("Cost today", "string", ".status.costToday", True),
)

_HEADER = "# Made by `python -m autoscaler.resource.definition` from autoscaler/resource: change it there.\n"
_INT32 = 2**31 - 1
_KEPT = (
    "type", "description", "format", "default", "enum", "pattern", "minLength", "maxLength", "minItems", "maxItems", "minimum",
    "maximum", "required",
)  # fmt: skip


def document() -> dict[str, Any]:
    """Return the definition."""
    spec, status = structural(Spec), structural(Status)
    for rule in rules.RULES:
        _found(spec, rule.place).setdefault("x-kubernetes-validations", []).append({"rule": rule.holds, "message": rule.message})
    top = {
        "description": "Scales what has a /scale subresource by the load of GPU inference, one start-up time ahead of it.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": top},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, **({"priority": 1} if wide else {})}
            for name, kind, path, wide in COLUMNS
        ],
    }
    names = {
        "kind": KIND,
        "listKind": f"{KIND}List",
        "plural": PLURAL,
        "singular": KIND.lower(),
        "shortNames": ["isc"],
        "categories": ["all"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def text() -> str:
    """Return the definition as it stands in the manifests."""
    import yaml  # not needed by who reads objects

    return _HEADER + yaml.safe_dump(document(), sort_keys=False, width=130, allow_unicode=True)


def structural(kind: type[pydantic.BaseModel]) -> Schema:
    """Return the structural schema of *kind*: without references, and with no keyword that the API server does not take."""
    told = kind.model_json_schema(by_alias=True)
    return _structural(told, told.get("$defs", {}))


def _structural(told: Mapping[str, Any], known: Mapping[str, Any]) -> Schema:
    told = _resolved(told, known)
    # Copies: the same list in two places would be written as an alias.
    found: Schema = {key: copy.copy(told[key]) for key in _KEPT if key in told}
    found |= {key: copy.copy(value) for key, value in told.items() if key.startswith("x-kubernetes-")}
    if isinstance(found.get("default"), list | dict) or found.get("default", ...) is None:
        # What is not there stays away; only a field of something that is there has a default.
        del found["default"]
    for strict, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if strict in told:
            found |= {bound: told[strict], strict: True}
    if found.get("type") == "integer":
        found.setdefault("format", "int32")
        if found.get("maximum") == _INT32:
            del found["maximum"]
    if "properties" in told:
        found["properties"] = {name: _structural(below, known) for name, below in told["properties"].items()}
    elif isinstance(told.get("additionalProperties"), Mapping):
        found["additionalProperties"] = _structural(told["additionalProperties"], known)
    if "items" in told:
        found["items"] = _structural(told["items"], known)
    if "description" in found:
        found["description"] = " ".join(found["description"].replace("``", "`").split())
    return found


def _resolved(told: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *told* with what it refers to put in its place, and without a null that stands for being left out."""
    choices = [choice for choice in told.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        told = {**choices[0], **{key: value for key, value in told.items() if key != "anyOf"}}
    reference = told.get("$ref")
    if reference is None:
        return told
    return {**_resolved(known[reference.rpartition("/")[2]], known), **{key: value for key, value in told.items() if key != "$ref"}}


def _found(schema: Schema, place: Sequence[str]) -> Schema:
    for step in place:
        schema = schema["items"] if step == "[]" else schema["properties"][step]
    return schema


def fields(schema: Schema, path: str) -> Iterator[tuple[str, Schema, bool]]:
    """Yield every field below *schema*: its path, its schema, and whether it has to be given."""
    for name, below in schema.get("properties", {}).items():
        where = f"{path}.{name}"
        yield where, below, name in schema.get("required", ())
        items = below.get("items", {})
        yield from fields(items, f"{where}[]") if items.get("properties") else fields(below, where)


if __name__ == "__main__":
    print(text(), end="")  # noqa: T201
