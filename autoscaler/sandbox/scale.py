"""The ``/scale`` subresource: one small document that reads and writes the replicas of any kind that declares it."""

from typing import Any

from adapter import selector
from autoscaler.sandbox import faults
from autoscaler.sandbox.objects import Obj, clone, dig, name_of
from autoscaler.sandbox.registry import Kind, ScalePaths

KIND = Kind(group="autoscaling", plural="scales", kind="Scale")


def of(kind: Kind, obj: Obj) -> Obj:
    """Return *obj*'s Scale; 500 when a custom object has nothing at its replicas path."""
    paths = _paths(kind)
    replicas = dig(obj, *paths.spec_replicas)
    if replicas is None and kind.custom:
        path = "".join(f".{part}" for part in paths.spec_replicas)
        raise faults.ApiError(500, "InternalError", f'Internal error occurred: the spec replicas field "{path}" does not exist')
    metadata = obj["metadata"]
    status: Obj = {"replicas": dig(obj, *paths.status_replicas) or 0}
    if paths.selector:
        found = dig(obj, *paths.selector)
        text = found if isinstance(found, str) else str(selector.from_label_selector(found or {}))
        if text:
            status["selector"] = text
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    spec = {"replicas": replicas} if replicas else {}
    return {
        "kind": KIND.kind,
        "apiVersion": KIND.api_version,
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": spec,
        "status": status,
    }


def applied(kind: Kind, obj: Obj, scale: Obj) -> Obj:
    """Return *obj* with the replicas that *scale* asks for; 422 when they are not a number of replicas."""
    replicas = dig(scale, "spec", "replicas")
    wanted = 0 if replicas is None else replicas
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        raise faults.bad_request(f"spec.replicas of a Scale is a whole number, not {wanted!r}")
    if wanted < 0:
        why = f"Invalid value: {wanted}: must be greater than or equal to 0"
        raise faults.invalid(KIND, name_of(obj), [("spec.replicas", "FieldValueInvalid", why)])
    result: Obj = clone(obj)
    target: Any = result
    *above, last = _paths(kind).spec_replicas
    for part in above:
        target = target.setdefault(part, {})
    target[last] = wanted
    return result


def _paths(kind: Kind) -> ScalePaths:
    if kind.scale is None:
        raise faults.no_such_resource()
    return kind.scale
